"""Asking for an accelerator: a CUDA device, else a TPU, else none."""

from __future__ import annotations

import tensorplug as tp
from tensorplug.backends.device import Device
from tensorplug.backends.errors import DeviceError


def found(name: str) -> int:
    try:
        return len(Device(name).backend.devices())
    except DeviceError:
        return 0


def test_the_accelerator_is_cuda_then_tpu_then_none():
    names = [name for name in ("cuda", "tpu") if found(name)]
    device = tp.accelerator.current_accelerator()
    assert (device.type if device is not None else None) == next(iter(names), None)
    assert tp.accelerator.is_available() == bool(names)
    assert tp.accelerator.device_count() == (found(names[0]) if names else 0)


def test_cuda_is_asked_for_first(monkeypatch):
    asked = []

    def device(name: str) -> Device:
        asked.append(name)
        return Device("cpu")

    monkeypatch.setattr(tp.accelerator, "Device", device)
    assert tp.accelerator.current_accelerator() == Device("cpu")
    assert asked == ["cuda"]
    assert tp.accelerator.is_available()
    assert tp.accelerator.device_count() == 1

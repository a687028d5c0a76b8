"""Which accelerator there is, with PyTorch's names: a CUDA device, else a TPU."""

from __future__ import annotations

from .backends.device import Device
from .backends.errors import DeviceError

__all__ = ["current_accelerator", "device_count", "is_available"]


def current_accelerator(check_available: bool = False) -> Device | None:
    """The first device of the accelerator, None where there is none.

    Args:
        check_available: accepted, and changes nothing: only devices that work are given.

    Differs from torch: the device has an index; ``xla``, which may well be the processor, and
    devices of other plugins are never chosen.

    Example:
        >>> found = tp.accelerator.current_accelerator()
        >>> device = found.type if found is not None else "cpu"
        >>> tp.ones(2).to(device).sum().item()
        2.0
    """
    for name in ("cuda", "tpu"):
        try:
            device = Device(name)
            if device.backend.devices():
                return device
        except DeviceError:
            continue
    return None


def is_available() -> bool:
    """Whether there is an accelerator that works."""
    return current_accelerator() is not None


def device_count() -> int:
    """The number of devices of the accelerator, 0 where there is none."""
    device = current_accelerator()
    return 0 if device is None else len(device.backend.devices())

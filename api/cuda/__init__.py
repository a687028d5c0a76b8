"""Questions about CUDA devices, with PyTorch's names; a CUDA plugin gives the answers."""

from __future__ import annotations

from typing import Any

from .. import random
from ..backends.device import Device
from ..backends.errors import DeviceError

__all__ = [
    "current_device", "device_count", "empty_cache", "get_device_name", "is_available",
    "manual_seed", "manual_seed_all", "memory_allocated", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is a CUDA device that works."""
    return device_count() > 0


def device_count() -> int:
    """The number of CUDA devices, 0 without a plugin for them."""
    try:
        backend = Device("cuda").backend
    except DeviceError:
        return 0
    return len(backend.devices())


def _device(device: Any) -> Device:
    if device is None:
        return Device("cuda")
    return Device("cuda", device) if isinstance(device, int) else Device(device)


def current_device() -> int:
    """The index of the device that ``"cuda"`` stands for."""
    return int(Device("cuda").index)


def synchronize(device: Any = None) -> None:
    """Wait until all work on a device is done."""
    found = _device(device)
    found.backend.synchronize(found.index)


def get_device_name(device: Any = None) -> str:
    """What the library calls the device."""
    found = _device(device)
    return str(found.backend.devices()[found.index])


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on a device, 0 where it is not known."""
    found = _device(device)
    return int(found.backend.memory(found.index).get("allocated", 0))


def empty_cache() -> None:
    """Nothing: the array library manages its own memory."""
    return


def manual_seed(seed: int) -> None:
    """Seed the generator, which is one for all devices."""
    random.manual_seed(seed)


manual_seed_all = manual_seed

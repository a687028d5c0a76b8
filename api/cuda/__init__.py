"""CUDA devices with PyTorch's names for them; a plugin gives the answers."""

from __future__ import annotations

from typing import Any

from .. import random
from .._cuda_state import current_device, device, device_of, get, set_device
from ..backends.capabilities import require
from ..backends.device import Device
from ..backends.errors import DeviceError, OutOfMemoryError
from .streams import Event, Stream, current_stream, stream

__all__ = [
    "Event", "OutOfMemoryError", "Stream", "current_device", "current_stream", "device",
    "device_count", "device_of", "empty_cache", "get_device_name", "is_available",
    "is_bf16_supported", "manual_seed", "manual_seed_all", "max_memory_allocated", "mem_get_info",
    "memory_allocated", "memory_reserved", "reset_peak_memory_stats", "set_device", "stream",
    "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is a CUDA device that works; ``tensorplug devices`` says why there is none.

    Example:
        >>> device = "cuda" if tp.cuda.is_available() else "cpu"
        >>> tp.ones(2, device=device).sum().item()
        2.0
    """
    return device_count() > 0


def device_count() -> int:
    """The number of CUDA devices, 0 without a plugin for them."""
    try:
        backend = Device("cuda").backend
    except DeviceError:
        return 0
    return len(backend.devices())


def synchronize(device: Any = None) -> None:
    """Wait until all work on a device is done.

    Raises:
        IndexError: some operation met an index out of range; see the page on devices.
    """
    found = get(device)
    found.backend.synchronize(found.index)


def get_device_name(device: Any = None) -> str:
    """What the hardware is called."""
    found = get(device)
    return found.backend.device_name(found.index)


def is_bf16_supported() -> bool:
    """Whether the current device computes with bfloat16."""
    return "bfloat16" in get().capabilities


# --- memory -------------------------------------------------------------------------------------


def _memory(device: Any, name: str, key: str) -> int:
    found = get(device)
    require(found, "memory_stats", name)
    return int(found.backend.memory(found.index).get(key, 0))


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on a device.

    Raises:
        CapabilityError: the device's backend does not count them.
    """
    return _memory(device, "memory_allocated", "allocated")


def memory_reserved(device: Any = None) -> int:
    """Bytes in use on a device, and kept to be used again.

    Raises:
        CapabilityError: the device's backend does not count them.
    """
    return _memory(device, "memory_reserved", "reserved")


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that were in use on a device, since :func:`reset_peak_memory_stats`.

    Raises:
        CapabilityError: the device's backend does not count them.
    """
    return _memory(device, "max_memory_allocated", "peak")


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes that are free on a device, and all that it has.

    Raises:
        CapabilityError: the device's backend does not count them.
    """
    return _memory(device, "mem_get_info", "free"), _memory(device, "mem_get_info", "total")


def reset_peak_memory_stats(device: Any = None) -> None:
    """Count :func:`max_memory_allocated` anew."""
    found = get(device)
    found.backend.reset_peak(found.index)


def empty_cache() -> None:
    """Give memory that is kept to be used again back to the system; nothing without a device."""
    try:
        Device("cuda").backend.release()
    except DeviceError:
        return


# --- random numbers -----------------------------------------------------------------------------


def manual_seed(seed: int) -> None:
    """Seed the generator, which is one for all devices."""
    random.manual_seed(seed)


manual_seed_all = manual_seed

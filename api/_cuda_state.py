"""Which CUDA device is meant where none is named."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from .backends.device import Device

__all__ = ["current_device", "device", "device_of", "get", "set_device"]

_current: ContextVar[int] = ContextVar("tensorplug_cuda_device", default=0)


def get(device: Any = None) -> Device:
    """A CUDA device from an index, a name, a device or None for the current one."""
    if device is None:
        return Device("cuda", _current.get())
    return Device("cuda", device) if isinstance(device, int) else Device(device)


def current_device() -> int:
    """The index of the CUDA device that is meant where none is named.

    Differs from torch: it says where ``x.cuda()``, ``Stream()`` and the functions of this module go
    to; the device ``"cuda"`` is always ``"cuda:0"``.
    """
    return _current.get()


def set_device(device: Any) -> None:
    """Make a device, by index or name, the current one; see :func:`current_device`.

    Raises:
        DeviceError: there is no such device.
    """
    _current.set(get(device).index)


class device:
    """A ``with`` block in which a CUDA device is the current one; a negative index changes nothing.

    Args:
        device: an index, a name, or a device.

    Raises:
        DeviceError: there is no such device.
    """

    def __init__(self, device: Any) -> None:
        self._index = None if isinstance(device, int) and device < 0 else get(device).index
        self._before: list[int] = []

    def __enter__(self) -> None:
        self._before.append(_current.get())
        if self._index is not None:
            _current.set(self._index)

    def __exit__(self, *error: object) -> None:
        _current.set(self._before.pop())


class device_of(device):
    """As :class:`device`, with the device of a tensor; a tensor of another kind changes nothing."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.device if obj.device.type == "cuda" else -1)

"""Where loaded values go: ``map_location``, and memory that is read or mapped."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor, make, touch
from tensorplug.backends.base import Layout
from tensorplug.backends.dtypes import DType
from tensorplug.backends.errors import DeviceError, PluginError
from tensorplug.backends.layout import check_strided, numel

__all__ = ["Memory", "Placer", "Unplaced", "alias", "placed", "placer"]

Placer = Callable[[Tensor, str], Tensor]
"""Puts a tensor in host memory where it belongs, given the device it was saved from."""


def placer(map_location: Any, name: str) -> Placer:
    """What ``map_location`` asks for.

    Raises:
        DeviceError: a device does not exist here.
        TypeError: a function returned something else than a tensor or None.
    """
    if map_location is None:
        return lambda tensor, saved: _back(tensor, saved, name)
    if isinstance(map_location, Mapping):
        places = {str(key): value for key, value in map_location.items()}
        return lambda tensor, saved: (
            tensor.to(places[saved]) if saved in places else _back(tensor, saved, name)
        )
    if isinstance(map_location, (str, tp.device)):
        device = tp.device(map_location)
        return lambda tensor, saved: tensor.to(device)
    if callable(map_location):
        return lambda tensor, saved: _chosen(map_location, tensor, saved, name)
    raise TypeError(
        "load: expected map_location to be a device, a dict, a function or None, got "
        f"{type(map_location).__name__}; pass for example 'cpu'"
    )


def _back(tensor: Tensor, saved: str, name: str) -> Tensor:
    """On the device that the tensor was saved from."""
    if saved == "cpu":
        return tensor
    try:
        return tensor.to(saved)
    except (DeviceError, PluginError) as error:
        raise DeviceError(
            f"load: expected the device {saved!r}, from which {name} was saved, and it cannot be "
            f"used here; pass map_location='cpu' to load elsewhere\n  {error}",
            op="load",
            got=saved,
        ) from error


def _chosen(function: Callable[..., Any], tensor: Tensor, saved: str, name: str) -> Tensor:
    found = function(tensor, saved)
    if found is None:
        return _back(tensor, saved, name)
    if not isinstance(found, Tensor):
        raise TypeError(
            "load: expected map_location to return a tensor or None, got "
            f"{type(found).__name__}; return what it was given, perhaps moved with .to(...)"
        )
    return found


class Unplaced(Exception):
    """Carries an error in reading or placing values past those of a damaged structure."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def placed(place: Placer, array: Callable[[], np.ndarray], saved: str) -> Tensor:
    """The values that ``array`` reads, where they belong."""
    try:
        return place(tp.from_numpy(array()), saved)
    except Exception as error:  # a function of the user's may raise anything
        raise Unplaced(error) from error


class Memory:
    """Cuts arrays out of a file: read from it, or mapped to it.

    Each array has memory of its own, so that the tensors made from them share nothing. Writing to
    a mapped array changes memory, never the file.
    """

    def __init__(self, file: IO[bytes], name: str, path: Any, mapped: bool) -> None:
        self._file, self._name = file, name
        self.path = path if isinstance(path, (str, os.PathLike)) else None
        if mapped and self.path is None:
            raise TypeError(
                f"load: expected a path with mmap=True, got {type(path).__name__}; files that are "
                "open can only be read"
            )
        # One map for all: the system has a limited number of them.
        empty = not mapped or not os.fstat(file.fileno()).st_size
        self._map = None if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

    def array(self, dtype: DType, shape: tuple[int, ...], start: int) -> np.ndarray:
        """The elements that begin ``start`` bytes after the beginning of the file.

        Raises:
            ValueError: the file ends before them.
        """
        nbytes = numel(shape) * dtype.itemsize
        if self._map is not None and nbytes and start % dtype.itemsize == 0:
            if start + nbytes > len(self._map):
                raise self._short(nbytes, start, len(self._map) - start)
            return np.ndarray(shape, dtype.numpy, self._map, start)
        array = np.empty(shape, dtype.numpy)
        self._file.seek(start)
        got = fill(self._file, array)
        if got != nbytes:
            raise self._short(nbytes, start, got)
        return array

    def _short(self, wanted: int, start: int, got: int) -> ValueError:
        return ValueError(
            f"load: expected {wanted} bytes from byte {start} of {self._name}, got {max(got, 0)}; "
            "it is cut short: copy it again"
        )


def fill(file: IO[bytes], array: np.ndarray) -> int:
    """Read into an array; returns how many bytes there were."""
    view = array.reshape(-1).view(np.uint8).data
    if hasattr(file, "readinto"):
        return int(file.readinto(view) or 0) if view.nbytes else 0
    content = file.read(view.nbytes)
    view[: len(content)] = content
    return len(content)


def alias(memory: Tensor, layout: Layout) -> Tensor:
    """A leaf that looks at the memory of another tensor, whose writes it sees.

    Raises:
        ValueError: the layout reaches out of the memory.
    """
    check_strided(layout, memory.numel())
    handle = memory._device.backend.as_strided(memory._h, *layout)
    out = make(handle, memory._dtype, memory._device)
    out._writes = touch(memory)
    return out

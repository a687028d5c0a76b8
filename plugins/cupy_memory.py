"""Memory of CUDA devices: counting it, giving it back, and saying clearly when there is none left.

CuPy keeps freed blocks for later (its memory pool), for the whole process. The allocator installed
here is that pool with two things more: the most that was ever in use, and our error.
"""

from __future__ import annotations

import gc
from typing import Any

import cupy
import numpy as np

from ..backends.errors import OutOfMemoryError

__all__ = ["Allocator", "is_pinned", "pin"]

_runtime = cupy.cuda.runtime
_PINNED = 1  # cudaMemoryTypeHost


class Allocator:
    """CuPy's allocator as it was found, and the greatest number of bytes in use, by device."""

    def __init__(self, devices: int) -> None:
        self._plain = cupy.cuda.get_allocator()
        self._pool = cupy.get_default_memory_pool()
        self.peak = [0] * devices
        cupy.cuda.set_allocator(self._allocate)

    def _allocate(self, size: int) -> Any:
        try:
            found = self._plain(size)
        except cupy.cuda.memory.OutOfMemoryError:
            found = self._again(size)
        used, device = self._pool.used_bytes(), _runtime.getDevice()
        if used > self.peak[device]:
            self.peak[device] = used
        return found

    def _again(self, size: int) -> Any:
        """Once more after everything that nobody uses was given back.

        Raises:
            OutOfMemoryError: with what was asked for, what is in use and what there is.
        """
        gc.collect()
        cached = self._pool.free_bytes()
        self._pool.free_all_blocks()
        try:
            return self._plain(size)
        except cupy.cuda.memory.OutOfMemoryError as error:
            device = _runtime.getDevice()
            free, total = _runtime.memGetInfo()
            used, kept = self._pool.used_bytes(), self._pool.free_bytes()
            raise OutOfMemoryError(
                f"cuda:{device}: expected room for {_size(size)}, but {_size(free)} of "
                f"{_size(total)} are free; this process uses {_size(used)} and keeps "
                f"{_size(kept)} in pieces that are too small ({_size(cached - kept)} kept for "
                "later were given back first, and it was tried again). Use smaller batches, free "
                "tensors that are not needed, or save less for the backward pass",
                expected=free,
                got=size,
            ) from error

    def figures(self, device: int) -> dict[str, int]:
        """What is known of a device, in bytes."""
        with cupy.cuda.Device(device):
            free, total = _runtime.memGetInfo()
            return {
                "total": total, "free": free, "allocated": self._pool.used_bytes(),
                "reserved": self._pool.total_bytes(),
                "peak": max(self.peak[device], self._pool.used_bytes()),
            }  # fmt: skip

    def reset_peak(self, device: int) -> None:
        """Count the most that was in use from now on."""
        with cupy.cuda.Device(device):
            self.peak[device] = self._pool.used_bytes()

    def release(self) -> None:
        """Give back what CuPy keeps for later, on all devices and of pinned memory."""
        for device in range(len(self.peak)):
            with cupy.cuda.Device(device):
                self._pool.free_all_blocks()
        cupy.get_default_pinned_memory_pool().free_all_blocks()


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count:,} bytes"


def pin(array: np.ndarray) -> np.ndarray:
    """A copy in memory that the device reaches by itself."""
    memory = cupy.cuda.alloc_pinned_memory(max(array.nbytes, 1))
    words = np.frombuffer(memory, np.uint8, array.nbytes)
    out: np.ndarray = words.view(array.dtype).reshape(array.shape)
    out[...] = array
    return out


def is_pinned(array: np.ndarray) -> bool:
    """Whether an array lies in pinned memory."""
    if not array.nbytes:
        return False
    try:
        found = _runtime.pointerGetAttributes(array.__array_interface__["data"][0])
    except _runtime.CUDARuntimeError:  # memory that CUDA knows nothing of, before CUDA 11
        return False
    return bool(found.type == _PINNED)

"""Errors that only the device can see: bad indices, and whole numbers divided by 0.

Note [Checks on CUDA devices]
An operation does not wait for the device, so it cannot know yet whether an index is out of range.
The kernel that checks puts a good index in the place of a bad one, so that nothing outside of an
array is read or written, and notes the bad one in a few words of host memory that the device
reaches. Whoever waits for the device next (``item()``, ``cpu()``, ``synchronize``) looks there and
raises. With ``TENSORPLUG_CUDA_BLOCKING=1`` every operation that checks waits at once: it is slow,
and the error comes from the line that caused it.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import cupy
import numpy as np

from ..backends.errors import OpIndexError, TensorplugError
from .cupy_launch import Kernels

__all__ = ["BLOCKING", "DivisionError", "Faults"]

BLOCKING = "TENSORPLUG_CUDA_BLOCKING"
"""Set to 1 to have errors raised by the operation that caused them; see the note above."""

INDEX, TARGET, DIVISOR, EMBEDDING = 1, 2, 3, 4
"""What is wrong; ``data/index.cu`` knows 2 and 3."""

_index = Kernels("index")


class DivisionError(TensorplugError, RuntimeError, ZeroDivisionError):
    """A whole number was divided by 0."""


class Faults:
    """The notes of all devices."""

    def __init__(self, devices: int) -> None:
        self._memory = cupy.cuda.alloc_pinned_memory(devices * 32)
        self._notes = np.frombuffer(self._memory, np.int64, devices * 4).reshape(devices, 4)
        self._notes[...] = 0
        self._pointers = [np.uint64(self._memory.ptr + 32 * i) for i in range(devices)]
        self._lock = threading.Lock()
        self.blocking = os.environ.get(BLOCKING, "") not in ("", "0")

    def pointer(self, array: Any) -> np.uint64:
        """Where kernels on the array's device write to."""
        return self._pointers[array.device.id]

    def index(self, index: Any, lowest: int, size: int, dim: int, what: int = INDEX) -> Any:
        """Indices from 0 to ``size - 1`` in place of those from ``lowest`` on; notes bad ones."""
        index = cupy.ascontiguousarray(index, np.int64)
        out = cupy.empty(index.shape, np.int64)
        _index("check_index", None, index.size, index, out, np.int64(index.size), np.int64(lowest),
               np.int64(size), np.int64(dim), np.int64(what), self.pointer(index))  # fmt: skip
        self.checked(index)
        return out

    def divisor(self, y: Any) -> None:
        """Note a 0 among whole numbers."""
        zero = cupy.ascontiguousarray(cupy.equal(y, 0)).view(np.uint8)
        _index("check_divisor", None, zero.size, zero, np.int64(zero.size), self.pointer(zero))
        self.checked(zero)

    def checked(self, array: Any) -> None:
        """Wait and raise at once, where the environment asks for it."""
        if self.blocking:
            cupy.cuda.get_current_stream().synchronize()
            self.raise_any(array.device.id)

    def raise_any(self, device: int) -> None:
        """Raise what was noted for a device whose work is done, once.

        Raises:
            IndexError: an index, a class or a row of an embedding was out of range.
            ZeroDivisionError: a divisor was 0.
        """
        note = self._notes[device]
        if not note[0]:
            return
        with self._lock:
            what, index, size, dim = (int(word) for word in note)
            note[0] = 0
        if what:
            raise _error(what, index, size, dim, "" if self.blocking else _LATER)


_LATER = f". An operation before this one did it: set {BLOCKING}=1 to have it raised there"


def _error(what: int, index: int, size: int, dim: int, later: str) -> Exception:
    op = "an earlier operation" if later else None  # that which waits now has not done it
    if what == DIVISOR:
        text = f"expected a divisor other than 0, got 0; ZeroDivisionError{later}"
        return DivisionError(text, op=op)
    rule = (
        f"expected {'an index' if what == INDEX else 'numbers'} from 0 to {size - 1}, got {index}"
    )
    says = {
        INDEX: f"index {index} is out of bounds for dimension {dim} with size {size}",
        TARGET: "Target is out of bounds",
        EMBEDDING: "index out of range in self",
    }[what]
    return OpIndexError(f"{rule}; {says}{later}", op=op, expected=size, got=index)

"""Launching the kernels of ``data/*.cu``: compiled by CuPy when a type first needs them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cupy
import numpy as np

from ..backends import dtypes

__all__ = ["Kernels", "source", "wide"]

_DATA = Path(__file__).resolve().parent / "data"

# NumPy's type -> what a kernel calls it, and what it computes with.
_TYPES = {
    np.dtype(np.float32): ("float", "float"),
    np.dtype(np.float64): ("double", "double"),
    np.dtype(np.float16): ("half_t", "float"),
    dtypes.bfloat16.numpy: ("bfloat", "float"),
    np.dtype(np.int8): ("signed char", "signed char"),
    np.dtype(np.uint8): ("unsigned char", "unsigned char"),
    np.dtype(np.int16): ("short", "short"),
    np.dtype(np.uint16): ("unsigned short", "unsigned short"),
    np.dtype(np.int32): ("int", "int"),
    np.dtype(np.uint32): ("unsigned int", "unsigned int"),
    np.dtype(np.int64): ("i64", "i64"),
    np.dtype(np.uint64): ("u64", "u64"),
}

_BLOCKS = 4096
"""The most blocks of a launch: each then works in strides."""

_THREADS = 256


def wide(dtype: Any) -> Any:
    """The type that kernels compute with."""
    return np.dtype(np.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else dtype


def source(name: str) -> str:
    """The text of a file of kernels, with what all of them share in front."""
    return "\n".join((_DATA / f"{part}.cu").read_text() for part in ("common", name))


@functools.cache
def _module(name: str, kind: Any) -> Any:
    options = ["--std=c++17"]
    if kind is not None:
        held, computed = _TYPES[kind]
        options += [f"-DHELD={held}", f"-DWIDE={computed}"]
    return cupy.RawModule(code=source(name), options=tuple(options))


class Kernels:
    """The kernels of one file; ``Kernels("rows")("softmax", dtype, rows, ...)`` launches one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[tuple[str, Any], Any] = {}

    def __call__(
        self, name: str, kind: Any, work: int, *arguments: Any, rows: bool = False, more: int = 1
    ) -> None:
        """Launch kernel ``name`` for arrays of type ``kind``, or None if it has but one form.

        ``work`` is how many elements there are, one for each thread, or with ``rows`` how many
        rows, one for each block; ``more`` blocks in the second direction. Arrays must be
        contiguous.
        """
        if not work:
            return
        try:
            kernel = self._found[name, kind]
        except KeyError:
            kernel = _module(self._name, kind).get_function(name)
            self._found[name, kind] = kernel
        blocks = work if rows else -(-work // _THREADS)
        kernel((min(blocks, _BLOCKS), more), (_THREADS,), arguments)

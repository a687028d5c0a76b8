"""Indexing kernels on CUDA devices: as the shared ones, with checks that wait for nothing.

See Note [Checks on CUDA devices] in ``cupy_faults.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cupy
import numpy as np

from ..backends.base import Kernel
from ..backends.strided_index import StridedIndexing
from .cupy_faults import EMBEDDING, Faults
from .cupy_launch import Kernels

__all__ = ["CupyIndexing", "add_at", "kernels"]

_index = Kernels("index")

_HOW = {"sum": 0, "mean": 0, "prod": 1, "amax": 2, "amin": 3}


def _atomic(dtype: Any) -> Any:
    """The type in which several values for one place are put together."""
    if dtype.kind in "fV":
        return np.dtype(np.float64 if dtype.itemsize == 8 else np.float32)
    if dtype.kind == "u":
        return np.dtype(np.uint64 if dtype.itemsize == 8 else np.uint32)
    return np.dtype(np.int64 if dtype.itemsize == 8 else np.int32)


def _scatter(out: Any, where: Any, values: Any, width: int, how: int) -> None:
    """``out[where] op= values`` in rows of ``width``; everything is contiguous and of one type."""
    where = cupy.ascontiguousarray(where)
    values = cupy.ascontiguousarray(values)
    _index("scatter", out.dtype, values.size, out, where, values, np.int64(where.size),
           np.int64(width), np.int32(how))  # fmt: skip


def add_at(out: Any, where: Any, values: Any, width: int = 1, how: int = 0) -> None:
    """Add (or multiply, ...) rows of ``width`` to a contiguous array, counting repeated places."""
    if out.dtype.kind == "c":
        if how:
            _one_by_one(out, where, values)
            return
        part = out.real.dtype
        values = cupy.ascontiguousarray(values.astype(out.dtype, copy=False))
        _scatter(out.view(part), where, values.view(part), 2 * width, how)
        return
    wide = _atomic(out.dtype)
    room = out.astype(wide, copy=False)
    _scatter(room, where, values.astype(wide), width, how)
    if room is not out:
        out[...] = room.astype(out.dtype) if out.dtype.kind != "b" else room != 0


def _one_by_one(out: Any, where: Any, values: Any) -> None:
    """Products of complex numbers, which no atomic operation covers: sorted, then in rounds."""
    order = cupy.argsort(where.reshape(-1), kind="stable")
    places, values = where.reshape(-1)[order], values.reshape(-1)[order]
    step = 1
    while step < places.size:  # products of neighbours for one place, over ever longer stretches
        same = places[step:] == places[:-step]
        joined = cupy.where(same, values[step:] * values[:-step], values[step:])
        values = cupy.concatenate([values[:step], joined])
        step *= 2
    last = cupy.ones(places.shape, bool)
    last[:-1] = places[1:] != places[:-1]
    factors = cupy.ones(out.size + 1, out.dtype)
    factors[cupy.where(last, places, out.size)] = values  # what is not the last goes nowhere
    out *= factors[:-1].reshape(out.shape)


class CupyIndexing(StridedIndexing):
    """The kernels by position that :class:`StridedIndexing` has, checked on the device."""

    faults: Faults

    def checked(self, index: Any, dim: int, size: int) -> Any:
        return self.faults.index(index, 0, size, dim)

    def _wrapped(self, shape: Any, indices: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            None if index is None else self.faults.index(index, -shape[dim], shape[dim], dim)
            for dim, index in enumerate(indices)
        )

    def index_get(self, x: Any, indices: tuple[Any, ...]) -> Any:
        return super().index_get(x, self._wrapped(x.shape, indices))

    def index_put(self, x: Any, values: Any, indices: tuple[Any, ...], accumulate: bool) -> Any:
        return super().index_put(x, values, self._wrapped(x.shape, indices), accumulate)

    def put(self, x: Any, values: Any, indices: tuple[Any, ...]) -> None:
        super().put(x, values, self._wrapped(x.shape, indices))

    def nonzero(self, x: Any) -> tuple[Any, ...]:
        return super().nonzero(x if x.dtype.kind in "biufc" else cupy.not_equal(x, 0))

    def add_at(self, out: Any, index: Any, values: Any) -> None:
        values = cupy.broadcast_to(cupy.asarray(values), index.shape)
        add_at(out, index, values)

    def combine_at(self, out: Any, index: Any, values: Any, reduce: str) -> None:
        add_at(out, index, values, 1, _HOW[reduce])


def kernels(faults: Faults) -> Mapping[str, Kernel]:
    """Embeddings, and searching in sorted sequences."""

    def embedding(weight: Any, index: Any, padding: Any, by_count: Any) -> Any:
        return weight[faults.index(index, 0, weight.shape[0], 0, EMBEDDING)]

    def embedding_back(g: Any, index: Any, rows: int) -> Any:
        inner = g.shape[index.ndim :]
        width, wide = math.prod(inner), _atomic(g.dtype) if g.dtype.kind != "c" else g.dtype
        out = cupy.zeros(rows * width, wide)
        where = faults.index(index, 0, rows, 0, EMBEDDING)
        add_at(out, where, g.reshape(-1).astype(wide), width)
        return out.reshape(rows, *inner).astype(g.dtype, copy=False)

    def searchsorted(sequence: Any, values: Any, right: bool) -> Any:
        kind = _comparable(sequence.dtype)
        lines = cupy.ascontiguousarray(sequence.astype(kind, copy=False))
        sought = cupy.ascontiguousarray(values.astype(kind, copy=False))
        rows = 1 if sequence.ndim == 1 else math.prod(sequence.shape[:-1])
        out = cupy.empty(values.shape, np.int64)
        _index("search", kind, out.size, lines, sought, out, np.int64(rows),
               np.int64(sequence.shape[-1]), np.int64(out.size // max(rows, 1)),
               np.int32(right))  # fmt: skip
        return out

    return {
        "embedding": embedding, "embedding_back": embedding_back, "searchsorted": searchsorted,
    }  # fmt: skip


def _comparable(dtype: Any) -> Any:
    if dtype.kind in "fV" and dtype.itemsize == 2:
        return np.dtype(np.float32)
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype

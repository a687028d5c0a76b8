"""Reductions."""

from __future__ import annotations

from typing import Any

from ..families import REDUCE
from ..kinds import ALWAYS_BOOL, INEXACT, INT_TO_LONG, NO_COMPLEX
from ..registry import op

__all__ = ["expand_back", "restore"]


def restore(F: Any, x: Any, shape: tuple[int, ...], dims: Any, keepdim: bool) -> Any:
    """A reduced array with size-1 dimensions where it was reduced, ready to broadcast."""
    if keepdim or not shape:
        return x
    lost = range(len(shape)) if dims is None else dims
    return F.reshape(x, tuple(1 if d in lost else size for d, size in enumerate(shape)))


def expand_back(F: Any, g: Any, shape: tuple[int, ...], dims: Any, keepdim: bool) -> Any:
    """The gradient of a sum: ``g`` repeated over what was summed."""
    return F.expand(restore(F, g, shape, dims, keepdim), shape)


def count(shape: tuple[int, ...], dims: Any) -> int:
    """How many elements go into one result."""
    total = 1
    for d in range(len(shape)) if dims is None else dims:
        total *= shape[d]
    return total


op("sum", REDUCE, dtype=INT_TO_LONG,
   grad=lambda F, g, x_shape, dims, keepdim: expand_back(F, g, x_shape, dims, keepdim))  # fmt: skip
op("mean", REDUCE, dtype=INEXACT,
   grad=lambda F, g, x_shape, dims, keepdim:
       expand_back(F, g, x_shape, dims, keepdim) / max(count(x_shape, dims), 1))  # fmt: skip


def _share_among_ties(F: Any, g: Any, x: Any, out: Any, dims: Any, keepdim: bool) -> Any:
    """The gradient of a maximum or minimum, split evenly between equal elements."""
    shape = x.shape
    best = F.eq(x, restore(F, out, shape, dims, keepdim))
    hits = F.cast(best, F.dtype_of(g))
    return F.expand(restore(F, g, shape, dims, keepdim), shape) * (
        hits / F.sum(hits, dims, True)
    )


op("amax", REDUCE, xp="max", dtype=NO_COMPLEX, grad=_share_among_ties)
op("amin", REDUCE, xp="min", dtype=NO_COMPLEX, grad=_share_among_ties)
op("all", REDUCE, dtype=ALWAYS_BOOL)
op("any", REDUCE, dtype=ALWAYS_BOOL)

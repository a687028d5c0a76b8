"""Elementwise kernels and reductions that are worth another way on NumPy, for larger arrays.

Each takes the case that it is faster in, and leaves every other one to the kernel it replaces.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..backends.base import Kernel
from ..backends.strided_kernels import normalised

__all__ = ["into_kernels", "kernels", "product"]

_MANY = 4096
"""From so many elements on."""

# --- division of float32 to whole numbers ---------------------------------------------------------

_EXACT = 2.0**28
"""Quotients of two float32 below this are on the right side of a whole number in float64."""


def _quotient(x: Any, y: Any) -> np.ndarray | None:
    """``x / y`` in float64, where the quotients of float32 are finite and exact enough."""
    kind = (x if hasattr(x, "dtype") else y).dtype
    if kind != np.float32 or getattr(x, "size", 1) < _MANY:
        return None
    divisor = y if hasattr(y, "dtype") else np.float32(y)
    dividend = x if hasattr(x, "dtype") else np.float32(x)
    with np.errstate(all="ignore"):
        found = np.true_divide(dividend, divisor, dtype=np.float64)
    if not (found.max() < _EXACT and found.min() > -_EXACT and np.isfinite(divisor).all()):
        return None  # or nan
    return found


def _whole_quotients(plain: Kernel) -> Kernel:
    """``floor_divide``: NumPy's own goes by way of ``fmod``, ten times as slow."""

    def kernel(x: Any, y: Any, out: Any = ...) -> Any:
        found = _quotient(x, y)
        if found is None:
            return plain(x, y, out=out)
        np.floor(found, out=found)
        if out is ...:
            return found.astype(np.float32)
        np.copyto(out, found, casting="same_kind")
        return out

    return kernel


def _rests(rounded: Callable[..., Any], signed_as_divisor: bool, plain: Kernel) -> Kernel:
    """``remainder`` and ``fmod``: what is left of ``x``, with the sign of one of the operands."""

    def kernel(x: Any, y: Any, out: Any = ...) -> Any:
        found = _quotient(x, y)
        if found is None:
            return plain(x, y, out=out)
        rounded(found, out=found)
        found *= y if hasattr(y, "dtype") else np.float32(y)
        np.subtract(x if hasattr(x, "dtype") else np.float32(x), found, out=found)
        np.copysign(found, y if signed_as_divisor else x, out=found)
        if out is ...:
            return found.astype(np.float32)
        np.copyto(out, found, casting="same_kind")
        return out

    return kernel


# --- sums -----------------------------------------------------------------------------------------

_BLOCK = 1024
"""How many numbers a product with ones adds up at most: its sums are less exact than NumPy's."""

_ONES = {np.dtype(kind): np.ones(_BLOCK, kind) for kind in (np.float32, np.float64)}


def _sum(plain: Kernel) -> Kernel:
    """Sums along rows as products with ones, which are some five times as fast."""
    reduce = np.add.reduce

    def kernel(x: Any, dims: Any, keepdim: bool) -> Any:
        if x.size < _MANY and x.dtype.itemsize != 2:  # at once: a call of `plain` would cost
            return reduce(x, axis=dims, keepdims=keepdim, dtype=x.dtype, out=...)
        if x.dtype not in _ONES or not x.flags.c_contiguous:
            return plain(x, dims, keepdim)
        first = 0 if dims is None else x.ndim - len(dims)
        if dims is not None and min(dims) < first:  # they are distinct: not the last ones
            if max(dims) < len(dims) and math.prod(x.shape[: len(dims)]) > _BLOCK:
                return _sum_of_rows(x, len(dims), keepdim)
            return plain(x, dims, keepdim)
        width = math.prod(x.shape[first:])
        block = math.gcd(width, _BLOCK) if width > _BLOCK else width
        if block < 8 or (first == 0 and block < 64):
            return plain(x, dims, keepdim)
        found = x.reshape(-1, block).dot(_ONES[x.dtype][:block])
        if block < width:
            found = reduce(found.reshape(-1, width // block), axis=1)
        shape = x.shape[:first] + (1,) * (x.ndim - first if keepdim else 0)
        return found.reshape(shape)

    return kernel


def _sum_of_rows(x: np.ndarray, count: int, keepdim: bool) -> np.ndarray:
    """The sum over the first ``count`` dimensions, in blocks: NumPy adds one row after the other,
    which loses three digits of float32 in 70,000 rows.
    """
    rest = x.shape[count:]
    rows = x.reshape(math.prod(x.shape[:count]), math.prod(rest))
    whole = len(rows) // _BLOCK * _BLOCK
    parts = np.matmul(_ONES[x.dtype], rows[:whole].reshape(-1, _BLOCK, rows.shape[1]))
    found = np.add.reduce(parts, axis=0)
    found += np.add.reduce(rows[whole:], axis=0)
    return found.reshape((1,) * count + rest if keepdim else rest)


def _mean(total: Kernel, plain: Kernel) -> Kernel:
    def kernel(x: Any, dims: Any, keepdim: bool) -> Any:
        if x.size < _MANY or x.dtype not in _ONES:
            return plain(x, dims, keepdim)
        found = total(x, dims, keepdim)
        return np.true_divide(found, x.size // max(found.size, 1), out=found)

    return kernel


# --- products -------------------------------------------------------------------------------------


def product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``x @ y.T`` of two matrices. OpenBLAS is slow where ``x`` is the flatter one (0.3.31)."""
    if x.shape[0] <= 128 and x.shape[0] < y.shape[0] and x.shape[1] >= 64:
        return np.ascontiguousarray(y.dot(x.T).T)
    return x.dot(y.T)


def into_kernels(plain: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """The kernels that take ``out`` last, made from those for any array module."""
    return {
        "floor_divide": _whole_quotients(plain["floor_divide"]),
        "floordiv": _whole_quotients(plain["floordiv"]),
        "remainder": _rests(np.floor, True, plain["remainder"]),
        "fmod": _rests(np.trunc, False, plain["fmod"]),
    }


def kernels(plain: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """The kernels of this file, made from those for any array module."""
    total = _sum(plain["sum"])
    return {
        **into_kernels(plain), **normalised(np, total),
        "sum": total, "mean": _mean(total, plain["mean"]),
    }  # fmt: skip

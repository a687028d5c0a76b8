"""Scans, sorting and searching for NumPy-like array modules."""

from __future__ import annotations

from typing import Any

from .base import Kernel

__all__ = ["kernels"]


def _is_half(x: Any) -> bool:
    return x.dtype.itemsize == 2 and x.dtype.kind in "fV"


def _comparable(xp: Any, x: Any) -> Any:
    """bfloat16 as float32: NumPy sorts ml_dtypes' types by a slow and different rule."""
    return x.astype(xp.float32) if x.dtype.kind == "V" or _is_half(x) else x


_PARTS = 16


class Ordering:
    """Sorting and searching, for an array module."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def argsort(self, x: Any, dim: int, descending: bool, stable: bool) -> Any:
        """The positions in order along ``dim``; nan last, or first when descending."""
        xp = self.xp
        if not x.ndim:
            return xp.zeros((), xp.int64)
        x = _comparable(xp, x)
        kind = "stable" if stable or x.dtype.kind not in "f" else None
        if not descending:
            return xp.argsort(x, axis=dim, kind=kind)
        order = xp.flip(xp.argsort(xp.flip(x, dim), axis=dim, kind=kind), dim)
        return x.shape[dim] - 1 - order

    def topk_indices(self, x: Any, k: int, dim: int, largest: bool) -> Any:
        """The positions of the first ``k`` in order along ``dim``."""
        xp = self.xp
        size = x.shape[dim] if x.ndim else 1
        if not x.ndim or k > size // 8 or x.dtype.kind == "b":
            order = self.argsort(x, dim, largest, True)
            return order[(*(slice(None),) * dim, slice(0, k))] if x.ndim else order
        x = _comparable(xp, x)
        found = self._above(x, k, largest) if dim == x.ndim - 1 and x.dtype.kind == "f" else None
        if found is not None:
            return found
        middle = size - k if largest else k
        parts = xp.argpartition(x, min(middle, size - 1), axis=dim)
        chosen = slice(size - k, None) if largest else slice(0, k)
        parts = xp.sort(parts[(*(slice(None),) * dim, chosen)], axis=dim)
        order = self.argsort(xp.take_along_axis(x, parts, dim), dim, largest, True)
        return xp.take_along_axis(parts, order, dim)

    def _above(self, x: Any, k: int, largest: bool) -> Any:
        """:meth:`topk_indices` along the last dimension, where a few stand out; else None.

        Of 16 parts of a row, laid over each other, the maxima are fast to find. The ``k``-th of
        them bounds the ``k``-th element of the row, and few others pass.
        """
        xp, n = self.xp, x.shape[-1]
        rows, width = x.reshape(-1, n), n // _PARTS
        extreme, middle = (xp.maximum, width - k) if largest else (xp.minimum, k - 1)
        if width < 2 * k or not k or not x.size or xp.isnan(extreme.reduce(x, axis=None)):
            return None
        best = extreme.reduce(rows[:, : _PARTS * width].reshape(-1, _PARTS, width), axis=1)
        bound = xp.partition(best, middle, axis=1)[:, middle, None]
        hits = xp.flatnonzero(rows >= bound if largest else rows <= bound)
        if hits.size > 4 * k * len(rows):  # many are equal
            return None
        row, place = xp.divmod(hits, n)
        values = rows.reshape(-1)[hits]
        order = xp.lexsort(xp.stack([-values if largest else values, row]))
        first = row.searchsorted(xp.arange(len(rows)))
        found = place[order[first[:, None] + xp.arange(k)]]
        return found.reshape(*x.shape[:-1], k)

    def median(self, x: Any, dims: None, keepdim: bool) -> Any:
        """The lower one of the middle elements of all; nan when any element is."""
        xp = self.xp
        wide = _comparable(xp, x)
        middle = xp.partition(wide, (x.size - 1) // 2, axis=None)[(x.size - 1) // 2]
        if x.dtype.kind in "fV" and xp.isnan(xp.maximum.reduce(wide, axis=None)):
            middle = xp.nan
        return xp.asarray(middle).astype(x.dtype)

    def extreme(self, reduce: Any, arg: Any) -> Kernel:
        """The largest or smallest element along one dimension, and where it is first."""
        argument = self.arg(arg)

        def kernel(x: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
            dims = dim if x.ndim else None
            indices = argument(x, dims, keepdim)
            return reduce(x, axis=dims, keepdims=keepdim, out=...), indices

        return kernel

    def searchsorted(self, sequence: Any, values: Any, right: bool) -> Any:
        """Where ``values`` belong in sequences in order along the last dimension."""
        xp, side = self.xp, "right" if right else "left"
        sequence, values = _comparable(xp, sequence), _comparable(xp, values)
        if sequence.ndim == 1:
            return xp.asarray(sequence.searchsorted(values, side), dtype=xp.int64)
        out = xp.empty(values.shape, xp.int64)
        for place in xp.ndindex(*values.shape[:-1]):
            out[place] = sequence[place].searchsorted(values[place], side)
        return out

    def lexsort(self, rows: Any) -> Any:
        """The order of the rows of a matrix, the first column counting most."""
        if not rows.shape[1]:
            return self.xp.arange(rows.shape[0])
        return self.xp.lexsort(_comparable(self.xp, rows).T[::-1])

    def arg(self, function: Any) -> Kernel:
        """``argmax`` or ``argmin`` along one dimension, or of all elements."""

        def kernel(x: Any, dim: int | None, keepdim: bool) -> Any:
            found = self.xp.asarray(function(x, axis=dim))
            if keepdim:
                shape = tuple(1 if dim in (d, None) else n for d, n in enumerate(x.shape))
                return found.reshape(shape)
            return found

        return kernel


class Scanning:
    """Running sums, products and extremes, for an array module."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def accumulate(self, ufunc: Any) -> Kernel:
        """``cumsum``, ``cumprod`` or ``logcumsumexp``."""
        xp = self.xp

        def kernel(x: Any, dim: int) -> Any:
            if not x.ndim:
                return x.copy()
            if _is_half(x):
                wide = ufunc.accumulate(x.astype(xp.float32), axis=dim)
                return wide.astype(x.dtype)
            return ufunc.accumulate(x, axis=dim)

        return kernel

    def extreme(self, ufunc: Any) -> Kernel:
        """``cummax`` or ``cummin`` with the place where each was last met."""
        xp = self.xp

        def kernel(x: Any, dim: int) -> tuple[Any, Any]:
            if not x.ndim:
                return x.copy(), xp.zeros((), xp.int64)
            values = ufunc.accumulate(x, axis=dim)
            here = values == x
            if x.dtype.kind in "fV":
                here |= xp.isnan(x)
            shape = tuple(n if d == dim else 1 for d, n in enumerate(x.shape))
            places = xp.where(here, xp.arange(x.shape[dim]).reshape(shape), 0)
            return values, xp.maximum.accumulate(places, axis=dim)

        return kernel


def kernels(xp: Any) -> dict[str, Kernel]:
    """All kernels of this file, bound to an array module."""
    order, scan = Ordering(xp), Scanning(xp)
    return {
        "argsort": order.argsort,
        "topk_indices": order.topk_indices,
        "searchsorted": order.searchsorted,
        "lexsort": order.lexsort,
        "median": order.median,
        "max_dim": order.extreme(xp.maximum.reduce, xp.argmax),
        "min_dim": order.extreme(xp.minimum.reduce, xp.argmin),
        "argmax": order.arg(xp.argmax),
        "argmin": order.arg(xp.argmin),
        "cumsum": scan.accumulate(xp.add),
        "cumprod": scan.accumulate(xp.multiply),
        "cummax": scan.extreme(xp.maximum),
        "cummin": scan.extreme(xp.minimum),
    }

"""Pooling for NumPy-like array modules: over the last dimensions, one dimension after the other.

A maximum or a sum over a window is one over its rows, then over its columns: for a k x k window
2k passes over slices instead of k * k. Sizes are tuples with one number per pooled dimension;
``out`` is the size of the result, so that windows may hang over the end (``ceil_mode``).
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

from .base import Kernel

__all__ = ["kernels"]

Sizes = tuple[int, ...]

_WORDS = {2: "i2", 4: "i4", 8: "i8"}


def _reach(kernel: int, stride: int, dilation: int, out: int) -> int:
    """How many padded elements the windows of one dimension cover together."""
    return (out - 1) * stride + (kernel - 1) * dilation + 1


def _at(axis: int, rank: int, start: int, stride: int, count: int) -> tuple[Any, ...]:
    """The index of every ``stride``-th element from ``start`` along one of ``rank`` last dims."""
    stop = start + (count - 1) * stride + 1
    return (..., slice(start, stop, stride), *(slice(None),) * (rank - 1 - axis))


def _pad(xp: Any, x: Any, low: Sizes, covered: Sizes, value: Any) -> Any:
    """``x`` in a border, cut or grown at the end to what the windows cover."""
    rank = len(low)
    size = x.shape[-rank:]
    if not any(low) and all(n >= c for n, c in zip(size, covered, strict=True)):
        return x
    kept = tuple(min(n, c - p) for n, c, p in zip(size, covered, low, strict=True))
    out = xp.full((*x.shape[:-rank], *covered), value, x.dtype)
    inner = tuple(slice(p, p + n) for p, n in zip(low, kept, strict=True))
    out[(..., *inner)] = x[(..., *(slice(n) for n in kept))]
    return out


def _lowest(xp: Any, dtype: Any) -> Any:
    if dtype.kind == "b":
        return False
    return xp.iinfo(dtype).min if dtype.kind in "iu" else -xp.inf


class _Pooling:
    """The kernels for one array module."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    # --- maximum --------------------------------------------------------------------------------
    def _prepared(
        self, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
    ) -> Any:
        covered = tuple(map(_reach, kernel, stride, dilation, out))
        return _pad(self.xp, x, padding, covered, _lowest(self.xp, x.dtype))

    def maximum(
        self, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
    ) -> Any:
        """The largest element of each window."""
        xp, rank = self.xp, len(kernel)
        found = self._prepared(x, kernel, stride, padding, dilation, out)
        for axis in range(rank):
            source, d = found, dilation[axis]
            where = [_at(axis, rank, i * d, stride[axis], out[axis]) for i in range(kernel[axis])]
            if len(where) == 1:
                found = source[where[0]]
                continue
            found = xp.maximum(source[where[0]], source[where[1]])
            for index in where[2:]:
                xp.maximum(found, source[index], out=found)
        return xp.array(found) if found is x or found.base is not None else found

    def indices(
        self, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
    ) -> Any:
        """Where the largest element of each window is, as a flat index into the last dims."""
        xp, rank = self.xp, len(kernel)
        size = x.shape[-rank:]
        codes = self._codes(x, kernel, stride, padding, dilation, out)
        steps = [math.prod(size[axis + 1 :]) for axis in range(rank)]
        base = table = xp.zeros((), xp.int64)
        for axis in range(rank):
            starts = xp.arange(out[axis], dtype=xp.int64) * stride[axis] - padding[axis]
            base = base[..., None] + starts * steps[axis]
            moves = xp.arange(kernel[axis], dtype=xp.int64) * (dilation[axis] * steps[axis])
            table = (table[..., None] + moves).reshape(-1)
        found = table[codes]
        found += base
        return found

    def _codes(
        self, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
    ) -> Any:
        """Per window the number of the kernel position that wins: the first, or a later NaN."""
        xp, rank = self.xp, len(kernel)
        small = xp.uint8 if math.prod(kernel) <= 256 else xp.int32
        value = self._prepared(x, kernel, stride, padding, dilation, out)
        nan = x.dtype.kind not in "biu" and x.size > 0 and bool(xp.isnan(xp.max(x)))
        code = xp.zeros((1,) * rank, small)
        for axis in reversed(range(rank)):
            step, d = math.prod(kernel[axis + 1 :]), dilation[axis]
            where = [_at(axis, rank, i * d, stride[axis], out[axis]) for i in range(kernel[axis])]
            best = value[where[0]]
            # Positions in the padding never win, not even where all is minus infinity.
            first = -(-(padding[axis] - xp.arange(out[axis]) * stride[axis]) // d)
            first = xp.maximum(first, 0).reshape(-1, *(1,) * (rank - 1 - axis))
            whole = code.ndim > rank or code.size > 1
            found = (code[where[0]] if whole else code) + (first * step).astype(small)
            found = xp.array(xp.broadcast_to(found, best.shape))
            for i, index in enumerate(where[1:], 1):
                rival = value[index]
                better = rival > best
                if nan:
                    better |= xp.isnan(rival)
                number = (code[index] if whole else code) + small(i * step)
                xp.maximum(found, number * better.view(xp.uint8), out=found)
                best = xp.maximum(best, rival)
            value, code = best, found
        return code

    def maximum_back(
        self, g: Any, x: Any, top: Any, kernel: Sizes, stride: Sizes, padding: Sizes,
        dilation: Sizes, out: Sizes,
    ) -> Any:  # fmt: skip
        """``g`` where the largest element of each window is."""
        xp, size = self.xp, x.shape[-len(kernel) :]
        distinct = all(s > d * (k - 1) for k, s, d in zip(kernel, stride, dilation, strict=True))
        word = _WORDS.get(g.dtype.itemsize)
        inside = all(
            (n - 1) * s + k <= m for n, s, k, m in zip(out, stride, kernel, size, strict=True)
        )
        plain = distinct and inside and not any(padding) and word and math.prod(kernel) <= 16
        if not plain or any(d != 1 for d in dilation) or not g.size or xp.isnan(xp.max(top)):
            indices = self.indices(x, kernel, stride, padding, dilation, out)
            return self.spread(g, indices, size, distinct)
        spread = xp.zeros(x.shape, g.dtype)
        target, bits = spread.view(word), xp.ascontiguousarray(g).view(word)
        free: Any = None  # windows whose largest element is still to come
        for offset in product(*map(range, kernel)):
            at = tuple(
                slice(i, i + (n - 1) * s + 1, s)
                for i, n, s in zip(offset, out, stride, strict=True)
            )
            hit = x[(..., *at)] == top
            if free is not None:
                hit &= free
                free ^= hit
            else:
                free = ~hit
            # All bits of the gradient or none: 0 also where it is infinite.
            xp.bitwise_and(bits, xp.negative(hit.view("i1"), dtype=word), out=target[(..., *at)])
        return spread

    def spread(self, g: Any, indices: Any, size: Sizes, distinct: bool) -> Any:
        """Zeros of spatial ``size`` with ``g`` put, or added, at flat indices of the last dims."""
        xp, rank = self.xp, len(size)
        lead, inner = g.shape[:-rank], math.prod(size)
        out = xp.zeros(math.prod(lead) * inner, g.dtype)
        starts = xp.arange(math.prod(lead), dtype=xp.int64) * inner
        flat = indices.reshape(starts.size, math.prod(g.shape[-rank:])) + starts[:, None]
        if distinct:
            out[flat.reshape(-1)] = g.reshape(-1)
        else:
            xp.add.at(out, flat.reshape(-1), g.reshape(-1))
        return out.reshape(*lead, *size)

    # --- mean -------------------------------------------------------------------------------------
    def total(self, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, out: Sizes) -> Any:
        """The sum of each window; elements beyond the end count as zeros."""
        xp, rank, dtype = self.xp, len(kernel), x.dtype
        x = x.astype(xp.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else x
        covered = tuple(map(_reach, kernel, stride, (1,) * rank, out))
        found = _pad(xp, x, padding, covered, 0)
        for axis in range(rank):
            source, s, n = found, stride[axis], out[axis]
            found = source[_at(axis, rank, 0, s, n)]
            for i in range(1, kernel[axis]):
                found = xp.add(found, source[_at(axis, rank, i, s, n)],
                               out=found if i > 1 else None)  # fmt: skip
        found = xp.array(found) if found is x or found.base is not None else found
        return found.astype(dtype, copy=False)

    def total_back(
        self, g: Any, size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, out: Sizes
    ) -> Any:
        """The transpose of :meth:`total`: every element of ``g`` to all of its window."""
        xp, rank = self.xp, len(kernel)
        for axis in reversed(range(rank)):
            axis_of = g.ndim - rank + axis
            s, n, k = stride[axis], out[axis], kernel[axis]
            length = max(_reach(k, s, 1, n), padding[axis] + size[axis])
            shape = (*g.shape[:axis_of], length, *g.shape[axis_of + 1 :])
            if s >= k:
                wide = (xp.empty if s == k and length == n * k else xp.zeros)(shape, g.dtype)
                for i in range(k):
                    wide[_at(axis, rank, i, s, n)] = g
            else:
                wide = xp.zeros(shape, g.dtype)
                for i in range(k):
                    wide[_at(axis, rank, i, s, n)] += g
            g = wide[_at(axis, rank, padding[axis], 1, size[axis])]
        return g if g.flags.c_contiguous else xp.ascontiguousarray(g)


def kernels(xp: Any) -> dict[str, Kernel]:
    """All kernels of this file, bound to an array module."""
    pooling = _Pooling(xp)
    return {
        "max_pool": pooling.maximum,
        "max_pool_indices": pooling.indices,
        "max_pool_grad": pooling.maximum_back,
        "max_pool_back": pooling.spread,
        "sum_pool": pooling.total,
        "sum_pool_back": pooling.total_back,
    }

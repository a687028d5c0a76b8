"""Pooling over the last dimensions: largest element and sum of each window.

``kernel``, ``stride``, ``padding``, ``dilation`` and ``out``, the size of the result, have one
number per pooled dimension. Indices are flat positions in the pooled dimensions of the input.
"""

from __future__ import annotations

import math
from typing import Any

from ...backends import dtypes
from ..families import GENERIC
from ..registry import op

__all__: list[str] = []

Sizes = tuple[int, ...]


def _reach(kernel: int, stride: int, dilation: int, out: int) -> int:
    return (out - 1) * stride + (kernel - 1) * dilation + 1


def _pad(F: Any, x: Any, low: Sizes, covered: Sizes, value: Any) -> Any:
    """``x`` in a border of ``value``, cut or grown at the end to what the windows cover."""
    rank = len(low)
    size = tuple(x.shape[-rank:])
    if not any(low) and size == covered:
        return x
    kept = tuple(min(n, c - p) for n, c, p in zip(size, covered, low, strict=True))
    padded = F.full((*x.shape[:-rank], *covered), value, F.dtype_of(x))
    inner = tuple(slice(p, p + n) for p, n in zip(low, kept, strict=True))
    F.assign(F.index(padded, (..., *inner)), F.index(x, (..., *(slice(n) for n in kept))))
    return padded


def _at(axis: int, rank: int, start: int, stride: int, count: int) -> tuple[Any, ...]:
    stop = start + (count - 1) * stride + 1
    return (..., slice(start, stop, stride), *(slice(None),) * (rank - 1 - axis))


def _lowest(dtype: Any) -> Any:
    return -math.inf if dtype.is_inexact else dtypes.iinfo(dtype).min


def _max(
    F: Any, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
) -> Any:
    covered = tuple(map(_reach, kernel, stride, dilation, out))
    found, rank = _pad(F, x, padding, covered, _lowest(F.dtype_of(x))), len(kernel)
    for axis in range(rank):
        source, found = found, None
        for i in range(kernel[axis]):
            part = F.index(source, _at(axis, rank, i * dilation[axis], stride[axis], out[axis]))
            found = part if found is None else F.maximum(found, part)
    return F.clone(found) if all(k == 1 for k in kernel) else found


def _positions(F: Any, x: Any, padding: Sizes, covered: Sizes) -> Any:
    """The flat index of every element that the windows cover, of the nearest one in the border."""
    rank, total = len(padding), None
    size = x.shape[-rank:]
    for axis in range(rank):
        count = F.cumsum(F.full((covered[axis],), 1, dtypes.int64), 0) - (1 + padding[axis])
        last = F.full((), size[axis] - 1, dtypes.int64)
        inside = F.minimum(F.maximum(count, F.full((), 0, dtypes.int64)), last)
        step = math.prod(size[axis + 1 :])
        line = F.reshape(inside * step, (covered[axis], *(1,) * (rank - 1 - axis)))
        total = line if total is None else total + line
    return F.expand(total, (*x.shape[:-rank], *covered))


def _max_indices(
    F: Any, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
) -> Any:
    covered = tuple(map(_reach, kernel, stride, dilation, out))
    value, rank = _pad(F, x, padding, covered, _lowest(F.dtype_of(x))), len(kernel)
    place = _positions(F, x, padding, covered)
    for axis in reversed(range(rank)):
        values, places = value, place
        for i in range(kernel[axis]):
            where = _at(axis, rank, i * dilation[axis], stride[axis], out[axis])
            rival, position = F.index(values, where), F.index(places, where)
            if i == 0:
                value, place = rival, position
                continue
            better = F.logical_or(rival > value, rival != rival)
            place = F.where(better, position, place)
            value = F.where(better, rival, value)
    return F.clone(place) if all(k == 1 for k in kernel) else place


def _spread(F: Any, g: Any, indices: Any, size: Sizes, distinct: bool) -> Any:
    lead, count = tuple(g.shape[: -len(size)]), math.prod(g.shape[-len(size) :])
    rows = math.prod(lead)
    zeros = F.zeros((rows, math.prod(size)), F.dtype_of(g))
    write = F.scatter if distinct else F.scatter_add
    flat = write(zeros, F.reshape(g, (rows, count)), 1, F.reshape(indices, (rows, count)))
    return F.reshape(flat, (*lead, *size))


def _collect(F: Any, x: Any, indices: Any, rank: int) -> Any:
    lead = tuple(x.shape[: x.ndim - rank])
    rows, out = math.prod(lead), tuple(indices.shape)
    flat = F.reshape(x, (rows, math.prod(x.shape[x.ndim - rank :])))
    index = F.reshape(indices, (rows, math.prod(out[len(lead) :])))
    return F.reshape(F.gather(flat, 1, index), out)


_WINDOW = ("kernel", "stride", "padding", "dilation", "out_size")


def _max_back(
    F: Any, g: Any, x: Any, out: Any, kernel: Sizes, stride: Sizes, padding: Sizes,
    dilation: Sizes, out_size: Sizes,
) -> Any:  # fmt: skip
    indices = F.max_pool_indices(x, kernel, stride, padding, dilation, out_size)
    distinct = all(s > d * (k - 1) for k, s, d in zip(kernel, stride, dilation, strict=True))
    return F.max_pool_back(g, indices, tuple(x.shape[-len(kernel) :]), distinct)


# Indices cost more than the maxima: they are only worked out when a gradient is asked for.
op("max_pool", GENERIC, inputs=("x",), attrs=_WINDOW, xp=None, public=False, generic=_max,
   node="MaxPool", grad=lambda F, g, x, out, kernel, stride, padding, dilation, out_size:
       F.max_pool_grad(g, x, out, kernel, stride, padding, dilation, out_size))  # fmt: skip
op("max_pool_grad", GENERIC, inputs=("x", "source", "top"), attrs=_WINDOW, xp=None, public=False,
   generic=_max_back, node="MaxPoolBackward",
   grad={"x": lambda F, g, source, kernel, stride, padding, dilation, out_size: F.pool_collect(
             g, F.max_pool_indices(source, kernel, stride, padding, dilation, out_size),
             len(kernel)),
         ("source", "top"): lambda F, g: (None, None)})  # fmt: skip
op("max_pool_indices", GENERIC, inputs=("x",), attrs=_WINDOW, xp=None, public=False,
   generic=_max_indices)  # fmt: skip
op("max_pool_back", GENERIC, inputs=("x", "indices"), attrs=("size", "distinct"), xp=None,
   public=False, generic=_spread, node="MaxPoolBackward",
   grad={"x": lambda F, g, indices, size: F.pool_collect(g, indices, len(size))})  # fmt: skip
op("pool_collect", GENERIC, inputs=("x", "indices"), attrs=("rank",), xp=None, public=False,
   generic=_collect,
   grad={"x": lambda F, g, indices, x_shape, rank: F.max_pool_back(
       g, indices, tuple(x_shape[len(x_shape) - rank :]), False)})  # fmt: skip


# --- sums ------------------------------


def _sum(F: Any, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, out: Sizes) -> Any:
    covered = tuple(map(_reach, kernel, stride, (1,) * len(kernel), out))
    found, rank = _pad(F, x, padding, covered, 0), len(kernel)
    for axis in range(rank):
        source, found = found, None
        for i in range(kernel[axis]):
            part = F.index(source, _at(axis, rank, i, stride[axis], out[axis]))
            found = part if found is None else found + part
    return F.clone(found) if all(k == 1 for k in kernel) else found


def _sum_back(
    F: Any, g: Any, size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, out: Sizes
) -> Any:
    rank = len(kernel)
    for axis in reversed(range(rank)):
        place = len(g.shape) - rank + axis
        reach = _reach(kernel[axis], stride[axis], 1, out[axis])
        length = max(reach, padding[axis] + size[axis])
        wide = F.zeros((*g.shape[:place], length, *g.shape[place + 1 :]), F.dtype_of(g))
        for i in range(kernel[axis]):
            target = F.index(wide, _at(axis, rank, i, stride[axis], out[axis]))
            F.assign(target, target + g)
        g = F.index(wide, _at(axis, rank, padding[axis], 1, size[axis]))
    return F.clone(g)


_SUMS = ("kernel", "stride", "padding", "out_size")

op("sum_pool", GENERIC, inputs=("x",), attrs=_SUMS, xp=None, public=False, generic=_sum,
   node="AvgPool",
   grad=lambda F, g, x_shape, kernel, stride, padding, out_size: F.sum_pool_back(
       g, tuple(x_shape[-len(kernel) :]), kernel, stride, padding, out_size))  # fmt: skip
op("sum_pool_back", GENERIC, inputs=("x",), attrs=("size", *_SUMS), xp=None, public=False,
   generic=_sum_back,
   grad=lambda F, g, kernel, stride, padding, out_size: F.sum_pool(
       g, kernel, stride, padding, out_size))  # fmt: skip

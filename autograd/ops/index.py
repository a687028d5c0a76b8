"""Rows that read and write by index: advanced indexing, gather, scatter.

Indices are attributes: raw int64 handles. Kernels take (inputs..., attributes...).
"""

from __future__ import annotations

from typing import Any

from ...backends.strided_index import host_scatter_reduce
from ..families import GENERIC
from ..registry import op

__all__ = ["check_range"]


# --- x[indices] -------------------------------------------------------------------------------


def _put_back(F: Any, g: Any, x_shape: tuple[int, ...], x_dtype: Any, indices: Any) -> Any:
    return F.index_put(F.zeros(x_shape, x_dtype), g, indices, True)


def _without(F: Any, g: Any, values_shape: Any, indices: Any, accumulate: bool) -> Any:
    if accumulate:
        return g
    zero = F.zeros(values_shape, F.dtype_of(g))
    return F.index_put(g, zero, indices, False)


op("index_get", GENERIC, inputs=("x",), attrs=("indices",), xp=None, public=False, node="Index",
   grad=_put_back)  # fmt: skip
op("index_put", GENERIC, inputs=("x", "values"), attrs=("indices", "accumulate"), xp=None,
   public=False, node="IndexPut",
   grad={"x": _without, "values": lambda F, g, indices: F.index_get(g, indices)})  # fmt: skip

# Its kernel gives one handle per dimension, so that it has no tensor-level call of its own.
op("nonzero", GENERIC, inputs=("x",), attrs=(), public=False, needs="dynamic_shapes")

# --- along one dimension ----------------------------------------------------------------------


def check_range(F: Any, index: Any, count: int, then: str) -> None:
    """Refuse numbers outside of ``[0, count)``, which indexing would count from the end.

    Waits for one truth value from the device; a fast kernel can check on its own.

    Raises:
        IndexError: naming the smallest or the largest number.
    """
    outside = F.any(F.logical_or(index < 0, index >= count), None, False)
    if F.backend.fails(outside):
        to_host = F.backend.to_host
        low, high = (int(to_host(find(index, None, False))) for find in (F.amin, F.amax))
        wrong = low if low < 0 else high
        raise IndexError(f"expected numbers from 0 to {count - 1}, got {wrong}; {then}")


def _index_select(F: Any, x: Any, dim: int, index: Any) -> Any:
    size = x.shape[dim] if x.shape else 1
    check_range(F, index, size, f"index out of range for dimension {dim} with size {size}")
    return F.index_get(x, _whole(dim, index))


def _whole(dim: int, index: Any) -> tuple[Any, ...]:
    return (*(None,) * dim, index)


op("index_select", GENERIC, inputs=("x",), attrs=("dim", "index"), xp=None, public=False,
   generic=_index_select,
   grad=lambda F, g, x_shape, x_dtype, dim, index:
       F.index_add(F.zeros(x_shape, x_dtype), g, dim, index))  # fmt: skip
op("index_add", GENERIC, inputs=("x", "source"), attrs=("dim", "index"), xp=None, public=False,
   generic=lambda F, x, source, dim, index: F.index_put(x, source, _whole(dim, index), True),
   grad={"x": lambda F, g: g,
         "source": lambda F, g, dim, index: F.index_select(g, dim, index)})  # fmt: skip
op("gather", GENERIC, inputs=("x",), attrs=("dim", "index"), xp=None, public=False,
   grad=lambda F, g, x_shape, x_dtype, dim, index:
       F.scatter_add(F.zeros(x_shape, x_dtype), g, dim, index))  # fmt: skip
op("scatter_add", GENERIC, inputs=("x", "source"), attrs=("dim", "index"), xp=None, public=False,
   grad={"x": lambda F, g: g,
         "source": lambda F, g, dim, index: F.gather(g, dim, index)})  # fmt: skip
op("scatter", GENERIC, inputs=("x", "source"), attrs=("dim", "index"), xp=None, public=False,
   grad={"x": lambda F, g, source_shape, dim, index:
             F.scatter(g, F.zeros(source_shape, F.dtype_of(g)), dim, index),
         "source": lambda F, g, dim, index: F.gather(g, dim, index)})  # fmt: skip

# --- scatter_reduce ---------------------------------------------------------------------------


def _reduced(
    F: Any, x: Any, source: Any, dim: int, index: Any, reduce: str, include_self: bool
) -> Any:
    """By way of the host: the array API standard has no reduction by index."""
    host = F.backend.to_host
    arrays = host(x), host(source), dim, host(index)
    return F.from_host(host_scatter_reduce(*arrays, reduce, include_self))


def _scatter_reduce(
    F: Any, g: Any, x: Any, source: Any, out: Any, dim: int, index: Any, reduce: str,
    include_self: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """The gradients of ``scatter_reduce`` with respect to both inputs."""
    args = (g, x, source, out, dim, index)
    if reduce == "prod":
        to_x, to_source = _product_gradient(F, *args, include_self)
    elif reduce == "mean":
        count = _counts(F, x, source, dim, index, include_self)
        to_x, to_source = g / count, F.gather(g / count, dim, index)
    elif reduce == "sum":
        to_x, to_source = g, F.gather(g, dim, index)
    else:
        to_x, to_source = _extreme_gradient(F, *args)
    if not include_self:
        to_x = F.scatter(to_x, F.zeros(source.shape, F.dtype_of(g)), dim, index)
    return to_x, to_source


def _counts(F: Any, x: Any, source: Any, dim: int, index: Any, include_self: bool) -> Any:
    """How many elements were averaged at each place, at least 1."""
    dtype = F.dtype_of(x)
    start = F.full(x.shape, 1 if include_self else 0, dtype)
    count = F.scatter_add(start, F.full(source.shape, 1, dtype), dim, index)
    return F.where(F.eq(count, F.zeros(x.shape, dtype)), F.full(x.shape, 1, dtype), count)


def _extreme_gradient(
    F: Any, g: Any, x: Any, source: Any, out: Any, dim: int, index: Any
) -> tuple[Any, Any]:
    """``amax`` and ``amin``: ties share the gradient evenly."""
    dtype = F.dtype_of(g)
    from_x = F.cast(F.eq(x, out), dtype)
    from_source = F.cast(F.eq(source, F.gather(out, dim, index)), dtype)
    share = g / F.scatter_add(from_x, from_source, dim, index)
    return from_x * share, from_source * F.gather(share, dim, index)


def _product_gradient(
    F: Any, g: Any, x: Any, source: Any, out: Any, dim: int, index: Any, include_self: bool
) -> tuple[Any, Any]:
    """``prod``: the product of the others, also where one factor is zero."""
    dtype = F.dtype_of(g)
    one_x, one_s = F.full(x.shape, 1, dtype), F.full(source.shape, 1, dtype)
    zero_x, zero_s = F.zeros(x.shape, dtype), F.zeros(source.shape, dtype)
    safe_x = F.where(F.eq(x, zero_x), one_x, x)
    others = F.scatter_reduce(safe_x, source, dim, index, "prod", include_self)
    is_zero = F.eq(source, zero_s)
    count = F.gather(F.scatter_add(zero_x, F.cast(is_zero, dtype), dim, index), dim, index)
    only = F.eq(F.where(is_zero, count, zero_s), one_s)
    without = F.scatter_reduce(x, F.where(only, one_s, source), dim, index, "prod", include_self)
    rest = F.gather(g * out, dim, index) / F.where(is_zero, one_s, source)
    return g * others / safe_x, F.where(only, F.gather(g * without, dim, index), rest)


op("scatter_reduce", GENERIC, inputs=("x", "source"),
   attrs=("dim", "index", "reduce", "include_self"), xp=None, public=False, generic=_reduced,
   grad={("x", "source"): _scatter_reduce})  # fmt: skip

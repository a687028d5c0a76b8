"""Rows that read and write by index: advanced indexing, gather, scatter."""

from __future__ import annotations

from typing import Any

from ..families import GENERIC
from ..registry import op

__all__: list[str] = []


def _put_back(F: Any, g: Any, x_shape: tuple[int, ...], x_dtype: Any, indices: Any) -> Any:
    return F.index_put(F.zeros(x_shape, x_dtype), g, indices, True)


op("index_get", GENERIC, inputs=("x",), attrs=("indices",), xp=None, public=False, node="Index",
   grad=_put_back)  # fmt: skip


def _without(F: Any, g: Any, values_shape: Any, indices: Any, accumulate: bool) -> Any:
    if accumulate:
        return g
    zero = F.zeros(values_shape, F.dtype_of(g))
    return F.index_put(g, zero, indices, False)


op("index_put", GENERIC, inputs=("x", "values"), attrs=("indices", "accumulate"), xp=None,
   public=False, node="IndexPut",
   grad={"x": _without, "values": lambda F, g, indices: F.index_get(g, indices)})  # fmt: skip

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

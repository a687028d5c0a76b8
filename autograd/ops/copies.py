"""Rows that copy elements to other places: joining, flipping, rolling, triangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import calls
from ..families import Family
from ..registry import op

__all__: list[str] = []


def _family(adapt: Callable[[Any], Any], inputs: tuple[str, ...], *attrs: str) -> Family:
    """A family whose array API function is called as ``adapt`` says."""
    return Family(
        "GENERIC", inputs=inputs, attrs=attrs, path=calls.generic,
        from_xp=lambda function, row: adapt(function),
    )  # fmt: skip


# --- joining ----------------------------------------------------------------------------------

_JOIN = _family(lambda f: lambda tensors, dim: f(tensors, axis=dim), ("*tensors",), "dim")


def _split(F: Any, g: Any, dim: int, tensors_shape: Any) -> list[Any]:
    found, start = [], 0
    for shape in tensors_shape:
        stop = start + shape[dim]
        found.append(F.index(g, (*(slice(None),) * dim, slice(start, stop), ...)))
        start = stop
    return found


op("concat", _JOIN, public=False, node="Cat", grad=_split)
op("stack", _JOIN, public=False,
   grad=lambda F, g, dim, tensors_shape: [
       F.index(g, (*(slice(None),) * dim, i, ...)) for i in range(len(tensors_shape))
   ])  # fmt: skip

# --- moving -----------------------------------------------------------------------------------

op("flip", _family(lambda f: lambda x, dims: f(x, axis=dims), ("x",), "dims"), public=False,
   grad=lambda F, g, dims: F.flip(g, dims))  # fmt: skip
op("roll",
   _family(lambda f: lambda x, shifts, dims: f(x, shifts, axis=dims), ("x",), "shifts", "dims"),
   public=False,
   grad=lambda F, g, shifts, dims: F.roll(g, tuple(-shift for shift in shifts), dims))  # fmt: skip

_TRIANGLE = _family(lambda f: lambda x, k: f(x, k=k), ("x",), "diagonal")
op("tril", _TRIANGLE, public=False, grad=lambda F, g, diagonal: F.tril(g, diagonal))
op("triu", _TRIANGLE, public=False, grad=lambda F, g, diagonal: F.triu(g, diagonal))

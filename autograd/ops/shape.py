"""Views, copies and other rows that move elements without computing."""

from __future__ import annotations

from typing import Any

from .. import slow
from ..families import GENERIC, LISTS, VIEW
from ..registry import op
from ..tensor import Tensor

__all__ = ["cast", "reshape"]


def inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes ``dims``."""
    back = [0] * len(dims)
    for position, dim in enumerate(dims):
        back[dim] = position
    return tuple(back)


# --- views -----------------------------------------------------------------------------------

op("index", VIEW, xp=None, public=False, node="Slice",
   grad=lambda F, g, x_shape, attribute: F.index_embed(g, x_shape, attribute))  # fmt: skip
op("permute", VIEW, xp="permute_dims", public=False,
   grad=lambda F, g, attribute: F.permute(g, inverse(attribute)))  # fmt: skip
VIEW_ROW = op("view", VIEW, xp=None, public=False, grad=lambda F, g, x_shape: F.reshape(g, x_shape))
op("expand", VIEW, xp=None, public=False, grad=lambda F, g: g)  # the engine sums it back
op("view_as_real", VIEW, xp=None, public=False, grad=lambda F, g: F.view_as_complex(g, None))
op("view_as_complex", VIEW, xp=None, public=False, grad=lambda F, g: F.view_as_real(g, None))


def _index_embed(F: Any, g: Any, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
    """Zeros of ``shape`` with ``g`` at a basic index: the adjoint of indexing."""
    out = F.zeros(shape, F.dtype_of(g))
    F.assign(F.index(out, index), g)
    return out


op("index_embed", GENERIC, inputs=("x",), attrs=("shape", "where"), xp=None, public=False,
   generic=_index_embed, grad=lambda F, g, where: F.index(g, where))  # fmt: skip

# --- copies ------------------------------------------------------------------------------------

CLONE = op("clone", GENERIC, inputs=("x",), attrs=(), xp=None, public=False, grad=lambda F, g: g)
cast = op("cast", GENERIC, inputs=("x",), attrs=("dtype",), xp="astype", public=False,
          node="ToCopy", grad=lambda F, g: g).call  # fmt: skip
slow.CAST.append(cast)


def _reshape(F: Any, x: Any, shape: tuple[int, ...]) -> Any:
    try:
        return F.view(x, shape)
    except ValueError:
        return F.view(F.clone(x), shape)


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A view of another shape where the strides allow it, a copy otherwise; no ``-1``."""
    try:
        return VIEW_ROW.call(x, shape)
    except RuntimeError:
        return VIEW_ROW.call(CLONE.call(x), shape)


op("reshape", GENERIC, inputs=("x",), attrs=("shape",), xp=None, public=False, generic=_reshape,
   grad=lambda F, g, x_shape: F.reshape(g, x_shape), call=reshape)  # fmt: skip


def _concat(F: Any, g: Any, dim: int, tensors_shape: Any) -> list[Any]:
    found, start = [], 0
    for shape in tensors_shape:
        if len(shape) == 1 and shape[0] == 0:  # torch lets empty 1-d tensors join any others
            found.append(F.zeros(shape, F.dtype_of(g)))
            continue
        stop = start + shape[dim]
        found.append(F.index(g, (*(slice(None),) * dim, slice(start, stop))))
        start = stop
    return found


op("concat", LISTS, attrs=("dim",), public=False, node="Cat", grad=_concat)

"""Views, copies and the adjoints of views: rows that move elements without computing."""

from __future__ import annotations

from typing import Any

from ...backends.base import Layout
from ...backends.dtypes import int64
from ...backends.layout import (
    contiguous_strides,
    diagonal_layout,
    extent,
    may_overlap,
    numel,
    unfold_layout,
)
from .. import slow
from ..errors import recover
from ..families import GENERIC, VIEW
from ..modes import GRAD_MODE
from ..record import record
from ..registry import Row, op
from ..tensor import MAYBE, Tensor, make, touch

__all__ = ["cast", "positions", "reshape"]


def inverse(dims: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes ``dims``."""
    back = [0] * len(dims)
    for position, dim in enumerate(dims):
        back[dim] = position
    return tuple(back)


# --- views ------------------------------------------------------------------------------------

op("index", VIEW, xp=None, public=False, node="Slice",
   grad=lambda F, g, x_shape, attribute: F.index_embed(g, x_shape, attribute))  # fmt: skip
op("permute", VIEW, xp="permute_dims", public=False,
   grad=lambda F, g, attribute: F.permute(g, inverse(attribute)))  # fmt: skip
VIEW_ROW = op("view", VIEW, xp=None, public=False, grad=lambda F, g, x_shape: F.reshape(g, x_shape))
op("expand", VIEW, xp=None, public=False, grad=lambda F, g: g)  # the engine sums it back


def _strided(F: Any, x: Any, layout: Layout) -> Any:
    return F.backend.as_strided(x, *layout)


op("diagonal", VIEW, xp=None, public=False,
   generic=lambda F, x, attribute: _strided(F, x, diagonal_layout(F.layout(x), *attribute)),
   grad=lambda F, g, x_shape, attribute: F.diagonal_embed(g, x_shape, attribute))  # fmt: skip
op("unfold", VIEW, xp=None, public=False,
   generic=lambda F, x, attribute: _strided(F, x, unfold_layout(F.layout(x), *attribute)),
   grad=lambda F, g, x_shape, attribute: _fold(F, g, x_shape, attribute))  # fmt: skip
op("as_strided", VIEW, xp=None, public=False,
   grad=lambda F, g, x_shape, attribute: _unstride(F, g, x_shape, attribute))  # fmt: skip


def retyped(row: Row, differentiable: bool) -> Any:
    """The call path of a view whose elements have another type than the input's."""

    def call(input: Tensor, attribute: Any) -> Tensor:
        device = input._device
        kernel = row.kernels[device]
        try:
            handle = kernel(input._h, attribute)
        except Exception as error:
            handle = recover(row, error, (input, attribute), kernel, (input._h, attribute))
        result = make(handle, device.F.dtype_of(handle), device)
        result._writes = version = touch(input)
        result._view = (input, row, (attribute,), version[0])
        if differentiable and GRAD_MODE.get():
            result._track = MAYBE
            if input._track:
                record(row, result, (input,), (attribute,))
        return result

    return call


# Gradients have any layout, and only neighbours in memory can be seen as complex numbers.
_REAL = op("view_as_real", VIEW, xp=None, public=False,
           grad=lambda F, g: F.view_as_complex(F.clone(g), None))  # fmt: skip
_REAL.call = retyped(_REAL, True)
_COMPLEX = op("view_as_complex", VIEW, xp=None, public=False,
              grad=lambda F, g: F.view_as_real(g, None))  # fmt: skip
_COMPLEX.call = retyped(_COMPLEX, True)
_DTYPE = op("view_dtype", VIEW, xp=None, public=False)
_DTYPE.call = retyped(_DTYPE, False)

# --- adjoints of views ------------------------------------------------------------------------


def _index_embed(F: Any, g: Any, shape: tuple[int, ...], index: tuple[Any, ...]) -> Any:
    """Zeros of ``shape`` with ``g`` at a basic index: the adjoint of indexing."""
    out = F.zeros(shape, F.dtype_of(g))
    F.assign(F.index(out, index), g)
    return out


op("index_embed", GENERIC, inputs=("x",), attrs=("shape", "where"), xp=None, public=False,
   generic=_index_embed, grad=lambda F, g, where: F.index(g, where))  # fmt: skip


def _diagonal_embed(F: Any, g: Any, shape: tuple[int, ...], where: tuple[int, int, int]) -> Any:
    """Zeros of ``shape`` with ``g`` on a diagonal."""
    out = F.zeros(shape, F.dtype_of(g))
    F.assign(F.diagonal(out, where), g)
    return out


op("diagonal_embed", GENERIC, inputs=("x",), attrs=("shape", "where"), xp=None, public=False,
   generic=_diagonal_embed, grad=lambda F, g, where: F.diagonal(g, where))  # fmt: skip


def positions(F: Any, layout: Layout) -> Any:
    """Where the elements of a layout lie in their storage: a flat int64 handle, row by row.

    ``F`` are the raw kernels of the device.
    """
    shape, strides, offset = layout
    found = F.full((1,) * len(shape), offset, int64)
    for dim, (size, stride) in enumerate(zip(shape, strides, strict=True)):
        steps = F.arange(0, size, 1, int64) * stride
        found = found + F.view(steps, (size,) + (1,) * (len(shape) - dim - 1))
    return F.reshape(found, (numel(shape),))


def _place(F: Any, g: Any, places: Any, total: int) -> Any:
    """Zeros of length ``total`` with the elements of ``g`` added up at ``places``."""
    flat = F.reshape(g, (numel(g.shape),))
    return F.index_put(F.zeros((total,), F.dtype_of(g)), flat, (places,), True)


def _fold(F: Any, g: Any, x_shape: tuple[int, ...], attribute: tuple[int, int, int]) -> Any:
    """The adjoint of ``unfold``: windows may overlap, so that their gradients add up."""
    whole = Layout(x_shape, contiguous_strides(x_shape), 0)
    places = positions(F.device.F, unfold_layout(whole, *attribute))
    return F.reshape(_place(F, g, places, numel(x_shape)), x_shape)


def _unstride(F: Any, g: Any, x_shape: tuple[int, ...], attribute: tuple[Any, ...]) -> Any:
    """The adjoint of ``as_strided``, by way of the storage that both layouts describe.

    Where elements of the input share a place, each gets an equal part of the place's gradient.
    """
    size, strides, offset, source = attribute
    target = Layout(size, strides, offset)
    spans = [span for span in (extent(source), extent(target)) if span]
    low = min((span.start for span in spans), default=0)
    total = max((span.stop for span in spans), default=0) - low
    raw = F.device.F
    here = positions(raw, source._replace(offset=source.offset - low))
    there = positions(raw, target._replace(offset=offset - low))
    found = F.index_get(_place(F, g, there, total), (here,))
    if may_overlap(source.shape, source.strides):
        ones = F.full((numel(x_shape),), 1, F.dtype_of(g))
        found = found / F.index_get(_place(F, ones, here, total), (here,))
    return F.reshape(found, x_shape)


# --- copies -----------------------------------------------------------------------------------

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

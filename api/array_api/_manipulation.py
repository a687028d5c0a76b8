"""Arrays in another shape, order or number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._arguments import wrap_dim
from .._functions import copies, dims, join, split, view
from ..autograd import slow
from ..autograd.errors import OpError, OpValueError
from ..autograd.tensor import Tensor
from ..backends.dtypes import int64
from ._arguments import CALL, tensor

__all__ = [
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "expand_dims", "flip",
    "matrix_transpose", "moveaxis", "permute_dims", "repeat", "reshape", "roll", "squeeze",
    "stack", "tile", "unstack",
]  # fmt: skip


_ALL = slice(None)
_index = CALL["index"]


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that all shapes broadcast to.

    Raises:
        ValueError: there is none.

    Example:
        >>> tp.array_api.broadcast_shapes((3, 1), (4,))
        (3, 4)
    """
    try:
        return tuple(view.broadcast_shapes(*shapes))
    except OpError as error:
        raise OpValueError(str(error), op="broadcast_shapes") from None


def broadcast_arrays(*arrays: Tensor) -> tuple[Tensor, ...]:
    """The arrays expanded to their common shape, as views."""
    return view.broadcast_tensors(*arrays) if arrays else ()


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """``x`` expanded to a shape, as a view."""
    return view.broadcast_to(tensor("broadcast_to", x, "x"), shape)


def concat(arrays: Sequence[Tensor], /, *, axis: int | None = 0) -> Tensor:
    """Arrays behind each other along ``axis``; flattened first when that is None."""
    if axis is None:
        return join.cat([copies.clone(x).reshape(-1) for x in arrays])
    return join.cat(arrays, axis)


def stack(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    """Arrays of one shape along a new axis."""
    return join.stack(arrays, axis)


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, as views."""
    return split.unbind(tensor("unstack", x, "x"), axis)


def expand_dims(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """New axes of size 1, at positions of the result.

    Raises:
        IndexError: a position is out of range.
        ValueError: one is named twice.

    Example:
        >>> tp.array_api.expand_dims(tp.zeros(3), (0, -1)).shape
        tensorplug.Size([1, 3, 1])
    """
    if type(axis) is int and type(x) is Tensor:  # the common case
        at = wrap_dim("expand_dims", axis, len(x._h.shape) + 1)
        return _index(x, (*(_ALL,) * at, None, ...))
    x = tensor("expand_dims", x, "x")
    added = axis if isinstance(axis, tuple) else (axis,)
    rank = len(x._h.shape) + len(added)
    places = tuple(wrap_dim("expand_dims", at, rank) for at in added)
    if len(set(places)) != len(places):
        raise OpValueError(
            f"expand_dims: expected each position once, got {added}", op="expand_dims"
        )
    return _index(x, (*(None if at in places else _ALL for at in range(rank)), ...))


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Without the named axes, which must be of size 1.

    Differs from torch: an axis of another size is an error.

    Raises:
        ValueError: one has another size.
    """
    x = tensor("squeeze", x, "x")
    shape = x._h.shape
    for at in axis if isinstance(axis, tuple) else (axis,):
        if -len(shape) <= at < len(shape) and shape[at] != 1:
            raise OpValueError(
                f"squeeze: expected axes of size 1, got axis {at} of shape {tuple(shape)}",
                op="squeeze",
            )
    return dims.squeeze(x, axis)


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """Another shape: a view where the strides allow it, unless ``copy``; -1 is inferred.

    Raises:
        ValueError: ``copy=False``, and the strides do not allow it.
    """
    x = tensor("reshape", x, "x")
    if copy is False:
        try:
            return view.view(x, shape)
        except OpError as error:
            raise OpValueError(f"reshape: copy=False: {error}", op="reshape") from None
    return view.reshape(copies.clone(x) if copy else x, shape)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """All axes in the given order."""
    return dims.permute(tensor("permute_dims", x, "x"), axes)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """The last two axes exchanged."""
    return dims.matrix_transpose(tensor("matrix_transpose", x, "x"))


def moveaxis(
    x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> Tensor:
    """Axes moved to other positions; the others keep their order."""
    return dims.movedim(tensor("moveaxis", x, "x"), source, destination)


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Axes reversed, by default all."""
    x = tensor("flip", x, "x")
    return copies.flip(x, dims=tuple(range(len(x._h.shape))) if axis is None else axis)


def roll(
    x: Tensor, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None
) -> Tensor:
    """Elements moved along axes, those that leave come back at the other end."""
    x = tensor("roll", x, "x")
    if axis is None:
        return copies.roll(x, shift)
    chosen = axis if isinstance(axis, tuple) else (axis,)
    moves = shift if isinstance(shift, tuple) else (shift,) * len(chosen)
    return copies.roll(x, moves, chosen)


def repeat(x: Tensor, repeats: int | Tensor, /, *, axis: int | None = None) -> Tensor:
    """Each element (or slice along ``axis``) several times in a row."""
    times: Any = slow.cast(repeats, int64) if isinstance(repeats, Tensor) else repeats
    return copies.repeat_interleave(tensor("repeat", x, "x"), times, axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """Copies of the whole array side by side."""
    return copies.tile(tensor("tile", x, "x"), repetitions)

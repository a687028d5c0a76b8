"""Copies with elements in other places: flips, rolls, repeats, triangles, diagonals."""

from __future__ import annotations

from typing import Any

from .._arguments import integers, wrap_dim, wrap_dims
from .._creation import to_device
from .._formats import in_format
from ..autograd.errors import OpError, OpIndexError
from ..autograd.inplace import write_out
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends import dtypes
from .dims import transpose
from .view import expand

__all__ = ["diag", "flip", "repeat", "repeat_interleave"]

_clone, _flip, _roll, _embed = (
    ROWS[name].call for name in ("clone", "flip", "roll", "diagonal_embed")
)
_index, _diagonal = ROWS["index"].call, ROWS["diagonal"].call


@function(row="clone", samples=lambda t: [(t(2, 3),), (t.noncontig(2, 3),), (t(),)], ref="copy")
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A contiguous copy (or one in the given format), through which gradients flow."""
    if memory_format is not None:
        return in_format(input, memory_format, copy=True)
    return _clone(input)


@function(row="flip", samples=lambda t: [(t(2, 3), 0), (t(2, 3), (0, -1)), (t(), ())], ref="flip")
def flip(input: Tensor, *dims_: Any, dims: Any = None) -> Tensor:
    """A copy with some dimensions reversed."""
    found = wrap_dims(
        "flip", integers("flip", dims_ if dims is None else (dims,)), len(input._h.shape)
    )
    if not input._h.shape:
        return _clone(input)
    return _flip(input, found)


def _need(name: str, input: Tensor, rank: int) -> None:
    if len(input._h.shape) < rank:
        raise OpError(
            f"{name}: expected at least {rank} dimensions, got shape {tuple(input._h.shape)}; "
            f"Input must be >= {rank}-d.",
            op=name,
        )


@function(samples=lambda t: [(t(2, 3),)], ref="fliplr")
def fliplr(input: Tensor) -> Tensor:
    """The second dimension reversed."""
    _need("fliplr", input, 2)
    return flip(input, 1)


@function(samples=lambda t: [(t(2, 3),), (t(3),)], ref="flipud")
def flipud(input: Tensor) -> Tensor:
    """The first dimension reversed."""
    _need("flipud", input, 1)
    return flip(input, 0)


@function(samples=lambda t: [(t(2, 3),), (t(2, 3), 2), (t(2, 3, 4), -1, (1, 2))], ref="rot90")
def rot90(input: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
    """Turned by 90 degrees ``k`` times in the plane of two dimensions.

    Raises:
        RuntimeError: there are not two different dimensions.
    """
    rank = len(input._h.shape)
    found = wrap_dims("rot90", tuple(dims), rank) if rank > 1 else ()
    if len(found) != 2:
        raise OpError(
            f"rot90: expected two different dimensions of a tensor with two or more, got {dims} "
            f"for shape {tuple(input._h.shape)}; expected total dims >= 2 and rotation dims == 2",
            op="rot90",
        )
    one, two = found
    turns = k % 4
    if turns == 0:
        return _clone(input)
    if turns == 2:
        return flip(input, one, two)
    return transpose(flip(input, two if turns == 1 else one), one, two)


@function(
    row="roll",
    ref="roll",
    samples=lambda t: [(t(2, 3), 1), (t(2, 3), (1, -2), (0, 1)), (t(2, 3), 4, 1)],
)
def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Elements moved along dimensions, those that leave come back at the other end.

    Without ``dims`` the flattened tensor is rolled.

    Raises:
        RuntimeError: the numbers of shifts and dims differ.
    """
    moves = integers("roll", (shifts,))
    chosen = integers("roll", (dims,)) if dims is not None else ()
    if not chosen and len(moves) == 1:
        flat = input.reshape(-1)
        return _roll(flat, moves, (0,)).reshape(tuple(input._h.shape))
    if len(moves) != len(chosen) or not moves:
        raise OpError(
            f"roll: expected as many dims as shifts, got {shifts} and {dims}; shifts and "
            "dimensions must align",
            op="roll",
        )
    places = tuple(wrap_dim("roll", dim, len(input._h.shape)) for dim in chosen)
    if not input._h.shape:
        raise OpIndexError(
            "roll: expected a dimension or more, got a 0-d tensor; Dimension "
            "specified as 0 but tensor has no dimensions"
        )
    return _roll(input, moves, places)


@function(samples=lambda t: [(t(2),)])
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugation is never put off here."""
    return input


@function(samples=lambda t: [(t(2),)])
def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negation is never put off here."""
    return input


# --- repeating --------------------------------------------------------------------------------


@function(
    namespace="Tensor", samples=lambda t: [(t(2, 3), 2, 1), (t(3), (2, 3)), (t(2), 0)], ref="tile"
)
def repeat(self: Tensor, *repeats_: Any, repeats: Any = None) -> Tensor:
    """The tensor side by side with itself: so many times along each dimension.

    Raises:
        RuntimeError: there are fewer numbers than dimensions, or one is negative.
    """
    times = integers("repeat", repeats_ if repeats is None else (repeats,))
    shape = tuple(self._h.shape)
    lead = len(times) - len(shape)
    if lead < 0 or min(times, default=0) < 0:
        raise OpError(
            f"repeat: expected a number of 0 or more for each of {len(shape)} dimensions, got "
            f"{times}; Number of dimensions of repeat dims can not be smaller than number of "
            "dimensions of tensor",
            op="repeat",
        )
    full = (1,) * lead + shape
    spread = [part for pair in zip(times, full, strict=True) for part in pair]
    items = [part for _ in full for part in (None, slice(None))]
    view = _index(self, (*(None,) * lead, ...))
    out = _clone(expand(_index(view, (*items, ...)), tuple(spread)))
    return out.view(tuple(n * size for n, size in zip(times, full, strict=True)))


@function(samples=lambda t: [(t(2, 3), (2,)), (t(3), (2, 2)), (t(), (3,))], ref="tile")
def tile(input: Tensor, *dims_: Any, dims: Any = None) -> Tensor:
    """As ``repeat``, with as many numbers as one likes: missing ones are 1."""
    times = integers("tile", dims_ if dims is None else (dims,))
    lead = len(input._h.shape) - len(times)
    return repeat(input, (1,) * max(lead, 0) + times)


@function(
    samples=lambda t: [(t(2, 3), 2), (t(2, 3), 3, 1), (t(2), t.int((2,), 0, 3), 0)], ref="repeat"
)
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (or slice along ``dim``) several times in a row.

    With a tensor of counts alone: position ``i`` as often as ``input[i]`` says.

    Raises:
        RuntimeError: a count is negative, or there are not as many counts as elements.
    """
    if repeats is None:
        return _positions(input)
    source = input.reshape(-1) if dim is None else input
    at = wrap_dim("repeat_interleave", 0 if dim is None else dim, len(source._h.shape))
    if not source._h.shape:
        source = source.reshape(1)
    if isinstance(repeats, Tensor) and repeats.numel() == 1:
        repeats = repeats.item()
    if isinstance(repeats, int):
        return _each(source, int(repeats), at)
    if not isinstance(repeats, Tensor):
        repeats = input.new_tensor(repeats, dtype=dtypes.int64)
    size = source._h.shape[at]
    if tuple(repeats._h.shape) != (size,):
        raise OpError(
            f"repeat_interleave: expected {size} counts, got shape {tuple(repeats._h.shape)}; "
            "repeats must have the same size as input along dim",
            op="repeat_interleave",
        )
    return source.index_select(at, _positions(repeats))


def _each(source: Tensor, times: int, at: int) -> Tensor:
    shape = tuple(source._h.shape)
    if times < 0:
        raise OpError(
            f"repeat_interleave: expected counts of 0 or more, got {times}; Repeats must "
            "be non-negative"
        )
    wide = _index(source, (*(slice(None),) * (at + 1), None, ...))
    copied = _clone(expand(wide, (*shape[: at + 1], times, *shape[at + 1 :])))
    return copied.view((*shape[:at], shape[at] * times, *shape[at + 1 :]))


def _positions(repeats: Tensor) -> Tensor:
    """``[0, 0, 1]`` for the counts ``[2, 1]``."""
    if repeats._dtype.name not in ("int64", "int32") or len(repeats._h.shape) != 1:
        raise OpError(
            f"repeat_interleave: expected 1-d counts of type int64 or int32, got {repeats._dtype} "
            f"of shape {tuple(repeats._h.shape)}; repeats has to be Long or Int tensor",
            op="repeat_interleave",
        )
    counts = repeats._device.backend.to_host(repeats._h)
    if counts.size and counts.min() < 0:
        raise OpError(
            f"repeat_interleave: expected counts of 0 or more, got {counts.min()}; repeats can not "
            "be negative",
            op="repeat_interleave",
        )
    places = counts.nonzero()[0].repeat(counts[counts > 0]).astype(counts.dtype)
    return to_device(places, repeats._dtype, repeats._device)


# --- triangles and diagonals ------------------------------------------------------------------


def _triangle(name: str, input: Tensor, diagonal: int, out: Any) -> Tensor:
    _need(name, input, 2)
    result = ROWS[name].call(input, int(diagonal))
    return result if out is None else write_out(name, out, result)


@function(
    row="tril",
    inplace=True,
    ref="tril",
    samples=lambda t: [(t(3, 3),), (t(2, 3, 4), 1), (t(2, 3), -1)],
)
def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of matrices, zero above the given diagonal."""
    return _triangle("tril", input, diagonal, out)


@function(
    row="triu",
    inplace=True,
    ref="triu",
    samples=lambda t: [(t(3, 3),), (t(2, 3, 4), 1), (t(2, 3), -1)],
)
def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of matrices, zero below the given diagonal."""
    return _triangle("triu", input, diagonal, out)


@function(samples=lambda t: [(t(3),), (t(2, 3),), (t(2, 3), 1, 0, -1), (t(2), -1)])
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, in the dimensions ``dim1`` and ``dim2``, with the last dimension as diagonal.

    Raises:
        RuntimeError: both dimensions are the same.
    """
    _need("diag_embed", input, 1)
    rank = len(input._h.shape) + 1
    one, two = wrap_dim("diag_embed", dim1, rank), wrap_dim("diag_embed", dim2, rank)
    if one == two:
        raise OpError(
            f"diag_embed: expected two different dimensions, got {dim1} and {dim2}; "
            "diagonal dimensions cannot be identical"
        )
    lead, length = tuple(input._h.shape[:-1]), input._h.shape[-1] + abs(offset)
    rest = iter(lead)
    shape = tuple(length if dim in (one, two) else next(rest) for dim in range(rank))
    return _embed(input, shape, (offset, one, two))


@function(ref="diag", samples=lambda t: [(t(3),), (t(3), 1), (t(2, 3),), (t(3, 3), -1)])
def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A square matrix with the given diagonal (from 1-d), or the diagonal of a matrix.

    Raises:
        RuntimeError: it has neither one nor two dimensions.
    """
    rank = len(input._h.shape)
    if rank not in (1, 2):
        raise OpError(
            f"diag: expected 1 or 2 dimensions, got shape {tuple(input._h.shape)}; "
            "Supports 1D or 2D tensors",
            op="diag",
        )
    result = (
        diag_embed(input, diagonal) if rank == 1 else _clone(_diagonal(input, (diagonal, 0, 1)))
    )
    return result if out is None else write_out("diag", out, result)


@function(ref="diagflat", samples=lambda t: [(t(2, 2),), (t(2), 1)])
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A square matrix with all elements on a diagonal."""
    return diag_embed(input.reshape(-1), offset)


@function(ref="trace", samples=lambda t: [(t(3, 3),), (t(2, 4),)])
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix.

    Raises:
        RuntimeError: it is no matrix.
    """
    if len(input._h.shape) != 2:
        raise OpError(
            f"trace: expected a matrix, got shape {tuple(input._h.shape)}; trace: "
            "expected a matrix",
            op="trace",
        )
    return _diagonal(input, (0, 0, 1)).sum()

"""Joining tensors, and grids made from them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from .._arguments import tensors, varargs, wrap_dim
from ..autograd import slow
from ..autograd.errors import OpError, check_devices
from ..autograd.inplace import write_out
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import int64
from .view import atleast_1d, atleast_2d, atleast_3d, broadcast_tensors

__all__ = ["cat", "meshgrid", "stack"]

_concat, _stack, _index = ROWS["concat"].call, ROWS["stack"].call, ROWS["index"].call


def _promoted(name: str, values: Any) -> list[Tensor]:
    """A list of at least one tensor, of one device and type."""
    found = tensors(name, values)
    if not found:
        raise OpError(
            f"{name}: expected at least one tensor, got none; {name} expects a non-empty list of "
            "Tensors",
            op=name,
        )
    first = found[0]
    if all(x._dtype is first._dtype and x._device is first._device for x in found):
        return found
    check_devices(name, found)
    dtype = slow.result_type(*found)
    return [slow.cast(x, dtype) for x in found]


def _uniform(tensors: Sequence[Any]) -> bool:
    """Whether all are tensors of one type, device and number of dimensions, of one at least."""
    first = tensors[0]
    if type(first) is not Tensor or not first._h.shape:
        return False
    dtype, device, rank = first._dtype, first._device, len(first._h.shape)
    for x in tensors:
        if type(x) is not Tensor or x._dtype is not dtype or x._device is not device:
            return False
        if len(x._h.shape) != rank:
            return False
    return True


def _finish(name: str, result: Tensor, out: Any) -> Tensor:
    return result if out is None else write_out(name, out, result)


@function(
    method=False,
    row="concat",
    aliases=("concat", "concatenate"),
    ref=lambda np, tensors, dim=0: np.concatenate(
        [x for x in tensors if x.shape != (0,)] or tensors, dim
    ),
    samples=lambda t: [
        ([t(2, 3), t(1, 3)],),
        ([t(2, 1), t(2, 3)], -1),
        ([t(0), t(2, 2)],),
        ([t(2), t.int((2,), 0, 5)],),
    ],
)
def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape, up to the size of ``dim``, behind each other along ``dim``.

    Types are promoted; empty 1-d tensors are passed over.

    Raises:
        RuntimeError: the shapes do not fit, or there is no tensor.

    Example:
        >>> tp.cat([tp.tensor([1, 2]), tp.tensor([3.0])])
        tensor([1., 2., 3.])
    """
    if type(tensors) in (list, tuple) and tensors and out is None and _uniform(tensors):
        try:
            return _concat(tensors, dim if dim >= 0 else dim + len(tensors[0]._h.shape))
        except (OpError, IndexError):
            pass  # explained below, unless there are empty 1-d tensors
    found = _promoted("cat", tensors)
    legacy = [x for x in found if x._h.shape != (0,)]
    kept = legacy or found[:1]
    shape = tuple(kept[0]._h.shape)
    at = wrap_dim("cat", dim, len(shape))
    if any(not x._h.shape for x in kept):
        raise OpError(
            "cat: expected tensors with at least one dimension, got a 0-d tensor; "
            "zero-dimensional tensor cannot be concatenated",
            op="cat",
        )
    rest = shape[:at] + shape[at + 1 :]
    for position, x in enumerate(kept):
        other = x._h.shape
        if len(other) != len(shape) or other[:at] + other[at + 1 :] != rest:
            raise OpError(
                f"cat: expected sizes that match except in dimension {at}, got {shape} and "
                f"{tuple(other)} at position {position}; Sizes of tensors must match except in "
                f"dimension {at}",
                op="cat",
            )
    return _finish("cat", _concat(kept, at), out)


@function(
    method=False,
    row="stack",
    ref="stack",
    samples=lambda t: [([t(2, 3), t(2, 3)],), ([t(2), t(2)], -1), ([t(), t()],)],
)
def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape along a new dimension ``dim``.

    Raises:
        RuntimeError: the shapes differ, or there is no tensor.
    """
    if type(tensors) in (list, tuple) and tensors and out is None and _uniform(tensors):
        try:
            return _stack(tensors, dim if dim >= 0 else dim + len(tensors[0]._h.shape) + 1)
        except (OpError, IndexError):
            pass  # explained below
    found = _promoted("stack", tensors)
    shape = tuple(found[0]._h.shape)
    at = wrap_dim("stack", dim, len(shape) + 1)
    for position, x in enumerate(found):
        if x._h.shape != found[0]._h.shape:
            raise OpError(
                f"stack: expected tensors of equal size, got {shape} and {tuple(x._h.shape)} at "
                f"position {position}; stack expects each tensor to be equal size",
                op="stack",
            )
    return _finish("stack", _stack(found, at), out)


@function(
    method=False,
    ref="hstack",
    samples=lambda t: [((t(2), t(3)),), ((t(2, 1), t(2, 3)),), ((t(), t(2)),)],
)
def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Side by side: along the second dimension, or the only one."""
    found = atleast_1d(_promoted("hstack", tensors))
    return cat(found, dim=int(len(found[0]._h.shape) > 1), out=out)


@function(
    method=False,
    aliases=("row_stack",),
    ref="vstack",
    samples=lambda t: [((t(2), t(2)),), ((t(1, 2), t(3, 2)),)],
)
def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Rows below each other."""
    return cat(atleast_2d(_promoted("vstack", tensors)), out=out)


@function(method=False, ref="dstack", samples=lambda t: [((t(2), t(2)),), ((t(1, 2), t(1, 2)),)])
def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Along the third dimension."""
    return cat(atleast_3d(_promoted("dstack", tensors)), dim=2, out=out)


@function(method=False, ref="column_stack", samples=lambda t: [((t(2), t(2)),), ((t(2, 2), t(2)),)])
def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """1-d tensors as columns next to each other and to those of matrices."""
    found = _promoted("column_stack", tensors)
    columns = [x if len(x._h.shape) > 1 else x.reshape(-1, 1) for x in found]
    return cat(columns, dim=1, out=out)


@function(method=False, samples=lambda t: [(t(2, 3), t(1, 2)), (t(), t(3))])
def block_diag(*tensors_: Any) -> Tensor:
    """A matrix with the given ones along its diagonal, zero elsewhere."""
    found = _promoted("block_diag", varargs(tensors_))
    for x in found:
        if len(x._h.shape) > 2:
            raise OpError(
                f"block_diag: expected at most 2 dimensions, got {tuple(x._h.shape)}; "
                "Input tensors must have 2 or fewer dimensions"
            )
    blocks = [atleast_2d(x) for x in found]
    width = sum(x._h.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        height, own = x._h.shape
        right = width - left - own
        parts = [x.new_zeros(height, left), x, x.new_zeros(height, right)]
        rows.append(cat(parts, dim=1))
        left += own
    return cat(rows)


# --- grids ------------------------------------------------------------------------------------


@function(
    method=False,
    samples=lambda t: [(t(2), t(3), {"indexing": "ij"}), (t(2), t(3), {"indexing": "xy"})],
)
def meshgrid(*tensors_: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid: 1-d tensors expanded against each other.

    Args:
        *tensors_: 0-d or 1-d tensors, or one list of them.
        indexing: ``"ij"`` (matrix, the default) or ``"xy"`` (first two dimensions exchanged).

    Raises:
        RuntimeError: a tensor has more dimensions, types differ, or ``indexing`` is unknown.
    """
    if indexing not in (None, "ij", "xy"):
        raise OpError(
            f"meshgrid: expected indexing 'ij' or 'xy', got {indexing!r}; indexing must "
            'be one of "xy" or "ij"',
            op="meshgrid",
        )
    found = tensors("meshgrid", varargs(tensors_))
    if not found or any(len(x._h.shape) > 1 for x in found):
        shapes = [tuple(x._h.shape) for x in found]
        raise OpError(
            f"meshgrid: expected one or more 0-d or 1-d tensors, got shapes {shapes}; "
            "Expected scalar or 1D tensor",
            op="meshgrid",
        )
    check_devices("meshgrid", found)
    if len({x._dtype for x in found}) > 1:
        raise OpError(
            f"meshgrid: expected tensors of one type, got {[x._dtype for x in found]}; "
            "meshgrid expects all tensors to have the same dtype"
        )
    swap = indexing == "xy" and len(found) > 1
    if swap:
        found[:2] = found[1::-1]
    rank = len(found)
    lines = [x.reshape((1,) * i + (-1,) + (1,) * (rank - 1 - i)) for i, x in enumerate(found)]
    grids = list(broadcast_tensors(lines))
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


@function(method=False, samples=lambda t: [(t(2), t(3)), (t(4),)])
def cartesian_prod(*tensors_: Any) -> Tensor:
    """All combinations of elements of 1-d tensors, one per row."""
    found = tensors("cartesian_prod", varargs(tensors_))
    if any(len(x._h.shape) != 1 for x in found):
        raise OpError(
            "cartesian_prod: expected 1-d tensors, got shapes "
            f"{[tuple(x._h.shape) for x in found]}; Expect a 1D vector"
        )
    if len(found) == 1:
        return found[0]
    return stack([x.reshape(-1) for x in meshgrid(found, indexing="ij")], dim=1)


@function(samples=lambda t: [(t(4),), (t(3), 2, True), (t(3), 0)])
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of ``r`` elements of a 1-d tensor, one per row.

    Raises:
        RuntimeError: the tensor is not 1-d, or ``r`` is negative.
    """
    if len(input._h.shape) != 1 or r < 0:
        raise OpError(
            f"combinations: expected a 1-d tensor and r >= 0, got shape {tuple(input._h.shape)} "
            f"and {r}; Expect a 1D vector and a non-negative number",
            op="combinations",
        )
    if r == 0:
        return input.new_empty(0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input._h.shape[0]), r))
    return stack([_pick(input, [row[i] for row in rows]) for i in range(r)], dim=1)


def _pick(input: Tensor, places: list[int]) -> Tensor:
    index = input.new_tensor(places, dtype=int64)
    return input.index_select(0, index)


@function(ref="vander", samples=lambda t: [(t(3),), (t(3), 2), (t(3), 4, True)])
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix of a 1-d tensor: powers ``N - 1, ..., 1, 0`` as columns.

    Raises:
        RuntimeError: ``x`` is not 1-d, or ``N`` is negative.
    """
    if len(x._h.shape) != 1:
        raise OpError(
            f"vander: expected a 1-d tensor, got shape {tuple(x._h.shape)}; x must be a "
            "one-dimensional tensor",
            op="vander",
        )
    count = x._h.shape[0] if N is None else N
    if count < 0:
        raise OpError(f"vander: expected N >= 0, got {count}; N must be non-negative", op="vander")
    power = slow.result_type(x, int64) if not x._dtype.is_inexact else x._dtype
    base = slow.cast(x, power)
    columns = [base.new_ones(x._h.shape[0])][:count]
    while len(columns) < count:
        columns.append(columns[-1] * base)
    if not columns:
        return base.new_empty(x._h.shape[0], 0)
    return stack(columns if increasing else columns[::-1], dim=1)

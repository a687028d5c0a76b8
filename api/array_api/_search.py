"""Searching, sorting, indexing and sets."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from .. import _creation as creation
from .._arguments import wrap_dim
from .._functions import compare, index, search
from .._functions import complex as parts
from ..autograd import slow
from ..autograd.errors import OpValueError
from ..autograd.ops.select import where as choose
from ..autograd.tensor import Tensor
from ..backends.dtypes import int64
from ._arguments import CALL, axes, only, promoted, tensor

__all__ = [
    "argmax", "argmin", "argsort", "count_nonzero", "isin", "nonzero", "searchsorted", "sort",
    "take", "take_along_axis", "unique_all", "unique_counts", "unique_inverse", "unique_values",
    "where",
]  # fmt: skip


# --- places --------------------------------------------------------------------------------------


def _extreme(name: str, x: Any, axis: int | None, keepdims: bool) -> Tensor:
    x = tensor(name, x, "x")
    shape = x._h.shape
    at = None if axis is None else wrap_dim(name, axis, len(shape))
    if 0 in (shape if at is None else shape[at : at + 1]):
        raise OpValueError(
            f"{name}: expected elements to choose from, got shape {tuple(shape)} and axis {axis}",
            op=name,
        )
    return CALL[name](x, at if shape else None, keepdims)


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the largest elements are, the first of several.

    Raises:
        ValueError: there are no elements.
    """
    return _extreme("argmax", x, axis, keepdims)


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the smallest elements are, the first of several.

    Raises:
        ValueError: there are no elements.
    """
    return _extreme("argmin", x, axis, keepdims)


def count_nonzero(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """How many elements are not 0."""
    x = tensor("count_nonzero", x, "x")
    hits = x if x._dtype.kind == "bool" else CALL["ne"](x, 0)
    return CALL["sum"](hits, axes("count_nonzero", x, axis), keepdims)


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The places of elements that are not 0, one array for each axis.

    Raises:
        ValueError: the array has no axis.
    """
    x = tensor("nonzero", x, "x")
    if not x._h.shape:
        raise OpValueError("nonzero: expected at least one axis, got a 0-d array", op="nonzero")
    return index.places(x)


def searchsorted(
    x1: Tensor, x2: Tensor | float, /, *, side: Literal["left", "right"] = "left",
    sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where the values ``x2`` would be inserted into the ordered ``x1``.

    Raises:
        ValueError: ``side`` is neither ``"left"`` nor ``"right"``.

    Example:
        >>> tp.array_api.searchsorted(tp.tensor([1, 3, 5]), 3, side="right")
        tensor(2)
    """
    only("searchsorted", "side", side, ("left", "right"))
    sequence = tensor("searchsorted", x1, "x1")
    order = None if sorter is None else slow.cast(tensor("searchsorted", sorter, "sorter"), int64)
    values = _as_array(x2, sequence)
    return search.searchsorted(sequence, values, side=side, sorter=order)


def where(condition: Tensor, x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
    """``x1`` where the condition holds, ``x2`` elsewhere."""
    return choose(condition, x1, x2)


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The slices of ``x`` at ``indices`` along ``axis``, which a 1-d array need not name.

    Raises:
        ValueError: no ``axis`` for an array of several.
    """
    x = tensor("take", x, "x")
    rank = len(x._h.shape)
    if axis is None and rank != 1:
        raise OpValueError(
            f"take: expected axis for an array of {rank} dimensions, got None", op="take"
        )
    at = wrap_dim("take", 0 if axis is None else axis, rank)
    places = slow.cast(tensor("take", indices, "indices"), int64)
    return CALL["index_get"](x, (*(None,) * at, places._h))


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """Elements of ``x`` at ``indices`` along ``axis``; the other axes are broadcast."""
    x = tensor("take_along_axis", x, "x")
    places = slow.cast(tensor("take_along_axis", indices, "indices"), int64)
    return index.take_along_dim(x, places, axis)


# --- order ---------------------------------------------------------------------------------------


def argsort(
    x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """The indices that sort along ``axis``; equal elements keep their order when ``stable``."""
    x = tensor("argsort", x, "x")
    return CALL["argsort"](x, wrap_dim("argsort", axis, len(x._h.shape)), descending, stable)


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements in order along ``axis``."""
    x = tensor("sort", x, "x")
    at = wrap_dim("sort", axis, len(x._h.shape))
    return CALL["gather"](x, at, CALL["argsort"](x, at, descending, stable)._h)


# --- sets ----------------------------------------------------------------------------------------


class UniqueAll(NamedTuple):
    """What :func:`unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What :func:`unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What :func:`unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """The distinct values in order, where each first occurs, how to get ``x`` back, and counts.

    Every nan is distinct. Complex numbers are in order of their real, then imaginary parts.

    Example:
        >>> tp.array_api.unique_all(tp.tensor([3, 1, 3])).indices
        tensor([1, 0])
    """
    x = tensor("unique", x, "x")
    flat = x.reshape(-1)
    rows = parts_of(flat) if x._dtype.is_complex else flat.detach().reshape(-1, 1)
    positions, groups, counts = CALL["unique"](rows, False)
    values = CALL["index_get"](flat, (positions._h,))
    return UniqueAll(values, positions, groups.reshape(tuple(x._h.shape)), counts)


def parts_of(flat: Tensor) -> Tensor:
    """Complex numbers as rows of two real ones."""
    pair = [part(flat.detach()).reshape(-1, 1) for part in (parts.real, parts.imag)]
    return CALL["concat"](pair, 1)


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The distinct values, and how often each occurs; see :func:`unique_all`."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The distinct values, and for each element which it is; see :func:`unique_all`."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Tensor, /) -> Tensor:
    """The distinct values; see :func:`unique_all`."""
    return unique_all(x).values


def _as_array(value: Any, like: Tensor) -> Tensor:
    """A Python number as an array that goes with ``like``."""
    if isinstance(value, Tensor):
        return value
    dtype = slow.result_type(like, value)
    return creation.asarray(value, dtype=dtype, device=like._device)


def isin(x1: Tensor | int, x2: Tensor | int, /, *, invert: bool = False) -> Tensor:
    """Whether each element of ``x1`` is (or is not, with ``invert``) among those of ``x2``.

    Example:
        >>> tp.array_api.isin(tp.tensor([1, 2, 3]), 2)
        tensor([False,  True, False])
    """
    like = x1 if isinstance(x1, Tensor) else tensor("isin", x2, "x2")
    elements, known = promoted("isin", _as_array(x1, like), _as_array(x2, like))
    if elements._dtype.is_complex:  # no order to search in
        found = CALL["any"](
            elements.unsqueeze(-1) == known.reshape(-1), (len(elements._h.shape),), False
        )
        return CALL["logical_not"](found) if invert else found
    return compare.isin(elements, known, invert=invert)

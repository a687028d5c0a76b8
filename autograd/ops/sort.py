"""Sorting, searching and counting: rows of positions and of distinct values."""

from __future__ import annotations

from typing import Any

from ...backends.dtypes import bool_, int64, uint8
from .. import calls
from ..families import GENERIC, Family
from ..kinds import NUMERIC_REAL, REAL_TO_LONG
from ..registry import op
from .reduce import count, restore

__all__: list[str] = []


def _argsort_xp(function: Any, row: Any) -> Any:
    def kernel(x: Any, dim: int, descending: bool, stable: bool) -> Any:
        return function(x, axis=dim, descending=descending, stable=stable)

    return kernel


ARGSORT = Family(
    "ARGSORT", inputs=("x",), attrs=("dim", "descending", "stable"), path=calls.generic,
    from_xp=_argsort_xp,
)  # fmt: skip
"""Positions in sorted order along one dimension; nan counts as the largest."""


def _part(dim: int, part: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * dim, part)


op("argsort_number", ARGSORT, xp="argsort", dtype=REAL_TO_LONG, public=False)


def _argsort(F: Any, x: Any, dim: int, descending: bool, stable: bool) -> Any:
    if not x.shape:
        return F.zeros((), int64)
    x = F.cast(x, uint8) if F.dtype_of(x) is bool_ else x
    return F.cast(F.argsort_number(x, dim, descending, stable), int64)


op("argsort", GENERIC, inputs=("x",), attrs=("dim", "descending", "stable"), xp=None,
   dtype=REAL_TO_LONG, public=False, generic=_argsort)  # fmt: skip


def _topk_indices(F: Any, x: Any, k: int, dim: int, largest: bool) -> Any:
    order = F.argsort(x, dim, largest, True)
    return F.index(order, _part(dim, slice(0, k))) if x.shape else order


op("topk_indices", GENERIC, inputs=("x",), attrs=("k", "dim", "largest"), xp=None,
   dtype=REAL_TO_LONG, public=False, generic=_topk_indices)  # fmt: skip

# --- the middle ------------------------------


def _median(F: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    """The lower one of the middle elements of all; nan when any element is."""
    size = count(x.shape, None)
    flat = F.reshape(x, (size,))
    last = F.index(F.argsort(flat, 0, False, True), (slice((size - 1) // 2, (size + 1) // 2),))
    middle = F.reshape(F.index_get(flat, (last,)), ())
    if not F.dtype_of(x).is_inexact:
        return middle
    return F.where(F.any(F.isnan(flat), None, False), F.sum(flat * 0, None, False), middle)


def _among_ties(F: Any, g: Any, x: Any, out: Any, dims: Any, keepdim: bool) -> Any:
    middle = restore(F, out, x.shape, dims, keepdim)
    hits = F.cast(F.logical_or(x == middle, x != x), F.dtype_of(g))
    return restore(F, g, x.shape, dims, keepdim) * (hits / F.sum(hits, dims, True))


op("median", GENERIC, inputs=("x",), attrs=("dims", "keepdim"), xp=None, dtype=NUMERIC_REAL,
   public=False, generic=_median, grad=_among_ties)  # fmt: skip

# --- searching ------------------------------


def _searchsorted(F: Any, sequence: Any, values: Any, right: bool) -> Any:
    """Bisection of all values at once; the last dimension of ``sequence`` is in order, nan last."""
    size = sequence.shape[-1]
    low = F.zeros(values.shape, int64)
    if not size or 0 in values.shape:
        return low
    flat, missing = len(sequence.shape) == 1, None
    if F.dtype_of(values).is_inexact:
        missing = F.isnan(values)
    high = F.full(values.shape, size, int64)
    for _ in range(size.bit_length()):
        middle = F.floordiv(low + high, 2)
        place = F.minimum(middle, F.full((), size - 1, int64))
        found = (
            F.index_get(sequence, (place,))
            if flat
            else F.gather(sequence, len(sequence.shape) - 1, place)
        )
        before = found <= values if right else found < values  # never where found is nan
        if missing is not None:
            last = missing if right else F.logical_and(missing, F.logical_not(F.isnan(found)))
            before = F.logical_or(before, last)
        open_ = low < high
        high = F.where(F.logical_and(open_, F.logical_not(before)), middle, high)
        low = F.where(F.logical_and(open_, before), middle + 1, low)
    return low


op("searchsorted", GENERIC, inputs=("sequence", "values"), attrs=("right",), xp=None,
   dtype=REAL_TO_LONG, public=False, generic=_searchsorted)  # fmt: skip

# --- distinct values ------------------------------


def _lexsort(F: Any, rows: Any) -> Any:
    """The order of the rows of a matrix, the first column counting most."""
    order = F.arange(0, rows.shape[0], 1, int64)
    for column in reversed(range(rows.shape[1])):
        keys = F.index_get(F.index(rows, (slice(None), column)), (order,))
        order = F.index_get(order, (F.argsort(keys, 0, False, True),))
    return order


op("lexsort", GENERIC, inputs=("rows",), attrs=(), xp=None, dtype=REAL_TO_LONG, public=False,
   generic=_lexsort)  # fmt: skip


def _unique(F: Any, rows: Any, ordered: bool) -> tuple[Any, Any, Any]:
    """Groups of equal rows of a matrix, all of them or, when ``ordered``, neighbours alone.

    Returns the position of one row per group, the group of each row, and the groups' sizes.
    """
    size = rows.shape[0]
    order = F.arange(0, size, 1, int64)
    if not size:
        return order, order, order
    if not ordered:
        flat = rows.shape[1] == 1
        order = F.argsort(F.reshape(rows, (size,)), 0, False, True) if flat else F.lexsort(rows)
        rows = F.index_get(rows, (order,))
    changed = F.ne(F.index(rows, (slice(1, None),)), F.index(rows, (slice(0, -1),)))
    fresh = F.concat([F.full((1,), 1, bool_), F.any(changed, (1,), False)], 0)
    (starts,) = F.nonzero(fresh)
    ends = F.concat([F.index(starts, (slice(1, None),)), F.full((1,), size, int64)], 0)
    groups = F.cumsum(F.cast(fresh, int64), 0) - 1
    inverse = groups if ordered else F.scatter(F.zeros((size,), int64), groups, 0, order)
    return F.index_get(order, (starts,)), inverse, ends - starts


op("unique", GENERIC, inputs=("rows",), attrs=("ordered",), xp=None, public=False,
   needs="dynamic_shapes",
   outputs=("positions", "inverse", "counts"), generic=_unique)  # fmt: skip


def _mode_indices(F: Any, x: Any, dim: int) -> Any:
    """The place of the most frequent value, of the smallest one among several."""
    order = F.argsort(x, dim, False, True)
    rows = F.gather(x, dim, order)
    size = x.shape[dim]
    head = F.full(F.index(rows, _part(dim, slice(0, 1))).shape, 1, bool_)
    later, sooner = (
        F.index(rows, _part(dim, slice(1, None))),
        F.index(rows, _part(dim, slice(0, -1))),
    )
    fresh = F.concat([head, F.ne(later, sooner)], dim)
    places = F.running_positions(rows, dim)
    starts, _ = F.cummax(F.where(fresh, places, 0), dim)
    longest = F.argmax(places - starts, dim, True) if size else places
    return F.gather(order, dim, longest)


op("mode_indices", GENERIC, inputs=("x",), attrs=("dim",), xp=None, dtype=REAL_TO_LONG,
   public=False, generic=_mode_indices)  # fmt: skip

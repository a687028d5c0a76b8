"""Scans: running sums, products, maxima."""

from __future__ import annotations

import math
from typing import Any

from ...backends.dtypes import int64
from ..families import GENERIC, SCAN
from ..kinds import INEXACT, INT_TO_LONG, NO_COMPLEX
from ..registry import op
from .elementwise import conj

__all__ = ["flip"]


def _part(dim: int, part: slice) -> tuple[Any, ...]:
    return (*(slice(None),) * dim, part)


def flip(F: Any, x: Any, dim: int) -> Any:
    """``x`` with one dimension reversed."""
    return F.index(x, _part(dim, slice(None, None, -1))) if x.shape else x


def _shifted(F: Any, x: Any, dim: int, by: int, fill: float) -> Any:
    """Elements moved ``by`` places towards the start, with ``fill`` coming in at the end."""
    shape = list(x.shape)
    shape[dim] = by
    filling = F.full(tuple(shape), fill, F.dtype_of(x))
    return F.concat([F.index(x, _part(dim, slice(by, None))), filling], dim)


def _doubling(combine: Any, neutral: float) -> Any:
    """A scan as log2(n) steps over whole arrays, each reaching twice as far as the last."""

    def scan(F: Any, x: Any, dim: int) -> Any:
        if not x.shape:
            return F.clone(x)
        reach, x = 1, flip(F, x, dim)
        while reach < x.shape[dim]:
            x = combine(F, x, _shifted(F, x, dim, reach, neutral))
            reach *= 2
        return flip(F, x, dim)

    return scan


def _reverse_sum(F: Any, g: Any, dim: int) -> Any:
    return flip(F, F.cumsum(flip(F, g, dim), dim), dim)


op("cumsum", SCAN, xp="cumulative_sum", dtype=INT_TO_LONG, public=False,
   grad=lambda F, g, dim: _reverse_sum(F, g, dim))  # fmt: skip


def _recurrence(F: Any, term: Any, factor: Any, dim: int) -> Any:
    """Solve ``s[i] = term[i] + factor[i] * s[i + 1]`` from the end, by doubling.

    ``factor`` must be 0 in the last place.
    """
    reach = 1
    while reach < term.shape[dim]:
        term = term + factor * _shifted(F, term, dim, reach, 0)
        factor = factor * _shifted(F, factor, dim, reach, 0)
        reach *= 2
    return term


def _cumprod_grad(F: Any, g: Any, x: Any, dim: int) -> Any:
    """``sum over k >= i of g[k] * prod over j <= k, j != i of x[j]``, without a division.

    The part of the product before i is a scan; the rest obeys ``s[i] = g[i] + x[i+1] * s[i+1]``.
    So zeros need no special case, in any order of derivative.
    """
    if not x.shape or not x.shape[dim]:
        return g
    x = conj(F, x)
    first = list(x.shape)
    first[dim] = 1
    one = F.full(tuple(first), 1, F.dtype_of(x))
    head = F.cumprod(F.index(x, _part(dim, slice(0, x.shape[dim] - 1))), dim)
    return F.concat([one, head], dim) * _recurrence(F, g, _shifted(F, x, dim, 1, 0), dim)


op("cumprod", SCAN, xp="cumulative_prod", dtype=INT_TO_LONG, public=False, grad=_cumprod_grad)


def _logcumsumexp_grad(F: Any, g: Any, x: Any, out: Any, dim: int) -> Any:
    """``sum over k >= i of g[k] * exp(x[i] - out[k])``, with no power above 1 on the way."""
    if not x.shape or not x.shape[dim]:
        return g
    size = x.shape[dim]
    now = F.index(out, _part(dim, slice(0, size - 1)))
    then = F.index(out, _part(dim, slice(1, None)))
    ratio = conj(F, F.exp(F.where(now == then, 0, now - then)))
    last = F.zeros(F.index(out, _part(dim, slice(0, 1))).shape, F.dtype_of(out))
    total = _recurrence(F, g, F.concat([ratio, last], dim), dim)
    return conj(F, F.exp(F.where(x == out, 0, x - out))) * total


op("logcumsumexp", SCAN, xp=None, dtype=INEXACT, public=False, grad=_logcumsumexp_grad,
   generic=_doubling(lambda F, x, y: F.logaddexp(x, y), -math.inf))  # fmt: skip


def _pick(F: Any, g: Any, x_shape: Any, x_dtype: Any, indices: Any, dim: int) -> Any:
    indices = getattr(indices, "_h", indices)  # indices are attributes: handles, never tensors
    return F.scatter_add(F.zeros(x_shape, F.dtype_of(g)), g, dim, indices)


def _running(better: str) -> Any:
    """Running extreme and where it was, by doubling over pairs of value and position."""

    def scan(F: Any, x: Any, dim: int) -> tuple[Any, Any]:
        positions = F.running_positions(x, dim)
        if not x.shape:
            return F.clone(x), positions
        values, positions, reach = flip(F, x, dim), flip(F, positions, dim), 1
        while reach < x.shape[dim]:
            older, place = (_padded(F, y, dim, reach) for y in (values, positions))
            newer_wins = F.logical_or(getattr(F, better)(values, older), values != values)
            values = F.where(newer_wins, values, older)
            positions = F.where(newer_wins, positions, place)
            reach *= 2
        return flip(F, values, dim), flip(F, positions, dim)

    return scan


def _padded(F: Any, x: Any, dim: int, by: int) -> Any:
    """As :func:`_shifted`, with the last elements staying where nothing comes in."""
    kept = F.index(x, _part(dim, slice(x.shape[dim] - by, None)))
    return F.concat([F.index(x, _part(dim, slice(by, None))), kept], dim)


def _running_positions(F: Any, x: Any, dim: int) -> Any:
    if not x.shape:
        return F.zeros((), int64)
    shape = tuple(size if d == dim else 1 for d, size in enumerate(x.shape))
    return F.expand(F.reshape(F.arange(0, x.shape[dim], 1, int64), shape), x.shape)


op("running_positions", GENERIC, inputs=("x",), attrs=("dim",), xp=None, public=False,
   generic=_running_positions)  # fmt: skip
op("cummax", GENERIC, inputs=("x",), attrs=("dim",), outputs=("values", "indices"), xp=None,
   dtype=NO_COMPLEX, public=False, generic=_running("ge"),
   grad=lambda F, g, x_shape, x_dtype, indices, dim:
       _pick(F, g[0], x_shape, x_dtype, indices, dim))  # fmt: skip
op("cummin", GENERIC, inputs=("x",), attrs=("dim",), outputs=("values", "indices"), xp=None,
   dtype=NO_COMPLEX, public=False, generic=_running("le"),
   grad=lambda F, g, x_shape, x_dtype, indices, dim:
       _pick(F, g[0], x_shape, x_dtype, indices, dim))  # fmt: skip

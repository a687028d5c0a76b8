"""Reductions, softmax and its logarithm."""

from __future__ import annotations

import math
from typing import Any

from ...backends.dtypes import bool_, int64, uint8
from ..families import ARGREDUCE, GENERIC, REDUCE
from ..kinds import (
    ALWAYS_BOOL,
    FLOATING,
    INEXACT,
    INEXACT_TO_FLOAT,
    INT_TO_FLOAT,
    INT_TO_LONG,
    NO_COMPLEX,
    REAL_TO_LONG,
)
from ..registry import op
from .elementwise import conj, drop

__all__ = ["count", "expand_back", "restore"]


def restore(F: Any, x: Any, shape: tuple[int, ...], dims: Any, keepdim: bool) -> Any:
    """A reduced array with size-1 dimensions where it was reduced, ready to broadcast."""
    if keepdim or dims is None:  # of a sum over everything no dimension is left
        return x
    return F.reshape(x, tuple(1 if d in dims else size for d, size in enumerate(shape)))


def expand_back(F: Any, g: Any, shape: tuple[int, ...], dims: Any, keepdim: bool) -> Any:
    """The gradient of a sum: ``g`` repeated over what was summed."""
    return F.expand(restore(F, g, shape, dims, keepdim), shape)


def count(shape: tuple[int, ...], dims: Any) -> int:
    """How many elements go into one result."""
    total = 1
    for d in range(len(shape)) if dims is None else dims:
        total *= shape[d]
    return total


op("sum", REDUCE, dtype=INT_TO_LONG,
   grad=lambda F, g, x_shape, dims, keepdim: expand_back(F, g, x_shape, dims, keepdim))  # fmt: skip


def _mean(F: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    """The sum, divided; nan for no elements, where libraries' own means may warn."""
    total = F.sum(x, dims, keepdim)
    elements = count(x.shape, dims)
    return total / elements if elements else total * math.nan


op("mean", REDUCE, xp=None, dtype=INEXACT, generic=_mean, ref="mean",
   grad=lambda F, g, x_shape, dims, keepdim:
       expand_back(F, g, x_shape, dims, keepdim) / max(count(x_shape, dims), 1))  # fmt: skip

# --- products ------------------------------


def _product_of_others(F: Any, rows: Any) -> Any:
    """Along the last dimension, the product of all elements but one; right with zeros too."""
    size = rows.shape[-1]
    one = F.full((*rows.shape[:-1], 1), 1, F.dtype_of(rows))
    last = len(rows.shape) - 1
    flipped = F.index(rows, (..., slice(None, None, -1)))
    before, after = (
        F.concat([one, F.cumprod(F.index(x, (..., slice(0, size - 1))), last)], last)
        for x in (rows, flipped)
    )
    return before * F.index(after, (..., slice(None, None, -1)))


def _prod_grad(F: Any, g: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    shape = x.shape
    lost = tuple(range(len(shape))) if dims is None else dims
    if not shape or not count(shape, lost):
        return F.expand(restore(F, g, shape, dims, keepdim), shape)
    order = (*[d for d in range(len(shape)) if d not in lost], *lost)
    kept = tuple(shape[d] for d in order[: len(shape) - len(lost)])
    rows = F.reshape(F.permute(x, order), (*kept, count(shape, lost)))
    others = F.reshape(_product_of_others(F, rows), tuple(shape[d] for d in order))
    back = tuple(order.index(d) for d in range(len(shape)))
    return restore(F, g, shape, dims, keepdim) * conj(F, F.permute(others, back))


op("prod", REDUCE, dtype=INT_TO_LONG, public=False, grad=_prod_grad)

# --- the largest, the smallest ------------------------------


def _share_among_ties(F: Any, g: Any, x: Any, out: Any, dims: Any, keepdim: bool) -> Any:
    """The gradient of a maximum or minimum, split evenly between equal elements."""
    shape = x.shape
    best = restore(F, out, shape, dims, keepdim)
    hits = F.cast(F.logical_or(x == best, x != x), F.dtype_of(g))
    return restore(F, g, shape, dims, keepdim) * (hits / F.sum(hits, dims, True))


op("amax", REDUCE, xp="max", dtype=NO_COMPLEX, grad=_share_among_ties, ref="amax")
op("amin", REDUCE, xp="min", dtype=NO_COMPLEX, grad=_share_among_ties, ref="amin")
op("argmax", ARGREDUCE, dtype=REAL_TO_LONG, public=False)
op("argmin", ARGREDUCE, dtype=REAL_TO_LONG, public=False)


def _extreme(arg: str) -> Any:
    def compute(F: Any, x: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
        if not x.shape:
            return F.clone(x), F.zeros((), int64)
        comparable = F.cast(x, uint8) if F.dtype_of(x) is bool_ else x
        indices = F.cast(getattr(F, arg)(comparable, dim, True), int64)
        values = F.gather(x, dim, indices)
        if keepdim:
            return values, indices
        part = (*(slice(None),) * dim, 0)
        return F.clone(F.index(values, part)), F.clone(F.index(indices, part))

    return compute


def _extreme_grad(
    F: Any, g: Any, x_shape: Any, x_dtype: Any, indices: Any, dim: int, keepdim: bool
) -> Any:
    if not x_shape:
        return g[0]
    indices = getattr(indices, "_h", indices)  # indices are attributes: handles, never tensors
    kept = tuple(1 if d == dim else size for d, size in enumerate(x_shape))
    raw = F.device.F.reshape(indices, kept)
    return F.scatter_add(F.zeros(x_shape, F.dtype_of(g[0])), F.reshape(g[0], kept), dim, raw)


op("max_dim", GENERIC, inputs=("x",), attrs=("dim", "keepdim"), outputs=("values", "indices"),
   xp=None, dtype=NO_COMPLEX, public=False, node="Max", generic=_extreme("argmax"),
   grad=_extreme_grad)  # fmt: skip
op("min_dim", GENERIC, inputs=("x",), attrs=("dim", "keepdim"), outputs=("values", "indices"),
   xp=None, dtype=NO_COMPLEX, public=False, node="Min", generic=_extreme("argmin"),
   grad=_extreme_grad)  # fmt: skip
op("all", REDUCE, dtype=ALWAYS_BOOL, public=False)
op("any", REDUCE, dtype=ALWAYS_BOOL, public=False)

# --- spread ------------------------------


def _freedom(shape: tuple[int, ...], dims: Any, correction: float) -> float:
    """What a sum of squares is divided by; nan stands for 0, so that 0 / 0 is nan as in C."""
    return max(count(shape, dims) - correction, 0)


def _quotient(F: Any, x: Any, divisor: float) -> Any:
    return x / divisor if divisor else x / F.zeros(x.shape, F.dtype_of(x))


def _var(F: Any, x: Any, dims: Any, correction: float, keepdim: bool) -> Any:
    away = x - F.mean(x, dims, True)
    square = F.real(away * F.conj(away)) if F.dtype_of(x).is_complex else away * away
    return _quotient(F, F.sum(square, dims, keepdim), _freedom(x.shape, dims, correction))


def _var_grad(F: Any, g: Any, x: Any, dims: Any, correction: float, keepdim: bool) -> Any:
    divisor = _freedom(x.shape, dims, correction)
    scale = _quotient(F, restore(F, g, x.shape, dims, keepdim) * 2, divisor)
    return scale * (x - F.mean(x, dims, True))


def _std_grad(F: Any, g: Any, x: Any, out: Any, dims: Any, correction: float, keepdim: bool) -> Any:
    zero = out == 0
    g = drop(F, zero, g / (F.where(zero, 1, out) * 2))
    return _var_grad(F, g, x, dims, correction, keepdim)


op("var", GENERIC, inputs=("x",), attrs=("dims", "correction", "keepdim"), xp=None,
   dtype=INEXACT_TO_FLOAT, public=False, generic=_var, grad=_var_grad)  # fmt: skip
op("std", GENERIC, inputs=("x",), attrs=("dims", "correction", "keepdim"), xp=None,
   dtype=INEXACT_TO_FLOAT, public=False, grad=_std_grad,
   generic=lambda F, *args: F.sqrt(F.var(*args)))  # fmt: skip

# --- norms ------------------------------


def _p_norm(F: Any, x: Any, p: float, dims: Any, keepdim: bool) -> Any:
    size = F.abs(x)
    if p == math.inf:
        return F.amax(size, dims, keepdim)
    if p == -math.inf:
        return F.amin(size, dims, keepdim)
    if p == 0:
        return F.sum(F.cast(size != 0, F.dtype_of(size)), dims, keepdim)
    if p == 1:
        return F.sum(size, dims, keepdim)
    if p == 2:
        return F.sqrt(F.sum(size * size, dims, keepdim))
    return F.sum(size**p, dims, keepdim) ** (1 / p)


def _p_norm_grad(F: Any, g: Any, x: Any, out: Any, p: float, dims: Any, keepdim: bool) -> Any:
    out, g = (restore(F, y, x.shape, dims, keepdim) for y in (out, g))
    if p == 0:
        return F.zeros(x.shape, F.dtype_of(x))
    if p == 1:
        return F.sgn(x) * g
    zero = out == 0
    if p == 2:
        return x * drop(F, zero, g / F.where(zero, 1, out))
    size = F.abs(x)
    if math.isinf(p):
        hits = F.cast(F.logical_or(size == out, size != size), F.dtype_of(g))
        return F.sgn(x) * (hits * (g / F.sum(hits, dims, True)))
    none = size == 0
    power = drop(F, none, F.where(none, 1, size) ** (p - 1)) if p < 2 else size ** (p - 1)
    return F.sgn(x) * (power * drop(F, zero, g / F.where(zero, 1, out) ** (p - 1)))


op(
    "p_norm",
    GENERIC,
    inputs=("x",),
    attrs=("p", "dims", "keepdim"),
    xp=None,
    public=False,
    dtype=INEXACT_TO_FLOAT,
    generic=_p_norm,
    grad=_p_norm_grad,
    node="LinalgVectorNorm",
)

# --- exponentials normalised ------------------------------


def _finite_max(F: Any, x: Any, dims: Any) -> Any:
    """The maximum over ``dims``, to be taken off before exp; 0 where it is infinite."""
    top = F.amax(F.real(x) if F.dtype_of(x).is_complex else x, dims, True)
    return F.where(F.isfinite(top), top, 0)


def _logsumexp(F: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    if not count(x.shape, dims):
        return F.log(F.sum(x, dims, keepdim))
    top = _finite_max(F, x, dims)
    total = F.log(F.sum(F.exp(x - top), dims, True)) + top
    return total if keepdim else F.sum(total, dims, False)


def _logsumexp_grad(F: Any, g: Any, x: Any, out: Any, dims: Any, keepdim: bool) -> Any:
    out, g = (restore(F, y, x.shape, dims, keepdim) for y in (out, g))
    same = x == out  # two infinities too, whose difference is nan
    return g * conj(F, F.exp(F.where(same, 0, x - out)))


op("logsumexp", REDUCE, xp=None, dtype=INT_TO_FLOAT, public=False, generic=_logsumexp,
   grad=_logsumexp_grad)  # fmt: skip


def _softmax(F: Any, x: Any, dim: int) -> Any:
    if 0 in x.shape:
        return F.clone(x)
    dims = (dim,) if x.shape else None
    powers = F.exp(x - F.amax(x, dims, True))
    return powers / F.sum(powers, dims, True)


def _softmax_grad(F: Any, g: Any, out: Any, dim: int) -> Any:
    weighted = g * out
    return weighted - out * F.sum(weighted, (dim,) if out.shape else None, True)


def _log_softmax(F: Any, x: Any, dim: int) -> Any:
    if 0 in x.shape:
        return F.clone(x)
    dims = (dim,) if x.shape else None
    away = x - F.amax(x, dims, True)
    return away - F.log(F.sum(F.exp(away), dims, True))


def _log_softmax_grad(F: Any, g: Any, out: Any, dim: int) -> Any:
    return g - F.exp(out) * F.sum(g, (dim,) if out.shape else None, True)


op("softmax", GENERIC, inputs=("x",), attrs=("dim",), xp=None, dtype=FLOATING, public=False,
   generic=_softmax, grad=_softmax_grad)  # fmt: skip
op("log_softmax", GENERIC, inputs=("x",), attrs=("dim",), xp=None, dtype=FLOATING, public=False,
   generic=_log_softmax, grad=_log_softmax_grad)  # fmt: skip

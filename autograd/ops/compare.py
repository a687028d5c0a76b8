"""Rows of comparison, logic, bits, and of questions about each element."""

from __future__ import annotations

import math
from typing import Any

from ...backends.dtypes import bool_
from ..families import BINARY, COMPARE, UNARY
from ..kernels import ON_BOOL
from ..kinds import ALWAYS_BOOL, INTEGER, INTEGRAL, REAL_TO_BOOL
from ..registry import op

__all__: list[str] = []

# --- comparison ------------------------------

op("eq", COMPARE, xp="equal", ref="equal")
op("ne", COMPARE, xp="not_equal", aliases=("not_equal",), ref="not_equal")
op("lt", COMPARE, xp="less", dtype=REAL_TO_BOOL, aliases=("less",), ref="less")
op("le", COMPARE, xp="less_equal", dtype=REAL_TO_BOOL, aliases=("less_equal",), ref="less_equal")
op("gt", COMPARE, xp="greater", dtype=REAL_TO_BOOL, aliases=("greater",), ref="greater")
op("ge", COMPARE, xp="greater_equal", dtype=REAL_TO_BOOL, aliases=("greater_equal",),
   ref="greater_equal")  # fmt: skip

# --- logic and bits ------------------------------
# The standard's logical functions take bool alone, and there its bitwise ones say the same.


def _logical(name: str) -> Any:
    def compute(F: Any, x: Any, y: Any) -> Any:
        return getattr(F, name)(F.cast(x, bool_), F.cast(y, bool_))

    return compute


op("logical_and", COMPARE, xp=None, generic=_logical("bitwise_and"), ref="logical_and")
op("logical_or", COMPARE, xp=None, generic=_logical("bitwise_or"), ref="logical_or")
op("logical_xor", COMPARE, xp=None, generic=_logical("bitwise_xor"), ref="logical_xor")
op("logical_not", UNARY, xp=None, dtype=ALWAYS_BOOL, ref="logical_not",
   generic=lambda F, x: F.bitwise_not(F.cast(x, bool_)))  # fmt: skip
op("bitwise_and", BINARY, dtype=INTEGRAL, ref="bitwise_and")
op("bitwise_or", BINARY, dtype=INTEGRAL, ref="bitwise_or")
op("bitwise_xor", BINARY, dtype=INTEGRAL, ref="bitwise_xor")
op("bitwise_not", UNARY, xp="bitwise_invert", dtype=INTEGRAL, ref="invert")
op("bitwise_left_shift", BINARY, dtype=INTEGER, ref="left_shift", domain=(0, 3))
op("bitwise_right_shift", BINARY, dtype=INTEGER, ref="right_shift", domain=(0, 3))

# --- what kind of number ------------------------------


def _never(F: Any, x: Any) -> Any:
    return F.zeros(x.shape, bool_)


def _isnan(F: Any, x: Any) -> Any:
    return x != x if F.dtype_of(x).is_inexact else _never(F, x)


def _isinf(F: Any, x: Any) -> Any:
    dtype = F.dtype_of(x)
    if dtype.is_complex:
        return F.logical_or(F.isinf(F.real(x)), F.isinf(F.imag(x)))
    return F.abs(x) == math.inf if dtype.is_inexact else _never(F, x)


def _isfinite(F: Any, x: Any) -> Any:
    return F.logical_not(F.logical_or(F.isnan(x), F.isinf(x)))


op("isnan", UNARY, xp=None, dtype=ALWAYS_BOOL, generic=_isnan, inplace=False, ref="isnan")
op("isinf", UNARY, xp=None, dtype=ALWAYS_BOOL, generic=_isinf, inplace=False, ref="isinf")
op("isfinite", UNARY, xp=None, dtype=ALWAYS_BOOL, generic=_isfinite, inplace=False,
   ref="isfinite")  # fmt: skip


def _signed_infinity(value: float) -> Any:
    return lambda F, x: x == value if F.dtype_of(x).is_inexact else _never(F, x)


op("isposinf", UNARY, xp=None, dtype=REAL_TO_BOOL, generic=_signed_infinity(math.inf),
   inplace=False, ref="isposinf")  # fmt: skip
op("isneginf", UNARY, xp=None, dtype=REAL_TO_BOOL, generic=_signed_infinity(-math.inf),
   inplace=False, ref="isneginf")  # fmt: skip
op("isreal", UNARY, xp=None, dtype=ALWAYS_BOOL, inplace=False, ref="isreal",
   generic=lambda F, x: F.imag(x) == 0 if F.dtype_of(x).is_complex
   else F.logical_not(_never(F, x)))  # fmt: skip


def _signbit(F: Any, x: Any) -> Any:
    dtype = F.dtype_of(x)
    if dtype.is_inexact:
        return F.copysign(F.full(x.shape, 1, dtype), x) < 0  # tells -0 from 0
    return x < 0 if dtype.kind == "int" else _never(F, x)


op("signbit", UNARY, xp=None, dtype=REAL_TO_BOOL, generic=_signbit, inplace=False,
   ref="signbit")  # fmt: skip

# --- bool where the standard wants numbers -------------------------------------------------------

ON_BOOL.update(
    add=lambda F, x, y: F.bitwise_or(x, y),
    mul=lambda F, x, y: F.bitwise_and(x, y),
    maximum=lambda F, x, y: F.bitwise_or(x, y),
    minimum=lambda F, x, y: F.bitwise_and(x, y),
    lt=lambda F, x, y: F.bitwise_and(F.bitwise_not(x), y),
    le=lambda F, x, y: F.bitwise_or(F.bitwise_not(x), y),
    gt=lambda F, x, y: F.bitwise_and(x, F.bitwise_not(y)),
    ge=lambda F, x, y: F.bitwise_or(x, F.bitwise_not(y)),
    amax=lambda F, x, dims, keepdim: F.any(x, dims, keepdim),
    amin=lambda F, x, dims, keepdim: F.all(x, dims, keepdim),
    abs=lambda F, x: F.clone(x),
)

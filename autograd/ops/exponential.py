"""Rows of exponentials and logarithms, and what is made from them."""

from __future__ import annotations

import math
from typing import Any

from ..families import BINARY, UNARY
from ..kinds import FLOATING, INEXACT, INT_TO_FLOAT, REAL_FLOAT
from ..registry import op
from .elementwise import conj, drop, is_array

__all__: list[str] = []


op("exp", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g * out, ref="exp")
op("exp2", UNARY, holomorphic=True, xp=None, dtype=INT_TO_FLOAT, ref="exp2",
   generic=lambda F, x: F.pow(2, x),
   grad=lambda F, g, out: g * (out * math.log(2)))  # fmt: skip
op("expm1", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g * (out + 1),
   ref="expm1")  # fmt: skip
op("log", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, grad=lambda F, g, x: g / x, domain=(0.1, 4),
   ref="log")  # fmt: skip
op("log2", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, domain=(0.1, 4), ref="log2",
   grad=lambda F, g, x: g / (x * math.log(2)))  # fmt: skip
op("log10", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, domain=(0.1, 4), ref="log10",
   grad=lambda F, g, x: g / (x * math.log(10)))  # fmt: skip
op("log1p", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, domain=(-0.5, 4), ref="log1p",
   grad=lambda F, g, x: g / (x + 1))  # fmt: skip


def _sigmoid(F: Any, x: Any) -> Any:
    if F.dtype_of(x).is_complex:
        return 1 / (1 + F.exp(-x))
    # exp of a negative number only: nothing overflows, and small results keep their digits.
    small = F.exp(-F.abs(x))
    return F.where(x >= 0, 1 / (1 + small), small / (1 + small))


op("sigmoid", UNARY, holomorphic=True, xp=None, dtype=INT_TO_FLOAT, generic=_sigmoid,
   grad=lambda F, g, out: g * ((1 - out) * out))  # fmt: skip


def _logaddexp_share(F: Any, g: Any, x: Any, out: Any) -> Any:
    if is_array(x) and F.dtype_of(out).is_complex:
        return g * conj(F, F.exp(x - out))
    return g * F.exp(F.where(x == out, 0, x - out))  # 0 also where both are infinite


def _logaddexp(F: Any, x: Any, y: Any) -> Any:
    if not F.dtype_of(x).is_complex:
        return F.logaddexp_real(x, y)
    first = F.real(x) >= F.real(y)
    large, small = F.where(first, x, y), F.where(first, y, x)
    same = large == small  # two infinities too, whose difference is nan
    return large + F.where(same, math.log(2), F.log1p(F.exp(F.where(same, 0, small - large))))


op("logaddexp_real", BINARY, xp="logaddexp", dtype=FLOATING, public=False)
op("logaddexp", BINARY, xp=None, dtype=INEXACT, generic=_logaddexp,
   ref=lambda np, x, y: np.log(np.exp(x) + np.exp(y)),
   grad={"x": lambda F, g, x, out: _logaddexp_share(F, g, x, out),
         "y": lambda F, g, y, out: _logaddexp_share(F, g, y, out)})  # fmt: skip


def _logaddexp2(F: Any, x: Any, y: Any) -> Any:
    log2 = math.log(2)
    return F.logaddexp(x * log2, y * log2) / log2


def _logaddexp2_share(F: Any, g: Any, x: Any, out: Any) -> Any:
    return g * F.exp2(F.where(x == out, 0, x - out))


op("logaddexp2", BINARY, xp=None, dtype=FLOATING, generic=_logaddexp2, ref="logaddexp2",
   grad={"x": lambda F, g, x, out: _logaddexp2_share(F, g, x, out),
         "y": lambda F, g, y, out: _logaddexp2_share(F, g, y, out)})  # fmt: skip

# --- x * log(y), where 0 times anything is 0 ----------------------------------------------------


def _xlog(log: str) -> Any:
    def compute(F: Any, x: Any, y: Any) -> Any:
        zero = F.logical_and(x == 0, F.logical_not(F.isnan(y)))
        return F.where(zero, 0, x * getattr(F, log)(y))

    return compute


def _xlog_factor(shift: int) -> Any:
    def rule(F: Any, g: Any, x: Any, y: Any) -> Any:
        if is_array(y):
            log = F.log1p(y) if shift else F.log(y)
            return drop(F, F.logical_and(x == 0, y <= -shift), g * log)
        value = y + shift
        log = math.log(value) if value > 0 else (-math.inf if value == 0 else math.nan)
        return drop(F, x == 0, g * log) if value <= 0 else g * log

    return rule


def _xlog_argument(shift: int) -> Any:
    return lambda F, g, x, y: g * (x / (y + shift))


op("xlogy", BINARY, xp=None, dtype=REAL_FLOAT, generic=_xlog("log"), domain=(0.1, 4),
   grad={"x": _xlog_factor(0), "y": _xlog_argument(0)}, ref="scipy.special.xlogy",
   )  # fmt: skip
op("xlog1py", BINARY, xp=None, dtype=REAL_FLOAT, generic=_xlog("log1p"), domain=(0.1, 4),
   grad={"x": _xlog_factor(1), "y": _xlog_argument(1)}, ref="scipy.special.xlog1py",
   namespace="special")  # fmt: skip

# --- degrees ------------------------------

_DEGREE = math.pi / 180
op("deg2rad", UNARY, xp=None, dtype=REAL_FLOAT, generic=lambda F, x: x * _DEGREE,
   grad=lambda F, g: g * _DEGREE, ref="deg2rad")  # fmt: skip
op("rad2deg", UNARY, xp=None, dtype=REAL_FLOAT, generic=lambda F, x: x / _DEGREE,
   grad=lambda F, g: g / _DEGREE, ref="rad2deg")  # fmt: skip

"""Trigonometric and hyperbolic rows."""

from __future__ import annotations

import math
from typing import Any

from ..families import BINARY, UNARY
from ..kinds import INT_TO_FLOAT, REAL_FLOAT
from ..registry import op
from .elementwise import conj, drop

__all__: list[str] = []

op("sin", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, x: g * conj(F, F.cos(x)), ref="sin")
op("cos", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, x: -g * conj(F, F.sin(x)), ref="cos")
op("tan", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g * (out * out + 1),
   domain=(-1.4, 1.4), ref="tan")  # fmt: skip
op("asin", UNARY, dtype=INT_TO_FLOAT, aliases=("arcsin",), domain=(-0.9, 0.9), ref="arcsin",
   grad=lambda F, g, x: g * conj(F, F.rsqrt(1 - x * x)))  # fmt: skip
op("acos", UNARY, dtype=INT_TO_FLOAT, aliases=("arccos",), domain=(-0.9, 0.9), ref="arccos",
   grad=lambda F, g, x: -g * conj(F, F.rsqrt(1 - x * x)))  # fmt: skip
op("atan", UNARY, dtype=INT_TO_FLOAT, aliases=("arctan",), ref="arctan",
   grad=lambda F, g, x: g / conj(F, x * x + 1))  # fmt: skip
op("sinh", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, x: g * conj(F, F.cosh(x)), ref="sinh")
op("cosh", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, x: g * conj(F, F.sinh(x)), ref="cosh")
op("tanh", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g * (1 - out * out),
   ref="tanh")  # fmt: skip
op("asinh", UNARY, dtype=INT_TO_FLOAT, aliases=("arcsinh",), ref="arcsinh",
   grad=lambda F, g, x: g * conj(F, F.rsqrt(x * x + 1)))  # fmt: skip
op("acosh", UNARY, dtype=INT_TO_FLOAT, aliases=("arccosh",), domain=(1.1, 4), ref="arccosh",
   grad=lambda F, g, x: g * conj(F, F.rsqrt(x - 1) * F.rsqrt(x + 1)))  # fmt: skip
op("atanh", UNARY, dtype=INT_TO_FLOAT, aliases=("arctanh",), domain=(-0.9, 0.9), ref="arctanh",
   grad=lambda F, g, x: g / conj(F, 1 - x * x))  # fmt: skip


def _over_square(F: Any, g: Any, part: Any, x: Any, y: Any) -> Any:
    """``g * part / (x**2 + y**2)``, zero at the origin."""
    square = x * x + y * y
    origin = square == 0
    return drop(F, origin, g * (part / F.where(origin, 1, square)))


op("atan2", BINARY, dtype=REAL_FLOAT, aliases=("arctan2",), ref="arctan2",
   grad={"x": lambda F, g, x, y: _over_square(F, g, y, x, y),
         "y": lambda F, g, x, y: _over_square(F, -g, x, x, y)})  # fmt: skip


def _sinc(F: Any, x: Any) -> Any:
    turned = x * math.pi
    zero = x == 0
    return F.where(zero, 1, F.sin(turned) / F.where(zero, 1, turned))


def _sinc_grad(F: Any, g: Any, x: Any) -> Any:
    turned = x * math.pi
    zero = x == 0
    safe = F.where(zero, 1, turned)
    slope = (F.cos(turned) * safe - F.sin(turned)) / (F.where(zero, 1, x) * safe)
    return drop(F, zero, g * conj(F, slope))


op("sinc", UNARY, xp=None, dtype=INT_TO_FLOAT, generic=_sinc, grad=_sinc_grad, ref="sinc",
   )  # fmt: skip

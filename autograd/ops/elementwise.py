"""Elementwise rows: arithmetic, exponentials, trigonometry, comparison, logic."""

from __future__ import annotations

import math
from typing import Any

from ..families import BINARY, COMPARE, UNARY
from ..kinds import (
    ALWAYS_BOOL,
    COMPLEX_TO_FLOAT,
    DEFAULT,
    INT_TO_FLOAT,
    INTEGRAL,
    NO_BOOL,
    NO_COMPLEX,
    REAL_FLOAT,
)
from ..registry import op

__all__: list[str] = []


def _zero(F: Any, g: Any, x_shape: tuple[int, ...], x_dtype: Any) -> Any:
    """The derivative of a step function."""
    return F.zeros(x_shape, x_dtype)


def _conj(F: Any, x: Any) -> Any:
    """The complex conjugate; ``x`` may be the Python number that an op was called with."""
    return F.conj(x) if hasattr(x, "shape") else x.conjugate()


# --- arithmetic ------------------------------------------------------------------------------

op("add", BINARY, grad={"x": lambda F, g: g, "y": lambda F, g: g})
op("sub", BINARY, xp="subtract", dtype=NO_BOOL, aliases=("subtract",),
   grad={"x": lambda F, g: g, "y": lambda F, g: -g})  # fmt: skip
op("mul", BINARY, xp="multiply", aliases=("multiply",),
   grad={"x": lambda F, g, y: g * _conj(F, y), "y": lambda F, g, x: g * _conj(F, x)})  # fmt: skip
op("div", BINARY, xp="divide", dtype=INT_TO_FLOAT,
   grad={"x": lambda F, g, y: g / _conj(F, y),
         "y": lambda F, g, y, out: -g * _conj(F, out / y)})  # fmt: skip
op("neg", UNARY, xp="negative", dtype=NO_BOOL, aliases=("negative",), grad=lambda F, g: -g)
op("reciprocal", UNARY, xp=None, dtype=INT_TO_FLOAT, generic=lambda F, x: 1 / x,
   grad=lambda F, g, out: -g * _conj(F, out * out))  # fmt: skip
op("square", UNARY, grad=lambda F, g, x: g * (2 * _conj(F, x)))
op("sqrt", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g / (2 * _conj(F, out)),
   domain=(0.1, 4))  # fmt: skip
op("conj", UNARY, grad=lambda F, g: F.conj(g), inplace=False, public=False)

# --- exponentials and logarithms -------------------------------------------------------------

op("exp", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g * _conj(F, out))
op("expm1", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g * _conj(F, out + 1))
op("log", UNARY, dtype=INT_TO_FLOAT, grad=lambda F, g, x: g / _conj(F, x), domain=(0.1, 4))
op("log2", UNARY, dtype=INT_TO_FLOAT, domain=(0.1, 4),
   grad=lambda F, g, x: g / (_conj(F, x) * math.log(2)))  # fmt: skip
op("log10", UNARY, dtype=INT_TO_FLOAT, domain=(0.1, 4),
   grad=lambda F, g, x: g / (_conj(F, x) * math.log(10)))  # fmt: skip
op("log1p", UNARY, dtype=INT_TO_FLOAT, domain=(-0.5, 4),
   grad=lambda F, g, x: g / (_conj(F, x) + 1))  # fmt: skip

# --- comparison --------------------------------------------------------------------------------

op("eq", COMPARE, xp="equal")
op("ne", COMPARE, xp="not_equal", aliases=("not_equal",))
op("lt", COMPARE, xp="less", aliases=("less",))
op("le", COMPARE, xp="less_equal", aliases=("less_equal",))
op("gt", COMPARE, xp="greater", aliases=("greater",))
op("ge", COMPARE, xp="greater_equal", aliases=("greater_equal",))

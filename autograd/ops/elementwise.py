"""Arithmetic rows: sums, products, quotients, powers, and the rest of whole-number division."""

from __future__ import annotations

import cmath
import math
from typing import Any

from ..families import BINARY, GENERIC, TERNARY, UNARY
from ..kinds import (
    BOOL_TO_LONG,
    FLOATING,
    INEXACT,
    INT_TO_FLOAT,
    INTEGER,
    NO_BOOL,
    NUMERIC_REAL,
    REAL_FLOAT,
)
from ..node import passed_on
from ..registry import op

__all__ = ["conj", "drop", "is_array"]


def is_array(x: Any) -> bool:
    """Whether a saved input is an array, and not the Python number that an op was called with."""
    return hasattr(x, "shape")


def conj(F: Any, x: Any) -> Any:
    """The complex conjugate; ``x`` may be the Python number that an op was called with."""
    return F.conj(x) if hasattr(x, "shape") else x.conjugate()


def drop(F: Any, mask: Any, g: Any) -> Any:
    """The gradient ``g`` with zeros where ``mask`` is true."""
    return F.where(mask, 0, g)


# --- sums and products ------------------------------

op("add", BINARY, grad={"x": passed_on, "y": passed_on}, public=False)
op("sub", BINARY, xp="subtract", dtype=NO_BOOL, public=False,
   grad={"x": passed_on, "y": lambda F, g: -g})  # fmt: skip
op("mul", BINARY, holomorphic=True, xp="multiply", aliases=("multiply",),
   grad={"x": lambda F, g, y: g * y, "y": lambda F, g, x: g * x})  # fmt: skip
op("div", BINARY, holomorphic=True, xp="divide", dtype=INT_TO_FLOAT, public=False,
   grad={"x": lambda F, g, y: g / y,
         "y": lambda F, g, x, y: -g * (x / y / y)})  # not out: it is often written to  # fmt: skip
op("add_scaled", GENERIC, inputs=("x", "y"), attrs=("factor",), xp=None, public=False,
   generic=lambda F, x, y, factor: F.add(x, F.mul(y, F.scalar(factor, F.dtype_of(y)))),
   grad={"x": passed_on, "y": lambda F, g, factor: g * factor})  # fmt: skip
op("neg", UNARY, xp="negative", dtype=NO_BOOL, aliases=("negative",), grad=lambda F, g: -g,
   ref="negative")  # fmt: skip
op("reciprocal", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, generic=lambda F, x: 1 / x,
   domain=(0.5, 4), grad=lambda F, g, out: -g * (out * out))  # fmt: skip
op("square", UNARY, holomorphic=True, dtype=BOOL_TO_LONG, grad=lambda F, g, x: g * (2 * x))

# --- powers and roots ------------------------------

op("sqrt", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, grad=lambda F, g, out: g / (2 * out),
   domain=(0.1, 4))  # fmt: skip
op("rsqrt", UNARY, holomorphic=True, dtype=INT_TO_FLOAT, generic=lambda F, x: 1 / F.sqrt(x),
   domain=(0.1, 4), grad=lambda F, g, out: g * (-0.5 * (out * out * out)))  # fmt: skip


def _pow_base(F: Any, g: Any, x: Any, y: Any) -> Any:
    if not is_array(y):
        return F.zeros(g.shape, F.dtype_of(g)) if y == 0 else g * conj(F, y * x ** (y - 1))
    # The dropped exponent is 1, so that what is dropped stays finite where x is 0.
    safe = F.where(y == 0, 1, y)
    return drop(F, y == 0, g * conj(F, y * F.pow(x, safe - 1)))


def _log_of_number(x: Any) -> Any:
    if isinstance(x, complex):
        return cmath.log(x) if x else -math.inf
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def _pow_exponent(F: Any, g: Any, x: Any, y: Any, out: Any) -> Any:
    positive = F.real(y) >= 0 if F.dtype_of(y).is_complex else y >= 0
    if not is_array(x):
        log = _log_of_number(x)
        if x == 0:
            return F.where(positive, 0, g * (out * log))
        return g * conj(F, out * log)
    zero = F.logical_and(x == 0, positive)
    return drop(F, zero, g * conj(F, out * F.log(F.where(zero, 1, x))))


def _pow(F: Any, x: Any, y: Any) -> Any:
    if F.dtype_of(y).kind != "int":
        return F.power(x, y)
    # To a negative power: 1 and -1 have whole reciprocals, all others round to 0.
    negative = y < 0
    unit = F.where(F.remainder(y, F.full((), 2, F.dtype_of(y))) == 0, x * x, x)
    reciprocal = F.where(F.abs(x) == 1, unit, 0)
    return F.where(negative, reciprocal, F.power(x, F.where(negative, 0, y)))


op("power", BINARY, xp="pow", dtype=NO_BOOL, public=False)
op("pow", BINARY, xp=None, dtype=NO_BOOL, generic=_pow, public=False, domain=(0.2, 3),
   grad={"x": _pow_base, "y": _pow_exponent})  # fmt: skip

# --- division to whole numbers ------------------------------


def _floordiv(F: Any, x: Any, y: Any) -> Any:
    """The array API's rule: the quotient rounded down, also where it is infinite or a zero."""
    quotient = F.floor_quotient(x, y)
    if not F.dtype_of(quotient).is_inexact:
        return quotient
    exact = F.div(x, y)
    endless = F.logical_or(F.isinf(x), F.isinf(y))
    return F.where(endless, F.floor(exact), F.copysign(quotient, exact))


def _floor_divide(F: Any, x: Any, y: Any) -> Any:
    """Python's rule: the quotient that goes with a remainder of the divisor's sign."""
    quotient = F.floor_quotient(x, y)
    if not F.dtype_of(quotient).is_inexact:
        return quotient
    # Of an infinite number there is no remainder; but divided by 0 it stays infinite.
    endless = F.logical_and(F.isinf(x), y != 0)
    return F.where(endless, math.nan, quotient)


def _whole(F: Any, g: Any, x_shape: Any, x_dtype: Any) -> Any:
    return F.zeros(x_shape, x_dtype)


def _whole_divisor(F: Any, g: Any, y_shape: Any, y_dtype: Any) -> Any:
    return F.zeros(y_shape, y_dtype)


op("floor_quotient", BINARY, xp="floor_divide", dtype=NUMERIC_REAL, public=False)
op("floordiv", BINARY, xp=None, dtype=NUMERIC_REAL, generic=_floordiv, public=False,
   node="FloorDivide",
   grad={"x": _whole, "y": _whole_divisor}, domain=(0.5, 4))  # fmt: skip
op("floor_divide", BINARY, xp=None, dtype=NUMERIC_REAL, generic=_floor_divide, domain=(0.5, 4),
   grad={"x": _whole, "y": _whole_divisor}, ref="floor_divide")  # fmt: skip


def _div_trunc(F: Any, x: Any, y: Any) -> Any:
    if F.dtype_of(x).is_inexact:
        return F.trunc(x / y)
    quotient = F.floordiv(x, y)
    rest = x - quotient * y
    short = F.logical_and(rest != 0, (x < 0) != (y < 0))
    return F.where(short, quotient + 1, quotient)


op("div_trunc", BINARY, xp=None, dtype=NUMERIC_REAL, generic=_div_trunc, public=False,
   grad={"x": _whole, "y": _whole_divisor}, domain=(0.5, 4))  # fmt: skip


op("remainder", BINARY, dtype=NUMERIC_REAL, domain=(0.5, 4), ref="remainder",
   grad={"x": lambda F, g: g, "y": lambda F, g, x, y: -g * F.floor_divide(x, y)})  # fmt: skip


def _fmod(F: Any, x: Any, y: Any) -> Any:
    if F.dtype_of(x).is_inexact:
        return F.copysign(F.remainder(F.abs(x), F.abs(y)), x)
    rest = F.remainder(x, y)  # the lowest integer has no absolute value to start from
    return F.where((rest != 0) & ((rest < 0) != (x < 0)), rest - y, rest)


op("fmod", BINARY, xp=None, dtype=NUMERIC_REAL, generic=_fmod, domain=(0.5, 4),
   grad={"x": lambda F, g: g, "y": lambda F, g, x, y: -g * F.div_trunc(x, y)},
   ref="fmod")  # fmt: skip


def _gcd(F: Any, x: Any, y: Any) -> Any:
    x, y = F.abs(x), F.abs(y)
    # Euclid's steps for all elements at once: 2 * bits always suffice (Fibonacci numbers).
    for _ in range(12 * F.dtype_of(x).itemsize):
        done = y == 0
        x, y = F.where(done, x, y), F.where(done, 0, F.remainder(x, F.where(done, 1, y)))
    return x


def _lcm(F: Any, x: Any, y: Any) -> Any:
    common = F.gcd(x, y)
    return F.abs(F.floordiv(x, F.where(common == 0, 1, common)) * y)


op("gcd", BINARY, xp=None, dtype=INTEGER, generic=_gcd, ref="gcd")
op("lcm", BINARY, xp=None, dtype=INTEGER, generic=_lcm, ref="lcm")

# --- combinations ------------------------------


def _lerp_weight(F: Any, g: Any, x: Any, y: Any) -> Any:
    return g * conj(F, y - x)


def _lerp(F: Any, x: Any, y: Any, z: Any) -> Any:
    weight = F.abs(z) if F.dtype_of(z).is_complex else z
    return F.where(weight < 0.5, x + z * (y - x), y - (y - x) * (1 - z))


op("lerp", TERNARY, xp=None, dtype=INEXACT, generic=_lerp, public=False,
   grad={"x": lambda F, g, z: g * (1 - conj(F, z)), "y": lambda F, g, z: g * conj(F, z),
         "z": _lerp_weight})  # fmt: skip


def _hypot_part(F: Any, g: Any, part: Any, out: Any) -> Any:
    return drop(F, out == 0, g * (part / F.where(out == 0, 1, out)))


op("hypot", BINARY, dtype=FLOATING, ref="hypot",
   grad={"x": lambda F, g, x, out: _hypot_part(F, g, x, out),
         "y": lambda F, g, y, out: _hypot_part(F, g, y, out)})  # fmt: skip


def _copysign_grad(F: Any, g: Any, x: Any, out: Any) -> Any:
    zero = x == 0
    return drop(F, zero, g * (out / F.where(zero, 1, x)))


op("copysign", BINARY, dtype=REAL_FLOAT, ref="copysign",
   grad={"x": _copysign_grad, "y": _whole_divisor})  # fmt: skip
op("nextafter", BINARY, dtype=FLOATING, ref="nextafter",
   grad={"x": lambda F, g: g, "y": _whole_divisor})  # fmt: skip

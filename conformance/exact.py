"""Elementary functions to 60 digits, in the standard library's decimal numbers.

What float64 results are measured against: NumPy and SciPy are no better than what they judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal, localcontext
from functools import cache

import numpy as np

__all__ = ["EXACT", "pairs"]

_DIGITS = 60
_ZERO, _ONE, _TWO = Decimal(0), Decimal(1), Decimal(2)
_SMALL = Decimal(10) ** -(_DIGITS + 5)


@cache
def _pi() -> Decimal:
    """Machin's formula, to more digits than any argument here takes away."""
    with localcontext(Context(prec=_DIGITS + 40)):
        return 16 * _atan_series(1 / Decimal(5)) - 4 * _atan_series(1 / Decimal(239))


def _atan_series(x: Decimal) -> Decimal:
    total, power, n, square = x, x, 1, x * x
    while abs(power) > Decimal(10) ** -(_DIGITS + 45):
        power *= -square
        n += 2
        total += power / n
    return total


def _atan(x: Decimal) -> Decimal:
    for_halving = 4
    for _ in range(for_halving):
        x = x / (1 + (1 + x * x).sqrt())
    return _atan_series(x) * 2**for_halving


def _sin(x: Decimal) -> Decimal:
    with localcontext(Context(prec=_DIGITS + 30)):
        rest = x.remainder_near(2 * _pi())
        total = power = rest
        n = 1
        while abs(power) > _SMALL * abs(total):
            power *= -rest * rest / ((n + 1) * (n + 2))
            n += 2
            total += power
    return +total


def _cos(x: Decimal) -> Decimal:
    with localcontext(Context(prec=_DIGITS + 30)):
        return _sin(_pi() / 2 - x)


def _asin(x: Decimal) -> Decimal:
    if abs(x) == 1:
        return _pi() / 2 * x
    return _atan(x / (1 - x * x).sqrt())


def _acos(x: Decimal) -> Decimal:
    return _pi() if x == -1 else 2 * _atan(((1 - x) / (1 + x)).sqrt())


def _expm1(x: Decimal) -> Decimal:
    with localcontext(Context(prec=2 * _DIGITS)):
        return x.exp() - 1


def _log1p(x: Decimal) -> Decimal:
    with localcontext(Context(prec=2 * _DIGITS)):
        return (1 + x).ln()


def _sinh(x: Decimal) -> Decimal:
    return (_expm1(x) - _expm1(-x)) / 2


def _tanh(x: Decimal) -> Decimal:
    twice = _expm1(2 * x)
    return twice / (twice + 2)


def _asinh(x: Decimal) -> Decimal:
    with localcontext(Context(prec=2 * _DIGITS)):
        found = (abs(x) + (x * x + 1).sqrt()).ln()
        return found.copy_sign(x)


def _erf(x: Decimal) -> Decimal:
    with localcontext(Context(prec=3 * _DIGITS)):
        total = power = x
        n = 0
        while abs(power) > _SMALL * _SMALL:
            n += 1
            power *= -x * x / n
            total += power / (2 * n + 1)
        return 2 * total / _pi().sqrt()


def _erfc(x: Decimal) -> Decimal:
    with localcontext(Context(prec=2 * _DIGITS)):
        return 1 - _erf(x)


def _sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def _pow(x: Decimal, y: Decimal) -> Decimal:
    if y == y.to_integral_value():
        found = abs(x) ** y
        return -found if x < 0 and y % 2 else found
    return (y * x.ln()).exp()


def _atan2(y: Decimal, x: Decimal) -> Decimal:
    if x > 0:
        return _atan(y / x)
    if x < 0:
        return _atan(y / x) + (_pi() if y >= 0 else -_pi())
    return _pi() / 2 if y > 0 else -_pi() / 2


def _logaddexp(x: Decimal, y: Decimal) -> Decimal:
    return max(x, y) + _log1p((-abs(x - y)).exp())


EXACT: dict[str, Callable[..., Decimal]] = {
    "exp": Decimal.exp,
    "exp2": lambda x: (x * _TWO.ln()).exp(),
    "expm1": _expm1,
    "log": Decimal.ln,
    "log2": lambda x: x.ln() / _TWO.ln(),
    "log10": Decimal.log10,
    "log1p": _log1p,
    "sqrt": Decimal.sqrt,
    "rsqrt": lambda x: 1 / x.sqrt(),
    "reciprocal": lambda x: 1 / x,
    "square": lambda x: x * x,
    "sin": _sin,
    "cos": _cos,
    "tan": lambda x: _sin(x) / _cos(x),
    "asin": _asin,
    "acos": _acos,
    "atan": _atan,
    "sinh": _sinh,
    "cosh": lambda x: (x.exp() + (-x).exp()) / 2,
    "tanh": _tanh,
    "asinh": _asinh,
    "acosh": lambda x: (x + ((x - 1) * (x + 1)).sqrt()).ln(),
    "atanh": lambda x: (_log1p(x) - _log1p(-x)) / 2,
    "erf": _erf,
    "erfc": _erfc,
    "sigmoid": _sigmoid,
    "deg2rad": lambda x: x * _pi() / 180,
    "rad2deg": lambda x: x * 180 / _pi(),
    "sinc": lambda x: _ONE if not x else _sin(_pi() * x) / (_pi() * x),
    "nn.functional.silu": lambda x: x * _sigmoid(x),
    "nn.functional.softplus": lambda x: _logaddexp(x, _ZERO),
    "nn.functional.logsigmoid": lambda x: -_logaddexp(-x, _ZERO),
    "nn.functional.gelu": lambda x: x * _erfc(-x / _TWO.sqrt()) / 2,
    "div": lambda x, y: x / y,
    "hypot": lambda x, y: (x * x + y * y).sqrt(),
    "pow": _pow,
    "atan2": _atan2,
    "logaddexp": _logaddexp,
    "logaddexp2": lambda x, y: _logaddexp(x * _TWO.ln(), y * _TWO.ln()) / _TWO.ln(),
    "xlogy": lambda x, y: x * y.ln(),
}  # fmt: skip
"""Function of decimal numbers by public name; the values of ``sinc`` are those with pi in it."""


def pairs(name: str, *columns: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Values of a function as unevaluated sums of two float64, which hold 106 bits.

    Args:
        name: a name in :data:`EXACT`.
        *columns: its arguments, one sequence for each.

    Example:
        >>> high, low = pairs("exp", [1.0])
        >>> float(high[0])
        2.718281828459045
    """
    high, low = [], []
    with localcontext(Context(prec=_DIGITS, Emin=-99999, Emax=99999)):
        for row in zip(*columns, strict=True):
            value = EXACT[name](*(Decimal(x) for x in row))
            high.append(float(value))
            low.append(float(value - Decimal(high[-1])))
    return np.array(high), np.array(low)

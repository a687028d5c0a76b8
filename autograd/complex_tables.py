"""Complex functions at infinities, nan and zeros, as the array API standard (and C99) lists them.

Few libraries follow the tables everywhere. A backend names the functions in which its library does
not (``complex_by_table``), and gets their values at these points from here: real and imaginary part
are worked out from those of the argument, by real functions alone, and put into the library's
result. https://data-apis.org/array-api/2025.12/API_specification/elementwise_functions.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["TABLES", "by_table"]

Parts = tuple[Any, Any]
Rule = Callable[[Any, Any, Any], Parts]


def _pick(F: Any, like: Any, *cases: tuple[Any, Any]) -> Any:
    """The value of the first case that holds, element by element; nan where none does."""
    found = F.full(like.shape, math.nan, F.dtype_of(like))
    for condition, value in reversed(cases):
        found = F.where(condition, value, found)
    return found


def _signed(F: Any, size: float, like: Any) -> Any:
    """``size`` with the signs of ``like``."""
    return F.copysign(F.full(like.shape, size, F.dtype_of(like)), like)


def _either(F: Any, a: Any, b: Any) -> Any:
    """Whether one of the parts is infinite."""
    return F.logical_or(F.isinf(a), F.isinf(b))


def _endless(F: Any, a: Any, b: Any) -> Any:
    """Whether the number is infinite or nan."""
    return F.logical_not(F.logical_and(F.isfinite(a), F.isfinite(b)))


def _corner(F: Any, a: Any, b: Any) -> Any:
    """Whether the number is zero, infinite or nan."""
    return F.logical_or(_endless(F, a, b), F.logical_and(a == 0, b == 0))


def _on_axis(F: Any, a: Any, b: Any) -> Any:
    """Whether the number is real, infinite or nan."""
    return F.logical_or(_corner(F, a, b), b == 0)


# --- exponentials --------------------------------------------------------------------------------


def _exp(F: Any, a: Any, b: Any) -> Parts:
    size, none, turns = F.exp(a), a == -math.inf, F.isfinite(b)
    angle = F.where(turns, b, 0)
    real = _pick(F, a, (b == 0, size), (turns, size * F.cos(angle)), (none, 0), (a == math.inf, a))
    return real, _pick(F, a, (b == 0, b), (turns, size * F.sin(angle)), (none, 0))


def _expm1(F: Any, a: Any, b: Any) -> Parts:
    size, none, turns = F.expm1(a), a == -math.inf, F.isfinite(b)
    angle = F.where(turns, b, 0)
    real = _pick(F, a, (none, -1), (b == 0, F.where(a == 0, 0, size)), (turns, size * F.cos(angle)),
                 (a == math.inf, a))  # fmt: skip
    return real, _pick(F, a, (b == 0, b), (turns, F.exp(a) * F.sin(angle)), (none, 0))


def _sinh(F: Any, a: Any, b: Any) -> Parts:
    size, turns = F.sinh(a), F.isfinite(b)
    angle = F.where(turns, b, 0)
    real = _pick(F, a, (b == 0, size), (a == 0, a), (turns, size * F.cos(angle)), (F.isinf(a), a))
    return real, _pick(F, a, (b == 0, b), (turns, F.cosh(a) * F.sin(angle)))


def _cosh(F: Any, a: Any, b: Any) -> Parts:
    size, turns = F.cosh(a), F.isfinite(b)
    angle = F.where(turns, b, 0)
    real = _pick(F, a, (b == 0, size), (turns, size * F.cos(angle)), (F.isinf(a), math.inf))
    imag = _pick(F, a, (b == 0, b * _signed(F, 1, a)), (a == 0, 0),
                 (turns, F.sinh(a) * F.sin(angle)))  # fmt: skip
    return real, imag


def _tanh(F: Any, a: Any, b: Any) -> Parts:
    far = F.isinf(a)
    real = _pick(F, a, (far, _signed(F, 1, a)), (a == 0, a))
    return real, _pick(F, a, (far, _signed(F, 0, b)), (b == 0, b))


# --- logarithms and roots ------------------------------------------------------------------------


def _log(F: Any, a: Any, b: Any) -> Parts:
    real = _pick(F, a, (_either(F, a, b), math.inf), (F.logical_and(a == 0, b == 0), -math.inf))
    return real, F.atan2(b, a)


def _log1p(F: Any, a: Any, b: Any) -> Parts:
    return _log(F, a + 1, b)


def _sqrt(F: Any, a: Any, b: Any) -> Parts:
    zero, left, right = F.logical_and(a == 0, b == 0), a == -math.inf, a == math.inf
    real = _pick(F, a, (F.isinf(b), math.inf), (right, a), (F.logical_and(left, b == b), 0),
                 (zero, 0))  # fmt: skip
    imag = _pick(F, a, (F.isinf(b), b), (left, _signed(F, math.inf, b)),
                 (F.logical_and(right, b == b), _signed(F, 0, b)), (zero, b))  # fmt: skip
    return real, imag


# --- inverses ------------------------------------------------------------------------------------


def _acos(F: Any, a: Any, b: Any) -> Parts:
    real = _pick(F, a, (a == 0, math.pi / 2), (a == a, F.atan2(F.abs(b), a)))
    imag = _pick(F, a, (F.isinf(b), -b), (F.isinf(a), -_signed(F, math.inf, b)),
                 (F.logical_and(a == 0, b == 0), -b))  # fmt: skip
    return real, imag


def _acosh(F: Any, a: Any, b: Any) -> Parts:
    angle, size = _acos(F, a, b)
    return F.abs(size), F.copysign(angle, b)


def _asinh(F: Any, a: Any, b: Any) -> Parts:
    real = _pick(F, a, (F.isinf(a), a), (F.isinf(b), _signed(F, math.inf, a)),
                 (F.logical_and(a == 0, b == 0), a))  # fmt: skip
    return real, F.where(b == 0, b, F.copysign(F.atan2(F.abs(b), F.abs(a)), b))


def _atanh(F: Any, a: Any, b: Any) -> Parts:
    far, one = _either(F, a, b), F.logical_and(F.abs(a) == 1, b == 0)
    real = _pick(F, a, (far, _signed(F, 0, a)), (a == 0, a), (one, _signed(F, math.inf, a)))
    imag = _pick(F, a, (F.logical_and(far, b == b), _signed(F, math.pi / 2, b)),
                 (F.logical_and(F.isfinite(a), b == 0), b))  # fmt: skip
    return real, imag


def _at_minus_one(F: Any, a: Any, b: Any) -> Any:
    return F.logical_or(_endless(F, a, b), F.logical_and(a == -1, b == 0))


def _at_one(F: Any, a: Any, b: Any) -> Any:
    return F.logical_or(_corner(F, a, b), F.logical_and(F.abs(a) == 1, b == 0))


TABLES: dict[str, tuple[Callable[..., Any], Rule]] = {
    "exp": (_on_axis, _exp),
    "expm1": (_on_axis, _expm1),
    "log": (_corner, _log),
    "log1p": (_at_minus_one, _log1p),
    "sqrt": (_corner, _sqrt),
    "sinh": (_on_axis, _sinh),
    "cosh": (_on_axis, _cosh),
    "tanh": (_corner, _tanh),
    "acos": (_corner, _acos),
    "acosh": (_corner, _acosh),
    "asinh": (_corner, _asinh),
    "atanh": (_at_one, _atanh),
}
"""By op name: which numbers have values of their own, and those values."""


def by_table(name: str, kernel: Callable[..., Any], F: Any) -> Callable[..., Any]:
    """A library's complex function with the table's values where it has some."""
    special, rule = TABLES[name]

    def repaired(x: Any) -> Any:
        a, b = F.real(x), F.imag(x)
        return F.where(special(F, a, b), F.complex(*rule(F, a, b)), kernel(x))

    return repaired

"""Infinities, nan and signed zeros: C99's tables, as Python's own math and cmath implement them."""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug import array_api as xp
from tensorplug.autograd.complex_tables import TABLES, by_table

inf, nan, pi = math.inf, math.nan, math.pi
POINTS = (0.0, -0.0, 1.0, -1.0, 0.75, -2.5, inf, -inf, nan)
PAIRS = list(itertools.product(POINTS, POINTS))
CORNERS = [(a, b) for a, b in PAIRS if not (math.isfinite(a) and math.isfinite(b)) or a == b == 0]


def same(found: float, expected: float, any_sign: bool = False) -> bool:
    """Equal, with equal signs also of zeros; nan equals nan."""
    if math.isnan(expected):
        return math.isnan(found)
    if any_sign:
        found, expected = abs(found), abs(expected)
    signs = math.copysign(1, found) == math.copysign(1, expected)
    return signs and (found == expected or math.isclose(found, expected, rel_tol=1e-14))


def array(values: Any, device: str) -> tp.Tensor:
    return xp.asarray(values, dtype=xp.complex128, device=device)


# --- complex functions ---------------------------------------------------------------------------


def by_cmath(name: str) -> Callable[[complex], complex]:
    """Python's function; it raises where C99 reports an invalid operation besides the value."""

    def call(z: complex) -> complex:
        try:
            return getattr(cmath, name)(z)
        except ValueError:
            return _reported(name, z.real, z.imag)

    return call


def _reported(name: str, a: float, b: float) -> complex:
    if name == "log":
        return complex(-inf, math.atan2(b, a))
    if a == 0 and name in ("cosh", "sinh", "tanh"):
        return complex(nan, 0.0) if name == "cosh" else complex(a, nan)
    if math.isinf(a) and name in ("cosh", "exp", "sinh"):
        return complex(a if name == "sinh" else inf, nan)
    return complex(nan, nan)


def _expm1(z: complex) -> complex:
    a, b = z.real, z.imag
    if b == 0:
        return complex(math.expm1(a) + 0.0, b)
    if a == -inf:
        turned = complex(0.0, 0.0) if not math.isfinite(b) else cmath.exp(z)
        return complex(-1.0, turned.imag)
    if a == inf:
        found = complex(inf, nan) if not math.isfinite(b) else cmath.exp(z)
        return found
    return complex(nan, nan)


def _log1p(z: complex) -> complex:
    return by_cmath("log")(complex(1 + z.real, z.imag))


EXPECTED: dict[str, Callable[[complex], complex]] = {
    **{name: by_cmath(name) for name in (
        "acos", "acosh", "asinh", "atanh", "cosh", "exp", "log", "sinh", "sqrt", "tanh"
    )},
    "expm1": _expm1,
    "log1p": _log1p,
}  # fmt: skip

# The standard leaves these signs open, or says otherwise than C99.
OPEN = {
    "cosh": lambda a, b: math.isnan(a) or not math.isfinite(b),
    "sinh": lambda a, b: not math.isfinite(b),
    "exp": lambda a, b: not math.isfinite(b),
    "sqrt": lambda a, b: math.isnan(b),
    "acos": lambda a, b: math.isnan(b),
    "acosh": lambda a, b: math.isnan(b),
    "asinh": lambda a, b: math.isnan(a),
    "atanh": lambda a, b: math.isnan(a),
    "tanh": lambda a, b: math.isinf(a) and not math.isfinite(b),
}


def check(name: str, a: float, b: float, found: complex) -> None:
    expected = EXPECTED[name](complex(a, b))
    if name == "tanh" and math.isinf(a) and math.isfinite(b):
        expected = complex(math.copysign(1, a), math.copysign(0, b))  # for every b, unlike C99
    if name == "tanh" and a == 0 and math.isnan(b):
        expected = complex(a, nan)  # as from C17 on
    if name in ("acosh", "atanh") and a == 0 and math.isnan(b):
        return  # a sign or part is left open
    free = OPEN.get(name, lambda a, b: False)(a, b)
    parts = same(found.real, expected.real, free) and same(found.imag, expected.imag, free)
    assert parts, f"{name}({a}, {b}): expected {expected}, got {found}"


@pytest.mark.parametrize("name", EXPECTED)
def test_complex_function_at_its_corners(name: str, device: str) -> None:
    found = getattr(xp, name)(array([complex(a, b) for a, b in CORNERS], device)).tolist()
    for (a, b), value in zip(CORNERS, found, strict=True):
        check(name, a, b, value)
    for a, b in CORNERS:
        check(name, a, b, complex(getattr(xp, name)(array(complex(a, b), device))))


@pytest.mark.parametrize("name", TABLES)
def test_table_serves_a_library_that_is_wrong_at_every_corner(name: str, device: str) -> None:
    place = tp.device(device)
    special = TABLES[name][0]
    corners = [pair for pair in CORNERS if name != "log1p" or pair[0] or pair[1]]
    x = array([complex(a, b) for a, b in corners], device)
    real, imag = xp.real(x)._h, xp.imag(x)._h
    kernel = by_table(name, lambda h: place.F.full(h.shape, 7 + 7j, tp.complex128), place.F)
    with place.backend.quiet():
        assert np.all(place.backend.to_host(special(place.F, real, imag)))
        found = place.backend.to_host(kernel(x._h)).tolist()
    for (a, b), value in zip(corners, found, strict=True):
        check(name, a, b, value)


def test_table_leaves_other_numbers_to_the_library() -> None:
    place = tp.device("cpu")
    x = array([1.5 + 2j, -0.25 - 3j], "cpu")
    for name in TABLES:
        kernel = by_table(name, lambda h: h * 0 + 7, place.F)
        assert kernel(x._h).tolist() == [7, 7]


def test_sign(device: str) -> None:
    zeros = [complex(a, b) for a in (0.0, -0.0) for b in (0.0, -0.0)]
    found = xp.sign(array([*zeros, complex(nan, 1), complex(1, nan), 3 - 4j], device)).tolist()
    assert all(same(z.real, 0.0) and same(z.imag, 0.0) for z in found[:4])
    assert all(math.isnan(z.real) and math.isnan(z.imag) for z in found[4:6])
    assert cmath.isclose(found[6], 0.6 - 0.8j)
    real = xp.sign(xp.asarray([-0.0, 0.0, -inf, 2.0, nan], device=device)).tolist()
    assert all(same(a, b) for a, b in zip(real, [0.0, 0.0, -1.0, 1.0, nan], strict=True))


# --- functions of two numbers --------------------------------------------------------------------


def _floor_divide(a: float, b: float) -> float:
    quotient = float(np.divide(a, b))
    return quotient if not math.isfinite(quotient) else float(np.floor(quotient))


def _remainder(a: float, b: float) -> float:
    return float(np.remainder(a, b))


def _pow(a: float, b: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(a) ** np.float64(b))


BINARY: dict[str, Callable[[float, float], float]] = {
    "atan2": math.atan2,
    "copysign": math.copysign,
    "floor_divide": _floor_divide,
    "hypot": math.hypot,
    "pow": _pow,
    "remainder": _remainder,
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_real_function_of_two_numbers(name: str, device: str) -> None:
    first, second = (
        xp.asarray([pair[i] for pair in PAIRS], dtype=xp.float64, device=device) for i in (0, 1)
    )
    found = getattr(xp, name)(first, second).tolist()
    for (a, b), value in zip(PAIRS, found, strict=True):
        expected = BINARY[name](a, b)
        assert same(value, expected), f"{name}({a}, {b}): expected {expected}, got {value}"


@pytest.mark.parametrize(
    ("a", "b", "quotient"),
    [(inf, 2.0, inf), (-inf, 2.0, -inf), (1.0, -inf, -0.0), (-1.0, inf, -0.0), (1.0, inf, 0.0),
     (-1.0, -inf, 0.0), (inf, inf, nan), (7.0, -2.0, -4.0), (-0.0, 2.0, -0.0)],
)  # fmt: skip
def test_floor_division_in_every_form(a: float, b: float, quotient: float, device: str) -> None:
    x, y = (xp.asarray(value, dtype=xp.float64, device=device) for value in (a, b))
    inplace = xp.asarray(x, copy=True)
    inplace //= y
    for found in (xp.floor_divide(x, y), x // y, inplace, x // b, xp.floor_divide(a, y)):
        assert same(float(found), quotient)


@pytest.mark.parametrize(
    ("a", "b", "rest"), [(0.0, -1.0, -0.0), (-0.0, 1.0, 0.0), (4.0, -2.0, -0.0), (5.0, -3.0, -1.0)]
)
def test_remainders_take_the_sign_of_the_divisor(
    a: float, b: float, rest: float, device: str
) -> None:
    x, y = (xp.asarray(value, dtype=xp.float64, device=device) for value in (a, b))
    inplace = xp.asarray(x, copy=True)
    inplace %= y
    for found in (xp.remainder(x, y), x % y, inplace):
        assert same(float(found), rest)


# --- functions of one real number ----------------------------------------------------------------

UNARY = (
    "acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor log log10 log1p log2 sin sinh "
    "sqrt tan tanh trunc"
)


def _by_math(name: str, value: float) -> float:
    """Python's function; NumPy's where that raises or gives an int."""
    if name in ("ceil", "floor", "trunc") or value in (inf, -inf):
        name = {"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh",
                "atan": "arctan", "atanh": "arctanh"}.get(name, name)  # fmt: skip
        return float(getattr(np, name)(value))
    try:
        return float(getattr(math, name)(value))
    except ValueError:
        poles = {("atanh", 1.0): inf, ("atanh", -1.0): -inf, ("log1p", -1.0): -inf}
        poles |= {(log, zero): -inf for log in ("log", "log2", "log10") for zero in (0.0, -0.0)}
        return poles.get((name, value), nan)


@pytest.mark.parametrize("name", UNARY.split())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_real_function(name: str, device: str) -> None:
    found = getattr(xp, name)(xp.asarray(POINTS, dtype=xp.float64, device=device)).tolist()
    for point, value in zip(POINTS, found, strict=True):
        expected = _by_math(name, point)
        assert same(value, expected), f"{name}({point}): expected {expected}, got {value}"


def test_round_takes_the_even_neighbour(device: str) -> None:
    found = xp.round(xp.asarray([0.5, 1.5, -2.5, -0.25, inf, nan], device=device)).tolist()
    expected = [0.0, 2.0, -2.0, -0.0, inf, nan]
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))
    assert xp.round(array([2.5 - 1.5j], device)).tolist() == [2 - 2j]

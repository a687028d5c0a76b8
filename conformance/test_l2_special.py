"""Infinities, nan, signed zeros and halves: tables by rule, for every floating-point type.

The rules are those of IEEE 754 and of C's mathematical functions, as PyTorch follows them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import (
    call,
    check,
    f32,
    f64,
    few,
    floats_of,
    i64,
    on,
    problem,
    refuses,
    rounded,
)
from tensorplug.conformance.reference import Call, array_of
from tensorplug.conformance.samples import Case, Sample, cases

pytestmark = pytest.mark.shared

INF, NAN, PI = math.inf, math.nan, math.pi
N = NAN
INPUTS = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN]

ONE: dict[str, list[float]] = {
    "neg": [-0.0, 0.0, -1, 1, -INF, INF, N],
    "abs": [0.0, 0.0, 1, 1, INF, INF, N],
    "reciprocal": [INF, -INF, 1, -1, 0.0, -0.0, N],
    "square": [0.0, 0.0, 1, 1, INF, INF, N],
    "sqrt": [0.0, -0.0, 1, N, INF, N, N],
    "rsqrt": [INF, -INF, 1, N, 0.0, N, N],
    "exp": [1, 1, math.e, 1 / math.e, INF, 0.0, N],
    "exp2": [1, 1, 2, 0.5, INF, 0.0, N],
    "expm1": [0.0, -0.0, math.e - 1, 1 / math.e - 1, INF, -1, N],
    "log": [-INF, -INF, 0.0, N, INF, N, N],
    "log2": [-INF, -INF, 0.0, N, INF, N, N],
    "log10": [-INF, -INF, 0.0, N, INF, N, N],
    "log1p": [0.0, -0.0, math.log(2), -INF, INF, N, N],
    "sin": [0.0, -0.0, math.sin(1), -math.sin(1), N, N, N],
    "cos": [1, 1, math.cos(1), math.cos(1), N, N, N],
    "tan": [0.0, -0.0, math.tan(1), -math.tan(1), N, N, N],
    "asin": [0.0, -0.0, PI / 2, -PI / 2, N, N, N],
    "acos": [PI / 2, PI / 2, 0.0, PI, N, N, N],
    "atan": [0.0, -0.0, PI / 4, -PI / 4, PI / 2, -PI / 2, N],
    "sinh": [0.0, -0.0, math.sinh(1), -math.sinh(1), INF, -INF, N],
    "cosh": [1, 1, math.cosh(1), math.cosh(1), INF, INF, N],
    "tanh": [0.0, -0.0, math.tanh(1), -math.tanh(1), 1, -1, N],
    "asinh": [0.0, -0.0, math.asinh(1), -math.asinh(1), INF, -INF, N],
    "acosh": [N, N, 0.0, N, INF, N, N],
    "atanh": [0.0, -0.0, INF, -INF, N, N, N],
    "sigmoid": [0.5, 0.5, 1 / (1 + math.exp(-1)), 1 / (1 + math.e), 1, 0.0, N],
    "erf": [0.0, -0.0, math.erf(1), -math.erf(1), 1, -1, N],
    "erfc": [1, 1, math.erfc(1), math.erfc(-1), 0.0, 2, N],
    "erfinv": [0.0, -0.0, INF, -INF, N, N, N],
    "floor": [0.0, -0.0, 1, -1, INF, -INF, N],
    "ceil": [0.0, -0.0, 1, -1, INF, -INF, N],
    "trunc": [0.0, -0.0, 1, -1, INF, -INF, N],
    "round": [0.0, -0.0, 1, -1, INF, -INF, N],
    "deg2rad": [0.0, -0.0, PI / 180, -PI / 180, INF, -INF, N],
    "rad2deg": [0.0, -0.0, 180 / PI, -180 / PI, INF, -INF, N],
    "lgamma": [INF, INF, 0.0, INF, INF, INF, N],
    "sinc": [1, 1, 0.0, 0.0, N, N, N],
    "nn.functional.softplus": [math.log(2), math.log(2), 1.3132616875182228,
                               0.3132616875182228, INF, 0.0, N],
    "nn.functional.silu": [0.0, -0.0, 0.7310585786300049, -0.2689414213699951, INF, N, N],
    "nn.functional.relu6": [0.0, 0.0, 1, 0.0, 6, 0.0, N],
    "nn.functional.hardtanh": [0.0, -0.0, 1, -1, 1, -1, N],
    "nn.functional.logsigmoid": [-math.log(2), -math.log(2), -0.3132616875182228,
                                 -1.3132616875182228, -0.0, -INF, N],
}  # fmt: skip
"""Values at 0, -0, 1, -1, inf, -inf and nan."""

UNSIGNED = (
    "erfinv", "acos", "acosh", "log", "log2", "log10", "lgamma", "sinc", "sigmoid", "erfc", "exp",
    "exp2", "nn.functional.softplus", "nn.functional.silu", "nn.functional.relu6",
    "nn.functional.hardtanh", "nn.functional.logsigmoid",
)  # fmt: skip
"""Functions whose zero has no sign that matters, as it is a limit or a difference."""

FREE = {"nn.functional.silu": (5,), "sinc": (2, 3), "lgamma": (2, 5)}
"""Places where the value depends on how the function is written."""


@pytest.fixture
def floats(device: str, thorough: bool) -> list[DType]:
    """The types to try."""
    return floats_of(device, thorough)


@pytest.mark.parametrize("name", ONE)
def test_special_arguments(device: str, name: str, floats: list[DType]) -> None:
    for dtype in floats:
        x, want = rounded(INPUTS, dtype), np.array(ONE[name], float)
        got = array_of(call(device, name, x))
        for place in FREE.get(name, ()):
            want[place] = got[place]
        check(device, name, x, want=want, dtype=dtype, ulps=4, signs=name not in UNSIGNED)


TWO: dict[str, list[tuple[float, float, float]]] = {
    "add": [(INF, -INF, N), (INF, 1, INF), (-0.0, -0.0, -0.0), (-0.0, 0.0, 0.0), (N, 1, N)],
    "sub": [(INF, INF, N), (-INF, 1, -INF), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0), (1, N, N)],
    "mul": [(INF, 0, N), (-INF, 2, -INF), (-0.0, 5, -0.0), (-0.0, -5, 0.0), (0, N, N)],
    "div": [(1, 0.0, INF), (1, -0.0, -INF), (-1, 0.0, -INF), (0, 0, N), (INF, INF, N),
            (5, INF, 0.0), (5, -INF, -0.0), (N, 0, N)],
    "pow": [(0.0, 0, 1), (N, 0, 1), (1, N, 1), (-0.0, -1, -INF), (0.0, -2, INF), (-8, 1 / 3, N),
            (-1, INF, 1), (INF, -1, 0.0), (-INF, 3, -INF), (-INF, 2, INF), (0.5, -INF, INF),
            (0.5, INF, 0.0), (2, -INF, 0.0), (N, 1, N), (-2, 3, -8), (-0.0, 3, -0.0)],
    "atan2": [(0.0, -1, PI), (-0.0, -1, -PI), (0.0, 1, 0.0), (-0.0, 1, -0.0), (0.0, 0.0, 0.0),
              (0.0, -0.0, PI), (-0.0, -0.0, -PI), (1, 0, PI / 2), (-1, 0, -PI / 2),
              (INF, INF, PI / 4), (INF, -INF, 3 * PI / 4), (1, -INF, PI), (N, 1, N), (1, N, N)],
    "hypot": [(INF, N, INF), (N, -INF, INF), (N, 1, N), (0.0, -0.0, 0.0), (3, -4, 5)],
    "copysign": [(1, -0.0, -1), (-2, 0.0, 2), (0.0, -3, -0.0), (INF, -1, -INF)],
    "maximum": [(N, 1, N), (1, N, N), (INF, 1, INF), (-INF, -INF, -INF), (2, 3, 3)],
    "minimum": [(N, 1, N), (1, N, N), (-INF, 1, -INF), (INF, INF, INF), (2, 3, 2)],
    "fmax": [(N, 1, 1), (1, N, 1), (N, N, N), (N, -INF, -INF), (2, 3, 3)],
    "fmin": [(N, 1, 1), (1, N, 1), (N, N, N), (N, INF, INF), (2, 3, 2)],
    "fmod": [(5, 3, 2), (-5, 3, -2), (5, -3, 2), (-5, -3, -2), (1, 0, N), (INF, 3, N),
             (5, INF, 5), (-5, INF, -5), (-0.0, 3, -0.0), (-6, 3, -0.0), (N, 1, N)],
    "remainder": [(5, 3, 2), (-5, 3, 1), (5, -3, -1), (-5, -3, -2), (1, 0, N), (INF, 3, N),
                  (5, INF, 5), (-5, INF, INF), (5, -INF, -INF), (N, 1, N), (0.0, 3, 0.0)],
    "floor_divide": [(5, 3, 1), (-5, 3, -2), (5, -3, -2), (-5, -3, 1), (1, 0, INF), (-1, 0, -INF),
                     (INF, 3, N), (5, INF, 0), (-5, INF, -1), (0, 0, N), (N, 1, N)],
    "logaddexp": [(-INF, -INF, -INF), (INF, INF, INF), (INF, -INF, INF), (N, 1, N), (-INF, 2, 2)],
    "logaddexp2": [(-INF, -INF, -INF), (INF, INF, INF), (INF, -INF, INF), (N, 1, N), (-INF, 2, 2)],
    "xlogy": [(0, 0, 0.0), (0, N, N), (0, INF, 0.0), (1, 0, -INF), (N, 1, N), (2, -1, N)],
    "heaviside": [(-1, 9, 0.0), (2, 9, 1), (0, 9, 9), (-0.0, 8, 8), (N, 9, N), (INF, 9, 1)],
    "nextafter": [(1, 1, 1), (N, 1, N), (1, N, N), (INF, INF, INF)],
}  # fmt: skip

SIGNED = ("add", "sub", "mul", "div", "pow", "atan2", "copysign", "fmod")
"""Functions whose zeros have a sign by rule."""


@pytest.mark.parametrize("name", TWO)
def test_special_pairs(device: str, name: str, floats: list[DType]) -> None:
    x, y, want = (np.array(column, float) for column in zip(*TWO[name], strict=True))
    for dtype in floats:
        args, loose = (rounded(x, dtype), rounded(y, dtype)), want.copy()
        if name == "pow" and dtype.itemsize == 2:
            loose[5] = NAN
        check(device, name, *args, want=loose, dtype=dtype, ulps=4, signs=name in SIGNED)


@pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_with_nan_and_infinity(device: str, name: str, floats: list[DType]) -> None:
    values = np.array([NAN, INF, -INF, 0.0, -0.0, 1.0, 1 + 2**-20])
    x, y = np.repeat(values, 7), np.tile(values, 7)
    compare = {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal,
               "gt": np.greater, "ge": np.greater_equal}[name]  # fmt: skip
    for dtype in floats:
        a, b = rounded(x, dtype), rounded(y, dtype)
        check(device, name, a, b, want=compare(a.astype(float), b.astype(float)))
        check(device, name, a, 0, want=compare(a.astype(float), 0))


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("isnan", "1000000"), ("isinf", "0110000"), ("isfinite", "0001111"),
        ("isposinf", "0100000"), ("isneginf", "0010000"), ("signbit", "0010100"),
        ("logical_not", "0001100"),
    ],
)  # fmt: skip
def test_what_kind_of_number(device: str, name: str, want: str, floats: list[DType]) -> None:
    for dtype in floats:
        x = rounded([NAN, INF, -INF, 0.0, -0.0, 2.0, 0.5], dtype)
        check(device, name, x, want=np.array([c == "1" for c in want]))


def test_nan_is_true(device: str) -> None:
    x, y = f32([NAN, 0, 0.5, -0.0]), f32([1, NAN, 0, 0])
    check(device, "logical_and", x, y, want=np.array([True, False, False, False]))
    check(device, "logical_or", x, y, want=np.array([True, True, True, False]))
    check(device, "logical_xor", x, y, want=np.array([False, True, True, False]))
    check(device, "Tensor.bool", x, want=np.array([True, False, True, False]))


# --- rounding and sign ---------------------------------------------------------------------------


def test_halves_are_rounded_to_even(device: str, floats: list[DType]) -> None:
    x = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -0.51, 1e9, 3.5, 254.5]
    for dtype in floats:
        values = rounded([v for v in x if v < float(tp.finfo(dtype).max)], dtype)
        want = np.round(values.astype(np.float64))
        check(device, "round", values, want=want, dtype=dtype, signs=True)
        for name in ("floor", "ceil", "trunc"):
            want = getattr(np, name)(values.astype(np.float64))
            check(device, name, values, want=want, dtype=dtype, signs=True)
    check(device, "frac", f32([1.25, -1.25, -3]), want=f32([0.25, -0.25, 0]))


def test_rounding_to_decimals(device: str) -> None:
    x = f64([0.125, 0.375, -2.6, 1234.5678, 15, 25, -1250])
    for decimals in (2, 1, 0, -1, -2):
        check(device, "round", x, decimals=decimals, want=np.round(x, decimals), ulps=2)


def test_signs(device: str) -> None:
    x = f32([-3, 0.0, -0.0, 2, -INF, INF, NAN])
    check(device, "sign", x, want=f32([-1, 0, 0, 1, -1, 1, 0]))
    check(device, "angle", x, want=f32([PI, 0, 0, 0, PI, 0, NAN]), ulps=1)
    check(device, "sign", i64([-(2**62), 0, 5]), want=i64([-1, 0, 1]))
    check(device, "sign", np.array([True, False]), want=np.array([True, False]))
    z = np.array([3 + 4j, 0, -2j], np.complex64)
    check(device, "sgn", z, want=np.array([0.6 + 0.8j, 0, -1j], np.complex64), rtol=1e-6)


# --- what chooses --------------------------------------------------------------------------------


def test_where_forgets_the_other_side(device: str) -> None:
    mask = np.array([True, False, True])
    one, other = f32([1, NAN, -0.0]), f32([NAN, 2, NAN])
    check(device, "where", mask, one, other, want=f32([1, 2, -0.0]), signs=True)
    check(device, "where", mask, one, 7.0, want=f32([1, 7, -0.0]), signs=True)


def test_clamp_by_rule(device: str, floats: list[DType]) -> None:
    for dtype in floats:
        x = rounded([NAN, -5, 0.5, 5, INF, -INF, -0.0], dtype)
        wide = x.astype(float)
        for low, high in ((-1, 1), (None, 1), (-1, None), (3, 2)):
            want = wide if low is None else np.maximum(wide, low)
            want = want if high is None else np.minimum(want, high)
            check(device, "clamp", x, low, high, want=want, dtype=dtype)
        check(device, "clamp", x, NAN, 1, want=np.full(7, NAN), dtype=dtype)
        floor = rounded([0, NAN, 0, 9, 0, 0, 0], dtype)
        top = rounded([1, 1, NAN, 2, 1, 1, 1], dtype)
        want = np.array([NAN, NAN, NAN, 2, 1, 0, 0])
        check(device, "clamp", x, floor, top, want=want, dtype=dtype)
        check(
            device, "clamp_min", x, floor, want=np.maximum(wide, floor.astype(float)), dtype=dtype
        )
        check(device, "clamp_max", x, top, want=np.minimum(wide, top.astype(float)), dtype=dtype)


def test_nan_to_num(device: str, floats: list[DType]) -> None:
    for dtype in floats:
        x = rounded([NAN, INF, -INF, 1.5], dtype)
        top = float(tp.finfo(dtype).max)
        check(device, "nan_to_num", x, want=np.array([0, top, -top, 1.5]), dtype=dtype)
        want = np.array([2.0, 3.0, 4.0, 1.5])
        check(device, "nan_to_num", x, nan=2.0, posinf=3.0, neginf=4.0, want=want, dtype=dtype)


def test_closeness(device: str) -> None:
    x = f64([NAN, INF, INF, 1.0, 1.0, 0.0, 1e-9])
    y = f64([NAN, INF, -INF, 1 + 1e-6, 1 + 1e-4, 1e-9, 0.0])
    for equal in (False, True):
        want = np.isclose(x, y, equal_nan=equal)
        check(device, "isclose", x, y, equal_nan=equal, want=want)
    for args, want in (((x[3:4], y[3:4]), True), ((x[4:5], y[4:5]), False), ((x, x), False)):
        assert call(device, "allclose", *args) is want, f"allclose{args} on {device}: {not want}"
    with pytest.raises(RuntimeError):
        call(device, "isclose", x, x, rtol=-1.0)


def test_parts_of_a_float(device: str) -> None:
    x = f32([0.0, 1, -3, INF, NAN, 1e30, 2**-100])
    mantissa, exponent = np.frexp(x)
    exponent = np.where(np.isfinite(x), exponent, 0)
    got = call(device, "frexp", x)
    wrong = problem(got[0], mantissa) or problem(got[1], exponent.astype(np.int32))
    assert wrong is None, f"frexp({x}) on {device}: {wrong}"
    want = f32([8, -1.5, 2.0**100, 0.0])
    check(device, "ldexp", f32([1, -3, 1, 0]), np.array([3, -1, 100, 5], np.int32), want=want)
    with np.errstate(all="ignore"):
        want = np.nextafter(x[:3], np.float32(5))
    check(device, "nextafter", x[1:3], f32([5, 5]), want=want[1:])


# --- every element by itself ---------------------------------------------------------------------


def elementwise() -> Iterator[Case]:
    for case in cases(lambda dtype: dtype in (tp.float32, tp.float16)):
        row = case.public.row
        if row is not None and row.family.name in ("UNARY", "BINARY", "COMPARE"):
            yield case


@pytest.mark.cases(make=elementwise)
def test_an_element_depends_on_its_own_arguments(case: Case, device: str) -> None:
    """Nan among 37 others changes one result: no chunk, tail or mask spreads it."""
    low, high = case.public.domain or (-2.0, 2.0)
    x = rounded(np.linspace(low, high, 37), case.dtype)
    count = 1 if case.public.row.family.name == "UNARY" else 2
    plain = Sample(tuple(on(device, [x, x[::-1].copy()][:count])), {})
    want = array_of(case.public.call(*plain.args))
    for place in (0, 17, 36):
        y = x.copy()
        y[place] = NAN
        sample = Sample((on(device, y), *plain.args[1:]), {})
        got = array_of(case.public.call(*sample.args))
        same = (got == want) | (np.isnan(got) & np.isnan(want))
        same[place] = True
        text = Call(case, sample, device).fails(f"nan at {place} changed {np.argwhere(~same)}")
        assert same.all(), text


@pytest.mark.parametrize("name", ["neg", "add", "exp", "mul", "maximum", "floor", "where"])
def test_sizes_around_the_width_of_vectors(device: str, name: str, thorough: bool) -> None:
    for size in few(device, (1, 2, 3, 7, 8, 9, 15, 17, 31, 33, 63, 65, 127, 257, 1025), thorough):
        x, y = np.arange(size, dtype=np.float32) / 64, f32([2.0])
        args = {"where": (x > 0.05, x, y), "add": (x, y), "mul": (x, y), "maximum": (x, y)}
        wants = {"neg": -x, "add": x + 2, "exp": np.exp(x.astype(float)), "mul": 2 * x,
                 "maximum": np.maximum(x, 2), "floor": np.floor(x),
                 "where": np.where(x > 0.05, x, np.float32(2))}  # fmt: skip
        check(device, name, *args.get(name, (x,)), want=wants[name], dtype=tp.float32, ulps=4)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("isnan", ("1",)), ("clamp", (np.ones(3, np.float32),)), ("clamp", (np.ones(2), "a", 2)),
        ("where", (np.ones(3, np.float32), np.ones(3), np.ones(3))),
        ("where", (np.ones(3, bool), np.ones(2), np.ones(3))),
        ("nan_to_num", (np.ones(3), "x")), ("isclose", (np.ones(3), np.ones(2))),
        ("maximum", (np.ones(3, np.complex64), np.ones(3, np.complex64))),
        ("clamp", (np.ones(3, np.complex64), 0, 1)), ("frexp", (np.arange(3),)),
        ("sign", (np.ones(3, np.complex64),)), ("nextafter", (np.arange(3), np.arange(3))),
        ("copysign", (np.ones(3, np.complex64), np.ones(3))),
        ("lt", (np.ones(3, np.complex64), np.ones(3, np.complex64))),
    ],
)  # fmt: skip
def test_arguments_that_have_no_meaning(device: str, name: str, args: tuple[object, ...]) -> None:
    refuses(device, name, *args)

"""How close elementwise functions come: units in the last place over their whole domains.

Narrow types are measured against NumPy and SciPy in float64, float64 against 60 digits of our own.
Results below the smallest normal number may be zero: many devices have no others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import Public
from tensorplug.backends.dtypes import DType, from_numpy
from tensorplug.conformance.checks import (
    call,
    check,
    floats_of,
    on,
    problem,
    refuses,
    rounded,
    spacing,
)
from tensorplug.conformance.exact import EXACT, pairs
from tensorplug.conformance.reference import Call, array_of, reference_of
from tensorplug.conformance.samples import Case, Sample, cases

pytestmark = pytest.mark.shared

ULPS = {tp.float16: 2.0, tp.bfloat16: 2.0, tp.float32: 6.0, tp.float64: 4.0}
"""What a result may be off by, in units in the last place; 0.5 of it is the rounding."""

COARSE = {
    "exp2": 16, "sinh": 24, "cosh": 24, "tanh": 8, "log1p": 80, "atanh": 80, "erfinv": 8,
    "i1": 16, "i1e": 16, "i0e": 8, "lgamma": 8, "gammaln": 8, "digamma": 8, "psi": 8,
    "ndtri": 8, "logit": 8, "ndtr": 40, "sinc": 8, "erfc": 32,
}  # fmt: skip
"""Functions that libraries compute less well."""

ROOTS = {
    "lgamma": 1e-6, "gammaln": 1e-6, "digamma": 2e-5, "psi": 2e-5, "log_ndtr": 4e-7,
    "bessel_j0": 4e-7, "bessel_j1": 4e-7, "bessel_y0": 4e-7, "bessel_y1": 4e-7,
    "gelu": 1e-6, "logaddexp": 2e-7, "logaddexp2": 2e-7,
}  # fmt: skip
"""An error near the function's zeros that is allowed besides, in float32."""

DOMAINS = {
    "exp": (-120.0, 100.0), "exp2": (-160.0, 135.0), "expm1": (-60.0, 90.0),
    "log": (0.0, 1e30), "log2": (0.0, 1e30), "log10": (0.0, 1e30), "log1p": (-0.999, 1e30),
    "sqrt": (0.0, 1e30), "rsqrt": (0.0, 1e30), "reciprocal": (-1e30, 1e30),
    "square": (-1e18, 1e18), "sin": (-1e4, 1e4), "cos": (-1e4, 1e4), "tan": (-1e3, 1e3),
    "asin": (-1.0, 1.0), "acos": (-1.0, 1.0), "atan": (-1e30, 1e30), "acosh": (1.0, 1e15),
    "asinh": (-1e15, 1e15), "atanh": (-0.9999, 0.9999), "sinh": (-88.0, 88.0),
    "cosh": (-88.0, 88.0), "tanh": (-50.0, 50.0), "erf": (-10.0, 10.0), "erfc": (-5.0, 9.0),
    "sigmoid": (-85.0, 90.0), "sinc": (-0.95, 0.95), "entr": (0.0, 4.0), "angle": (-9.0, 9.0),
    "floor": (-1e9, 1e9), "ceil": (-1e9, 1e9), "trunc": (-1e9, 1e9), "round": (-1e9, 1e9),
    "log_ndtr": (-30.0, 4.0), "ndtr": (-12.0, 12.0), "lgamma": (0.05, 1e4),
    "gammaln": (0.05, 1e4), "digamma": (0.05, 1e4), "psi": (0.05, 1e4),
    "i0": (-60.0, 60.0), "i1": (-60.0, 60.0),
}  # fmt: skip


@pytest.fixture
def floats(device: str, thorough: bool) -> list[DType]:
    """The types to try."""
    return floats_of(device, thorough)


def domain_of(name: str, declared: Any) -> tuple[float, float]:
    found: tuple[float, float] = DOMAINS.get(name.rpartition(".")[2]) or declared or (-40.0, 40.0)
    return found


def points(dtype: DType, low: float, high: float, count: int = 150) -> np.ndarray:
    """Numbers of a type over a domain: small ones too, no count that is a multiple of 8."""
    tiny, top = 8 * float(tp.finfo(dtype).tiny), float(tp.finfo(dtype).max)
    low, high = max(low, -top), min(high, top)
    sizes = np.geomspace(max(tiny, 1e-30), max(abs(low), abs(high)), count)
    values = np.concatenate([sizes, -sizes, np.linspace(low, high, count + 1)])
    found = np.unique(rounded(values, dtype))
    wide = found.astype(np.float64)
    found = found[(wide >= low) & (wide <= high) & (np.abs(wide) >= tiny)]
    return found[: len(found) - (len(found) % 8 == 0)]


def bounds(name: str, dtype: DType) -> dict[str, float]:
    """The arguments of ``problem`` for a function."""
    last = name.rpartition(".")[2]
    info = tp.finfo(dtype)
    narrow = dtype.itemsize == 2
    ulps = ULPS[dtype] if narrow else max(ULPS[dtype], COARSE.get(last, 0))
    near = ROOTS.get(last, 0.0) * float(info.eps) / 1.2e-7
    return {"ulps": ulps, "atol": max(2 * float(info.tiny), near)}


def unary() -> Iterator[Case]:
    """Functions of one float that NumPy or SciPy have too."""
    for case in cases(lambda dtype: dtype in (tp.float16, tp.bfloat16, tp.float32)):
        row = case.public.row
        if row is not None and row.family.name == "UNARY" and reference_of(case.public):
            yield case


@pytest.mark.cases(make=unary)
def test_narrow_floats_of_all_sizes(case: Case, device: str) -> None:
    public: Public = case.public
    x = points(case.dtype, *domain_of(public.name, public.domain))
    reference: Any = reference_of(public)
    with np.errstate(all="ignore"):
        want = np.asarray(reference(x.astype(np.float64)))
    sample = Sample((on(device, x),), {})
    got = public.call(*sample.args)
    limits = bounds(public.name, case.dtype)
    kind = case.dtype if want.dtype.kind == "f" else None
    wrong = problem(got, want, dtype=kind, **limits)
    if wrong is not None:
        text = f"{wrong[0]}; from {float(x[wrong[1]])!r}" if wrong[1] else wrong[0]
        pytest.fail(Call(case, sample, device).fails(text, "NumPy or SciPy in float64"))


# --- against exact values ------------------------------------------------------------------------

ONE_ARGUMENT = [name for name in EXACT if name not in (
    "div", "hypot", "pow", "atan2", "logaddexp", "logaddexp2", "xlogy")]  # fmt: skip

EXACT_DOMAINS = {
    "exp": (-600.0, 600.0), "exp2": (-900.0, 900.0), "sinh": (-40.0, 40.0),
    "cosh": (-40.0, 40.0), "sigmoid": (-600.0, 300.0), "silu": (-300.0, 300.0),
    "gelu": (-6.0, 8.0), "softplus": (-50.0, 20.0), "logsigmoid": (-50.0, 50.0),
    "sinc": (-0.95, 3.6), "erfc": (-5.0, 8.0), "erf": (-5.0, 5.0), "expm1": (-50.0, 600.0),
    "deg2rad": (-1e6, 1e6), "rad2deg": (-1e6, 1e6),
}  # fmt: skip

EXACT_ULPS = {"gelu": 16, "sinc": 16, "silu": 8, "sigmoid": 8, "logsigmoid": 8, "softplus": 8}


def exact_points(name: str, dtype: DType) -> np.ndarray:
    last = name.rpartition(".")[2]
    low, high = EXACT_DOMAINS.get(last) or domain_of(name, None)
    if dtype is not tp.float64:
        low, high = max(low, -80.0), min(high, 80.0)
    return points(dtype, low, high, 9)


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_floats_against_sixty_digits(device: str, name: str, floats: list[DType]) -> None:
    for dtype in floats:
        x = exact_points(name, dtype)
        high, low = pairs(name, x.tolist())
        got = array_of(call(device, name, x))
        wrong = _apart(got, high, low, dtype, name)
        assert wrong is None, f"{name}({dtype}) on {device}: {wrong[0]}; from {x[wrong[1]]!r}"


def _apart(
    got: np.ndarray, high: np.ndarray, low: np.ndarray, dtype: DType, name: str
) -> tuple[str, int] | None:
    limits = bounds(name, dtype)
    ulps = max(limits["ulps"], EXACT_ULPS.get(name.rpartition(".")[2], 0))
    with np.errstate(all="ignore"):
        off = np.abs((got - high) - low)
        unit = spacing(high, dtype)
        beyond = np.abs(high) > 0.99 * float(tp.finfo(dtype).max)
        wrong = ~((off <= np.maximum(ulps * unit, limits["atol"])) | beyond)
    if not wrong.any():
        return None
    at = int(np.argmax(wrong))
    text = f"expected {high[at]!r}, got {got[at]!r}, {off[at] / unit[at]:.3g} ULP apart"
    return f"{text}, allowed {ulps:g}", at


TWO_ARGUMENTS = {
    "div": ((-1e9, 1e9), (-1e9, 1e9)), "hypot": ((-1e9, 1e9), (-1e9, 1e9)),
    "atan2": ((-1e9, 1e9), (-1e9, 1e9)), "pow": ((1e-3, 1e3), (-6.0, 6.0)),
    "logaddexp": ((-90.0, 90.0), (-90.0, 90.0)), "logaddexp2": ((-90.0, 90.0), (-90.0, 90.0)),
    "xlogy": ((-9.0, 9.0), (1e-3, 1e3)),
}  # fmt: skip


@pytest.mark.parametrize("name", TWO_ARGUMENTS)
def test_two_floats_against_sixty_digits(device: str, name: str, floats: list[DType]) -> None:
    for dtype in floats:
        x, y = (points(dtype, low, high, 12)[:31] for low, high in TWO_ARGUMENTS[name])
        count = min(len(x), len(y))
        x, y = x[:count], np.random.default_rng(0).permutation(y[:count])
        high, low = pairs(name, x.tolist(), y.tolist())
        got = array_of(call(device, name, x, y))
        wrong = _apart(got, high, low, dtype, name)
        at = wrong[1] if wrong else 0
        assert wrong is None, f"{name}({dtype}) on {device}: {wrong[0]}; from {x[at]}, {y[at]}"


# --- what has one answer -------------------------------------------------------------------------


def numbers(dtype: DType, count: int, seed: int) -> np.ndarray:
    """Numbers of all sizes whose products fit the type."""
    rng = np.random.default_rng(seed)
    reach = np.log2(float(tp.finfo(dtype).max)) / 2 - 2
    values = rng.choice([-1, 1], count) * np.exp2(rng.uniform(-reach / 2, reach, count))
    return rounded(values, dtype)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "maximum", "minimum", "fmod", "remainder"])
def test_arithmetic_is_rounded_correctly(device: str, name: str, floats: list[DType]) -> None:
    """float64 holds sums, products and remainders of narrower types; they are rounded once."""
    plain = {"sub": np.subtract, "mul": np.multiply, "remainder": np.remainder, "add": np.add}
    function = plain.get(name) or getattr(np, name)
    for dtype in floats:
        x, y = numbers(dtype, 259, 0), numbers(dtype, 259, 1)
        x[:9], y[:9] = [0, 1, 1, -1, 3, 0.5, -7, 7, 2], [1, 1, -1, -1, 2, 0.25, 2, -2, 2]
        if name in ("fmod", "remainder"):  # of large quotients nothing is left in float64 either
            far = np.abs(x.astype(np.float64)) > 2.0**20 * np.abs(y.astype(np.float64))
            y[far] = x[far]
        want = function(x.astype(np.float64), y.astype(np.float64))
        check(device, name, x, y, want=rounded(want, dtype), ulps=float(name == "remainder"))


@pytest.mark.parametrize("name", ["div", "sqrt", "reciprocal", "rsqrt", "square", "hypot"])
def test_division_and_roots_are_nearly_rounded_correctly(
    device: str, name: str, floats: list[DType]
) -> None:
    for dtype in floats:
        x, y = np.abs(numbers(dtype, 259, 2)), numbers(dtype, 259, 3)
        x[:5], y[:5] = [1, 4, 16, 9, 100], [1, 8, 2, 3, 10]
        a, b = x.astype(np.longdouble), y.astype(np.longdouble)
        args = (x, y) if name in ("div", "hypot") else (x,)
        want = {"div": a / b, "sqrt": np.sqrt(a), "reciprocal": 1 / a, "rsqrt": 1 / np.sqrt(a),
                "square": a * a, "hypot": np.hypot(a, b)}[name].astype(np.float64)  # fmt: skip
        check(device, name, *args, want=want, dtype=dtype, ulps=2, atol=_tiny(dtype))
        if name in ("div", "sqrt"):  # results that need no rounding
            got = array_of(call(device, name, *args))[:5]
            even = rounded(want[:5], dtype).astype(np.float64)
            assert got.tolist() == even.tolist(), f"{name}({dtype}) on {device}: got {got}"


def _tiny(dtype: DType) -> float:
    return 2 * float(tp.finfo(dtype).tiny)


def test_powers_of_whole_exponents(device: str, floats: list[DType]) -> None:
    base = np.array([-3.0, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 3.0, 10.0])
    for dtype in floats:
        for power in (0, 1, 2, 3, -1, -2, 0.5, 7):
            x = rounded(np.abs(base) if power == 0.5 else base, dtype)
            want = x.astype(np.float64) ** power
            ulps = 2.0 if dtype.itemsize == 2 else 4.0
            check(device, "pow", x, power, want=want, dtype=dtype, ulps=ulps)
            check(device, "pow", x, rounded(np.full(9, power), dtype), want=want, dtype=dtype,
                  ulps=ulps)  # fmt: skip


def test_large_and_small_are_combined_without_overflow(device: str, floats: list[DType]) -> None:
    for dtype in [dtype for dtype in floats if dtype is not tp.float64]:
        top = 0.6 * float(tp.finfo(dtype).max)
        x = rounded([top, -top, top / 2], dtype)
        wide = x.astype(np.float64)
        check(device, "hypot", x, x / 2, want=np.hypot(wide, wide / 2), dtype=dtype, ulps=2)
        check(device, "logaddexp", x, x, want=wide + math.log(2), dtype=dtype, ulps=1)
        check(device, "lerp", x, x, 0.5, want=wide, dtype=dtype, ulps=1)
        check(device, "nn.functional.softplus", x, want=np.maximum(wide, 0), dtype=dtype, ulps=1)
        check(device, "sigmoid", x, want=np.array([1.0, 0.0, 1.0]), dtype=dtype)
        check(device, "tanh", x, want=np.sign(wide), dtype=dtype)


@pytest.mark.parametrize("name", ["abs", "exp", "log", "sqrt", "sin", "cos", "tanh", "reciprocal"])
def test_complex_numbers_of_all_sizes(device: str, name: str) -> None:
    rng = np.random.default_rng(0)
    sizes = np.exp2(rng.uniform(-8, 4 if name in ("exp", "sin", "cos", "tanh") else 30, 53))
    z = sizes * np.exp(1j * rng.uniform(-np.pi, np.pi, 53))
    for dtype, eps in ((np.complex64, 6e-8), (np.complex128, 1.2e-16)):
        if not tp.device(device).backend.supports_dtype(from_numpy(np.dtype(dtype)), 0):
            continue
        x = z.astype(dtype)
        want = getattr(np, name)(x.astype(np.clongdouble))
        got = array_of(call(device, name, x)).astype(np.clongdouble)
        off = np.abs(got - want) / np.abs(want) / eps
        assert off.max() < 40, (
            f"{name}({x.dtype}) on {device}: expected {want[off.argmax()]!r}, got "
            f"{got[off.argmax()]!r} from {x[off.argmax()]!r}"
        )


NORMS: dict[str, tuple[tuple[int, ...], tuple[Any, ...], dict[str, Any]]] = {
    "var": ((1, 2), (), {}), "std": ((1, 2), (), {}),
    "nn.functional.layer_norm": ((1, 2), ((5, 30),), {}),
    "nn.functional.group_norm": ((1, 2), (1,), {}),
    "nn.functional.instance_norm": ((2,), (), {}),
    "nn.functional.batch_norm": ((0, 2), (None, None), {"training": True}),
}  # fmt: skip
"""The dimensions that each takes mean and variance over, and its arguments."""


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("mean", [300.0, -2000.0])
def test_spreads_are_found_far_from_zero(
    device: str, name: str, mean: float, floats: list[DType]
) -> None:
    """The variance does not come from a difference of large squares."""
    dims, args, kwargs = NORMS[name]
    for dtype in [dtype for dtype in floats if dtype in (tp.float32, tp.float64)]:
        far = mean * (1.0 if dtype is tp.float32 else 1e4)
        x = (np.random.default_rng(1).uniform(-1, 1, (3, 5, 30)) + far).astype(dtype.numpy)
        wide = x.astype(np.longdouble)
        away = wide - wide.mean(dims, keepdims=True)
        spread = (away * away).mean(dims, keepdims=True)
        want = (away / np.sqrt(spread + 1e-5)).astype(np.float64)
        if name in ("var", "std"):
            args, var = (dims,), (spread * 150 / 149).reshape(3).astype(np.float64)
            want = var if name == "var" else np.sqrt(var)
        # What the mean is off by when it is added up one by one, in units in its last place.
        bound = 32 * abs(far) * float(tp.finfo(dtype).eps)
        check(device, name, x, *args, want=want, dtype=dtype, rtol=bound, atol=bound, **kwargs)


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["floor", "ceil", "lgamma", "erf", "atan2", "hypot", "fmod"])
def test_complex_numbers_are_refused(device: str, name: str) -> None:
    two = name in ("atan2", "hypot", "fmod")
    refuses(device, name, *[np.ones(3, np.complex64)] * (1 + two), words=(name, "complex64"))

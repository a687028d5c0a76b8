"""Complex functions at their branch cuts, and where parts are as large or small as numbers get.

The cuts, and which side a signed zero is on, are those of the array API and of C; expected values
are those of Python's ``cmath``.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import call, on
from tensorplug.conformance.reference import array_of
from tensorplug.conformance.samples import supports

pytestmark = pytest.mark.shared

TYPES = (tp.complex64, tp.complex128)

REAL_CUT = [complex(sign * size, zero) for size in (0.5, 2.0, 37.0) for sign in (1, -1)
            for zero in (0.0, -0.0)]  # fmt: skip
"""Numbers on the real axis, from above and from below."""

IMAGINARY_CUT = [complex(zero, sign * size) for size in (0.5, 2.0, 37.0) for sign in (1, -1)
                 for zero in (0.0, -0.0)]  # fmt: skip
"""Numbers on the imaginary axis, from the right and from the left."""

CUTS: dict[str, Callable[[complex], complex]] = {
    "sqrt": cmath.sqrt, "log": cmath.log, "log10": cmath.log10, "acos": cmath.acos,
    "asin": cmath.asin, "atan": cmath.atan, "acosh": cmath.acosh, "asinh": cmath.asinh,
    "atanh": cmath.atanh, "log2": lambda z: cmath.log(z) / math.log(2),
    "angle": lambda z: complex(cmath.phase(z)),
}  # fmt: skip


@pytest.fixture
def types(device: str) -> list[DType]:
    """The complex types of a device."""
    return [dtype for dtype in TYPES if supports(device, dtype)]


def compare(device: str, name: str, xs: Any, wants: Any, dtype: DType) -> None:
    values = np.asarray(xs, dtype.numpy)
    got = array_of(call(device, name, on(device, values)))
    bound = 64 * float(tp.finfo(dtype).eps)
    for x, one, want in zip(values.tolist(), got.tolist(), wants, strict=True):
        assert abs(one - want) <= bound * abs(want), (
            f"{name}({x}) of {dtype} on {device}: expected {want}, got {one}"
        )


@pytest.mark.parametrize("name", CUTS)
def test_signed_zeros_choose_the_side_of_a_cut(device: str, name: str, types: list[DType]) -> None:
    for dtype in types:
        xs = REAL_CUT + IMAGINARY_CUT
        compare(device, name, xs, [CUTS[name](x) for x in xs], dtype)


def test_conjugates_have_conjugate_values(device: str, types: list[DType]) -> None:
    """``f(conj(x)) = conj(f(x))``, on the cuts too: the zero tells the sides apart."""
    rng = np.random.default_rng(0)
    for dtype in types:
        some = rng.uniform(-3, 3, 6) + 1j * rng.uniform(-3, 3, 6)
        xs = np.asarray([*REAL_CUT, *IMAGINARY_CUT, *some], dtype.numpy)
        for name in CUTS:
            one = array_of(call(device, name, on(device, xs)))
            two = array_of(call(device, name, on(device, xs.conj())))
            want = -one if name == "angle" else one.conj()
            wrong = np.abs(two - want) > 64 * float(tp.finfo(dtype).eps) * np.abs(want)
            assert not wrong.any(), (
                f"{name}({xs.conj()[wrong][0]}) of {dtype} on {device}: expected "
                f"{want[wrong][0]}, the conjugate of that of {xs[wrong][0]}, got {two[wrong][0]}"
            )


def extremes(dtype: DType) -> list[complex]:
    """Numbers whose squares are out of range, though their magnitudes are not."""
    info = tp.finfo(dtype)
    large, small = float(info.max) / 4, float(info.tiny) * 2.0**12  # parts are no subnormals
    ends = [large, math.sqrt(large) * 2.0**8, small, math.sqrt(small) * 2.0**-8]
    return [complex(a * s, b * s) for a, b in ((3 / 5, 4 / 5), (1, 0.001), (0.5, -1), (0, 1))
            for s in ends]  # fmt: skip


def test_magnitudes_neither_overflow_nor_vanish(device: str, types: list[DType]) -> None:
    for dtype in types:
        xs = np.asarray(extremes(dtype), dtype.numpy).tolist()
        compare(device, "abs", xs, [abs(x) for x in xs], dtype)
        compare(device, "angle", xs, [cmath.phase(x) for x in xs], dtype)
        compare(device, "sgn", xs, [x / abs(x) for x in xs], dtype)
        compare(device, "log", xs, [cmath.log(x) for x in xs], dtype)
        compare(device, "sqrt", xs, [cmath.sqrt(x) for x in xs], dtype)
        parts = np.asarray(xs, dtype.numpy)
        got = array_of(call(device, "hypot", parts.real.copy(), parts.imag.copy()))
        off = np.abs(got / np.abs(parts.astype(np.complex128)) - 1)
        assert off.max() <= 8 * float(tp.finfo(dtype).eps), (
            f"hypot of the parts of {xs[int(off.argmax())]} on {device}: expected "
            f"{abs(xs[int(off.argmax())])}, got {got[int(off.argmax())]}"
        )


def test_quotients_of_large_and_of_small_numbers(device: str, types: list[DType]) -> None:
    """``x / x`` is 1 and ``x / (2 i)`` within range, whatever the squares of the parts are."""
    for dtype in types:
        xs = np.asarray(extremes(dtype), dtype.numpy)
        for name, other, want in (("itself", xs, np.ones(len(xs))),
                                  ("2i", np.full_like(xs, 2j), xs / 2j)):  # fmt: skip
            got = array_of(call(device, "div", xs, other))
            off = np.abs(got - want) / np.abs(want)
            at = int(np.nan_to_num(off, nan=np.inf).argmax())
            assert off[at] <= 16 * float(tp.finfo(dtype).eps), (
                f"div of {dtype} on {device}: {xs[at]} by {name}: expected {want[at]}, got "
                f"{got[at]}"
            )

"""Whole numbers, worked out in Python's own: wrapping, signs, shifts, casts, and no floats between.

Edges of every integer type the device declares, in all pairs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import call, check, f32, f64, few, i64, on, refuses
from tensorplug.conformance.samples import UNSIGNED, supports

pytestmark = pytest.mark.shared

INTEGERS = (tp.uint8, tp.int8, tp.int16, tp.int32, tp.int64)


@pytest.fixture
def types(device: str, thorough: bool) -> list[DType]:
    """The integer types to try."""
    return few(device, [dtype for dtype in INTEGERS if supports(device, dtype)], thorough, 3)


def edges(dtype: DType) -> list[int]:
    info = tp.iinfo(dtype)
    near = [info.min, info.min + 1, -7, -3, -2, -1, 0, 1, 2, 3, 7, 100, info.max - 1, info.max]
    if dtype is tp.int64:
        near += [2**53 + 1, -(2**53) - 1, 2**31, 2**32 + 5, 3037000500]
    return sorted({value for value in near if info.min <= value <= info.max})


def wrapped(value: int, dtype: DType) -> int:
    """A whole number in two's complement."""
    span = 1 << (8 * dtype.itemsize)
    value %= span
    return value - span if dtype.kind == "int" and value >= span // 2 else value


def pairs(dtype: DType) -> tuple[list[int], list[int]]:
    values = edges(dtype)
    return [a for a in values for _ in values], [b for _ in values for b in values]


def trunc_div(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


ALL: dict[str, Callable[..., int]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "maximum": max, "minimum": min, "fmax": max, "fmin": min, "bitwise_and": lambda a, b: a & b,
    "bitwise_or": lambda a, b: a | b, "bitwise_xor": lambda a, b: a ^ b,
}  # fmt: skip
DIVIDING: dict[str, Callable[..., int]] = {
    "floor_divide": lambda a, b: a // b, "remainder": lambda a, b: a % b,
    "fmod": lambda a, b: a - b * trunc_div(a, b),
}  # fmt: skip
TESTS: dict[str, Callable[..., bool]] = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "logical_and": lambda a, b: bool(a and b), "logical_or": lambda a, b: bool(a or b),
    "logical_xor": lambda a, b: bool(a) != bool(b),
}  # fmt: skip
ONE: dict[str, Callable[[int], int]] = {
    "neg": lambda a: -a, "abs": abs, "square": lambda a: a * a, "bitwise_not": lambda a: ~a,
    "sign": lambda a: (a > 0) - (a < 0), "positive": lambda a: a, "floor": lambda a: a,
    "ceil": lambda a: a, "trunc": lambda a: a, "round": lambda a: a,
    "nn.functional.relu": lambda a: max(a, 0),
}  # fmt: skip


def array(values: Any, dtype: DType) -> np.ndarray:
    return np.array(values, dtype.numpy)


@pytest.mark.parametrize("name", ALL)
def test_pairs_of_edges(device: str, name: str, types: list[DType]) -> None:
    for dtype in types:
        a, b = pairs(dtype)
        want = [wrapped(ALL[name](x, y), dtype) for x, y in zip(a, b, strict=True)]
        check(device, name, array(a, dtype), array(b, dtype), want=array(want, dtype))


@pytest.mark.parametrize("name", DIVIDING)
def test_quotients_and_remainders(device: str, name: str, types: list[DType]) -> None:
    for dtype in types:
        low = tp.iinfo(dtype).min
        both = [(x, y) for x, y in zip(*pairs(dtype), strict=True)
                if y and not (x == low and y == -1)]  # fmt: skip
        a, b = (list(column) for column in zip(*both, strict=True))
        want = array([DIVIDING[name](x, y) for x, y in both], dtype)
        check(device, name, array(a, dtype), array(b, dtype), want=want)
        if name == "floor_divide":
            want = array([trunc_div(x, y) for x, y in both], dtype)
            args = array(a, dtype), array(b, dtype)
            check(device, "div", *args, rounding_mode="trunc", want=want)


@pytest.mark.parametrize("name", TESTS)
def test_comparisons_of_edges(device: str, name: str, types: list[DType]) -> None:
    """2**53 and 2**53 + 1 differ: nothing is compared as floats."""
    for dtype in types:
        a, b = pairs(dtype)
        want = [TESTS[name](x, y) for x, y in zip(a, b, strict=True)]
        check(device, name, array(a, dtype), array(b, dtype), want=np.array(want))


@pytest.mark.parametrize("name", ONE)
def test_edges_alone(device: str, name: str, types: list[DType]) -> None:
    for dtype in types:
        values = edges(dtype)
        want = array([wrapped(ONE[name](x), dtype) for x in values], dtype)
        check(device, name, array(values, dtype), want=want)


def test_shifts(device: str, types: list[DType]) -> None:
    for dtype in types:
        width = 8 * dtype.itemsize
        both = [(x, n) for x in edges(dtype) for n in (0, 1, 3, width - 2, width - 1)]
        a, n = (array(column, dtype) for column in zip(*both, strict=True))
        left = array([wrapped(x << k, dtype) for x, k in both], dtype)
        right = array([x >> k for x, k in both], dtype)
        check(device, "bitwise_left_shift", a, n, want=left)
        check(device, "bitwise_right_shift", a, n, want=right)
        far = array([width, width + 1], dtype)  # all bits are gone, but for the sign
        check(device, "bitwise_left_shift", array([1, -1 % 100], dtype), far, want=far * 0)
        check(device, "bitwise_right_shift", array([7, 90], dtype), far, want=far * 0)


def test_powers(device: str, types: list[DType]) -> None:
    for dtype in types:
        base = [0, 1, 2, 3, 5, 7, 10] + ([-1, -2, -3] if dtype.kind == "int" else [])
        both = [(a, n) for a in base for n in (0, 1, 2, 3, 5, 9, 31)]
        a, n = (array(column, dtype) for column in zip(*both, strict=True))
        want = array([wrapped(x**k, dtype) for x, k in both], dtype)
        check(device, "pow", a, n, want=want)
        for k in (0, 1, 2, 3, 5):
            want = array([wrapped(x**k, dtype) for x in base], dtype)
            check(device, "pow", array(base, dtype), k, want=want)
        for k in (-1, -3):  # the result would be no integer
            for name in ("pow", "Tensor.pow"):
                refuses(device, name, array(base, dtype), k, words=("negative integer powers",))
            with pytest.raises(RuntimeError, match="negative integer powers"):
                tp.tensor(array(base, dtype), device=device) ** k


def test_common_divisors_and_multiples(device: str, types: list[DType]) -> None:
    values = [0, 1, 4, 6, 12, 18, 35, 97]
    for dtype in types:
        signed = values + ([-4, -6, -35] if dtype.kind == "int" else [])
        both = [(a, b) for a in signed for b in signed]
        a, b = (array(column, dtype) for column in zip(*both, strict=True))
        check(device, "gcd", a, b, want=array([math.gcd(x, y) for x, y in both], dtype))
        want = array([wrapped(math.lcm(x, y), dtype) for x, y in both], dtype)
        if dtype.itemsize > 1:  # else some do not fit
            check(device, "lcm", a, b, want=want)


def test_bits_of_truth_values(device: str) -> None:
    a, b = np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1], bool)
    for name, want in (("bitwise_and", a & b), ("bitwise_or", a | b), ("bitwise_xor", a ^ b),
                       ("add", a | b), ("mul", a & b), ("maximum", a | b), ("minimum", a & b),
                       ("eq", a == b), ("lt", ~a & b), ("ge", a | ~b)):  # fmt: skip
        check(device, name, a, b, want=want)
    check(device, "bitwise_not", a, want=~a)


# --- through no floats ---------------------------------------------------------------------------

BIG = [2**62 + 1, -(2**62) - 1, 2**53 + 1, 5, -(2**53) - 3, 2**61 + 7, 0]


def test_large_numbers_keep_every_digit(device: str) -> None:
    """One function after the other on numbers that float64 cannot hold."""
    x, order = i64(BIG), sorted(BIG)
    for name, want in (("sort", [i64(order), i64(np.argsort(x))]), ("sum", i64(sum(BIG))),
                       ("amax", i64(max(BIG))), ("amin", i64(min(BIG))), ("clone", x),
                       ("flip", x[::-1]), ("argmax", i64(0)), ("argmin", i64(1)),
                       ("unique", i64(order)), ("msort", i64(order)),
                       ("median", i64(order[3]))):  # fmt: skip
        kwargs = {"dims": (0,)} if name == "flip" else {}
        check(device, name, x, want=want, **kwargs)
    sums = [sum(BIG[: i + 1]) for i in range(len(BIG))]
    check(device, "cumsum", x, 0, want=array([wrapped(s, tp.int64) for s in sums], tp.int64))
    check(device, "cummax", x, 0, want=[i64([2**62 + 1] * 7), i64([0] * 7)])
    check(device, "where", x > 0, x, i64([1]), want=np.where(x > 0, x, 1))
    check(device, "clamp", x, -(2**53) - 1, 2**61 + 5,
          want=np.clip(x, -(2**53) - 1, 2**61 + 5))  # fmt: skip
    check(device, "gather", x, 0, i64([5, 0]), want=x[[5, 0]])
    check(device, "cat", (x, x), want=np.concatenate([x, x]))
    check(device, "searchsorted", i64(order), x, want=np.searchsorted(order, x))
    check(device, "isin", x, i64([2**62, 2**53 + 1]), want=np.isin(x, [2**62, 2**53 + 1]))
    check(device, "topk", x, 2, want=[i64([2**62 + 1, 2**61 + 7]), i64([0, 5])])
    assert call(device, "equal", x, x + i64([0] * 6 + [1])) is False


def test_matrix_products_of_whole_numbers(device: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(-(2**30), 2**30, (5, 7)), rng.integers(-(2**30), 2**30, (7, 3))
    check(device, "matmul", a, b, want=a @ b)
    check(
        device, "matmul", a[0] * 2**20 + 1, b[:, 0], want=np.asarray((a[0] * 2**20 + 1) @ b[:, 0])
    )
    small = rng.integers(-100, 100, (4, 9)).astype(np.int32)
    check(device, "matmul", small, small.T.copy(), want=small @ small.T)
    assert call(device, "einsum", "ij,jk->ik", a, b).tolist() == (a @ b).tolist()


def test_division_of_whole_numbers_gives_fractions(device: str) -> None:
    x, y = i64([7, -7, 1, 0, 2**24 + 1]), i64([2, 2, 3, 5, 1])
    want = (x / y).astype(np.float32)
    check(device, "div", x, y, want=want, ulps=1)
    check(device, "div", array([1, -1, 0], tp.int32), array([0, 0, 0], tp.int32),
          want=f32([math.inf, -math.inf, math.nan]))  # fmt: skip
    check(device, "reciprocal", i64([4, -2]), want=f32([0.25, -0.5]))


# --- casts ---------------------------------------------------------------------------------------


def test_casts_between_whole_numbers_wrap(device: str, types: list[DType]) -> None:
    for source in types:
        values = edges(source)
        for target in (*types, tp.bool):
            rule = bool if target is tp.bool else lambda v, t=target: wrapped(v, t)
            want = array([rule(v) for v in values], target)
            check(device, "Tensor.to", array(values, source), target, want=want)


@pytest.mark.parametrize("dtype", UNSIGNED, ids=lambda dtype: dtype.name)
def test_wide_unsigned_arithmetic_and_comparison(device: str, dtype: DType) -> None:
    """The basic operations; where the type is not declared, the first one is refused."""
    left, right = pairs(dtype)
    x, y = array(left, dtype), array(right, dtype)
    for name, whole in (("add", int.__add__), ("sub", int.__sub__), ("mul", int.__mul__),
                        ("maximum", max), ("minimum", min), ("bitwise_and", int.__and__),
                        ("bitwise_or", int.__or__), ("bitwise_xor", int.__xor__)):  # fmt: skip
        found = [wrapped(whole(a, b), dtype) for a, b in zip(left, right, strict=True)]
        check(device, name, x, y, want=array(found, dtype))
    for name, whole in (("floor_divide", int.__floordiv__), ("remainder", int.__mod__)):
        kept = [(a, b) for a, b in zip(left, right, strict=True) if b]
        want = array([whole(a, b) for a, b in kept], dtype)
        check(device, name, *(array(list(v), dtype) for v in zip(*kept, strict=True)), want=want)
    for name, true in (("eq", int.__eq__), ("ne", int.__ne__), ("lt", int.__lt__),
                       ("le", int.__le__), ("gt", int.__gt__), ("ge", int.__ge__)):  # fmt: skip
        want = np.array([true(a, b) for a, b in zip(left, right, strict=True)])
        check(device, name, x, y, want=want)


def test_casts_cut_fractions_and_round_to_even(device: str) -> None:
    x = f64([0.9, -0.9, 1.5, -1.5, 2.5, 99.999, -100.0, -0.0])
    for dtype in (tp.int8, tp.int16, tp.int32, tp.int64):
        if supports(device, dtype):
            check(device, "Tensor.to", x, dtype, want=x.astype(int).astype(dtype.numpy))
    whole = i64([2**24 + 1, 2**24 + 3, -(2**24) - 1, 2**53 + 1, 2**62 + 1])
    check(device, "Tensor.to", whole, tp.float32, want=whole.astype(np.float32))
    check(device, "Tensor.to", whole, tp.float64, want=whole.astype(np.float64))
    ties = f32([1 + 2**-11, 1 + 3 * 2**-11, 2049, 65519, 65520, 1e-7, 6e-8, 1 + 2**-8])
    for dtype in (tp.float16, tp.bfloat16):
        if supports(device, dtype):
            with np.errstate(all="ignore"):
                check(device, "Tensor.to", ties, dtype, want=ties.astype(dtype.numpy))
    fine = f64([1 + 2**-24, 1 + 3 * 2**-24, 1e39, -1e39, 16777217.0])
    with np.errstate(all="ignore"):
        check(device, "Tensor.to", fine, tp.float32, want=fine.astype(np.float32))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_a_divisor_of_zero_leaves_the_device_whole(device: str, name: str) -> None:
    """It raises, or gives any number: hardware differs. Nothing else is touched."""
    x, y = on(device, i64([7, -7, 9])), on(device, i64([2, 0, 4]))
    with contextlib.suppress(RuntimeError):
        call(device, name, x, y).tolist()
    assert (x.tolist(), y.tolist()) == ([7, -7, 9], [2, 0, 4])
    assert tp.ones(2, device=device).sum().item() == 2


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("pow", (i64([2, 3]), -1)), ("bitwise_and", (f32([1]), f32([1]))),
        ("bitwise_left_shift", (f32([1]), f32([1]))), ("gcd", (f32([4]), f32([6]))),
        ("lcm", (np.array([True]), np.array([True]))), ("bitwise_not", (f32([1]),)),
        ("sub", (np.array([True]), np.array([False]))), ("neg", (np.array([True]),)),
        ("mean", (i64([1, 2]),)), ("var", (i64([1, 2]),)), ("softmax", (i64([1, 2]), 0)),
        ("matmul", (np.ones((2, 2), np.int64), np.ones((2, 2), np.int32))),
        ("one_hot", (i64([1, -1]),)), ("nn.functional.one_hot", (i64([3]), 3)),
        ("bincount", (i64([1, -1]),)), ("bincount", (f32([1]),)),
    ],
)  # fmt: skip
def test_types_without_the_function(device: str, name: str, args: tuple[Any, ...]) -> None:
    if name == "one_hot":
        name = "nn.functional.one_hot"
    refuses(device, name, *args)

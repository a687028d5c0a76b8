"""The standard's promotion tables, for functions, operators, numbers and in-place operators."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import array_api as xp

SHORT = {
    "b": "bool", "i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "u1": "uint8",
    "u2": "uint16", "u4": "uint32", "u8": "uint64", "f4": "float32", "f8": "float64",
    "c8": "complex64", "c16": "complex128",
}  # fmt: skip

# https://data-apis.org/array-api/2025.12/API_specification/type_promotion.html; "-": undefined
TABLES = [
    """
       i1 i2 i4 i8
    i1 i1 i2 i4 i8
    i2 i2 i2 i4 i8
    i4 i4 i4 i4 i8
    i8 i8 i8 i8 i8
    """,
    """
       u1 u2 u4 u8
    u1 u1 u2 u4 u8
    u2 u2 u2 u4 u8
    u4 u4 u4 u4 u8
    u8 u8 u8 u8 u8
    """,
    """
       u1 u2 u4 u8
    i1 i2 i4 i8 -
    i2 i2 i4 i8 -
    i4 i4 i4 i8 -
    i8 i8 i8 i8 -
    """,
    """
        f4 f8 c8 c16
    f4  f4 f8 c8 c16
    f8  f8 f8 c16 c16
    c8  c8 c16 c8 c16
    c16 c16 c16 c16 c16
    """,
    """
      b
    b b
    """,
]


def _pairs() -> list[tuple[str, str, str]]:
    found = []
    for table in TABLES:
        head, *rows = (line.split() for line in table.strip().splitlines())
        for left, *cells in rows:
            found += [(left, top, cell) for top, cell in zip(head, cells, strict=True)]
    return [tuple(SHORT.get(short, short) for short in row) for row in found]  # type: ignore[misc]


PAIRS = _pairs()
DEFINED = [row for row in PAIRS if row[2] != "-"]


def one(dtype: str, device: str = "cpu") -> tp.Tensor:
    return xp.ones((2,), dtype=getattr(xp, dtype), device=device)


@pytest.mark.parametrize(("left", "right", "result"), PAIRS)
def test_result_type(left: str, right: str, result: str) -> None:
    a, b = getattr(xp, left), getattr(xp, right)
    for first, second in itertools.permutations((a, b)):
        if result == "-":
            with pytest.raises(TypeError, match=f"{first.name} and {second.name}"):
                xp.result_type(first, second)
            with pytest.raises(TypeError, match="expected types with a common one"):
                xp.add(one(first.name), one(second.name))
            assert not xp.can_cast(first, second)
            continue
        wanted = getattr(xp, result)
        assert xp.result_type(first, second) is wanted
        assert xp.result_type(one(first.name), second, one(left)) is wanted
        assert xp.can_cast(first, wanted)


@pytest.mark.parametrize(("left", "right", "result"), DEFINED)
def test_arithmetic(left: str, right: str, result: str, device: str) -> None:
    x, y = one(left, device), one(right, device)
    wanted = getattr(xp, result)
    if result == "bool":
        assert xp.logical_and(x, y).dtype is (x & y).dtype is wanted
        return
    for first, second in ((x, y), (y, x)):
        assert xp.add(first, second).dtype is (first * second).dtype is wanted
        assert xp.matmul(first, second).dtype is (first @ second).dtype is wanted
        assert xp.tensordot(first, second, axes=1).dtype is wanted
        assert xp.concat([first, second]).dtype is wanted
        assert xp.where(first == second, first, second).dtype is wanted
        assert (first == second).dtype is xp.bool


@pytest.mark.parametrize("dtype", SHORT.values())
def test_numbers_are_weak(dtype: str) -> None:
    x, kinds = one(dtype), {"b": [True], "f": [1, 1.5], "c": [1, 1.5, 2j]}
    numbers: list[Any] = kinds.get(dtype[0], [1])
    wanted = x.dtype
    for number in numbers:
        assert xp.result_type(x, number) is xp.result_type(number, x) is wanted
        assert xp.where(x == x, x, number).dtype is xp.where(x == x, number, x).dtype is wanted
        if dtype == "bool":
            assert (x & number).dtype is (number | x).dtype is wanted
        else:
            assert (x + number).dtype is (number * x).dtype is xp.subtract(number, x).dtype
            assert (x + number).dtype is wanted


INPLACE = (
    operator.iadd, operator.isub, operator.imul, operator.imod, operator.ifloordiv, operator.ipow,
)  # fmt: skip


@pytest.mark.parametrize("function", INPLACE)
def test_inplace_operators_keep_the_type(function: Any, device: str) -> None:
    for left, right, result in DEFINED:
        if result != left or left == "bool":
            continue
        if left.startswith("complex") and function in (operator.imod, operator.ifloordiv):
            continue
        x = one(left, device)
        alias, expected = x, getattr(operator, function.__name__[1:])(x, one(right, device))
        x = function(x, one(right, device))
        assert x is alias
        assert x.dtype.name == left
        assert xp.all(x == expected)


def test_sums_widen_and_keep_the_sign(device: str) -> None:
    for name in ("sum", "prod", "cumulative_sum", "cumulative_prod"):
        for dtype in list(SHORT.values())[1:]:
            x = xp.asarray([100, 2, 3], dtype=getattr(xp, dtype), device=device)
            found = getattr(xp, name)(x)
            widened = {"i": "int64", "u": "uint64"}.get(dtype[0], dtype)
            assert found.dtype.name == widened
            last = found if found.ndim == 0 else found[-1]
            assert complex(last) == (105 if "sum" in name else 600)
            assert getattr(xp, name)(x, dtype=xp.float64 if dtype[0] != "c" else x.dtype).ndim < 2
    top = xp.asarray([2**64 - 1, 0], dtype=xp.uint64, device=device)
    assert int(xp.sum(top)) == 2**64 - 1
    assert xp.sum(top, dtype=xp.uint8).dtype is xp.uint8


def test_number_beside_numbers_only_has_no_type() -> None:
    with pytest.raises(ValueError, match=r"result_type: expected an array or a dtype, got \(1, 2"):
        xp.result_type(1, 2.0)

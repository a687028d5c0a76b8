"""Result types by a table of our own: every pair of types, with tensors, numbers, and in place.

A tensor without dimensions counts like any other; Python numbers only lift the kind.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import error_of, few, refuses
from tensorplug.conformance.samples import dtypes_of, supports

pytestmark = pytest.mark.shared

KINDS = ("bool", "int", "float", "complex")
WIDTHS = {"uint8": 0, "int8": 1, "int16": 2, "int32": 3, "int64": 4}


def kind_of(dtype: DType) -> int:
    return KINDS.index("int" if dtype.kind == "uint" else dtype.kind)


def rule(one: DType, two: DType) -> DType:
    """What two types become together."""
    if one is two:
        return one
    low, high = sorted((one, two), key=kind_of)
    names = {one.name, two.name}
    if kind_of(low) < kind_of(high) < 3 or kind_of(low) < 2:
        if kind_of(high) == 1 and kind_of(low) == 1:
            if names == {"uint8", "int8"}:
                return tp.int16
            return max(one, two, key=lambda dtype: WIDTHS[dtype.name])
        return high
    if kind_of(low) == 2 and kind_of(high) == 2:
        if names == {"float16", "bfloat16"}:
            return tp.float32
        return max(one, two, key=lambda dtype: dtype.itemsize)
    wide = "float64" in names or "complex128" in names
    return tp.complex128 if wide else tp.complex64


def with_number(dtype: DType, number: Any) -> DType:
    """What a type becomes with a Python number."""
    kinds = (tp.bool, tp.int64, tp.float32, tp.complex64)
    kind = (bool, int, float, complex).index(type(number))
    if kind <= kind_of(dtype):
        return dtype
    return tp.complex128 if (kind, dtype) == (3, tp.float64) else kinds[kind]


@pytest.fixture
def pairs(device: str, thorough: bool) -> list[tuple[DType, DType]]:
    """The pairs of types whose result the device has too."""
    every = [(a, b) for a in dtypes_of(device) for b in dtypes_of(device)]
    return few(device, [pair for pair in every if supports(device, rule(*pair))], thorough, 40)


def tensor(values: Any, dtype: DType, device: str) -> tp.Tensor:
    return tp.tensor(values, dtype=dtype, device=device)


def expect(text: str, got: tp.Tensor, dtype: DType, values: Any) -> None:
    assert got.dtype is dtype, f"{text}: expected {dtype}, got {got.dtype}"
    assert got.tolist() == values, f"{text}: expected {values}, got {got.tolist()}"


SAME, BOOL, FLOAT, REFUSED = "same", "bool", "float", None
PAIRS: dict[str, tuple[str | None, str | None, str | None, str | None]] = {
    **dict.fromkeys(("add", "mul"), (SAME, SAME, SAME, SAME)),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), (SAME, SAME, SAME, REFUSED)),
    **dict.fromkeys(("floor_divide", "remainder", "fmod"), (REFUSED, SAME, SAME, REFUSED)),
    **dict.fromkeys(("atan2", "copysign", "xlogy"), (FLOAT, FLOAT, SAME, REFUSED)),
    **dict.fromkeys(("hypot", "logaddexp2", "nextafter"), (REFUSED, REFUSED, SAME, REFUSED)),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), (SAME, SAME, REFUSED, REFUSED)),
    **dict.fromkeys(("gcd", "lcm", "bitwise_left_shift", "bitwise_right_shift"),
                    (REFUSED, SAME, REFUSED, REFUSED)),
    **dict.fromkeys(("eq", "ne", "logical_and", "logical_or", "logical_xor"), (BOOL,) * 4),
    **dict.fromkeys(("lt", "le", "gt", "ge"), (BOOL, BOOL, BOOL, REFUSED)),
    "div": (FLOAT, FLOAT, SAME, SAME), "pow": (REFUSED, SAME, SAME, SAME),
    "float_power": ("wide", "wide", "wide", "wide"), "logaddexp": (REFUSED, REFUSED, SAME, SAME),
}  # fmt: skip
"""Functions of two tensors: by the kind of their common type, the type of the result."""


def of_pair(name: str, common: DType) -> DType | None:
    """The result's type of a function of two tensors, None where the function refuses."""
    how = PAIRS[name][kind_of(common)]
    if how == SAME or how is None:
        return common if how else None
    wide = tp.complex128 if common.is_complex else tp.float64
    return {BOOL: tp.bool, FLOAT: tp.float32, "wide": wide}[how]


@pytest.mark.parametrize("name", PAIRS)
def test_pairs_of_types(device: str, name: str, pairs: list[tuple[DType, DType]]) -> None:
    for one, two in pairs:
        want = of_pair(name, rule(one, two))
        # Of two types, one order is tried with a tensor without dimensions, which counts as much.
        shape = () if one.name < two.name else (2,)
        x, y = (tp.ones(s, dtype=d, device=device) for s, d in ((shape, one), ((2,), two)))
        text = f"{name}({one}{shape}, {two}(2,)) on {device}"
        if want is None:
            told = error_of(partial(getattr(tp, name), x, y))
            assert told is not None, f"{text}: expected an error"
            assert name in str(told), f"{text}: no name in {told!r}"
        elif supports(device, want):
            got = getattr(tp, name)(x, y)
            assert got.dtype is want, f"{text}: expected {want}, got {got.dtype}"
            assert got.shape == (2,), text


@pytest.mark.parametrize("name", [name for name in PAIRS if hasattr(tp.Tensor, f"{name}_")])
def test_pairs_of_types_in_place(device: str, name: str, pairs: list[tuple[DType, DType]]) -> None:
    """The first tensor keeps its type; what does not fit into its kind is refused."""
    for one, two in pairs:
        result = of_pair(name, rule(one, two))
        x, y = tensor([1, 1], one, device), tensor([1, 1], two, device)
        change = partial(getattr(x, f"{name}_"), y)
        text = f"{one}.{name}_({two}) on {device}"
        exact = name == "float_power" and result is not one  # casts nothing back
        if result is None or kind_of(result) > kind_of(one) or exact:
            told = error_of(change)
            assert told is not None, f"{text}: expected an error"
            expect(f"{text}, refused", x, one, [1, 1])
        elif supports(device, result):
            assert change() is x, text
            assert x.dtype is one, f"{text}: became {x.dtype}"


def test_results_are_those_of_the_common_type(
    device: str, pairs: list[tuple[DType, DType]]
) -> None:
    """Nothing passes through a narrower one."""
    for one, two in pairs:
        found = rule(one, two)
        if found is tp.bool:
            continue
        big = {"bool": 1, "uint8": 200, "int8": -100, "float16": 1000}.get(one.name, 120)
        x, y = tensor([big, 1], one, device), tensor([1, 1], two, device)
        expect(f"{one} + {two} on {device}", x + y, found, [big + 1, 2])
        if kind_of(found) < 3:
            expect(f"where({one}, {two})", tp.where(y > 0, x, y), found, x.to(found).tolist())
        expect(f"{one} == {two}", x == y, tp.bool, [big == 1, True])


def test_division_and_comparison_types(device: str, pairs: list[tuple[DType, DType]]) -> None:
    for one, two in pairs:
        found = rule(one, two)
        x, y = tensor([1, 1], one, device), tensor([1, 1], two, device)
        want = tp.float32 if kind_of(found) < 2 else found
        expect(f"{one} / {two} on {device}", x / y, want, [1.0, 1.0])
        expect(f"{one} != {two} on {device}", x != y, tp.bool, [False, False])


def test_joined_types(device: str, pairs: list[tuple[DType, DType]]) -> None:
    for one, two in pairs:
        found = rule(one, two)
        x, y = tensor([1, 0], one, device), tensor([[1]], two, device)
        expect(f"cat({one}, {two}) on {device}", tp.cat((x, y[0])), found, [1, 0, 1])
        expect(f"stack({one}, {two}) on {device}", tp.stack((x[:1], y[0])), found, [[1], [1]])
        expect(f"hstack({one}, {two}) on {device}", tp.hstack((y[0], x)), found, [1, 1, 0])
        assert tp.result_type(x, y) is found, f"result_type({one}, {two}) on {device}"
        assert tp.promote_types(one, two) is found, f"promote_types({one}, {two})"


def test_clamped_types(device: str, pairs: list[tuple[DType, DType]]) -> None:
    for one, two in pairs:
        found, x = rule(one, two), tensor([1, 0], one, device)
        bound = tensor([0, 1], two, device)
        text = f"clamp({one}, {two}) on {device}"
        if kind_of(found) > 2:
            refuses(device, "clamp", x, bound, words=("clamp",))
            continue
        expect(text, tp.clamp(x, min=bound), found, [1, 1])
        expect(text, tp.clamp(x, max=bound), found, [0, 0])
        expect(text, tp.clamp(x, bound, tensor([1, 1], two, device)), found, [1, 1])


@pytest.mark.parametrize("number", [True, 3, 2.5, 1j], ids=["bool", "int", "float", "complex"])
def test_numbers_lift_the_kind_only(device: str, number: Any, thorough: bool) -> None:
    for dtype in few(device, dtypes_of(device), thorough, 5):
        want = with_number(dtype, number)
        if not supports(device, want):
            continue
        x = tensor([1, 0], dtype, device)
        for text, got in (("x * number", x * number), ("number * x", number * x),
                          ("x + number", x + number),
                          ("where", tp.where(x == 1, x, number))):  # fmt: skip
            assert got.dtype is want, f"{text}({dtype}, {number}) on {device}: {got.dtype}"
        expect(f"{dtype} * {number}", x * number, want, [number, 0])
        if want.kind != "bool" and type(number) is not complex:
            got = x - number if dtype is not tp.bool or number is not True else None
            assert got is None or got.dtype is want, f"{dtype} - {number} on {device}"


def test_a_tensor_without_dimensions_counts(device: str) -> None:
    x = tp.ones(2, dtype=tp.float32, device=device)
    for dtype in (tp.float64, tp.int64, tp.float16):
        if supports(device, dtype):
            y = tp.tensor(2, dtype=dtype, device=device)
            for got in (x * y, y * x):
                expect(f"float32 * {dtype} of no dimensions", got, rule(tp.float32, dtype), [2, 2])


def test_in_place_keeps_the_type(device: str, pairs: list[tuple[DType, DType]]) -> None:
    for one, two in pairs:
        x, y = tensor([1, 0], one, device), tensor([1, 1], two, device)
        text = f"{one} *= {two} on {device}"
        if kind_of(rule(one, two)) > kind_of(one):
            with pytest.raises((RuntimeError, TypeError)):
                x *= y
            expect(f"{text}, refused", x, one, [1, 0])
        else:
            before = x
            x *= y
            expect(text, x, one, [1, 0])
            assert x is before, text


def test_out_takes_what_can_be_cast(device: str, pairs: list[tuple[DType, DType]]) -> None:
    for one, two in pairs:
        x, out = tensor([1, 1], one, device), tensor([0, 0], two, device)
        text = f"mul({one}, out={two}) on {device}"
        if kind_of(one) > kind_of(two):
            with pytest.raises((RuntimeError, TypeError)):
                tp.mul(x, x, out=out)
            expect(f"{text}, refused", out, two, [0, 0])
        else:
            tp.mul(x, x, out=out)
            expect(text, out, two, [1, 1])


# --- one argument --------------------------------------------------------------------------------

RESULTS = {
    "sqrt": "float", "exp": "float", "sin": "float", "sigmoid": "float", "reciprocal": "float",
    "neg": "same", "abs": "real", "square": "long for bool", "sum": "long", "prod": "long",
    "cumsum": "long", "mean": "inexact", "amax": "same", "argmax": "index", "all": "bool",
    "any": "bool", "isnan": "bool", "logical_not": "bool", "count_nonzero": "index",
    "logsumexp": "float", "angle": "float real",
}  # fmt: skip


def result_of(name: str, dtype: DType) -> DType | None:
    """The type by rule, None where the function refuses."""
    kind, how = kind_of(dtype), RESULTS[name]
    if name in ("amax", "argmax") and kind == 3:
        return None
    if name in ("neg", "argmax") and kind == 0:
        return None
    if how == "bool":
        return dtype if dtype is tp.uint8 and name in ("all", "any") else tp.bool
    if how == "index":
        return tp.int64
    if how == "inexact":
        return dtype if kind >= 2 else None
    if how.startswith("float"):
        found = dtype if kind >= 2 else tp.float32
        return found.to_real() if how == "float real" else found
    if how == "long":
        return dtype if kind >= 2 else tp.int64
    if how == "long for bool":
        return tp.int64 if kind == 0 else dtype
    return dtype.to_real() if how == "real" else dtype


@pytest.mark.parametrize("name", RESULTS)
def test_types_of_results(device: str, name: str, thorough: bool) -> None:
    args = (0,) if name in ("cumsum", "logsumexp") else ()
    for dtype in few(device, dtypes_of(device), thorough, 5):
        want = result_of(name, dtype)
        x = np.array([1, 1], dtype.numpy)
        if want is None:
            refuses(device, name, x, *args, words=(name, dtype.name))
            continue
        got = getattr(tp, name)(tp.tensor(x, dtype=dtype, device=device), *args)
        assert got.dtype is want, f"{name}({dtype}) on {device}: expected {want}, got {got.dtype}"


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "cumsum", "cumprod"])
def test_a_type_asked_for_is_computed_in(device: str, name: str) -> None:
    args = (0,) if name.startswith("cum") else ()
    x = tp.tensor([100, 100, 100], dtype=tp.int8, device=device)
    got = getattr(tp, name)(x, *args, dtype=tp.float32)
    want = {"sum": 300.0, "prod": 1e6, "mean": 100.0, "cumsum": [100.0, 200.0, 300.0],
            "cumprod": [100.0, 10000.0, 1e6]}[name]  # fmt: skip
    expect(f"{name}(int8, dtype=float32) on {device}", got, tp.float32, want)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("matmul", (np.ones((2, 2), np.float32), np.ones((2, 2), np.float64))),
        ("nn.functional.linear", (np.ones((2, 2), np.float32), np.ones((2, 2), np.float64))),
        ("gather", (np.ones(3, np.float32), 0, np.ones(1, np.float32))),
        ("scatter", (np.ones(3, np.float32), 0, np.zeros(1, np.int64), np.ones(1, np.float64))),
        ("index_select", (np.ones(3, np.float32), 0, np.ones(1, np.float32))),
        ("nn.functional.embedding", (np.ones(1, np.float32), np.ones((3, 2), np.float32))),
        ("bitwise_or", (np.ones(3, np.int32), np.ones(3, np.float32))),
        ("masked_select", (np.ones(3, np.float32), np.ones(3, np.int64))),
        ("masked_fill", (np.ones(3, np.float32), np.ones(3, np.int64), 1.0)),
    ],
)  # fmt: skip
def test_types_that_must_agree(device: str, name: str, args: tuple[Any, ...]) -> None:
    refuses(device, name, *args)

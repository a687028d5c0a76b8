"""Operands and arguments off the beaten track: numbers, odd types, wrong indices."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tensorplug as tp
import tensorplug.nn.functional as F

DEVICES = ["cpu", "strict:0"]


@pytest.fixture(autouse=True, params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Fast kernels on ``cpu``, generic forms over the array API on ``strict``."""
    if request.param != "cpu":
        pytest.importorskip("array_api_strict")
    return request.param


@pytest.mark.parametrize("dtype", [tp.float16, tp.bfloat16, tp.float32, tp.float64])
@pytest.mark.parametrize("name", ["igamma", "igammac", "zeta"])
def test_special_functions_take_a_number_in_either_place(device, name, dtype) -> None:
    if not tp.device(device).backend.supports_dtype(dtype, 0):
        assert dtype in (tp.float16, tp.bfloat16)
        return
    call = getattr(tp, name, None) or getattr(tp.special, name)
    x = tp.tensor([1.5, 2.5], dtype=dtype, device=device)
    number = tp.full((2,), 3.0, dtype=dtype, device=device)
    for got, want in ((call(x, 3.0), call(x, number)), (call(3.0, x), call(number, x))):
        assert got.dtype is dtype
        assert got.tolist() == want.tolist()


@pytest.mark.parametrize("dtype", [tp.uint8, tp.int8, tp.int32, tp.int64])
def test_threshold_of_integers_rounds_its_numbers(device, dtype) -> None:
    x = tp.tensor([0, 1, 2, 30], dtype=dtype, device=device)
    for limit, value, want in ((0.5, 20.7, [20, 1, 2, 30]), (1.5, 3, [3, 3, 2, 30]),
                               (-0.5, 2, [2, 1, 2, 30])):  # fmt: skip
        got = F.threshold(x, limit, value)
        assert (got.dtype, got.tolist()) == (dtype, want)
    with pytest.raises(TypeError, match="threshold: expected input to be a tensor"):
        F.threshold(3, 1, 2)


def test_floor_divide_of_infinity(device) -> None:
    x = tp.tensor([math.inf, -math.inf, math.inf, 1.0, 0.0], device=device)
    by = tp.tensor([0.0, 0.0, 2.0, 0.0, 0.0], device=device)
    first, second, *rest = tp.floor_divide(x, by).tolist()
    assert (first, second, rest[1]) == (math.inf, -math.inf, math.inf)
    assert math.isnan(rest[0])  # no quotient goes with the remainder, which is nan
    assert math.isnan(rest[2])


def test_glu_refuses_a_dimension_out_of_range(device) -> None:
    x = tp.ones(2, 4, device=device)
    for wrong in (2, -3, 9):
        with pytest.raises(IndexError, match=rf"glu: expected a dimension in .* got {wrong}"):
            F.glu(x, wrong)
    assert F.glu(x, -1).shape == F.glu(x, 1).shape == (2, 2)
    assert F.glu(x, -2).shape == (1, 4)


def test_positive_names_itself(device) -> None:
    x = tp.ones(2, device=device)
    assert tp.positive(x) is x
    assert +x is x
    with pytest.raises(RuntimeError, match=r"^positive: .*bool"):
        tp.positive(tp.tensor([True], device=device))
    for wrong in ("x", 3, None, [1.0]):
        with pytest.raises(TypeError, match=r"^positive: expected input to be a tensor"):
            tp.positive(wrong)


@pytest.mark.parametrize("wrong", [-1, 3, -100])
def test_numbers_of_rows_and_classes_out_of_range(device, wrong) -> None:
    index, table = tp.tensor([0, wrong], device=device), tp.ones(3, 2, device=device)
    with pytest.raises(IndexError, match=rf"embedding: expected .* got {wrong}; index out of"):
        F.embedding(index, table)
    with pytest.raises(IndexError, match=rf"index_select: expected .* got {wrong}; index"):
        tp.index_select(table, 0, index)
    scores = tp.ones(2, 3, device=device)
    with pytest.raises(
        IndexError, match=rf"nll_loss: expected .* got {wrong}; Target {wrong} is out of"
    ):
        F.nll_loss(scores, index, ignore_index=-7)


def test_ignored_classes_may_be_any_number(device) -> None:
    scores = tp.tensor([[0.5, 1.0], [2.0, 4.0]], device=device)
    for ignored in (-100, -1, 5):
        target = tp.tensor([1, ignored], device=device)
        assert F.nll_loss(scores, target, ignore_index=ignored).item() == -1.0


@pytest.mark.parametrize("left", [np.float32(2), np.float64(2), np.full(2, 2.0, "float32")])
def test_numpy_on_the_left_leaves_the_operator_to_the_tensor(device, left) -> None:
    if device != "cpu" and isinstance(left, np.ndarray):
        left = left[0]  # an array would be a tensor of another device
    x = tp.tensor([1.0, 4.0], device=device, requires_grad=True)
    results = [left + x, left - x, left * x, left / x, left**x, left < x, left == x]
    wants = [[3, 6], [1, -2], [2, 8], [2, 0.5], [2, 16], [False, True], [False, False]]
    for got, want in zip(results, wants, strict=True):
        assert type(got) is tp.Tensor
        assert got.tolist() == want
    (left * x).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_numpy_functions_still_see_an_array() -> None:
    x = tp.tensor([0.0, 1.0])
    assert type(np.sin(x)) is np.ndarray
    assert np.asarray(x).tolist() == [0, 1]


def test_where_of_two_numbers_has_one_type(device) -> None:
    picked = tp.where(tp.tensor([True, False], device=device), 0.5, -1e30)
    assert picked.dtype is tp.float32
    assert picked.device.backend.dtype_of(picked._h) is tp.float32
    assert picked.tolist() == [0.5, tp.tensor(-1e30).item()]

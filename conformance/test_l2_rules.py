"""Rules that random samples rarely meet: accumulation, ties, empty tensors, large values."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.samples import supports

INF, NAN = math.inf, math.nan


# --- accumulation --------------------------------------------------------------------------------


def test_narrow_floats_are_summed_in_a_wider_type(device: str) -> None:
    for dtype in (tp.float16, tp.bfloat16):
        if supports(device, dtype):
            x = tp.ones(4096, dtype=dtype, device=device)
            assert (x.sum().item(), x.sum().dtype) == (4096, dtype)
            assert x.mean().item() == 1
            assert x.reshape(64, 64).sum(0).tolist() == [64.0] * 64


def test_narrow_floats_are_rounded_to_decimals_once(device: str) -> None:
    """Nor does what is multiplied on the way lose digits, or become too large."""
    for dtype, values, decimals, want in (
        (tp.float16, [-0.1749267578125, 1000.4], 2, [-0.17, 1000.4]),
        (tp.bfloat16, [0.1445, 3.046875], 2, [0.14, 3.05]),
    ):
        if supports(device, dtype):
            x = tp.tensor(values, dtype=dtype, device=device)
            got, rule = tp.round(x, decimals=decimals), tp.tensor(want, dtype=dtype)
            assert got.dtype is dtype
            assert got.tolist() == rule.tolist(), f"round({x}, decimals={decimals}): {got}"


def test_long_sums_lose_little(device: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(size=100_000).astype(np.float32)
    got = tp.tensor(values, device=device).sum().item()
    assert abs(got / values.astype(np.float64).sum() - 1) < 3e-6


def test_small_integers_are_summed_as_int64(device: str) -> None:
    values = ((tp.uint8, 200), (tp.int8, 100), (tp.int16, 2**14), (tp.int32, 2**30), (tp.bool, 1))
    for dtype, value in values:
        x = tp.full((30,), value, dtype=dtype, device=device)
        assert (x.sum().item(), x.sum().dtype) == (30 * value, tp.int64)
        assert tp.cumsum(x, 0)[-1].item() == 30 * value
    assert tp.tensor([200, 200], dtype=tp.uint8, device=device).prod().item() == 40000


def test_matrix_products_keep_their_precision(device: str) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(64, 64)) for _ in range(2))
    for dtype, bound in ((tp.float32, 1e-5), (tp.float64, 1e-13)):
        x, y = (tp.tensor(m, dtype=dtype, device=device) for m in (a, b))
        error = np.abs((x @ y).cpu().to(tp.float64).numpy() - a @ b).max()
        assert error < bound * 64, f"{dtype}: off by {error}"


# --- ties and order ------------------------------------------------------------------------------


def test_the_first_of_equal_extremes_is_found(device: str) -> None:
    x = tp.tensor([[1, 3, 3, 0], [2, 2, 2, 2]], device=device)
    assert tp.argmax(x, dim=1).tolist() == [1, 0]
    assert tp.argmin(x, dim=1).tolist() == [3, 0]
    assert tp.argmax(x).item() == 1


def test_nan_wins(device: str) -> None:
    x = tp.tensor([1.0, NAN, 3.0], device=device)
    assert tp.argmax(x).item() == tp.argmin(x).item() == 1
    for value in (x.max(), x.min(), tp.amax(x), x.sum(), tp.maximum(x, 2 * x)[1]):
        assert math.isnan(value.item())
    assert math.isnan(x.clamp(0, 2)[1].item())


def test_sorting_is_stable_and_puts_nan_last(device: str) -> None:
    x = tp.tensor([2.0, 1.0, 2.0, 1.0, 2.0], device=device)
    for descending, want in ((False, [1, 3, 0, 2, 4]), (True, [0, 2, 4, 1, 3])):
        got = tp.sort(x, stable=True, descending=descending)
        assert got.indices.tolist() == want
    y = tp.tensor([NAN, 1.0, -INF, 2.0], device=device)
    assert tp.sort(y).indices.tolist() == [2, 1, 3, 0]


# --- empty tensors -------------------------------------------------------------------------------


def test_reductions_of_nothing(device: str) -> None:
    x = tp.zeros((0, 3), device=device)
    assert x.sum(0).tolist() == [0, 0, 0]
    assert x.prod(0).tolist() == [1, 1, 1]
    assert [bool(v) for v in (x.any(), x.all())] == [False, True]
    assert math.isnan(x.mean().item())
    assert tp.logsumexp(x, 0).tolist() == [-INF] * 3


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "argmax", "argmin"])
def test_extremes_of_nothing_are_refused(device: str, name: str) -> None:
    with pytest.raises((RuntimeError, IndexError, ValueError), match=name):
        getattr(tp, name)(tp.zeros((0,), device=device))


def test_products_of_nothing(device: str) -> None:
    x, y = tp.zeros((2, 0), device=device), tp.zeros((0, 3), device=device)
    assert (x @ y).tolist() == [[0.0] * 3] * 2
    assert (y @ tp.zeros((3, 4), device=device)).shape == (0, 4)


# --- large values --------------------------------------------------------------------------------


def test_large_logits(device: str) -> None:
    x = tp.tensor([1000.0, 1000.0, -1000.0], device=device)
    assert tp.softmax(x, 0).tolist() == [0.5, 0.5, 0.0]
    assert abs(tp.logsumexp(x, 0).item() - (1000 + math.log(2))) < 1e-3
    assert tp.logsumexp(tp.full((3,), -INF, device=device), 0).item() == -INF
    assert tp.nn.functional.softplus(tp.tensor([1000.0], device=device)).item() == 1000
    got = tp.nn.functional.log_softmax(x, 0).tolist()
    assert np.allclose(got, [-math.log(2), -math.log(2), -2000 - math.log(2)], rtol=1e-6)


def test_large_integers_are_exact(device: str) -> None:
    big = 2**62 + 1
    x = tp.tensor([big, -big], device=device)
    assert (x + 1).tolist() == [big + 1, 1 - big]
    assert (x.sum().item(), x.max().item()) == (0, big)
    assert (x == big).tolist() == [True, False]


def test_pooling_pads_with_nothing(device: str) -> None:
    x = tp.full((1, 1, 2, 2), -3.0, device=device)
    got = tp.nn.functional.max_pool2d(x, 2, stride=1, padding=1)
    assert set(got.reshape(-1).tolist()) == {-3.0}


# --- indices out of range ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gather", "index_select", "take", "take_along_dim"])
@pytest.mark.parametrize("wrong", [3, 100])
def test_an_index_out_of_range_is_refused(device: str, name: str, wrong: int) -> None:
    x = tp.tensor([1.0, 2.0, 3.0], device=device)
    at = tp.tensor([0, wrong], device=device)
    arguments = {"take": (x, at), "take_along_dim": (x, at, 0)}.get(name, (x, 0, at))
    with pytest.raises((RuntimeError, IndexError)):
        getattr(tp, name)(*arguments)


def test_repeated_indices_add_up(device: str) -> None:
    at = tp.tensor([1, 1, 0, 1], device=device)
    ones = tp.ones(4, device=device)
    for got in (tp.zeros(2, device=device).scatter_add(0, at, ones),
                tp.zeros(2, device=device).index_add(0, at, ones)):  # fmt: skip
        assert got.tolist() == [1, 3]
    x = tp.zeros(2, device=device, requires_grad=True)
    for got in (x.index_select(0, at), x.gather(0, at), x.take(at)):
        got.sum().backward()
    assert x.grad.tolist() == [3, 9]

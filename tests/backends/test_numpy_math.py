"""The ``cpu`` kernels that take another way for larger arrays, against plain NumPy and SciPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special

import tensorplug as tp

EDGES = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 1e-30, 2.0**24, -(2.0**24)]
SPECIAL = [math.inf, -math.inf, math.nan]


def operands(*more: float) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of edge cases, and enough whole and broken numbers to be many."""
    rng = np.random.default_rng(0)
    edges = np.array([*EDGES, *more], np.float32)
    x, y = (part.reshape(-1) for part in np.meshgrid(edges, edges))
    many = rng.standard_normal(8000).astype(np.float32) * 100
    whole = rng.integers(1, 9, 8000).astype(np.float32) * np.sign(many)
    return np.concatenate([x, many, np.round(many)]), np.concatenate([y, whole + 0.5, whole])


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
@pytest.mark.parametrize("more", [(), SPECIAL], ids=["finite", "special"])
def test_division_of_many(name: str, more: Any) -> None:
    torch = pytest.importorskip("torch")
    x, y = operands(*more)
    if not more:
        x, y = x[y != 0], y[y != 0]
    found = getattr(tp, name)(tp.tensor(x), tp.tensor(y)).numpy()
    expected = getattr(torch, name)(torch.tensor(x), torch.tensor(y)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    if name == "fmod":
        np.testing.assert_array_equal(np.signbit(found[found == 0]), np.signbit(x[found == 0]))
    if name == "remainder":
        np.testing.assert_array_equal(np.signbit(found[found == 0]), np.signbit(y[found == 0]))


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod"])
def test_division_of_many_by_a_number_and_in_place(name: str) -> None:
    x, _ = operands()
    expected = getattr(tp, name)(tp.tensor(x).double(), float(np.float32(0.3))).numpy()
    found = getattr(tp, name)(tp.tensor(x), 0.3)
    near = np.abs(x) < 1e6
    np.testing.assert_allclose(found.numpy()[near], expected[near], rtol=1e-6)
    changed = tp.tensor(x)
    getattr(changed, name + "_")(0.3)
    assert tp.equal(changed, found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "dims"),
    [((9000,), None), ((96, 50), (1,)), ((4, 5, 300), (1, 2)), ((3, 4096), (1,)), ((7, 1201), (1,)),
     ((1024, 8), None), ((4097,), (0,)), ((64, 65), (0,)), ((2000, 4), (1,))],
)  # fmt: skip
@pytest.mark.parametrize("keepdim", [False, True])
def test_sums_of_many(dtype: Any, shape: Any, dims: Any, keepdim: bool) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    close = {"rtol": 1e-5, "atol": 1e-4} if dtype is np.float32 else {"rtol": 1e-12, "atol": 1e-12}
    for name in ("sum", "mean"):
        found = getattr(tp, name)(tp.tensor(x), dims, keepdim=keepdim).numpy()
        expected = getattr(np, name)(x.astype(np.float64), axis=dims, keepdims=keepdim)
        assert (found.dtype, found.shape) == (dtype, expected.shape)
        np.testing.assert_allclose(found, expected, **close)


@pytest.mark.parametrize("offset", [0.0, 1000.0, -1000.0, -math.inf, math.nan])
@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_of_many(offset: float, dim: int) -> None:
    x = np.random.default_rng(0).standard_normal((64, 40)).astype(np.float32) * 5
    x[3, :30] += np.float32(offset)
    for name in ("softmax", "log_softmax"):
        found = getattr(tp, name)(tp.tensor(x), dim).numpy()
        with np.errstate(all="ignore"):
            expected = getattr(scipy.special, name)(x.astype(np.float64), axis=dim)
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


def test_erf_of_many() -> None:
    x = np.concatenate([np.linspace(-9, 9, 5001), [0.0, -0.0, 1e-30, 1e30, math.inf, -math.inf]])
    x = x.astype(np.float32)
    found = tp.erf(tp.tensor(x)).numpy()
    np.testing.assert_allclose(
        found, scipy.special.erf(x.astype(np.float64)), rtol=4e-7, atol=1e-38
    )
    assert np.signbit(found[x == 0]).tolist() == np.signbit(x[x == 0]).tolist()
    assert tp.erf(tp.full((600,), math.nan)).isnan().all()


@pytest.mark.parametrize("power", [3, 4, -2])
def test_small_whole_powers(power: int) -> None:
    x = np.array([-3.0, -0.5, 0.0, 1.5, 7.0, math.inf, -math.inf, math.nan], np.float32)
    with np.errstate(all="ignore"):
        expected = x.astype(np.float64) ** power
    np.testing.assert_allclose(tp.pow(tp.tensor(x), power).numpy(), expected, rtol=3e-7)
    changed = tp.tensor(x)
    changed.pow_(power)
    np.testing.assert_allclose(changed.numpy(), expected, rtol=3e-7)


@pytest.mark.parametrize(("shape", "k"), [((64, 1000), 5), ((3, 4, 777), 7), ((2, 20000), 50)])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("step", [0.0, 0.1, 10.0])
def test_topk_of_many(shape: tuple[int, ...], k: int, largest: bool, step: float) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x = np.round(x / step) * step if step else x  # many are equal
    values, places = (part.numpy() for part in tp.topk(tp.tensor(x), k, largest=largest))
    expected = np.sort(x, axis=-1)
    expected = expected[..., : -k - 1 : -1] if largest else expected[..., :k]
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(np.take_along_axis(x, places, -1), expected)
    assert all(len(set(row)) == k for row in places.reshape(-1, k).tolist())


def test_topk_of_many_with_nan() -> None:
    x = np.random.default_rng(0).standard_normal((4, 5000)).astype(np.float32)
    x[1, [7, 4000]] = np.nan
    values, places = (part.numpy() for part in tp.topk(tp.tensor(x), 3))
    assert np.isnan(values).sum(-1).tolist() == [0, 2, 0, 0]
    assert sorted(places[1, :2].tolist()) == [7, 4000]


def test_max_pool_passes_no_nan_from_infinite_gradients() -> None:
    x = tp.tensor([[[[1.0, 2.0, 2.0, 0.0], [2.0, 0.0, 1.0, 1.0]]]], requires_grad=True)
    y = tp.nn.functional.max_pool2d(x, 2)
    y.backward(tp.tensor([[[[math.inf, 3.0]]]]))
    assert x.grad.tolist() == [[[[0.0, math.inf, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]


@pytest.mark.parametrize("shape", [(3, 70, 9), (64, 784, 500), (200, 64, 300), (1, 64, 2)])
def test_linear_of_flat_and_tall_inputs(shape: tuple[int, int, int]) -> None:
    rows, width, outputs = shape
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((rows, width)), rng.standard_normal((outputs, width))
    found = tp.nn.functional.linear(tp.tensor(x), tp.tensor(weight))
    assert found.is_contiguous()
    np.testing.assert_allclose(found.numpy(), np.einsum("nk,ok->no", x, weight), rtol=1e-9)


@pytest.mark.parametrize(
    ("shape", "dims"),
    [((70_001, 3), (0,)), ((300, 70, 2), (0, 1)), ((1025, 1), (0,)), ((2000, 0), (0,))],
)
@pytest.mark.parametrize("keepdim", [False, True])
def test_sums_of_many_rows_lose_little(shape: Any, dims: Any, keepdim: bool) -> None:
    x = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    want = x.sum(dims, dtype=np.float64, keepdims=keepdim)
    found = tp.tensor(x).sum(dims, keepdim=keepdim)
    assert found.dtype is tp.float32
    np.testing.assert_allclose(found.numpy(), want, rtol=1e-6)  # row by row it would be 5e-6

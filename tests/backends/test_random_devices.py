"""Weighted choices, and random numbers on a device that makes its own bits."""

from __future__ import annotations

import math
from typing import Any

import array_api_strict
import numpy as np
import pytest
from scipy import stats

import tensorplug as tp
from tensorplug.backends import dtypes as dt
from tensorplug.backends import random as rnd


def draw(what: str, count: int, dtype: dt.DType, *params: Any, seed: int = 0) -> np.ndarray:
    """The values on the cpu."""
    cpu = tp.device("cpu")
    handle = rnd.draw(cpu, rnd.Stream(seed), what, (count,), dtype, *params)
    return cpu.backend.to_host(handle)


# --- multinomial ---------------------------------------------------------------------------------


@pytest.mark.parametrize("replacement", [True, False])
def test_multinomial_follows_the_weights(replacement: bool) -> None:
    weights = np.array([0.0, 1.0, 2.0, 0.0, 5.0, 0.0], dtype=np.float32)
    rows = np.tile(weights, (20_000, 1))
    found = rnd.multinomial(rows, 3, replacement, rnd.Stream(0))
    assert found.shape == (20_000, 3)
    assert set(np.unique(found)) == {1, 2, 4}
    counts = [np.count_nonzero(found[:, 0] == k) for k in (1, 2, 4)]
    assert stats.chisquare(counts, [2500, 5000, 12500]).pvalue > 1e-3
    if replacement:
        counts = [np.count_nonzero(found[:, 2] == k) for k in (1, 2, 4)]
        assert stats.chisquare(counts, [2500, 5000, 12500]).pvalue > 1e-3
    else:
        assert np.all(np.sort(found) == [1, 2, 4])
        second = [np.count_nonzero(found[found[:, 0] == 4][:, 1] == k) for k in (1, 2)]
        assert stats.chisquare(second, np.array([1, 2]) / 3 * sum(second)).pvalue > 1e-3


def test_multinomial_with_extreme_weights() -> None:
    for replacement in (True, False):
        for weights in ([0.0, 5e-324, 0.0], [0.0, 1.7e308, 1.7e308], [0.0, 1e-300, 1e300]):
            count = int(np.count_nonzero(weights))
            found = rnd.multinomial(np.array(weights), count, replacement, rnd.Stream(0))
            assert 0 not in found.tolist()
    assert rnd.multinomial(np.ones((0, 3)), 2, False, rnd.Stream(0)).shape == (0, 2)


@pytest.mark.parametrize(
    ("weights", "match"),
    [([1.0, -1.0], "element < 0"), ([1.0, math.nan], "element < 0"), ([math.inf, 1.0], "inf"),
     ([0.0, 0.0], "at least 1 positive"), ([0.0, 1.0], "at least 2 positive .* got 1")],
)  # fmt: skip
def test_multinomial_refuses(weights: list[float], match: str) -> None:
    enough = "at least 1" in match
    with pytest.raises(RuntimeError, match=match):
        rnd.multinomial(np.array(weights), 1 if enough else 2, enough, rnd.Stream(0))


# --- a device with a kernel for the bits ---------------------------------------------------------


class Strict:
    """A device that makes its own bits, with nothing beyond the array API standard."""

    namespace = array_api_strict
    index = asked = 0

    @property
    def backend(self) -> Strict:
        return self

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Any:
        self.asked += 1
        return array_api_strict.asarray(rnd.raw_bits(key, counter, n))

    def enter(self, device: int) -> None:
        return None

    def lift(self, kernel: Any) -> Any:
        return kernel

    def native_dtype(self, dtype: dt.DType) -> Any:
        return getattr(array_api_strict, dtype.name)

    def adopt(self, array: Any) -> Any:
        return array

    def owns(self, array: Any) -> bool:
        return False

    def from_host(self, array: np.ndarray, index: int) -> Any:
        return array_api_strict.asarray(array)

    def to_host(self, handle: Any) -> np.ndarray:
        return np.asarray(handle)


@pytest.mark.parametrize(
    ("what", "dtype", "params"),
    [("uniform", dt.float32, (0.0, 1.0)), ("uniform", dt.float64, (0.0, 1.0)),
     ("uniform", dt.float32, (-0.1, 0.1)), ("uniform", dt.float64, (3.0, 5.0)),
     ("integers", dt.int64, (-7, 100)), ("integers", dt.float32, (0, 1 << 24)),
     ("integers", dt.int32, (-(1 << 31), 1 << 31)), ("bernoulli", dt.bool_, (0.25,))],
)  # fmt: skip
def test_device_bits_give_the_same_values(what: str, dtype: dt.DType, params: Any) -> None:
    device = Strict()
    found = rnd.draw(device, rnd.Stream(3), what, (7, 5), dtype, *params)
    assert device.asked == 1
    assert np.array_equal(np.asarray(found), draw(what, 35, dtype, *params, seed=3).reshape(7, 5))


def test_device_bits_give_nearly_the_same_normals() -> None:
    for dtype in (dt.float32, dt.float64):
        found = rnd.draw(Strict(), rnd.Stream(3), "normal", (35,), dtype, 1.0, 2.0)
        np.testing.assert_allclose(
            np.asarray(found), draw("normal", 35, dtype, 1.0, 2.0, seed=3), rtol=1e-6
        )


def test_device_bits_with_a_tensor_of_probabilities() -> None:
    p = np.linspace(0.0, 1.0, 35)
    device = Strict()
    handle = array_api_strict.asarray(p)
    found = rnd.draw(device, rnd.Stream(3), "bernoulli", (35,), dt.float32, handle)
    assert np.array_equal(np.asarray(found), draw("bernoulli", 35, dt.float32, p, seed=3))
    with pytest.raises(RuntimeError, match=r"got 1\.05"):
        rnd.draw(device, rnd.Stream(3), "bernoulli", (35,), dt.float32, handle * 2.0)


def test_other_samplers_run_on_the_host() -> None:
    device = Strict()
    for what, dtype, params in (
        ("exponential", dt.float32, (1.0,)),
        ("integers", dt.int64, (0, 1 << 40)),
        ("normal", dt.complex64, (0.0, 1.0)),
    ):
        found = rnd.draw(device, rnd.Stream(3), what, (6,), dtype, *params)
        assert device.asked == 0
        assert np.array_equal(np.asarray(found), draw(what, 6, dtype, *params, seed=3))

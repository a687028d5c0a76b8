"""The rule from seeds to numbers, against NumPy's Philox, Python integers and SciPy."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tensorplug.backends import dtypes as dt
from tensorplug.backends import random as rnd
from tensorplug.backends.samplers import SAMPLERS, Words, open_unit, unit

FLOATS = (dt.float16, dt.bfloat16, dt.float32, dt.float64)
MASK = (1 << 64) - 1
ONES, ZEROS = np.full(64, MASK, dtype=np.uint64), np.zeros(64, dtype=np.uint64)


class Host:
    """A device whose handles are NumPy arrays."""

    index = 0

    @property
    def backend(self) -> Host:
        return self

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> None:
        return None

    def owns(self, array: np.ndarray) -> bool:
        return False

    def from_host(self, array: np.ndarray, index: int) -> np.ndarray:
        return array.copy()

    def to_host(self, handle: np.ndarray) -> np.ndarray:
        return handle


def draw(what: str, count: int, dtype: dt.DType, *params: Any, seed: int = 0) -> np.ndarray:
    found: np.ndarray = rnd.draw(Host(), rnd.Stream(seed), what, (count,), dtype, *params)
    return found


def convert(what: str, words: np.ndarray, count: int, dtype: dt.DType, *params: Any) -> np.ndarray:
    values = SAMPLERS[what].convert(Words(np, words, count, dtype, dtype.numpy), *params)
    return np.asarray(values).astype(dtype.numpy)


# --- bits --------------------------------------------------------------------------------------


def philox(key: tuple[int, int], counter: int) -> list[int]:
    """One block of Philox4x64-10, in Python's integers."""
    x = [counter >> 64 * i & MASK for i in range(4)]
    k = list(key)
    for _ in range(10):
        one, two = x[0] * 0xD2E7470EE14C6C93, x[2] * 0xCA5A826395121157
        x = [two >> 64 ^ x[1] ^ k[0], two & MASK, one >> 64 ^ x[3] ^ k[1], one & MASK]
        k = [k[0] + 0x9E3779B97F4A7C15 & MASK, k[1] + 0xBB67AE8584CAA73B & MASK]
    return x


@pytest.mark.parametrize("counter", [0, 5, MASK, 1 << 64, (1 << 127) + 3])
@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 17])
def test_bits_are_those_of_philox(counter: int, n: int) -> None:
    key = (0x0123456789ABCDEF, 42)
    found = rnd.raw_bits(key, counter, n)
    words = [word for block in range(5) for word in philox(key, counter + 1 + block)]
    assert found.dtype == np.uint64
    assert found.tolist() == words[:n]
    parts = np.array([counter & MASK, counter >> 64, 0, 0], dtype=np.uint64)
    theirs = np.random.Philox(key=np.array(key, dtype=np.uint64), counter=parts).random_raw(n)
    assert np.array_equal(found, theirs)


def test_the_published_test_vector() -> None:
    # Philox4x64-10 of counter 0 and key 0, from the authors' kat_vectors file.
    expected = "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"
    assert [f"{word:016x}" for word in philox((0, 0), 0)] == expected.split()


@pytest.mark.parametrize("sizes", [[16], [4, 12], [1, 4, 8], [3, 5, 1], [0, 7]])
def test_every_draw_starts_at_a_whole_block(sizes: list[int]) -> None:
    stream, block = rnd.Stream(7), 0
    words = rnd.raw_bits((7, 0), 0, 64)
    for size in sizes:
        found = rnd.draw(Host(), stream, "uniform", (size,), dt.float64, 0.0, 1.0)
        expected = (words[4 * block : 4 * block + size] >> 11) * 2.0**-53
        assert np.array_equal(found, expected)
        block += (size + 3) // 4
        assert stream.counter == block


SAMPLES: list[tuple[str, dt.DType, tuple[Any, ...]]] = [
    *[("uniform", dtype, (0.0, 1.0)) for dtype in FLOATS],
    ("uniform", dt.float32, (-3.0, 2.0)),
    *[("normal", dtype, (0.0, 1.0)) for dtype in FLOATS],
    ("integers", dt.int64, (0, 10)),
    ("integers", dt.int64, (-(1 << 63), 1 << 63)),
    ("integers", dt.uint8, (0, 256)),
    ("bernoulli", dt.bool_, (0.5,)),
    ("exponential", dt.float64, (1.0,)),
    ("cauchy", dt.float32, (0.0, 1.0)),
    ("geometric", dt.int64, (0.1,)),
    ("log_normal", dt.float32, (0.0, 1.0)),
    ("uniform", dt.complex64, (0.0, 1.0)),
    ("normal", dt.complex128, (0.0, 1.0)),
]


@pytest.mark.parametrize(("what", "dtype", "params"), SAMPLES)
def test_a_short_draw_begins_a_long_one(what: str, dtype: dt.DType, params: Any) -> None:
    long = draw(what, 40000, dtype, *params)
    assert long.dtype == dtype.numpy
    for count in (0, 1, 2, 3, 7, 33):
        assert np.array_equal(draw(what, count, dtype, *params), long[:count])
    assert not np.array_equal(draw(what, 40, dtype, *params, seed=1), long[:40])


def test_threads_never_get_the_same_block() -> None:
    stream = rnd.Stream(0)
    with ThreadPoolExecutor(8) as pool:
        starts = list(pool.map(stream.advance, [5] * 1000))
    assert sorted(starts) == list(range(0, 2000, 2))


def test_threads_draw_what_one_thread_draws() -> None:
    def one(counter: int) -> list[int]:
        return rnd.raw_bits((3, 0), counter, 9).tolist()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(200))) == [one(counter) for counter in range(200)]


def test_state_is_key_and_counter() -> None:
    stream = rnd.Stream(-1)
    stream.advance(9)
    state = stream.save()
    assert state.dtype == np.uint8
    assert state.view("<u8").tolist() == [MASK, 0, 3, 0]
    stream.advance(100)
    stream.restore(state)
    assert (stream.key, stream.counter) == ((MASK, 0), 3)
    stream.counter = (1 << 128) - 1
    stream.restore(stream.save())
    assert stream.advance(1) == (1 << 128) - 1
    assert stream.counter == 0


@pytest.mark.parametrize("state", [np.zeros(31, np.uint8), np.zeros(32, np.int64)])
def test_wrong_state_is_refused(state: np.ndarray) -> None:
    with pytest.raises(RuntimeError, match=r"expected a uint8 tensor of shape \(32,\), got"):
        rnd.Stream(0).restore(state)


# --- values --------------------------------------------------------------------------------------


def test_uniform_formulas() -> None:
    words = rnd.raw_bits((5, 0), 0, 50)
    halves = np.array([half for w in words.tolist() for half in (w & 0xFFFFFFFF, w >> 32)])
    for dtype, shift, exponent in (
        (dt.float32, 8, -24), (dt.float16, 21, -11), (dt.bfloat16, 24, -8),
    ):  # fmt: skip
        found = draw("uniform", 100, dtype, 0.0, 1.0, seed=5)
        assert np.array_equal(found.astype(float), (halves >> shift) * 2.0**exponent)
    wide = draw("uniform", 100, dt.float32, -2.0, 6.0, seed=5)
    assert np.array_equal(wide, (halves * 2.0**-32 * 8.0 - 2.0).astype(np.float32))


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_never_reaches_its_upper_bound(dtype: dt.DType) -> None:
    assert 0.99 < float(unit(Words(np, ONES, 9, dtype, dtype.numpy)).max()) < 1.0
    for low, high in [(0.0, 1.0), (0.0, 0.1), (1.0, 2.0), (-1.0, 0.0), (1e-3, 3.0), (-7.0, -6.9)]:
        for words in (ONES, ZEROS):
            values = convert("uniform", words, 9, dtype, low, high)
            bottom, top = (dtype.numpy.type(bound) for bound in (low, high))
            assert np.all(values >= bottom)
            assert np.all(values < top)
    assert np.all(convert("uniform", ONES, 9, dtype, 2.0, 2.0) == 2.0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_formula_and_extremes(dtype: dt.DType) -> None:
    words = rnd.raw_bits((5, 0), 0, 8)
    first = int(words[0])
    if dtype is dt.float64:
        u, v = ((first >> 11) + 1) * 2.0**-53, (int(words[1]) >> 11) * 2.0**-53
    else:
        u, v = ((first & 0xFFFFFFFF) + 1) * 2.0**-32, (first >> 32) * 2.0**-32
    radius, angle = math.sqrt(-2.0 * math.log(u)), 2.0 * math.pi * v
    expected = [3.0 + 2.0 * radius * f(angle) for f in (math.cos, math.sin)]
    found = convert("normal", words, 2, dtype, 3.0, 2.0).astype(float)
    # A half type's unit roundoff, relative to the value.
    assert found == pytest.approx(expected, rel=2.0 * float(dt.finfo(dtype).eps))
    for extreme in (ZEROS, ONES):
        values = convert("normal", extreme, 8, dtype, 0.0, 1.0).astype(float)
        assert np.all(np.abs(values) < (8.6 if dtype is dt.float64 else 6.7))


def test_moments_and_shape_of_continuous_draws() -> None:
    n = 200_000
    cases: list[tuple[str, tuple[float, ...], Any]] = [
        ("uniform", (0.0, 1.0), stats.uniform()),
        ("normal", (1.0, 2.0), stats.norm(1.0, 2.0)),
        ("exponential", (2.0,), stats.expon(scale=0.5)),
        ("cauchy", (1.0, 3.0), stats.cauchy(1.0, 3.0)),
        ("log_normal", (0.0, 0.5), stats.lognorm(0.5)),
    ]
    for what, params, law in cases:
        for dtype in (dt.float32, dt.float64):
            values = draw(what, n, dtype, *params).astype(np.float64)
            counts = np.bincount((law.cdf(values) * 100).astype(int), minlength=100)
            assert stats.chisquare(counts[:100]).pvalue > 1e-3, (what, dtype)
    pairs = draw("normal", n, dt.float32, 0.0, 1.0).reshape(-1, 2)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.01
    assert abs(np.corrcoef(pairs[:-1, 0], pairs[1:, 0])[0, 1]) < 0.01


def test_discrete_draws_have_their_probabilities() -> None:
    n = 100_000
    cases: list[tuple[str, tuple[Any, ...], Any]] = [
        ("integers", (3, 10), stats.randint(3, 10)),
        ("bernoulli", (0.3,), stats.bernoulli(0.3)),
        ("geometric", (0.4,), stats.geom(0.4)),
        ("poisson", (np.full(n, 0.3),), stats.poisson(0.3)),
        ("poisson", (np.full(n, 7.0),), stats.poisson(7.0)),
        ("poisson", (np.full(n, 50.0),), stats.poisson(50.0)),
    ]
    for what, params, law in cases:
        values = draw(what, n, dt.int64, *params)
        ks = np.arange(law.ppf(1e-3), law.ppf(0.999) + 1)
        counts = np.array([np.count_nonzero(values == k) for k in ks])
        expected = law.pmf(ks) * n
        rest = [n - counts.sum(), n - expected.sum()]
        if rest[1] > 5:
            counts, expected = np.append(counts, rest[0]), np.append(expected, rest[1])
        expected *= counts.sum() / expected.sum()
        assert stats.chisquare(counts, expected).pvalue > 1e-3, (what, params[0])


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0, 10), (-5, 5), (0, 1 << 32), (7, (1 << 32) + 8), (-(1 << 40), 3), (0, 1 << 63),
     (-(1 << 63), 1 << 63), (0, 1 << 64), (0, 3 << 62), (1, 1 << 63)],
)  # fmt: skip
def test_integers_are_exact(low: int, high: int) -> None:
    span, dtype = high - low, dt.uint64 if high > 1 << 63 else dt.int64
    found = draw("integers", 40, dtype, low, high).tolist()
    if span <= 1 << 32:
        words = rnd.raw_bits((0, 0), 0, 40).tolist()
        expected = [low + (word * span >> 64) for word in words]
    else:
        words = rnd.raw_bits((0, 0), 0, 80).tolist()
        wide = [a | b << 64 for a, b in zip(words[0::2], words[1::2], strict=True)]
        expected = [low + (word * span >> 128) for word in wide]
    assert found == expected


def test_integers_reach_both_ends() -> None:
    for span in (10, (1 << 32) + 1, 1 << 63):
        what, n = ("integers", 1) if span == 10 else ("wide_integers", 2)
        assert convert(what, ZEROS[:n], 1, dt.int64, -3, span - 3).tolist() == [-3]
        assert convert(what, ONES[:n], 1, dt.int64, -3, span - 3).tolist() == [span - 4]


def test_bernoulli_at_its_ends() -> None:
    for p, words, expected in ((0.0, ZEROS, 0), (1.0, ONES, 1), (1.0 - 2**-33, ONES, 1)):
        assert convert("bernoulli", words, 5, dt.int64, p).tolist() == [expected] * 5
        assert convert("bernoulli", words, 5, dt.int64, np.full(5, p)).tolist() == [expected] * 5
    numbers = draw("bernoulli", 1000, dt.int64, 0.3)
    assert np.array_equal(numbers, draw("bernoulli", 1000, dt.int64, np.full(1000, 0.3)))
    for wrong in (-0.1, 1.5, math.nan):
        for p in (wrong, np.array([0.5, wrong])):
            with pytest.raises(RuntimeError, match=rf"probabilities in \[0, 1\], got {wrong}"):
                draw("bernoulli", 2, dt.float32, p)


def test_open_uniform_stays_inside() -> None:
    assert open_unit(ZEROS)[0] == 2.0**-53
    assert open_unit(ONES)[0] == 1.0 - 2.0**-53
    for what, params in (("exponential", (1.0,)), ("geometric", (0.99,)), ("cauchy", (0.0, 1.0))):
        for words in (ZEROS, ONES):
            values = convert(what, words, 4, dt.float64, *params)
            assert np.all(np.isfinite(values))
            assert what == "cauchy" or np.all(values > 0)


def test_poisson_inverts_the_distribution() -> None:
    words = rnd.raw_bits((1, 0), 0, 2000)
    u = open_unit(words)
    for rate in (0.0, 1e-3, 0.7, 12.0, 400.0, 1e6):
        found = convert("poisson", words, 2000, dt.float64, np.full(2000, rate))
        assert np.array_equal(found, stats.poisson(rate).ppf(u) if rate else np.zeros(2000))
    huge = convert("poisson", words, 2000, dt.float64, np.full(2000, 1e18))
    assert abs(huge.mean() / 1e18 - 1.0) < 1e-9
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(RuntimeError, match=f"not negative, got {wrong}"):
            draw("poisson", 2, dt.float32, np.array([1.0, wrong]))


def test_permutations() -> None:
    found = draw("permutation", 1000, dt.int64)
    assert sorted(found.tolist()) == list(range(1000))
    first = [draw("permutation", 3, dt.int64, seed=seed).tolist() for seed in range(6000)]
    counts = [first.count(order) for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0])]
    assert stats.chisquare([*counts, 6000 - sum(counts)], [1000] * 4 + [2000]).pvalue > 1e-3


def test_wide_draws_overflow_silently() -> None:
    values = draw("normal", 1000, dt.float16, 0.0, 1e6)
    assert np.isinf(values).any()

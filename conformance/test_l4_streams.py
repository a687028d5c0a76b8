"""Random numbers against the published rule, worked out here: Philox4x64-10 in whole numbers.

The rule is in ``tensorplug.backends.random``. No device is taken for the right one: a fault that
all devices share is seen too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import refuses
from tensorplug.conformance.reference import array_of
from tensorplug.conformance.samples import other_devices, supports

pytestmark = [pytest.mark.needs("random"), pytest.mark.shared]

SEED = 20260101
MASK = (1 << 64) - 1


def block(key: int, counter: int) -> list[int]:
    """One block of Philox4x64-10: ten rounds of two wide products."""
    words = [(counter >> (64 * i)) & MASK for i in range(4)]
    one, two = key & MASK, key >> 64
    for _ in range(10):
        left, right = words[0] * 0xD2E7470EE14C6C93, words[2] * 0xCA5A826395121157
        words = [(right >> 64) ^ words[1] ^ one, right & MASK,
                 (left >> 64) ^ words[3] ^ two, left & MASK]  # fmt: skip
        one, two = (one + 0x9E3779B97F4A7C15) & MASK, (two + 0xBB67AE8584CAA73B) & MASK
    return words


def words_of(seed: int, count: int, start: int = 0) -> list[int]:
    """The first words after ``start`` blocks."""
    blocks = [block(seed & MASK, start + 1 + i) for i in range((count + 3) // 4)]
    return [word for found in blocks for word in found][:count]


def halves_of(seed: int, count: int, start: int = 0) -> list[int]:
    words = words_of(seed, (count + 1) // 2, start)
    return [half for word in words for half in (word & 0xFFFFFFFF, word >> 32)][:count]


def uniform_by_rule(dtype: DType, seed: int, count: int, start: int = 0) -> list[float]:
    if dtype is tp.float64:
        return [(word >> 11) * 2.0**-53 for word in words_of(seed, count, start)]
    shift, power = {"float32": (8, -24), "float16": (21, -11), "bfloat16": (24, -8)}[dtype.name]
    return [(half >> shift) * 2.0**power for half in halves_of(seed, count, start)]


def normal_by_rule(dtype: DType, seed: int, count: int) -> list[float]:
    if dtype is tp.float64:
        found = words_of(seed, count + count % 2)
        u = [((word >> 11) + 1) * 2.0**-53 for word in found[0::2]]
        v = [(word >> 11) * 2.0**-53 for word in found[1::2]]
    else:
        halves = halves_of(seed, count + count % 2)
        u, v = [(h + 1) * 2.0**-32 for h in halves[0::2]], [h * 2.0**-32 for h in halves[1::2]]
    pairs = [
        (math.sqrt(-2 * math.log(a)) * math.cos(2 * math.pi * b),
         math.sqrt(-2 * math.log(a)) * math.sin(2 * math.pi * b))
        for a, b in zip(u, v, strict=True)
    ]  # fmt: skip
    return [value for pair in pairs for value in pair][:count]


def test_the_generator_above_is_the_published_one() -> None:
    """The known answers of the paper's authors, and NumPy's own generator."""
    assert [f"{word:016x}" for word in block(0, 0)] == [
        "16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b",
    ]  # fmt: skip
    philox = np.random.Philox(key=[SEED, 0])
    assert words_of(SEED, 9) == philox.random_raw(9).tolist()


FLOATS = (tp.float16, tp.bfloat16, tp.float32, tp.float64)


def seeded(device: str, seed: int = SEED) -> tp.Generator:
    return tp.Generator(device).manual_seed(seed)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("count", [1, 7, 33])
def test_uniform_numbers_by_rule(device: str, dtype: DType, count: int) -> None:
    if not supports(device, dtype):
        return
    want = uniform_by_rule(dtype, SEED, count)
    got = tp.rand(count, dtype=dtype, device=device, generator=seeded(device))
    text = f"rand({count}, {dtype}) of seed {SEED} on {device}"
    assert array_of(got).tolist() == want, f"{text}: expected {want}, got {got.tolist()}"


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("count", [1, 7, 33])
def test_normal_numbers_by_rule(device: str, dtype: DType, count: int) -> None:
    if not supports(device, dtype):
        return
    want = np.array(normal_by_rule(dtype, SEED, count))
    got = array_of(tp.randn(count, dtype=dtype, device=device, generator=seeded(device)))
    bound = 2 * float(tp.finfo(dtype).eps)  # and what cos and sin lose where they are near 0
    text = f"randn({count}, {dtype}) of seed {SEED} on {device}"
    assert np.allclose(got, want, rtol=bound, atol=1e-15), f"{text}: expected {want}, got {got}"


@pytest.mark.parametrize(
    ("low", "high"), [(0, 2), (0, 10), (-5, 6), (0, 2**31), (-(2**40), 2**41), (0, 2**63 - 1)]
)
def test_whole_numbers_by_rule(device: str, low: int, high: int) -> None:
    span, count = high - low, 21
    if span <= 2**32:
        want = [low + (word * span >> 64) for word in words_of(SEED, count)]
    else:
        found = words_of(SEED, 2 * count)
        pairs = zip(found[0::2], found[1::2], strict=True)
        want = [low + ((a + (b << 64)) * span >> 128) for a, b in pairs]
    got = tp.randint(low, high, (count,), device=device, generator=seeded(device)).tolist()
    text = f"randint({low}, {high}) of seed {SEED} on {device}"
    assert got == want, f"{text}: expected {want}, got {got}"


def test_coins_and_permutations_by_rule(device: str) -> None:
    chances = np.array([0, 0.25, 0.5, 0.75, 1, 0.1, 0.9], np.float32)
    halves = halves_of(SEED, 7)
    want = [float(h * 2.0**-32 < p) for h, p in zip(halves, chances.tolist(), strict=True)]
    got = tp.bernoulli(tp.tensor(chances, device=device), generator=seeded(device)).tolist()
    assert got == want, f"bernoulli on {device}: expected {want}, got {got}"
    for count in (1, 2, 13, 100):
        low = (1 << (count - 1).bit_length()) - 1
        keys = sorted((w & (MASK ^ low)) | i for i, w in enumerate(words_of(SEED, count)))
        order = [key & low for key in keys]
        found = tp.randperm(count, device=device, generator=seeded(device)).tolist()
        assert found == order, f"randperm({count}) on {device}: expected {order}, got {found}"


def test_other_bounds_by_rule(device: str) -> None:
    x = tp.empty((9,), device=device).uniform_(-3, 5, generator=seeded(device))
    want = np.array([h * 2.0**-32 * 8.0 - 3.0 for h in halves_of(SEED, 9)], np.float32)
    assert x.tolist() == want.tolist(), f"uniform_(-3, 5) on {device}: {want} != {x.tolist()}"
    y = tp.empty((9,), device=device).normal_(2.0, 3.0, generator=seeded(device))
    normal = 2 + 3 * np.array(normal_by_rule(tp.float32, SEED, 9))
    assert np.allclose(array_of(y), normal, rtol=2e-6), f"normal_(2, 3) on {device}: {y.tolist()}"


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**63 - 1, -1])
def test_seeds_of_all_sizes(device: str, seed: int) -> None:
    want = uniform_by_rule(tp.float32, seed % 2**64, 5)
    got = tp.rand(5, device=device, generator=seeded(device, seed)).tolist()
    assert got == want, f"rand(5) of seed {seed} on {device}: expected {want}, got {got}"
    tp.manual_seed(seed)
    assert tp.rand(5, device=device).tolist() == want, f"manual_seed({seed}) then rand on {device}"


def test_a_draw_starts_at_a_whole_block(device: str) -> None:
    """1, 3 and 9 32-bit numbers take 1, 1 and 2 blocks; nothing takes none."""
    generator = seeded(device)
    start = 0
    for count, blocks in ((1, 1), (3, 1), (0, 0), (9, 2), (8, 1), (4, 1)):
        want = uniform_by_rule(tp.float32, SEED, count, start)
        got = tp.rand(count, device=device, generator=generator).tolist()
        text = f"draw of {count} after {start} blocks on {device}"
        assert got == want, f"{text}: expected {want}, got {got}"
        start += blocks
    state = generator.get_state().cpu().numpy().view("<u8").tolist()
    assert state == [SEED, 0, start, 0], f"state on {device}: {state}"


def test_long_draws_continue_the_short_ones(device: str) -> None:
    count = 70_001
    x = array_of(tp.rand(count, device=device, generator=seeded(device)))
    assert x[:13].tolist() == uniform_by_rule(tp.float32, SEED, 13)
    for first in (32_768, 65_536, 69_992):
        want = uniform_by_rule(tp.float32, SEED, 9, first // 8)
        got = x[first : first + 9].tolist()
        assert got == want, f"rand({count})[{first}:] on {device}: expected {want}, got {got}"
    y = array_of(tp.randn(count, device=device, generator=seeded(device)))
    assert np.allclose(y[:13], normal_by_rule(tp.float32, SEED, 13), rtol=1e-6)


def test_shapes_are_filled_row_by_row(device: str) -> None:
    want = uniform_by_rule(tp.float32, SEED, 12)
    for shape in ((12,), (3, 4), (2, 1, 6)):
        got = tp.rand(*shape, device=device, generator=seeded(device))
        assert got.reshape(-1).tolist() == want
    x = tp.zeros((4, 3), device=device)
    x.t().uniform_(generator=seeded(device))  # in the order of the view's own elements
    assert x.t().reshape(-1).tolist() == want, f"uniform_ of a transposed view on {device}"


# --- independence --------------------------------------------------------------------------------


def test_generators_do_not_share_a_place(device: str) -> None:
    one, two, other = seeded(device), seeded(device), seeded(device, 7)
    want = [uniform_by_rule(tp.float32, SEED, 3, start) for start in range(4)]
    for values in want:
        assert tp.rand(3, device=device, generator=one).tolist() == values
        tp.rand(100, device=device, generator=other)
        tp.rand(5, device=device)
    assert [tp.rand(3, device=device, generator=two).tolist() for _ in want] == want


def test_devices_have_streams_of_their_own(device: str) -> None:
    for other in other_devices(device):
        tp.manual_seed(SEED)
        want = [uniform_by_rule(tp.float32, SEED, 3, start) for start in range(2)]
        first = tp.rand(3, device=device).tolist()
        tp.rand(50, device=other)
        assert [first, tp.rand(3, device=device).tolist()] == want, f"{device} beside {other}"


def test_a_fork_leaves_no_trace(device: str) -> None:
    tp.manual_seed(SEED)
    tp.rand(3, device=device)
    with tp.random.fork_rng():
        tp.rand(99, device=device)
        tp.manual_seed(5)
    assert tp.rand(3, device=device).tolist() == uniform_by_rule(tp.float32, SEED, 3, 1)


# --- distributions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "mean", "spread"),
    [
        ("exponential_", (2.0,), 0.5, 0.5), ("log_normal_", (0.0, 0.25), 1.0317, 0.262),
        ("geometric_", (0.25,), 4.0, 3.4641), ("bernoulli_", (0.3,), 0.3, 0.4583),
        ("random_", (10,), 4.5, 2.8723), ("normal_", (1.0, 2.0), 1.0, 2.0),
        ("uniform_", (-1.0, 3.0), 1.0, 1.1547),
    ],
)  # fmt: skip
def test_moments_of_distributions(
    device: str, name: str, args: tuple[float, ...], mean: float, spread: float
) -> None:
    x = array_of(getattr(tp.empty((20_000,), device=device), name)(*args, generator=seeded(device)))
    text = f"{name}{args} on {device}: mean {x.mean():.4f}, deviation {x.std():.4f}"
    assert abs(x.mean() - mean) < 0.04 * max(spread, 0.3), f"{text}; expected mean {mean}"
    assert abs(x.std() - spread) < 0.05 * spread, f"{text}; expected deviation {spread}"


def test_choices_follow_their_weights(device: str) -> None:
    weights = tp.tensor([1.0, 0.0, 3.0, 6.0], device=device)
    found = tp.multinomial(weights, 20_000, replacement=True, generator=seeded(device))
    counts = np.bincount(found.cpu().numpy(), minlength=4)
    assert counts[1] == 0, f"multinomial on {device} drew a weight of zero"
    assert np.allclose(counts / 20_000, [0.1, 0, 0.3, 0.6], atol=0.01), f"{device}: {counts}"
    rows = tp.multinomial(tp.ones((50, 5), device=device), 5, generator=seeded(device))
    assert np.sort(rows.cpu().numpy(), 1).tolist() == [[0, 1, 2, 3, 4]] * 50
    rates = tp.full((5000,), 3.5, device=device)
    counts = tp.poisson(rates, generator=seeded(device)).cpu().numpy()
    assert abs(counts.mean() - 3.5) < 0.1, f"poisson(3.5) on {device}: mean {counts.mean()}"
    assert (counts == np.floor(counts)).all()


def test_dropout_scales_what_it_keeps(device: str) -> None:
    dropout = tp.nn.functional.dropout
    x = tp.ones((40, 50), device=device, requires_grad=True)
    tp.manual_seed(SEED)
    y = dropout(x, 0.2)
    values = np.unique(array_of(y))
    assert np.allclose(values, [0, 1.25]), f"dropout(ones, 0.2) on {device}: {values}"
    kept = (array_of(y) != 0).mean()
    assert abs(kept - 0.8) < 0.03, f"dropout 0.2 on {device} kept {kept}"
    y.sum().backward()
    same = bool((x.grad == y).all())
    assert same, f"dropout on {device}: the gradient has another mask than the result"
    assert array_of(dropout(x, 0.0)).min() == 1
    assert array_of(dropout(x, 1.0)).max() == 0
    assert array_of(dropout(x, 0.5, training=False)).min() == 1
    channels = array_of(tp.nn.functional.dropout2d(tp.ones((8, 16, 3, 3), device=device), 0.5))
    spread = channels.reshape(8, 16, 9)
    assert (spread == spread[:, :, :1]).all(), f"dropout2d on {device} broke a channel"


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("bernoulli", (np.array([0.5, 1.5], np.float32),)),
        ("bernoulli", (np.array([0.5, np.nan], np.float32),)),
        ("bernoulli", (np.array([1, 0]),)), ("poisson", (np.array([-1.0], np.float32),)),
        ("multinomial", (np.array([0.0, 0.0], np.float32), 1)),
        ("multinomial", (np.array([1.0, -1.0], np.float32), 1)),
        ("multinomial", (np.array([1.0, 0.0], np.float32), 2)),
        ("multinomial", (np.array([1.0, np.inf], np.float32), 1)),
        ("nn.functional.dropout", (np.ones(3, np.float32), 1.5)),
        ("nn.functional.dropout", (np.ones(3, np.float32), -0.1)),
        ("randperm", (-1,)), ("normal", (0.0, -1.0, (2,))), ("rand", ((-1,),)),
        ("Tensor.exponential_", (np.ones(3, np.float32), -1.0)),
        ("Tensor.uniform_", (np.ones(3, np.float32), 2.0, 1.0)),
        ("Tensor.normal_", (np.ones(3, np.float32), 0.0, -1.0)),
        ("Tensor.geometric_", (np.ones(3, np.float32), 0.0)),
    ],
)  # fmt: skip
def test_parameters_that_have_no_meaning(device: str, name: str, args: tuple[Any, ...]) -> None:
    refuses(device, name, *args)


@pytest.mark.parametrize("seed", ["text", None, 2**64, -(2**63) - 1, [1]])
def test_what_is_no_seed_is_refused(device: str, seed: Any) -> None:
    generator = seeded(device)
    with pytest.raises((RuntimeError, TypeError, ValueError), match="manual_seed"):
        generator.manual_seed(seed)
    assert tp.rand(2, device=device, generator=generator).tolist() == uniform_by_rule(
        tp.float32, SEED, 2
    )


@pytest.mark.parametrize("state", [tp.zeros(31, dtype=tp.uint8), tp.zeros(32), "text"])
def test_what_is_no_state_is_refused(device: str, state: Any) -> None:
    generator = seeded(device)
    with pytest.raises((RuntimeError, TypeError)):
        generator.set_state(state)
    assert tp.rand(2, device=device, generator=generator).tolist() == uniform_by_rule(
        tp.float32, SEED, 2
    )


def test_a_generator_serves_every_device(device: str) -> None:
    for other in other_devices(device):
        got = tp.rand(3, device=device, generator=seeded(other)).tolist()
        assert got == uniform_by_rule(tp.float32, SEED, 3)

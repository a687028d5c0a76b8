"""Generators, random tensors and in-place fills, as users call them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp

FLOATS = (tp.float16, tp.bfloat16, tp.float32, tp.float64)
DEVICES = ("cpu", "strict:0")


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with tp.random.fork_rng():
        tp.manual_seed(0)
        yield


def same(x: tp.Tensor, y: tp.Tensor) -> bool:
    return x.dtype is y.dtype and x.cpu().tolist() == y.cpu().tolist()


# --- generators ------------------------------------------------------------------------------


def test_a_seed_gives_documented_numbers() -> None:
    words = np.random.Philox(key=[2024, 0]).random_raw(4)
    expected = (words.view(np.uint32)[:5] >> 8) * 2.0**-24
    tp.manual_seed(2024)
    assert tp.rand(5).tolist() == expected.tolist()


def test_manual_seed_returns_the_generator_and_repeats() -> None:
    first = [tp.manual_seed(3), tp.rand(3), tp.randn(3), tp.randint(9, (3,)), tp.randperm(5)]
    again = [tp.manual_seed(3), tp.rand(3), tp.randn(3), tp.randint(9, (3,)), tp.randperm(5)]
    assert first[0] is again[0] is tp.default_generator
    assert all(same(x, y) for x, y in zip(first[1:], again[1:], strict=True))
    assert tp.initial_seed() == 3
    assert not same(tp.rand(3), first[1])


def test_seeds_are_taken_modulo_64_bits() -> None:
    assert tp.manual_seed(-1).initial_seed() == 2**64 - 1
    for wrong in (2**64, -(2**63) - 1):
        with pytest.raises(RuntimeError, match=f"expected a seed of 64 bits.*got {wrong}"):
            tp.manual_seed(wrong)


def test_seed_is_not_foreseen() -> None:
    found = {tp.seed() for _ in range(3)}
    assert len(found) == 3
    assert tp.initial_seed() in found
    assert tp.Generator().seed() != tp.Generator().seed()


def test_generators_are_independent() -> None:
    expected = tp.rand(6)
    tp.manual_seed(0)
    g, h = tp.Generator().manual_seed(0), tp.Generator()
    assert same(tp.rand(6, generator=g), expected)
    tp.rand(100, generator=h)
    assert same(tp.rand(6), expected)
    assert g.device == tp.device("cpu")
    assert h.initial_seed() == 67280421310721  # as torch's


def test_state_restores_the_position() -> None:
    tp.rand(3)
    state = tp.get_rng_state()
    assert state.dtype is tp.uint8
    assert state.device == tp.device("cpu")
    first = tp.randn(5)
    tp.set_rng_state(state)
    assert same(tp.randn(5), first)
    g = tp.Generator().set_state(state)
    assert same(tp.randn(5, generator=g), first)
    with pytest.raises(RuntimeError, match="expected a uint8 tensor of shape"):
        g.set_state(state[:5])
    with pytest.raises(TypeError, match="expected a uint8 tensor, got list"):
        g.set_state([1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, tp.Generator.clone_state,
                                    lambda g: pickle.loads(pickle.dumps(g))])  # fmt: skip
def test_a_copy_goes_its_own_way(copied: Callable[[tp.Generator], tp.Generator]) -> None:
    g = tp.Generator("cpu").manual_seed(5)
    tp.rand(3, generator=g)
    h = copied(g)
    assert repr(h) == repr(g) == "Generator(device='cpu', seed=5, counter=1)"
    first = tp.rand(3, generator=g)
    assert same(tp.rand(3, generator=h), first)


def test_fork_rng_leaves_no_trace() -> None:
    expected = tp.rand(3)
    tp.manual_seed(0)
    with tp.random.fork_rng():
        assert same(tp.rand(3), expected)
        tp.manual_seed(99)
        tp.rand(3, device="strict:0")
    assert tp.initial_seed() == 0
    assert same(tp.rand(3), expected)
    assert same(tp.rand(3, device="strict:0"), expected)
    with tp.random.fork_rng(enabled=False):
        tp.manual_seed(99)
    assert tp.initial_seed() == 99


def test_wrong_generator_is_refused() -> None:
    with pytest.raises(TypeError, match=r"rand: expected generator to be a tp.Generator, got int"):
        tp.rand(3, generator=1)  # type: ignore[arg-type]


# --- the same numbers everywhere -------------------------------------------------------------


def program(device: str) -> list[tp.Tensor]:
    """One of everything, on one device."""
    p = tp.full((7,), 0.3, device=device)
    x = tp.zeros(7, device=device)
    return [
        tp.rand(5, device=device),
        tp.rand(5, device=device, dtype=tp.float64),
        tp.randn(5, 3, device=device),
        tp.randint(-3, 10**12, (5,), device=device),
        tp.randperm(9, device=device),
        tp.normal(p, 2.0),
        tp.bernoulli(p),
        tp.multinomial(p, 4),
        tp.poisson(p),
        *[fill(x.clone()) for fill in FILLS],
    ]


FILLS: list[Callable[[tp.Tensor], tp.Tensor]] = [
    lambda x: x.uniform_(-1, 1),
    lambda x: x.normal_(1, 2),
    lambda x: x.random_(),
    lambda x: x.bernoulli_(0.25),
    lambda x: x.exponential_(2),
    lambda x: x.cauchy_(),
    lambda x: x.geometric_(0.5),
    lambda x: x.log_normal_(),
]


def test_devices_agree_bit_for_bit() -> None:
    tp.manual_seed(11)
    first, second = (program(device) for device in DEVICES)
    assert all(str(x.device) == "strict:0" for x in second)
    assert all(same(x, y) for x, y in zip(first, second, strict=True))


def test_a_generator_serves_any_device() -> None:
    g = tp.Generator().manual_seed(1)
    x = tp.rand(3, generator=g, device="strict:0")
    assert same(x, tp.rand(3, generator=g.manual_seed(1)))


# --- creation --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_rand_and_randn_in_every_float_type(dtype: tp.dtype) -> None:
    x, z = tp.rand(4000, dtype=dtype), tp.randn(4000, dtype=dtype)
    assert x.dtype is z.dtype is dtype
    values = np.array(x.tolist())
    assert 0.0 <= values.min() < 0.01
    assert 0.98 < values.max() < 1.0
    assert np.array(z.tolist()).std() == pytest.approx(1.0, abs=0.05)


def test_complex_numbers_have_unit_variance() -> None:
    values = np.array(tp.randn(20000, dtype=tp.complex64).tolist())
    assert np.mean(np.abs(values) ** 2) == pytest.approx(1.0, abs=0.03)
    shifted = np.array(tp.normal(3.0, 0.5, (20000,), dtype=tp.complex128).tolist())
    assert shifted.mean() == pytest.approx(3.0, abs=0.02)
    assert np.all(np.array(tp.rand(9, dtype=tp.complex64).tolist()).imag >= 0)


def test_sizes_by_all_spellings() -> None:
    for x in (tp.rand(2, 3), tp.rand((2, 3)), tp.rand([2, 3]), tp.rand(size=(2, 3)),
              tp.randn(tp.zeros(2, 3).shape), tp.randint(5, (2, 3)), tp.randint(0, 5, (2, 3)),
              tp.randint(high=5, size=(2, 3)), tp.randint(2, high=5, size=[2, 3]),
              tp.randint(low=0, high=5, size=(2, 3))):  # fmt: skip
        assert x.shape == (2, 3)
    assert tp.rand(()).shape == tp.rand().shape == ()
    assert tp.rand(0, 3).shape == (0, 3)
    for wrong in ((5,), (5, 6), (0, 5, (2,), (2,))):
        with pytest.raises(TypeError, match="randint: expected"):
            tp.randint(*wrong)


def test_keyword_arguments_of_creation() -> None:
    x = tp.rand(3, requires_grad=True)
    assert x.requires_grad
    assert x.is_leaf
    out = tp.zeros(3, dtype=tp.float64)
    assert tp.rand(3, out=out) is out
    assert out.sum() > 0
    perm = tp.zeros(4, dtype=tp.int64)
    assert sorted(tp.randperm(4, out=perm).tolist()) == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="requires_grad"):
        tp.randint(3, (2,), requires_grad=True)


def test_like_functions_take_shape_type_and_device() -> None:
    x = tp.zeros(2, 3, dtype=tp.float64, device="strict:0")
    for y in (tp.rand_like(x), tp.randn_like(x), tp.randint_like(x, 5), tp.randint_like(x, 2, 5)):
        assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    assert tp.rand_like(x, dtype=tp.float32, device="cpu").device == tp.device("cpu")
    assert tp.randint_like(x, low=2, high=3).tolist() == [[2.0] * 3] * 2


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: tp.rand(3, dtype=tp.int64), "rand: expected a floating-point or complex dtype"),
        (lambda: tp.randn(3, dtype=tp.bool), "randn: .* got tensorplug.bool"),
        (lambda: tp.randint(5, 5, (2,)), "low < high, got low=5 and high=5"),
        (lambda: tp.randint(300, (2,), dtype=tp.uint8), "from 0 to 255.*out of bounds"),
        (lambda: tp.randint(-1, 3, (2,), dtype=tp.uint8), "out of bounds"),
        (lambda: tp.randint(2**12, (2,), dtype=tp.float16), "from -2048 to 2048"),
        (lambda: tp.randperm(-1), "n of 0 or more, got -1"),
        (lambda: tp.randperm(300, dtype=tp.uint8), "fit tensorplug.uint8, got n=300"),
        (lambda: tp.rand(-1), "negative dimension"),
        (lambda: tp.normal(0.0, -1.0, (2,)), "standard deviation >= 0, got -1.0"),
        (lambda: tp.normal(0.0, tp.tensor([-1.0])), "std >= 0.0"),
        (lambda: tp.bernoulli(tp.tensor([2.0])), r"probabilities in \[0, 1\], got 2.0"),
        (lambda: tp.bernoulli(tp.tensor([1])), "expected a floating-point dtype"),
        (lambda: tp.poisson(tp.tensor([-1.0])), "not negative, got -1.0"),
        (lambda: tp.multinomial(tp.zeros(3), 1), "positive probabilities"),
        (lambda: tp.multinomial(tp.ones(3), 4), "cannot sample n_sample"),
        (lambda: tp.multinomial(tp.ones(3), 0), "num_samples > 0, got 0"),
        (lambda: tp.multinomial(tp.ones(2, 2, 2), 1), "1 or 2 dimensions"),
        (lambda: tp.multinomial(tp.ones(2), 1, out=tp.zeros(1)), "an int64 out, got tensorplug.f"),
        (lambda: tp.zeros(2).uniform_(2, 1), "from <= to, got from=2 and to=1"),
        (lambda: tp.zeros(2).uniform_(-1e308, 1e308), "finite range"),
        (lambda: tp.zeros(2, dtype=tp.int64).uniform_(), "uniform_: expected a floating"),
        (lambda: tp.zeros(2).normal_(0, -1), "normal_: .* >= 0, got -1"),
        (lambda: tp.zeros(2).exponential_(0), "lambd > 0.0, got 0"),
        (lambda: tp.zeros(2).geometric_(1), r"p in \(0, 1\), got 1"),
        (lambda: tp.zeros(2).cauchy_(0, 0), "sigma > 0.0"),
        (lambda: tp.zeros(2).log_normal_(0, 0), "std > 0.0"),
        (lambda: tp.zeros(2).bernoulli_(1.5), "bernoulli_?: expected probabilities"),
        (lambda: tp.zeros(2, dtype=tp.int8).random_(0, 200), "from -128 to 127"),
    ],
)  # fmt: skip
def test_impossible_requests_are_named(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(RuntimeError, match=match):
        call()


def test_wrong_kinds_of_arguments_are_type_errors() -> None:
    for call, match in (
        (lambda: tp.normal(0.0, 1.0), "expected a size with two numbers"),
        (lambda: tp.normal(tp.zeros(2), 1.0, (2,)), "none with tensors"),
        (lambda: tp.bernoulli(0.5), "expected input to be a tensor, got float"),
        (lambda: tp.zeros(2).uniform_(0, 1, 2), "from and to, each once"),
        (lambda: tp.zeros(2).uniform_(low=0), "from and to"),
        (lambda: tp.zeros(2).random_(0, to=5, **{"from": 1}), "from and to"),
    ):
        with pytest.raises(TypeError, match=match):
            call()


# --- distributions and fills -----------------------------------------------------------------


def test_normal_broadcasts() -> None:
    mean, std = tp.tensor([0.0, 100.0]), tp.tensor([[0.0], [1.0], [0.0]])
    x = tp.normal(mean, std)
    assert x.shape == (3, 2)
    assert x[0].tolist() == x[2].tolist() == [0.0, 100.0]
    assert tp.normal(mean).shape == (2,)
    assert tp.normal(5.0, tp.zeros(3)).tolist() == [5.0] * 3
    assert tp.normal(2.0, 0.0, (2,)).tolist() == [2.0, 2.0]
    assert tp.normal(mean, 1.0, out=tp.zeros(2)).shape == (2,)


def test_bernoulli_overloads() -> None:
    p = tp.tensor([0.0, 1.0, 0.0])
    assert tp.bernoulli(p).tolist() == p.bernoulli().tolist() == [0.0, 1.0, 0.0]
    assert tp.bernoulli(p, 1.0).tolist() == [1.0] * 3
    x = tp.zeros(2, 3, dtype=tp.int64)
    assert x.bernoulli_(p) is x
    assert x.tolist() == [[0, 1, 0]] * 2
    assert tp.zeros(2, dtype=tp.bool).bernoulli_(1.0).tolist() == [True, True]


def test_multinomial_shapes() -> None:
    weights = tp.tensor([[0.0, 1.0, 2.0], [5.0, 0.0, 0.0]])
    found = weights.multinomial(4, replacement=True)
    assert (found.shape, found.dtype) == ((2, 4), tp.int64)
    assert found[1].tolist() == [0] * 4
    assert tp.multinomial(tp.ones(5), 5).sort().values.tolist() == [0, 1, 2, 3, 4]


def test_random_covers_the_range_of_the_type() -> None:
    for dtype, low, high in ((tp.uint8, 0, 255), (tp.int8, 0, 127), (tp.bool, 0, 1),
                             (tp.bfloat16, 0, 256)):  # fmt: skip
        values = tp.zeros(20000, dtype=dtype).random_().tolist()
        assert (min(values), max(values)) == (low, high)
    assert set(tp.zeros(100).random_(3).tolist()) == {0.0, 1.0, 2.0}
    assert set(tp.zeros(100).random_(3, 5).tolist()) == {3.0, 4.0}
    assert set(tp.zeros(100).random_(3, to=5).tolist()) == {3.0, 4.0}
    assert set(tp.zeros(100).random_(to=2, **{"from": 1}).tolist()) == {1.0}
    assert min(tp.zeros(9, dtype=tp.int64).random_().tolist()) > 2**40


def test_fills_write_through_views() -> None:
    x = tp.zeros(4, 4)
    x[1:3, ::2].uniform_(1, 2)
    assert int((x > 0).sum()) == 4
    with pytest.raises(RuntimeError, match="single memory location"):
        tp.zeros(1).expand(3).normal_()


# --- autograd --------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", FILLS)
def test_fills_have_zero_gradient(fill: Callable[[tp.Tensor], tp.Tensor]) -> None:
    x = tp.ones(3, requires_grad=True)
    y = x * 2.0
    assert fill(y) is y
    assert y.requires_grad
    (y * 3.0).sum().backward()
    assert x.grad.tolist() == [0.0] * 3


def test_draws_have_zero_gradient() -> None:
    p = tp.full((4,), 0.5, requires_grad=True)
    q = tp.full((2, 1), 0.5, requires_grad=True)
    for y, name in (
        (tp.bernoulli(p), "BernoulliBackward0"),
        (tp.poisson(p), "PoissonBackward0"),
        (tp.normal(p, q), "NormalBackward0"),
    ):
        assert type(y.grad_fn).__name__ == name
        y.sum().backward()
    assert p.grad.tolist() == [0.0] * 4
    assert q.grad.tolist() == [[0.0]] * 2
    assert not tp.multinomial(p, 2).requires_grad
    assert not tp.rand_like(p).requires_grad


def test_leaves_are_filled_only_without_grad() -> None:
    x = tp.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x.normal_()
    with tp.no_grad():
        x.normal_()
    assert x.requires_grad
    assert x.is_leaf
    assert x.tolist() != [1.0] * 3


def test_a_mask_can_be_drawn_again() -> None:
    x = tp.ones(50)
    state = tp.get_rng_state()
    first = tp.bernoulli(x, 0.8)
    tp.rand(3)
    tp.set_rng_state(state)
    assert same(tp.bernoulli(x, 0.8), first)

"""Random numbers: the same on every device, from the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import Call
from tensorplug.conformance.samples import Case, Sample, cases, samples_of, supports, tensors_in

SEED = 1234


def draws() -> Iterator[Case]:
    """The functions that draw random numbers."""
    types = (tp.float32, tp.float64, tp.int64)
    return (case for case in cases(lambda dtype: dtype in types) if case.public.random)


def draw(case: Case, sample: Sample, device: str) -> list[np.ndarray]:
    with tp.device(device):
        found = tensors_in([case.public.call(*sample.args, **sample.kwargs)])
    return [x.detach().cpu().numpy() for x in found]


def reads_nothing(case: Case, sample: Sample) -> bool:
    """Whether the function draws nothing, as ``empty``: its values say nothing."""
    before = tp.get_rng_state().tolist()
    draw(case, sample, "cpu")
    return tp.get_rng_state().tolist() == before


@pytest.mark.cases(make=draws)
def test_a_seed_gives_the_numbers_of_cpu(case: Case, device: str) -> None:
    mine, theirs = (samples_of(case.public, name, case.dtype) for name in (device, "cpu"))
    for sample, there in zip(mine, theirs, strict=True):
        if reads_nothing(case, there):
            continue
        tp.manual_seed(SEED)
        want = draw(case, there, "cpu")
        for _ in range(2):
            tp.manual_seed(SEED)
            got = draw(case, sample, device)
            for g, w in zip(got, want, strict=True):
                close = g.shape == w.shape and g.dtype == w.dtype and _equal(g, w)
                text = Call(case, sample, device).fails(f"expected {w!r}, got {g!r}")
                assert close, text


def _equal(got: np.ndarray, want: np.ndarray) -> bool:
    """Equal to the last bit, or the one before it: normals pass through log and cos."""
    if got.dtype.kind not in "fc":
        return bool((got == want).all())
    with np.errstate(all="ignore"):
        return bool(np.allclose(got, want, rtol=4 * np.finfo(got.dtype).eps, equal_nan=True))


def test_uniform_bits_are_those_of_cpu(device: str) -> None:
    for make in (lambda d: tp.rand(1000, device=d), lambda d: tp.randint(0, 2**40, (50,), device=d),
                 lambda d: tp.randperm(100, device=d)):  # fmt: skip
        tp.manual_seed(SEED)
        want = make("cpu").numpy()
        tp.manual_seed(SEED)
        assert (make(device).cpu().numpy() == want).all()


LONG: dict[str, Any] = {
    "rand": lambda n, d: tp.rand(n, device=d), "randn": lambda n, d: tp.randn(n, device=d),
    "randint": lambda n, d: tp.randint(0, 1000, (n,), device=d),
    "bernoulli": lambda n, d: tp.bernoulli(tp.full((n,), 0.5, device=d)),
}  # fmt: skip
"""Draws of so many numbers."""


@pytest.mark.parametrize("name", LONG)
def test_long_draws_are_those_of_cpu(device: str, name: str) -> None:
    """Beyond 2**16 words and blocks of any size, and what is drawn after them."""
    count = 300_007
    found = []
    for where in ("cpu", device):
        tp.manual_seed(SEED)
        found.append(LONG[name](count, where).cpu().numpy())
        found.append(LONG[name](5, where).cpu().numpy())
    for got, want in zip(found[2:], found[:2], strict=True):
        # Normals that nearly cancel differ by more than a unit of themselves.
        same = np.isclose(got, want, rtol=1e-6, atol=1e-6)
        at = int(same.argmin())
        assert same.all(), (
            f"{name} of {len(want)} on {device}: expected {want[at]} at {at}, as on cpu, got "
            f"{got[at]}"
        )
    parts = found[2][: count // 4 * 4].reshape(4, -1)
    assert name == "bernoulli" or not (parts[0] == parts[1]).all()


def test_uniform_numbers_are_below_one(device: str) -> None:
    tp.manual_seed(SEED)
    for dtype in (tp.float16, tp.float32):
        if supports(device, dtype):
            x = tp.rand(20000, dtype=dtype, device=device).to(tp.float32)
            assert (x.min().item() >= 0, x.max().item() < 1) == (True, True)


def test_moments(device: str) -> None:
    tp.manual_seed(SEED)
    x = tp.randn(20000, device=device).cpu().numpy()
    assert abs(x.mean()) < 0.03
    assert abs(x.std() - 1) < 0.03
    counts = np.bincount(tp.randint(0, 6, (12000,), device=device).cpu().numpy(), minlength=6)
    assert (abs(counts - 2000) < 200).all()


def test_every_draw_moves_on(device: str) -> None:
    tp.manual_seed(SEED)
    one, two = tp.randn(5, device=device).tolist(), tp.randn(5, device=device).tolist()
    assert one != two
    tp.manual_seed(SEED)
    assert [tp.randn(5, device=device).tolist() for _ in range(2)] == [one, two]


def test_reseeding_forgets_everything(device: str) -> None:
    tp.manual_seed(SEED)
    want = tp.randn(2, device=device).tolist()
    tp.manual_seed(SEED)
    tp.randn(1, device=device)
    tp.manual_seed(SEED)
    assert tp.randn(2, device=device).tolist() == want


def test_generators_are_independent(device: str) -> None:
    one, two = (tp.Generator(device).manual_seed(seed) for seed in (1, 1))
    tp.manual_seed(SEED)
    want = tp.rand(3, device=device).tolist()
    tp.manual_seed(SEED)
    first = tp.rand(3, device=device, generator=one).tolist()
    assert tp.rand(3, device=device).tolist() == want
    assert tp.rand(3, device=device, generator=two).tolist() == first
    assert tp.rand(3, device=device, generator=two).tolist() != first


def test_the_state_can_be_kept_and_put_back(device: str) -> None:
    generator = tp.Generator(device).manual_seed(SEED)
    tp.randn(3, device=device, generator=generator)
    state = generator.get_state()
    want = tp.randn(4, device=device, generator=generator).tolist()
    tp.randn(10, device=device, generator=generator)
    generator.set_state(state)
    assert tp.randn(4, device=device, generator=generator).tolist() == want


@pytest.mark.parametrize("name", ["uniform_", "normal_", "random_", "bernoulli_", "exponential_"])
def test_filling_in_place(device: str, name: str) -> None:
    want: Any = None
    for where in ("cpu", device):
        tp.manual_seed(SEED)
        x = tp.zeros((3, 4), device=where)
        assert getattr(x.t(), name)() is not x
        values = x.cpu().numpy()
        want = values if want is None else want
        assert values.any()
        assert _equal(values, want), f"{name}: expected {want}, got {values}"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda d: tp.rand(2, generator=7, device=d),
        lambda d: tp.randint(5, 5, (2,), device=d),
        lambda d: tp.randn(2, dtype=tp.int64, device=d),
        lambda d: tp.manual_seed("text"),
        lambda d: tp.Generator(d).set_state(tp.zeros(3)),
    ],
)
def test_what_cannot_be_drawn_is_refused(device: str, wrong: Any) -> None:
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        wrong(device)

"""No call depends on the calls before it, and no result on the calls after it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import few
from tensorplug.conformance.reference import Call, compare, expected
from tensorplug.conformance.samples import (
    Case,
    Sample,
    dtypes_of,
    first_cases,
    samples_of,
    tensors_in,
)

pytestmark = [pytest.mark.needs("deterministic"), pytest.mark.shared]

REFUSALS = (RuntimeError, TypeError, ValueError, IndexError)


def fixed() -> Iterator[Case]:
    """Functions whose results are functions of their arguments."""
    made = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided")
    return first_cases(
        lambda p: not p.random and not p.name.endswith("_") and p.name not in made
    )  # fmt: skip


def run(case: Case, sample: Sample, device: str) -> Any:
    with tp.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case.public.call(*sample.args, **sample.kwargs)


def bits(value: Any) -> list[Any]:
    """The results as plain values, of which equal ones are the same to the last bit."""
    return [(x.dtype.name, tuple(x.shape), exact(x)) for x in tensors_in([value])]


def exact(x: tp.Tensor) -> bytes:
    return np.ascontiguousarray(x.detach().cpu().numpy()).tobytes()


@pytest.mark.cases(make=fixed)
def test_the_same_call_gives_the_same_bits_whatever_came_between(
    case: Case, device: str, thorough: bool
) -> None:
    samples = few(device, samples_of(case.public, device, case.dtype), thorough, one_of=3)
    results = [run(case, sample, device) for sample in samples]
    first = [bits(found) for found in results]
    for sample, found, want in reversed(list(zip(samples, results, first, strict=True))):
        call = Call(case, sample, device)
        again = run(case, sample, device)
        same = bits(again) == want
        assert same, call.fails(f"expected {found!r} as at the first call, got {again!r}")
        assert bits(found) == want, call.fails("a result was changed by a later call")


@pytest.mark.cases(make=fixed)
def test_other_values_of_the_same_shapes_give_other_results(case: Case, device: str) -> None:
    """Each result is that of its own arguments: those made before, after, and at the same place."""
    keep: list[tuple[Any, Any]] = []
    for seed in (0, 1):
        mine, theirs = (
            few(name, samples_of(case.public, name, case.dtype, seed), False)
            for name in (device, "cpu")
        )
        for sample, there in zip(mine[-2:], theirs[-2:], strict=False):
            if repr(sample) != repr(there):
                continue  # cpu makes more of them than a device that compiles
            want, source = expected(case.public, there)
            with tp.device(device), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                got = case.public.tested(*sample.args, **sample.kwargs)
            problem = compare(got, want, case.dtype)
            assert problem is None, Call(case, sample, device).fails(
                f"seed {seed}: {problem}", source
            )
            keep.append((got, bits(got)))
        del mine, theirs, sample, there  # so that the next ones may lie where these were
    assert all(bits(got) == old for got, old in keep), f"{case}: a later call changed a result"


@pytest.mark.cases(make=fixed)
def test_a_call_after_its_arguments_were_written_to_sees_them(case: Case, device: str) -> None:
    """Nothing is remembered by the identity of a tensor."""
    for sample in few(device, samples_of(case.public, device, case.dtype), False, one_of=3)[-1:]:
        others = samples_of(case.public, device, case.dtype, seed=5)
        same = [s for s in others if _shapes(s) == _shapes(sample)]
        if not same or not sample.tensors():
            continue
        mine = sample.map(lambda x: x.detach().clone())
        before = run(case, mine, device)
        old = bits(before)
        views = any(x.untyped_storage() == y.untyped_storage()
                    for x in tensors_in([before]) for y in mine.tensors())  # fmt: skip
        for x, y in zip(mine.tensors(), same[0].tensors(), strict=True):
            x.copy_(y)
        call = Call(case, mine, device)
        got, want = run(case, mine, device), run(case, same[0], device)
        problem = bits(got) == bits(want)
        assert problem, call.fails(
            f"after a write to the arguments: expected {want!r}, got {got!r}"
        )
        assert views or bits(before) == old, call.fails("a result changed with the arguments")


def _shapes(sample: Sample) -> str:
    """The arguments without the values of the tensors."""
    return repr(sample.map(lambda x: (tuple(x.shape), x.dtype)))


# --- arguments that are equal, but not the same ---------------------------------------------------

LOOKALIKES = [1, 1.0, True, 0, -0.0, 0.0, False, 1, -1, -1.0]
"""Numbers of which Python thinks that they are equal, or that hash alike."""


def test_numbers_that_look_alike_are_told_apart(device: str) -> None:
    for _ in range(2):
        for number in LOOKALIKES:
            for dtype in (tp.int64, tp.float32, tp.bool):
                x = tp.ones(3, dtype=dtype, device=device)
                got = x * number
                kinds = ("bool", "int", "float")
                rank = max(kinds.index(dtype.kind), kinds.index(type(number).__name__))
                want = (tp.bool, tp.int64, tp.float32)[rank]
                text = f"ones(3, {dtype}) * {number!r} on {device}"
                assert got.dtype is want, f"{text}: expected {want}, got {got.dtype}"
                value = got[0].item()
                assert value == 1 * number, f"{text}: expected {number}, got {value}"
                minus = math.copysign(1, number) < 0
                alike = rank < 2 or (math.copysign(1, value) < 0) == minus
                assert alike, f"{text}: expected the sign of {number!r}, got {value!r}"


def test_calls_on_equal_shapes_of_other_types_are_told_apart(device: str) -> None:
    """Whatever is kept for a shape is kept for its type, and for its strides, too."""
    order = [d for d in dtypes_of(device) if d is not tp.bool]
    for dtypes in (order, order[::-1], order[::2] + order):
        for dtype in dtypes:
            a = (np.arange(12) % 5 + 1).reshape(3, 4).astype(dtype.numpy)
            x = tp.tensor(a, device=device)
            for name, got, want in (
                ("x + x", x + x, a + a),
                ("x.T.clone()", x.T.clone(), a.T),
                ("x[::-1] * 2", x[::-1] * 2, a[::-1] * np.asarray(2, a.dtype)),
                ("where", tp.where(x > 2 if not dtype.is_complex else x != 1, x, x + x),
                 np.where(a > 2 if not dtype.is_complex else a != 1, a, a + a)),
                ("x[1]", x[1], a[1]), ("cat", tp.cat([x, x]), np.concatenate([a, a])),
            ):  # fmt: skip
                text = f"{name} of {dtype} on {device}"
                assert got.dtype is dtype, f"{text}: got {got.dtype}"
                ours = got.cpu().numpy()
                assert (ours == want).all(), f"{text}: expected {want.tolist()}, got {got.tolist()}"


def test_shapes_that_are_told_apart_only_by_where_they_break(device: str) -> None:
    a = np.arange(12, dtype=np.float32)
    for shape in [(3, 4), (4, 3), (2, 6), (6, 2), (12,), (1, 12), (12, 1), (2, 3, 2), (3, 4)]:
        x, b = tp.tensor(a.reshape(shape), device=device), a.reshape(shape)
        for dim in range(len(shape)):
            for keepdim in (False, True, False):
                got = x.sum(dim, keepdim=keepdim)
                want = b.sum(dim, keepdims=keepdim)
                text = f"sum({shape}, {dim}, {keepdim}) on {device}"
                assert tuple(got.shape) == want.shape, f"{text}: got shape {tuple(got.shape)}"
                assert got.tolist() == want.tolist(), f"{text}: expected {want}, got {got}"


def test_lists_and_arrays_may_change_between_calls(device: str) -> None:
    x = tp.tensor(np.arange(24, dtype=np.float32).reshape(2, 3, 4), device=device)
    dims, at, values = [0, 1], [0, 1], np.zeros(3, np.float32)
    for step in range(3):
        dims[:] = [step % 3, (step + 1) % 3]
        at[:] = [step % 2, 1 - step % 2]
        values[:] = step
        a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        assert x.sum(dims).tolist() == a.sum(tuple(dims)).tolist(), f"sum over {dims}"
        assert x[at].tolist() == a[at].tolist(), f"x[{at}]"
        assert tp.tensor(values, device=device).tolist() == values.tolist()
        assert tp.tensor(at, device=device).tolist() == at


def test_new_tensors_in_the_place_of_old_ones_are_not_taken_for_them(device: str) -> None:
    for i in range(20):
        x = tp.full((7,), float(i), device=device)
        index = tp.tensor([i % 7], device=device)
        total, picked, product = x.sum(), tp.arange(7, device=device)[index], x @ x
        del x, index
        found = total.item(), picked.item(), product.item()
        assert found == (7 * i, i % 7, 7 * i * i), f"round {i} on {device}: got {found}"


# --- errors ---------------------------------------------------------------------------------------

FAILING = {
    "shapes": lambda x: x + tp.ones(5, device=x.device),
    "index": lambda x: x[9],
    "indices": lambda x: x[tp.tensor([0, 9], device=x.device)].cpu(),
    "matmul": lambda x: x @ tp.ones(5, 2, device=x.device),
    "dimension": lambda x: x.sum(7),
    "view": lambda x: x.view(7),
    "cat": lambda x: tp.cat([x, x[0]]),
    "conv": lambda x: tp.nn.functional.conv2d(x, x),
    "in-place": lambda x: x.add_(tp.ones(5, device=x.device)),
    "item": lambda x: x.item(),
    "number": lambda x: x + "1",
}


@pytest.mark.parametrize("kind", FAILING)
def test_an_error_leaves_nothing_behind(device: str, kind: str) -> None:
    """The same calls give the same before and after it, and it is raised every time."""
    a = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    x = tp.tensor(a, device=device)
    before = bits([x + x, x.sum(0), x.T @ x, tp.cat([x, x])])
    for _ in range(3):
        with pytest.raises(REFUSALS):
            FAILING[kind](x)
        after = bits([x + x, x.sum(0), x.T @ x, tp.cat([x, x])])
        assert after == before, f"after a wrong {kind} on {device}: other results than before"
        assert x.tolist() == a.tolist(), f"a wrong {kind} on {device} changed its argument"


# --- gradients ------------------------------------------------------------------------------------


def test_gradients_are_the_same_every_time(device: str) -> None:
    a = np.linspace(-1, 1, 35, dtype=np.float32).reshape(5, 7)
    seen = []
    for _ in range(3):
        x = tp.tensor(a, device=device, requires_grad=True)
        w = tp.tensor(a.T.copy(), device=device, requires_grad=True)
        index = tp.tensor([0, 2, 2, 4, 0], device=device)
        loss = ((x @ w).tanh()[index] * x[:, :5]).softmax(1).log().sum()
        loss.backward()
        seen.append(bits([loss, x.grad, w.grad]))
    assert seen[0] == seen[1] == seen[2], f"three equal steps on {device} gave other gradients"

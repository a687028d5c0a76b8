"""Derivatives of every function: first and second order, and what has none.

The quick profile compares slopes along random directions, where each derivative costs two
evaluations; the thorough one compares every element of the Jacobians.
"""

from __future__ import annotations

import gc
import inspect
import math
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import Call, array_of
from tensorplug.conformance.samples import Case, Sample, cases, map_tensors, samples_of, tensors_in

WIDE = (tp.float64, tp.complex128)
STEP = 1e-6
LARGE = 400
"""Samples of more elements than this are left to the forward tests."""

WHOLE = 64
"""Up to so many elements the derivative by each is compared, in thorough runs."""

NO_DERIVATIVE = {
    "nn.functional.embedding": ("padding_idx", "scale_grad_by_freq"),
    "nn.functional.embedding_bag": ("scale_grad_by_freq",),
}
"""Arguments that ask for something else than the derivative, by function."""


def smooth() -> Iterator[Case]:
    return (case for case in cases(lambda dtype: dtype in WIDE) if not case.public.random)


def whole() -> Iterator[Case]:
    return (case for case in cases(lambda dtype: dtype is tp.int64) if not case.public.random)


def leaves(sample: Sample) -> tuple[list[tp.Tensor], Callable[[list[tp.Tensor]], Sample]]:
    """The inexact tensors of a sample, and how to put others in their place."""
    found = [x for x in sample.tensors() if x.dtype.is_inexact]

    def refill(values: list[tp.Tensor]) -> Sample:
        rest = iter(values)
        return sample.map(lambda x: next(rest) if x.dtype.is_inexact else x)

    return found, refill


def function_of(
    case: Case, sample: Sample, device: str
) -> tuple[Callable[..., list[tp.Tensor]], list[tp.Tensor]]:
    """The function of its inexact tensors alone, giving its inexact results; and these tensors."""
    given, refill = leaves(sample)

    def function(*values: tp.Tensor) -> list[tp.Tensor]:
        filled = refill(list(values))
        if case.public.name.endswith("_"):  # writes to its argument, which is a leaf here
            filled = filled.map(lambda x: x * 1)
        with tp.device(device):
            outs = tensors_in([case.public.tested(*filled.args, **filled.kwargs)])
        return [out for out in outs if out.dtype.is_inexact]

    return function, [x.detach().requires_grad_() for x in given]


# --- slopes --------------------------------------------------------------------------------------


def _dot(parts: list[Any], others: list[Any]) -> float:
    return float(sum(np.sum(np.conj(a) * b).real for a, b in zip(parts, others, strict=True)))


def _random_like(rng: np.random.Generator, x: tp.Tensor) -> np.ndarray:
    values = rng.uniform(0.5, 1.5, tuple(x.shape)) * rng.choice([-1, 1], tuple(x.shape))
    if x.dtype.is_complex:
        values = values + 1j * rng.uniform(0.5, 1.5, tuple(x.shape))
    return np.asarray(values)


def slope_problem(function: Callable[..., list[tp.Tensor]], xs: list[tp.Tensor]) -> str | None:
    """Compare ``d sum(w * f(x + s v)) / ds`` with the gradient, for fixed odd ``w`` and ``v``."""
    outs = function(*xs)
    followed = [i for i, out in enumerate(outs) if out.requires_grad]
    if not followed:
        return None
    loose = [i for i, x in enumerate(xs) if x.requires_grad]
    rng = np.random.default_rng(0)
    weights = [_random_like(rng, outs[i]) for i in followed]
    seeds = [tp.tensor(w, dtype=outs[i].dtype, device=outs[i].device)
             for w, i in zip(weights, followed, strict=True)]  # fmt: skip
    grads = tp.autograd.grad([outs[i] for i in followed], [xs[i] for i in loose], seeds,
                             allow_unused=True, materialize_grads=True)  # fmt: skip
    for i, grad in zip(loose, grads, strict=True):
        kind = (grad.dtype, tuple(grad.shape), grad.device)
        rule = (xs[i].dtype, tuple(xs[i].shape), xs[i].device)
        if kind != rule:
            return f"expected a gradient of {rule}, got {kind}"
    moves = [_random_like(rng, xs[i]) for i in loose]
    sides = []
    for sign in (1, -1):
        moved = list(xs)
        for i, v in zip(loose, moves, strict=True):
            moved[i] = tp.tensor(array_of(xs[i]) + sign * STEP * v, dtype=xs[i].dtype,
                                 device=xs[i].device, requires_grad=True)  # fmt: skip
        values = function(*moved)
        sides.append(_dot(weights, [array_of(values[i]) for i in followed]))
    want = (sides[0] - sides[1]) / (2 * STEP)
    got = _dot([array_of(grad) for grad in grads], moves)
    size = math.fsum(np.abs(array_of(g) * v).sum() for g, v in zip(grads, moves, strict=True))
    if not np.isfinite(want) or abs(got - want) <= 1e-6 * max(1.0, size, abs(sides[0])):
        return None  # an empty mean is nan, whose slope says nothing
    return f"expected a slope of {want:.9g} by finite differences, got {got:.9g}"


def gradient_of(
    function: Callable[..., list[tp.Tensor]], xs: list[tp.Tensor]
) -> tuple[Callable[..., list[tp.Tensor]], list[tp.Tensor]]:
    """The gradient as a function of the inputs and of the incoming gradients."""
    outs = function(*xs)
    followed = [i for i, out in enumerate(outs) if out.requires_grad]
    rng = np.random.default_rng(1)
    seeds = [tp.tensor(_random_like(rng, outs[i]), dtype=outs[i].dtype, device=outs[i].device)
             .requires_grad_() for i in followed]  # fmt: skip
    count = len(xs)
    loose = [i for i, x in enumerate(xs) if x.requires_grad]

    def gradient(*values: tp.Tensor) -> list[tp.Tensor]:
        found = function(*values[:count])
        grads = tp.autograd.grad(
            [found[i] for i in followed], [values[i] for i in loose], list(values[count:]),
            create_graph=True, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        return list(grads)

    return gradient, [*xs, *seeds]


def asks_for_the_derivative(case: Case, sample: Sample) -> bool:
    """Whether no argument, given by name or by place, asks for something else."""
    names = NO_DERIVATIVE.get(case.public.qualname, ())
    if not names:
        return True
    given = inspect.signature(case.public.call).bind(*sample.args, **sample.kwargs).arguments
    # A row 0 to leave out is no False, though it equals it.
    return all(given.get(name) is None or given[name] is False for name in names)


def differentiable(case: Case, device: str) -> Iterator[tuple[Call, Any, list[tp.Tensor]]]:
    for sample in samples_of(case.public, device, case.dtype):
        if not asks_for_the_derivative(case, sample):
            continue
        function, xs = function_of(case, sample, device)
        if not xs or sum(x.numel() for x in xs) > LARGE:
            continue
        xs = [x if follows(function, xs, i) else x.detach() for i, x in enumerate(xs)]
        if any(out.requires_grad for out in function(*xs)):
            yield Call(case, sample, device, how="gradient"), function, xs


def follows(function: Any, xs: list[tp.Tensor], which: int) -> bool:
    """Whether there is a derivative with respect to one input; if not, the error names the op."""
    alone = [x if i == which else x.detach() for i, x in enumerate(xs)]
    outs = [out for out in function(*alone) if out.requires_grad]
    if not outs:
        return False
    try:
        tp.autograd.grad(outs, alone[which : which + 1], [out.detach() for out in outs],
                         allow_unused=True)  # fmt: skip
    except RuntimeError as error:
        if "no derivative with respect to" in str(error) and getattr(error, "op", None):
            return False
        raise
    return True


@pytest.mark.cases(make=smooth)
def test_first_derivatives(case: Case, device: str, thorough: bool) -> None:
    for call, function, xs in differentiable(case, device):
        problem = slope_problem(function, xs)
        assert problem is None, call.fails(problem or "")
        if thorough and sum(x.numel() for x in xs) <= WHOLE:
            assert tp.autograd.gradcheck(lambda *v, f=function: tuple(f(*v)), xs), call.fails("")


@pytest.mark.cases(make=smooth)
def test_second_derivatives(case: Case, device: str, thorough: bool) -> None:
    for call, function, xs in differentiable(case, device):
        gradient, values = gradient_of(function, xs)
        problem = slope_problem(gradient, values)
        assert problem is None, call.fails(f"second derivative: {problem}")
        if thorough and sum(x.numel() for x in xs) <= WHOLE:
            second = tp.autograd.gradgradcheck(lambda *v, f=function: tuple(f(*v)), xs)
            assert second, call.fails("")


# --- what has no gradient, and what is left behind ------------------------------------------------


@pytest.mark.cases(make=smooth)
def test_results_know_whether_they_require_grad(case: Case, device: str) -> None:
    """All or nothing: no result follows a gradient under no_grad, or into whole numbers."""
    for sample in samples_of(case.public, device, case.dtype):
        function, xs = function_of(case, sample, device)
        if not xs:
            continue
        call = Call(case, sample, device)
        with tp.no_grad():
            loose = [out for out in function(*xs) if out.requires_grad and not _is_one(out, xs)]
        assert not loose, call.fails("a result requires grad under no_grad")
        filled = leaves(sample)[1](xs)
        if not case.public.name.endswith("_"):
            with tp.device(device):
                outs = tensors_in([case.public.call(*filled.args, **filled.kwargs)])
            wrong = [out.dtype for out in outs if out.requires_grad and not out.dtype.is_inexact]
            assert not wrong, call.fails(f"a result of {wrong} requires grad")


def _is_one(out: tp.Tensor, xs: list[tp.Tensor]) -> bool:
    return any(out is x for x in xs)


@pytest.mark.cases(make=whole)
def test_whole_numbers_have_no_gradient(case: Case, device: str) -> None:
    for sample in samples_of(case.public, device, case.dtype):
        if not any(x.dtype.is_inexact for x in sample.tensors()):
            with tp.device(device):
                outs = tensors_in([case.public.call(*sample.args, **sample.kwargs)])
            text = Call(case, sample, device).fails("a result requires grad")
            assert not any(out.requires_grad for out in outs), text


@pytest.mark.cases(make=smooth)
def test_the_graph_goes_with_its_last_tensor(case: Case, device: str) -> None:
    """No cycles: without a garbage collection nothing keeps the inputs alive."""
    for call, function, xs in differentiable(case, device):
        gc.disable()
        try:
            outs = function(*xs)
            alive = [weakref.ref(x) for x in xs]
            del outs
            xs.clear()
            kept = sum(ref() is not None for ref in alive)
        finally:
            gc.enable()
        assert not kept, call.fails(f"{kept} inputs stay alive in a cycle")
        break


# --- the engine on this device --------------------------------------------------------------------


def test_gradients_add_up_over_uses(device: str) -> None:
    x = tp.tensor([1.0, 2.0], device=device, requires_grad=True)
    y = x * x + 3 * x
    y.sum().backward()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [7.0, 9.0]
    assert str(x.grad.device) == device


def test_broadcasting_is_undone(device: str) -> None:
    x = tp.ones((3, 1), device=device, requires_grad=True)
    y = tp.ones((1, 4), device=device, requires_grad=True)
    z = tp.ones((), device=device, requires_grad=True)
    (x * y + z).sum().backward()
    assert (x.grad.shape, y.grad.shape, z.grad.shape) == ((3, 1), (1, 4), ())
    assert (x.grad.tolist(), y.grad.tolist(), z.grad.item()) == ([[4.0]] * 3, [[3.0] * 4], 12.0)


def test_casts_are_undone(device: str) -> None:
    x = tp.ones(2, dtype=tp.float32, device=device, requires_grad=True)
    y = tp.ones(2, dtype=tp.float64, device=device, requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (tp.float32, tp.float64)


def test_repeated_indices_add_up(device: str) -> None:
    x = tp.ones(3, device=device, requires_grad=True)
    x[tp.tensor([0, 0, 2], device=device)].sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 1.0]


def test_backward_needs_a_graph(device: str) -> None:
    with pytest.raises(RuntimeError, match="does not require grad"):
        tp.ones(1, device=device).sum().backward()


def test_backward_twice_is_refused(device: str) -> None:
    x = tp.ones(1, device=device, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_backward_of_many_elements_needs_a_gradient(device: str) -> None:
    x = tp.ones(2, device=device, requires_grad=True)
    with pytest.raises(RuntimeError, match="scalar"):
        (x * 2).backward()


def test_whole_numbers_cannot_require_grad(device: str) -> None:
    with pytest.raises(RuntimeError, match="floating"):
        tp.ones(2, dtype=tp.int64, device=device, requires_grad=True)


def test_nests_are_refilled() -> None:
    """The tests above put tensors into nested arguments: check that tool itself."""
    sample = Sample(([tp.ones(1), tp.ones(2)], 3), {"x": tp.ones(3)})
    given, refill = leaves(sample)
    assert [x.numel() for x in given] == [1, 2, 3]
    assert map_tensors(refill(given).args, lambda x: x.numel()) == ([1, 2], 3)

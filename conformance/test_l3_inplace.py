"""In-place variants: the same object, the same values, written through every kind of view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import Public
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import Case, Sample, cases, first_cases, samples_of

TYPES = (tp.bool, tp.int64, tp.float32)


def inplace() -> Iterator[Case]:
    """Functions with an in-place method, in some types."""
    for case in cases(lambda dtype: dtype in TYPES):
        if case.public.inplace and case.public.namespace in ("", "Tensor"):
            yield case


def once() -> Iterator[Case]:
    return first_cases(lambda p: p.inplace and p.namespace in ("", "Tensor"))


def method_of(public: Public) -> Callable[..., Any]:
    name = f"{public.name}_"
    found = getattr(tp.Tensor, name, None)
    assert found is not None, f"expected a method Tensor.{name}"
    return found


def fits(result: tp.Tensor, x: tp.Tensor) -> bool:
    """Whether a result may be written into a tensor: same shape, no lesser category."""
    order = ("bool", "uint", "int", "float", "complex")
    lesser = order.index(result.dtype.kind) > order.index(x.dtype.kind)
    whole = {result.dtype.kind, x.dtype.kind} <= {"uint", "int"}
    return tuple(result.shape) == tuple(x.shape) and (whole or not lesser)


def usable(case: Case, device: str) -> Iterator[tuple[Sample, tp.Tensor]]:
    """Samples whose result fits the first argument, with that result."""
    for sample in samples_of(case.public, device, case.dtype):
        if sample.args and isinstance(sample.args[0], tp.Tensor):
            want = case.public.call(*sample.args, **sample.kwargs)
            if isinstance(want, tp.Tensor) and fits(want, sample.args[0]):
                yield sample, want


@pytest.mark.cases(make=inplace)
def test_in_place_is_the_op_written_back(case: Case, device: str) -> None:
    method = method_of(case.public)
    for sample, want in usable(case, device):
        call = Call(case, sample, device, f"Tensor.{case.public.name}_")
        x = sample.args[0].clone()
        before = x._version
        values = array_of(want.to(x.dtype))
        got = method(x, *sample.args[1:], **sample.kwargs)
        assert got is x, call.fails("expected the tensor itself as the result")
        assert x.dtype is sample.args[0].dtype, call.fails(f"the type became {x.dtype}")
        problem = compare(x, values, case.dtype)
        assert problem is None, call.fails(problem or "", "the op out of place")
        assert x._version > before, call.fails("expected the version to grow")


def _steps(x: tp.Tensor) -> tuple[tp.Tensor, tp.Tensor]:
    base = tp.zeros([2 * size + 1 for size in x.shape], dtype=x.dtype, device=x.device)
    return base, base[tuple(slice(1, None, 2) for _ in x.shape)] if x.ndim else base


def _turned(x: tp.Tensor) -> tuple[tp.Tensor, tp.Tensor]:
    base = tp.zeros(tuple(x.shape)[::-1], dtype=x.dtype, device=x.device)
    return base, base.permute(tuple(range(x.ndim))[::-1])


def _backwards(x: tp.Tensor) -> tuple[tp.Tensor, tp.Tensor]:
    base = tp.zeros(tuple(x.shape), dtype=x.dtype, device=x.device)
    return base, base[tuple(slice(None, None, -1) for _ in x.shape)] if x.ndim else base


@pytest.mark.parametrize("kind", [_steps, _turned, _backwards], ids=lambda f: f.__name__[1:])
@pytest.mark.cases(make=once)
def test_in_place_writes_through_views(case: Case, device: str, kind: Any) -> None:
    method = method_of(case.public)
    for sample, want in usable(case, device):
        x = sample.args[0]
        base, view = kind(x)
        view.copy_(x)
        method(view, *sample.args[1:], **sample.kwargs)
        call = Call(case, sample, device, f"Tensor.{case.public.name}_")
        problem = compare(view, array_of(want.to(x.dtype)), case.dtype)
        assert problem is None, call.fails(f"through a view: {problem}")
        again, model = kind(x)
        model.copy_(want.to(x.dtype))
        problem = compare(base, array_of(again), case.dtype)
        assert problem is None, call.fails(f"the base of the view: {problem}")


@pytest.mark.cases(make=once)
def test_an_expanded_tensor_is_refused(case: Case, device: str) -> None:
    method = method_of(case.public)
    for sample, _ in usable(case, device):
        x = sample.args[0].clone()
        if not x.numel():
            continue
        wide = x.expand(2, *x.shape)
        before = array_of(x)
        with pytest.raises((RuntimeError, IndexError)):
            method(wide, *sample.args[1:], **sample.kwargs)
        assert np.array_equal(before, array_of(x), equal_nan=True)
        break


@pytest.mark.cases(make=inplace)
def test_a_lesser_type_is_refused_and_stays_as_it_is(case: Case, device: str) -> None:
    method = method_of(case.public)
    for sample in samples_of(case.public, device, case.dtype):
        if not (sample.args and isinstance(sample.args[0], tp.Tensor)):
            continue
        want = case.public.call(*sample.args, **sample.kwargs)
        if not isinstance(want, tp.Tensor) or fits(want, sample.args[0]):
            continue
        x = sample.args[0].clone()
        before, version = array_of(x), x._version
        with pytest.raises((RuntimeError, TypeError)):
            method(x, *sample.args[1:], **sample.kwargs)
        text = Call(case, sample, device, f"Tensor.{case.public.name}_").fails("was modified")
        assert np.array_equal(before, array_of(x), equal_nan=True), text
        assert x._version == version, text


def test_operators_in_place(device: str) -> None:
    x = y = tp.tensor([1.0, 2.0], device=device)
    x += 1
    x *= 2
    x -= 1
    x /= 2
    x **= 2
    assert x is y
    assert y.tolist() == [2.25, 6.25]


def test_a_whole_tensor_does_not_take_a_fraction(device: str) -> None:
    x = tp.tensor([1, 2], device=device)
    for write in (lambda: x.add_(1.5), lambda: x.mul_(0.5), lambda: x.div_(2)):
        with pytest.raises((RuntimeError, TypeError), match="cast"):
            write()
    assert x.tolist() == [1, 2]


def test_the_version_is_shared_by_all_views(device: str) -> None:
    x = tp.zeros((2, 3), device=device)
    view, alias = x[0], x.detach()
    x.add_(1)
    view.mul_(2)
    alias[1] = 3
    assert x._version == view._version == alias._version == 3
    assert x.clone()._version == 0


def test_a_saved_tensor_that_was_overwritten_is_refused(device: str) -> None:
    x = tp.ones(3, device=device, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    assert x.grad is None


def test_a_leaf_that_requires_grad_is_refused(device: str) -> None:
    x = tp.ones(3, device=device, requires_grad=True)
    for write in (lambda: x.add_(1), lambda: x[0].mul_(2), lambda: x.zero_()):
        with pytest.raises(RuntimeError, match="leaf"):
            write()
    assert x.tolist() == [1, 1, 1]


def test_overlapping_copies_read_before_they_write(device: str) -> None:
    for step in (1, -1):
        a = np.arange(8, dtype=np.float32)
        x = tp.tensor(a, device=device)
        target, source = (slice(1, None), slice(None, -1))[::step]
        x[target].copy_(x[source])
        a[target] = a[source].copy()
        assert x.tolist() == a.tolist()
        x[target] += x[source]
        a[target] = a[target] + a[source].copy()
        assert x.tolist() == a.tolist()
    x = tp.tensor(np.arange(9, dtype=np.float32).reshape(3, 3), device=device)
    x.copy_(x.t())
    assert x.tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_gradients_of_writes_through_views(device: str) -> None:
    x = tp.tensor([1.0, 2.0, 3.0, 4.0], device=device, requires_grad=True)
    y = x * 1
    y[1:3].mul_(x[0])
    y.view(2, 2)[1] = 5 * x[:2]
    y.sum().backward()
    assert x.grad.tolist() == [1 + 2 + 5, 1 + 5, 0, 0]

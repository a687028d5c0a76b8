"""In-place operations where nothing is recorded: a device may then write straight into storages, so
views and overlaps are tried again, without grad mode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import Case, first_cases
from tensorplug.conformance.test_l3_inplace import method_of, usable

pytestmark = pytest.mark.needs("in_place")

Layouts = Callable[[tp.Tensor], tuple[tp.Tensor, tp.Tensor]]


def elementwise() -> Iterator[Case]:
    """Functions that devices have kernels for which write into a given tensor."""
    return first_cases(
        lambda p: (
            p.inplace
            and p.row is not None
            and p.row.family.elementwise
            and p.namespace in ("", "Tensor")
        )
    )


def with_gaps(x: tp.Tensor) -> tuple[tp.Tensor, tp.Tensor]:
    base = tp.zeros([2 * size + 1 for size in x.shape], dtype=x.dtype, device=x.device)
    return base, base[tuple(slice(1, None, 2) for _ in x.shape)]


def turned(x: tp.Tensor) -> tuple[tp.Tensor, tp.Tensor]:
    base = tp.zeros(tuple(x.shape)[::-1], dtype=x.dtype, device=x.device)
    return base, base.permute(tuple(range(x.ndim))[::-1])


def one_row(x: tp.Tensor) -> tuple[tp.Tensor, tp.Tensor]:
    base = tp.zeros((3, *x.shape), dtype=x.dtype, device=x.device)
    return base, base[1]


LAYOUTS: dict[str, Layouts] = {f.__name__: f for f in (with_gaps, turned, one_row)}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.cases(make=elementwise)
def test_unrecorded_writes_go_through_views(case: Case, device: str, layout: str) -> None:
    method = method_of(case.public)
    for sample, want in usable(case, device):
        x, want = sample.args[0].detach(), want.detach().to(sample.args[0].dtype)
        with tp.no_grad():
            base, view = LAYOUTS[layout](x)
            view.copy_(x)
            got = method(view, *sample.args[1:], **sample.kwargs)
            again, model = LAYOUTS[layout](x)
            model.copy_(want)
        call = Call(case, sample, device, f"Tensor.{case.public.name}_")
        assert got is view, call.fails("expected the tensor itself as the result")
        problem = compare(view, array_of(want), case.dtype)
        assert problem is None, call.fails(f"in place, without grad mode: {problem}")
        problem = compare(base, array_of(again), case.dtype)
        assert problem is None, call.fails(f"the base of the view, without grad mode: {problem}")


OPERANDS: dict[str, tuple[slice, slice]] = {
    "shifted down": (slice(1, None), slice(None, -1)),
    "shifted up": (slice(None, -1), slice(1, None)),
    "turned round": (slice(None), slice(None, None, -1)),
}


@pytest.mark.parametrize("operands", OPERANDS)
@pytest.mark.parametrize("op", ["add", "sub", "mul", "maximum"])
def test_unrecorded_overlapping_operands_are_read_first(
    device: str, op: str, operands: str
) -> None:
    one, two = OPERANDS[operands]
    for size in (7, 300):
        values = np.arange(1.0, size + 1, dtype=np.float32) % 11
        x = tp.tensor(values, device=device)
        function, method = getattr(tp, op), getattr(tp.Tensor, f"{op}_", None)
        with tp.no_grad():
            want = function(x[one].clone(), x[two].clone())
            if method is None:
                tp.add(want, 0, out=x[one])
            else:
                method(x[one], x[two])
        text = f"Tensor.{op}_ on operands that overlap ({operands}, {size} elements)"
        assert x[one].tolist() == want.tolist(), f"{text}: expected the values from before"


def test_unrecorded_writes_to_single_elements(device: str) -> None:
    x = tp.arange(6, dtype=tp.float32, device=device).reshape(2, 3)
    alone = tp.tensor(2.0, device=device)
    with tp.no_grad():
        x[1, 2].add_(10)
        x[0, 1].mul_(x[1, 0])
        alone.add_(alone)
        alone.mul_(3).neg_()
    assert x.tolist() == [[0, 3, 2], [3, 4, 15]], "add_ and mul_ on a 0-d view without grad mode"
    assert alone.item() == -12, "add_, mul_ and neg_ on a 0-d tensor without grad mode"


@pytest.mark.parametrize("how", ["a parameter", "a row of a parameter"])
def test_unrecorded_writes_to_leaves_are_seen_by_the_next_pass(device: str, how: str) -> None:
    weight = tp.ones(2, 3, device=device, requires_grad=True)
    for _ in range(3):
        (weight * weight).sum().backward()
        with tp.no_grad():
            part: Any = weight if how == "a parameter" else weight[0]
            grad: Any = weight.grad
            part.sub_(0.25 * (grad if how == "a parameter" else grad[0]))
        weight.grad = None
    rest = [1.0] * 3 if how != "a parameter" else [0.125] * 3
    assert weight.tolist() == [[0.125] * 3, rest], "three steps of gradient descent"

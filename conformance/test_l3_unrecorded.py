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
from tensorplug.conformance.samples import Case, Sample, first_cases
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


Part = tuple[Any, ...]
ROWS = (slice(1, None),), (slice(None, -1),)
OPERANDS: dict[str, tuple[tuple[int, ...], Part, Part]] = {
    "shifted down": ((300,), ROWS[0], ROWS[1]),
    "shifted up": ((300,), ROWS[1], ROWS[0]),
    "turned round": ((7,), (...,), (slice(None, None, -1),)),
    "the first row": ((5, 7), (...,), (0,)),
    "the last row": ((5, 7), (...,), (-1,)),
    "the first column": ((5, 7), (...,), (..., slice(1))),
    "the last column": ((5, 7), (...,), (..., slice(-1, None))),
    "rows shifted down": ((9, 40), ROWS[0], ROWS[1]),
    "columns shifted": ((9, 40), (..., *ROWS[1]), (..., *ROWS[0])),
    "a plane": ((3, 4, 5), (...,), (1,)),
}


def with_two_tensors() -> Iterator[Case]:
    """Binary functions that may write into one of their operands."""
    return (
        case
        for case in elementwise()
        if case.public.row is not None and len(case.public.row.inputs) == 2
    )


@pytest.mark.parametrize("operands", OPERANDS)
@pytest.mark.cases(make=with_two_tensors)
def test_unrecorded_overlapping_operands_are_read_first(
    case: Case, device: str, operands: str
) -> None:
    shape, one, two = OPERANDS[operands]
    values = (np.arange(np.prod(shape)) % 11 + 1).astype(case.dtype.numpy).reshape(shape)
    x, method = tp.tensor(values, device=device), method_of(case.public)
    with tp.no_grad():
        apart = Sample((x[one].clone(), x[two].clone()), {})
        want = case.public.call(*apart.args)
        if want.dtype is not x.dtype and not tp.can_cast(want.dtype, x.dtype):
            return
        method(x[one], x[two])
    call = Call(case, apart, device, f"Tensor.{case.public.name}_")
    problem = compare(x[one], array_of(want.to(x.dtype)), case.dtype)
    text = f"of operands that share memory ({operands}), without grad mode: {problem}"
    assert problem is None, call.fails(text, "the op out of place")


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

"""What is wrong when a recorded call is made again on a device; None if nothing is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.backends.dtypes import from_numpy
from tensorplug.conformance.checks import REFUSALS, few, on
from tensorplug.conformance.recorded_calls import SOURCE, RecordedCall, calls_of, cotangent
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import Case, Sample, tensors_in

__all__ = [
    "arrays_in", "problem_of_call", "problem_of_gradients", "problem_of_refusal", "some_calls",
]  # fmt: skip


def arrays_in(value: Any) -> list[np.ndarray]:
    """The arrays in a nest of lists, tuples and dictionaries."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in arrays_in(item)]
    return [value] if isinstance(value, np.ndarray) else []


def some_calls(
    case: Case, device: str, wanted: Callable[[RecordedCall], Any]
) -> list[RecordedCall]:
    """The recorded calls of a kind; one in four of them where each costs a compilation."""
    found = [call for call in calls_of(case) if wanted(call)]
    return [found[i] for i in few(device, range(len(found)), False, one_of=4)]


def _again(
    case: Case, recorded: RecordedCall, device: str, how: str = "forward"
) -> tuple[Sample, Call]:
    sample = Sample(on(device, recorded.args), on(device, recorded.kwargs))
    return sample, Call(case, sample, device, how=how)


def problem_of_call(case: Case, recorded: RecordedCall, device: str) -> str | None:
    """A result of another shape or type, or with other values."""
    sample, call = _again(case, recorded, device)
    with tp.device(device):
        got: Any = case.public.call(*sample.args, **sample.kwargs)
    problem = compare(got, recorded.results, case.dtype)
    wants = [x.dtype for x in arrays_in(recorded.results)]
    if problem is None:
        for x, want in zip(tensors_in([got]), wants, strict=True):
            if x.dtype is not from_numpy(want):
                problem = f"expected {want.name}, got {x.dtype.name}"
    return None if problem is None else call.fails(problem, SOURCE)


def problem_of_refusal(case: Case, recorded: RecordedCall, device: str) -> str | None:
    """No error where PyTorch has one, or an argument that has changed all the same."""
    sample, call = _again(case, recorded, device)
    try:
        with tp.device(device):
            found = case.public.call(*sample.args, **sample.kwargs)
            got = [array_of(x) for x in tensors_in([found])]
    except REFUSALS:
        for x, want in zip(sample.tensors(), arrays_in(list(recorded[:2])), strict=True):
            problem = compare(x, want, case.dtype)
            if problem is not None:
                return call.fails(f"an argument changed, though the call was refused: {problem}")
        return None
    return call.fails(f"expected an error, such as {recorded.refused}, got {got}", SOURCE)


def problem_of_gradients(case: Case, recorded: RecordedCall, device: str) -> str | None:
    """Other gradients, or none."""
    if recorded.gradients is None:
        return None
    sample, call = _again(case, recorded, device, "gradient")
    smooth = [x for x in sample.tensors() if x.dtype.is_inexact]
    pairs = [pair for pair in zip(smooth, recorded.gradients, strict=True) if pair[1] is not False]
    leaves = [x.requires_grad_() for x, _ in pairs]
    with tp.device(device):
        got = case.public.call(*sample.args, **sample.kwargs)
    outs = [x for x in tensors_in([got]) if x.requires_grad]
    weights = [on(device, cotangent(tuple(x.shape), x.dtype.numpy)) for x in outs]
    found = tp.autograd.grad(outs, leaves, weights, allow_unused=True)
    for number, (mine, (_, want)) in enumerate(zip(found, pairs, strict=True)):
        if mine is None or want is None:
            values = want if mine is None else array_of(mine)
            problem = None if values is None or not np.any(values) else "expected a gradient"
        else:
            problem = compare(mine, want, case.dtype)
        if problem is not None:
            return call.fails(f"gradient of tensor {number}: {problem}", SOURCE)
    return None

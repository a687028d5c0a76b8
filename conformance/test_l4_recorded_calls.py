"""Gradients of calls with arguments from PyTorch's operator database are what they were there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tensorplug.conformance.recorded_calls import recorded_cases
from tensorplug.conformance.replayed import problem_of_gradients, some_calls
from tensorplug.conformance.samples import Case


def smooth_cases() -> Iterator[Case]:
    return recorded_cases(lambda call: call.gradients)


@pytest.mark.cases(make=smooth_cases)
def test_recorded_gradients_are_what_pytorch_gave(case: Case, device: str) -> None:
    for recorded in some_calls(case, device, lambda call: call.gradients):
        problem = problem_of_gradients(case, recorded, device)
        assert problem is None, problem

"""Calls with arguments from PyTorch's operator database give what they gave there, or an error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tensorplug as tp
from tensorplug.conformance.recorded_calls import recorded_cases
from tensorplug.conformance.replayed import problem_of_call, problem_of_refusal, some_calls
from tensorplug.conformance.samples import Case


def answered_cases() -> Iterator[Case]:
    return recorded_cases(lambda call: not call.refused)


def refused_cases() -> Iterator[Case]:
    return recorded_cases(lambda call: call.refused)


@pytest.mark.cases(make=answered_cases)
def test_recorded_calls_give_what_pytorch_gave(case: Case, device: str) -> None:
    for recorded in some_calls(case, device, lambda call: not call.refused):
        problem = problem_of_call(case, recorded, device)
        assert problem is None, problem


@pytest.mark.cases(make=refused_cases)
def test_recorded_calls_are_refused_as_by_pytorch(case: Case, device: str) -> None:
    for recorded in some_calls(case, device, lambda call: call.refused):
        problem = problem_of_refusal(case, recorded, device)
        assert problem is None, problem
    assert (tp.ones(2, device=device) + 1).tolist() == [2, 2], f"{device} after errors"

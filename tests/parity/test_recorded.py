"""What the conformance suite compares with is what PyTorch gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import tensorplug as tp
from tensorplug.conformance.recorded_calls import calls_of, recorded_cases
from tensorplug.conformance.replayed import arrays_in

from . import database as db
from .convert import leaves, to_torch, torch_numpy
from .record import FILE, record


def test_the_recorded_numbers_are_those_of_pytorch() -> None:
    old = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        found = record(torch)
    finally:
        torch.set_default_dtype(old)
    kept = dict(np.load(FILE))
    assert set(kept) - {"version"} == set(found)
    for name, want in found.items():
        assert np.allclose(kept[name], want, rtol=1e-9, atol=1e-10), name


def _theirs(value: Any) -> Any:
    """Recorded arguments as PyTorch takes them."""
    if isinstance(value, np.ndarray):
        return to_torch(value)
    if isinstance(value, (tuple, list)):
        return type(value)(_theirs(item) for item in value)
    return getattr(torch, value.name) if isinstance(value, tp.dtype) else value


@pytest.mark.filterwarnings("ignore")
def test_the_recorded_calls_are_those_of_pytorch() -> None:
    """One of twenty; ``record_calls`` writes them all."""
    tried = 0
    for number, case in enumerate(recorded_cases(lambda call: not call.refused)):
        name = case.public.qualname
        method = name.startswith("Tensor.")
        function = getattr(torch.Tensor, name[7:]) if method else db.original(name)
        for call in [c for c in calls_of(case) if not c.refused][number % 20 :: 20]:
            kwargs = {key: _theirs(value) for key, value in call.kwargs.items()}
            got = function(*_theirs(call.args), **kwargs)
            found = leaves(got, lambda x: isinstance(x, torch.Tensor))
            for x, want in zip(found, arrays_in(call.results), strict=True):
                same = np.allclose(torch_numpy(x), want, rtol=1e-9, atol=1e-10, equal_nan=True)
                assert same, f"{case!r} {call.args} {call.kwargs}"
                tried += 1
    assert tried > 300

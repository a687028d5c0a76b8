"""What the conformance suite compares with is what PyTorch gives."""

from __future__ import annotations

import numpy as np
import torch

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

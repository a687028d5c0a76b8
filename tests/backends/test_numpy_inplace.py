"""In-place kernels where inf and nan are errors: the whole result is written all the same."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import ROWS

VALUES = [0.0, -0.0, 1.0, -1.0, 2.5, -710.0, 710.0, 1e30, -1e30, math.inf, -math.inf, math.nan,
          1e-40, 88.8]  # fmt: skip
NAMES = [
    name
    for name in sorted(tp.device("cpu").backend.into_kernels())
    if name in ROWS and hasattr(tp.Tensor, f"{name}_")
]


def _results(name: str, dtype: tp.dtype) -> list[np.ndarray]:
    found = []
    others: list[tuple[object, ...]] = [()]
    if len(ROWS[name].inputs) > 1:
        others = [(0.0,), (3.0,), (-2.5,), (tp.tensor(VALUES[::-1], dtype=dtype),)]
    if name == "lerp":
        others = [(tp.tensor(VALUES[::-1], dtype=dtype), 0.3)]
    for other in others:
        x = tp.tensor(VALUES, dtype=dtype)
        getattr(x, f"{name}_")(*other)
        found.append(x.numpy())
    return found


@pytest.mark.parametrize("dtype", [tp.float16, tp.float32, tp.float64], ids=str)
@pytest.mark.parametrize("name", [name for name in NAMES if ROWS[name].dtypes.get(tp.float32)
                                  is tp.float32])  # fmt: skip
def test_warnings_as_errors_stop_nothing_halfway(name: str, dtype: tp.dtype) -> None:
    if name in ("gcd", "lcm") or name.startswith("bitwise"):
        with pytest.raises((TypeError, RuntimeError)):
            _results(name, dtype)
        return
    with np.errstate(all="ignore"):
        expected = _results(name, dtype)
    with np.errstate(all="raise"):
        found = _results(name, dtype)
    for x, y in zip(found, expected, strict=True):
        assert np.array_equal(x, y, equal_nan=True)

"""Results beside what was expected: what the running test has compared, where that is measured."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tensorplug.backends.dtypes import DType

__all__ = ["COMPARED", "Comparison", "measure", "note"]


class Comparison(NamedTuple):
    """One result, what was expected in float64 or complex128, its type, and what was allowed."""

    got: np.ndarray
    want: np.ndarray
    dtype: DType
    allowed: dict[str, float]


COMPARED: list[Comparison] = []
_MEASURED = [False]


def measure(on: bool) -> None:
    """Forget what was compared; keep what is compared from now on, or not."""
    COMPARED.clear()
    _MEASURED[0] = on


def note(got: np.ndarray, want: np.ndarray, dtype: DType, **allowed: float) -> None:
    """Keep a comparison of floating-point numbers if it is to be measured."""
    if _MEASURED[0] and dtype.is_inexact and want.dtype.kind in "fc":
        COMPARED.append(Comparison(got, want, dtype, allowed))

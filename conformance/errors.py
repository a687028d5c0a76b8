"""The measured errors of a run: how far results are from the reference, by function and type.

An error is counted in units in the last place of the result's type, in the classes of
:data:`BOUNDS`: at most 0.5 is the best that rounding can give.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import ulps_off
from tensorplug.conformance.compared import COMPARED, Comparison

__all__ = ["BOUNDS", "MEASURED", "Errors", "add", "found"]

BOUNDS = (0.0, 0.5, 1.0, 2.0, 4.0)
"""The classes end at these; a last one has all that is further off."""

MEASURED = (
    "test_l2_forward.py::test_values_types_and_devices",
    "test_l2_accuracy.py::test_narrow_floats_of_all_sizes",
)
"""The tests that compare results with the reference itself."""

_PARTS: dict[DType, DType] = {tp.complex64: tp.float32, tp.complex128: tp.float64}

Errors = dict[str, dict[str, dict[str, Any]]]
"""By device, function and type: ``counts`` by class, and the largest ``allowed`` deviations."""


def found() -> dict[str, Any] | None:
    """What the test that has just run measured, or None."""
    measured: dict[str, Any] | None = None
    for comparison in COMPARED:
        measured = _sum(measured, _measured(comparison))
    return measured


def add(errors: Errors, device: str, function: str, dtype: str, measured: dict[str, Any]) -> None:
    """Add what a test has measured to all the errors of a run."""
    mine = errors.setdefault(device, {}).setdefault(function, {})
    mine[dtype] = _sum(mine.get(dtype), measured)


def _measured(one: Comparison) -> dict[str, Any]:
    off = _off(one).ravel()
    # The classes include their ends, and inf belongs to the last one.
    places = np.searchsorted(BOUNDS, off, side="left")
    counts = np.bincount(places, minlength=len(BOUNDS) + 1)
    return {"counts": counts.tolist(), "allowed": one.allowed}


def _off(one: Comparison) -> np.ndarray:
    if not one.dtype.is_complex:
        return ulps_off(one.got, one.want, one.dtype)
    with np.errstate(all="ignore"):
        size = np.abs(one.want)
        off = ulps_off(size + np.abs(one.got - one.want), size, _PARTS[one.dtype])
        same = (one.got == one.want) | (np.isnan(one.got) & np.isnan(one.want))
    return np.where(same, 0.0, off)


def _sum(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    if one is None:
        return {"counts": list(other["counts"]), "allowed": dict(other["allowed"])}
    names = [*one["allowed"], *(name for name in other["allowed"] if name not in one["allowed"])]
    return {
        "counts": [a + b for a, b in zip(one["counts"], other["counts"], strict=True)],
        "allowed": {
            name: max(one["allowed"].get(name, 0.0), other["allowed"].get(name, 0.0))
            for name in names
        },
    }

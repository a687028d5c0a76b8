"""Special functions on the CPU, from SciPy, which is loaded when the first one is called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends.base import Kernel
from ..backends.scipy_names import SCIPY_NAMES

__all__ = ["kernels"]


def _load(name: str) -> Callable[..., Any]:
    return getattr(importlib.import_module("scipy.special"), name)


def _special(name: str) -> Kernel:
    found: list[Callable[..., Any]] = []

    def kernel(*operands: Any) -> Any:
        if not found:
            found.append(_load(name))
        dtype = next(x.dtype for x in operands if hasattr(x, "dtype"))  # one may be a number
        if dtype.itemsize == 2:
            operands = tuple(np.asarray(x).astype(np.float32) for x in operands)
        return np.asarray(found[0](*operands)).astype(dtype, copy=False)

    return kernel


def _digamma(x: Any) -> Any:
    """SciPy's, but nan at the negative whole numbers and a signed infinity at 0."""
    value = _special("digamma")(x)
    value = np.where((x < 0) & (x == np.floor(x)), np.nan, value)
    return np.where(x == 0, np.copysign(np.inf, -x), value).astype(x.dtype)


def _polygamma(x: Any, n: int) -> Any:
    wide = x if x.dtype == np.float64 else x.astype(np.float32)
    return np.asarray(_load("polygamma")(n, wide)).astype(x.dtype)


def _frexp(x: Any) -> tuple[Any, Any]:
    mantissa, exponent = np.frexp(x)
    return np.asarray(mantissa), np.asarray(exponent, dtype=np.int32)


def kernels() -> dict[str, Kernel]:
    """The special functions by op name."""
    found = {name: _special(scipy) for name, scipy in SCIPY_NAMES.items()}
    return found | {"digamma": _digamma, "frexp": _frexp, "polygamma": _polygamma}

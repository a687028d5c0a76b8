"""CuPy's array module with NumPy's interface where the shared kernels need it and CuPy differs.

``backends/strided*.py`` are written against an array module ``xp``. CuPy's own functions serve, but
for ufuncs: NumPy's ``out=...`` asks for an array, which CuPy gives anyway, and of the methods
``reduce``, ``accumulate`` and ``at`` CuPy has those of sums and products (14.2). No function here
waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from ..backends import dtypes

__all__ = ["Module", "Ufunc"]

_BFLOAT16 = dtypes.bfloat16.numpy


def _own(out: Any) -> Any:
    """CuPy's way to ask for a new array is None."""
    return None if out is ... else out


def _reduced(function: Callable[..., Any], x: Any, axis: Any, keepdims: bool, out: Any) -> Any:
    if axis == ():
        return cupy.array(x, copy=True)
    if x.dtype == _BFLOAT16:  # CuPy's reductions do not know it (14.2)
        found = function(x.astype(np.float32), axis=axis, keepdims=keepdims)
        return found.astype(_BFLOAT16) if found.dtype == np.float32 else found
    return function(x, axis=axis, keepdims=keepdims, out=out)


class Ufunc:
    """One of CuPy's ufuncs, with all that the shared kernels ask of NumPy's."""

    def __init__(self, function: Any, reduction: Callable[..., Any] | None = None) -> None:
        self._function, self._reduction = function, reduction

    def __call__(self, *operands: Any, out: Any = None, dtype: Any = None, **options: Any) -> Any:
        if options.pop("casting", None) is not None and out is not None and out is not ...:
            cupy.copyto(out, self._function(*operands), casting="unsafe")
            return out
        if dtype is not None:
            return self._function(*operands, out=_own(out), dtype=dtype)
        return self._function(*operands, out=_own(out))

    def reduce(
        self, x: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        """The function between all elements along ``axis`` (None: all of them)."""
        if self._reduction is not None:
            return _reduced(self._reduction, x, axis, keepdims, _own(out))
        dtype = x.dtype if dtype is None and x.dtype.kind in "fcV" else dtype
        if axis == ():
            return x.astype(x.dtype if dtype is None else dtype)
        return self._function.reduce(x, axis, dtype, _own(out), keepdims)

    def accumulate(self, x: Any, axis: int = 0) -> Any:
        """The function between each element and all before it along ``axis``."""
        if self._reduction is None:
            return self._function.accumulate(x, axis, x.dtype)
        # CuPy scans only sums and products: each pass doubles how far an element has looked back.
        done, length, step = x.copy(), x.shape[axis], 1
        lead = (slice(None),) * (axis % x.ndim)
        while step < length:
            before = done[(*lead, slice(None, -step))]
            later = (*lead, slice(step, None))
            joined = self._function(done[later], before)
            done[later] = joined
            step *= 2
        return done


class _Truth(Ufunc):
    """A logical function, which CuPy has for real numbers only (14.2)."""

    def __call__(self, *operands: Any, out: Any = None, **options: Any) -> Any:
        if any(getattr(x, "dtype", np.dtype(bool)).kind == "c" for x in operands):
            operands = tuple(cupy.not_equal(x, 0) if hasattr(x, "dtype") else x for x in operands)
        return super().__call__(*operands, out=out, **options)


class Module:
    """What ``xp`` is on CUDA devices: CuPy, with :class:`Ufunc` in place of its ufuncs."""

    def __init__(self) -> None:
        reductions = {
            "maximum": cupy.amax, "minimum": cupy.amin, "logical_and": cupy.all,
            "logical_or": cupy.any,
        }  # fmt: skip
        for name in dir(cupy):
            found = getattr(cupy, name)
            if isinstance(found, cupy.ufunc):
                kind = _Truth if name.startswith("logical_") else Ufunc
                setattr(self, name, kind(found, reductions.get(name)))

    def __getattr__(self, name: str) -> Any:
        found = getattr(cupy, name)
        setattr(self, name, found)
        return found

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """As CuPy's, also for bfloat16, for which it chooses between words."""
        kind = next((v.dtype for v in (x, y) if hasattr(v, "dtype")), None)
        if kind != _BFLOAT16:
            return cupy.where(condition, x, y)
        x, y = (_words(value) for value in (x, y))
        return cupy.where(condition, x, y).view(_BFLOAT16)

    def searchsorted(self, sequence: Any, values: Any, side: str = "left") -> Any:
        """As NumPy's method of that name."""
        return cupy.searchsorted(sequence, values, side)


def _words(value: Any) -> Any:
    """bfloat16, or a number that becomes one, as 16-bit words."""
    if isinstance(value, cupy.ndarray):
        return value.astype(_BFLOAT16, copy=False).view(np.int16)
    return np.asarray(value).astype(_BFLOAT16).view(np.int16)[()]

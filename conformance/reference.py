"""What a call should give: NumPy or SciPy in float64 where the row names them, else ``cpu``.

The ``cpu`` kernels are themselves compared with PyTorch by the project's parity tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorplug as tp
from tensorplug.autograd.registry import Public
from tensorplug.backends.dtypes import DType

from tensorplug.conformance.samples import Sample

__all__ = ["compare", "expected", "map_tensors", "reference_of", "tolerance"]

_WIDE = {"float": tp.float64, "complex": tp.complex128}


def map_tensors(value: Any, function: Callable[[tp.Tensor], Any]) -> Any:
    """``value`` with ``function`` applied to every tensor in it."""
    if isinstance(value, tp.Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, function) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(map_tensors(item, function) for item in value)
    if isinstance(value, dict):
        return {name: map_tensors(item, function) for name, item in value.items()}
    return value


def widen(x: tp.Tensor) -> tp.Tensor:
    """The same values on ``cpu``, in float64 or complex128; whole numbers as they are."""
    return x.detach().cpu().to(_WIDE.get(x.dtype.kind, x.dtype))


def _named(name: str) -> Callable[..., Any] | None:
    module, _, last = name.rpartition(".")
    if not module:
        return getattr(np, name, None)
    return getattr(importlib.import_module(module), last, None)


def reference_of(public: Public) -> Callable[..., Any] | None:
    """A function of NumPy arrays, or None when only the ``cpu`` device can tell."""
    ref = public.ref
    if callable(ref):
        return lambda *args, **kwargs: ref(np, *args, **kwargs)
    if isinstance(ref, str):
        return _named(ref)
    if public.row is None or public.namespace:
        return None
    family = public.row.family.name
    if family not in ("UNARY", "BINARY", "COMPARE", "REDUCE"):
        return None
    found = _named(public.row.xp or public.name)
    if found is None or family != "REDUCE":
        return found

    def reduce(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return found(x, axis=dim, keepdims=keepdim)

    return reduce


def expected(public: Public, sample: Sample) -> tuple[Any, str]:
    """The expected result as NumPy arrays (nested like the result), and where it comes from."""
    args, kwargs = map_tensors(list(sample.args), widen), map_tensors(sample.kwargs, widen)
    function = reference_of(public)
    if function is not None:
        with np.errstate(all="ignore"):
            arrays = [map_tensors(arg, lambda x: x.numpy()) for arg in args]
            return function(*arrays, **map_tensors(kwargs, lambda x: x.numpy())), "numpy"
    for name in ("device", "dtype"):
        kwargs.pop(name, None)
    with tp.device("cpu"):
        found = public.call(*args, **kwargs)
    return map_tensors(found, lambda x: x.detach().numpy()), "cpu"


_TOLERANCE: dict[DType, tuple[float, float]] = {
    tp.float16: (4e-3, 2e-3),
    tp.bfloat16: (3e-2, 2e-2),
    tp.float32: (2e-5, 2e-5),
    tp.float64: (1e-10, 1e-11),
    tp.complex64: (4e-5, 4e-5),
    tp.complex128: (1e-10, 1e-11),
}


def tolerance(dtype: DType) -> tuple[float, float]:
    """Relative and absolute tolerance for results of a dtype; whole numbers must be equal."""
    return _TOLERANCE.get(dtype, (0.0, 0.0))


def compare(got: Any, want: Any, dtype: DType) -> str | None:
    """What is wrong with a result, or None. ``dtype`` is the type that was computed in."""
    if isinstance(got, tp.Tensor):
        return _compare_arrays(got, np.asarray(want), dtype)
    if isinstance(got, (list, tuple)):
        if len(got) != len(want):
            return f"expected {len(want)} results, got {len(got)}"
        parts = [compare(g, w, dtype) for g, w in zip(got, want, strict=True)]
        return next((f"result {i}: {text}" for i, text in enumerate(parts) if text), None)
    return None if got == want else f"expected {want!r}, got {got!r}"


def _compare_arrays(got: tp.Tensor, want: np.ndarray, dtype: DType) -> str | None:
    if tuple(got.shape) != want.shape:
        return f"expected shape {want.shape}, got {tuple(got.shape)}"
    values = got.detach().cpu()
    array = values.to(_WIDE.get(values.dtype.kind, values.dtype)).numpy()
    coarse = max((dtype, got.dtype), key=lambda d: tolerance(d)[0])
    rtol, atol = tolerance(coarse) if got.dtype.is_inexact else (0.0, 0.0)
    if array.dtype.kind != "c" and want.dtype.kind == "c":
        return f"expected complex values, got {got.dtype}"
    with np.errstate(all="ignore"):
        limit = _limit(coarse)
        want = np.where(np.abs(want) > limit, np.sign(want) * np.inf, want) if limit else want
        close = np.isclose(array, want, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return None
    at = tuple(int(i) for i in np.argwhere(~close)[0]) if array.ndim else ()
    return f"expected {want[at]!r} at {at}, got {array[at]!r}"


def _limit(dtype: DType) -> float:
    """Above this, a narrow float is infinite where the wide reference is not."""
    return tp.finfo(dtype).max if dtype.is_floating_point and dtype is not tp.float64 else 0.0

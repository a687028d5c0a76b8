"""What a call should give: NumPy or SciPy in float64 where the row names them, else ``cpu``.

The ``cpu`` kernels are themselves compared with PyTorch by the project's parity tests.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.registry import Public
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.compared import note
from tensorplug.conformance.samples import Case, Sample, map_tensors

__all__ = [
    "LAST", "Call", "array_of", "compare", "expected", "kernel_of", "reference_of", "same",
    "tolerance",
]  # fmt: skip

_WIDE = {"float": tp.float64, "complex": tp.complex128}


def array_of(x: tp.Tensor) -> np.ndarray:
    """A copy of the values; floats as float64, which holds every narrower type exactly."""
    values = x.detach().cpu()
    wide = _WIDE.get(values.dtype.kind)
    return np.array((values if wide is None else values.to(wide)).numpy())


def _widen(x: tp.Tensor) -> tp.Tensor:
    return x.detach().to(_WIDE.get(x.dtype.kind, x.dtype))


def _named(name: str) -> Callable[..., Any] | None:
    module, _, last = name.rpartition(".")
    if not module:
        return getattr(np, name, None)
    return getattr(importlib.import_module(module), last, None)


_AXIS = {"dim": "axis", "dims": "axis", "keepdim": "keepdims"}
# These differ between 0-d and 1-d arrays.
_COUNT_DIMENSIONS = (np.expand_dims,)
_SIZES = ("size", "sizes", "shape", "dims", "repeats")


class NotNumpy(Exception):
    """A call that NumPy's function of that name cannot express."""


def _in_numpy_terms(public: Public, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` with the public function's arguments: ``dim`` becomes ``axis`` and so on."""
    signature = inspect.signature(public.call)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += _sizes(name, given.get(name, ()))
            elif name in given and name in _AXIS:
                named[_AXIS[name]] = given[name]
            elif name in given and name not in ("out", "dtype", "device"):
                if parameter.kind is parameter.KEYWORD_ONLY:
                    raise NotNumpy(name)
                positional.append(given[name])
        return _with_dimensions(function, positional, named)

    return call


def _sizes(name: str, values: tuple[Any, ...]) -> list[Any]:
    """Several arguments as NumPy takes them: sizes are one tuple, arrays are single arguments."""
    nested = len(values) == 1 and isinstance(values[0], (tuple, list))
    return [values] if name.rstrip("_") in _SIZES and not nested else list(values)


def _with_dimensions(function: Callable[..., Any], args: list[Any], named: dict[str, Any]) -> Any:
    """Call ``function``; a 0-d array has a dimension 0 here, as in torch."""
    if "axis" in named and _takes_axes(function):
        named["axes"] = named.pop("axis")
    flat = args and isinstance(args[0], np.ndarray) and not args[0].ndim
    if flat and named.get("axis") in (0, -1) and function not in _COUNT_DIMENSIONS:
        args = [np.atleast_1d(args[0]), *args[1:]]
        return np.asarray(function(*args, **named)).reshape(())
    return function(*args, **named)


@cache
def _takes_axes(function: Callable[..., Any]) -> bool:
    """Whether NumPy calls the dimensions ``axes`` here."""
    if isinstance(function, np.ufunc):
        return False
    names = inspect.signature(function).parameters
    return "axes" in names and "axis" not in names


@cache
def reference_of(public: Public) -> Callable[..., Any] | None:
    """A function of NumPy arrays, or None when only the ``cpu`` device can tell."""
    ref = public.ref
    if callable(ref):
        return lambda *args, **kwargs: ref(np, *args, **kwargs)
    if isinstance(ref, str):
        found = _named(ref)
        if found is None:
            raise LookupError(f"{public.qualname}: expected ref= to name a function, got {ref!r}")
        return _in_numpy_terms(public, found)
    if public.row is None or public.namespace:
        return None
    family = public.row.family
    own = public.call is public.row.call or public.call.__module__ == type(family).__module__
    if not own or family.name not in ("UNARY", "BINARY", "COMPARE", "REDUCE"):
        return None
    found = _named(public.row.xp or public.name)
    if found is None or family.name != "REDUCE":
        return found
    return _in_numpy_terms(public, found)


def expected(public: Public, sample: Sample) -> tuple[Any, str]:
    """The expected result as NumPy arrays (nested like the result), and where it comes from.

    ``sample`` lives on the cpu and is not modified.
    """
    function = reference_of(public)
    if function is not None:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return _by_numpy(public, function, sample), "NumPy or SciPy in float64"
            except NotNumpy:
                function = None
    wide = sample.map(_widen)
    kwargs = {name: value for name, value in wide.kwargs.items() if name != "dtype"}
    if "device" in kwargs:
        kwargs["device"] = "cpu"
    with tp.device("cpu"):
        found = public.tested(*wide.args, **kwargs)
    return map_tensors(found, lambda x: x.detach().numpy()), "the cpu device in float64"


def _by_numpy(public: Public, function: Callable[..., Any], sample: Sample) -> Any:
    kind = public.row.dtype if public.row is not None else None

    def array(x: tp.Tensor) -> np.ndarray:
        compute = kind.compute(x.dtype) if kind is not None else None
        floats = compute is not None and compute.is_inexact and not x.dtype.is_inexact
        return np.asarray(array_of(x.to(tp.float64) if floats else x))

    found = function(*sample.map(array).args, **sample.map(array).kwargs)
    if not _is_narrow(found):
        return found
    # NumPy computes small integers in float16: repeat it in float64.
    wide = sample.map(lambda x: array_of(x.to(tp.float64)))
    return function(*wide.args, **wide.kwargs)


def _is_narrow(found: Any) -> bool:
    dtype = getattr(found, "dtype", None)
    return dtype in (np.float16, np.float32, np.complex64)


_TOLERANCE: dict[DType, tuple[float, float]] = {
    tp.float16: (8e-3, 4e-3),
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
    if isinstance(got, (list, tuple)) and isinstance(want, (list, tuple, np.ndarray)):
        if len(got) != len(want):
            return f"expected {len(want)} results, got {len(got)}"
        parts = [compare(g, w, dtype) for g, w in zip(got, want, strict=True)]
        return next((f"result {i}: {text}" for i, text in enumerate(parts) if text), None)
    if isinstance(got, float) and isinstance(want, float):
        return None if np.isclose(got, want, rtol=1e-5, equal_nan=True) else f"{want!r} != {got!r}"
    return None if got == want else f"expected {want!r}, got {got!r}"


def _compare_arrays(got: tp.Tensor, want: np.ndarray, dtype: DType) -> str | None:
    if tuple(got.shape) != want.shape:
        return f"expected shape {want.shape}, got {tuple(got.shape)}"
    array = array_of(got)
    if array.dtype.kind != "c" and want.dtype.kind == "c":
        return f"expected complex values, got {got.dtype}"
    coarse = max((dtype, got.dtype), key=lambda d: tolerance(d)[0])
    rtol, atol = tolerance(coarse) if got.dtype.is_inexact else (0.0, 0.0)
    note(array, want, got.dtype, rtol=rtol, atol=atol)
    with np.errstate(all="ignore"):
        limit = _limit(coarse)
        if limit and want.dtype.kind == "f":
            want = np.where(np.abs(want) > limit, np.sign(want) * np.inf, want)
        finite = np.abs(want)[np.isfinite(want)] if want.dtype.kind in "fc" else np.ones(0)
        atol *= max(1.0, float(finite.max())) if finite.size else 1.0
        close = np.isclose(array, want, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return None
    at = tuple(int(i) for i in np.argwhere(~close)[0]) if array.ndim else ()
    return f"expected {want[at].item()!r} at {at}, got {array[at].item()!r}"


def _limit(dtype: DType) -> float:
    """Above this, a narrow float is infinite where the wide reference is not."""
    return tp.finfo(dtype).max if dtype.is_floating_point and dtype is not tp.float64 else 0.0


def same(got: tp.Tensor, want: np.ndarray) -> bool:
    """Whether shape and values are exactly those of an array; nan equals nan."""
    array = got.detach().cpu().numpy()
    if array.shape != want.shape:
        return False
    if array.dtype != want.dtype:
        return False
    if array.dtype.kind in "biu":
        return bool((array == want).all())
    return bool(((array == want) | ((array != array) & (want != want))).all())


def kernel_of(public: Public, device: str) -> str:
    """Which kernel serves a function on a device, for messages."""
    row, where = public.row, tp.device(device)
    if row is None:
        return "a composition of other functions"
    if where.F.has(row.name):
        giver = tp.backends.provider(where.backend.name, row.name)
        return f"kernel {row.name!r} of {giver or where.backend.name}"
    if getattr(where.backend, row.name, None) is not None:
        return f"method {row.name!r} of {type(where.backend).__name__}"
    found: Any = where.backend.namespace
    for part in (row.xp or "").split("."):
        found = getattr(found, part, None)
    if row.xp and found is not None:
        return f"array API function {row.xp!r} of {where.backend.name}"
    if row.generic is not None:
        return f"generic form of {row.name!r}"
    return "the host, by fallback" if where.backend.host_fallback else "none"


LAST: list[Call] = []
"""The call that the running test made last, for the report; empty when it has made none."""


class Call:
    """One call of a function under test, which knows how to describe itself.

    ``name`` is how it is called where not by its own name (``Tensor.exp_``), ``how`` is
    ``"forward"`` or ``"gradient"``.
    """

    def __init__(
        self, case: Case, sample: Sample, device: str, name: str = "", how: str = "forward"
    ) -> None:
        self.case, self.sample, self.device, self.how = case, sample, device, how
        self.name = name or case.public.qualname
        self.problem = self.source = ""
        LAST[:] = [self]

    def fails(self, problem: str, source: str = "") -> str:
        """The text of a failure."""
        self.problem, self.source = problem, source
        lines = [f"{self.name}({self.sample!r}) on {self.device}: {problem}"]
        if source:
            lines.append(f"  expected from: {source}")
        lines.append(f"  computed by: {kernel_of(self.case.public, self.device)}")
        return "\n".join(lines)

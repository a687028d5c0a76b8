"""Single calls with NumPy arrays as arguments, compared with exact or wide values.

What the tests of rules are made of: ``check(device, "atan2", y, x, want=...)`` puts the arrays on
the device, calls ``tp.atan2``, and says in its failure what was called with which elements.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.backends.dtypes import DType, from_numpy
from tensorplug.conformance.compared import note
from tensorplug.conformance.reference import array_of
from tensorplug.conformance.samples import describe, map_tensors, tensors_in

__all__ = [
    "REFUSALS", "SIDE", "busy", "call", "check", "error_of", "f32", "f64", "few", "floats_of",
    "i64", "on", "problem", "refuses", "rounded", "spacing", "ulps_off",
]  # fmt: skip

T = TypeVar("T")

REFUSALS = (RuntimeError, TypeError, ValueError, IndexError)

FLOATS = (tp.float16, tp.bfloat16, tp.float32, tp.float64)


def floats_of(device: str, thorough: bool = True) -> list[DType]:
    """The floating-point types that a device declares, the narrow ones first.

    Only float32 where each type costs a compilation and there is little time.
    """
    found = tp.device(device)
    short = found.backend.compiles and not thorough
    types = (tp.float32,) if short else FLOATS
    return [dtype for dtype in types if found.backend.supports_dtype(dtype, found.index)]


def few(device: str, items: Iterable[T], thorough: bool, one_of: int = 8) -> list[T]:
    """All items, or one of so many on a device where each new shape costs a compilation."""
    chosen = list(items)
    if thorough or not tp.device(device).backend.compiles:
        return chosen
    kept = [item for item in chosen if zlib.crc32(f"{item!r} {device}".encode()) % one_of == 0]
    return kept or chosen[:1]


def f32(values: Any) -> np.ndarray:
    """float32 values."""
    return np.asarray(values, np.float32)


def f64(values: Any) -> np.ndarray:
    """float64 values."""
    return np.asarray(values, np.float64)


def i64(values: Any) -> np.ndarray:
    """int64 values."""
    return np.asarray(values, np.int64)


# --- calls ---------------------------------------------------------------------------------------


def on(device: str, value: Any) -> Any:
    """NumPy arrays, nested in lists or not, as tensors on a device; all else as it is."""
    if isinstance(value, (np.ndarray, np.generic)):
        return tp.tensor(np.asarray(value), dtype=from_numpy(value.dtype), device=device)
    if type(value) in (list, tuple):
        return type(value)(on(device, item) for item in value)
    if isinstance(value, dict):
        return {name: on(device, item) for name, item in value.items()}
    return value


def function(name: str) -> Any:
    """``nn.functional.gelu`` or ``Tensor.view`` as a function."""
    if name in FUNCTIONS:
        return FUNCTIONS[name].call
    found: Any = tp
    for part in name.split("."):
        found = getattr(found, part)
    return found


def text_of(name: str, device: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A call as code, with the device that its tensors are on."""
    parts = [describe(arg) for arg in args]
    parts += [f"{key}={describe(value)}" for key, value in kwargs.items()]
    return f"{name}({', '.join(parts)}) on {device}"


def call(device: str, name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a function with arrays turned into tensors."""
    with tp.device(device):
        return function(name)(*on(device, args), **on(device, kwargs))


def check(
    device: str, name: str, *args: Any, want: Any, dtype: DType | None = None, ulps: float = 0.0,
    rtol: float = 0.0, atol: float = 0.0, signs: bool = False, **kwargs: Any,
) -> None:  # fmt: skip
    """Call a function and compare each tensor of its result with an array of ``want``.

    ``dtype`` is the expected type of the (first) result, where that is not the type of ``want``.
    The bounds are those of :func:`problem`.
    """
    args, kwargs = on(device, args), on(device, kwargs)
    text = text_of(name, device, args, kwargs)
    before = [array_of(x) for x in tensors_in([args, kwargs])]
    with tp.device(device):
        got = function(name)(*args, **kwargs)
    gots, wants = tensors_in([got]), want if isinstance(want, (list, tuple)) else [want]
    assert len(gots) == len(wants), f"{text}: expected {len(wants)} results, got {len(gots)}"
    for i, (one, other) in enumerate(zip(gots, wants, strict=True)):
        kind = dtype if dtype is not None and not i else None
        wrong = problem(one, other, dtype=kind, ulps=ulps, rtol=rtol, atol=atol, signs=signs)
        if wrong is not None:
            at = _elements(args, wrong[1], tuple(one.shape))
            raise AssertionError(f"{text}: {wrong[0]}{at}")
        assert str(one.device) == device, f"{text}: got a result on {one.device}"
    after = [array_of(x) for x in tensors_in([args, kwargs])]
    same = all(_identical(a, b) for a, b in zip(before, after, strict=True))
    assert same, f"{text}: an input was modified"


def _identical(one: np.ndarray, two: np.ndarray) -> bool:
    return np.array_equal(one, two, equal_nan=one.dtype.kind in "fc")


def _elements(args: tuple[Any, ...], at: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """The elements of the arguments that a wrong element came from, where shapes are equal."""
    mine = [x for x in args if isinstance(x, tp.Tensor)]
    if not at or not mine or any(tuple(x.shape) != shape for x in mine):
        return ""
    return f"; from {', '.join(repr(array_of(x)[at].item()) for x in mine)}"


def refuses(
    device: str, name: str, *args: Any, error: Any = REFUSALS, words: tuple[str, ...] = (),
    **kwargs: Any,
) -> None:  # fmt: skip
    """The call raises one of the documented classes, its text has the words, nothing is changed."""
    args, kwargs = on(device, args), on(device, kwargs)
    text = text_of(name, device, args, kwargs)
    tensors = tensors_in([args, kwargs])
    before = [(array_of(x), x._version) for x in tensors]
    got = caught = None
    with tp.device(device):
        try:
            got = function(name)(*args, **kwargs)
            map_tensors(got, lambda x: x.cpu())  # what is computed later fails here at the latest
        except error as found:
            caught = found
    if caught is None:
        pytest.fail(f"{text}: expected an error, got {got!r}")
    missing = [word for word in words if word not in str(caught)]
    assert not missing, f"{text}: expected {missing} in the error, got {caught!r}"
    for x, (values, version) in zip(tensors, before, strict=True):
        same = _identical(values, array_of(x)), x._version
        assert same == (True, version), f"{text}: an input was modified before the error"
    assert tp.ones(2, device=device).sum().item() == 2, f"{text}: {device} is unusable afterwards"


def error_of(run: Callable[[], Any]) -> Exception | None:
    """The refusal that a call raises, or None where it does not."""
    try:
        run()
    except REFUSALS as error:
        return error
    return None


# --- comparisons ---------------------------------------------------------------------------------


def spacing(values: np.ndarray, dtype: DType) -> np.ndarray:
    """The distance between neighbours of a type at (float64) values."""
    info = tp.finfo(dtype)
    with np.errstate(all="ignore"):
        _, exponents = np.frexp(np.maximum(np.abs(values), float(info.tiny)))
        found: np.ndarray = np.ldexp(float(info.eps), exponents - 1)
    return found


def rounded(values: Any, dtype: DType) -> np.ndarray:
    """Values rounded to a type, to nearest and ties to even, as an array of that type."""
    with np.errstate(all="ignore"):
        found: np.ndarray = np.asarray(values).astype(dtype.numpy)
    return found


def ulps_off(got: np.ndarray, want: np.ndarray, dtype: DType) -> np.ndarray:
    """How many units in the last place of ``dtype`` lie between; 0 where both are the same."""
    with np.errstate(all="ignore"):
        limit = float(tp.finfo(dtype).max)
        # What rounds beyond the largest number is infinite; next to it, both are right.
        top = np.abs(want) > limit
        near = top & (np.abs(want) < limit + 4 * spacing(np.asarray(limit), dtype))
        wide = np.where(top, np.sign(want) * np.inf, want)
        off = np.abs(got - wide) / spacing(np.where(np.isfinite(wide), wide, 1.0), dtype)
        same = (got == wide) | (np.isnan(got) & np.isnan(wide))
        same |= near & (np.isinf(got) | (np.abs(got) > 0.99 * limit)) & (got * want > 0)
        same |= np.isinf(got) & (np.abs(want) > 0.999 * limit) & (got * want > 0)
        found: np.ndarray = np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))
    return found


def _is_off(
    got: np.ndarray, want: np.ndarray, dtype: DType, ulps: float, rtol: float, atol: float
) -> np.ndarray:
    """Which elements are further away than allowed."""
    if got.dtype.kind in "biu" or want.dtype.kind in "biu":
        return np.asarray(got != want)
    if got.dtype.kind == "c" or want.dtype.kind == "c":
        return ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    with np.errstate(all="ignore"):
        far = ulps_off(got, want, dtype) > ulps
        if rtol or atol:
            far &= ~(np.abs(got - want) <= atol + rtol * np.abs(want))
    return np.asarray(far)


def problem(
    got: tp.Tensor, want: Any, *, dtype: DType | None = None, ulps: float = 0.0, rtol: float = 0.0,
    atol: float = 0.0, signs: bool = False,
) -> tuple[str, tuple[int, ...]] | None:  # fmt: skip
    """What is wrong with a result and where, or None.

    An element is right if it is within so many units in the last place of the result's type, or
    within ``atol + rtol * |want|``. With ``signs``, zeros must have the right sign.
    """
    want = np.asarray(want)
    rule = dtype if dtype is not None else from_numpy(want.dtype)
    if got.dtype is not rule:
        return f"expected {rule}, got {got.dtype}", ()
    if tuple(got.shape) != want.shape:
        return f"expected shape {want.shape}, got {tuple(got.shape)}", ()
    wide = want
    if rule.is_floating_point and want.dtype != np.longdouble:
        wide = want.astype(np.float64)
    array = array_of(got)
    note(array, wide, rule, ulps=ulps, rtol=rtol, atol=atol)
    wrong = _is_off(array, wide, rule, ulps, rtol, atol)
    if signs and rule.is_floating_point:
        wrong |= (wide == 0) & (np.signbit(array) != np.signbit(wide))
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    count = f" ({int(wrong.sum())} of {wrong.size} elements)" if wrong.size > 1 else ""
    text = f"expected {wide[at].item()!r}, got {array[at].item()!r} at {at}{count}"
    if rule.is_floating_point and (ulps or rtol or atol):
        text += f", {ulps_off(array, wide, rule)[at]:.3g} ULP apart, allowed {ulps:g}"
    return text, at


# --- work that takes a moment ---------------------------------------------------------------------

SIDE = 96


def busy(device: str, number: float = 1.0) -> tp.Tensor:
    """A (96, 96) tensor of one value, at the end of a row of slow operations."""
    x = tp.full((SIDE, SIDE), number, device=device)
    eye = tp.eye(SIDE, device=device)
    for _ in range(4):
        x = (x @ eye).add_(1).mul(1.0) - 1
    return x

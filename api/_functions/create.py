"""Making tensors: constants, ranges, identity matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._arguments import number_of
from .._arguments import sizes as sizes_of
from .._creation import (
    check_dtype,
    device_of,
    evenly,
    finish,
    powers,
    shape_of,
    to_device,
    triangle,
)
from ..autograd.errors import OpError, OpTypeError
from ..autograd.inplace import check_out, write_out
from ..autograd.registry import function
from ..autograd.tensor import Tensor, default_dtype_of, make
from ..backends import dtypes
from ..backends.base import Layout
from ..backends.dtypes import DType
from ..backends.layout import extent

__all__ = ["arange", "empty_strided", "filled", "wrapped"]


def _target(out: Any, dtype: Any, device: Any, name: str, default: DType) -> tuple[DType, Any]:
    if out is not None:
        check_out(name, out)
        return out._dtype, out._device
    return check_dtype(name, dtype) or default, device_of(device)


def _done(name: str, result: Tensor, out: Any, requires_grad: bool) -> Tensor:
    return finish(result if out is None else write_out(name, out, result), requires_grad)


# --- constants --------------------------------------------------------------------------------


def wrapped(value: Any, dtype: DType) -> Any:
    """A whole number as an integer type holds it: modulo its range, as torch fills."""
    if not isinstance(value, int) or dtype.kind not in ("int", "uint"):
        return value
    span = 1 << (8 * dtype.itemsize)
    found = int(value) % span
    return found - span if dtype.is_signed and found >= span // 2 else found


def filled(
    name: str, size: Any, value: Any, out: Any, dtype: Any, device: Any, grad: bool
) -> Tensor:
    """A tensor of one value; shared by ``zeros``, ``ones``, ``full`` and their relatives."""
    if out is not None:
        check_out(name, out)
    where = out._device if out is not None and device is None else device_of(device)
    dtype = check_dtype(name, dtype)
    if dtype is None:
        dtype = out._dtype if out is not None else dtypes.default_float()
    value = wrapped(value, dtype)
    result = make(where.F.full(shape_of(name, size), value, dtype), dtype, where)
    return finish(result if out is None else write_out(name, out, result), grad)


@function(method=False, samples=lambda t: [(2, 3), ((0,),), ()], ref="zeros")
def zeros(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of zeros."""
    return filled("zeros", sizes if size is None else (size,), 0, out, dtype, device, requires_grad)


@function(method=False, samples=lambda t: [(2, 3), ((0,),), ()], ref="ones")
def ones(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ones."""
    return filled("ones", sizes if size is None else (size,), 1, out, dtype, device, requires_grad)


@function(method=False, samples=lambda t: [((2, 3), 7.0), ((), True), ((0,), 1)], ref="full")
def full(
    size: Sequence[int], fill_value: Any, *, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one value, whose type it takes: bool, int64, the default float or complex."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if dtype is None and out is None:
        dtype = default_dtype_of(fill_value)
    return filled("full", (size,), fill_value, out, dtype, device, requires_grad)


@function(method=False, random=True, samples=lambda t: [(2, 3), ((0,),), ()])
def empty(
    *sizes: Any, size: Any = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor with any values."""
    where, dtype = device_of(device), check_dtype("empty", dtype) or dtypes.default_float()
    result = make(
        where.F.empty(shape_of("empty", sizes if size is None else (size,)), dtype), dtype, where
    )
    return finish(result if out is None else write_out("empty", out, result), requires_grad)


# --- ranges -----------------------------------------------------------------------------------


@function(
    method=False,
    samples=lambda t: [(5,), (1, 6, 2), (0.0, 1.0, 0.25), (3, 0, -1), (0,)],
    ref="arange",
)
def arange(
    *bounds: Any, start: Any = None, end: Any = None, step: Any = None, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``start, start + step, ...`` below ``end``: ``arange(end)``, ``arange(start, end, step)``.

    The type is int64 when all numbers are integers, the default float type otherwise.

    Raises:
        RuntimeError: ``step`` is zero or leads away from ``end``, or a number is not finite.

    Example:
        >>> tp.arange(1, 2.5, 0.5)
        tensor([1.0000, 1.5000, 2.0000])
    """
    if _INT.issuperset(map(type, bounds)) and bounds and start is end is step is out is None:
        return _int_range(bounds, dtype, device, requires_grad)
    given = [number_of(x) for x in bounds]
    names = ["end"] if len(given) == 1 and end is None else ["start", "end", "step"]
    if len(given) > len(names) or len(bounds) > 3:
        raise OpTypeError(f"arange: expected end, or start, end and step, got {bounds}")
    named = {"start": start, "end": end, "step": step}
    values = {key: number_of(x) for key, x in named.items() if x is not None}
    values |= dict(zip(names, given, strict=False))
    if "end" not in values:
        raise OpTypeError("arange: expected end, got no argument", op="arange")
    first, last, by = values.get("start", 0), values["end"], values.get("step", 1)
    whole = all(isinstance(x, int) for x in (first, last, by))
    default = dtypes.int64 if whole else dtypes.default_float()
    kind, where = _target(out, dtype, device, "arange", default)
    _check_range(first, last, by)
    if kind.kind in ("int", "uint") and not whole:
        first, last, by = _as_ints(first, last, by, kind)
    result = make(where.F.arange(first, last, by, kind), kind, where)
    return _done("arange", result, out, requires_grad)


_INT = frozenset((int,))


def _int_range(
    bounds: tuple[int, ...], dtype: DType | None, device: Any, requires_grad: bool
) -> Tensor:
    """``arange`` of plain integers: the common case."""
    first, last, by = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    kind, where = check_dtype("arange", dtype) or dtypes.int64, device_of(device)
    if len(bounds) > 3 or by == 0 or (last - first) * by < 0:
        _check_range(first, last, by)
        raise OpTypeError(f"arange: expected end, or start, end and step, got {bounds}")
    return finish(make(where.F.arange(first, last, by, kind), kind, where), requires_grad)


def _check_range(first: Any, last: Any, by: Any) -> None:
    if by == 0:
        raise OpError("arange: expected a step other than 0, got 0; step must be nonzero")
    if not all(math.isfinite(x) for x in (first, last, by)):
        raise OpError(
            f"arange: expected finite numbers, got {first}, {last}, {by}; unsupported range"
        )
    if (last - first) * by < 0:
        raise OpError(
            f"arange: expected a step from {first} towards {last}, got {by}; upper bound and lower "
            "bound inconsistent with step sign",
            op="arange",
        )


def _as_ints(first: Any, last: Any, by: Any, kind: DType) -> tuple[Any, Any, Any]:
    """Cut numbers as torch does for an integer result; int64 counts with the cut ones."""
    step = int(by)
    if kind is dtypes.int64 and step:
        return int(first), int(last), step
    count = math.ceil((last - first) / by)
    if step == 0:
        raise OpError(f"arange: expected a whole step for integers, got {by}; step must be nonzero")
    return int(first), int(first) + count * step, step


@function(
    method=False,
    samples=lambda t: [(0, 1, 5), (2.0, -1.0, 4), (0, 1, 1), (0, 1, 0)],
    ref="linspace",
)
def linspace(
    start: Any, end: Any, steps: int, *, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    Raises:
        RuntimeError: ``steps`` is negative.
    """
    first, last = number_of(start), number_of(end)
    if not isinstance(steps, int):
        raise OpTypeError(f"linspace: expected an integer as steps, got {steps!r}", op="linspace")
    if steps < 0:
        raise OpError(
            f"linspace: expected steps >= 0, got {steps}; number of steps must be non-negative",
            op="linspace",
        )
    complex_ = isinstance(first, complex) or isinstance(last, complex)
    default = dtypes.default_complex() if complex_ else dtypes.default_float()
    kind, where = _target(out, dtype, device, "linspace", default)
    if kind.kind in ("int", "uint"):
        first, last = int(first), int(last)
    result = to_device(evenly(first, last, steps), kind, where)
    return _done("linspace", result, out, requires_grad)


@function(
    method=False,
    samples=lambda t: [(0, 2, 3), (0.0, 1.0, 4, 2.0)],
    ref=lambda np, start, end, steps, base=10.0: np.logspace(start, end, steps, base=base),
)
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the powers of ``linspace(start, end, steps)``."""
    first, last = number_of(start), number_of(end)
    if not isinstance(steps, int):
        raise OpTypeError(f"logspace: expected an integer as steps, got {steps!r}", op="logspace")
    if steps < 0:
        raise OpError(
            f"logspace: expected steps >= 0, got {steps}; number of steps must be non-negative",
            op="logspace",
        )
    complex_ = any(isinstance(x, complex) for x in (first, last))
    default = dtypes.default_complex() if complex_ else dtypes.default_float()
    kind, where = _target(out, dtype, device, "logspace", default)
    if kind.kind in ("int", "uint"):
        first, last = int(first), int(last)
    result = to_device(powers(base, evenly(first, last, steps)), kind, where)
    return _done("logspace", result, out, requires_grad)


@function(method=False, samples=lambda t: [(3,), (2, 3), (0,)], ref="eye")
def eye(
    n: int, m: int | None = None, *, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A matrix with ones on the diagonal and zeros elsewhere.

    Raises:
        RuntimeError: a size is negative.
    """
    shape = sizes_of("eye", (n, n if m is None else m))
    kind, where = _target(out, dtype, device, "eye", dtypes.default_float())
    handle = where.F.zeros(shape, kind)
    where.F.assign(where.F.diagonal(handle, (0, 0, 1)), 1)
    return _done("eye", make(handle, kind, where), out, requires_grad)


def _triangle_indices(
    name: str, shape: tuple[int, int], offset: int, lower: bool, dtype: Any, device: Any
) -> Tensor:
    kind = check_dtype(name, dtype) or dtypes.int64
    rows, columns = sizes_of(name, shape)
    return to_device(triangle(rows, columns, offset, lower), kind, device_of(device))


@function(method=False, samples=lambda t: [(3, 3), (2, 4, 1), (0, 2)])
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType | None = dtypes.int64, device: Any = None,
    layout: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The row and column numbers of the lower triangle, row by row: shape ``(2, N)``."""
    return _triangle_indices("tril_indices", (row, col), offset, True, dtype, device)


@function(method=False, samples=lambda t: [(3, 3), (2, 4, 1), (0, 2)])
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType | None = dtypes.int64, device: Any = None,
    layout: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The row and column numbers of the upper triangle, row by row: shape ``(2, N)``."""
    return _triangle_indices("triu_indices", (row, col), offset, False, dtype, device)


@function(method=False, samples=lambda t: [(2.5,), (3,)])
def scalar_tensor(
    s: Any, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A 0-d tensor, of the default float type unless ``dtype`` says otherwise."""
    kind = dtype or (dtypes.default_complex() if isinstance(s, complex) else dtypes.default_float())
    return filled("scalar_tensor", ((),), number_of(s), None, kind, device, requires_grad)


@function(method=False, random=True, samples=lambda t: [((2, 3), (1, 2)), ((2,), (3,))])
def empty_strided(
    size: Any, stride: Any, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor with any values and the given strides, in elements.

    Raises:
        RuntimeError: there are not as many strides as sizes, or one is negative.
    """
    shape, steps = sizes_of("empty_strided", (size,)), sizes_of("empty_strided", (stride,))
    if len(shape) != len(steps):
        raise OpError(f"empty_strided: expected as many strides as sizes, got {shape} and {steps}")
    kind, where = _target(None, dtype, device, "empty_strided", dtypes.default_float())
    flat = where.F.empty((extent(Layout(shape, steps, 0)).stop,), kind)
    handle = where.backend.as_strided(flat, shape, steps, 0)
    return finish(make(handle, kind, where), requires_grad)

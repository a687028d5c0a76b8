"""Making tensors: ranges, identity matrices, and tensors like others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._arguments import number_of, sizes
from .._creation import check_dtype, device_of, filled, finish
from .._creation import tensor as make_tensor
from ..autograd.errors import OpError, OpTypeError
from ..autograd.inplace import write_out
from ..autograd.registry import function
from ..autograd.tensor import Tensor, make
from ..backends import dtypes
from ..backends.base import Layout
from ..backends.dtypes import DType
from ..backends.layout import extent

__all__ = ["arange", "empty_strided"]


def _target(out: Any, dtype: Any, device: Any, name: str, default: DType) -> tuple[DType, Any]:
    if out is not None:
        return out._dtype, out._device
    return check_dtype(name, dtype) or default, device_of(device)


def _done(name: str, result: Tensor, out: Any, requires_grad: bool) -> Tensor:
    return finish(result if out is None else write_out(name, out, result), requires_grad)


# --- ranges ------------------------------------------------------------------------------------------


@function(method=False, samples=lambda t: [(5,), (1, 6, 2), (0.0, 1.0, 0.25), (3, 0, -1), (0,)],
          ref="arange")  # fmt: skip
def arange(
    *bounds: Any, start: Any = None, end: Any = None, step: Any = None, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``start, start + step, ...`` up to, without, ``end``: ``arange(end)``, ``arange(start, end)``.

    The type is int64 when all numbers are integers, the default float type otherwise.

    Raises:
        RuntimeError: ``step`` is zero or leads away from ``end``, or a number is not finite.

    Example:
        >>> tp.arange(1, 2.5, 0.5)
        tensor([1.0000, 1.5000, 2.0000])
    """
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
        first, last, by = _as_ints(first, last, by)
    result = make(where.F.arange(first, last, by, kind), kind, where)
    return _done("arange", result, out, requires_grad)


def _check_range(first: Any, last: Any, by: Any) -> None:
    if by == 0:
        raise OpError("arange: expected a step other than 0, got 0; step must be nonzero")
    if not all(math.isfinite(x) for x in (first, last, by)):
        raise OpError(f"arange: expected finite numbers, got {first}, {last}, {by}; "
                      "unsupported range")  # fmt: skip
    if (last - first) * by < 0:
        raise OpError(
            f"arange: expected a step from {first} towards {last}, got {by}; upper bound and lower "
            "bound inconsistent with step sign",
            op="arange",
        )


def _as_ints(first: Any, last: Any, by: Any) -> tuple[Any, Any, Any]:
    """Cut numbers as torch does for an integer result; the count is that of the floats."""
    count = math.ceil((last - first) / by)
    step = int(by)
    if step == 0:
        raise OpError(f"arange: expected a whole step for integers, got {by}; step must be nonzero")
    return int(first), int(first) + count * step, step


@function(method=False, samples=lambda t: [(0, 1, 5), (2.0, -1.0, 4), (0, 1, 1), (0, 1, 0)],
          ref="linspace")  # fmt: skip
def linspace(
    start: Any, end: Any, steps: int, *, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    Raises:
        RuntimeError: ``steps`` is negative.
    """
    first, last = number_of(start), number_of(end)
    if steps < 0:
        raise OpError(f"linspace: expected steps >= 0, got {steps}; number of steps must be "
                      "non-negative", op="linspace")  # fmt: skip
    complex_ = isinstance(first, complex) or isinstance(last, complex)
    default = dtypes.default_complex() if complex_ else dtypes.default_float()
    kind, where = _target(out, dtype, device, "linspace", default)
    values = evenly(first, last, int(steps))
    result = make_tensor(values, dtype=kind, device=where)
    return _done("linspace", result, out, requires_grad)


def evenly(first: Any, last: Any, steps: int) -> list[Any]:
    """Equally spaced numbers, exact at both ends: the second half counts back from the end."""
    if steps < 2:
        return [first][:steps]
    by = (last - first) / (steps - 1)
    half = steps // 2
    return [first + by * i if i < half else last - by * (steps - 1 - i) for i in range(steps)]


@function(method=False, samples=lambda t: [(0, 2, 3), (0.0, 1.0, 4, 2.0)], ref="logspace")
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the powers of ``linspace(start, end, steps)``."""
    first, last = number_of(start), number_of(end)
    if steps < 0:
        raise OpError(f"logspace: expected steps >= 0, got {steps}; number of steps must be "
                      "non-negative", op="logspace")  # fmt: skip
    complex_ = any(isinstance(x, complex) for x in (first, last))
    default = dtypes.default_complex() if complex_ else dtypes.default_float()
    kind, where = _target(out, dtype, device, "logspace", default)
    powers = [_power(base, x) for x in evenly(first, last, int(steps))]
    result = make_tensor(powers, dtype=kind, device=where)
    return _done("logspace", result, out, requires_grad)


def _power(base: float, exponent: Any) -> Any:
    try:
        return base**exponent
    except OverflowError:
        return math.inf
    except ZeroDivisionError:
        return math.inf


@function(method=False, samples=lambda t: [(3,), (2, 3), (0,)], ref="eye")
def eye(
    n: int, m: int | None = None, *, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A matrix with ones on the diagonal and zeros elsewhere.

    Raises:
        RuntimeError: a size is negative.
    """
    shape = sizes("eye", (n, n if m is None else m))
    kind, where = _target(out, dtype, device, "eye", dtypes.default_float())
    handle = where.F.zeros(shape, kind)
    where.F.assign(where.F.diagonal(handle, (0, 0, 1)), 1)
    return _done("eye", make(handle, kind, where), out, requires_grad)


def _triangle_indices(
    name: str, row: int, col: int, dtype: Any, device: Any, keep: Callable[[int, int], bool]
) -> Tensor:
    shape = sizes(name, (row, col))
    kind = check_dtype(name, dtype) or dtypes.int64
    found = [(i, j) for i in range(shape[0]) for j in range(shape[1]) if keep(i, j)]
    lines = [[i for i, _ in found], [j for _, j in found]]
    return make_tensor(lines, dtype=kind, device=device)


@function(method=False, samples=lambda t: [(3, 3), (2, 4, 1), (0, 2)])
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType | None = dtypes.int64, device: Any = None,
    layout: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The row and column numbers of the lower triangle, row by row: shape ``(2, N)``."""
    return _triangle_indices("tril_indices", row, col, dtype, device, lambda i, j: j - i <= offset)


@function(method=False, samples=lambda t: [(3, 3), (2, 4, 1), (0, 2)])
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType | None = dtypes.int64, device: Any = None,
    layout: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The row and column numbers of the upper triangle, row by row: shape ``(2, N)``."""
    return _triangle_indices("triu_indices", row, col, dtype, device, lambda i, j: j - i >= offset)


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
    shape, steps = sizes("empty_strided", (size,)), sizes("empty_strided", (stride,))
    if len(shape) != len(steps):
        raise OpError(f"empty_strided: expected as many strides as sizes, got {shape} and {steps}")
    kind, where = _target(None, dtype, device, "empty_strided", dtypes.default_float())
    flat = where.F.empty((extent(Layout(shape, steps, 0)).stop,), kind)
    handle = where.backend.as_strided(flat, shape, steps, 0)
    return finish(make(handle, kind, where), requires_grad)


# --- like another tensor -----------------------------------------------------------------------------


def _like(
    name: str, input: Tensor, value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    if not isinstance(input, Tensor):
        raise OpTypeError(f"{name}: expected a tensor, got {type(input).__name__}", op=name)
    kind = check_dtype(name, dtype) or input._dtype
    where = input._device if device is None else device_of(device)
    shape = tuple(input._h.shape)
    handle = where.F.empty(shape, kind) if value is None else where.F.full(shape, value, kind)
    return finish(make(handle, kind, where), requires_grad)


@function(method=False, ref="zeros_like", samples=lambda t: [(t(2, 3),), (t(),)])
def zeros_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Zeros of the shape, type and device of ``input``."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad)


@function(method=False, ref="ones_like", samples=lambda t: [(t(2, 3),), (t(),)])
def ones_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Ones of the shape, type and device of ``input``."""
    return _like("ones_like", input, 1, dtype, device, requires_grad)


@function(method=False, random=True, samples=lambda t: [(t(2, 3),), (t(),)])
def empty_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Any values, with the shape, type and device of ``input``."""
    return _like("empty_like", input, None, dtype, device, requires_grad)


@function(method=False, ref="full_like", samples=lambda t: [(t(2, 3), 2), (t(), -1)])
def full_like(
    input: Tensor, fill_value: Any, *, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """One value, with the shape, type and device of ``input``."""
    return _like("full_like", input, number_of(fill_value), dtype, device, requires_grad)


@function(namespace="Tensor", samples=lambda t: [(t(2), (2, 3)), (t(2), 2, 3)])
def new_zeros(
    self: Tensor, *size: Any, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of the type and on the device of this tensor."""
    return _new("new_zeros", self, size, 0, dtype, device, requires_grad)


@function(namespace="Tensor", samples=lambda t: [(t(2), (2, 3)), (t(2), 2, 3)])
def new_ones(
    self: Tensor, *size: Any, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of the type and on the device of this tensor."""
    return _new("new_ones", self, size, 1, dtype, device, requires_grad)


@function(namespace="Tensor", random=True, samples=lambda t: [(t(2), (2, 3)), (t(2), 2, 3)])
def new_empty(
    self: Tensor, *size: Any, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Any values, of the type and on the device of this tensor."""
    return _new("new_empty", self, size, None, dtype, device, requires_grad)


@function(namespace="Tensor", samples=lambda t: [(t(2), (2, 3), 4.0)])
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """One value, of the type and on the device of this tensor."""
    return _new("new_full", self, (size,), number_of(fill_value), dtype, device, requires_grad)


def _new(
    name: str, self: Tensor, size: Any, value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    kind = check_dtype(name, dtype) or self._dtype
    where = self._device if device is None else device_of(device)
    keyword = size[0] if len(size) == 1 and not hasattr(size[0], "__index__") else size
    shape = sizes(name, (tuple(keyword),))
    handle = where.F.empty(shape, kind) if value is None else where.F.full(shape, value, kind)
    return finish(make(handle, kind, where), requires_grad)


@function(namespace="Tensor", random=True, samples=lambda t: [(t(2), (2, 3), (1, 2))])
def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """As ``empty_strided``, of the type and on the device of this tensor."""
    where = self._device if device is None else device
    return empty_strided(size, stride, dtype=dtype or self._dtype, device=where,
                         requires_grad=requires_grad)  # fmt: skip


@function(namespace="Tensor", samples=lambda t: [(t(2), [1, 2])])
def new_tensor(
    self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A copy of ``data`` in the type and on the device of this tensor."""
    kind, where = dtype or self._dtype, self._device if device is None else device
    return make_tensor(data, dtype=kind, device=where, requires_grad=requires_grad)

"""Arrays from data and from nothing."""

from __future__ import annotations

import math
from typing import Any, Literal

from .. import _creation as creation
from .. import _foreign as foreign
from .._creation import check_dtype, device_of, evenly, shape_of, to_device
from .._functions import copies, join
from .._functions.create import filled
from ..autograd.errors import OpValueError
from ..autograd.tensor import Tensor, default_dtype_of, make
from ..backends import dtypes
from ..backends.device import Device
from ..backends.dtypes import DType
from ._arguments import only, plain, promoted, tensor
from ._dtypes import moved

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
    "linspace", "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


# --- from data -----------------------------------------------------------------------------------


def asarray(
    obj: Any, /, *, dtype: DType | None = None, device: Device | str | None = None,
    copy: bool | None = None,
) -> Tensor:  # fmt: skip
    """An array of numbers, nested sequences of them, or an array of any library.

    Differs from torch: a copy of a tensor keeps its history.

    Raises:
        ValueError: ``copy=False`` and a copy is needed.

    Example:
        >>> tp.array_api.asarray([[1, 2], [3, 4]], dtype=tp.float64)
        tensor([[1., 2.],
                [3., 4.]], dtype=tensorplug.float64)
    """
    if isinstance(obj, Tensor):
        where = None if device is None else device_of(device)
        found = moved(obj, check_dtype("asarray", dtype), where, copy)
        if copy is False and found is not obj:
            raise OpValueError(
                f"asarray: expected {obj._dtype} on {obj._device}, which copy=False needs, got "
                f"dtype={dtype} and device={device}; leave copy=None",
                op="asarray",
            )
        return found
    return creation.asarray(obj, dtype=dtype, device=device, copy=copy)


def from_dlpack(
    x: Any, /, *, device: Device | str | None = None, copy: bool | None = None
) -> Tensor:
    """An array over the memory of another library's, or a copy of it.

    Raises:
        BufferError: ``copy=False`` and the memory cannot be shared.
    """
    return foreign.from_dlpack(x, device=device, copy=copy)


# --- constants -----------------------------------------------------------------------------------


def empty(
    shape: int | tuple[int, ...], *, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """An array with any values."""
    where, kind = device_of(device), check_dtype("empty", dtype) or dtypes.default_float()
    return make(where.F.empty(shape_of("empty", (shape,)), kind), kind, where)


def zeros(
    shape: int | tuple[int, ...], *, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """An array of zeros."""
    return filled("zeros", (shape,), 0, None, dtype, device, False)


def ones(
    shape: int | tuple[int, ...], *, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """An array of ones."""
    return filled("ones", (shape,), 1, None, dtype, device, False)


def full(
    shape: int | tuple[int, ...], fill_value: Tensor | complex, *, dtype: DType | None = None,
    device: Device | str | None = None,
) -> Tensor:  # fmt: skip
    """An array of one value, whose type it takes: bool, int64, the default float or complex."""
    value = plain(fill_value)
    kind = default_dtype_of(value) if dtype is None else dtype
    return filled("full", (shape,), value, None, kind, device, False)


def _like(name: str, x: Any, value: Any, dtype: DType | None, device: Any) -> Tensor:
    x = tensor(name, x, "x")
    where = x._device if device is None else device
    return filled(name, (tuple(x._h.shape),), value, None, dtype or x._dtype, where, False)


def empty_like(
    x: Tensor, /, *, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """An array of the shape, type and device of ``x``, with any values."""
    x = tensor("empty_like", x, "x")
    where = x._device if device is None else device
    return empty(tuple(x._h.shape), dtype=dtype or x._dtype, device=where)


def zeros_like(
    x: Tensor, /, *, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """Zeros in the shape, type and device of ``x``."""
    return _like("zeros_like", x, 0, dtype, device)


def ones_like(
    x: Tensor, /, *, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """Ones in the shape, type and device of ``x``."""
    return _like("ones_like", x, 1, dtype, device)


def full_like(
    x: Tensor, /, fill_value: Tensor | complex, *, dtype: DType | None = None,
    device: Device | str | None = None,
) -> Tensor:  # fmt: skip
    """One value in the shape, type and device of ``x``."""
    value = plain(fill_value)
    return _like("full_like", x, value, dtype, device)


# --- ranges and grids ----------------------------------------------------------------------------


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: DType | None = None,
    device: Device | str | None = None,
) -> Tensor:  # fmt: skip
    """``start, start + step, ...`` below ``stop``; with one argument, from 0 to it.

    Differs from torch: a step that leads away from ``stop`` gives an empty array.

    Raises:
        ValueError: ``step`` is zero.

    Example:
        >>> tp.array_api.arange(3, 0), tp.array_api.arange(3, 0, -2)
        (tensor([], dtype=tensorplug.int64), tensor([3, 1]))
    """
    first, last = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise OpValueError("arange: expected a step other than 0, got 0", op="arange")
    whole = all(isinstance(x, int) for x in (first, last, step))
    default = dtypes.int64 if whole else dtypes.default_float()
    kind, where = check_dtype("arange", dtype) or default, device_of(device)
    if not whole and kind.kind in ("int", "uint"):
        count = max(math.ceil((last - first) / step), 0)
        steps = make(where.F.arange(0, count, 1, dtypes.float64), dtypes.float64, where)
        return (steps * step + first).to(kind)
    return make(where.F.arange(first, last, step, kind), kind, where)


def linspace(
    start: complex, stop: complex, /, num: int, *, dtype: DType | None = None,
    device: Device | str | None = None, endpoint: bool = True,
) -> Tensor:  # fmt: skip
    """``num`` numbers at equal distances from ``start`` to ``stop``, which may be left out.

    Raises:
        ValueError: ``num`` is negative.

    Example:
        >>> tp.array_api.linspace(0, 1, 4, endpoint=False)
        tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    if num < 0:
        raise OpValueError(f"linspace: expected num of 0 or more, got {num}", op="linspace")
    ends: tuple[Any, Any] = (start, stop)
    parts = any(isinstance(end, complex) for end in ends)
    default = dtypes.default_complex() if parts else dtypes.default_float()
    kind = check_dtype("linspace", dtype) or default
    points = evenly(start, stop, num) if endpoint else evenly(start, stop, num + 1)[:num]
    return to_device(points, kind, device_of(device))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DType | None = None,
    device: Device | str | None = None,
) -> Tensor:  # fmt: skip
    """Ones on the ``k``-th diagonal of a matrix, zeros elsewhere.

    Example:
        >>> tp.array_api.eye(2, 3, k=1)
        tensor([[0., 1., 0.],
                [0., 0., 1.]])
    """
    shape = (n_rows, n_rows if n_cols is None else n_cols)
    found = zeros(shape, dtype=dtype, device=device)
    if -shape[0] < k < shape[1]:
        F = found._device.F
        F.assign(F.diagonal(found._h, (k, 0, 1)), 1)
    return found


def meshgrid(*arrays: Tensor, indexing: Literal["xy", "ij"] = "xy") -> tuple[Tensor, ...]:
    """The coordinates of a grid.

    Raises:
        ValueError: ``indexing`` is neither ``"xy"`` nor ``"ij"``.
    """
    only("meshgrid", "indexing", indexing, ("xy", "ij"))
    return join.meshgrid(*promoted("meshgrid", *arrays), indexing=indexing) if arrays else ()


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Matrices with zeros above the ``k``-th diagonal."""
    return copies.tril(x, k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Matrices with zeros below the ``k``-th diagonal."""
    return copies.triu(x, k)

"""Making tensors from data and from nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._foreign import around, from_dlpack, gaps_within_elements
from .autograd import slow
from .autograd.errors import OpError, OpTypeError, OpValueError
from .autograd.tensor import Tensor, default_dtype_of, make
from .backends import dtypes
from .backends.device import Device, for_array, get_default_device
from .backends.dtypes import DType

__all__ = [
    "as_tensor", "asarray", "check_dtype", "device_of", "evenly", "finish", "powers", "shape_of",
    "tensor", "to_device", "triangle",
]  # fmt: skip


def device_of(device: Any) -> Device:
    """A device from None (the default), a name or a Device."""
    if device is None:
        return get_default_device()
    return device if type(device) is Device else Device(device)


_ONLY_INTS = frozenset((int,))


def shape_of(name: str, size: tuple[Any, ...]) -> tuple[int, ...]:
    """``(2, 3)`` from ``f(2, 3)``, ``f((2, 3))`` or ``f([2, 3])``.

    Raises:
        TypeError: a size is no integer.
        RuntimeError: a size is negative.
    """
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        try:
            size = tuple(size[0])
        except TypeError:
            raise OpTypeError(
                f"{name}: expected integers as sizes, got {size[0]!r}; write for example "
                f"{name}(2, 3)",
                op=name,
            ) from None
    if _ONLY_INTS.issuperset(map(type, size)) and min(size, default=0) >= 0:
        return size
    try:
        shape = tuple(int(s.__index__()) for s in size)
    except AttributeError:
        raise OpTypeError(f"{name}: expected integers as sizes, got {size!r}", op=name) from None
    if any(s < 0 for s in shape):
        raise OpError(
            f"{name}: expected sizes of 0 or more, got {shape}; "
            "trying to create a tensor with negative dimension",
            op=name,
        )
    return shape


def check_dtype(name: str, dtype: Any) -> DType | None:
    """A dtype argument as a DType: torch's names for Python's types are allowed.

    Raises:
        TypeError: it is no dtype.
    """
    if dtype is None or type(dtype) is DType:
        return dtype
    if dtype in (bool, int, float, complex):
        return default_dtype_of(dtype())
    raise OpTypeError(f"{name}: expected a dtype such as tp.float32, got {dtype!r}", op=name)


def finish(out: Tensor, requires_grad: bool) -> Tensor:
    """The last step of creation functions."""
    return out.requires_grad_() if requires_grad else out


# --- from data --------------------------------------------------------------------------------


def _infer(data: Any) -> DType | None:
    """The type of nested Python numbers, None when there are none (empty lists)."""
    if isinstance(data, (list, tuple)):
        found: DType | None = None
        for item in data:
            inner = _infer(item)
            if inner is not None and inner is not found:
                found = inner if found is None else dtypes.promote(found, inner)
        return found
    if isinstance(data, Tensor):
        return data._dtype
    if isinstance(data, (np.ndarray, np.generic)):
        return dtypes.from_numpy(data.dtype)
    for kind in (bool, int, float, complex):
        if isinstance(data, kind):
            return default_dtype_of(kind())
    raise OpTypeError(
        f"tensor: expected numbers, arrays or nested lists of them, got {type(data).__name__}",
        op="tensor",
    )


def _plain(data: Any) -> Any:
    """Nested data with tensors replaced by arrays, for NumPy."""
    if isinstance(data, (list, tuple)):
        return [_plain(item) for item in data]
    return data._device.backend.to_host(data._h) if isinstance(data, Tensor) else data


def _array(data: Any, dtype: DType | None) -> tuple[np.ndarray, DType]:
    if isinstance(data, (np.ndarray, np.generic)):
        found = dtypes.from_numpy(data.dtype)
        return np.asarray(data), dtype or found
    if not isinstance(data, (list, tuple, bool, int, float, complex)) and hasattr(
        data, "__array__"
    ):
        return _array(np.asarray(data), dtype)
    found_fast = _numbers(data, dtype)
    if found_fast is not None:
        return found_fast
    dtype = dtype or _infer(data) or dtypes.default_float()
    try:
        exact = np.asarray(_plain(data), dtype=_exact(data, dtype))
    except ValueError as error:
        raise OpError(
            f"tensor: expected lists of equal length, got ragged ones ({error})", op="tensor"
        ) from error
    except OverflowError as error:
        raise OpError(f"tensor: expected numbers that fit {dtype}, got more: {error}") from error
    return exact, dtype


_DEFAULTS: dict[str, Callable[[], DType]] = {
    "b": lambda: dtypes.bool_,
    "i": lambda: dtypes.int64,
    "f": dtypes.default_float,
    "c": dtypes.default_complex,
}


def _numbers(data: Any, dtype: DType | None) -> tuple[np.ndarray, DType] | None:
    """Nested lists of plain numbers, read by NumPy alone; None for whatever needs more care."""
    leaf = data
    while type(leaf) in (list, tuple) and leaf:
        leaf = leaf[0]
    if type(leaf) not in (int, float, bool, complex):
        return None
    try:
        array = np.asarray(data)
    except ValueError:
        return None  # ragged: said clearly below
    if array.dtype.kind not in _DEFAULTS:
        return None
    if dtype is None:
        return array, _DEFAULTS[array.dtype.kind]()
    whole = array.dtype.kind == "i" and dtype is dtypes.int64
    if array.dtype.kind in "if" and dtype.kind in ("int", "uint") and not whole:
        return None  # may not fit, or NumPy has taken large integers for floats
    return array, dtype


def _exact(data: Any, dtype: DType) -> Any:
    """Read integers and bools by way of their own type, so that a cast is torch's cast."""
    inferred = _infer(data)
    if inferred is not None and inferred.kind == "float" and not dtype.is_inexact:
        return np.float64
    return dtype.numpy


def tensor(
    data: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of ``data``.

    Args:
        data: a number, nested lists of numbers, a tensor or an array.
        dtype: element type; inferred when None: bool, int64, the default float type or complex.
        device: where to put it; by default where another library's array or a tensor is, and the
            default device for all else.
        requires_grad: whether autograd follows it.

    Raises:
        TypeError, RuntimeError: ``data`` is ragged or no numbers.

    Example:
        >>> tp.tensor([[1.0, 2.0], [3.0, 4.0]])
        tensor([[1., 2.],
                [3., 4.]])
    """
    where = None if device is None else device_of(device)
    dtype = check_dtype("tensor", dtype)
    source = None if isinstance(data, np.ndarray) else _shared(data)
    if source is not None:
        copied = source.detach().to(device=where, dtype=dtype, copy=True)
        return finish(copied, requires_grad)
    target = where or get_default_device()
    array, dtype = _array(data, dtype)
    out = to_device(array, dtype, target)
    return finish(out, requires_grad)


def to_device(array: np.ndarray, dtype: DType, device: Device) -> Tensor:
    """A copy of a NumPy array as a tensor of the given type."""
    if array.dtype != dtype.numpy:
        if array.dtype.kind == "c" and not dtype.is_complex:
            array = array.real
        with np.errstate(all="ignore"):
            array = array.astype(dtype.numpy)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return make(device.F.from_host(array), dtype, device)


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """A tensor of ``data``, without a copy where type and device already fit.

    Arrays of other libraries stay where they are; NumPy's, lists and numbers go to the default
    device.
    """
    where = None if device is None else device_of(device)
    dtype = check_dtype("as_tensor", dtype)
    found = _shared(data)
    if found is None:
        return tensor(data, dtype=dtype, device=where)
    if where is None and isinstance(data, np.ndarray):
        where = get_default_device()
    return found.to(device=where, dtype=dtype)


def _shared(data: Any) -> Tensor | None:
    """A tensor over the memory of an array where it is; None for all that needs a copy."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray):
        fits = data.dtype.isnative and not gaps_within_elements(data)
        return around(data, Device("cpu")) if fits else None
    if isinstance(data, (np.generic, list, tuple, int, float, complex)):
        return None
    return from_dlpack(data) if hasattr(data, "__dlpack__") or for_array(data) else None


def asarray(
    obj: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ``obj``; ``copy`` is True (always), False (never, or raise) or None (if needed).

    Raises:
        ValueError: ``copy=False`` and a copy is needed.
    """
    if copy:
        return finish(tensor(obj, dtype=dtype, device=device), requires_grad)
    found = as_tensor(obj, dtype=dtype, device=device)
    if copy is False:
        source = _shared(obj)
        if source is None or (source._device, source._dtype) != (found._device, found._dtype):
            raise OpValueError(
                "asarray: expected to alias the input as copy=False asks, but type, device or "
                f"layout need a copy, got {type(obj).__name__}; leave copy=None",
                op="asarray",
            )
    if requires_grad:
        found = found.detach() if found is obj else found
        found.requires_grad_()
    return found


slow.as_tensor.append(lambda value, device=None: as_tensor(value, device=device))


# --- numbers made on the host -----------------------------------------------------------------


def evenly(first: Any, last: Any, steps: int) -> np.ndarray:
    """Equally spaced numbers, exact at both ends: the second half counts back from the end."""
    kind = np.complex128 if isinstance(first, complex) or isinstance(last, complex) else np.float64
    if steps < 2:
        return np.full(steps, first, kind)
    by = (last - first) / (steps - 1)
    places = np.arange(steps)
    return np.where(places < steps // 2, first + by * places, last - by * (steps - 1 - places))


def powers(base: float, exponents: np.ndarray) -> np.ndarray:
    """``base ** exponents``, infinite where it overflows."""
    with np.errstate(all="ignore"):
        return np.power(exponents.dtype.type(base), exponents)


def triangle(rows: int, columns: int, offset: int, lower: bool) -> np.ndarray:
    """The places of a triangle of a matrix, one per column of the result, row by row."""
    below = np.tri(rows, columns, offset if lower else offset - 1, dtype=bool)
    return np.stack((below if lower else ~below).nonzero())

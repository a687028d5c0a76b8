"""Questions about types, and casts."""

from __future__ import annotations

from typing import Any

from .._creation import check_dtype, device_of
from .._functions._arguments import tensor
from ..autograd import slow
from ..autograd.errors import OpTypeError, OpValueError
from ..autograd.registry import ROWS
from ..autograd.tensor import Tensor
from ..autograd.transfer import transfer
from ..backends import dtypes
from ..backends.device import Device
from ..backends.dtypes import DType

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]

KINDS = {
    "bool": ("bool",),
    "signed integer": ("int",),
    "unsigned integer": ("uint",),
    "integral": ("int", "uint"),
    "real floating": ("float",),
    "complex floating": ("complex",),
    "numeric": ("int", "uint", "float", "complex"),
}
"""The standard's kinds, as kinds of ours."""


def moved(x: Tensor, dtype: DType | None, device: Device | None, copy: Any) -> Tensor:
    """``x`` in another type, on another device; itself where nothing changes, unless ``copy``."""
    found = x if device is None or device is x._device else transfer(x, device)
    found = found if dtype is None else slow.cast(found, dtype)
    return ROWS["clone"].call(x) if copy and found is x else found


def astype(
    x: Tensor, dtype: DType, /, *, copy: bool = True, device: Device | str | None = None
) -> Tensor:
    """The values in another type; ``x`` itself when ``copy`` is False and nothing changes.

    Example:
        >>> tp.array_api.astype(tp.tensor([1.5, -1.5]), tp.int8)
        tensor([ 1, -1], dtype=tensorplug.int8)
    """
    x, wanted = tensor("astype", x, "x"), check_dtype("astype", dtype)
    return moved(x, wanted, None if device is None else device_of(device), copy)


def _type_of(name: str, value: Any) -> DType:
    found = value._dtype if isinstance(value, Tensor) else value
    if not isinstance(found, DType):
        raise OpTypeError(f"{name}: expected a dtype or an array, got {value!r}", op=name)
    return found


def can_cast(from_: DType | Tensor, to: DType, /) -> bool:
    """Whether promotion leads from one type to the other.

    Example:
        >>> tp.array_api.can_cast(tp.int8, tp.int16), tp.array_api.can_cast(tp.int16, tp.int8)
        (True, False)
    """
    first, second = _type_of("can_cast", from_), _type_of("can_cast", to)
    try:
        return dtypes.promote(first, second) is second
    except TypeError:
        return False


def finfo(type: DType | Tensor, /) -> dtypes.finfo:
    """Limits of a floating-point type, or of the parts of a complex one."""
    return dtypes.finfo(_type_of("finfo", type))


def iinfo(type: DType | Tensor, /) -> dtypes.iinfo:
    """Limits of an integer type."""
    return dtypes.iinfo(_type_of("iinfo", type))


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether a type is of a kind: a type, a word such as ``"integral"``, or any of several.

    Raises:
        ValueError: the word is unknown.
        TypeError: it is none of these.

    Example:
        >>> tp.array_api.isdtype(tp.uint8, ("signed integer", tp.uint8))
        True
    """
    own = _type_of("isdtype", dtype)
    if isinstance(kind, tuple):
        return any(isdtype(own, item) for item in kind)
    if isinstance(kind, DType):
        return own is kind
    if not isinstance(kind, str):
        raise OpTypeError(
            f"isdtype: expected kind to be a dtype, a word or a tuple of them, got {kind!r}",
            op="isdtype",
        )
    if kind not in KINDS:
        raise OpValueError(
            f"isdtype: expected kind to be one of {', '.join(KINDS)}, got {kind!r}", op="isdtype"
        )
    return own.kind in KINDS[kind]


def result_type(*arrays_and_dtypes: Tensor | complex | DType) -> DType:
    """The type that the arguments are promoted to; Python numbers are weak.

    Raises:
        ValueError: there are only Python numbers.
        TypeError: there is no common type.

    Example:
        >>> tp.array_api.result_type(tp.zeros(2, dtype=tp.int8), tp.uint8, 1)
        tensorplug.int16
    """
    if not any(isinstance(x, (Tensor, DType)) for x in arrays_and_dtypes):
        raise OpValueError(
            f"result_type: expected an array or a dtype, got {arrays_and_dtypes}",
            op="result_type",
        )
    return slow.result_type(*arrays_and_dtypes)

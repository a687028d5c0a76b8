"""What the standard's functions do with their arguments first."""

from __future__ import annotations

from typing import Any

from .._functions._arguments import tensor
from ..autograd import slow
from ..autograd.errors import OpValueError, check_devices
from ..autograd.families import dims_of
from ..autograd.registry import ROWS
from ..autograd.tensor import Tensor

__all__ = ["CALL", "axes", "only", "plain", "promoted", "tensor"]

CALL = {name: row.call for name, row in ROWS.items()}
"""The rows' call paths, by name."""


def axes(name: str, x: Tensor, axis: Any) -> tuple[int, ...] | None:
    """``axis=`` of a reduction as sorted ints from 0, None for all dimensions.

    Raises:
        IndexError: one is out of range.
        RuntimeError: one is named twice.
    """
    return None if axis is None else dims_of(name, axis, len(x._h.shape))


def plain(value: Any) -> Any:
    """A Python number, also of an array with one element or a scalar of another library."""
    return value.item() if hasattr(value, "item") else value


def promoted(name: str, *values: Any) -> tuple[Tensor, ...]:
    """The tensors in their common type, on one device.

    Raises:
        TypeError: one is no array, or there is no common type.
    """
    first = values[0]
    if type(first) is Tensor:  # the common case: nothing to do
        dtype, device = first._dtype, first._device
        for x in values:
            if type(x) is not Tensor or x._dtype is not dtype or x._device is not device:
                break
        else:
            return values
    found = tuple(tensor(name, x, f"x{i}") for i, x in enumerate(values, 1))
    check_devices(name, found)
    dtype = slow.result_type(*found)
    return tuple(slow.cast(x, dtype) for x in found)


def only(name: str, argument: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is none of those allowed.

    Raises:
        ValueError: naming them.
    """
    if value not in allowed:
        raise OpValueError(
            f"{name}: expected {argument} to be one of {allowed}, got {value!r}", op=name
        )

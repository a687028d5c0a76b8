"""Checks and conversions that many functions share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from tensorplug.autograd import inplace
from tensorplug.autograd.errors import OpError, OpTypeError, OpValueError, check_devices
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends.dtypes import bfloat16, float16, float32

__all__ = [
    "in_place", "is_tensor", "numbers", "reduced", "reduction_of", "require", "same_dtype",
    "widened",
]  # fmt: skip


def require(holds: bool, name: str, rule: str, got: Any, then: str = "") -> None:
    """Raise RuntimeError in the house's words unless ``holds``."""
    if not holds:
        raise OpError(f"{name}: expected {rule}, got {got}{'; ' + then if then else ''}", op=name)


def is_tensor(name: str, what: str, value: Any) -> None:
    """Raise TypeError unless ``value`` is a tensor."""
    if type(value) is not Tensor:
        raise OpTypeError(
            f"{name}: expected {what} to be a tensor, got {type(value).__name__}; "
            "make one with tp.tensor(...)",
            op=name,
        )


def numbers(name: str, what: str, value: Any, count: int) -> tuple[int, ...]:
    """``3`` as ``(3, 3)``; a sequence of one or ``count`` integers as a tuple.

    Raises:
        RuntimeError: another length.
        TypeError: no integers.
    """
    if type(value) is int:
        return (value,) * count
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    if len(values) not in (1, count):
        raise OpError(
            f"{name}: expected {what} of 1 or {count} integers, got {values}; "
            f"{what} should be a single int or one per dimension",
            op=name,
        )
    try:
        values = tuple(v.__index__() for v in values)
    except AttributeError:
        raise OpTypeError(
            f"{name}: expected {what} to be an integer or a tuple of them, got {value!r}", op=name
        ) from None
    return values * count if len(values) == 1 else values


def same_dtype(name: str, *tensors: Tensor | None) -> None:
    """Refuse tensors of different types or devices; None is left out.

    Raises:
        RuntimeError: naming them.
    """
    given = [x for x in tensors if x is not None]
    first = given[0]
    for x in given:
        if type(x) is not Tensor:
            is_tensor(name, "every operand", x)
        if x._dtype is not first._dtype:
            raise OpError(
                f"{name}: expected operands of one dtype, got {first._dtype} and {x._dtype}; "
                "convert one with .to(dtype)",
                op=name,
            )
        if x._device is not first._device:
            check_devices(name, given)


def widened(*tensors: Tensor | None) -> list[Any]:
    """Half precision as float32, for compositions whose steps would each round."""
    return [
        x.to(float32) if x is not None and x._dtype in (float16, bfloat16) else x for x in tensors
    ]


def in_place(name: str, call: Callable[..., Tensor], input: Tensor, *args: Any) -> Tensor:
    """``call(input, *args)`` written into ``input``, with its history."""
    return inplace.apply(name, input, call, args, {})


# --- losses --------------------------------------------------------------------------------------


def reduction_of(name: str, reduction: str, size_average: Any = None, reduce: Any = None) -> str:
    """The reduction, also from the two arguments that it has replaced.

    Raises:
        ValueError: it is not "none", "mean" or "sum".
    """
    if size_average is not None or reduce is not None:
        average = size_average is None or size_average
        reduction = "none" if reduce is False else ("mean" if average else "sum")
        warnings.warn(
            f"{name}: size_average and reduce are deprecated; use reduction={reduction!r}",
            UserWarning,
            stacklevel=3,
        )
    if reduction not in ("none", "mean", "sum"):
        raise OpValueError(
            f"{name}: expected reduction 'none', 'mean' or 'sum', got {reduction!r}; "
            f"{reduction} is not a valid value for reduction",
            op=name,
        )
    return reduction


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """Losses of the elements, summed up as ``reduction`` says."""
    if reduction == "mean":
        return losses.mean()
    return losses.sum() if reduction == "sum" else losses

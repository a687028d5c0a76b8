"""Choosing between elements, repairing and rounding them."""

from __future__ import annotations

from typing import Any

from .._attach import METHODS
from ..autograd import inplace, slow
from ..autograd.errors import OpError
from ..autograd.modes import is_grad_enabled
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, default_dtype_of
from ..backends.dtypes import bool_, finfo, float32
from ._arguments import settle, tensor

__all__ = ["fill", "fill_", "masked_fill", "nan_to_num", "round", "where", "zero_"]

_where = ROWS["where"].call


@function(row="where", ref="where", method=False,
          samples=lambda t: [(t.bool((2, 3)), t(2, 3), t(3)), (t.bool((2, 1)), t(1, 3), 0.5),
                             (t.bool(()), t(), t(2))])  # fmt: skip
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """``input`` where ``condition`` holds and ``other`` elsewhere, with broadcasting.

    With ``condition`` alone: the indices of its true elements, a tuple of one tensor per
    dimension.

    Raises:
        RuntimeError: ``condition`` is not of type bool.

    Example:
        >>> tp.where(tp.tensor([True, False]), 1.0, 2.0)
        tensor([1., 2.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    result = _where(condition, input, other)
    return result if out is None else slow.write_out("where", out, result)


def _where_method(self: Tensor, condition: Any, other: Any) -> Tensor:
    """``self`` where ``condition`` holds and ``other`` elsewhere."""
    return _where(condition, self, other)


METHODS["where"] = _where_method  # torch's method has another order


@function(inplace=True, samples=lambda t: [(t(2, 3), t.bool((3,)), 0.5), (t(3), t.bool((3,)), t())])
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``value`` (a number or a 0-d tensor) where ``mask`` holds, ``input`` elsewhere.

    Raises:
        RuntimeError: the mask is not of type bool, or the value does not fit or is no number.

    Example:
        >>> tp.masked_fill(tp.tensor([1, 2]), tp.tensor([True, False]), 9)
        tensor([9, 2])
    """
    input, mask = tensor("masked_fill", input), tensor("masked_fill", mask, "mask")
    if mask._dtype is not bool_:
        raise OpError(
            f"masked_fill: expected a bool mask, got {mask._dtype}; masked_fill only supports "
            "boolean masks: compare first, or convert it with .to(tp.bool)",
            op="masked_fill",
        )
    if type(value) is Tensor and value._h.shape:
        raise OpError(
            f"masked_fill: expected value to be a number or a 0-dimensional tensor, got shape "
            f"{tuple(value._h.shape)}; masked_fill only supports a 0-dimensional value tensor",
            op="masked_fill",
        )
    _check_fits("masked_fill", input, value)
    if type(value) is Tensor:
        value = slow.cast(value, input._dtype)
    elif not input._dtype.is_inexact:
        value = bool(value) if input._dtype is bool_ else int(value)
    return _where(mask, value, input)


def _check_fits(name: str, input: Tensor, value: Any) -> None:
    """Refuse a fill value of a higher category than the tensor's type (torch's rule)."""
    kind = default_dtype_of(value) if type(value) is not Tensor else value._dtype
    if kind.is_complex and not input._dtype.is_complex:
        raise OpError(
            f"{name}: expected a value that fits {input._dtype}, got {kind}; value cannot be "
            f"converted to type {input._dtype.name} without overflow",
            op=name,
        )
    whole = input._dtype.kind in ("int", "uint", "bool")
    if whole and kind.is_floating_point and type(value) is Tensor:
        raise OpError(
            f"{name}: expected a value that fits {input._dtype}, got {kind}; convert it with "
            f".to({input._dtype})",
            op=name,
        )


@function(row="fill", samples=lambda t: [(t(2, 3), 0.5), (t(2), t())])
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like ``input`` with ``value`` (a number or a 0-d tensor) everywhere.

    Raises:
        RuntimeError: the value has dimensions, or is of a higher category than the tensor's type.

    Example:
        >>> tp.fill(tp.zeros(2), 3)
        tensor([3., 3.])
    """
    input = tensor("fill", input)
    value = _fill_value("fill", input, value)
    return ROWS["fill"].call(input, value)


def _fill_value(name: str, input: Tensor, value: Any) -> Any:
    """A Python number, or a 0-d tensor of the type and on the device of ``input``."""
    if type(value) is not Tensor:
        value = slow.operand(ROWS["fill"], value, input._device)
    _check_fits(name, input, value)
    if type(value) is not Tensor:
        return value
    if value._h.shape:
        raise OpError(
            f"{name}: expected value to be a number or a 0-dimensional tensor, got shape "
            f"{tuple(value._h.shape)}; fill only supports 0-dimension value tensor",
            op=name,
        )
    return slow.cast(value, input._dtype)


@function(name="fill_", samples=lambda t: [(t(2, 3), 1), (t(), True), (t.noncontig(2, 3), 0)])
def fill_(input: Tensor, value: Any) -> Tensor:
    """Set every element to ``value``, in place.

    Raises:
        RuntimeError: the value has dimensions, or is of a higher category than the tensor's type.

    Example:
        >>> tp.zeros(2).fill_(7)
        tensor([7., 7.])
    """
    value = _fill_value("fill_", input, value)
    recorded = input._track or input._view is not None or getattr(value, "_track", False)
    if recorded and is_grad_enabled():
        return inplace.apply("fill_", input, fill, (value,), {})
    inplace.check_single("fill_", input)
    input._device.F.assign(input._h, value._h if type(value) is Tensor else value)
    inplace.bump(input)
    return input


@function(name="zero_", samples=lambda t: [(t(2, 3),), (t.noncontig(2, 3),)])
def zero_(input: Tensor) -> Tensor:
    """Set every element to 0, in place.

    Example:
        >>> tp.ones(2).zero_()
        tensor([0., 0.])
    """
    return fill_(input, 0)


@function(row="nan_to_num", inplace=True, ref="nan_to_num",
          samples=lambda t: [(t(2, 3),), (t(3), 1.0, 2.0, 3.0), (t.int((3,), 0, 4),)])  # fmt: skip
def nan_to_num(input: Tensor, nan: float | None = None, posinf: float | None = None,
               neginf: float | None = None, *, out: Any = None) -> Tensor:  # fmt: skip
    """nan, infinity and -infinity replaced: by 0 and the type's limits, unless given.

    Example:
        >>> tp.nan_to_num(tp.tensor([float("nan"), 1.0]), nan=7.0)
        tensor([7., 1.])
    """
    input = tensor("nan_to_num", input)
    dtype = input._dtype
    if not dtype.is_inexact:
        return settle("nan_to_num", ROWS["clone"].call(input), out)
    limits = finfo(dtype)
    nan = 0.0 if nan is None else float(nan)
    high = limits.max if posinf is None else float(posinf)
    low = limits.min if neginf is None else float(neginf)
    return settle("nan_to_num", ROWS["nan_to_num"].call(input, nan, high, low), out)


@function(row="round", inplace=True, ref="round",
          samples=lambda t: [(t(2, 3),)] + [(t(3), {"decimals": digits}) for digits in (2, -1)
                                            if t.dtype.is_floating_point])  # fmt: skip
def round(input: Tensor, *, decimals: int = 0, out: Any = None) -> Tensor:
    """Nearest whole numbers, halves to even; or to so many decimals.

    Example:
        >>> tp.round(tp.tensor([0.5, 1.5, 2.25]), decimals=1)
        tensor([0.5000, 1.5000, 2.2000])
    """
    core = ROWS["round"].call
    if not decimals:
        return core(input) if out is None else core(input, out=out)
    input = tensor("round", input)
    if not input._dtype.is_floating_point:
        raise OpError(
            f"round: expected a floating-point tensor for decimals={decimals}, got "
            f"{input._dtype}; \"round_cpu\" not implemented for '{input._dtype.name}'",
            op="round",
        )
    scale, dtype = 10.0 ** abs(decimals), input._dtype
    # Half precision would round twice: 0.1749 * 100 is 17.5 there, which is no 17 any more.
    wide = slow.cast(input, float32) if dtype.itemsize == 2 else input
    found = core(wide * scale) / scale if decimals > 0 else core(wide / scale) * scale
    return settle("round", found if wide is input else slow.cast(found, dtype), out)

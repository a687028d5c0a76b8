"""Choosing between elements, repairing and rounding them."""

from __future__ import annotations

from typing import Any

from .._arguments import number_of
from ..autograd import slow
from ..autograd.errors import OpError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import bool_, finfo
from ._arguments import settle, tensor

__all__ = ["fill", "masked_fill", "nan_to_num", "round", "where", "zero_"]

_where = ROWS["where"].call


@function(row="where", ref="where",
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


@where_method
def _where_method() -> None: ...


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
    if type(value) is Tensor and value._dtype is not input._dtype:
        value = slow.cast(value, input._dtype)
    return _where(mask, value, input)


def _check_fits(name: str, input: Tensor, value: Any) -> None:
    """Refuse a fill value of a higher category than the tensor's type (torch's rule)."""
    kind = slow.default_dtype_of(value) if type(value) is not Tensor else value._dtype
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


@function(inplace=True, samples=lambda t: [(t(2, 3), 0.5), (t(2), t())])
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like ``input`` with ``value`` (a number or a 0-d tensor) everywhere.

    Raises:
        RuntimeError: the value has dimensions.

    Example:
        >>> tp.fill(tp.zeros(2), 3)
        tensor([3., 3.])
    """
    input = tensor("fill", input)
    if type(value) is Tensor and value._h.shape:
        raise OpError(
            f"fill: expected value to be a number or a 0-dimensional tensor, got shape "
            f"{tuple(value._h.shape)}; fill only supports 0-dimension value tensor",
            op="fill",
        )
    _check_fits("fill", input, value if type(value) is Tensor else number_of(value))
    F, shape = input._device.F, input._h.shape
    everywhere = Tensor.__new__(Tensor)
    everywhere = slow.make(F.full(shape, 1, bool_), bool_, input._device)
    if type(value) is Tensor and value._dtype is not input._dtype:
        value = slow.cast(value, input._dtype)
    if type(value) is not Tensor and not input._dtype.is_inexact:
        value = int(value) if input._dtype is not bool_ else bool(value)
    return _where(everywhere, value, input)


@function(name="zero_", samples=lambda t: [(t(2, 3),), (t(0),)])
def zero_(input: Tensor) -> Tensor:
    """Set every element to 0, in place.

    Example:
        >>> tp.ones(2).zero_()
        tensor([0., 0.])
    """
    return input.fill_(0)

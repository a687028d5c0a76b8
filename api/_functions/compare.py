"""Comparing whole tensors, and membership."""

from __future__ import annotations

from typing import Any

from ..autograd import slow
from ..autograd.errors import OpError, check_devices
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import default_float, promote
from ._arguments import settle, tensor

__all__ = ["allclose", "equal", "is_nonzero", "isclose", "isin"]

_call = {name: row.call for name, row in ROWS.items()}


def _two(t: Any) -> list[Any]:
    return [(t(2, 3), t(2, 3)), (t(2, 3), t(3)), (t(), t()), (t(0), t(0))]


@function(samples=_two, ref="isclose")
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08,
            equal_nan: bool = False) -> Tensor:  # fmt: skip
    """Whether ``|input - other| <= atol + rtol * |other|``, element by element.

    Raises:
        RuntimeError: the types differ, or a tolerance is negative.

    Example:
        >>> tp.isclose(tp.tensor([1.0, 2.0]), tp.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    input, other = tensor("isclose", input), tensor("isclose", other, "other")
    if input._dtype is not other._dtype:
        raise OpError(
            f"isclose: expected two tensors of one type, got {input._dtype} and {other._dtype}; "
            f"{input._dtype.name} did not match {other._dtype.name}: convert one with .to(dtype)",
            op="isclose",
        )
    if rtol < 0 or atol < 0:
        raise OpError(
            f"isclose: expected tolerances greater than or equal to zero, got rtol={rtol} and "
            f"atol={atol}",
            op="isclose",
        )
    close = _call["eq"](input, other)
    if equal_nan and input._dtype.is_inexact:
        both = _call["logical_and"](_call["isnan"](input), _call["isnan"](other))
        close = _call["logical_or"](close, both)
    if rtol == 0 and atol == 0:
        return close
    if not input._dtype.is_inexact:
        dtype = default_float()
        input, other = slow.cast(input, dtype), slow.cast(other, dtype)
    allowed = _call["abs"](other * rtol) + atol
    away = _call["abs"](input - other)
    near = _call["logical_and"](_call["isfinite"](away), _call["le"](away, allowed))
    return _call["logical_or"](close, near)


@function(samples=_two, ref="allclose")
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08,
             equal_nan: bool = False) -> bool:  # fmt: skip
    """Whether :func:`isclose` holds for all elements.

    Example:
        >>> tp.allclose(tp.tensor([1.0]), tp.tensor([1.0 + 1e-9]))
        True
    """
    close = isclose(input, other, rtol, atol, equal_nan)
    return bool(_call["all"](close, None, False).item())


@function(samples=_two, ref="array_equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and equal elements; nan equals nothing.

    Example:
        >>> tp.equal(tp.tensor([1, 2]), tp.tensor([1, 2]))
        True
    """
    input, other = tensor("equal", input), tensor("equal", other, "other")
    check_devices("equal", (input, other))
    if input._h.shape != other._h.shape:
        return False
    return bool(_call["all"](_call["eq"](input, other), None, False).item())


@function(samples=lambda t: [(t(1),), (t(),)])
def is_nonzero(input: Tensor) -> bool:
    """Whether the tensor's one element is not 0.

    Raises:
        RuntimeError: it has more or fewer than one element.

    Example:
        >>> tp.is_nonzero(tp.tensor([0.5]))
        True
    """
    count = tensor("is_nonzero", input).numel()
    if count != 1:
        raise OpError(
            f"is_nonzero: expected a tensor with one element, got {count}; Boolean value of "
            "Tensor with more than one value is ambiguous: use .any() or .all()",
            op="is_nonzero",
        )
    return bool(input.item())


@function(method=False, samples=lambda t: [(t.int((2, 3), 0, 5), t.int((4,), 0, 5)),
          (t.int((3,), 0, 3), 1), (t.int((3,), 0, 3), t.int((0,), 0, 3))],
          ref=lambda np, x, y: np.isin(x, y))  # fmt: skip
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False,
         invert: bool = False, out: Any = None) -> Tensor:  # fmt: skip
    """Whether each element is among ``test_elements``; either may be a number.

    Example:
        >>> tp.isin(tp.tensor([1, 2, 3]), tp.tensor([2, 5]))
        tensor([False,  True, False])
    """
    like = elements if type(elements) is Tensor else test_elements
    values = [
        x if type(x) is Tensor else slow.as_tensor[0](x, device=like._device)
        for x in (elements, test_elements)
    ]
    dtype = promote(values[0]._dtype, values[1]._dtype)
    elements, known = (slow.cast(x, dtype) for x in values)
    known = known.reshape(-1)
    size = known._h.shape[0]
    if not size:
        found = _call["ne"](elements, elements) & False
    else:
        order = _call["argsort"](known, 0, False, True)
        known = _call["gather"](known, 0, order._h)
        place = _call["searchsorted"](known, elements, False)
        place = _call["clamp_max"](place, size - 1)
        found = _call["eq"](_call["index_get"](known, (place._h,)), elements)
    return settle("isin", _call["logical_not"](found) if invert else found, out)

"""Reductions with torch's overloads."""

from __future__ import annotations

from typing import Any

from .._arguments import wrap_dim
from ..autograd import slow
from ..autograd.errors import OpError, OpTypeError
from ..autograd.families import dims_of
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType, bool_, uint8
from ._arguments import in_type, settle, tensor

__all__ = [
    "all", "any", "count_nonzero", "nanmean", "nansum", "prod", "std", "std_mean", "var",
    "var_mean",
]  # fmt: skip

_call = {name: row.call for name, row in ROWS.items()}


def _along(t: Any) -> list[Any]:
    return [(t(2, 3),), (t(2, 3), 1), (t(2, 3, 4), -2, True), (t(), 0), (t.noncontig(3, 4), 0)]


def _many(t: Any) -> list[Any]:
    return [*_along(t), (t(2, 3, 4), (0, 2)), (t(2, 3, 4), (0, -1), True)]


def _dims(name: str, input: Tensor, dim: Any) -> tuple[int, ...] | None:
    """Dimensions to reduce; None for all of them, which is also what no dimensions stand for."""
    return None if dim is None else dims_of(name, dim, len(input._h.shape)) or None


# --- logic ---------------------------------------------------------------------------------------


def _logical(name: str) -> Any:
    def call(input: Any, dim: Any = None, keepdim: bool = False, *, out: Any = None,
             axis: Any = None, keepdims: bool | None = None) -> Tensor:  # fmt: skip
        input = tensor(name, input)
        dim = axis if dim is None else dim
        dims = None if dim is None else dims_of(name, dim, len(input._h.shape))
        result = _call[name](input, dims if input._h.shape else None, keepdims or keepdim)
        if input._dtype is uint8:  # torch's bool before it had one
            result = slow.cast(result, uint8)
        return settle(name, result, out)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"""Whether {name} elements are true (not 0), over ``dim``, or over all.

    Example:
        >>> tp.{name}(tp.tensor([True, False]))
        tensor({name == "any"})
    """
    return call


all = function(row="all", samples=_many, ref="all", dtypes="any")(_logical("all"))
any = function(row="any", samples=_many, ref="any", dtypes="any")(_logical("any"))


@function(samples=lambda t: [(t(2, 3),), (t(2, 3), -1), (t(2, 3, 4), (0, 2))],
          ref="count_nonzero")  # fmt: skip
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not 0, over ``dim``, or over all.

    Example:
        >>> tp.count_nonzero(tp.tensor([0, 1, 2]))
        tensor(2)
    """
    input = tensor("count_nonzero", input)
    hits = input if input._dtype is bool_ else _call["ne"](input, 0)
    dims = None if dim is None else dims_of("count_nonzero", dim, len(input._h.shape))
    return _call["sum"](hits, dims or None, False)


# --- products and means --------------------------------------------------------------------------


@function(row="prod", samples=_along, ref="prod")
def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None,
         out: Any = None) -> Tensor:  # fmt: skip
    """The product of all elements, or along one dimension; integers give int64.

    Example:
        >>> tp.prod(tp.tensor([2, 3, 4]))
        tensor(24)
    """
    input = tensor("prod", input)
    if dtype is not None:
        input = slow.cast(input, dtype)
    dims = _dims("prod", input, None if dim is None else wrap_dim("prod", dim, len(input._h.shape)))
    return settle("prod", in_type(_call["prod"](input, dims, keepdim), dtype), out)


@function(samples=_many, ref="nansum")
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None,
           out: Any = None) -> Tensor:  # fmt: skip
    """The sum, with nan counting as 0.

    Example:
        >>> tp.nansum(tp.tensor([1.0, float("nan")]))
        tensor(1.)
    """
    input = tensor("nansum", input)
    if input._dtype.is_complex:
        raise OpError(
            f"nansum: expected a real tensor, got {input._dtype}; nansum does not support complex "
            "inputs",
            op="nansum",
        )
    if dtype is not None:
        input = slow.cast(input, dtype)
    if input._dtype.is_inexact:
        input = _call["where"](_call["isnan"](input), 0, input)
    return settle(
        "nansum", in_type(_call["sum"](input, _dims("nansum", input, dim), keepdim), dtype), out
    )


@function(samples=_many, ref="nanmean")
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None,
            out: Any = None) -> Tensor:  # fmt: skip
    """The mean of the elements that are not nan.

    Raises:
        RuntimeError: the tensor is of a whole-number type.

    Example:
        >>> tp.nanmean(tp.tensor([1.0, float("nan"), 3.0]))
        tensor(2.)
    """
    input = tensor("nanmean", input)
    if not input._dtype.is_inexact:
        raise OpError(
            f"nanmean: expected input to have floating point or complex dtype, got {input._dtype}; "
            "convert it with .float()",
            op="nanmean",
        )
    if dtype is not None:
        input = slow.cast(input, dtype)
    dims = _dims("nanmean", input, dim)
    there = _call["logical_not"](_call["isnan"](input.detach()))
    total = _call["sum"](_call["where"](there, input, 0), dims, keepdim)
    return settle("nanmean", total / _call["sum"](there, dims, keepdim), out)


# --- spread --------------------------------------------------------------------------------------


def _spread_arguments(
    name: str, input: Tensor, dim: Any, unbiased: Any, correction: Any
) -> tuple[Any, Any]:
    """``dim`` and ``correction`` from torch's overloads: ``(unbiased)``, ``(dim, unbiased)``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise OpTypeError(f"{name}: expected unbiased or correction, got both", op=name)
        correction = 1 if unbiased else 0
    if not input._dtype.is_inexact:
        raise OpError(
            f"{name}: expected a floating-point or complex tensor, got {input._dtype}; std and var "
            "only support floating point and complex dtypes: convert it with .float()",
            op=name,
        )
    return _dims(name, input, dim), 1 if correction is None else correction


def _spread_samples(t: Any) -> list[Any]:
    return [(t(2, 3),), (t(2, 3), 1), (t(2, 3, 4), (0, 2)), (t(2, 3), 0, {"correction": 0}),
            (t(2, 3), -1, {"keepdim": True})]  # fmt: skip


@function(row="var", samples=_spread_samples)
def var(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Any = None) -> Tensor:  # fmt: skip
    """The variance, over ``dim`` or over all; divided by the count minus ``correction`` (1).

    Raises:
        RuntimeError: the tensor is of a whole-number type.

    Example:
        >>> tp.var(tp.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    input = tensor("var", input)
    dims, correction = _spread_arguments("var", input, dim, unbiased, correction)
    return settle("var", _call["var"](input, dims, correction, keepdim), out)


@function(row="std", samples=_spread_samples)
def std(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: float | None = None, out: Any = None) -> Tensor:  # fmt: skip
    """The standard deviation, as the root of :func:`var`.

    Raises:
        RuntimeError: the tensor is of a whole-number type.

    Example:
        >>> tp.std(tp.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    input = tensor("std", input)
    dims, correction = _spread_arguments("std", input, dim, unbiased, correction)
    return settle("std", _call["std"](input, dims, correction, keepdim), out)


def _with_mean(name: str) -> Any:
    def call(input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
             *, correction: float | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
        input = tensor(name, input)
        dims, correction = _spread_arguments(name, input, dim, unbiased, correction)
        spread = _call[name[:3]](input, dims, correction, keepdim)
        return spread, _call["mean"](input, dims, keepdim)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"""The pair of :func:`{name[:3]}` and the mean.

    Example:
        >>> tp.{name}(tp.tensor([1.0, 2.0, 3.0]))
        (tensor(1.), tensor(2.))
    """
    return call


std_mean = function(method=False, samples=_spread_samples)(_with_mean("std_mean"))
var_mean = function(method=False, samples=_spread_samples)(_with_mean("var_mean"))

"""Reductions, running sums and products, differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._arguments import wrap_dim
from .._creation import check_dtype
from .._functions import scan
from ..autograd import slow
from ..autograd.errors import OpValueError
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType, uint64
from ._arguments import CALL, axes, tensor

__all__ = [
    "all", "any", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min", "prod", "std",
    "sum", "var",
]  # fmt: skip

_sum = CALL["sum"]


def totalled(x: Tensor, dtype: DType | None, compute: Callable[[Tensor], Tensor]) -> Tensor:
    """A sum or product in the type that the standard says: integers widen, unsigned stay so.

    The rows compute with int64, which modulo 2**64 is the same as uint64.
    """
    if dtype is None:
        found = compute(x)
        return slow.cast(found, uint64) if x._dtype.kind == "uint" else found
    result = check_dtype("dtype", dtype) or x._dtype
    if x._dtype.is_inexact or result.is_inexact:
        x = slow.cast(x, result)
    return slow.cast(compute(x), result)


def sum(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, dtype: DType | None = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """The sum, of all elements or along axes; signed integers give int64, unsigned ones uint64.

    Differs from torch: unsigned integers give uint64.

    Example:
        >>> tp.array_api.sum(tp.tensor([200, 100], dtype=tp.uint8))
        tensor(300, dtype=tensorplug.uint64)
    """
    x = tensor("sum", x, "x")
    dims = None if axis is None else axes("sum", x, axis)
    if dtype is None and x._dtype.kind != "uint":  # the row's own type
        return _sum(x, dims, keepdims)
    return totalled(x, dtype, lambda x: _sum(x, dims, keepdims))


def prod(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, dtype: DType | None = None,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """The product, of all elements or along axes; types as for :func:`sum`."""
    x = tensor("prod", x, "x")
    dims = None if axis is None else axes("prod", x, axis)
    return totalled(x, dtype, lambda x: CALL["prod"](x, dims, keepdims))


def _running(
    name: str, row: str, x: Any, axis: int | None, dtype: DType | None, initial: int | None
) -> Tensor:
    x = tensor(name, x, "x")
    rank = len(x._h.shape)
    if axis is None and rank != 1:
        raise OpValueError(
            f"{name}: expected axis for an array of {rank} dimensions, got None", op=name
        )
    at = wrap_dim(name, 0 if axis is None else axis, rank)
    found = totalled(x, dtype, lambda x: CALL[row](x, at))
    if initial is None:
        return found
    shape = (*x._h.shape[:at], 1, *x._h.shape[at + 1 :])
    return CALL["concat"]([found.new_full(shape, initial), found], at)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None,
    include_initial: bool = False,
) -> Tensor:  # fmt: skip
    """Running sums along an axis, from 0 with ``include_initial``; types as for :func:`sum`.

    Raises:
        ValueError: no ``axis`` for an array of several.

    Example:
        >>> tp.array_api.cumulative_sum(tp.tensor([1, 2, 3]), include_initial=True)
        tensor([0, 1, 3, 6])
    """
    initial = 0 if include_initial else None
    return _running("cumulative_sum", "cumsum", x, axis, dtype, initial)


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: DType | None = None,
    include_initial: bool = False,
) -> Tensor:  # fmt: skip
    """Running products along an axis, from 1 with ``include_initial``.

    Raises:
        ValueError: no ``axis`` for an array of several.
    """
    initial = 1 if include_initial else None
    return _running("cumulative_prod", "cumprod", x, axis, dtype, initial)


def _reduced(name: str, row: str, x: Any, axis: Any, keepdims: bool) -> Tensor:
    x = tensor(name, x, "x")
    return CALL[row](x, axes(name, x, axis), keepdims)


def max(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """The largest element, of all or along axes; nan if there is one."""
    return _reduced("max", "amax", x, axis, keepdims)


def min(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """The smallest element, of all or along axes; nan if there is one."""
    return _reduced("min", "amin", x, axis, keepdims)


def mean(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """The arithmetic mean, of all elements or along axes."""
    return _reduced("mean", "mean", x, axis, keepdims)


def all(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """Whether all elements are true (not 0), of all or along axes."""
    return _reduced("all", "all", x, axis, keepdims)


def any(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> Tensor:
    """Whether any element is true (not 0), of all or along axes."""
    return _reduced("any", "any", x, axis, keepdims)


def var(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, correction: float = 0.0,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """The variance: squares are divided by their number minus ``correction``.

    Differs from torch: ``correction`` is 0 unless given.
    """
    x = tensor("var", x, "x")
    return CALL["var"](x, axes("var", x, axis), correction, keepdims)


def std(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, correction: float = 0.0,
    keepdims: bool = False,
) -> Tensor:  # fmt: skip
    """The root of :func:`var`."""
    x = tensor("std", x, "x")
    return CALL["std"](x, axes("std", x, axis), correction, keepdims)


def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The ``n``-th differences of neighbours along an axis."""
    return scan.diff(x, n, axis, prepend, append)

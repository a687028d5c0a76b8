"""Sorting, the middle and other order statistics, distinct values."""

from __future__ import annotations

from typing import Any

from .._arguments import wrap_dim
from ..autograd import return_types
from ..autograd.errors import OpError, OpIndexError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, make
from ..backends.dtypes import iinfo
from ._arguments import settle, tensor

__all__ = [
    "argsort", "kthvalue", "median", "mode", "msort", "nanmedian", "sort", "topk", "unique",
    "unique_consecutive",
]  # fmt: skip

_call = {name: row.call for name, row in ROWS.items()}


def _samples(t: Any) -> list[Any]:
    return [(t(2, 3),), (t(2, 3, 4), 1), (t(2, 3), -1, True), (t(),), (t(0, 2), 1)]


def _part(dim: int, part: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * dim, part)


def _picked(of: Any, input: Tensor, dim: int, indices: Tensor, keepdim: bool = True) -> Any:
    """The pair of the values at ``indices`` along ``dim``, and ``indices``."""
    values = _call["gather"](input, dim, indices._h)
    if input._h.shape and not keepdim:
        part = _part(dim, 0)
        values, indices = _call["index"](values, part), _call["index"](indices, part)
    return of(values, indices)


def _order(name: str, input: Tensor, dim: Any, descending: bool, stable: Any) -> tuple[int, Tensor]:
    dim = wrap_dim(name, dim, len(input._h.shape))
    return dim, _call["argsort"](input, dim, bool(descending), bool(stable))


@function(samples=_samples)
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool | None = None, *,
         out: Any = None) -> Any:  # fmt: skip
    """The elements in order along ``dim``, and where they were: ``(values, indices)``.

    nan counts as the largest. ``sort(x, stable=True, dim=0)`` keeps equal elements in order.

    Raises:
        IndexError: ``dim`` is out of range.
        RuntimeError: the type is complex.

    Example:
        >>> tp.sort(tp.tensor([3, 1, 2])).values
        tensor([1, 2, 3])
    """
    input = tensor("sort", input)
    dim, order = _order("sort", input, dim, descending, stable)
    return settle("sort", _picked(return_types.sort, input, dim, order), out)


@function(samples=_samples, ref=lambda np, x, dim=-1, descending=False: np.argsort(
    -x if descending else x, dim) if x.ndim else np.zeros((), "int64"))  # fmt: skip
def argsort(input: Tensor, dim: int = -1, descending: bool = False,
            stable: bool = False) -> Tensor:  # fmt: skip
    """The indices that sort along ``dim``; see :func:`sort`.

    Example:
        >>> tp.argsort(tp.tensor([3, 1, 2]))
        tensor([1, 2, 0])
    """
    return _order("argsort", tensor("argsort", input), dim, descending, stable)[1]


@function(samples=lambda t: [(t(3),), (t(3, 2),)])
def msort(input: Tensor, *, out: Any = None) -> Tensor:
    """The elements in order along dimension 0.

    Example:
        >>> tp.msort(tp.tensor([3, 1, 2]))
        tensor([1, 2, 3])
    """
    return settle("msort", sort(input, 0)[0], out)


@function(samples=lambda t: [(t(5), 2), (t(2, 4), 3, 0 - 1), (t(3, 2), 1, 0, False), (t(), 1),
          (t(4), 0)])  # fmt: skip
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *,
         out: Any = None) -> Any:  # fmt: skip
    """The ``k`` largest (or smallest) elements along ``dim`` in order: ``(values, indices)``.

    Raises:
        RuntimeError: there are not so many, or the type is complex.

    Example:
        >>> tp.topk(tp.tensor([1, 5, 3]), 2).values
        tensor([5, 3])
    """
    input = tensor("topk", input)
    dim = wrap_dim("topk", dim, len(input._h.shape))
    k = k.__index__()
    if not 0 <= k <= (input._h.shape[dim] if input._h.shape else 1):
        raise OpError(
            f"topk: expected k from 0 to the size of dimension {dim} of shape "
            f"{tuple(input._h.shape)}, got {k}; selected index k out of range",
            op="topk",
        )
    indices = _call["topk_indices"](input, k, dim, bool(largest))
    return settle("topk", _picked(return_types.topk, input, dim, indices), out)


# --- order statistics ----------------------------------------------------------------------------


def _middle(name: str, input: Tensor, dim: int) -> Tensor:
    """Where the median along ``dim`` is, with that dimension of size 1 in the result."""
    order = _call["argsort"](input, dim, False, True)
    if not input._h.shape:
        return order
    size = input._h.shape[dim]
    if not input._dtype.is_inexact:
        return _call["index"](order, _part(dim, slice((size - 1) // 2, (size + 1) // 2)))
    missing = _call["isnan"](input.detach())
    count = _call["sum"](missing, (dim,), True)
    if name == "nanmedian":
        place = _call["clamp_min"](_call["floordiv"](size - 1 - count, 2), 0)
        return _call["gather"](order, dim, place._h)
    middle = _call["index"](order, _part(dim, slice((size - 1) // 2, (size + 1) // 2)))
    first = _call["argmax"](_call["cast"](missing, middle._dtype), dim, True)
    return _call["where"](count > 0, first, middle)


def _check_any(name: str, input: Tensor, dim: int) -> None:
    if input._h.shape and not input._h.shape[dim]:
        raise OpIndexError(
            f"{name}: expected reduction dim {dim} to have non-zero size, got shape "
            f"{tuple(input._h.shape)}",
            op=name,
        )


def _check_numeric(name: str, input: Tensor) -> None:
    if input._dtype.kind == "bool":
        raise OpError(
            f"{name}: expected a numeric tensor, got {input._dtype}; '{name}' is not implemented "
            "for 'Bool': convert it with .int()",
            op=name,
        )


def _median(name: str) -> Any:
    of = getattr(return_types, name)

    def call(input: Tensor, dim: int | None = None, keepdim: bool = False, *,
             out: Any = None) -> Any:  # fmt: skip
        input = tensor(name, input)
        _check_numeric(name, input)
        if dim is None:
            return settle(name, _of_all(name, input), out)
        dim = wrap_dim(name, dim, len(input._h.shape))
        _check_any(name, input, dim)
        indices = _middle(name, input, dim)
        return settle(name, _picked(of, input, dim, indices, keepdim), out)

    call.__name__ = call.__qualname__ = name
    what = "nan are left out" if name == "nanmedian" else "nan when any element is"
    call.__doc__ = f"""The middle element, the lower one of two; {what}.

    Along ``dim``: ``(values, indices)``.

    Raises:
        RuntimeError: the type is complex or bool.

    Example:
        >>> tp.{name}(tp.tensor([3, 1, 2, 9]))
        tensor(2)
    """
    return call


def _of_all(name: str, input: Tensor) -> Tensor:
    if 0 in input._h.shape:
        if input._dtype.is_inexact:
            return _call["mean"](input, None, False)  # nan
        low = iinfo(input._dtype).min
        F = input._device.F
        return make(F.full((), low, input._dtype), input._dtype, input._device)
    if name == "median":
        return _call["median"](input, None, False)
    flat = input.reshape(-1)
    return _picked(return_types.nanmedian, flat, 0, _middle(name, flat, 0), False)[0]


median = function(row="median", samples=lambda t: [(t(5),), (t(2, 4), 1), (t(3, 2), 0, True)])(
    _median("median")
)
nanmedian = function(samples=lambda t: [(t(5),), (t(2, 4), 1), (t(3, 2), 0, True)])(
    _median("nanmedian")
)


@function(samples=lambda t: [(t(5), 2), (t(2, 4), 1, 0), (t(3, 2), 2, -1, True), (t(), 1)])
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *,
             out: Any = None) -> Any:  # fmt: skip
    """The ``k``-th smallest element along ``dim``, counting from 1: ``(values, indices)``.

    Raises:
        RuntimeError: there are not so many, or the type is complex or bool.

    Example:
        >>> tp.kthvalue(tp.tensor([3, 1, 2]), 2).values
        tensor(2)
    """
    input = tensor("kthvalue", input)
    _check_numeric("kthvalue", input)
    dim = wrap_dim("kthvalue", dim, len(input._h.shape))
    _check_any("kthvalue", input, dim)
    if not 1 <= k <= (input._h.shape[dim] if input._h.shape else 1):
        raise OpError(
            f"kthvalue: expected k from 1 to the size of dimension {dim} of shape "
            f"{tuple(input._h.shape)}, got {k}; selected number k out of range for dimension {dim}",
            op="kthvalue",
        )
    order = _call["argsort"](input, dim, False, True)
    if input._h.shape:
        order = _call["index"](order, _part(dim, slice(k - 1, k)))
    return settle("kthvalue", _picked(return_types.kthvalue, input, dim, order, keepdim), out)


@function(samples=lambda t: [(t.int((5,), 0, 3),), (t.int((2, 4), 0, 3), 1), (t(3), 0, True)])
def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The most frequent element along ``dim``, the smallest of several: ``(values, indices)``.

    Raises:
        RuntimeError: the type is complex.

    Example:
        >>> tp.mode(tp.tensor([1, 2, 2, 3])).values
        tensor(2)
    """
    input = tensor("mode", input)
    dim = wrap_dim("mode", dim, len(input._h.shape))
    _check_any("mode", input, dim)
    row = "mode_indices" if input._h.shape else "argsort"
    attributes = (dim,) if input._h.shape else (dim, False, True)
    indices = _call[row](input, *attributes)
    return settle("mode", _picked(return_types.mode, input, dim, indices, keepdim), out)


# --- distinct values -----------------------------------------------------------------------------


def _distinct(
    name: str, input: Tensor, ordered: bool, inverse: bool, counts: bool, dim: int | None
) -> Any:
    input = tensor(name, input)
    if input._dtype.is_complex:
        raise OpError(
            f"{name}: expected a real tensor, got {input._dtype}; '{name}' is not implemented for "
            f"'{input._dtype.name}'",
            op=name,
        )
    shape = input._h.shape
    detached = input.detach()
    if dim is None:
        lined = detached.reshape(-1, 1)
    else:
        dim = wrap_dim(name, dim, len(shape))
        rows = shape[dim] if shape else 1
        size = 1
        for d, n in enumerate(shape):
            size *= 1 if d == dim else n
        lined = detached.movedim(dim, 0).reshape(rows, size)
    positions, groups, sizes = _call["unique"](lined, ordered)
    if dim is None:
        values = _call["index_get"](detached.reshape(-1), (positions._h,))
        groups = groups.reshape(shape)
    elif not shape:
        values = detached
    else:
        values = _call["index_select"](detached, dim, positions._h)
    found = (values, *((groups,) if inverse else ()), *((sizes,) if counts else ()))
    return found if len(found) > 1 else values


@function(samples=lambda t: [(t.int((5,), 0, 3),), (t.int((3, 2), 0, 2), True, True, True, 0)])
def unique(input: Tensor, sorted: bool = True, return_inverse: bool = False,
           return_counts: bool = False, dim: int | None = None) -> Any:  # fmt: skip
    """The distinct elements in order (or slices along ``dim``); every nan is distinct.

    Args:
        input: the tensor.
        sorted: accepted for PyTorch's sake; the result is always in order.
        return_inverse: also give the place in the result of each element.
        return_counts: also give how often each occurs.
        dim: compare slices along this dimension instead of elements.

    Example:
        >>> tp.unique(tp.tensor([3, 1, 3]))
        tensor([1, 3])
    """
    return _distinct("unique", input, False, return_inverse, return_counts, dim)


@function(samples=lambda t: [(t.int((5,), 0, 2),), (t.int((3, 2), 0, 2), True, True, 0)])
def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False,
                       dim: int | None = None) -> Any:  # fmt: skip
    """As :func:`unique`, but only runs of equal neighbours are merged, and nothing is sorted.

    Example:
        >>> tp.unique_consecutive(tp.tensor([3, 3, 1, 3]))
        tensor([3, 1, 3])
    """
    return _distinct("unique_consecutive", input, True, return_inverse, return_counts, dim)

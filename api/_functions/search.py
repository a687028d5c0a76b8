"""Searching in ordered sequences, counting, and quantiles."""

from __future__ import annotations

from typing import Any

from .._arguments import wrap_dim
from ..autograd import slow
from ..autograd.errors import OpError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, make
from ..backends.dtypes import float64, int32, int64
from ._arguments import settle, tensor

__all__ = ["bincount", "bucketize", "histc", "nanquantile", "quantile", "searchsorted"]

_call = {name: row.call for name, row in ROWS.items()}


def _ordered(t: Any) -> Tensor:
    return t(4).sort().values


def _side(name: str, right: bool, side: str | None) -> bool:
    if side not in (None, "left", "right"):
        raise OpError(f"{name}: expected side to be 'left' or 'right', got {side!r}", op=name)
    if side == "left" and right:
        raise OpError(
            f"{name}: expected side and right to agree, got side='left' and right=True; side and "
            "right can't be set to opposites",
            op=name,
        )
    return right or side == "right"


@function(method=False, samples=lambda t: [(_ordered(t), t(2, 3)), (_ordered(t), 0.5),
          (_ordered(t), t(3), {"right": True}), (t(2, 3).sort().values, t(2, 2))])  # fmt: skip
def searchsorted(sorted_sequence: Tensor, input: Any, *, out_int32: bool = False,
                 right: bool = False, side: str | None = None, sorter: Tensor | None = None,
                 out: Any = None) -> Tensor:  # fmt: skip
    """Where values would be inserted into sequences that are in order along the last dimension.

    Args:
        sorted_sequence: one sequence, or one for each row of ``input``.
        input: values, a tensor or a number.
        out_int32: give int32 instead of int64.
        right: insert behind equal elements, not in front of them; the same as ``side="right"``.
        side: ``"left"`` or ``"right"``.
        sorter: indices that put ``sorted_sequence`` in order, when it is not.
        out: where to write the result.

    Raises:
        RuntimeError: the shapes do not fit, or ``side`` and ``right`` disagree.

    Example:
        >>> tp.searchsorted(tp.tensor([1, 3, 5]), tp.tensor([3, 4]))
        tensor([1, 2])
    """
    name = "searchsorted"
    sequence = tensor(name, sorted_sequence, "sorted_sequence")
    right = _side(name, right, side)
    if sorter is not None:
        if sorter._h.shape != sequence._h.shape:
            raise OpError(
                f"{name}: expected sorter of shape {tuple(sequence._h.shape)}, got "
                f"{tuple(sorter._h.shape)}; boundary and sorter must have the same size",
                op=name,
            )
        if sorter._dtype is not int64:
            raise OpError(f"{name}: expected sorter of type int64, got {sorter._dtype}; sorter "
                          "must be a tensor of long dtype", op=name)  # fmt: skip
        sequence = _call["gather"](sequence, max(len(sequence._h.shape) - 1, 0), sorter._h)
    values = input
    if type(values) is not Tensor:
        values = slow.as_tensor[0](values, device=sequence._device)
    ranks = len(sequence._h.shape), len(values._h.shape)
    if not ranks[0] or (ranks[0] > 1 and sequence._h.shape[:-1] != values._h.shape[:-1]):
        raise OpError(
            f"{name}: expected a sequence of one dimension, or of the same leading dimensions as "
            f"the values, got {tuple(sequence._h.shape)} and {tuple(values._h.shape)}; boundaries "
            "tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            "input value tensor must match",
            op=name,
        )
    if ranks[0] > 1 and ranks[1] != ranks[0]:
        raise OpError(f"{name}: expected as many dimensions in the values as in the sequence, got "
                      f"{ranks[1]} and {ranks[0]}", op=name)  # fmt: skip
    result = _call["searchsorted"](sequence, values, right)
    return settle(name, slow.cast(result, int32) if out_int32 else result, out)


@function(method=False, samples=lambda t: [(t(2, 3), _ordered(t)), (0.5, _ordered(t))])
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False,
              out: Any = None) -> Tensor:  # fmt: skip
    """The index of the bucket, between increasing ``boundaries``, that each value falls into.

    Raises:
        RuntimeError: ``boundaries`` has not exactly one dimension.

    Example:
        >>> tp.bucketize(tp.tensor([2, 5]), tp.tensor([1, 3, 5]))
        tensor([1, 2])
    """
    boundaries = tensor("bucketize", boundaries, "boundaries")
    if len(boundaries._h.shape) != 1:
        raise OpError(
            f"bucketize: expected boundaries of 1 dimension, got {len(boundaries._h.shape)}; "
            "boundaries tensor must be 1 dimension",
            op="bucketize",
        )
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


# --- counting ------------------------------------------------------------------------------------


@function(samples=lambda t: [(t.int((5,), 0, 4),), (t.int((3,), 0, 3), None, 6),
          (t.int((3,), 0, 3), t(3))])  # fmt: skip
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 occurs, or the sum of its ``weights``.

    Raises:
        RuntimeError: the input is not a 1-d tensor of integers of at least 0, ``weights`` has
            another shape, or ``minlength`` is negative.

    Example:
        >>> tp.bincount(tp.tensor([0, 2, 2]))
        tensor([1, 0, 2])
    """
    input = tensor("bincount", input)
    shape, size = input._h.shape, 0
    if minlength < 0:
        raise OpError(f"bincount: expected minlength of 0 or more, got {minlength}; minlength "
                      "should be >= 0", op="bincount")  # fmt: skip
    if len(shape) == 1 and input._dtype.kind in ("int", "uint") and shape[0]:
        low, size = (int(_call[name](input, None, False).item()) for name in ("amin", "amax"))
        size += 1
    else:
        low = 0
    if len(shape) != 1 or input._dtype.kind not in ("int", "uint") or low < 0:
        raise OpError(
            f"bincount: expected a 1-d tensor of non-negative integers, got {input._dtype} of "
            f"shape {tuple(shape)}, smallest {low}; bincount only supports 1-d non-negative "
            "integral inputs",
            op="bincount",
        )
    if weights is not None and weights._h.shape != shape:
        raise OpError(
            f"bincount: expected weights of shape {tuple(shape)}, got {tuple(weights._h.shape)}; "
            "weights should be 1-d and have the same length as input",
            op="bincount",
        )
    input = slow.cast(input, int64)
    F = input._device.F
    if weights is None:
        dtype = int64
        source = make(F.full(shape, 1, dtype), dtype, input._device)
    else:
        dtype = weights._dtype if weights._dtype.is_inexact else float64
        source = slow.cast(weights.detach(), dtype)
    zeros = make(F.zeros((max(size, minlength),), dtype), dtype, input._device)
    if not shape[0]:
        return zeros
    return _call["scatter_add"](zeros, source, 0, input._h)


@function(samples=lambda t: [(t(10), 5), (t(10), 4, -1.0, 1.0), (t(2, 3), 3, 0, 0)])
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *,
          out: Any = None) -> Tensor:  # fmt: skip
    """How many elements fall into each of ``bins`` equal intervals from ``min`` to ``max``.

    With ``min == max`` the range is that of the data. Elements outside are left out.

    Raises:
        RuntimeError: the type is not floating-point, ``bins`` is not positive, or the range is
            not finite or empty.

    Example:
        >>> tp.histc(tp.tensor([1.0, 2.0, 1.0]), bins=2, min=0, max=4)
        tensor([2., 1.])
    """
    input = tensor("histc", input).detach()
    name = "histc"
    if not input._dtype.is_floating_point:
        raise OpError(f"{name}: expected a floating-point tensor, got {input._dtype}; 'histogram' "
                      f"is not implemented for '{input._dtype.name}'", op=name)  # fmt: skip
    if bins <= 0:
        raise OpError(f"{name}: expected a positive number of bins, got {bins}; bins must be > 0",
                      op=name)  # fmt: skip
    low, high = float(min), float(max)
    flat = input.reshape(-1)
    if low == high and flat._h.shape[0]:
        low, high = (float(_call[n](flat, None, False).item()) for n in ("amin", "amax"))
    if low == high:
        low, high = low - 1, high + 1
    if not abs(low) + abs(high) < float("inf"):
        raise OpError(f"{name}: expected a finite range, got [{low}, {high}]; range of "
                      f"[{low}, {high}] is not finite", op=name)  # fmt: skip
    if low > high:
        raise OpError(f"{name}: expected min <= max, got {low} and {high}; max must be larger than "
                      "min", op=name)  # fmt: skip
    inside = _call["logical_and"](flat >= low, flat <= high)
    place = _call["floor"]((_call["where"](inside, flat, low) - low) / (high - low) * bins)
    place = _call["cast"](_call["clamp_max"](place, bins - 1), int64)
    F = input._device.F
    zeros = make(F.zeros((bins,), input._dtype), input._dtype, input._device)
    counted = _call["cast"](inside, input._dtype)
    if not flat._h.shape[0]:
        return settle(name, zeros, out)
    return settle(name, _call["scatter_add"](zeros, counted, 0, place._h), out)


# --- quantiles -----------------------------------------------------------------------------------

_INTERPOLATION = ("linear", "lower", "higher", "midpoint", "nearest")


def _checked(name: str, input: Tensor, q: Any, interpolation: str) -> Tensor:
    if interpolation not in _INTERPOLATION:
        raise OpError(
            f"{name}: expected interpolation to be one of linear, lower, higher, midpoint or "
            f"nearest, got {interpolation!r}; quantile() interpolation must be one of these",
            op=name,
        )
    if input._dtype.name not in ("float32", "float64"):
        raise OpError(f"{name}: expected a float32 or float64 tensor, got {input._dtype}; input "
                      "tensor must be either float or double dtype", op=name)  # fmt: skip
    if type(q) is not Tensor:
        if not 0 <= q <= 1:
            raise OpError(f"{name}: expected q in the range [0, 1], got {q}", op=name)
        F = input._device.F
        return make(F.full((), q, input._dtype), input._dtype, input._device)
    if len(q._h.shape) > 1 or q._dtype is not input._dtype:
        raise OpError(
            f"{name}: expected q to be a number or a tensor of at most 1 dimension and of type "
            f"{input._dtype}, got {q._dtype} of shape {tuple(q._h.shape)}; q tensor must be same "
            "dtype as the input tensor",
            op=name,
        )
    if not bool(_call["all"](_call["logical_and"](q >= 0, q <= 1), None, False).item()):
        raise OpError(f"{name}: expected q values in the range [0, 1], got others", op=name)
    return q


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    input = tensor(name, input)
    q = _checked(name, input, q, interpolation)
    shape = input._h.shape
    if 0 in shape:
        raise OpError(f"{name}: expected a tensor with elements, got shape {tuple(shape)}; "
                      "input tensor must be non-empty", op=name)  # fmt: skip
    if dim is None:
        rows = input.reshape(-1)
        kept = (1,) * len(shape)
    else:
        dim = wrap_dim(name, dim, len(shape))
        rows = input.movedim(dim, -1) if shape else input.reshape(1)
        kept = tuple(1 if d == dim else n for d, n in enumerate(shape))
    order = rows.sort(-1).values
    missing = _call["sum"](_call["isnan"](rows.detach()), (len(rows._h.shape) - 1,), True)
    last = order._h.shape[-1] - 1
    qs = q.reshape(-1)
    if name == "nanquantile":
        rank = qs * _call["clamp_min"](last - missing, 0)
    else:
        rank = _call["where"](missing > 0, float(last), qs * float(last))
    found = _interpolated(order, rank, interpolation)
    found = found.movedim(-1, 0)
    tail = kept if keepdim else tuple(rows._h.shape[:-1])
    return found.reshape((*q._h.shape, *tail))


def _interpolated(order: Tensor, rank: Tensor, interpolation: str) -> Tensor:
    """Values at fractional positions of the last dimension."""
    dim = len(order._h.shape) - 1
    if interpolation in ("lower", "higher", "nearest"):
        row = {"lower": "floor", "higher": "ceil", "nearest": "round"}[interpolation]
        place = _call["cast"](_call[row](rank.detach()), int64)
        return _call["gather"](order, dim, place._h)
    below = _call["floor"](rank.detach())
    weight = rank - below if interpolation == "linear" else (rank.detach() != below) * 0.5
    low, high = (
        _call["gather"](order, dim, _call["cast"](x, int64)._h)
        for x in (below, _call["ceil"](rank.detach()))
    )
    return _call["lerp"](low, high, _call["cast"](weight, low._dtype))


def _quantiles(t: Any) -> list[Any]:
    return [(t(5), 0.3), (t(2, 4), 0.5, 1), (t(3, 2), 0.9, 0, True), (t(4), 0.4, {
        "interpolation": "nearest"})]  # fmt: skip


@function(samples=_quantiles, dtypes="float32 float64")
def quantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
             interpolation: str = "linear", out: Any = None) -> Tensor:  # fmt: skip
    """The ``q``-th quantiles, along ``dim`` or of all elements; nan when any element is.

    ``q`` is a number from 0 to 1 or a 1-d tensor of them, whose dimension then comes first.

    Raises:
        RuntimeError: the type is not float32 or float64, there are no elements, or ``q`` or
            ``interpolation`` is out of its range.

    Example:
        >>> tp.quantile(tp.tensor([1.0, 2.0, 3.0, 4.0]), 0.5)
        tensor(2.5000)
    """
    return settle("quantile", _quantile("quantile", input, q, dim, keepdim, interpolation), out)


@function(samples=_quantiles, dtypes="float32 float64")
def nanquantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
                interpolation: str = "linear", out: Any = None) -> Tensor:  # fmt: skip
    """As :func:`quantile`, without the elements that are nan.

    Example:
        >>> tp.nanquantile(tp.tensor([1.0, float("nan"), 3.0]), 0.5)
        tensor(2.)
    """
    name = "nanquantile"
    return settle(name, _quantile(name, input, q, dim, keepdim, interpolation), out)

"""Counting into intervals with their edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd import return_types, slow
from ..autograd.errors import OpError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, make
from ..backends.dtypes import int64
from ._arguments import settle, tensor

__all__ = ["histogram"]

_call = {name: row.call for name, row in ROWS.items()}


def _bounds(flat: Tensor, limits: Sequence[float] | None) -> tuple[float, float]:
    """The range: the given one, or that of the data, widened where it is empty."""
    if limits is not None:
        low, high = (float(limit) for limit in limits)
    elif flat._h.shape[0]:
        low, high = (float(_call[n](flat, None, False).item()) for n in ("amin", "amax"))
    else:
        low, high = 0.0, 0.0
    if not (abs(low) + abs(high) < float("inf") and low <= high):
        raise OpError(
            f"histogram: expected a finite range from low to high, got [{low}, {high}]; the range "
            "must be finite and max must not be less than min",
            op="histogram",
        )
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _edges(flat: Tensor, bins: Any, limits: Sequence[float] | None) -> Tensor:
    if type(bins) is Tensor:
        if limits is not None:
            raise OpError("histogram: expected bins as a number with range, got both a tensor of "
                          "edges and a range", op="histogram")  # fmt: skip
        if len(bins._h.shape) != 1 or bins._dtype is not flat._dtype:
            raise OpError(
                f"histogram: expected a 1-d tensor of edges of type {flat._dtype}, got "
                f"{bins._dtype} of shape {tuple(bins._h.shape)}; input tensor and bins tensors "
                "should have the same dtype",
                op="histogram",
            )
        return bins.detach()
    if bins < 1:
        raise OpError(f"histogram: expected at least one bin, got {bins}; bins must be > 0",
                      op="histogram")  # fmt: skip
    low, high = _bounds(flat, limits)
    F, device = flat._device.F, flat._device
    steps = make(F.arange(0, bins + 1, 1, int64), int64, device)
    steps = slow.cast(steps, flat._dtype)
    edges = steps * ((high - low) / bins) + low
    return _call["where"](steps == bins, high, edges)


@function(samples=lambda t: [(t(10), 4), (t(10), t(5).sort().values.detach()),
          (t(2, 3), 3, {"range": (-1.0, 1.0), "density": True})])  # fmt: skip
def histogram(input: Tensor, bins: Any, *, range: Sequence[float] | None = None,
              weight: Tensor | None = None, density: bool = False,
              out: Any = None) -> Any:  # fmt: skip
    """How many elements, or how much weight, falls into each interval: ``(hist, bin_edges)``.

    Args:
        input: floating-point tensor of any shape.
        bins: the number of equal intervals, or a 1-d tensor of increasing edges.
        range: the lowest and the highest edge; by default those of the data.
        weight: what each element counts, of the shape of ``input``; by default 1.
        density: scale the result so that its integral is 1.
        out: two tensors to write to.

    Raises:
        RuntimeError: the type is not floating-point, or an argument does not fit.

    Example:
        >>> tp.histogram(tp.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 4.0)).hist
        tensor([2., 1.])
    """
    input = tensor("histogram", input).detach()
    if not input._dtype.is_floating_point:
        raise OpError(
            f"histogram: expected a floating-point tensor, got {input._dtype}; 'histogram' is not "
            f"implemented for '{input._dtype.name}'",
            op="histogram",
        )
    if weight is not None and (weight._h.shape, weight._dtype) != (input._h.shape, input._dtype):
        raise OpError(
            f"histogram: expected a weight like the input, {input._dtype} of shape "
            f"{tuple(input._h.shape)}, got {weight._dtype} of shape {tuple(weight._h.shape)}; if "
            "weight tensor is provided it should have the same shape and dtype as the input",
            op="histogram",
        )
    flat = input.reshape(-1)
    edges = _edges(flat, bins, range)
    count = edges._h.shape[0] - 1
    place = _call["searchsorted"](edges, flat, True) - 1
    last = _call["index"](edges, (slice(count, None),))
    place = _call["where"](flat == last, count - 1, place)
    inside = _call["logical_and"](place >= 0, place < count)
    given = 1 if weight is None else weight.detach().reshape(-1)
    each = _call["where"](inside, given, 0)
    target = make(input._device.F.zeros((count,), input._dtype), input._dtype, input._device)
    place = _call["clamp"](place, 0, max(count - 1, 0))
    hist = _call["scatter_add"](target, slow.cast(each, input._dtype), 0, place._h)
    if density:
        widths = _call["index"](edges, (slice(1, None),)) - _call["index"](edges, (slice(0, -1),))
        hist = hist / (_call["sum"](hist, None, False) * widths)
    return settle("histogram", return_types.histogram(hist, edges), out)

"""Numerical derivatives of sampled functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._arguments import wrap_dims
from ..autograd import slow
from ..autograd.errors import OpError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import default_float
from ._arguments import tensor

__all__ = ["gradient"]

_call = {name: row.call for name, row in ROWS.items()}


def _slice(x: Tensor, dim: int, start: int | None, stop: int | None) -> Tensor:
    part = (*(slice(None),) * dim, slice(start, stop))
    return _call["index"](x, part)


def _ends(x: Tensor, dim: int, steps: Any, order: int) -> tuple[Tensor, Tensor]:
    """One-sided differences at the first and at the last sample."""
    size = x._h.shape[dim]
    a, b = steps
    if order == 1:
        return (
            (_slice(x, dim, 1, 2) - _slice(x, dim, 0, 1)) / a[0],
            (_slice(x, dim, size - 1, None) - _slice(x, dim, size - 2, size - 1)) / b[0],
        )
    first, second = a
    start = (
        _slice(x, dim, 0, 1) * (-(2 * first + second) / (first * (first + second)))
        + _slice(x, dim, 1, 2) * ((first + second) / (first * second))
        - _slice(x, dim, 2, 3) * (first / (second * (first + second)))
    )
    last, previous = b
    end = (
        _slice(x, dim, size - 3, size - 2) * (last / (previous * (last + previous)))
        - _slice(x, dim, size - 2, size - 1) * ((last + previous) / (last * previous))
        + _slice(x, dim, size - 1, None) * ((2 * last + previous) / (last * (last + previous)))
    )
    return start, end


def _along(x: Tensor, dim: int, spacing: Any, order: int) -> Tensor:
    """The derivative along one dimension; ``spacing`` is a number or the 1-d coordinates."""
    if type(spacing) is Tensor:
        points = slow.cast(spacing, x._dtype) if not spacing._dtype.is_inexact else spacing
        points = points.reshape(tuple(-1 if d == dim else 1 for d in range(len(x._h.shape))))
        widths = _slice(points, dim, 1, None) - _slice(points, dim, None, -1)
        before, after = _slice(widths, dim, None, -1), _slice(widths, dim, 1, None)
        count = widths._h.shape[dim]
        steps = tuple(
            tuple(_slice(widths, dim, at, at + 1) for at in places)
            for places in ((0, min(1, count - 1)), (count - 1, max(count - 2, 0)))
        )
    else:
        before = after = spacing
        steps = ((spacing, spacing), (spacing, spacing))
    start, end = _ends(x, dim, steps, order)
    low, here, high = _slice(x, dim, None, -2), _slice(x, dim, 1, -1), _slice(x, dim, 2, None)
    if type(spacing) is Tensor:
        middle = (
            low * (-after / (before * (before + after)))
            + here * ((after - before) / (before * after))
            + high * (before / (after * (before + after)))
        )
    else:
        middle = (high - low) / (2 * spacing)
    return _call["concat"]([start, middle, end], dim)


def _spacings(spacing: Any, count: int) -> list[Any]:
    """One spacing for each dimension."""
    if spacing is None:
        return [1.0] * count
    if isinstance(spacing, (list, tuple)):
        if len(spacing) != count:
            raise OpError(
                f"gradient: expected spacing to be unspecified, a number, or a sequence with one "
                f"entry for each of the {count} dimensions, got {len(spacing)}",
                op="gradient",
            )
        return list(spacing)
    return [spacing] * count


@function(method=False, samples=lambda t: [(t(5),), (t(3, 4), {"spacing": 0.5}),
          (t(4, 3), {"dim": 0, "edge_order": 2})])  # fmt: skip
def gradient(input: Tensor, *, spacing: Any = None, dim: int | Sequence[int] | None = None,
             edge_order: int = 1) -> tuple[Tensor, ...]:  # fmt: skip
    """Derivatives of sampled values along dimensions, by central differences.

    Args:
        input: samples.
        spacing: the distance of samples, one for all dimensions or one for each; or the 1-d
            coordinates for each.
        dim: one dimension or several (default: all).
        edge_order: 1 or 2, the accuracy at the first and the last sample.

    Raises:
        RuntimeError: there are too few samples, or an argument does not fit.

    Example:
        >>> tp.gradient(tp.tensor([1.0, 4.0, 9.0]))
        (tensor([3., 4., 5.]),)
    """
    input = tensor("gradient", input)
    shape = input._h.shape
    dims = tuple(range(len(shape))) if dim is None else wrap_dims("gradient", dim, len(shape))
    if edge_order not in (1, 2):
        raise OpError(f"gradient: expected edge_order 1 or 2, got {edge_order}; torch.gradient "
                      "only supports edge_order=1 and edge_order=2", op="gradient")  # fmt: skip
    if not shape or any(shape[d] <= edge_order for d in dims):
        raise OpError(
            f"gradient: expected each dimension size to be at least edge_order+1 = "
            f"{edge_order + 1}, got shape {tuple(shape)}",
            op="gradient",
        )
    if not input._dtype.is_inexact:
        input = slow.cast(input, default_float())
    found = zip(dims, _spacings(spacing, len(dims)), strict=True)
    return tuple(_along(input, d, each, edge_order) for d, each in found)

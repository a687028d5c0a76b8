"""Rows of a table, looked up and summed up in bags."""

from __future__ import annotations

from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpTypeError, OpValueError
from tensorplug.autograd.registry import function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, require, widened
from .linear import embedding

__all__ = ["embedding_bag"]

_NAME = "embedding_bag"


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t.int((2, 3), 0, 5), t(5, 4), {"mode": "sum"}), (t.int((2, 3), 0, 5), t(5, 4)),
        (t.int((4,), 0, 5), t(5, 2), t.int((2,), 0, 1), {"mode": "max"}),
    ],
)  # fmt: skip
def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Sums, means or maxima of bags of rows of a table; an empty bag gives zeros.

    Args:
        input: row numbers: ``(bags, size)``; or all bags one after the other, with ``offsets``.
        weight: the table, shape ``(rows, width)``.
        offsets: where in ``input`` each bag starts.
        max_norm, norm_type, scale_grad_by_freq, sparse: as for :func:`embedding`.
        mode: "sum", "mean" or "max".
        per_sample_weights: a factor for each row that is looked up, for mode "sum".
        include_last_offset: ``offsets`` has one number more, the total.
        padding_idx: a row that no bag counts.

    Returns:
        Shape ``(bags, width)``.

    Raises:
        ValueError: the shapes or the mode do not fit.
        RuntimeError: ``scale_grad_by_freq`` with mode "max".
        NotImplementedError: ``per_sample_weights`` with another mode than "sum".

    Example:
        >>> table = tp.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> tp.nn.functional.embedding_bag(tp.tensor([[0, 1]]), table).tolist()
        [[2.0, 3.0]]
    """
    _check(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq)
    table = weight._h.shape[0]
    if padding_idx is not None:
        require(-table <= padding_idx < table, _NAME, "padding_idx within the table", padding_idx)
        padding_idx %= table
    rows = embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    counted = None if padding_idx is None else input != padding_idx
    rows, per_sample_weights = widened(rows, per_sample_weights)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    if offsets is None:
        return _bags(rows, counted, mode).to(weight._dtype)
    starts = offsets.tolist()[:-1] if include_last_offset else offsets.tolist()
    if mode == "max":
        return _bags(*_padded(rows, counted, starts), mode).to(weight._dtype)
    return _ragged(rows, counted, starts, mode).to(weight._dtype)


def _check(
    input: Tensor, weight: Tensor, offsets: Tensor | None, mode: str, factors: Tensor | None,
    by_count: bool,
) -> None:  # fmt: skip
    for what, x in (("input", input), ("weight", weight)):
        is_tensor(_NAME, what, x)

    def wrong(expected: str, got: Any) -> OpValueError:
        return OpValueError(f"{_NAME}: expected {expected}, got {got}", op=_NAME)

    if mode not in ("sum", "mean", "max"):
        raise wrong("mode 'sum', 'mean' or 'max'", repr(mode))
    dims = input.dim()
    if dims not in (1, 2):
        raise wrong("input of 1 or 2 dimensions", tuple(input.shape))
    if dims == 2 and offsets is not None:
        raise wrong("no offsets with input of 2 dimensions, whose rows are the bags", offsets)
    if dims == 1:
        if type(offsets) is not Tensor:
            raise OpTypeError(
                f"{_NAME}: expected offsets, a tensor, with input of 1 dimension, got "
                f"{type(offsets).__name__}",
                op=_NAME,
            )
        if offsets.dim() != 1:
            raise wrong("offsets of 1 dimension", tuple(offsets.shape))
        if offsets.numel() and int(offsets[0]) != 0:
            raise wrong("offsets that start at 0", int(offsets[0]))
    if factors is not None:
        if mode != "sum":
            raise NotImplementedError(
                f"{_NAME}: expected mode 'sum' with per_sample_weights, got {mode!r}"
            )
        if factors.shape != input.shape:
            raise wrong(f"per_sample_weights of shape {tuple(input.shape)}", tuple(factors.shape))
    require(mode != "max" or not by_count, _NAME, "scale_grad_by_freq=False with mode 'max'", True)


def _bags(rows: Tensor, counted: Tensor | None, mode: str) -> Tensor:
    """``(bags, size, width)`` to ``(bags, width)``, of the elements that count."""
    size = rows.shape[1]
    if not size:
        return rows.sum(1)
    if mode == "max":
        if counted is None:
            return rows.max(1).values
        column = counted.unsqueeze(-1)
        most = tp.where(column, rows, float("-inf")).max(1).values
        return tp.where(counted.any(1, keepdim=True), most, 0.0)
    total = rows.sum(1) if counted is None else tp.where(counted.unsqueeze(-1), rows, 0.0).sum(1)
    if mode == "sum":
        return total
    count = size if counted is None else counted.sum(1, keepdim=True).clamp_min(1)
    return total / count


def _ragged(rows: Tensor, counted: Tensor | None, starts: list[int], mode: str) -> Tensor:
    """Bags of any sizes one after the other: every row is added to its bag."""
    ends = [*starts[1:], rows.shape[0]]
    sizes = [max(end - start, 0) for start, end in zip(starts, ends, strict=True)]
    bags = [bag for bag, size in enumerate(sizes) for _ in range(size)]
    index = tp.tensor(bags, dtype=tp.int64, device=rows._device)
    if counted is not None:
        rows = tp.where(counted.unsqueeze(-1), rows, 0.0)
    out = rows.new_zeros(len(starts), rows.shape[1]).index_add(0, index, rows)
    if mode == "sum":
        return out
    ones = tp.ones_like(rows[:, :1]) if counted is None else counted.unsqueeze(-1).to(rows._dtype)
    count = ones.detach().new_zeros(len(starts), 1).index_add(0, index, ones.detach())
    return out / count.clamp_min(1)


def _padded(
    rows: Tensor, counted: Tensor | None, starts: list[int]
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Bags of any sizes, each filled up to the largest, and which of their rows count."""
    count = rows.shape[0]
    ends = [*starts[1:], count]
    width = max((end - start for start, end in zip(starts, ends, strict=True)), default=0)
    places = [[min(start + k, count - 1) for k in range(width)] for start in starts]
    inside = [
        [start + k < end for k in range(width)] for start, end in zip(starts, ends, strict=True)
    ]
    shape, device = (len(starts), width), rows._device
    index = tp.tensor(places, dtype=tp.int64, device=device).reshape(shape)
    mask = tp.tensor(inside, dtype=tp.bool, device=device).reshape(shape)
    return rows[index], mask if counted is None else mask & counted[index]

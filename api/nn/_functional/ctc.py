"""Connectionist temporal classification: labels whose places in a sequence are unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import check_devices
from tensorplug.autograd.ops.ctc import LOW
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, reduction_of, require, widened

__all__ = ["ctc_loss"]


def _lengths(name: str, what: str, value: Any, count: int, most: int) -> list[int]:
    """One length per sequence, as numbers."""
    given = value.tolist() if type(value) is Tensor else value
    numbers = [int(n) for n in given] if isinstance(given, Sequence) else [int(given)]
    require(len(numbers) == count, name, f"{count} {what}, one for each sequence", len(numbers),
            f"{what} must be of size batch_size")  # fmt: skip
    wrong = [n for n in numbers if not 0 <= n <= most]
    require(not wrong, name, f"{what} from 0 to {most}", wrong)
    return numbers


def _rows(name: str, targets: Tensor, counts: list[int], device: Any) -> Tensor:
    """Labels as ``(N, S)``, whatever lies behind the last one; also from one long row."""
    labels = targets.to(tp.int64)
    if labels.dim() == 2:
        return labels[:, : max(counts, default=0)]
    require(labels.numel() == sum(counts), name, f"{sum(counts)} targets, the sum of the lengths",
            labels.numel())  # fmt: skip
    width, starts = max(counts, default=0), [sum(counts[:i]) for i in range(len(counts))]
    places = [[min(s + k, labels.numel() - 1) for k in range(width)] for s in starts]
    return labels[tp.tensor(places, dtype=tp.int64, device=device).reshape(len(counts), width)]


def _allowed(condition: Tensor, dtype: Any) -> Tensor:
    return tp.where(condition, 0.0, LOW).to(dtype)


def _losses(x: Tensor, labels: Tensor, times: list[int], counts: list[int], blank: int) -> Tensor:
    """The negative log-likelihoods, at least ``-LOW`` where no alignment exists."""
    device, dtype = x._device, x._dtype
    rows, width = labels.shape
    path = tp.full((rows, 2 * width + 1), blank, dtype=tp.int64, device=device)
    path[:, 1::2] = labels
    before = tp.nn.functional.pad(path, (2, 0), value=blank)[:, :-2]
    place = tp.arange(2 * width + 1, device=device)
    end = 2 * tp.tensor(counts, device=device).unsqueeze(1)
    lasts = tp.tensor(times, device=device)
    empty = (lasts == 0).unsqueeze(1)
    clock = tp.arange(x.shape[0], device=device).unsqueeze(1)
    return ROWS["ctc_loss"].call(
        x,
        (clock < lasts).to(dtype).unsqueeze(-1),
        _allowed((path != blank) & (path != before), dtype),
        _allowed((place == 0) | ((place == 1) & (end > 0) & ~empty), dtype),
        _allowed((place == end) | (place == end - 1), dtype),
        path.expand(x.shape[0], rows, 2 * width + 1)._h,
    )


@function(
    namespace="nn.functional", row="ctc_loss",
    samples=lambda t: [
        (t(4, 2, 3), t.int((2, 2), 1, 3), (4, 3), (2, 1)),
        (t(5, 2, 3), t.int((3,), 1, 3), (5, 4), (1, 2), 0, "sum"),
        (t(3, 4), t.int((2,), 0, 2), (3,), (1,), 3, "none"),
    ],
)  # fmt: skip
def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """The negative log-likelihood of labels, over all ways to align them with a sequence.

    Of Graves et al., *Connectionist Temporal Classification* (2006); all sequences of the batch
    are worked on together.

    Args:
        log_probs: logarithms of probabilities, shape ``(T, N, C)``, or ``(T, C)``.
        targets: labels without blanks, shape ``(N, S)``; or those of all sequences in one row.
        input_lengths: how many of the ``T`` times each sequence has: integers, or a tensor.
        target_lengths: how many labels each sequence has.
        blank: the class that stands for no label.
        reduction: "mean" (each loss first divided by its number of labels), "sum" or "none".
        zero_infinity: count labels that cannot be aligned, whose loss is infinite, as 0.

    Returns:
        A 0-d tensor; for "none" shape ``(N,)``, or ``()``.

    Raises:
        RuntimeError: shapes, lengths or labels do not fit.

    Differs from torch: the derivative is that of the formula also for ``log_probs`` that are no
    logarithms of probabilities (after ``log_softmax`` the two agree), and has derivatives of its
    own; an infinite loss has the gradient 0.

    Example:
        >>> scores = tp.zeros(3, 1, 2).log_softmax(-1)
        >>> loss = tp.nn.functional.ctc_loss(scores, tp.tensor([[1]]), (3,), (1,))
        >>> round(loss.item(), 4)
        0.2877
    """
    name = "ctc_loss"
    reduction = reduction_of(name, reduction)
    is_tensor(name, "log_probs", log_probs)
    is_tensor(name, "targets", targets)
    check_devices(name, [log_probs, targets])
    require(log_probs._dtype.is_floating_point, name, "floating-point log_probs", log_probs._dtype)
    require(targets._dtype.kind in ("int", "uint"), name, "targets of integers", targets._dtype)
    shape, alone = tuple(log_probs.shape), log_probs.dim() == 2
    require(len(shape) in (2, 3) and shape[0] > 0, name, "log_probs of shape (T, N, C) or (T, C)",
            shape)  # fmt: skip
    require(0 <= blank < shape[-1], name, f"a blank from 0 to {shape[-1] - 1}", blank)
    x = widened(log_probs.unsqueeze(1) if alone else log_probs)[0]
    if alone and targets.dim() == 1:
        targets = targets.unsqueeze(0)
    rows, longest = x.shape[1], targets.shape[-1] if targets.dim() else 0
    require(targets.dim() == 1 or tuple(targets.shape[:-1]) == (rows,), name,
            f"targets of shape ({rows}, S) or one row", tuple(targets.shape))  # fmt: skip
    times = _lengths(name, "input_lengths", input_lengths, rows, shape[0])
    counts = _lengths(name, "target_lengths", target_lengths, rows, longest)
    labels = _rows(name, targets, counts, x._device)
    _check_labels(name, labels, counts, shape[-1])
    losses = _losses(x, labels.clamp(0, shape[-1] - 1), times, counts, blank)
    endless = tp.where(losses.detach() > -LOW / 10, 0.0 if zero_infinity else float("inf"), 0.0)
    losses = tp.where(losses.detach() > -LOW / 10, endless, losses).to(log_probs._dtype)
    if reduction == "mean":
        divisor = tp.tensor([max(n, 1) for n in counts], dtype=losses._dtype, device=x._device)
        return (losses / divisor).mean()
    if reduction == "sum":
        return losses.sum()
    return losses.squeeze(0) if alone else losses


def _check_labels(name: str, labels: Tensor, counts: list[int], classes: int) -> None:
    place = tp.arange(labels.shape[1], device=labels._device)
    used = labels[place < tp.tensor(counts, device=labels._device).unsqueeze(1)]
    if used.numel():
        low, high = int(used.min()), int(used.max())
        require(low >= 0 and high < classes, name, f"labels from 0 to {classes - 1}",
                low if low < 0 else high)  # fmt: skip

"""Losses of classifiers that ask for margins between right and wrong classes."""

from __future__ import annotations

from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpValueError
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, reduced, reduction_of, require

__all__ = ["multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss"]


def _scores(name: str, input: Tensor) -> Tensor:
    """``(N, C)`` from ``(N, C)`` or ``(C,)``."""
    is_tensor(name, "input", input)
    shape = tuple(input._h.shape)
    require(len(shape) in (1, 2) and shape[-1] > 0, name, "an input of shape (N, C) or (C,)", shape)
    require(input._dtype.is_floating_point, name, "a floating-point input", input._dtype)
    return input if len(shape) == 2 else input.unsqueeze(0)


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(4, 3), t.int((4,), 0, 3)), (t(3), t.int((), 0, 3), 2, 0.5),
        (t(4, 3), t.int((4,), 0, 3), 1, 1.5, t.pos((3,)), {"reduction": "none"}),
    ],
)  # fmt: skip
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The mean over the wrong classes of ``max(0, margin - right + wrong) ** p``.

    Args:
        input: scores, shape ``(N, C)`` or ``(C,)``.
        target: the right classes, int64, shape ``(N,)`` or ``()``.
        p: 1 or 2.
        margin: by how much the right class should be ahead.
        weight: a factor for each right class, shape ``(C,)``.
        reduction: "mean", "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        ValueError: ``p`` is neither 1 nor 2.
        RuntimeError: shapes or types do not fit.

    Example:
        >>> x = tp.tensor([[0.5, 0.0]])
        >>> tp.nn.functional.multi_margin_loss(x, tp.tensor([0])).item()
        0.25
    """
    name = "multi_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    if p not in (1, 2):
        raise OpValueError(f"{name}: expected p of 1 or 2, got {p}", op=name)
    x = _scores(name, input)
    rows, classes = x.shape
    is_tensor(name, "target", target)
    require(target._dtype is tp.int64, name, "a target of dtype int64", target._dtype)
    require(target.numel() == rows and target.dim() < 2, name, f"a target of shape ({rows},)",
            tuple(target.shape))  # fmt: skip
    require(weight is None or tuple(weight.shape) == (classes,), name,
            f"a weight of shape ({classes},)", tuple(getattr(weight, "shape", ())))  # fmt: skip
    right = target.reshape(rows, 1)
    terms = (margin - x.gather(1, right) + x).clamp_min(0)
    if p == 2:
        terms = terms.square()
    if weight is not None:
        terms = terms * weight[right]
    terms = tp.where(tp.arange(classes, device=x._device) == right, 0.0, terms)
    losses = terms.sum(1) / classes
    if input.dim() == 1 and reduction == "none":
        return losses.squeeze(0)
    return reduced(losses, reduction)


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(4, 3), t.int((4, 3), 0, 3)), (t(3), t.int((3,), 0, 3), {"reduction": "none"}),
    ],
)  # fmt: skip
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The sum over right and wrong classes of ``max(0, 1 - right + wrong)``, divided by ``C``.

    Args:
        input: scores, shape ``(N, C)`` or ``(C,)``.
        target: of the same shape, int64: the right classes, ended by -1.
        reduction: "mean", "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        RuntimeError: shapes or types do not fit.

    Example:
        >>> x, y = tp.tensor([[0.5, 0.0]]), tp.tensor([[0, -1]])
        >>> tp.nn.functional.multilabel_margin_loss(x, y).item()
        0.25
    """
    name = "multilabel_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    x = _scores(name, input)
    is_tensor(name, "target", target)
    require(target._dtype is tp.int64, name, "a target of dtype int64", target._dtype)
    require(target.shape == input.shape, name, f"a target of shape {tuple(input.shape)}",
            tuple(target.shape))  # fmt: skip
    right = target.reshape(x.shape)
    listed = (right < 0).to(tp.int64).cumsum(1) == 0
    known = tp.where(listed, right, 0)
    marks = tp.zeros_like(right).scatter_add(1, known, listed.to(tp.int64)) > 0
    margins = (1 - x.gather(1, known).unsqueeze(2) + x.unsqueeze(1)).clamp_min(0)
    counted = listed.unsqueeze(2) & ~marks.unsqueeze(1)
    losses = tp.where(counted, margins, 0.0).sum((1, 2)) / x.shape[1]
    if input.dim() == 1 and reduction == "none":
        return losses.squeeze(0)
    return reduced(losses, reduction)


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(4, 3), t.pos((4, 3))), (t(3), t.pos((3,)), {"reduction": "none"}),
        (t(4, 3), t.pos((4, 3)), t.pos((3,)), {"reduction": "sum"}),
    ],
)  # fmt: skip
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The mean over the classes of a binary cross-entropy of scores for each.

    Args:
        input: scores, shape ``(*, C)``.
        target: 0 or 1, of the same shape.
        weight: a factor for each class, shape ``(C,)``.
        reduction: "mean", "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Example:
        >>> y = tp.tensor([[1.0, 0.0]])
        >>> round(tp.nn.functional.multilabel_soft_margin_loss(tp.zeros(1, 2), y).item(), 4)
        0.6931
    """
    name = "multilabel_soft_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    is_tensor(name, "input", input)
    logsigmoid = ROWS["logsigmoid"].call
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduced(losses.sum(-1) / input.shape[-1], reduction)

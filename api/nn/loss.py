"""Losses of classifiers as layers.

``reduction`` is "mean", "sum" or "none" (one value per element), here and in the other files of
losses; ``size_average`` and ``reduce`` are deprecated spellings of it.
"""

from __future__ import annotations

import math
from typing import Any

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from ._loss import _Loss, _WeightedLoss
from .linear import Linear

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CrossEntropyLoss", "KLDivLoss",
    "LinearCrossEntropyLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss",
    "MultiMarginLoss", "NLLLoss", "SoftMarginLoss",
]  # fmt: skip


class NLLLoss(_WeightedLoss):
    """``-input[i, target[i]]``, for log-probabilities of shape ``(batch, classes, *)``.

    Args:
        weight: a factor for each class, shape ``(classes,)``.
        ignore_index: targets of this value do not count.
        reduction: "mean" (weighted), "sum" or "none".

    Example:
        >>> tp.nn.NLLLoss()(tp.tensor([[-1.0, -2.0]]), tp.tensor([1])).item()
        2.0
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """``target`` holds class numbers, shape ``(batch, *)``."""
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(_WeightedLoss):
    """Softmax and negative log-likelihood in one, for scores of shape ``(batch, classes, *)``.

    Args:
        weight: a factor for each class, shape ``(classes,)``.
        ignore_index: targets of this value do not count.
        reduction: "mean" (weighted), "sum" or "none".
        label_smoothing: mix this part of an even distribution into the targets.

    Example:
        >>> round(tp.nn.CrossEntropyLoss()(tp.zeros(1, 2), tp.tensor([0])).item(), 4)
        0.6931
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """``target``: class numbers ``(batch, *)``, or probabilities of ``input``'s shape."""
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class BCELoss(_WeightedLoss):
    """Binary cross-entropy of probabilities in [0, 1] and targets of the same shape.

    Args:
        weight: a factor for each element, broadcast to the input.
        reduction: "mean", "sum" or "none".

    Example:
        >>> round(tp.nn.BCELoss()(tp.tensor([0.5]), tp.tensor([1.0])).item(), 4)
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, 0-d unless ``reduction="none"``."""
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Sigmoid and :class:`BCELoss` in one, without overflow.

    Args:
        weight: a factor for each element, broadcast to the input.
        reduction: "mean", "sum" or "none".
        pos_weight: a factor for positive targets, broadcast to the input.

    Example:
        >>> round(tp.nn.BCEWithLogitsLoss()(tp.zeros(1), tp.ones(1)).item(), 4)
        0.6931
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, 0-d unless ``reduction="none"``."""
        return F.binary_cross_entropy_with_logits(
            input,
            target,
            weight=self.weight,
            pos_weight=self.pos_weight,
            reduction=self.reduction,
        )


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence: ``target * (log(target) - input)``.

    Args:
        reduction: "batchmean" (the divergence), "mean" (over all elements), "sum" or "none".
        log_target: whether targets are logarithms too, as inputs are.

    Example:
        >>> p = tp.tensor([[0.5, 0.5]])
        >>> tp.nn.KLDivLoss(reduction="batchmean")(p.log(), p).item()
        0.0
    """

    _reductions = ("batchmean", "mean", "sum", "none")

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


# --- margins --------------------------------------------------------------------------------------


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-target * input))`` for targets 1 and -1.

    Example:
        >>> round(tp.nn.SoftMarginLoss()(tp.zeros(1), tp.ones(1)).item(), 4)
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """The classes' margins to the right one that fall short of ``margin``.

    Args:
        p: 1, or 2 to square them.
        margin: by how much the right class should be ahead.
        weight: a factor for each class, shape ``(classes,)``.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: ``p`` is neither 1 nor 2, or ``weight`` has not one dimension.

    Example:
        >>> tp.nn.MultiMarginLoss()(tp.tensor([[0.5, 0.0]]), tp.tensor([0])).item()
        0.25
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: expected p of 1 or 2, got {p}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(
                f"MultiMarginLoss: expected a weight of 1 dimension, got {tuple(weight.shape)}"
            )
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """``input`` of shape ``(N, C)`` or ``(C,)``, ``target`` the right classes."""
        return F.multi_margin_loss(
            input, target, self.p, self.margin, self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    """The margins of 1 between each right class and each wrong one that are not kept.

    Example:
        >>> x, y = tp.tensor([[0.5, 0.0]]), tp.tensor([[0, -1]])
        >>> tp.nn.MultiLabelMarginLoss()(x, y).item()
        0.25
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """``target`` has ``input``'s shape: the right classes, ended by -1."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over the classes of a binary cross-entropy for each, of scores ``(N, C)``.

    Args:
        weight: a factor for each class, shape ``(C,)``.
        reduction: "mean", "sum" or "none".

    Example:
        >>> loss = tp.nn.MultiLabelSoftMarginLoss()(tp.zeros(1, 2), tp.tensor([[1.0, 0.0]]))
        >>> round(loss.item(), 4)
        0.6931
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(
            input, target, weight=self.weight, reduction=self.reduction
        )


# --- sequences, large vocabularies ----------------------------------------------------------------


class CTCLoss(_Loss):
    """Connectionist temporal classification: labels whose places in a sequence are unknown.

    Of Graves et al., *Connectionist Temporal Classification* (2006).

    Args:
        blank: the class that stands for no label.
        reduction: "mean" (each loss first divided by its number of labels), "sum" or "none".
        zero_infinity: count labels that cannot be aligned, whose loss is infinite, as 0.

    Example:
        >>> scores = tp.zeros(3, 1, 2).log_softmax(-1)
        >>> lengths = tp.tensor([3]), tp.tensor([1])
        >>> round(tp.nn.CTCLoss()(scores, tp.tensor([[1]]), *lengths).item(), 4)
        0.2877
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """``log_probs`` of shape ``(T, N, C)`` or ``(T, C)``; see ``functional.ctc_loss``."""
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction,
            self.zero_infinity,
        )  # fmt: skip


class LinearCrossEntropyLoss(_WeightedLoss):
    """A linear layer and :class:`CrossEntropyLoss` of its result in one.

    Args:
        in_features: size of the input's last dimension.
        num_classes: the number of classes ``C``.
        out_features: further dimensions of the scores, which are ``(N, C, *out_features)``.
        bias: whether the linear layer has one.
        device, dtype: of its parameters.
        reduction, weight, ignore_index, label_smoothing: as for :class:`CrossEntropyLoss`.
        options: accepted for compatibility.

    Example:
        >>> loss = tp.nn.LinearCrossEntropyLoss(4, 10)
        >>> loss(tp.randn(3, 4), tp.tensor([1, 0, 9])).shape
        tensorplug.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
    ) -> None:
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = tuple(out_features)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.options = options
        width = num_classes * math.prod(self.out_features)
        self.linear = Linear(in_features, width, bias, device, dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """``input`` of shape ``(N, in_features)``, ``target`` as of cross-entropy."""
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input, self.linear.weight.reshape(*shape, -1), target,
            linear_bias=None if bias is None else bias.reshape(shape), weight=self.weight,
            reduction=self.reduction, ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing, options=self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )

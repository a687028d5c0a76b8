"""Loss functions as layers. ``reduction`` is "mean", "sum" or "none" (one value per element)."""

from __future__ import annotations

import warnings

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
]


class _Loss(Module):
    """Keeps ``reduction``, and reads torch's older two flags."""

    weight: Tensor | None

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            average = size_average is None or size_average
            reduction = "none" if reduce is False else "mean" if average else "sum"
            warnings.warn(
                f"{self._get_name()}: size_average and reduce are deprecated in favour of "
                f"reduction={reduction!r}",
                stacklevel=3,
            )
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(
                f"{self._get_name()}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}"
            )
        self.reduction = reduction


class MSELoss(_Loss):
    """``(input - target) ** 2``; both of the same shape.

    Example:
        >>> tp.nn.MSELoss()(tp.zeros(2), tp.ones(2)).item()
        1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, 0-d unless ``reduction="none"``."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """``abs(input - target)``; both of the same shape.

    Example:
        >>> tp.nn.L1Loss(reduction="sum")(tp.zeros(2), tp.ones(2)).item()
        2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss, 0-d unless ``reduction="none"``."""
        return F.l1_loss(input, target, reduction=self.reduction)


class NLLLoss(_Loss):
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
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
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


class CrossEntropyLoss(_Loss):
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
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
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


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities in [0, 1] and targets of the same shape.

    Args:
        weight: a factor for each element, broadcast to the input.
        reduction: "mean", "sum" or "none".

    Example:
        >>> round(tp.nn.BCELoss()(tp.tensor([0.5]), tp.tensor([1.0])).item(), 4)
        0.6931
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)

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

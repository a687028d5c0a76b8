"""Losses of embeddings as layers: what should be near, and what far."""

from __future__ import annotations

from collections.abc import Callable

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from ._loss import _Loss
from .distance import PairwiseDistance

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class HingeEmbeddingLoss(_Loss):
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1.

    Args:
        margin: as above.
        reduction: "mean", "sum" or "none".

    Example:
        >>> x, y = tp.tensor([0.5, 0.25]), tp.tensor([1, -1])
        >>> tp.nn.HingeEmbeddingLoss(reduction="sum")(x, y).item()
        1.25
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """``1 - cosine`` where the target is 1, ``max(0, cosine - margin)`` where it is -1.

    Args:
        margin: as above.
        reduction: "mean", "sum" or "none".

    Example:
        >>> x, y = tp.tensor([[1.0, 0.0]]), tp.tensor([1])
        >>> tp.nn.CosineEmbeddingLoss()(x, x, y).item()
        0.0
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        """Inputs of shape ``(N, D)`` or ``(D,)``, targets ``(N,)`` or ``()``."""
        return F.cosine_embedding_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class MarginRankingLoss(_Loss):
    """``max(0, -target * (input1 - input2) + margin)``: 1 ranks the first higher, -1 the second.

    Args:
        margin: as above.
        reduction: "mean", "sum" or "none".

    Example:
        >>> one, two = tp.tensor([1.0]), tp.tensor([3.0])
        >>> tp.nn.MarginRankingLoss()(one, two, tp.tensor([1.0])).item()
        2.0
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """``max(0, distance to the positive - distance to the negative + margin)``.

    Args:
        margin: how much nearer the positive should be.
        p, eps: of :class:`PairwiseDistance`.
        swap: use the smaller of the negative's distances to the anchor and to the positive.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: the margin is not positive.

    Example:
        >>> a, n = tp.zeros(1, 2), tp.tensor([[3.0, 4.0]])
        >>> tp.nn.TripletMarginLoss()(a, n, n).item()
        1.0
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected a margin greater than 0, got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Three tensors of shape ``(N, D)`` or ``(D,)``."""
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap,
            reduction=self.reduction,
        )  # fmt: skip


class TripletMarginWithDistanceLoss(_Loss):
    """:class:`TripletMarginLoss` with any distance.

    Args:
        distance_function: of two tensors; the pairwise distance when None.
        margin, swap, reduction: as for :class:`TripletMarginLoss`.

    Raises:
        ValueError: the margin is not positive.

    Example:
        >>> loss = tp.nn.TripletMarginWithDistanceLoss(
        ...     distance_function=lambda x, y: (x - y).abs().sum(-1)
        ... )
        >>> loss(tp.zeros(1, 2), tp.ones(1, 2), tp.ones(1, 2)).item()
        1.0
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected a margin greater than 0, got {margin}"
            )
        self.distance_function = distance_function or PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function,
            margin=self.margin, swap=self.swap, reduction=self.reduction,
        )  # fmt: skip

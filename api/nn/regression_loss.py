"""Losses of numbers as layers: how far they are from a target."""

from __future__ import annotations

from typing import Any

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from ._loss import _Loss

__all__ = [
    "GaussianNLLLoss", "HuberLoss", "L1Loss", "MSELoss", "PoissonNLLLoss", "SmoothL1Loss",
]  # fmt: skip


class MSELoss(_Loss):
    """``(input - target) ** 2``; both of the same shape.

    Example:
        >>> tp.nn.MSELoss()(tp.zeros(2), tp.ones(2)).item()
        1.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """``abs(input - target)``; both of the same shape.

    Example:
        >>> tp.nn.L1Loss(reduction="sum")(tp.zeros(2), tp.ones(2)).item()
        2.0
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Half the squared difference over ``beta`` up to ``beta``, from there in a straight line.

    Args:
        reduction: "mean", "sum" or "none".
        beta: where the two pieces meet; 0 makes it :class:`L1Loss`.

    Example:
        >>> tp.nn.SmoothL1Loss()(tp.tensor([3.0]), tp.tensor([0.0])).item()
        2.5
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Half the squared difference up to ``delta``, from there on in a straight line.

    Args:
        reduction: "mean", "sum" or "none".
        delta: where the two pieces meet.

    Example:
        >>> tp.nn.HuberLoss()(tp.tensor([3.0]), tp.tensor([0.0])).item()
        2.5
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class PoissonNLLLoss(_Loss):
    """The negative log-likelihood of counts under Poisson distributions.

    Args:
        log_input: whether inputs are the logarithms of the rates.
        full: add Stirling's approximation of the term without rates.
        eps: added to rates before the logarithm.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tp.nn.PoissonNLLLoss()(tp.zeros(1), tp.ones(1)).item()
        1.0
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps,
            reduction=self.reduction,
        )  # fmt: skip


class GaussianNLLLoss(_Loss):
    """The negative log-likelihood of targets under normal distributions.

    Args:
        full: add the constant term.
        eps: variances are raised to it.
        reduction: "mean", "sum" or "none".

    Example:
        >>> tp.nn.GaussianNLLLoss()(tp.zeros(1), tp.ones(1), tp.ones(1)).item()
        0.5
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Any) -> Tensor:
        """``var``: the variances, of ``input``'s shape or one for each of its rows."""
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )

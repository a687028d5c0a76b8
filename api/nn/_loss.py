"""What all losses have in common."""

from __future__ import annotations

import warnings
from typing import ClassVar

from tensorplug.autograd.tensor import Tensor

from .module import Module

__all__ = ["_Loss", "_WeightedLoss"]


class _Loss(Module):
    """Keeps ``reduction``, and reads torch's older two flags.

    Raises:
        ValueError: ``reduction`` is none of those that the loss knows.
    """

    _reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

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
        if reduction not in self._reductions:
            known = " or ".join((", ".join(map(repr, self._reductions[:-1])), "'none'"))
            raise ValueError(f"{self._get_name()}: expected reduction {known}, got {reduction!r}")
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a factor for each class or element, kept as a buffer."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)

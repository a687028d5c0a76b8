"""Dropout layers."""

from __future__ import annotations

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, zeroes each element with probability ``p`` and scales the others up.

    In evaluation (``model.eval()``) it returns its input.

    Args:
        p: the probability, from 0 to 1.
        inplace: write into the input.

    Example:
        >>> tp.nn.Dropout(0.2).eval()(tp.ones(2)).tolist()
        [1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{self._get_name()}: expected p between 0 and 1, got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """``input`` with elements dropped, of the same shape."""
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Both settings."""
        return f"p={self.p}, inplace={self.inplace}"

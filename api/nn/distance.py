"""Distances and similarities of vectors as layers."""

from __future__ import annotations

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along ``dim``.

    Args:
        dim: the dimension of the vectors.
        eps: the smallest length to divide by.

    Example:
        >>> one, two = tp.tensor([[1.0, 0.0]]), tp.tensor([[0.0, 2.0]])
        >>> tp.nn.CosineSimilarity()(one, two).tolist()
        [0.0]
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of ``x1 - x2 + eps`` over the last dimension.

    Args:
        p: which norm.
        eps: keeps the distance of equal vectors differentiable.
        keepdim: keep the last dimension with size 1.

    Example:
        >>> one, two = tp.tensor([[0.0, 0.0]]), tp.tensor([[3.0, 4.0]])
        >>> tp.nn.PairwiseDistance()(one, two).round().tolist()
        [5.0]
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)

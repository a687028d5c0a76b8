"""Norms of weights: what the parametrizations and the older hooks have in common."""

from __future__ import annotations

import tensorplug as tp
from tensorplug.autograd.modes import no_grad
from tensorplug.autograd.tensor import Tensor

from .. import functional as F

__all__ = ["as_matrix", "norm_except", "power_iterations", "scaled"]


def norm_except(v: Tensor, dim: int | None) -> Tensor:
    """The norms of the slices along ``dim``, kept; of the whole tensor for None and -1."""
    if dim is None or dim == -1:
        return tp.linalg.vector_norm(v)
    dims = tuple(d for d in range(v.dim()) if d != dim % v.dim())
    return tp.linalg.vector_norm(v, dim=dims, keepdim=True) if dims else v.abs()


def scaled(v: Tensor, g: Tensor, dim: int | None) -> Tensor:
    """``v`` with the norms ``g``."""
    return v * (g / norm_except(v, dim))


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """``dim`` as rows, everything else as columns."""
    return weight if weight.dim() == 1 else weight.movedim(dim, 0).flatten(1)


@no_grad()
def power_iterations(
    matrix: Tensor, u: Tensor, v: Tensor, count: int, eps: float
) -> tuple[Tensor, Tensor]:
    """Approximations of the first singular vectors, from those of before."""
    for _ in range(count):
        u = F.normalize(matrix @ v, dim=0, eps=eps)
        v = F.normalize(matrix.T @ u, dim=0, eps=eps)
    return u, v

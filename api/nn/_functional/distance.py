"""Distances and similarities of vectors."""

from __future__ import annotations

import tensorplug as tp
from tensorplug.autograd.registry import function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, reduced, reduction_of, require

__all__ = ["cosine_embedding_loss", "cosine_similarity", "pairwise_distance", "pdist"]


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3), t(2, 3)), (t(4, 2, 3), t(2, 3), -1), (t(3), t(3), 0)],
)  # fmt: skip
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``.

    Args:
        x1, x2: shapes that broadcast.
        dim: the dimension of the vectors.
        eps: the smallest length to divide by.

    Raises:
        RuntimeError: an input is not floating-point.

    Example:
        >>> one, two = tp.tensor([1.0, 0.0]), tp.tensor([0.0, 2.0])
        >>> tp.nn.functional.cosine_similarity(one, two, 0).item()
        0.0
    """
    is_tensor("cosine_similarity", "x1", x1)
    is_tensor("cosine_similarity", "x2", x2)
    dtype = tp.promote_types(x1._dtype, x2._dtype)
    require(dtype.is_floating_point, "cosine_similarity", "floating-point inputs", dtype)
    x1, x2 = tp.broadcast_tensors(x1.to(dtype), x2.to(dtype))
    one = tp.linalg.vector_norm(x1, 2, dim=dim, keepdim=True).clamp_min(eps)
    two = tp.linalg.vector_norm(x2, 2, dim=dim, keepdim=True).clamp_min(eps)
    return ((x1 / one) * (x2 / two)).sum(dim)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3), t(2, 3)), (t(2, 3), t(3), 1.0), (t(3), t(3), {"keepdim": True})],
)  # fmt: skip
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` over the last dimension.

    Args:
        x1, x2: shapes that broadcast, the vectors in the last dimension.
        p: which norm.
        eps: keeps the distance of equal vectors differentiable.
        keepdim: keep the last dimension with size 1.

    Example:
        >>> one, two = tp.tensor([[0.0, 0.0]]), tp.tensor([[3.0, 4.0]])
        >>> tp.nn.functional.pairwise_distance(one, two).round().tolist()
        [5.0]
    """
    is_tensor("pairwise_distance", "x1", x1)
    is_tensor("pairwise_distance", "x2", x2)
    return tp.linalg.vector_norm(x1 - x2 + eps, p, dim=-1, keepdim=keepdim)


@function(namespace="nn.functional", samples=lambda t: [(t(4, 3),), (t(3, 2), 1.0), (t(1, 2),)])
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The p-norm distances of all pairs of rows, in order.

    Args:
        input: shape ``(N, D)``.
        p: which norm.

    Returns:
        Shape ``(N * (N - 1) / 2,)``.

    Raises:
        RuntimeError: the input has not 2 dimensions, or ``p`` is negative.

    Example:
        >>> tp.nn.functional.pdist(tp.tensor([[0.0, 0.0], [3.0, 4.0]])).tolist()
        [5.0]
    """
    is_tensor("pdist", "input", input)
    require(len(input._h.shape) == 2, "pdist", "an input of 2 dimensions", tuple(input._h.shape))
    require(p >= 0, "pdist", "a p of 0 or more", p)
    rows, columns = tp.triu_indices(input.size(0), input.size(0), 1, device=input._device)
    difference = input[rows] - input[columns]
    return tp.linalg.vector_norm(difference, p, dim=-1)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3), t(2, 3), t.pos((2,))), (t(3), t(3), t.pos(()), 0.5)],
)  # fmt: skip
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: object = None,
    reduce: object = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``1 - cosine`` where the target is 1, ``max(0, cosine - margin)`` where it is -1.

    Args:
        input1, input2: shape ``(N, D)`` or ``(D,)``.
        target: 1 or -1, shape ``(N,)`` or ``()``.
        margin: as above.
        reduction: "mean", "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        RuntimeError: the shapes do not fit.

    Example:
        >>> x, y = tp.tensor([[1.0, 0.0]]), tp.tensor([1])
        >>> tp.nn.functional.cosine_embedding_loss(x, x, y).item()
        0.0
    """
    name = "cosine_embedding_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    dims = len(target._h.shape)
    require(dims in (0, 1), name, "a 0D or 1D target", tuple(target._h.shape))
    require(
        len(input1._h.shape) == len(input2._h.shape) == dims + 1, name,
        f"inputs of {dims + 1} dimensions", (tuple(input1._h.shape), tuple(input2._h.shape)),
    )  # fmt: skip
    epsilon = 1e-12
    product = (input1 * input2).sum(dims)
    one, two = input1.square().sum(dims) + epsilon, input2.square().sum(dims) + epsilon
    cosine = product / (one * two).sqrt()
    zero = tp.zeros_like(cosine)
    near = tp.where(target == 1, 1 - cosine, zero)
    far = tp.where(target == -1, (cosine - margin).clamp_min(0), zero)
    return reduced(near + far, reduction)

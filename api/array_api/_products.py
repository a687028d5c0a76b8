"""Products, for the main namespace and for ``linalg``."""

from __future__ import annotations

from collections.abc import Sequence

from .._functions import matrices, products
from ..autograd.ops.products import OPERATOR as _matmul
from ..autograd.tensor import Tensor
from ._arguments import CALL, promoted

__all__ = ["matmul", "tensordot", "vecdot"]


def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The product of matrices ``(..., n, m)`` and ``(..., m, p)``, or with vectors ``(m,)``.

    Differs from torch: types are promoted.
    """
    return _matmul(x1, x2)


def tensordot(
    x1: Tensor, x2: Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """Sums of products over axes of both arrays.

    Differs from torch: types are promoted.
    """
    return products.tensordot(*promoted("tensordot", x1, x2), axes)


def of_one_rank(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both with as many axes, new ones in front."""
    more = len(y._h.shape) - len(x._h.shape)
    if more > 0:
        return CALL["index"](x, (*(None,) * more, ...)), y
    return (x, CALL["index"](y, (*(None,) * -more, ...))) if more else (x, y)


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """Sums of products along one axis, the first array conjugated; with broadcasting.

    Differs from torch: types are promoted, and axes count from the end of both arrays.
    """
    first, second = promoted("vecdot", x1, x2)
    if len(first._h.shape) != len(second._h.shape):
        first, second = of_one_rank(first, second)
    return matrices.vecdot(first, second, dim=axis)

"""Cross products, and products of several matrices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .._arguments import wrap_dims
from ..autograd.errors import OpError
from ..autograd.ops.products import MATMUL
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from .products import factors, finish

__all__ = ["chain", "cross_product"]

_matmul, _mul = MATMUL.call, ROWS["mul"].call


@function(dtypes="int float complex",
          ref=lambda np, x, y, dim=-1: np.cross(x, y, axis=dim),
          samples=lambda t: [(t(2, 3), t(2, 3)), (t(3, 2), t(3, 2), 0)])  # fmt: skip
def cross(
    input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """The cross product of vectors of 3 along ``dim`` (default: the first dimension of size 3)."""
    if dim is None:
        sizes = max((tuple(x._h.shape) for x in (input, other)), key=len)
        if 3 not in sizes:
            raise OpError(
                f"cross: expected a dimension of size 3, got shape {sizes}; no dimension of size "
                "3 in input",
                op="cross",
            )
        dim = sizes.index(3)
    return finish("cross", cross_product("cross", input, other, dim), out)


def cross_product(name: str, input: Tensor, other: Tensor, dim: int) -> Tensor:
    """The cross product along ``dim``, with broadcasting and promotion.

    Raises:
        RuntimeError: ``dim`` is not of size 3, or the ranks differ.
    """
    x, y = tuple(input._h.shape), tuple(other._h.shape)
    if len(x) != len(y):
        raise OpError(f"{name}: expected tensors of one rank, got shapes {x} and {y}; inputs must "
                      "have the same number of dimensions", op=name)  # fmt: skip
    (at,) = wrap_dims(name, dim, len(x))
    if not x or x[at] != 3 or y[at] != 3:
        raise OpError(f"{name}: expected size 3 at dimension {dim}, got {x} and {y}; inputs "
                      f"dimension {dim} must have length 3", op=name)  # fmt: skip
    roll = ROWS["roll"].call
    first = _mul(roll(input, (-1,), (at,)), roll(other, (-2,), (at,)))
    return ROWS["sub"].call(first, _mul(roll(input, (-2,), (at,)), roll(other, (-1,), (at,))))


@function(method=False, samples=lambda t: [(t(2, 3), t(3, 4), t(4, 2))], dtypes="float complex")
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of matrices, in the cheapest order."""
    return finish("chain_matmul", chain("chain_matmul", matrices), out)


def chain(name: str, matrices: Sequence[Tensor]) -> Tensor:
    """The product of matrices in the order that takes the fewest multiplications.

    Raises:
        RuntimeError: sizes do not fit.
    """
    factors(name, *matrices)
    for x, y in pairwise(matrices):
        if x._h.shape[-1] != y._h.shape[0]:
            raise OpError(f"{name}: expected matrices that fit each other, got shapes "
                          f"{[tuple(m._h.shape) for m in matrices]}; they cannot be multiplied",
)  # fmt: skip
    if len(matrices) <= 2:
        return matrices[0] if len(matrices) == 1 else _matmul(*matrices)
    sizes = [*(x._h.shape[0] for x in matrices), matrices[-1]._h.shape[1]]
    return _chained(list(matrices), _best_cuts(sizes), 0, len(matrices) - 1)


def _best_cuts(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each run of matrices in two, by dynamic programming."""
    count = len(sizes) - 1
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            tried = [
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], cuts[i, j] = min(tried)
    return cuts


def _chained(matrices: list[Tensor], cuts: Any, i: int, j: int) -> Tensor:
    if i == j:
        return matrices[i]
    k = cuts[i, j]
    return _matmul(_chained(matrices, cuts, i, k), _chained(matrices, cuts, k + 1, j))

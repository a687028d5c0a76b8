"""Powers, products and other functions of matrices; covariance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._arguments import wrap_dim
from ..autograd import slow
from ..autograd.errors import OpError
from ..autograd.kernels import tensor_kernels
from ..autograd.ops.linalg import eye
from ..autograd.ops.products import adjoint, as_column, as_row
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends import dtypes
from .chains import chain, cross_product
from .linalg import TYPES, check_matrix, check_square, inverse_of, run
from .products import factors, finish

__all__: list[str] = []

_matmul, _mul = ROWS["matmul"].call, ROWS["mul"].call


# --- powers --------------------------------------------------------------------------------------


def _power(name: str, A: Tensor, n: int) -> Tensor:
    shape = tuple(A._h.shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise OpError(f"{name}: expected square matrices (..., n, n), got shape {shape}; A must be "
                      "batches of square matrices", op=name)  # fmt: skip
    F = tensor_kernels(A._device)
    if n < 0:
        A, n = inverse_of(name, A), -n
    if n == 0:
        # With A as the value that is never taken, its gradient is zero and not missing.
        return F.where(F.zeros(shape, dtypes.bool_), A, eye(F, shape[-1], A._dtype))
    result = None
    while True:
        if n & 1:
            result = A if result is None else _matmul(result, A)
        n >>= 1
        if not n:
            return result  # type: ignore[return-value]  # its highest bit is set
        A = _matmul(A, A)


@function(namespace="linalg", dtypes=TYPES, ref=lambda np, A, n: np.linalg.matrix_power(A, n),
          samples=lambda t: [(t(3, 3), 3), (t.spd(3), -2), (t(2, 2, 2), 0)])  # fmt: skip
def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """Powers of square matrices ``(..., n, n)``; negative ones are powers of the inverse."""
    return finish("linalg.matrix_power", _power("linalg.matrix_power", A, n), out)


@function(name="matrix_power", dtypes=TYPES, samples=lambda t: [(t(3, 3), 3)])
def _matrix_power_top(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """See :func:`tensorplug.linalg.matrix_power`."""
    return finish("matrix_power", _power("linalg.matrix_power", input, n), out)


def _exp(A: Tensor) -> Tensor:
    """The exponential; half types are computed in float32, as PyTorch's are."""
    dtype = A._dtype
    wide = slow.cast(A, dtypes.float32) if dtype.is_inexact and dtype.itemsize == 2 else A
    check_square("linalg.matrix_exp", wide)
    return slow.cast(ROWS["matrix_exp"].call(wide), dtype)


@function(namespace="linalg", dtypes=TYPES, row="matrix_exp", ref="scipy.linalg.expm",
          samples=lambda t: [(t(3, 3),), (t(2, 2, 2),)])  # fmt: skip
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices ``(..., n, n)``."""
    return _exp(A)


@function(name="matrix_exp", dtypes=TYPES, samples=lambda t: [(t(3, 3),)])
def _matrix_exp_top(input: Tensor) -> Tensor:
    """See :func:`tensorplug.linalg.matrix_exp`."""
    return _exp(input)


# --- products ------------------------------------------------------------------------------------


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [([t(2, 3), t(3, 4), t(4, 2)],), ([t(3), t(3, 2), t(2)],)])  # fmt: skip
def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of two or more matrices in the cheapest order; ends may be vectors.

    Raises:
        RuntimeError: fewer than two tensors, or sizes that do not fit.
    """
    name = "linalg.multi_dot"
    found = list(tensors)
    if len(found) < 2:
        raise OpError(f"{name}: expected at least 2 tensors, got {len(found)}", op=name)
    F = tensor_kernels(found[0]._device)
    ranks = [len(x._h.shape) for x in found]
    ends = ranks[0] == 1, ranks[-1] == 1
    if ends[0]:
        found[0] = as_row(F, found[0])
    if ends[1]:
        found[-1] = as_column(F, found[-1])
    if any(len(x._h.shape) != 2 for x in found):
        raise OpError(f"{name}: expected matrices, and vectors at the ends alone, got ranks "
                      f"{ranks}", op=name)  # fmt: skip
    result = chain(name, found)
    shape = tuple(result._h.shape)
    shape = shape[int(ends[0]) : len(shape) - int(ends[1])]
    return finish(name, F.reshape(result, shape) if any(ends) else result, out)


@function(namespace="linalg", dtypes="uint int float complex", ref="matmul",
          samples=lambda t: [(t(2, 3), t(3, 4))])  # fmt: skip
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """See :func:`tensorplug.matmul`."""
    return _matmul(input, other, out=out)


@function(namespace="linalg", dtypes="int float complex",
          samples=lambda t: [(t(2, 3), t(2, 3)), (t(3), t(2, 3)), (t(2, 3), t(2, 3), {"dim": 0})],
)  # fmt: skip
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """Sums of ``conj(x) * y`` along ``dim``, with broadcasting."""
    name = "linalg.vecdot"
    factors(name, x, y)
    F = tensor_kernels(x._device)
    product = _mul(F.conj(x) if x._dtype.is_complex else x, y)
    at = wrap_dim(name, dim, len(product._h.shape))
    if x._h.shape and y._h.shape and x._h.shape[dim] != y._h.shape[dim]:
        raise OpError(f"{name}: expected one size along dim {dim}, got shapes "
                      f"{tuple(x._h.shape)} and {tuple(y._h.shape)}", op=name)  # fmt: skip
    summed = F.sum(product, (at,) if product._h.shape else None, False)
    return finish(name, slow.cast(summed, x._dtype), out)


@function(namespace="linalg", dtypes="int float complex",
          samples=lambda t: [(t(2, 3), t(2, 3)), (t(3, 2), t(3, 2), {"dim": 0})])  # fmt: skip
def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The cross product of vectors of 3 along ``dim``."""
    return finish("linalg.cross", cross_product("linalg.cross", input, other, dim), out)


@function(namespace="linalg", dtypes="bool int float complex",
          samples=lambda t: [(t(3, 3),), (t(2, 3, 4), {"offset": 1})])  # fmt: skip
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of matrices ``(..., m, n)``."""
    return A.diagonal(offset, dim1, dim2)


@function(namespace="linalg", dtypes="int float complex",
          samples=lambda t: [(t(3),), (t(2, 3), {"N": 4})])  # fmt: skip
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Powers ``0, 1, ..., N - 1`` of the elements of vectors ``(..., n)``, as rows of matrices.

    Raises:
        RuntimeError: ``N`` is less than 2.
    """
    x = x if x._h.shape else ROWS["reshape"].call(x, (1,))
    count = x._h.shape[-1] if N is None else N
    if N is not None and N <= 1:
        raise OpError(f"linalg.vander: expected N > 1, got {N}", op="linalg.vander")
    F = tensor_kernels(x._device)
    if not x._dtype.is_inexact:
        x = slow.cast(x, dtypes.int64)
    powers = F.expand(as_column(F, x), (*x._h.shape, max(count - 1, 0)))
    powers = F.cumprod(powers, len(x._h.shape))
    ones = F.full((*x._h.shape, min(count, 1)), 1, x._dtype)
    return F.concat([ones, powers], len(x._h.shape))


# --- tensors as matrices -------------------------------------------------------------------------


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(t(2, 3, 6), {"ind": 2})])
def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of a tensor as a map from its last dimensions to its first ``ind`` ones.

    Raises:
        RuntimeError: the products of the two groups of sizes differ, or ``ind`` is below 1.
    """
    name = "linalg.tensorinv"
    shape = tuple(A._h.shape)
    rows, columns = math.prod(shape[:ind]), math.prod(shape[ind:])
    if ind <= 0 or rows != columns:
        raise OpError(
            f"{name}: expected ind > 0 and as many elements in the first {ind} dimensions as in "
            f"the others, got shape {shape}",
            op=name,
        )
    F = tensor_kernels(A._device)
    inverse = inverse_of(name, F.reshape(A, (rows, columns)))
    return finish(name, F.reshape(inverse, (*shape[ind:], *shape[:ind])), out)


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(t(2, 3, 6), t(2, 3))])
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None, *, out: Tensor | None = None) -> Tensor:
    """``X`` with ``tensordot(A, X, X.ndim) == B``.

    Args:
        A: a tensor whose first dimensions are those of ``B``.
        B: the right-hand side.
        dims: dimensions of ``A`` to put last first.
    """
    name = "linalg.tensorsolve"
    F = tensor_kernels(A._device)
    if dims is not None:
        rank = len(A._h.shape)
        moved = [wrap_dim(name, d, rank) for d in dims]
        A = F.permute(A, (*[d for d in range(rank) if d not in moved], *moved))
    shape = tuple(A._h.shape)
    rest = shape[len(B._h.shape) :]
    count = math.prod(rest)
    if math.prod(shape[: len(B._h.shape)]) != count or math.prod(B._h.shape) != count:
        raise OpError(f"{name}: expected A of shape B.shape + X.shape with as many elements in X "
                      f"as in B, got shapes {shape} and {tuple(B._h.shape)}", op=name)  # fmt: skip
    matrix = F.reshape(A, (count, count))
    check_matrix(name, matrix)
    flat = F.reshape(B, (count, 1))
    found = run(name, "an invertible tensor, got a singular one", "solve", matrix, flat)
    return finish(name, F.reshape(found, rest), out)


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [(t(3, 2), t(2)), (t(2, 3, 2), t(2, 1))])  # fmt: skip
def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first columns of the product of Householder reflections.

    Args:
        A: ``(..., m, n)`` with ``m >= n``; below the diagonal, the reflection vectors.
        tau: ``(..., k)`` with ``k <= n``, their factors.
    """
    name = "linalg.householder_product"
    F = check_matrix(name, A)
    factors(name, A, tau)
    rows, columns = A._h.shape[-2:]
    count = tau._h.shape[-1] if tau._h.shape else -1
    if rows < columns or not 0 <= count <= columns or tau._h.shape[:-1] != A._h.shape[:-2]:
        raise OpError(
            f"{name}: expected A (..., m, n) with m >= n and tau (..., k) with k <= n, got shapes "
            f"{tuple(A._h.shape)} and {tuple(tau._h.shape)}",
            op=name,
        )
    one = F.index(eye(F, rows, A._dtype), (slice(None), slice(0, columns)))
    # A, never taken: the result is in the graph even when there are no reflections.
    found = F.where(F.zeros(tuple(A._h.shape), dtypes.bool_), A, one)
    vectors = F.add(F.tril(A, -1), one)
    for k in reversed(range(count)):
        v = F.index(vectors, (..., slice(k, k + 1)))
        scale = as_column(F, F.index(tau, (..., slice(k, k + 1))))
        found = F.sub(found, _mul(scale, _matmul(v, _matmul(adjoint(F, v), found))))
    return finish(name, found, out)


@function(dtypes=TYPES, samples=lambda t: [(t(3, 2), t(2))])
def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    """See :func:`tensorplug.linalg.householder_product`."""
    return householder_product(input, tau)

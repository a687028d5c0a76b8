"""The standard's linear algebra, for stacks of matrices ``(..., m, n)``."""

from __future__ import annotations

from typing import Any, Literal

from .._functions import decompositions, linalg_norms, matrices
from .._functions import linalg as torchs
from .._functions.products import outer as _outer
from ..autograd.linalg_types import eig as EigResult
from ..autograd.linalg_types import eigh as EighResult
from ..autograd.linalg_types import qr as QRResult
from ..autograd.linalg_types import slogdet as SlogdetResult
from ..autograd.linalg_types import svd as SVDResult
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType
from ._arguments import CALL, only, promoted
from ._manipulation import matrix_transpose
from ._products import matmul, of_one_rank, tensordot, vecdot
from ._statistics import sum as _sum

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr",
    "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip


# --- factorisations ------------------------------------------------------------------------------


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The triangular root of symmetric or Hermitian positive definite matrices."""
    return decompositions.cholesky(x, upper=upper)


def qr(x: Tensor, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """Matrices as the product of orthonormal ``Q`` and upper triangular ``R``.

    Raises:
        ValueError: ``mode`` is neither ``"reduced"`` nor ``"complete"``.
    """
    only("qr", "mode", mode, ("reduced", "complete"))
    return decompositions.qr(x, mode)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular vectors and values: ``U``, ``S``, ``Vh``."""
    return decompositions.svd(x, full_matrices)


def svdvals(x: Tensor, /) -> Tensor:
    """The singular values, the largest first."""
    return decompositions.svdvals(x)


def eigh(x: Tensor, /) -> EighResult:
    """Eigenvalues and eigenvectors of symmetric or Hermitian matrices."""
    return decompositions.eigh(x)


def eigvalsh(x: Tensor, /) -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices."""
    return decompositions.eigvalsh(x)


def eig(x: Tensor, /) -> EigResult:
    """Eigenvalues and eigenvectors of any square matrices; complex."""
    return decompositions.eig(x)


def eigvals(x: Tensor, /) -> Tensor:
    """The eigenvalues of any square matrices; complex."""
    return decompositions.eigvals(x)


# --- inverses, solutions and determinants --------------------------------------------------------


def inv(x: Tensor, /) -> Tensor:
    """The inverse of square matrices."""
    return torchs.inv(x)


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """The pseudo-inverse, from the singular values above ``rtol`` times the largest."""
    return torchs.pinv(x, rtol=rtol)


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """``x`` such that ``x1 @ x == x2``; only a 1-D ``x2`` is a vector, others are matrices.

    Differs from torch: types are promoted, and stacks of vectors are not recognised.
    """
    first, second = promoted("solve", x1, x2)
    if len(second._h.shape) == 1:
        return torchs.solve(first, second.unsqueeze(-1)).squeeze(-1)
    return torchs.solve(first, second)


def det(x: Tensor, /) -> Tensor:
    """The determinant of square matrices."""
    return torchs.det(x)


def slogdet(x: Tensor, /) -> SlogdetResult:
    """Sign (or complex phase) and logarithm of the size of the determinant."""
    return torchs.slogdet(x)


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """How many singular values are above ``rtol`` times the largest."""
    return decompositions.matrix_rank(x, rtol=rtol)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """Square matrices multiplied with themselves; inverted for negative ``n``."""
    return matrices.matrix_power(x, n)


# --- norms ---------------------------------------------------------------------------------------


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """A norm of each matrix: ``"fro"``, ``"nuc"``, 1, -1, 2, -2, inf or -inf."""
    return linalg_norms.matrix_norm(x, ord, keepdim=keepdims)


def vector_norm(
    x: Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False,
    ord: float = 2,
) -> Tensor:  # fmt: skip
    """The ``ord``-norm of all elements, or of vectors along axes."""
    if axis == ():
        return CALL["p_norm"](x, float(ord), (), keepdims)
    return linalg_norms.vector_norm(x, ord, axis, keepdims)


# --- products and diagonals ----------------------------------------------------------------------


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of three elements along one axis."""
    return matrices.cross(*of_one_rank(*promoted("cross", x1, x2)), dim=axis)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """All products of an element of one vector and one of another."""
    return _outer(*promoted("outer", x1, x2))


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonals of matrices, as views."""
    return matrices.diagonal(x, offset=offset)


def trace(x: Tensor, /, *, offset: int = 0, dtype: DType | None = None) -> Tensor:
    """The sum along the diagonals of matrices; types as for ``sum``."""
    return _sum(matrices.diagonal(x, offset=offset), axis=-1, dtype=dtype)

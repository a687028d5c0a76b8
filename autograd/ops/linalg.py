"""Rows of linear algebra: factorisations, inverses, solutions, determinants.

All take stacks of matrices ``(..., m, n)`` of float32, float64 or their complex types.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...backends.dtypes import DType, int32, int64
from .. import calls
from ..errors import OpError
from ..families import GENERIC, Family
from ..kinds import Kind
from ..registry import op as any_op
from ..tensor import Tensor
from . import linalg_rules as rules
from .composed import composed
from .products import adjoint, as_column, as_row, matrix_transpose
from .reduce import _product_of_others

__all__ = ["WIDE", "LinAlgError", "eye"]

op = partial(any_op, needs="linalg")


class LinAlgError(OpError):
    """A matrix for which the result does not exist, or is not found."""


class _WideKind(Kind):
    """Types that LAPACK computes with: not the half ones."""

    __slots__ = ()

    def compute(self, dtype: DType) -> DType | None:
        return None if dtype.itemsize < 4 else super().compute(dtype)


WIDE = _WideKind("WIDE", "float complex")


def _family(adapt: Callable[[Any], Any], *attrs: str, inputs: tuple[str, ...] = ("x",)) -> Family:
    """A family whose array API function is called as ``adapt`` says."""
    return Family(
        "LINALG", inputs=inputs, attrs=attrs, dtype=WIDE, path=calls.generic,
        from_xp=lambda function, row: adapt(function),
    )  # fmt: skip


_PLAIN = _family(lambda f: f)


def eye(F: Any, size: int, dtype: DType) -> Any:
    """The identity matrix."""
    return F.diagonal_embed(F.full((size,), 1, dtype), (size, size), (0, 0, 1))


# --- inverses and solutions ----------------------------------------------------------------------

op("inv", _PLAIN, xp="linalg.inv", public=False, node="LinalgInvEx",
   grad=lambda F, g, out: -F.matmul(adjoint(F, out), F.matmul(g, adjoint(F, out))))  # fmt: skip
op("solve", _family(lambda f: f, inputs=("x", "y")), xp="linalg.solve", public=False,
   node="LinalgSolveEx", grad={("x", "y"): rules.solve})  # fmt: skip


def _solve_triangular(F: Any, x: Any, y: Any, upper: bool, unit: bool) -> Any:
    """By the general solver, for want of a triangular one in the array API standard."""
    part = F.triu(x, int(unit)) if upper else F.tril(x, -int(unit))
    return F.solve(part + eye(F, x.shape[-1], F.dtype_of(x)) if unit else part, y)


op("solve_triangular", GENERIC, inputs=("x", "y"), attrs=("upper", "unit"), xp=None, dtype=WIDE,
   public=False, generic=_solve_triangular, node="LinalgSolveTriangular",
   grad={("x", "y"): rules.solve_triangular})  # fmt: skip


def _pinv(F: Any, x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    """From the singular values (or eigenvalues) above ``max(atol, rtol * largest)``."""
    if 0 in x.shape:
        return matrix_transpose(F, x)
    if hermitian:
        values, left = F.eigh(x)
        right, sizes = adjoint(F, left), F.abs(values)
    else:
        left, values, right = F.svd(x, False)
        sizes = values
    limit = F.amax(sizes, (len(sizes.shape) - 1,), True) * rtol
    limit = F.where(limit > atol, limit, atol)
    small = sizes <= limit
    inverse = F.where(small, 0, 1 / F.where(small, 1, values))
    scaled = adjoint(F, right) * as_row(F, F.cast(inverse, F.dtype_of(x)))
    return F.matmul(scaled, adjoint(F, left))


op("pinv", GENERIC, inputs=("x",), attrs=("atol", "rtol", "hermitian"), xp=None, dtype=WIDE,
   public=False, generic=_pinv, grad=rules.pinv)  # fmt: skip

# --- determinants --------------------------------------------------------------------------------

op("det", _PLAIN, xp="linalg.det", public=False, node="LinalgDet",
   grad=lambda F, g, x: as_column(F, as_column(F, g)) * F.cofactors(x))  # fmt: skip
op("slogdet", _PLAIN, xp="linalg.slogdet", public=False, outputs=("sign", "logabsdet"),
   node="LinalgSlogdet", grad=rules.slogdet)  # fmt: skip


def _cofactors(F: Any, x: Any) -> Any:
    """``conj(det(x)) * inv(x)^H``, for singular matrices too, whose cofactors still exist."""
    if isinstance(x, Tensor):  # the inverse has the stabler derivative, where there is one
        det = F.det(x)
        if not rules.truth(F, F.any(det == 0, None, False)):
            det = F.conj(det) if F.dtype_of(det).is_complex else det
            return as_column(F, as_column(F, det)) * adjoint(F, F.inv(x))
    left, values, right = F.svd(x, False)
    scale = F.det(left) * F.det(right)
    scale = F.conj(scale) if F.dtype_of(x).is_complex else scale
    others = F.cast(_product_of_others(F, values), F.dtype_of(x))
    return F.matmul(left * as_row(F, others * as_column(F, scale)), right)


composed("cofactors", _cofactors, ("x",))

# --- factorisations ------------------------------------------------------------------------------

op("cholesky", _PLAIN, xp="linalg.cholesky", public=False, node="LinalgCholeskyEx",
   grad=rules.cholesky)  # fmt: skip
op("eigh", _PLAIN, xp="linalg.eigh", public=False, outputs=("values", "vectors"),
   node="LinalgEigh", grad=rules.eigh)  # fmt: skip
op("eigvalsh", _PLAIN, xp="linalg.eigvalsh", public=False)
op("eig", _PLAIN, xp="linalg.eig", public=False, outputs=("values", "vectors"),
   node="LinalgEig", grad=rules.eig)  # fmt: skip
op("eigvals", _PLAIN, xp="linalg.eigvals", public=False)
op("svd", _family(lambda f: lambda x, full: f(x, full_matrices=full), "full"), xp="linalg.svd",
   public=False, outputs=("U", "S", "Vh"), node="LinalgSvd", grad=rules.svd)  # fmt: skip
op("svdvals", _PLAIN, xp="linalg.svdvals", public=False)
op("qr", _family(lambda f: lambda x, mode: f(x, mode=mode), "mode"), xp="linalg.qr",
   public=False, outputs=("Q", "R"), node="LinalgQr", grad=rules.qr)  # fmt: skip


def _swap(F: Any, places: Any, k: int, other: Any) -> Any:
    """Row numbers with number ``k`` and ``other`` exchanged; ``other`` has shape ``(..., 1)``."""
    return F.where(places == k, other, F.where(places == other, k, places))


def _rows(F: Any, x: Any, order: Any) -> Any:
    rank = len(x.shape)
    return F.gather(x, rank - 2, F.clone(F.expand(as_column(F, order), x.shape)))


def _size(F: Any, x: Any) -> Any:
    """LAPACK's cheap measure of complex numbers, so that the same rows are exchanged."""
    return F.abs(F.real(x)) + F.abs(F.imag(x)) if F.dtype_of(x).is_complex else F.abs(x)


def _lu_factor(F: Any, x: Any, pivot: bool) -> tuple[Any, Any]:
    """Gaussian elimination, one column of all matrices after the other."""
    rows, columns = x.shape[-2:]
    steps = min(rows, columns)
    row_at = F.expand(F.arange(0, rows, 1, int64), (*x.shape[:-2], rows))
    column_at = F.arange(0, columns, 1, int64)
    pivots = [F.zeros((*x.shape[:-2], 0), int64)]
    for k in range(steps):
        if pivot:
            sizes = _size(F, F.index(x, (..., k)))
            best = F.argmax(F.where(row_at < k, -1, sizes), len(x.shape) - 2, True)
            x = _rows(F, x, _swap(F, row_at, k, best))
            pivots.append(best)
        head = F.index(x, (..., slice(k, k + 1), slice(k, k + 1)))
        below = as_column(F, row_at > k)
        zero = head == 0
        factor = F.where(below, F.index(x, (..., slice(k, k + 1))) / F.where(zero, 1, head), 0)
        line = F.where(column_at > k, F.index(x, (..., slice(k, k + 1), slice(None))), 0)
        packed = F.where(F.logical_and(below, column_at == k), factor, x)
        x = packed - factor * line
    if not pivot:
        pivots.append(F.expand(F.arange(0, steps, 1, int64), (*x.shape[:-2], steps)))
    return x, F.cast(F.concat(pivots, len(x.shape) - 2) + 1, int32)


def _lu_order(F: Any, pivots: Any, rows: int) -> Any:
    """The order of rows that LAPACK's exchanges, counted from 1, amount to."""
    order = F.expand(F.arange(0, rows, 1, int64), (*pivots.shape[:-1], rows))
    places = order
    pivots = F.cast(pivots, int64) - 1
    for k in range(pivots.shape[-1]):
        other = F.index(pivots, (..., slice(k, k + 1)))
        order = F.gather(order, len(order.shape) - 1, F.clone(_swap(F, places, k, other)))
    return order


op("lu_factor", GENERIC, inputs=("x",), attrs=("pivot",), outputs=("LU", "pivots"), xp=None,
   dtype=WIDE, public=False, generic=_lu_factor)  # fmt: skip
op("lu_order", GENERIC, inputs=("pivots",), attrs=("rows",), xp=None, public=False,
   generic=_lu_order)  # fmt: skip


def _lu_parts(F: Any, x: Any, packed: Any) -> tuple[Any, Any]:
    """``L`` and ``U`` of square ``x``, taken from its elimination ``packed``."""
    return F.tril(packed, -1) + eye(F, x.shape[-1], F.dtype_of(x)), F.triu(packed, 0)


op("lu_parts", GENERIC, inputs=("x",), attrs=("packed",), outputs=("L", "U"), xp=None, dtype=WIDE,
   public=False, generic=_lu_parts, node="LinalgLu", grad=rules.lu_parts)  # fmt: skip

# --- functions of matrices -----------------------------------------------------------------------

_TERMS = 18
_NORM = {8: 1.09, 4: 3.01}
"""Norms up to which that many terms of the series suffice, by the bytes of a real number."""


def _matrix_exp(F: Any, x: Any) -> Any:
    """The power series after scaling by 2^-s, then s squarings, with s for each matrix."""
    size, dtype = x.shape[-1], F.dtype_of(x)
    if 0 in x.shape:
        return F.clone(x)
    rank = len(x.shape)
    norm = F.amax(F.sum(F.abs(x), (rank - 2,), True), (rank - 1,), True)
    limit = _NORM[dtype.to_real().itemsize]
    halvings = F.ceil(F.log2(F.where(norm > limit, norm / limit, 1)))
    halvings = F.where(F.isfinite(halvings), halvings, 0)
    most = int(F.backend.to_host(F.amax(halvings, None, False)))
    x = x * F.cast(F.exp2(-halvings), dtype)
    one = F.expand(eye(F, size, dtype), x.shape)
    total = one
    for k in range(_TERMS, 0, -1):
        total = one + F.matmul(x, total) / k
    for k in range(most):
        total = F.where(halvings > k, F.matmul(total, total), total)
    return total


op("matrix_exp", GENERIC, inputs=("x",), attrs=(), xp=None, dtype=WIDE, public=False,
   generic=_matrix_exp, node="LinalgMatrixExp", grad=rules.matrix_exp)  # fmt: skip

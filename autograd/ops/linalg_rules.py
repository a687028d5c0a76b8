"""Derivative rules of linear algebra, with the gradient of a complex ``z`` as in PyTorch.

``g`` is such that ``d loss = Re tr(g^H dz)``. Note [Degenerate spectra]: rules of decompositions
divide by differences of eigenvalues or singular values. Where both a difference and what it
divides are zero (repeated values, and a loss that does not depend on the choice of vectors), the
quotient is taken to be zero.
"""

from __future__ import annotations

from typing import Any

from ..errors import OpError
from ..tensor import Tensor
from .products import adjoint, as_column, as_row

__all__: list[str] = []


def truth(F: Any, x: Any) -> bool:
    """The value of a 0-d boolean handle or tensor, fetched from its device."""
    handle = x._h if isinstance(x, Tensor) else x
    return bool(F.device.backend.to_host(handle))


def _real(F: Any, x: Any) -> Any:
    return F.real(x) if F.dtype_of(x).is_complex else x


def _diagonal(F: Any, x: Any) -> Any:
    rank = len(x.shape)
    return F.diagonal(x, (0, rank - 2, rank - 1))


def _diagonal_matrix(F: Any, values: Any) -> Any:
    rank = len(values.shape) + 1
    return F.diagonal_embed(values, (*values.shape, values.shape[-1]), (0, rank - 2, rank - 1))


def _divide(F: Any, x: Any, differences: Any) -> Any:
    """See Note [Degenerate spectra]."""
    none = F.logical_and(differences == 0, x == 0)
    return x / F.where(none, 1, F.cast(differences, F.dtype_of(x)))


def _differences(F: Any, values: Any) -> Any:
    """``values[j] - values[i]`` at (i, j), and 1 on the diagonal."""
    one = _diagonal_matrix(F, F.full(values.shape, 1, F.dtype_of(values)))
    return as_row(F, values) - as_column(F, values) + one


def _check_phase(F: Any, diagonal: Any, name: str, what: str) -> None:
    """Complex vectors are found up to a phase; a loss must not depend on it."""
    if not F.dtype_of(diagonal).is_complex:
        return
    wrong = F.any(F.abs(F.imag(diagonal)) > 1e-2, None, False)
    if F.device.backend.fails(wrong._h if isinstance(wrong, Tensor) else wrong):
        raise OpError(
            f"{name}: expected a loss that is the same for all choices of the phases of {what}, "
            f"got one that depends on them; the {what} in the complex case are specified up to "
            "multiplication by e^{i phi}, so that this gradient is ill-defined",
            op=name,
        )


# --- solutions -----------------------------------------------------------------------------------


def solve(F: Any, g: Any, x: Any, out: Any) -> tuple[Any, Any]:
    """``x @ out = y``."""
    to_y = F.solve(adjoint(F, x), g)
    return -F.matmul(to_y, adjoint(F, out)), to_y


def solve_triangular(F: Any, g: Any, x: Any, out: Any, upper: bool, unit: bool) -> tuple[Any, Any]:
    """As :func:`solve`; only one triangle of ``x`` takes part."""
    to_y = F.solve_triangular(adjoint(F, x), g, not upper, unit)
    to_x = -F.matmul(to_y, adjoint(F, out))
    return F.triu(to_x, int(unit)) if upper else F.tril(to_x, -int(unit)), to_y


def pinv(F: Any, g: Any, x: Any, out: Any) -> Any:
    """Golub and Pereyra's formula, for matrices near ``x`` of the same rank."""
    out_h, g_h = adjoint(F, out), adjoint(F, g)
    if x.shape[-2] <= x.shape[-1]:
        k = F.matmul(g_h, out)
        k_out = F.matmul(k, out_h)
        return (
            k_out - adjoint(F, F.matmul(out, k)) - F.matmul(F.matmul(x, out), k_out)
            + F.matmul(F.matmul(out_h, out), g_h - F.matmul(k, x))
        )  # fmt: skip
    k = F.matmul(out, g_h)
    out_k = F.matmul(out_h, k)
    return (
        out_k - adjoint(F, F.matmul(k, out)) - F.matmul(F.matmul(out_k, out), x)
        + F.matmul(F.matmul(g_h - F.matmul(x, k), out), out_h)
    )  # fmt: skip


def slogdet(F: Any, g: Any, x: Any, sign: Any) -> Any:
    """The sign of a complex determinant turns with it; a real one's never changes smoothly."""
    to_sign, scale = g
    if F.dtype_of(x).is_complex:
        turn = F.imag(F.conj(to_sign) * sign)
        scale = F.cast(scale, F.dtype_of(x)) - F.cast(turn, F.dtype_of(x)) * 1j
    return as_column(F, as_column(F, scale)) * adjoint(F, F.inv(x))


# --- factorisations ------------------------------------------------------------------------------


def cholesky(F: Any, g: Any, out: Any) -> Any:
    """``out`` is the lower factor; the gradient is Hermitian."""
    out_h = adjoint(F, out)
    inner = F.matmul(out_h, g)
    inner = F.tril(inner, 0) - _diagonal_matrix(F, _diagonal(F, inner)) / 2
    found = F.solve_triangular(out_h, inner, True, False)
    found = F.solve_triangular(out_h, adjoint(F, found), True, False)
    return (found + adjoint(F, found)) / 2


def eigh(F: Any, g: Any, values: Any, vectors: Any) -> Any:
    """Values in the diagonal, vectors off it."""
    to_values, to_vectors = g
    vectors_h = adjoint(F, vectors)
    inner = F.matmul(vectors_h, to_vectors)
    diagonal = _diagonal(F, inner)
    _check_phase(F, diagonal, "linalg.eigh", "eigenvectors")
    inner = _divide(F, inner - _diagonal_matrix(F, diagonal), _differences(F, values))
    inner = inner + _diagonal_matrix(F, F.cast(to_values, F.dtype_of(inner)))
    return F.matmul(F.matmul(vectors, inner), vectors_h)


def eig(F: Any, g: Any, values: Any, vectors: Any) -> Any:
    """As :func:`eigh`, with vectors of length 1 that need not be orthogonal."""
    to_values, to_vectors = g
    vectors_h = adjoint(F, vectors)
    inner = F.matmul(vectors_h, to_vectors)
    diagonal = _diagonal(F, inner)
    _check_phase(F, diagonal, "linalg.eig", "eigenvectors")
    lengths = F.cast(F.real(diagonal), F.dtype_of(inner))
    inner = inner - F.matmul(vectors_h, vectors) * as_row(F, lengths)
    inner = inner - _diagonal_matrix(F, _diagonal(F, inner))
    inner = _divide(F, inner, F.conj(_differences(F, values)))
    inner = inner + _diagonal_matrix(F, to_values)
    return F.solve(vectors_h, F.matmul(inner, vectors_h))


def _twist(F: Any, x: Any) -> Any:
    return x - adjoint(F, x)


def svd(F: Any, g: Any, U: Any, S: Any, Vh: Any, full: bool) -> Any:
    """The singular vectors beyond the first ``k`` are not determined, and get no gradient."""
    to_u, to_s, to_vh = g
    k = S.shape[-1]
    if full:
        U, to_u = (F.index(x, (..., slice(0, k))) for x in (U, to_u))
        Vh, to_vh = (F.index(x, (..., slice(0, k), slice(None))) for x in (Vh, to_vh))
    dtype = F.dtype_of(U)
    left = _twist(F, F.matmul(adjoint(F, U), to_u))
    right = _twist(F, F.matmul(Vh, adjoint(F, to_vh)))
    _check_phase(F, _diagonal(F, left + right), "linalg.svd", "singular vectors")
    sizes, gaps = F.cast(S, dtype), _differences(F, S * S)
    inner = _divide(F, left, gaps) * as_row(F, sizes)
    inner = inner + as_column(F, sizes) * _divide(F, right, gaps)
    diagonal = F.cast(to_s, dtype)
    if dtype.is_complex:
        diagonal = diagonal + _divide(F, _diagonal(F, left), S * 2)
    inner = inner + _diagonal_matrix(F, diagonal)
    found = F.matmul(U, inner)
    if U.shape[-2] > k:
        scaled = _divide(F, to_u, as_row(F, S))
        found = found + scaled - F.matmul(U, F.matmul(adjoint(F, U), scaled))
    found = F.matmul(found, Vh)
    if Vh.shape[-1] > k:
        scaled = _divide(F, to_vh, as_column(F, S))
        rest = scaled - F.matmul(F.matmul(scaled, adjoint(F, Vh)), Vh)
        found = found + F.matmul(U, rest)
    return found


def qr(F: Any, g: Any, x: Any, Q: Any, R: Any, mode: str) -> Any:
    """For ``m >= n`` and mode ``"reduced"``, or ``m <= n``, where Q is square in either mode."""
    to_q, to_r = g
    rows, columns = x.shape[-2:]
    if mode == "complete" and rows > columns:
        raise OpError(
            "linalg.qr: expected mode='reduced', or rows <= columns, for a derivative, got "
            f"mode='complete' and shape {tuple(x.shape)}; the QR decomposition is not "
            "differentiable then",
            op="linalg.qr",
        )
    if rows >= columns:
        return _qr(F, to_q, to_r, Q, R)
    rest = (..., slice(rows, None))
    first = (..., slice(0, rows))
    to_rest = F.index(to_r, rest)
    to_q = to_q + F.matmul(F.index(x, rest), adjoint(F, to_rest))
    head = _qr(F, to_q, F.index(to_r, first), Q, F.index(R, first))
    return F.concat([head, F.matmul(Q, to_rest)], len(x.shape) - 1)


def _qr(F: Any, to_q: Any, to_r: Any, q: Any, r: Any) -> Any:
    inner = F.matmul(r, adjoint(F, to_r)) - F.matmul(adjoint(F, to_q), q)
    lower = F.tril(inner, -1)
    diagonal = F.cast(_real(F, _diagonal(F, inner)), F.dtype_of(inner))
    inner = lower + adjoint(F, lower) + _diagonal_matrix(F, diagonal)
    whole = to_q + F.matmul(q, inner)
    return adjoint(F, F.solve_triangular(r, adjoint(F, whole), True, False))


def lu_parts(F: Any, g: Any, L: Any, U: Any) -> Any:
    """The gradient of a square matrix that is the product of its two triangles."""
    to_l, to_u = g
    l_h, u_h = adjoint(F, L), adjoint(F, U)
    inner = F.tril(F.matmul(l_h, to_l), -1) + F.triu(F.matmul(to_u, u_h), 0)
    inner = F.solve_triangular(l_h, inner, True, True)
    return adjoint(F, F.solve_triangular(U, adjoint(F, inner), True, False))


def matrix_exp(F: Any, g: Any, x: Any) -> Any:
    """The derivative stands in a corner of the exponential of a matrix of twice the size."""
    size, rank = x.shape[-1], len(x.shape)
    x_h = adjoint(F, x)
    zero = F.zeros(x.shape, F.dtype_of(x))
    top = F.concat([x_h, g], rank - 1)
    bottom = F.concat([zero, x_h], rank - 1)
    whole = F.matrix_exp(F.concat([top, bottom], rank - 2))
    return F.index(whole, (..., slice(0, size), slice(size, None)))

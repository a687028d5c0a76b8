"""``tensorplug.linalg``: factorisations, eigenvalues and singular values."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import linalg_types as types
from ..autograd import slow
from ..autograd.errors import OpError
from ..autograd.modes import GRAD_MODE, no_grad
from ..autograd.ops.linalg import LinAlgError, eye
from ..autograd.ops.products import adjoint, as_column
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, edge, make
from ..backends import dtypes
from .linalg import (
    TYPES,
    check_matrix,
    check_square,
    finish_all,
    pseudo_inverse,
    run,
    tolerance,
)
from .products import finish

__all__ = ["is_tracked", "singular_values"]

_matmul, _where = ROWS["matmul"].call, ROWS["where"].call


def is_tracked(x: Tensor) -> bool:
    return GRAD_MODE.get() and edge(x) is not None


# What is tested of a function whose vectors have any sign or phase, or that reads one triangle.


def _sizes(call: Any, A: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
    return tuple(ROWS["abs"].call(part) for part in call(A, *args, **kwargs))


def _values_and_sizes(call: Any, A: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    values, vectors = call(A, *args, **kwargs)
    return values, ROWS["abs"].call(vectors)


def _hermitian_part(A: Tensor) -> Tensor:
    return (A + A.mH) / 2


def _of_hermitian(call: Any, A: Tensor, *args: Any, **kwargs: Any) -> Any:
    return call(_hermitian_part(A), *args, **kwargs)


def _eigh_tested(call: Any, A: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    return _values_and_sizes(call, _hermitian_part(A), *args, **kwargs)


# --- Cholesky ------------------------------------------------------------------------------------

_DEFINITE = "a positive-definite matrix; the input is not positive-definite"


def _cholesky(name: str, A: Tensor, upper: bool) -> Tensor:
    F = check_square(name, A)
    lower = run(name, _DEFINITE, "cholesky", adjoint(F, A) if upper else A)
    return adjoint(F, lower) if upper else lower


@function(namespace="linalg", dtypes=TYPES, row="cholesky", wrap=_of_hermitian,
          samples=lambda t: [(t.spd(3),), (t.spd(2), {"upper": True})])  # fmt: skip
def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """Lower triangular ``L`` with ``A = L @ L^H`` (or its adjoint when ``upper``).

    Args:
        A: Hermitian positive-definite matrices ``(..., n, n)``; one triangle is read.
        upper: read and give the upper triangle.

    Raises:
        LinAlgError: a matrix is not positive-definite.
    """
    return finish("linalg.cholesky", _cholesky("linalg.cholesky", A, upper), out)


@function(name="cholesky", dtypes=TYPES, wrap=_of_hermitian, samples=lambda t: [(t.spd(3),)])
def _cholesky_top(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """See :func:`tensorplug.linalg.cholesky`."""
    return finish("cholesky", _cholesky("linalg.cholesky", input, upper), out)


def _order_of_failure(A: Tensor) -> int:
    """The size of the first leading part of a matrix that is not positive-definite."""
    for size in range(1, A._h.shape[-1] + 1):
        part = ROWS["index"].call(A, (slice(0, size), slice(0, size)))
        try:
            _cholesky("linalg.cholesky_ex", part, False)
        except LinAlgError:
            return size
    return 0


@function(namespace="linalg", dtypes=TYPES, wrap=_of_hermitian, samples=lambda t: [(t.spd(3),)])
def cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None
) -> Any:
    """The factor, and per matrix 0 or the order of the part that is not positive-definite.

    Where a matrix has no factor, nan stands for it.
    """
    name = "linalg.cholesky_ex"
    F, raw = check_square(name, A), A._device.F
    batch = tuple(A._h.shape[:-2])
    info = F.zeros(batch, dtypes.int32)
    try:
        found = _cholesky(name, A, upper)
    except LinAlgError:
        if check_errors:
            raise
        size = A._h.shape[-1]
        with no_grad():
            flat = F.reshape(adjoint(F, A) if upper else F.clone(A), (-1 if 0 in batch else
                             A.numel() // size**2, size, size))  # fmt: skip
            orders = [
                F.full((1,), _order_of_failure(F.index(flat, (i,))), dtypes.int32)
                for i in range(flat._h.shape[0])
            ]
            info = F.reshape(F.concat(orders, 0), batch)
        bad = F.reshape(F.ne(info, 0), (*batch, 1, 1))
        one = make(raw.clone(eye(F, size, A._dtype)._h), A._dtype, A._device)
        found = _where(bad, float("nan"), _cholesky(name, _where(bad, one, A), upper))
    return finish_all(name, types.cholesky_ex, (found, info), out)


# --- eigenvalues ---------------------------------------------------------------------------------


def _hermitian(name: str, A: Tensor, UPLO: str) -> Tensor:
    F = check_square(name, A)
    if UPLO.upper() not in ("L", "U"):
        raise OpError(f"{name}: expected UPLO 'L' or 'U', got {UPLO!r}", op=name)
    return adjoint(F, A) if UPLO.upper() == "U" else A


_CONVERGES = "a matrix whose eigenvalues or singular values can be found"


@function(namespace="linalg", dtypes=TYPES, row="eigh", wrap=_eigh_tested,
          samples=lambda t: [(t.spd(3),), (t.spd(2), "U")])  # fmt: skip
def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """Eigenvalues (real, in ascending order) and eigenvectors of Hermitian matrices.

    Args:
        A: ``(..., n, n)``.
        UPLO: which triangle is read: ``"L"`` or ``"U"``.

    The derivative is defined where all eigenvalues differ, and for losses that do not depend on
    the sign or phase of the vectors.
    """
    name = "linalg.eigh"
    parts = run(name, _CONVERGES, "eigh", _hermitian(name, A, UPLO))
    return finish_all(name, types.eigh, parts, out)


@function(namespace="linalg", dtypes=TYPES, row="eigvalsh", wrap=_of_hermitian,
          samples=lambda t: [(t.spd(3),)],
          ref=lambda np, A: np.linalg.eigvalsh(A))  # fmt: skip
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, in ascending order."""
    name = "linalg.eigvalsh"
    part = _hermitian(name, A, UPLO)
    if is_tracked(part):
        return finish(name, run(name, _CONVERGES, "eigh", part)[0], out)
    return finish(name, run(name, _CONVERGES, "eigvalsh", part), out)


@function(
    namespace="linalg",
    dtypes=TYPES,
    row="eig",
    wrap=_values_and_sizes,
    samples=lambda t: [(t.spd(3),)],
)
def eig(A: Tensor, *, out: Any = None) -> Any:
    """Complex eigenvalues and eigenvectors of square matrices, in no particular order."""
    check_square("linalg.eig", A)
    return finish_all("linalg.eig", types.eig, run("linalg.eig", _CONVERGES, "eig", A), out)


@function(namespace="linalg", dtypes=TYPES, row="eigvals", samples=lambda t: [(t.spd(3),)])
def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex eigenvalues of square matrices, in no particular order."""
    name = "linalg.eigvals"
    check_square(name, A)
    if is_tracked(A):
        return finish(name, run(name, _CONVERGES, "eig", A)[0], out)
    return finish(name, run(name, _CONVERGES, "eigvals", A), out)


# --- singular values -----------------------------------------------------------------------------


@function(namespace="linalg", dtypes=TYPES, row="svd", wrap=_sizes,
          samples=lambda t: [(t(3, 2), False), (t(2, 3), False), (t(2, 3, 3),), (t(2, 0),)],
)  # fmt: skip
def svd(
    A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None
) -> Any:
    """``U``, ``S``, ``Vh`` with ``A = U @ diag(S) @ Vh``; ``S`` falls.

    Args:
        A: ``(..., m, n)``.
        full_matrices: whether ``U`` and ``Vh`` are square, or cut to ``min(m, n)``.
        driver: not looked at; PyTorch chooses a GPU's method by it.

    The derivative is defined where the singular values differ, and for losses that do not depend
    on the signs or phases of the vectors.
    """
    check_matrix("linalg.svd", A)
    parts = run("linalg.svd", _CONVERGES, "svd", A, bool(full_matrices))
    return finish_all("linalg.svd", types.svd, parts, out)


@function(name="svd", dtypes=TYPES, wrap=_sizes, samples=lambda t: [(t(3, 2),)])
def _svd_top(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """``U``, ``S``, ``V``: the older form of :func:`tensorplug.linalg.svd`."""
    F = check_matrix("svd", input)
    if compute_uv:
        U, S, Vh = run("svd", _CONVERGES, "svd", input, not some)
        return finish_all("svd", types.svd_v, (U, S, adjoint(F, Vh)), out)
    rows, columns = input._h.shape[-2:]
    batch = tuple(input._h.shape[:-2])
    empty = [F.zeros((*batch, n, n), input._dtype) for n in (rows, columns)]
    parts = empty[0], singular_values("svd", input), empty[1]
    return finish_all("svd", types.svd_v, parts, out)


def singular_values(name: str, A: Tensor) -> Tensor:
    """Falling singular values."""
    check_matrix(name, A)
    if is_tracked(A):
        return run(name, _CONVERGES, "svd", A, False)[1]
    return run(name, _CONVERGES, "svdvals", A)


@function(namespace="linalg", dtypes=TYPES, row="svdvals",
          samples=lambda t: [(t(3, 2),), (t(2, 0),)],
          ref=lambda np, A: np.linalg.svd(A, compute_uv=False))  # fmt: skip
def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values of matrices, from the largest to the smallest."""
    return finish("linalg.svdvals", singular_values("linalg.svdvals", A), out)


def _rank(name: str, A: Tensor, atol: Any, rtol: Any, hermitian: bool) -> Tensor:
    F = check_square(name, A) if hermitian else check_matrix(name, A)
    atol, rtol = tolerance(name, A, atol, rtol)
    if 0 in A._h.shape[-2:]:
        return F.zeros(tuple(A._h.shape[:-2]), dtypes.int64)
    with no_grad():
        sizes = F.abs(eigvalsh(A)) if hermitian else singular_values(name, A)
    raw, last = A._device.F, (len(sizes._h.shape) - 1,)
    limit = raw.amax(sizes._h, last, True) * rtol
    limit = raw.where(limit > atol, limit, atol)
    above = make(raw.sum(raw.cast(sizes._h > limit, dtypes.int64), last, False), dtypes.int64,
                 A._device)  # fmt: skip
    return above


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(t(3, 2),), (t(2, 3, 3),)],
          ref=lambda np, A: np.linalg.matrix_rank(A))  # fmt: skip
def matrix_rank(
    A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """How many singular values exceed ``max(atol, rtol * largest)``; ``tol`` is ``atol`` alone."""
    if tol is not None:
        atol, rtol = tol, 0.0
    return finish("linalg.matrix_rank", _rank("linalg.matrix_rank", A, atol, rtol, hermitian), out)


# --- QR, least squares ---------------------------------------------------------------------------


@function(namespace="linalg", dtypes=TYPES, row="qr",
          samples=lambda t: [(t(3, 2),), (t(2, 3),), (t(2, 3), "complete"), (t(2, 0),)],
)  # fmt: skip
def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """``Q`` with orthonormal columns and upper triangular ``R``, so that ``A = Q @ R``.

    Args:
        A: ``(..., m, n)``.
        mode: ``"reduced"`` (``min(m, n)`` columns), ``"complete"`` (square Q) or ``"r"`` (Q is
            empty, and there is no derivative).
    """
    name = "linalg.qr"
    F = check_matrix(name, A)
    if mode not in ("reduced", "complete", "r"):
        raise OpError(f"{name}: expected mode 'reduced', 'complete' or 'r', got {mode!r}", op=name)
    if mode == "r":
        if is_tracked(A):
            raise OpError(f"{name}: expected mode 'reduced' or 'complete' for a derivative, got "
                          "'r'; the derivative depends on Q", op=name)  # fmt: skip
        R = ROWS["qr"].call(A, "reduced")[1]
        return finish_all(name, types.qr, (F.zeros((0,), A._dtype), R), out)
    return finish_all(name, types.qr, ROWS["qr"].call(A, mode), out)


@function(name="qr", dtypes=TYPES, samples=lambda t: [(t(3, 2),)])
def _qr_top(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """See :func:`tensorplug.linalg.qr`."""
    return qr(input, "reduced" if some else "complete", out=out)


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [(t(4, 2), t(4, 3)), (t(2, 4), t(2, 3)), (t(4, 2), t(4))])  # fmt: skip
def lstsq(
    A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None, out: Any = None
) -> Any:
    """The ``X`` that minimises ``norm(A @ X - B)``, of smallest norm among several.

    Args:
        A: ``(..., m, n)``.
        B: ``(..., m, k)`` or vectors ``(..., m)``.
        rcond: singular values below ``rcond * largest`` count as 0; by default ``max(m, n) * eps``.
        driver: as PyTorch's: says which of rank and singular values are given.

    Returns:
        ``(solution, residuals, rank, singular_values)``; residuals (sums of squares) where
        ``m > n`` and A has full rank, but not for ``"gelsy"``; rank unless the driver is
        ``"gels"``; singular values for ``"gelsd"`` and ``"gelss"``.
    """
    name = "linalg.lstsq"
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise OpError(f"{name}: expected a driver among {_DRIVERS}, got {driver!r}", op=name)
    F = check_matrix(name, A)
    vector = len(B._h.shape) == 1 or (
        len(A._h.shape) - 1 == len(B._h.shape) and B._h.shape == A._h.shape[:-1]
    )
    matrix = as_column(F, B) if vector else B
    check_matrix(name, A, matrix)
    rows, columns = A._h.shape[-2:]
    if matrix._h.shape[-2] != rows:
        raise OpError(f"{name}: expected as many rows in B as in A, got shapes "
                      f"{tuple(A._h.shape)} and {tuple(B._h.shape)}", op=name)  # fmt: skip
    limit = 0.0 if driver == "gels" else rcond
    found = _matmul(pseudo_inverse(name, A, 0.0, limit, False), matrix)
    rank = _rank(name, A, 0.0, rcond, False)
    nothing = F.zeros((0,), A._dtype.to_real())
    # Empty, but part of the graph as the solution is.
    flat = F.reshape(found, (math.prod(found._h.shape),))
    residuals = slow.cast(F.index(flat, (slice(0, 0),)), nothing._dtype)
    full = driver != "gelsy" and rows > columns
    if full and bool(F.all(F.eq(rank, columns), None, False).item()):
        away = F.abs(_matmul(A, found) - matrix)
        residuals = F.sum(away * away, (len(away._h.shape) - 2,), False)
    if vector:
        found = F.reshape(found, tuple(found._h.shape[:-1]))
    values = singular_values(name, A) if driver in ("gelsd", "gelss") else nothing
    rank = F.zeros((0,), dtypes.int64) if driver == "gels" else rank
    return finish_all(name, types.lstsq, (found, residuals, rank, values), out)

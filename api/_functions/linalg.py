"""``tensorplug.linalg``: inverses, solutions, determinants and least squares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import linalg_types as types
from ..autograd import slow
from ..autograd.errors import OpError, OpTypeError, check_devices
from ..autograd.kernels import tensor_kernels
from ..autograd.modes import no_grad
from ..autograd.ops.linalg import WIDE, LinAlgError, eye
from ..autograd.ops.products import adjoint, as_column, matrix_transpose, mixed_types
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, make
from ..backends import dtypes
from .products import finish

__all__ = ["check_matrix", "check_square", "finish_all", "inverse_of", "run", "solve_matrix"]

TYPES = "float32 float64 complex64 complex128"
_matmul, _where = ROWS["matmul"].call, ROWS["where"].call


def check_matrix(name: str, *values: Any) -> Any:
    """Refuse what is no stack of matrices of a type that can be computed with; gives ``F``.

    Raises:
        TypeError: it is no tensor.
        RuntimeError: it has less than 2 dimensions, or another type or device.
    """
    for x in values:
        if type(x) is not Tensor:
            raise OpTypeError(f"{name}: expected a tensor, got {type(x).__name__}", op=name)
        if len(x._h.shape) < 2:
            raise OpError(
                f"{name}: expected matrices (..., m, n), got shape {tuple(x._h.shape)}; the input "
                "tensor A must have at least 2 dimensions",
                op=name,
            )
        if WIDE.compute(x._dtype) is None:
            raise OpError(
                f"{name}: expected a float32, float64 or complex tensor, got {x._dtype}; convert "
                "it with .to(dtype): expected a floating point or complex tensor as input",
                op=name,
            )
        if x._dtype is not values[0]._dtype:
            raise mixed_types(name, values[0], x)
    check_devices(name, values)
    return tensor_kernels(values[0]._device)


def check_square(name: str, *values: Any) -> Any:
    """As :func:`check_matrix`, for square matrices."""
    F = check_matrix(name, *values)
    for x in values:
        if x._h.shape[-1] != x._h.shape[-2]:
            raise OpError(
                f"{name}: expected square matrices, got shape {tuple(x._h.shape)}; A must be "
                "batches of square matrices",
                op=name,
            )
    return F


def run(name: str, what: str, row: str, *args: Any) -> Any:
    """A row's result, with a library's own failure as :class:`LinAlgError`."""
    try:
        return ROWS[row].call(*args)
    except OpError as error:
        if type(error.__cause__).__name__ != "LinAlgError":
            raise
        raise LinAlgError(f"{name}: expected {what}; {error.__cause__}", op=name) from error


def finish_all(name: str, kind: Callable[..., Any], parts: Any, out: Any) -> Any:
    """Several results as a named tuple, written to ``out`` if there is one."""
    if out is None:
        return kind(*parts)
    return kind(*(finish(name, part, to) for part, to in zip(parts, out, strict=True)))


_SINGULAR = "an invertible matrix, got a singular one: the diagonal of U has a zero"


def inverse_of(name: str, A: Tensor) -> Tensor:
    """The inverse, with errors under ``name``."""
    check_square(name, A)
    return run(name, _SINGULAR, "inv", A)


# --- inverses ------------------------------------------------------------------------------------


@function(namespace="linalg", dtypes=TYPES, ref=lambda np, A: np.linalg.inv(A),
          samples=lambda t: [(t.spd(3),), (t(0, 0),)])  # fmt: skip
def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of square matrices ``(..., n, n)``.

    Raises:
        LinAlgError: a matrix is singular.

    Example:
        >>> tp.linalg.inv(tp.tensor([[2.0, 0.0], [0.0, 4.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return finish("linalg.inv", inverse_of("linalg.inv", A), out)


@function(dtypes=TYPES, samples=lambda t: [(t.spd(3),)], ref=lambda np, A: np.linalg.inv(A))
def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """See :func:`tensorplug.linalg.inv`."""
    return finish("inverse", inverse_of("linalg.inv", input), out)


def _first_zero(A: Tensor) -> Tensor:
    """The place (from 1) of the first zero on U's diagonal, 0 for an invertible matrix; int32."""
    with no_grad():
        F = tensor_kernels(A._device)
        size, rank = A._h.shape[-1], len(A._h.shape)
        packed, _ = F.lu_factor(A, True)
        zero = F.eq(F.diagonal(packed, (0, rank - 2, rank - 1)), 0)
        if not size:
            return F.zeros(tuple(A._h.shape[:-2]), dtypes.int32)
        steps = make(A._device.F.arange(1, size + 1, 1, dtypes.int64), dtypes.int64, A._device)
        first = F.amin(F.where(zero, steps, size + 1), (rank - 2,), False)
        return F.cast(F.where(F.eq(first, size + 1), 0, first), dtypes.int32)


def _checked(name: str, A: Tensor, check_errors: bool) -> tuple[Tensor, Tensor, Tensor]:
    """``A`` with identities for singular matrices, where those are, and their ``info``."""
    F = check_square(name, A)
    info = _first_zero(A)
    bad = F.reshape(F.ne(info, 0), (*info._h.shape, 1, 1))
    if check_errors and bool(F.any(bad, None, False).item()):
        raise LinAlgError(f"{name}: expected {_SINGULAR}", op=name)
    return _where(bad, eye(F, A._h.shape[-1], A._dtype), A), bad, info


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(t.spd(3),)])
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """The inverse, and per matrix 0 or where its elimination broke down; nan for a singular one."""
    safe, bad, info = _checked("linalg.inv_ex", A, check_errors)
    found = _where(bad, float("nan"), ROWS["inv"].call(safe))
    return finish_all("linalg.inv_ex", types.inv_ex, (found, info), out)


def tolerance(name: str, A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Tolerances with torch's defaults, as numbers or as handles ``(..., 1)``."""

    def settle(value: Any) -> Any:
        if type(value) is not Tensor:
            return float(value)
        if value._dtype.is_complex:
            raise OpError(f"{name}: expected a real tolerance, got {value._dtype}; it must not be "
                          "of complex type", op=name)  # fmt: skip
        return as_column(A._device.F, slow.cast(value.detach(), A._dtype.to_real())._h)

    if rtol is None:
        given = atol is not None and (type(atol) is Tensor or atol > 0)
        eps = dtypes.finfo(A._dtype).eps
        rtol = 0.0 if given and type(atol) is not Tensor else eps * max(A._h.shape[-2:])
        if type(atol) is Tensor:
            rtol = _where(atol > 0, 0.0, rtol)
    return settle(0.0 if atol is None else atol), settle(rtol)


def pseudo_inverse(name: str, A: Tensor, atol: Any, rtol: Any, hermitian: bool) -> Tensor:
    """The Moore-Penrose inverse of matrices ``(..., m, n)``."""
    check_square(name, A) if hermitian else check_matrix(name, A)
    return run(name, "a matrix with finite elements", "pinv", A,
               *tolerance(name, A, atol, rtol), hermitian)  # fmt: skip


@function(namespace="linalg", row="pinv", dtypes=TYPES, ref=lambda np, A: np.linalg.pinv(A),
          samples=lambda t: [(t(2, 3),), (t(2, 3, 2),), (t(0, 2),)])  # fmt: skip
def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The pseudo-inverse, from the singular values above ``max(atol, rtol * largest)``.

    Args:
        A: ``(..., m, n)``.
        rcond: an older name of ``rtol``.
        hermitian: whether matrices are Hermitian, so that eigenvalues will do.
        atol, rtol: tolerances, numbers or tensors of the batch's shape; ``rtol`` is by default
            ``max(m, n) * eps``, or 0 when ``atol`` is given.
    """
    rtol = rcond if rtol is None else rtol
    return finish("linalg.pinv", pseudo_inverse("linalg.pinv", A, atol, rtol, hermitian), out)


@function(dtypes=TYPES, samples=lambda t: [(t(2, 3),)])
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """See :func:`tensorplug.linalg.pinv`."""
    return pseudo_inverse("linalg.pinv", input, None, rcond, False)


# --- determinants --------------------------------------------------------------------------------


@function(namespace="linalg", dtypes=TYPES, row="det", ref=lambda np, A: np.linalg.det(A),
          samples=lambda t: [(t(3, 3),), (t(2, 2, 2),), (t(0, 0),)])  # fmt: skip
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant of square matrices ``(..., n, n)``: a tensor ``(...)``."""
    check_square("linalg.det", A)
    return finish("linalg.det", ROWS["det"].call(A), out)


@function(name="det", dtypes=TYPES, samples=lambda t: [(t(3, 3),)])
def _det_top(input: Tensor) -> Tensor:
    """See :func:`tensorplug.linalg.det`."""
    return det(input)


def _slogdet(A: Tensor, out: Any) -> Any:
    check_square("linalg.slogdet", A)
    return finish_all("linalg.slogdet", types.slogdet, ROWS["slogdet"].call(A), out)


@function(namespace="linalg", dtypes=TYPES, row="slogdet",
          samples=lambda t: [(t(3, 3),), (t(2, 2, 2),), (t(0, 0),)])  # fmt: skip
def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """Sign (or complex phase) and logarithm of the size of the determinant."""
    return _slogdet(A, out)


@function(name="slogdet", dtypes=TYPES, samples=lambda t: [(t(3, 3),)])
def _slogdet_method(input: Tensor, *, out: Any = None) -> Any:
    """See :func:`tensorplug.linalg.slogdet`."""
    return _slogdet(input, out)


@function(dtypes=TYPES, samples=lambda t: [(t.spd(3),), (t(0, 0),)])
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; nan where a real one is negative."""
    sign, size = _slogdet(input, None)
    if input._dtype.is_complex:
        return ROWS["add"].call(ROWS["log"].call(sign), size)
    return _where(ROWS["eq"].call(sign, -1), float("nan"), size)


# --- solutions -----------------------------------------------------------------------------------


def _is_vector(A: Tensor, B: Tensor) -> bool:
    a, b = A._h.shape, B._h.shape
    return len(b) == 1 or (len(a) - 1 == len(b) and tuple(b) == tuple(a[:-1]))


def solve_matrix(
    name: str, A: Tensor, B: Tensor, left: bool, solver: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Solve ``A X = B`` (or ``X A = B``) for vectors and matrices ``B``."""
    if type(A) is not Tensor or type(B) is not Tensor:
        check_matrix(name, A)
        raise OpTypeError(f"{name}: expected B to be a tensor, got {type(B).__name__}", op=name)
    F = check_square(name, A)
    vector = _is_vector(A, B)
    if vector and not left:
        raise OpError(f"{name}: expected matrices B with left=False, got shape "
                      f"{tuple(B._h.shape)}; it doesn't accept vectors as B", op=name)  # fmt: skip
    matrix = as_column(F, B) if vector else B
    check_matrix(name, A, matrix)
    if A._h.shape[-1] != matrix._h.shape[-2 if left else -1]:
        raise OpError(
            f"{name}: expected B to fit A, got shapes {tuple(A._h.shape)} and "
            f"{tuple(B._h.shape)} with left={left}; incompatible shapes of A and B",
            op=name,
        )
    if left:
        found = solver(A, matrix)
        return F.reshape(found, tuple(found._h.shape[:-1])) if vector else found
    return matrix_transpose(F, solver(matrix_transpose(F, A), matrix_transpose(F, matrix)))


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [(t.spd(3), t(3, 2)), (t.spd(3), t(3)), (t.spd(3), t(2, 3, 2)),
                             (t.spd(3), t(2, 3), {"left": False})])  # fmt: skip
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """``X`` with ``A @ X = B``, or with ``X @ A = B`` when ``left`` is false.

    Args:
        A: ``(..., n, n)``.
        B: ``(..., n, k)``, or vectors ``(n,)`` or ``(..., n)``; batches are broadcast.

    Raises:
        LinAlgError: a matrix is singular.
        RuntimeError: shapes or types do not fit.
    """
    name = "linalg.solve"
    found = solve_matrix(name, A, B, left, lambda a, b: run(name, _SINGULAR, "solve", a, b))
    return finish(name, found, out)


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(t.spd(3), t(3, 2))])
def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """As :func:`solve`, with ``info`` instead of an error, and nan for a singular matrix."""
    safe, bad, info = _checked("linalg.solve_ex", A, check_errors)

    def solver(a: Tensor, b: Tensor) -> Tensor:
        return _where(bad, float("nan"), ROWS["solve"].call(a, b))

    found = solve_matrix("linalg.solve_ex", safe, B, left, solver)
    return finish_all("linalg.solve_ex", types.solve_ex, (found, info), out)


@function(namespace="linalg", dtypes=TYPES, row="solve_triangular",
          samples=lambda t: [(t.spd(3), t(3, 2), {"upper": True}),
                             (t.spd(3), t(2, 3), {"upper": False, "left": False}),
                             (t(3, 3), t(3, 2), {"upper": True, "unitriangular": True})],
)  # fmt: skip
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """As :func:`solve` for triangular matrices, of which only one triangle is read.

    With ``unitriangular`` the diagonal counts as 1. A zero on the diagonal gives inf or nan.
    """
    name = "linalg.solve_triangular"
    F = check_square(name, A)
    check_matrix(name, A, B)
    a, b = (A, B) if left else (matrix_transpose(F, A), matrix_transpose(F, B))
    if a._h.shape[-1] != b._h.shape[-2]:
        raise OpError(f"{name}: expected B to fit A, got shapes {tuple(A._h.shape)} and "
                      f"{tuple(B._h.shape)}; incompatible shapes of A and B", op=name)  # fmt: skip
    found = F.solve_triangular(a, b, upper == left, unitriangular)
    return finish(name, found if left else matrix_transpose(F, found), out)


@function(dtypes=TYPES, samples=lambda t: [(t(3, 2), t.spd(3))])
def cholesky_solve(
    input: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """``X`` with ``A @ X = input``, from the Cholesky factor ``L`` of ``A``."""
    F = check_square("cholesky_solve", L)
    check_matrix("cholesky_solve", L, input)
    if L._h.shape[-1] != input._h.shape[-2]:
        raise OpError(f"cholesky_solve: expected matrices that fit, got shapes "
                      f"{tuple(input._h.shape)} and {tuple(L._h.shape)}")  # fmt: skip
    other = adjoint(F, L)
    lower, above = (other, L) if upper else (L, other)
    half = F.solve_triangular(lower, input, False, False)
    return finish("cholesky_solve", F.solve_triangular(above, half, True, False), out)


@function(dtypes=TYPES, samples=lambda t: [(t.spd(3),)])
def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of ``A``, from its Cholesky factor ``L``."""
    F = check_square("cholesky_inverse", L)
    one = F.expand(eye(F, L._h.shape[-1], L._dtype), tuple(L._h.shape))
    return cholesky_solve(one, L, upper, out=out)

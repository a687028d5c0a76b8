"""``tensorplug.linalg``: the LU factorisation and what follows from it."""

from __future__ import annotations

from typing import Any

from ..autograd import linalg_types as types
from ..autograd.errors import OpError, check_devices
from ..autograd.kernels import tensor_kernels
from ..autograd.modes import no_grad
from ..autograd.ops.linalg import LinAlgError, eye
from ..autograd.ops.products import adjoint, as_column, matrix_transpose
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, make
from ..backends import dtypes
from .decompositions import is_tracked
from .linalg import TYPES, check_matrix, check_square, finish_all
from .products import finish

__all__: list[str] = []

_matmul, _where = ROWS["matmul"].call, ROWS["where"].call


def _packed(name: str, A: Tensor, pivot: bool) -> tuple[Tensor, Tensor]:
    check_matrix(name, A)
    with no_grad():
        packed, pivots = ROWS["lu_factor"].call(A, pivot)
    return packed, pivots


def _triangles(A: Tensor, packed: Tensor, pivots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The order of the rows, ``L`` and ``U``, differentiable where ``A`` is."""
    F = tensor_kernels(A._device)
    rows, columns = A._h.shape[-2:]
    size, last = min(rows, columns), len(A._h.shape) - 2
    order = ROWS["lu_order"].call(pivots, rows)
    index = A._device.F.clone(
        A._device.F.expand(as_column(A._device.F, order._h), tuple(A._h.shape))
    )
    x = F.gather(A, last, index)
    square = F.index(x, (..., slice(0, size), slice(0, size)))
    head = A._device.F.clone(A._device.F.index(packed._h, (..., slice(0, size), slice(0, size))))
    L, U = ROWS["lu_parts"].call(square, head)
    if rows > columns:
        rest = F.index(x, (..., slice(size, None), slice(None)))
        turned = F.solve_triangular(matrix_transpose(F, U), matrix_transpose(F, rest), False, False)
        L = F.concat([L, matrix_transpose(F, turned)], last)
    elif columns > rows:
        rest = F.index(x, (..., slice(size, None)))
        U = F.concat([U, F.solve_triangular(L, rest, False, True)], last + 1)
    return order, L, U


def _permutation(F: Any, order: Tensor, dtype: Any) -> Tensor:
    """The matrix that puts the rows in ``order`` back."""
    size = order._h.shape[-1]
    places = make(order._device.F.arange(0, size, 1, dtypes.int64), dtypes.int64, order._device)
    here = F.reshape(places, (size, 1))
    return F.cast(F.eq(here, F.reshape(order, (*order._h.shape[:-1], 1, size))), dtype)


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [(t(3, 3),), (t(3, 2),), (t(2, 3),), (t(2, 2, 2),)])  # fmt: skip
def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """``P``, ``L``, ``U`` with ``A = P @ L @ U``: a permutation and two triangles.

    Args:
        A: ``(..., m, n)``.
        pivot: exchange rows for stability; without it ``P`` is empty.
    """
    name = "linalg.lu"
    packed, pivots = _packed(name, A, pivot)
    F = tensor_kernels(A._device)
    order, L, U = _triangles(A, packed, pivots)
    P = _permutation(F, order, A._dtype) if pivot else F.zeros((0,), A._dtype)
    return finish_all(name, types.lu, (P, L, U), out)


def _factored(name: str, A: Tensor, pivot: bool) -> tuple[Tensor, Tensor]:
    packed, pivots = _packed(name, A, pivot)
    if not is_tracked(A):
        return packed, pivots
    F = tensor_kernels(A._device)
    _, L, U = _triangles(A, packed, pivots)
    rows, columns = A._h.shape[-2:]
    strict = F.tril(L, -1)
    if rows > columns:
        zero = F.zeros((*A._h.shape[:-2], rows - columns, columns), A._dtype)
        U = F.concat([U, zero], len(A._h.shape) - 2)
    elif columns > rows:
        zero = F.zeros((*A._h.shape[:-2], rows, columns - rows), A._dtype)
        strict = F.concat([strict, zero], len(A._h.shape) - 1)
    return F.add(strict, U), pivots


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(t(3, 3),), (t(3, 2),)])
def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """Both triangles in one matrix, and LAPACK's row exchanges, counted from 1."""
    return finish_all("linalg.lu_factor", types.lu_factor, _factored("linalg.lu_factor", A, pivot),
                      out)  # fmt: skip


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(t(3, 3),)])
def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> Any:
    """As :func:`lu_factor`, and per matrix 0 or the place of the first zero on U's diagonal."""
    name = "linalg.lu_factor_ex"
    packed, pivots = _factored(name, A, pivot)
    F, rank = tensor_kernels(A._device), len(A._h.shape)
    zero = F.eq(F.diagonal(packed, (0, rank - 2, rank - 1)), 0)
    size = min(A._h.shape[-2:])
    if not size:
        info = F.zeros(tuple(A._h.shape[:-2]), dtypes.int32)
    else:
        places = make(A._device.F.arange(1, size + 1, 1, dtypes.int64), dtypes.int64, A._device)
        first = F.amin(_where(zero, places, size + 1), (rank - 2,), False)
        info = F.cast(_where(F.eq(first, size + 1), 0, first), dtypes.int32)
    if check_errors and bool(F.any(F.ne(info, 0), None, False).item()):
        raise LinAlgError(f"{name}: expected an invertible matrix, got a singular one", op=name)
    return finish_all(name, types.lu_factor_ex, (packed, pivots, info), out)


def _lu_solve(name: str, LU: Tensor, pivots: Tensor, B: Tensor, left: bool, adj: bool) -> Tensor:
    F = check_square(name, LU)
    check_matrix(name, LU, B)
    check_devices(name, (LU, pivots))
    if not left:  # the adjoint of X A = B is A^H X^H = B^H
        turned = _lu_solve(name, LU, pivots, adjoint(F, B), True, not adj)
        return adjoint(F, turned)
    order = ROWS["lu_order"].call(pivots, LU._h.shape[-1])
    P = _permutation(F, order, LU._dtype)
    if not adj:
        half = F.solve_triangular(LU, _matmul(matrix_transpose(F, P), B), False, True)
        return F.solve_triangular(LU, half, True, False)
    turned = adjoint(F, LU)
    half = F.solve_triangular(turned, B, False, False)
    return _matmul(P, F.solve_triangular(turned, half, True, True))


def _lu_inputs(t: Any) -> tuple[Any, ...]:
    return tuple(lu_factor(t.spd(3)))


@function(namespace="linalg", dtypes=TYPES, samples=lambda t: [(*_lu_inputs(t), t(3, 2))])
def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Solve ``A X = B`` from :func:`lu_factor`; ``X A = B`` if not ``left``, ``A^H`` if adjoint."""
    name = "linalg.lu_solve"
    return finish(name, _lu_solve(name, LU, pivots, B, left, adjoint), out)


@function(name="lu_solve", dtypes=TYPES, samples=lambda t: [(t(3, 2), *_lu_inputs(t))])
def _lu_solve_top(
    b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """Solve ``A X = b`` from :func:`tensorplug.linalg.lu_factor`."""
    return finish("lu_solve", _lu_solve("lu_solve", LU_data, LU_pivots, b, True, False), out)


# --- older forms ---------------------------------------------------------------------------------


@function(name="lu", dtypes=TYPES, samples=lambda t: [(t(3, 3),)])
def _lu_top(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """Both triangles in one matrix and the row exchanges; with ``get_infos`` what went wrong."""
    LU, pivots, infos = lu_factor_ex(A, pivot=pivot)
    if get_infos:
        return finish_all("lu", types.lu_factor_ex, (LU, pivots, infos), out)
    return finish_all("lu", types.lu_factor, (LU, pivots), out)


@function(method=False, dtypes=TYPES, samples=lambda t: [lu_factor(t(3, 2)), lu_factor(t(2, 3))])
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True, *,
    out: Any = None,
) -> Any:  # fmt: skip
    """``P``, ``L``, ``U`` from :func:`tensorplug.linalg.lu_factor`; empty what is not asked for."""
    F = check_matrix("lu_unpack", LU_data)
    check_devices("lu_unpack", (LU_data, LU_pivots))
    if LU_pivots._dtype is not dtypes.int32:
        raise OpError(f"lu_unpack: expected int32 pivots, got {LU_pivots._dtype}; LU_pivots is "
                      "expected to be a contiguous tensor of torch.int32", op="lu_unpack",
)  # fmt: skip
    P = L = U = F.zeros((0,), LU_data._dtype)
    rows, columns = LU_data._h.shape[-2:]
    size = min(rows, columns)
    if unpack_pivots:
        P = _permutation(F, ROWS["lu_order"].call(LU_pivots, rows), LU_data._dtype)
    if unpack_data:
        one = F.index(eye(F, max(rows, size), LU_data._dtype), (slice(None), slice(0, size)))
        L = F.add(F.tril(F.index(LU_data, (..., slice(0, size))), -1), one)
        U = F.triu(F.index(LU_data, (..., slice(0, size), slice(None))), 0)
    return finish_all("lu_unpack", types.lu_unpack, (P, L, U), out)


@function(dtypes=TYPES, samples=lambda t: [(t(3, 2), t.spd(3)), (t(3, 2), t.spd(3), False, True)])
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False,
    unitriangular: bool = False, *, out: Any = None,
) -> Any:  # fmt: skip
    """``X`` with ``A @ X = b`` and a copy of ``A``; see ``linalg.solve_triangular``."""
    F = check_square("triangular_solve", A)
    check_matrix("triangular_solve", A, b)
    part = F.triu(A, 0) if upper else F.tril(A, 0)
    found = F.solve_triangular(
        matrix_transpose(F, part) if transpose else part, b, upper != transpose, unitriangular
    )
    batch = (*found._h.shape[:-2], *A._h.shape[-2:])
    copy = F.clone(F.expand(A, batch))
    return finish_all("triangular_solve", types.triangular_solve, (found, copy), out)

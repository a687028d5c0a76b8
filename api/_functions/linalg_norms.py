"""``tensorplug.linalg``: norms of vectors and matrices, and condition numbers."""

from __future__ import annotations

import math
from typing import Any

from .._arguments import wrap_dims
from ..autograd import slow
from ..autograd.errors import OpError, OpIndexError, OpTypeError
from ..autograd.kernels import tensor_kernels
from ..autograd.ops.linalg import LinAlgError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType
from .decompositions import singular_values
from .linalg import TYPES, check_matrix, check_square, inverse_of
from .products import finish

__all__: list[str] = []


def _typed(name: str, x: Any, dtype: DType | None) -> Tensor:
    """The tensor in the type to compute in.

    Raises:
        RuntimeError: it holds whole numbers, or ``dtype`` would lose something.
    """
    if type(x) is not Tensor:
        raise OpTypeError(f"{name}: expected a tensor, got {type(x).__name__}", op=name)
    if not x._dtype.is_inexact:
        raise OpError(
            f"{name}: expected a floating point or complex tensor as input, got {x._dtype}; "
            "convert it with .to(tp.float32)",
            op=name,
        )
    if dtype is None:
        return x
    narrows = slow.result_type(x._dtype, dtype) is not dtype
    if not dtype.is_inexact or dtype.is_complex != x._dtype.is_complex or narrows:
        raise OpError(
            f"{name}: expected a dtype that {x._dtype} can be converted to without loss, got "
            f"{dtype}; the dtype of the input should be convertible without narrowing",
            op=name,
        )
    return slow.cast(x, dtype)


def _vector_norm(name: str, x: Tensor, ord: float, dim: Any, keepdim: bool) -> Tensor:
    shape = tuple(x._h.shape)
    dims = None if dim is None else (wrap_dims(name, dim, len(shape)) or None)
    reduced = range(len(shape)) if dims is None else dims
    if (ord < 0 or ord == math.inf) and any(shape[d] == 0 for d in reduced if shape):
        raise OpError(
            f"{name}: expected elements to take the {ord} norm of, got shape {shape} and dim "
            f"{dim}; this norm has no identity, so that it cannot be computed over an empty "
            "dimension",
            op=name,
        )
    dims = dims if dims is None or shape else None
    return ROWS["p_norm"].call(x, ord, None if dims is None else tuple(sorted(dims)), keepdim)


@function(namespace="linalg", dtypes="float complex",
          samples=lambda t: [(t(3),), (t(2, 3), 3), (t(2, 3), float("inf"), 1),
                             (t(2, 3, 2), 1, (0, -1), True), (t(2, 3), 0, 0), (t(),)])  # fmt: skip
def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *,
    dtype: DType | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The ``ord``-norm of all elements, or of vectors that lie along ``dim``.

    Args:
        x: any shape; complex numbers count by their size.
        ord: any number, inf and -inf; 0 counts what is not zero.
        dim: a dimension or several, whose elements are one vector; None for all.
        keepdim: keep reduced dimensions at size 1.
        dtype: type to convert to first.
    """
    name = "linalg.vector_norm"
    x = _typed(name, x, dtype)
    if type(ord) not in (int, float):
        raise OpError(f"{name}: expected a real number as ord, got {ord!r}", op=name)
    return finish(name, _vector_norm(name, x, float(ord), dim, keepdim), out)


def _spectral_norm(
    name: str, A: Tensor, ord: Any, first: int, second: int, keepdim: bool
) -> Tensor:
    """A norm made from the singular values of the matrices along two dimensions."""
    F, rank = tensor_kernels(A._device), len(A._h.shape)
    order = (*[d for d in range(rank) if d not in (first, second)], first, second)
    values = singular_values(name, F.permute(A, order))
    empty = not values._h.shape[-1]
    if empty and ord == -2:
        raise _empty(name, ord, A)
    last = (rank - 2,)
    found = (
        F.sum(values, last, False) if ord == "nuc" or empty
        else F.amax(values, last, False) if ord == 2 else F.amin(values, last, False)
    )  # fmt: skip
    if not keepdim:
        return found
    kept = tuple(1 if d in (first, second) else n for d, n in enumerate(A._h.shape))
    return F.reshape(found, kept)


def _matrix_norm(name: str, A: Tensor, ord: Any, dim: Any, keepdim: bool) -> Tensor:
    rank = len(A._h.shape)
    if not isinstance(dim, (tuple, list)) or len(dim) != 2 or rank < 2:
        raise OpError(
            f"{name}: expected two dims of a tensor of 2 or more dimensions, got {dim} and shape "
            f"{tuple(A._h.shape)}; dim must be a 2-tuple, the input tensor A at least 2-D",
            op=name,
        )
    first, second = wrap_dims(name, dim, rank)
    if ord == "fro":
        return _vector_norm(name, A, 2.0, (first, second), keepdim)
    if ord in ("nuc", 2, -2):
        return _spectral_norm(name, A, ord, first, second, keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise OpError(
            f"{name}: expected ord 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}; Order "
            f"{ord} not supported",
            op=name,
        )
    summed, best = (first, second) if abs(ord) == 1 else (second, first)
    F, empty = tensor_kernels(A._device), not A._h.shape[best]
    if empty and ord < 0:
        raise _empty(name, ord, A)
    sums = F.sum(F.abs(A), (summed,), True)
    if empty:
        found = F.sum(sums, (best,), True)
    else:
        found = F.amax(sums, (best,), True) if ord > 0 else F.amin(sums, (best,), True)
    return found if keepdim else F.sum(found, tuple(sorted((first, second))), False)


def _empty(name: str, ord: Any, A: Tensor) -> OpIndexError:
    return OpIndexError(
        f"{name}: expected elements to take the {ord} norm of, got shape {tuple(A._h.shape)}; it "
        "cannot be computed over an empty dimension",
        op=name,
    )


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [(t(2, 3),), (t(2, 3), "nuc"), (t(2, 2, 3), 2, (-2, -1), True),
                             (t(2, 3), 1), (t(2, 3), -float("inf"))])  # fmt: skip
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
    dtype: DType | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A norm of matrices that lie along two dimensions.

    Args:
        A: ``(..., m, n)``.
        ord: ``"fro"``, ``"nuc"``, 2 or -2 (largest, smallest singular value), 1 or -1 (of column
            sums), inf or -inf (of row sums).
        dim: the dimensions of the rows and of the columns.
        keepdim: keep reduced dimensions at size 1.
        dtype: type to convert to first.
    """
    name = "linalg.matrix_norm"
    return finish(name, _matrix_norm(name, _typed(name, A, dtype), ord, dim, keepdim), out)


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [(t(3),), (t(2, 3), "fro"), (t(2, 3), 3, 1), (t(2, 3), "nuc"),
                             (t(2, 3, 2),), (t(2, 3), 2, None, True)])  # fmt: skip
def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *,
    dtype: DType | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """:func:`vector_norm` or :func:`matrix_norm`, as ``ord`` and ``dim`` say.

    Without ``ord``: the 2-norm of all elements along ``dim``. With it: a vector norm for one dim
    or a 1-d tensor, a matrix norm for two dims or a 2-d tensor.
    """
    name = "linalg.norm"
    A = _typed(name, A, dtype)
    if isinstance(dim, int):
        dim = (dim,)
    if ord is None:
        return finish(name, _vector_norm(name, A, 2.0, dim, keepdim), out)
    rank = len(A._h.shape)
    if (dim is not None and len(dim) not in (1, 2)) or (dim is None and rank not in (1, 2)):
        raise OpError(
            f"{name}: expected one or two dims when ord is given, got dim={dim} and a tensor of "
            f"{rank} dimensions; if ord is specified but dim is None, the input must be 1-D or 2-D",
            op=name,
        )
    count = rank if dim is None else len(dim)
    if count == 2:
        found = _matrix_norm(name, A, ord, (0, 1) if dim is None else dim, keepdim)
        return finish(name, found, out)
    if isinstance(ord, str):
        raise OpError(f"{name}: expected two dims for ord={ord!r}, got dim={dim}", op=name)
    return finish(name, _vector_norm(name, A, float(ord), dim, keepdim), out)


@function(namespace="linalg", dtypes=TYPES,
          samples=lambda t: [(t.spd(3),), (t.spd(3), 1), (t(2, 3), -2), (t.spd(3), "fro")],
)  # fmt: skip
def cond(A: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number: ``norm(A, p) * norm(inv(A), p)``; inf for a singular matrix.

    Args:
        A: ``(..., n, n)``, or ``(..., m, n)`` when ``p`` is None, 2 or -2.
        p: as ``ord`` of :func:`matrix_norm`; None is 2.
    """
    name = "linalg.cond"
    if p in (None, 2, -2):
        F = check_matrix(name, A)
        if 0 in A._h.shape[-2:]:
            return finish(name, F.zeros(tuple(A._h.shape[:-2]), A._dtype.to_real()), out)
        values = singular_values(name, A)
        first, last = F.index(values, (..., 0)), F.index(values, (..., -1))
        return finish(name, F.div(last, first) if p == -2 else F.div(first, last), out)
    F = check_square(name, A)
    size = _matrix_norm(name, A, p, (-2, -1), False) if A._h.shape[-1] else None
    if size is None:
        return finish(name, F.zeros(tuple(A._h.shape[:-2]), A._dtype.to_real()), out)
    try:
        inverse = inverse_of(name, A)
    except LinAlgError:
        inverse = ROWS["where"].call(
            F.reshape(F.eq(F.abs(F.det(A)), 0), (*A._h.shape[:-2], 1, 1)), math.inf,
            F.pinv(A, 0.0, 0.0, False),
        )  # fmt: skip
    return finish(name, F.mul(size, _matrix_norm(name, inverse, p, (-2, -1), False)), out)

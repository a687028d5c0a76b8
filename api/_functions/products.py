"""Products of matrices and vectors."""

from __future__ import annotations

import math
from typing import Any

from .._arguments import wrap_dims
from ..autograd import slow
from ..autograd.errors import OpError, OpTypeError, check_devices
from ..autograd.inplace import write_out
from ..autograd.ops.products import MATMUL, mixed_types
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor

__all__ = ["check_ranks", "factors", "finish", "matrix_product", "outer", "same_batch", "tensordot"]

_matmul, _mul = MATMUL.call, ROWS["mul"].call
_permute, _sum, _conj = ROWS["permute"].call, ROWS["sum"].call, ROWS["conj"].call
_reshape = ROWS["reshape"].call


def finish(name: str, result: Tensor, out: Any) -> Tensor:
    """The result, in ``out`` if there is one."""
    return result if out is None else write_out(name, out, result)


def factors(name: str, *values: Any) -> None:
    """Refuse what is no tensor, and tensors of different types or devices.

    Raises:
        TypeError: one is no tensor.
        RuntimeError: types or devices differ.
    """
    for x in values:
        if type(x) is not Tensor:
            raise OpTypeError(f"{name}: expected tensors, got {type(x).__name__}", op=name)
    check_devices(name, values)
    for x in values[1:]:
        if x._dtype is not values[0]._dtype:
            raise mixed_types(name, values[0], x)


def check_ranks(name: str, ranks: tuple[int, ...], *values: Tensor) -> None:
    factors(name, *values)
    shapes = [tuple(x._h.shape) for x in values]
    if any(len(shape) != rank for shape, rank in zip(shapes, ranks, strict=True)):
        wanted = " and ".join(f"{rank}-D" for rank in ranks)
        got = " and ".join(map(str, shapes))
        raise OpError(f"{name}: expected {wanted} tensors, got shapes {got}", op=name)


def matrix_product(name: str, input: Tensor, other: Tensor, out: Any) -> Tensor:
    """``input @ other`` where the inner sizes are known to be the last and last but one."""
    x, y = tuple(input._h.shape), tuple(other._h.shape)
    inner = y[-2] if len(y) > 1 else y[0]
    if x[-1] != inner:
        raise OpError(
            f"{name}: expected the last size of the first factor, {x[-1]}, to match the rows of "
            f"the second, {inner}, got {x} and {y}; mat1 and mat2 shapes cannot be multiplied",
            op=name,
        )
    return finish(name, _matmul(input, other), out)


@function(dtypes="uint int float complex", ref="matmul",
          samples=lambda t: [(t(2, 3), t(3, 4)), (t(2, 0), t(0, 3)), (t(0, 2), t(2, 3))],
)  # fmt: skip
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices ``(n, m)`` and ``(m, p)``; see :func:`matmul` for batches.

    Raises:
        RuntimeError: a factor is no matrix, or sizes or types differ.

    Example:
        >>> tp.mm(tp.tensor([[1, 2]]), tp.tensor([[3], [4]]))
        tensor([[11]])
    """
    check_ranks("mm", (2, 2), input, mat2)
    return matrix_product("mm", input, mat2, out)


@function(dtypes="uint int float complex", ref="matmul",
          samples=lambda t: [(t(2, 3), t(3)), (t(2, 0), t(0)), (t(0, 2), t(2))])  # fmt: skip
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A matrix ``(n, m)`` times a vector ``(m,)``."""
    check_ranks("mv", (2, 1), input, vec)
    return matrix_product("mv", input, vec, out)


@function(dtypes="uint int float complex", ref="matmul",
          samples=lambda t: [(t(2, 3, 2), t(2, 2, 4)), (t(0, 2, 3), t(0, 3, 2))])  # fmt: skip
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Matrix products of two batches ``(b, n, m)`` and ``(b, m, p)`` of one size."""
    check_ranks("bmm", (3, 3), input, mat2)
    same_batch("bmm", input, mat2)
    return matrix_product("bmm", input, mat2, out)


def same_batch(name: str, x: Tensor, y: Tensor) -> None:
    if x._h.shape[0] != y._h.shape[0]:
        raise OpError(
            f"{name}: expected batches of one size, got {tuple(x._h.shape)} and "
            f"{tuple(y._h.shape)}; use matmul to broadcast",
            op=name,
        )


def _same_length(name: str, x: Tensor, y: Tensor) -> None:
    check_ranks(name, (1, 1), x, y)
    if x._h.shape != y._h.shape:
        raise OpError(
            f"{name}: expected vectors of one length, got {tuple(x._h.shape)} and "
            f"{tuple(y._h.shape)}; inconsistent tensor size",
            op=name,
        )


@function(dtypes="uint int float complex", ref="dot",
          samples=lambda t: [(t(3), t(3)), (t(0), t(0))])  # fmt: skip
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the products of two vectors' elements, without conjugation."""
    _same_length("dot", input, tensor)
    return finish("dot", _matmul(input, tensor), out)


@function(dtypes="uint int float complex", ref="vdot", samples=lambda t: [(t(3), t(3))])
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """As :func:`dot`, with the first vector conjugated."""
    _same_length("vdot", input, other)
    left = _conj(input) if input._dtype.is_complex else input
    return finish("vdot", _matmul(left, other), out)


@function(dtypes="bool uint int float complex", aliases=("ger",), ref="outer",
          samples=lambda t: [(t(3), t(2)), (t(0), t(2))])  # fmt: skip
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of an element of one vector and one of another, with promotion.

    Raises:
        RuntimeError: an argument is not 1-D.
    """
    for x in (input, vec2):
        if type(x) is not Tensor or len(x._h.shape) != 1:
            got = tuple(x._h.shape) if type(x) is Tensor else type(x).__name__
            raise OpError(f"outer: expected 1-D tensors, got {got}", op="outer")
    return finish("outer", _mul(_reshape(input, (input._h.shape[0], 1)), vec2), out)


@function(dtypes="uint int float complex", ref="inner",
          samples=lambda t: [(t(3), t(3)), (t(2, 3), t(4, 3)), (t(), t(2, 3)), (t(2, 2, 3), t(3))],
)  # fmt: skip
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sums of products along the last dimensions; with a 0-d tensor the plain product."""
    x, y = tuple(input._h.shape), tuple(other._h.shape)
    if not x or not y:
        return finish("inner", _mul(input, other), out)
    factors("inner", input, other)
    if x[-1] != y[-1]:
        raise OpError(f"inner: expected last dimensions of one size, got {x} and {y}", op="inner")
    return finish("inner", tensordot(input, other, ([-1], [-1])), out)


# --- over any dimensions -------------------------------------------------------------------------


def _tensordot_dims(x: Tensor, y: Tensor, dims: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    ranks = len(x._h.shape), len(y._h.shape)
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, (tuple, list)):
        first, second = dims if len(dims) == 2 else (list(dims), list(dims))
        first = [first] if isinstance(first, int) else list(first)
        second = [second] if isinstance(second, int) else list(second)
    else:
        if not 0 <= dims <= min(ranks):
            raise OpError(
                f"tensordot: expected 0 to {min(ranks)} dims for tensors of {ranks[0]} and "
                f"{ranks[1]} dimensions, got {dims}",
                op="tensordot",
            )
        first, second = list(range(ranks[0] - dims, ranks[0])), list(range(dims))
    if len(first) != len(second):
        raise OpError(
            f"tensordot: expected as many dims of each tensor, got {first} and {second}; both "
            "dimension lists should have same length",
            op="tensordot",
        )
    return (wrap_dims("tensordot", first, ranks[0]) if first else (),
            wrap_dims("tensordot", second, ranks[1]) if second else ())  # fmt: skip


@function(method=False, dtypes="uint int float complex",
          ref=lambda np, x, y, dims=2: np.tensordot(x, y, dims),
          samples=lambda t: [(t(2, 3, 4), t(3, 4, 2)), (t(2, 3), t(2, 4), ([0], [0])),
                             (t(2, 3), t(4), 0), (t(2, 3, 4), t(4, 3), ([2, 1], [0, 1]))],
)  # fmt: skip
def tensordot(
    a: Tensor, b: Tensor, dims: Any = 2, out: Tensor | None = None, *, axes: Any = None
) -> Tensor:
    """Sums of products over dimensions of both tensors.

    Args:
        a, b: tensors of one type.
        dims: how many last dimensions of ``a`` go with the first ones of ``b``, or two lists.
        axes: NumPy's name for ``dims``.

    Differs from torch: there is ``axes``.

    Raises:
        RuntimeError: sizes or types differ.
    """
    factors("tensordot", a, b)
    first, second = _tensordot_dims(a, b, dims if axes is None else axes)
    for i, j in zip(first, second, strict=True):
        m, n = a._h.shape[i], b._h.shape[j]
        if m != n and 1 in (m, n):
            dtype = a._dtype  # sums of whole numbers are int64
            if n == 1:
                a = slow.cast(_sum(a, (i,), True), dtype)
            else:
                b = slow.cast(_sum(b, (j,), True), dtype)
        elif m != n:
            raise OpError(
                f"tensordot: expected contracted dimensions of one size, got {m} (dimension {i}) "
                f"and {n} (dimension {j})",
                op="tensordot",
            )
    free = [i for i in range(len(a._h.shape)) if i not in first]
    rest = [j for j in range(len(b._h.shape)) if j not in second]
    rows, columns = [a._h.shape[i] for i in free], [b._h.shape[j] for j in rest]
    inner = math.prod(a._h.shape[i] for i in first)
    left = _reshape(_permute(a, (*free, *first)), (math.prod(rows), inner))
    right = _reshape(_permute(b, (*second, *rest)), (inner, math.prod(columns)))
    return finish("tensordot", _reshape(_matmul(left, right), (*rows, *columns)), out)


@function(dtypes="uint int float complex", ref="kron",
          samples=lambda t: [(t(2, 3), t(3, 2)), (t(2), t(2, 3)), (t(), t(2))])  # fmt: skip
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: ``other`` times each element of ``input``, as blocks."""
    x, y = tuple(input._h.shape), tuple(other._h.shape)
    rank = max(len(x), len(y))
    x, y = (1,) * (rank - len(x)) + x, (1,) * (rank - len(y)) + y
    left = _reshape(input, tuple(n for size in x for n in (size, 1)))
    right = _reshape(other, tuple(n for size in y for n in (1, size)))
    whole = tuple(m * n for m, n in zip(x, y, strict=True))
    return finish("kron", _reshape(_mul(left, right), whole), out)


# --- distances -----------------------------------------------------------------------------------

_MODES = (
    "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)  # fmt: skip


@function(method=False, row="cdist",
          samples=lambda t: [(t(2, 3), t(4, 3)), (t(2, 2, 3), t(4, 3), 1.0),
                             (t(2, 3), t(4, 3), 3.5), (t(2, 3), t(4, 3), float("inf"))],
)  # fmt: skip
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = _MODES[0]) -> Tensor:
    """The ``p``-norm distances between the rows of two batches of matrices.

    Args:
        x1: ``(..., n, d)``.
        x2: ``(..., m, d)``; batch dimensions are broadcast.
        p: 0 or more, or inf.
        compute_mode: whether Euclidean distances may come from a matrix product, which is faster
            and less exact: as in PyTorch, by default where a side has more than 25 rows.

    Raises:
        RuntimeError: shapes do not fit, or ``p`` is negative.
    """
    factors("cdist", x1, x2)
    x, y = tuple(x1._h.shape), tuple(x2._h.shape)
    if len(x) < 2 or len(y) < 2 or x[-1] != y[-1]:
        raise OpError(
            f"cdist: expected shapes (..., n, d) and (..., m, d), got {x} and {y}", op="cdist"
        )
    if p < 0 or compute_mode not in _MODES:
        raise OpError(
            f"cdist: expected p >= 0 and a mode among {_MODES}, got {p} and {compute_mode!r}",
            op="cdist",
        )
    many = compute_mode == _MODES[1] or (compute_mode == _MODES[0] and max(x[-2], y[-2]) > 25)
    return ROWS["cdist"].call(x1, x2, float(p), p == 2 and many)

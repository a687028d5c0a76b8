"""Products of matrices and vectors, scaled and added to something."""

from __future__ import annotations

from typing import Any

from .._arguments import number_of
from ..autograd import slow
from ..autograd.errors import OpError, wrong_dtype
from ..autograd.ops.products import MATMUL
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends import dtypes
from .products import bmm, check_ranks, factors, finish, matrix_product, outer, same_batch

__all__: list[str] = []

_matmul, _mul, _add = MATMUL.call, ROWS["mul"].call, ROWS["add"].call
_permute, _reshape = ROWS["permute"].call, ROWS["reshape"].call


def _scale(x: Tensor, factor: Any) -> Tensor:
    return x if factor == 1 else _mul(x, factor)


def _combine(name: str, input: Tensor, product: Tensor, beta: Any, alpha: Any, out: Any) -> Tensor:
    """``beta * input + alpha * product``; a ``beta`` of 0 drops ``input``, nan and all."""
    factors(name, input, product)
    if product._dtype.kind == "bool":
        raise wrong_dtype(MATMUL, product._dtype)
    beta, alpha = number_of(beta), number_of(alpha)
    if not product._dtype.is_inexact:  # whole numbers take whole factors, cut if need be
        beta, alpha = int(beta.real), int(alpha.real)
    result = _scale(product, alpha)
    shape = tuple(result._h.shape)
    own = tuple(input._h.shape)
    if len(own) > len(shape) or any(
        a not in (1, b) for a, b in zip(own[::-1], shape[::-1], strict=False)
    ):
        raise OpError(
            f"{name}: expected an input that expands to {shape}, got {own}; the expanded size of "
            "the tensor must match",
            op=name,
        )
    if beta != 0:
        result = _add(_scale(input, beta), result)
    return finish(name, result, out)


_Number = float | int | complex


def _is_half(x: Any) -> bool:
    return type(x) is Tensor and x._dtype.is_inexact and x._dtype.itemsize == 2


def _in_float32(call: Any, values: tuple[Tensor, ...], beta: Any, alpha: Any, out: Any) -> Tensor:
    """A combination of half types, rounded once."""
    dtype = slow.result_type(*values)
    result = call(*(slow.cast(x, dtypes.float32) for x in values), beta=beta, alpha=alpha)
    return finish(call.__name__, slow.cast(result, dtype), out)


@function(inplace=True, dtypes="uint int float complex",
          ref=lambda np, x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
          samples=lambda t: [(t(2, 4), t(2, 3), t(3, 4)), (t(4), t(2, 3), t(3, 4)),
                             (t(2, 2), t(2, 0), t(0, 2), {"beta": 2, "alpha": 3})])  # fmt: skip
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: _Number = 1, alpha: _Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``beta * input + alpha * (mat1 @ mat2)``; ``input`` is broadcast to the product."""
    if _is_half(mat1) and input._dtype is mat1._dtype:
        return _in_float32(addmm, (input, mat1, mat2), beta, alpha, out)
    check_ranks("addmm", (2, 2), mat1, mat2)
    return _combine("addmm", input, matrix_product("addmm", mat1, mat2, None), beta, alpha, out)


@function(inplace=True, dtypes="uint int float complex",
          ref=lambda np, x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
          samples=lambda t: [(t(2), t(2, 3), t(3)), (t(), t(2, 3), t(3)),
                             (t(2), t(2, 3), t(3), {"beta": 2, "alpha": 3})])  # fmt: skip
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: _Number = 1, alpha: _Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``beta * input + alpha * (mat @ vec)``."""
    if _is_half(mat) and input._dtype is mat._dtype:
        return _in_float32(addmv, (input, mat, vec), beta, alpha, out)
    check_ranks("addmv", (2, 1), mat, vec)
    return _combine("addmv", input, matrix_product("addmv", mat, vec, None), beta, alpha, out)


@function(inplace=True, dtypes="uint int float complex",
          ref=lambda np, x, a, b, beta=1, alpha=1: beta * x + alpha * np.outer(a, b),
          samples=lambda t: [(t(2, 3), t(2), t(3)), (t(3), t(2), t(3), {"beta": 2, "alpha": 3})],
)  # fmt: skip
def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: _Number = 1, alpha: _Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``beta * input + alpha * outer(vec1, vec2)``; types are promoted."""
    if _is_half(vec1) and input._dtype is vec1._dtype:
        return _in_float32(addr, (input, vec1, vec2), beta, alpha, out)
    product = outer(vec1, vec2)
    dtype = slow.result_type(input, product)
    for what, factor in (("beta", number_of(beta)), ("alpha", number_of(alpha))):
        if not dtype.is_inexact and not isinstance(factor, int):
            raise OpError(
                f"addr: expected {what} to be an integer for {dtype} tensors, got {factor!r}; for "
                f"integral input tensors, argument {what} must not be a floating point number",
                op="addr",
            )
    input, product = slow.cast(input, dtype), slow.cast(product, dtype)
    if dtype.kind == "bool":
        both = ROWS["logical_and"].call(product, bool(alpha))
        return finish("addr", ROWS["logical_or"].call(input, both) if beta else both, out)
    return _combine("addr", input, product, beta, alpha, out)


@function(inplace=True, dtypes="uint int float complex",
          ref=lambda np, x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
          samples=lambda t: [(t(2, 2, 4), t(2, 2, 3), t(2, 3, 4)),
                             (t(4), t(2, 2, 3), t(2, 3, 4), {"beta": 2, "alpha": 3})])  # fmt: skip
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: _Number = 1, alpha: _Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``beta * input + alpha * bmm(batch1, batch2)``."""
    if _is_half(batch1) and input._dtype is batch1._dtype:
        return _in_float32(baddbmm, (input, batch1, batch2), beta, alpha, out)
    product = bmm(batch1, batch2)
    return _combine("baddbmm", input, product, beta, alpha, out)


@function(inplace=True, dtypes="uint int float complex",
          ref=lambda np, x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b).sum(0),
          samples=lambda t: [(t(2, 4), t(2, 2, 3), t(2, 3, 4)),
                             (t(4), t(2, 2, 3), t(2, 3, 4), {"beta": 2, "alpha": 3})])  # fmt: skip
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: _Number = 1, alpha: _Number = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``beta * input + alpha * sum of batch1[i] @ batch2[i]``."""
    if _is_half(batch1) and input._dtype is batch1._dtype:
        return _in_float32(addbmm, (input, batch1, batch2), beta, alpha, out)
    check_ranks("addbmm", (3, 3), batch1, batch2)
    same_batch("addbmm", batch1, batch2)
    count, rows, inner = batch1._h.shape
    if batch2._h.shape[1] != inner:
        return matrix_product("addbmm", batch1, batch2, None)  # says what does not fit
    side = _reshape(_permute(batch1, (1, 0, 2)), (rows, count * inner))
    product = _matmul(side, _reshape(batch2, (count * inner, batch2._h.shape[2])))
    return _combine("addbmm", input, product, beta, alpha, out)

"""Rows of products of matrices and vectors, and of distances between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import slow
from ..errors import OpError, OpTypeError, check_devices, recover, wrong_dtype
from ..families import GENERIC, Family
from ..inplace import write_out
from ..kinds import FLOATING, NO_BOOL
from ..modes import GRAD_MODE
from ..record import record_two
from ..registry import Row, op
from ..tensor import Tensor, _new
from .composed import composed

__all__ = [
    "MATMUL",
    "OPERATOR",
    "adjoint",
    "as_column",
    "as_row",
    "matrix_transpose",
    "mixed_types",
]

grad_mode = GRAD_MODE.get


def matrix_transpose(F: Any, x: Any) -> Any:
    """The last two dimensions exchanged."""
    rank = len(x.shape)
    return F.permute(x, (*range(rank - 2), rank - 1, rank - 2))


def adjoint(F: Any, x: Any) -> Any:
    """The conjugate transpose of matrices."""
    return matrix_transpose(F, F.conj(x) if F.dtype_of(x).is_complex else x)


def as_column(F: Any, x: Any) -> Any:
    """Vectors as matrices of one column."""
    return F.reshape(x, (*x.shape, 1))


def as_row(F: Any, x: Any) -> Any:
    """Vectors as matrices of one row."""
    return F.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


# --- matmul --------------------------------------------------------------------------------------


def mixed_types(name: str, x: Tensor, y: Tensor) -> OpError:
    """The error for factors of different types, which no product promotes."""
    return OpError(
        f"{name}: expected both factors to have the same dtype, got {x._dtype} and {y._dtype}; "
        f"convert one with .to(tp.{y._dtype.name})",
        op=name,
    )


def _other_arguments(row: Row, input: Any, other: Any, out: Any, promote: bool = False) -> Any:
    """Everything but two tensors of one type on one device."""
    for value in (input, other):
        if slow.number(value):
            raise OpTypeError(
                f"{row.name}: expected two tensors, got the number {value!r}; use * to scale",
                op=row.name,
            )
    device = getattr(input, "_device", None) or getattr(other, "_device", None)
    x, y = slow.operand(row, input, device), slow.operand(row, other, device)
    check_devices(row.name, (x, y))
    if promote:
        dtype = slow.result_type(x, y)
        x, y = slow.cast(x, dtype), slow.cast(y, dtype)
    if x._dtype is not y._dtype:
        raise mixed_types(row.name, x, y)
    if x._dtype not in row.dtypes:
        raise wrong_dtype(row, x._dtype)
    result = row.call(x, y)
    return result if out is None else write_out(row.name, out, result)


def _matmul_path(row: Row, promote: bool = False) -> Callable[..., Any]:
    kernels, exact, row_ = row.kernels, row.dtypes, row

    def call(input: Any, other: Any, *, out: Any = None) -> Any:
        if (
            type(input) is not Tensor
            or type(other) is not Tensor
            or input._dtype is not other._dtype
            or input._device is not other._device
            or out is not None
        ):
            return _other_arguments(row_, input, other, out, promote)
        dtype = exact.get(input._dtype)
        if dtype is None:
            raise wrong_dtype(row_, input._dtype)
        device = input._device
        kernel = kernels[device]
        try:
            handle = kernel(input._h, other._h)
        except Exception as error:
            handle = recover(row_, error, (input, other), kernel, (input._h, other._h))
        result = _new(Tensor)
        result._h = handle
        result._dtype = dtype
        result._device = device
        result._node = result._writes = result._view = result._grad = result._extra = None
        result._track = False
        if (input._track or other._track) and dtype.is_inexact and grad_mode():
            record_two(row_, result, input, other)
        return result

    return call


class _MatmulFamily(Family):
    """``matmul`` alone: a binary op whose shapes follow a rule of their own."""

    def explain(self, row: Row, args: tuple[Any, ...]) -> str | None:
        """Which sizes do not fit together."""
        x, y = (tuple(arg._h.shape) for arg in args)
        if not x or not y:
            return (
                f"expected factors of at least 1 dimension, got shapes {x} and {y}; both arguments "
                "to matmul need to be at least 1D: use * to scale"
            )
        inner = y[-2] if len(y) > 1 else y[0]
        if x[-1] != inner:
            return (
                f"expected the last size of the first factor, {x[-1]}, to match the rows of the "
                f"second, {inner}, got {x} and {y}; mat1 and mat2 shapes cannot be multiplied"
            )
        return (
            f"expected batch dimensions that broadcast, got {x[:-2]} and {y[:-2]} of {x} and {y}; "
            "the sizes must match or be 1"
        )


_MATMUL_FAMILY = _MatmulFamily("MATMUL", inputs=("x", "y"), dtype=NO_BOOL, path=_matmul_path)


def _conj(F: Any, x: Any) -> Any:
    return F.conj(x) if F.dtype_of(x).is_complex else x


def _left(F: Any, g: Any, y: Any, x_shape: Any) -> Any:
    """The gradient of ``x`` in ``x @ y``; what was broadcast is summed by the engine."""
    y = _conj(F, y)
    if len(y.shape) == 1:
        return as_column(F, g) * y if g.shape else g * y
    if len(x_shape) == 1:
        found = F.matmul(y, as_column(F, g))
        return F.reshape(found, found.shape[:-1])
    return F.matmul(g, matrix_transpose(F, y))


def _right(F: Any, g: Any, x: Any, y_shape: Any) -> Any:
    """The gradient of ``y`` in ``x @ y``."""
    x = _conj(F, x)
    if len(x.shape) == 1:
        return g * x if len(y_shape) == 1 else as_column(F, x) * as_row(F, g)
    if len(y_shape) == 1:
        found = F.matmul(as_row(F, g) if g.shape else g, x)
        return F.reshape(found, (*found.shape[:-2], found.shape[-1]))
    if len(y_shape) == 2 < len(x.shape):  # one product instead of one per matrix and their sum
        x, g = (F.reshape(z, (math.prod(z.shape[:-1]), z.shape[-1])) for z in (x, g))
    return F.matmul(matrix_transpose(F, x), g)


MATMUL = op(
    "matmul", _MATMUL_FAMILY, grad={"x": _left, "y": _right}, ref="matmul",
    samples=lambda t: [
        (t(2, 3), t(3, 4)), (t(3), t(3)), (t(3), t(3, 2)), (t(2, 3), t(3)), (t(2, 2, 3), t(3, 2)),
        (t(2, 1, 2, 3), t(4, 3, 1)), (t(3), t(2, 3, 2)), (t(2, 2, 3), t(3)), (t(2, 0), t(0, 3)),
        (t.noncontig(2, 3), t.noncontig(3, 2)),
    ],
)  # fmt: skip

OPERATOR = _matmul_path(MATMUL, promote=True)
"""``x @ y``: as the array API's ``matmul``, which promotes types where PyTorch's refuses them."""

# --- distances -----------------------------------------------------------------------------------


def _differences(F: Any, x: Any, y: Any) -> Any:
    x = F.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))
    y = F.reshape(y, (*y.shape[:-2], 1, *y.shape[-2:]))
    return x - y


def _squares(F: Any, x: Any) -> Any:
    return F.sum(x * x, (len(x.shape) - 1,), True)


def _cdist(F: Any, x: Any, y: Any, p: float, by_product: bool) -> Any:
    if by_product:
        # |x|^2 + |y|^2 - 2 x y as one product, rounded as one.
        last, one = len(x.shape) - 1, F.full((1,), 1, F.dtype_of(x))
        ones = [F.expand(one, (*z.shape[:-1], 1)) for z in (x, y)]
        left = F.concat([x * -2, _squares(F, x), ones[0]], last)
        right = F.concat([y, ones[1], _squares(F, y)], len(y.shape) - 1)
        square = F.matmul(left, matrix_transpose(F, right))
        return F.sqrt(F.where(square < 0, 0, square))
    away = _differences(F, x, y)
    return F.p_norm(away, p, (len(away.shape) - 1,), False)


def _cdist_grad(F: Any, g: Any, x: Any, y: Any, out: Any, p: float, by_product: bool) -> Any:
    """The gradients of both; 0 between equal points, where the distance has a kink."""
    if p != 2:
        return F.cdist_back(g, x, y, p)
    zero = out == 0
    ratio = F.where(zero, 0, g / F.where(zero, 1, out))
    turned = matrix_transpose(F, ratio)
    last = (len(ratio.shape) - 1,)
    to_x = x * F.sum(ratio, last, True) - F.matmul(ratio, y)
    return to_x, y * F.sum(turned, last, True) - F.matmul(turned, x)


def _cdist_back(F: Any, g: Any, x: Any, y: Any, p: float) -> tuple[Any, Any]:
    away = _differences(F, x, y)
    rank = len(away.shape)
    out = F.p_norm(away, p, (rank - 1,), True)
    g, zero = as_column(F, g), out == 0
    if p == 1:
        part = F.sgn(away) * g
    elif p == 0:
        part = away * 0
    elif math.isinf(p):
        size = F.abs(away)
        hits = F.cast(size == out, F.dtype_of(g))
        part = F.sgn(away) * (hits * (g / F.sum(hits, (rank - 1,), True)))
        part = F.where(zero, 0, part)
    else:
        size, safe = F.abs(away), F.where(zero, 1, out)
        none = size == 0
        power = F.where(none, 0, F.where(none, 1, size) ** (p - 1))
        part = F.sgn(away) * (power * F.where(zero, 0, g / safe ** (p - 1)))
    return F.sum(part, (rank - 2,), False), -F.sum(part, (rank - 3,), False)


op("cdist", GENERIC, inputs=("x", "y"), attrs=("p", "by_product"), xp=None, dtype=FLOATING,
   public=False, generic=_cdist, grad={("x", "y"): _cdist_grad})  # fmt: skip
composed("cdist_back", _cdist_back, ("g", "x", "y"), ("p",), outputs=("to_x", "to_y"))

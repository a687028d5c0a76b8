"""Rows that choose between elements: where, maximum, clamp, relu; and rounding, signs, repairs."""

from __future__ import annotations

import math
from typing import Any

from ...backends.dtypes import bool_
from .. import slow
from ..errors import OpError, check_devices, recover
from ..families import BINARY, GENERIC, TERNARY, UNARY
from ..kinds import COMPLEX_TO_FLOAT, DEFAULT, FLOATING, NO_BOOL, NO_COMPLEX, NUMERIC_REAL
from ..modes import GRAD_MODE
from ..record import record
from ..registry import ROWS, op
from ..tensor import Tensor, make
from .elementwise import drop, is_array

__all__ = ["WHERE", "where"]

grad_mode = GRAD_MODE.get

# --- where ------------------------------


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """The row's core: ``input`` where ``condition`` holds, ``other`` elsewhere."""
    if (
        type(condition) is not Tensor
        or type(input) is not Tensor
        or type(other) is not Tensor
        or input._dtype is not other._dtype
        or condition._dtype is not bool_
        or not condition._device is input._device is other._device
    ):
        condition, input, other, dtype, device, raw = _mixed(condition, input, other)
    else:
        dtype, device = input._dtype, input._device
        raw = (condition._h, input._h, other._h)
    kernel = WHERE.kernels[device]
    try:
        handle = kernel(*raw)
    except Exception as error:
        handle = recover(WHERE, error, (condition, input, other), kernel, raw)
    result = make(handle, dtype, device)
    if dtype.is_inexact and grad_mode() and slow.tracked((input, other)):
        record(WHERE, result, (condition, input, other), ())
    return result


def _mixed(condition: Any, input: Any, other: Any) -> tuple[Any, ...]:
    """Everything but three tensors of fitting types: numbers and promotion."""
    device = next((x._device for x in (condition, input, other) if type(x) is Tensor), None)
    values = tuple(slow.operand(WHERE, x, device) for x in (condition, input, other))
    check_devices("where", values)
    condition = values[0] if type(values[0]) is Tensor else slow.as_tensor[0](values[0])
    device = condition._device
    if condition._dtype.kind == "uint" and condition._dtype.itemsize == 1:
        condition = slow.cast(condition, bool_)
    if condition._dtype is not bool_:
        raise OpError(
            f"where: expected condition to be a boolean tensor, got {condition._dtype}; compare "
            "first, or convert it with .to(tp.bool)",
            op="where",
        )
    dtype = slow.result_type(*values[1:])
    tensors = tuple(slow.cast(x, dtype) if type(x) is Tensor else x for x in values[1:])
    F = device.F
    raw = [x._h if type(x) is Tensor else F.scalar(x, dtype) for x in tensors]
    if not any(type(x) is Tensor for x in tensors):  # two numbers do not tell a library the type
        raw[0] = F.full((), tensors[0], dtype)
    return condition, *tensors, dtype, device, (condition._h, *raw)


WHERE = op("where", GENERIC, inputs=("condition", "x", "y"), call=where, public=False,
           grad={"x": lambda F, g, condition: F.where(condition, g, 0),
                 "y": lambda F, g, condition: F.where(condition, 0, g)})  # fmt: skip


def _fill(F: Any, x: Any, value: Any) -> Any:
    if is_array(value):
        return F.clone(F.expand(value, x.shape))
    return F.full(x.shape, value, F.dtype_of(x))


op("fill", GENERIC, inputs=("x", "value"), xp=None, public=False, generic=_fill,
   grad={"x": lambda F, g, x_shape, x_dtype: F.zeros(x_shape, x_dtype),
         "value": lambda F, g: F.sum(g, None, False)})  # fmt: skip

# --- the larger, the smaller ------------------------------


def _larger(F: Any, g: Any, mine: Any, its: Any) -> Any:
    """The share of the larger operand: all of it, or half where both are equal."""
    return drop(F, mine < its, F.where(mine == its, g / 2, g))


def _smaller(F: Any, g: Any, mine: Any, its: Any) -> Any:
    return drop(F, mine > its, F.where(mine == its, g / 2, g))


op("maximum", BINARY, dtype=NO_COMPLEX, ref="maximum",
   grad={"x": lambda F, g, x, y: _larger(F, g, x, y),
         "y": lambda F, g, x, y: _larger(F, g, y, x)})  # fmt: skip
op("minimum", BINARY, dtype=NO_COMPLEX, ref="minimum",
   grad={"x": lambda F, g, x, y: _smaller(F, g, x, y),
         "y": lambda F, g, x, y: _smaller(F, g, y, x)})  # fmt: skip


def _without_nan(name: str) -> Any:
    def compute(F: Any, x: Any, y: Any) -> Any:
        return F.where(F.isnan(x), y, F.where(F.isnan(y), x, getattr(F, name)(x, y)))

    return compute


def _nan(x: Any) -> Any:
    return x != x


op("fmax", BINARY, xp=None, dtype=NO_COMPLEX, generic=_without_nan("maximum"), ref="fmax",
   grad={"x": lambda F, g, x, y: F.where(F.logical_or(x >= y, _nan(y)), g, 0),
         "y": lambda F, g, x, y: F.where(F.logical_or(x >= y, _nan(y)), 0, g)})  # fmt: skip
op("fmin", BINARY, xp=None, dtype=NO_COMPLEX, generic=_without_nan("minimum"), ref="fmin",
   grad={"x": lambda F, g, x, y: F.where(F.logical_or(x <= y, _nan(y)), g, 0),
         "y": lambda F, g, x, y: F.where(F.logical_or(x <= y, _nan(y)), 0, g)})  # fmt: skip

op("clamp_min", BINARY, xp=None, dtype=NO_COMPLEX, generic=lambda F, x, y: F.maximum(x, y),
   grad={"x": lambda F, g, x, y: drop(F, x < y, g),
         "y": lambda F, g, x, y: F.where(x < y, g, 0)}, public=False)  # fmt: skip
op("clamp_max", BINARY, xp=None, dtype=NO_COMPLEX, generic=lambda F, x, y: F.minimum(x, y),
   grad={"x": lambda F, g, x, y: drop(F, x > y, g),
         "y": lambda F, g, x, y: F.where(x > y, g, 0)}, public=False)  # fmt: skip
op("clamp", TERNARY, xp=None, dtype=NO_COMPLEX, public=False,
   generic=lambda F, x, y, z: F.minimum(F.maximum(x, y), z),
   grad={"x": lambda F, g, x, y, z: drop(F, F.logical_or(x < y, x > z), g),
         "y": lambda F, g, x, y, z: F.where(F.logical_and(x < y, x * 0 + y < z), g, 0),
         "z": lambda F, g, x, y, z:
             F.where(F.logical_or(x > z, x * 0 + y > z), g, 0)})  # fmt: skip


op("relu", UNARY, xp=None, dtype=NUMERIC_REAL, generic=lambda F, x: F.where(x < 0, 0, x),
   grad=lambda F, g, out: F.relu_back(g, out))  # fmt: skip


def _heaviside(F: Any, x: Any, y: Any) -> Any:
    dtype = F.dtype_of(y)
    if dtype is bool_:
        return F.bitwise_or(x, y)
    return F.where(_nan(x), x, F.where(x == 0, y, F.cast(x > 0, dtype)))


op("heaviside", BINARY, xp=None, dtype=NO_COMPLEX, generic=_heaviside)

# --- rounding ------------------------------


def _flat(F: Any, g: Any, x_shape: Any, x_dtype: Any) -> Any:
    """The derivative of a step function."""
    return F.zeros(x_shape, x_dtype)


op("floor", UNARY, dtype=NUMERIC_REAL, grad=_flat, ref="floor")
op("ceil", UNARY, dtype=NUMERIC_REAL, grad=_flat, ref="ceil")
op("trunc", UNARY, dtype=NUMERIC_REAL, grad=_flat, aliases=("fix",), ref="trunc")
op("round", UNARY, dtype=NUMERIC_REAL, grad=_flat, public=False)
op("frac", UNARY, xp=None, dtype=FLOATING, generic=lambda F, x: x - F.trunc(x),
   grad=lambda F, g: g)  # fmt: skip

# --- signs ------------------------------


def _abs_grad(F: Any, g: Any, x: Any) -> Any:
    return g * F.sgn(x)


def _sgn(F: Any, x: Any) -> Any:
    if not F.dtype_of(x).is_complex:
        return F.sign(x)
    size = F.abs(x)
    zero = size == 0
    return F.where(zero, 0, x / F.where(zero, 1, size))


def _sgn_grad(F: Any, g: Any, x: Any, out: Any) -> Any:
    if not F.dtype_of(x).is_complex:
        return F.zeros(x.shape, F.dtype_of(x))
    size = F.abs(x)
    along = F.real(g * F.conj(out)) * out
    return drop(F, size == 0, (g - along) / F.where(size == 0, 1, size))


def _sign(F: Any, x: Any) -> Any:
    if F.dtype_of(x) is bool_:
        return F.clone(x)
    dtype = F.dtype_of(x)
    signs = F.cast(x > 0, dtype) - F.cast(x < 0, dtype)
    return signs if not dtype.is_inexact else F.where(_nan(x), 0, signs)


op("abs", UNARY, dtype=COMPLEX_TO_FLOAT, aliases=("absolute",), grad=_abs_grad, ref="abs")
op(
    "sign",
    UNARY,
    xp=None,
    dtype=NO_COMPLEX,
    generic=_sign,
    grad=_flat,
    ref=lambda np, x: np.where(x > 0, 1, np.where(x < 0, -1, 0)).astype(x.dtype),
)
op("sgn", UNARY, xp=None, dtype=DEFAULT, generic=_sgn, grad=_sgn_grad)


def _signum(F: Any, x: Any) -> Any:
    """The array API's sign: nan stays, and every zero, complex ones too, gives a positive one."""
    if F.dtype_of(x).is_complex:
        return F.where(x == 0, 0, F.sgn(x))
    return F.where(F.isnan(x), x, F.sign(x)) if F.dtype_of(x).is_inexact else F.sign(x)


op("signum", UNARY, xp=None, dtype=NO_BOOL, generic=_signum, grad=_sgn_grad, public=False)


def positive(input: Any) -> Tensor:
    """The tensor itself; bool is refused as by the other arithmetic."""
    if type(input) is Tensor and input._dtype is not bool_:
        return input
    return slow.unary(ROWS["positive"], input, None)


op(
    "positive",
    UNARY,
    dtype=NO_BOOL,
    inplace=False,
    grad=lambda F, g: g,
    ref="positive",
    call=positive,
)

# --- repairs ------------------------------


def _replaced(F: Any, x: Any, nan: Any, high: Any, low: Any) -> Any:
    x = F.where(_nan(x), nan, x)
    x = F.where(x == math.inf, high, x)
    return F.where(x == -math.inf, low, x)


op("nan_to_num", GENERIC, inputs=("x",), attrs=("nan", "high", "low"), xp=None, public=False,
   dtype=DEFAULT, generic=_replaced,
   grad=lambda F, g, x: F.where(F.isfinite(x), g, 0))  # fmt: skip

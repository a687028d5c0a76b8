"""Arithmetic with torch's extra arguments: ``alpha``, ``value``, ``rounding_mode``, bounds."""

from __future__ import annotations

from typing import Any

from ..autograd import inplace, slow
from ..autograd.errors import OpError, OpValueError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType, bfloat16, complex128, float16, float32, float64
from ._arguments import in_type, settle, tensor

__all__ = [
    "add", "addcdiv", "addcmul", "clamp", "div", "float_power", "ldexp", "lerp", "pow", "rsub",
    "sub", "true_divide",
]  # fmt: skip

_add, _sub, _mul, _div = (ROWS[name].call for name in ("add", "sub", "mul", "div"))
_pow = ROWS["pow"].call


def _pair(t: Any) -> list[Any]:
    return [(t(2, 3), t(2, 3)), (t(2, 3), t(3)), (t(2, 1), t(1, 3)), (t(), t(2)), (t(0, 2), t(2))]


def _scaled(name: str, input: Any, other: Any, alpha: Any) -> Any:
    """``alpha * other``, for a factor that the operands' common type can hold."""
    dtype = slow.result_type(input, other)
    if isinstance(alpha, bool) and dtype.kind != "bool":
        raise OpError(
            f"{name}: expected a bool alpha for bool tensors only, got alpha={alpha} for {dtype}; "
            "Boolean alpha only supported for Boolean results",
            op=name,
        )
    if not dtype.is_inexact and isinstance(alpha, (float, complex)):
        raise OpError(
            f"{name}: expected a whole alpha for {dtype}, got {alpha}; For integral input tensors, "
            "argument alpha must not be a floating point number",
            op=name,
        )
    if isinstance(alpha, complex) and not dtype.is_complex:
        raise OpError(
            f"{name}: expected a real alpha for {dtype}, got {alpha}; For non-complex input "
            "tensors, argument alpha must not be a complex number",
            op=name,
        )
    if type(other) is Tensor and other._dtype is not dtype:
        other = slow.cast(other, dtype)
    return _mul(other, alpha) if type(other) is Tensor else other * alpha


@function(row="add", inplace=True, ref="add", samples=lambda t: [*_pair(t), (t(2), 2),
          (t(2), t(2), {"alpha": 3})])  # fmt: skip
def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Tensor:
    """``input + alpha * other``, with broadcasting.

    Example:
        >>> tp.add(tp.tensor([1, 2]), 10)
        tensor([11, 12])
    """
    if alpha == 1 and out is None and alpha is not True:
        return _add(input, other)
    if alpha != 1 or alpha is True:
        other = _scaled("add", input, other, alpha)
    return _add(input, other, out=out)


@function(row="sub", inplace=True, aliases=("subtract",), ref="subtract",
          samples=lambda t: [*_pair(t), (t(2), 2), (t(2), t(2), {"alpha": 3})])  # fmt: skip
def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Tensor:
    """``input - alpha * other``, with broadcasting.

    Example:
        >>> tp.sub(tp.tensor([1, 2]), 1)
        tensor([0, 1])
    """
    if alpha == 1 and out is None:
        return _sub(input, other)
    if alpha != 1:
        other = _scaled("sub", input, other, alpha)
    return _sub(input, other, out=out)


@function(samples=lambda t: [(t(2), t(2)), (t(2), 2)], ref=lambda np, x, y: y - x)
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """``other - alpha * input``.

    Example:
        >>> tp.rsub(tp.tensor([1, 2]), 10)
        tensor([9, 8])
    """
    if alpha != 1:
        input = _scaled("rsub", other, input, alpha)
    return _sub(other, input)


_ROUNDING = {"trunc": "div_trunc", "floor": "floor_divide"}


@function(row="div", inplace=True, aliases=("divide",), domain=(0.5, 4),
          samples=lambda t: [*_pair(t), (t(2), 2)] + [
              (t(2), t(2), {"rounding_mode": mode}) for mode in ("floor", "trunc")
              if t.dtype.kind in ("uint", "int", "float")])  # fmt: skip
def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Tensor:
    """``input / other``; integers give floats, unless ``rounding_mode`` is "floor" or "trunc".

    Raises:
        RuntimeError: another rounding mode.

    Example:
        >>> tp.div(tp.tensor([7, -7]), 2, rounding_mode="trunc")
        tensor([ 3, -3])
    """
    if rounding_mode is None:
        return _div(input, other) if out is None else _div(input, other, out=out)
    if rounding_mode not in _ROUNDING:
        raise OpError(
            "div: expected rounding_mode to be one of None, 'trunc', or 'floor', "
            f"got {rounding_mode!r}",
            op="div",
        )
    return ROWS[_ROUNDING[rounding_mode]].call(input, other, out=out)


@function(inplace=True, domain=(0.5, 4), ref="true_divide", samples=_pair)
def true_divide(input: Any, other: Any, *, out: Any = None) -> Tensor:
    """``input / other``; integers give floats.

    Example:
        >>> tp.true_divide(tp.tensor([1, 2]), 2)
        tensor([0.5000, 1.0000])
    """
    return _div(input, other, out=out)


@function(row="pow", inplace=True, domain=(0.2, 3), ref="power",
          samples=lambda t: [*_pair(t), (t(2), 2), (t(2), 0.5), (t(2), 0), (2, t(2))])  # fmt: skip
def pow(input: Any, exponent: Any, *, out: Any = None) -> Tensor:
    """``input ** exponent``, with broadcasting; either may be a number.

    Raises:
        RuntimeError: integers to a negative Python number.

    Example:
        >>> tp.pow(tp.tensor([1, 2, 3]), 2)
        tensor([1, 4, 9])
    """
    if (
        type(exponent) is int
        and exponent < 0
        and type(input) is Tensor
        and input._dtype.kind in ("int", "uint")
    ):
        raise OpError(
            f"pow: expected an exponent of at least 0 for {input._dtype}, got {exponent}; Integers "
            "to negative integer powers are not allowed: convert the base to a float type",
            op="pow",
        )
    return _pow(input, exponent) if out is None else _pow(input, exponent, out=out)


@function(domain=(0.2, 3), samples=lambda t: [(t(2), t(2)), (t(2), 2)])
def float_power(input: Any, exponent: Any, *, out: Any = None) -> Tensor:
    """``input ** exponent`` in float64 or complex128.

    Example:
        >>> tp.float_power(tp.tensor([1, 2]), 2)
        tensor([1., 4.], dtype=tensorplug.float64)
    """
    dtype = _double(input, exponent)
    base, power = (slow.cast(x, dtype) if type(x) is Tensor else x for x in (input, exponent))
    return pow(base, power, out=out)


def _double(input: Any, exponent: Any) -> DType:
    return complex128 if slow.result_type(input, exponent).is_complex else float64


@function(name="float_power_", domain=(0.5, 2), dtypes="float64 complex128",
          samples=lambda t: [(t(2, 3), 2), (t(2), t(2))])  # fmt: skip
def float_power_(input: Tensor, exponent: Any) -> Tensor:
    """In-place version of :func:`float_power`, for float64 and complex128.

    Raises:
        RuntimeError: the tensor is of a narrower type than the result.

    Example:
        >>> tp.tensor([2.0], dtype=tp.float64).float_power_(3)
        tensor([8.], dtype=tensorplug.float64)
    """
    dtype = _double(input, exponent)
    if input._dtype is not dtype:
        raise OpError(
            f"float_power_: expected a tensor of type {dtype}, got {input._dtype}; the base given "
            f"to float_power_ has dtype {input._dtype.name} but the operation's result requires "
            f"dtype {dtype.name}",
            op="float_power_",
        )
    return inplace.apply("float_power_", input, float_power, (exponent,), {})


@function(inplace=True, samples=lambda t: [(t(2), t(2)), (t(2), t.int((2,), 0, 3))])
def ldexp(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """``input * 2 ** other``.

    Example:
        >>> tp.ldexp(tp.tensor([1.0]), tp.tensor([3]))
        tensor([8.])
    """
    return settle("ldexp", _mul(input, _pow(2.0, tensor("ldexp", other, "other"))), out)


# --- three operands ------------------------------------------------------------------------------


def _triple(t: Any) -> list[Any]:
    return [(t(2, 3), t(2, 3), t(2, 3)), (t(2, 3), t(3), t(2, 1), {"value": 2}), (t(), t(), t())]


@function(inplace=True, samples=_triple)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1,
            out: Any = None) -> Tensor:  # fmt: skip
    """``input + value * tensor1 * tensor2``, with broadcasting.

    Example:
        >>> tp.addcmul(tp.tensor([1.0]), tp.tensor([2.0]), tp.tensor([3.0]), value=2)
        tensor([13.])
    """
    dtype, (input, tensor1, tensor2) = _wide(input, tensor1, tensor2)
    product = _mul(tensor1, tensor2)
    if value != 1:
        product = _scaled("addcmul", input, product, value)
    return settle("addcmul", in_type(_add(input, product), dtype), out)


def _wide(*values: Any) -> tuple[DType | None, tuple[Any, ...]]:
    """Half precision operands as float32, with the type to go back to: rounded only once."""
    dtype = slow.result_type(*values)
    if dtype not in (float16, bfloat16):
        return None, values
    return dtype, tuple(slow.cast(x, float32) for x in values)


@function(inplace=True, samples=_triple, domain=(0.5, 4))
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1,
            out: Any = None) -> Tensor:  # fmt: skip
    """``input + value * tensor1 / tensor2``, with broadcasting.

    Raises:
        RuntimeError: both ``tensor1`` and ``tensor2`` are of a whole-number type.

    Example:
        >>> tp.addcdiv(tp.tensor([1.0]), tp.tensor([6.0]), tp.tensor([3.0]))
        tensor([3.])
    """
    if not (tensor1._dtype.is_inexact or tensor2._dtype.is_inexact):
        raise OpError(
            f"addcdiv: expected a floating-point or complex tensor1 or tensor2, got "
            f"{tensor1._dtype} and {tensor2._dtype}; Integer division with addcdiv is no longer "
            "supported: convert one of them",
            op="addcdiv",
        )
    dtype, (input, tensor1, tensor2) = _wide(input, tensor1, tensor2)
    scaled = tensor1 if value == 1 else _mul(tensor1, value)
    return settle("addcdiv", in_type(_add(input, _div(scaled, tensor2)), dtype), out)


@function(row="lerp", inplace=True, samples=lambda t: [(t(2, 3), t(2, 3), 0.3), (t(3), t(2, 3),
          t(2, 1)), (t(), t(2), 0.7)])  # fmt: skip
def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Any = None) -> Tensor:
    """``input + weight * (end - input)``; ``weight`` is a number or a tensor.

    Raises:
        RuntimeError: the types differ.

    Example:
        >>> tp.lerp(tp.tensor([0.0]), tp.tensor([10.0]), 0.2)
        tensor([2.])
    """
    input, end = tensor("lerp", input), tensor("lerp", end, "end")
    for name, value in (("end", end), ("weight", weight)):
        if type(value) is Tensor and value._dtype is not input._dtype:
            raise OpError(
                f"lerp: expected dtype {input._dtype} for `{name}`, got {value._dtype}; convert it "
                "with .to(dtype)",
                op="lerp",
            )
    dtype, (input, end) = _wide(input, end)
    weight = slow.cast(weight, float32) if dtype and type(weight) is Tensor else weight
    return settle("lerp", in_type(ROWS["lerp"].call(input, end, weight), dtype), out)


# --- bounds --------------------------------------------------------------------------------------


@function(row="clamp", inplace=True, aliases=("clip",),
          samples=lambda t: [(t(2, 3), -0.5, 0.5), (t(2, 3), None, t(3)), (t(2), t(2), t(2)),
                             (t(), 0)])  # fmt: skip
def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Any = None) -> Tensor:
    """Elements limited to between ``min`` and ``max``: numbers, tensors or None for no bound.

    Raises:
        ValueError: both bounds are None.

    Example:
        >>> tp.clamp(tp.tensor([-2.0, 0.5, 2.0]), -1, 1)
        tensor([-1.0000,  0.5000,  1.0000])
    """
    input = tensor("clamp", input)
    if min is None and max is None:
        raise OpValueError(
            "clamp: expected min, max or both, got neither; At least one of 'min' or 'max' must "
            "not be None",
            op="clamp",
        )
    if max is None:
        result = ROWS["clamp_min"].call(input, min)
    elif min is None:
        result = ROWS["clamp_max"].call(input, max)
    else:
        result = ROWS["clamp"].call(input, min, max)
    return settle("clamp", result, out)


@function(row="clamp_min", inplace=True, samples=lambda t: [(t(2, 3), 0.1), (t(2, 3), t(3))])
def clamp_min(input: Tensor, min: Any, *, out: Any = None) -> Tensor:
    """Elements that are at least ``min``.

    Example:
        >>> tp.clamp_min(tp.tensor([-1, 2]), 0)
        tensor([0, 2])
    """
    return ROWS["clamp_min"].call(input, min, out=out)


@function(row="clamp_max", inplace=True, samples=lambda t: [(t(2, 3), 0.1), (t(2, 3), t(3))])
def clamp_max(input: Tensor, max: Any, *, out: Any = None) -> Tensor:
    """Elements that are at most ``max``.

    Example:
        >>> tp.clamp_max(tp.tensor([-1, 2]), 0)
        tensor([-1,  0])
    """
    return ROWS["clamp_max"].call(input, max, out=out)

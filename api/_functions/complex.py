"""Complex numbers from their parts, and back."""

from __future__ import annotations

from typing import Any

from .._attach import METHODS
from ..autograd.errors import OpError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ._arguments import settle, tensor

__all__ = ["complex", "conj", "conj_physical", "imag", "polar", "real"]


def _parts(t: Any) -> list[Any]:
    return [(t(2, 3), t(2, 3)), (t(2, 1), t(3)), (t(), t())]


def _check(name: str, first: Tensor, second: Tensor) -> None:
    for x in (first, second):
        if x._dtype.name not in ("float32", "float64"):
            raise OpError(
                f"{name}: expected float32 or float64, got {x._dtype}; Expected both inputs to be "
                "Half, Float or Double tensors: convert them with .float()",
                op=name,
            )
    if first._dtype is not second._dtype:
        raise OpError(
            f"{name}: expected two tensors of one type, got {first._dtype} and {second._dtype}; "
            "convert one with .to(dtype)",
            op=name,
        )


@function(row="complex", method=False, samples=_parts, dtypes="float32 float64")
def complex(real: Tensor, imag: Tensor, *, out: Any = None) -> Tensor:
    """Complex numbers from their real and imaginary parts.

    Raises:
        RuntimeError: the types differ, or are not float32 or float64.

    Example:
        >>> tp.complex(tp.tensor([1.0]), tp.tensor([2.0]))
        tensor([1.+2.j])
    """
    real, imag = tensor("complex", real, "real"), tensor("complex", imag, "imag")
    _check("complex", real, imag)
    if type(out) is Tensor and out._dtype is not real._dtype.to_complex():
        raise OpError(
            f"complex: expected out of type {real._dtype.to_complex()}, got {out._dtype}; Expected "
            "object of another scalar type for argument 'out'",
            op="complex",
        )
    return settle("complex", ROWS["complex"].call(real, imag), out)


@function(method=False, samples=_parts, dtypes="float32 float64")
def polar(abs: Tensor, angle: Tensor, *, out: Any = None) -> Tensor:
    """Complex numbers from their absolute values and angles.

    Raises:
        RuntimeError: the types differ, or are not float32 or float64.

    Example:
        >>> tp.polar(tp.tensor([2.0]), tp.tensor([0.0]))
        tensor([2.+0.j])
    """
    abs, angle = tensor("polar", abs, "abs"), tensor("polar", angle, "angle")
    _check("polar", abs, angle)
    real = abs * ROWS["cos"].call(angle)
    return settle("polar", ROWS["complex"].call(real, abs * ROWS["sin"].call(angle)), out)


@function(row="conj", samples=lambda t: [(t(2, 3),), (t(),)], ref="conj")
def conj(input: Tensor) -> Tensor:
    """The complex conjugate; real tensors as they are.

    Example:
        >>> tp.conj(tp.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    input = tensor("conj", input)
    return ROWS["conj"].call(input) if input._dtype.is_complex else input


@function(inplace=True, samples=lambda t: [(t(2, 3),), (t(),)], ref="conj")
def conj_physical(input: Tensor, *, out: Any = None) -> Tensor:
    """The complex conjugate in memory of its own.

    Example:
        >>> tp.conj_physical(tp.tensor([1 + 2j]))
        tensor([1.-2.j])
    """
    input = tensor("conj_physical", input)
    name = "conj" if input._dtype.is_complex else "clone"
    return settle("conj_physical", ROWS[name].call(input), out)


@function(row="real", method=False, samples=lambda t: [(t(2, 3),), (t(),)], ref="real")
def real(input: Tensor) -> Tensor:
    """The real part, a view; real tensors as they are.

    Example:
        >>> tp.real(tp.tensor([1 + 2j]))
        tensor([1.])
    """
    input = tensor("real", input)
    return _part(input, 0) if input._dtype.is_complex else input


@function(row="imag", method=False, samples=lambda t: [(t(2, 3),)], ref="imag", dtypes="complex")
def imag(input: Tensor) -> Tensor:
    """The imaginary part of a complex tensor, a view.

    Raises:
        RuntimeError: the tensor is real.

    Example:
        >>> tp.imag(tp.tensor([1 + 2j]))
        tensor([2.])
    """
    input = tensor("imag", input)
    if not input._dtype.is_complex:
        raise OpError(
            f"imag: expected a complex tensor, got {input._dtype}; imag is not implemented for "
            "tensors with non-complex dtypes",
            op="imag",
        )
    return _part(input, 1)


def _part(input: Tensor, which: int) -> Tensor:
    pairs = ROWS["view_as_real"].call(input, None)
    return ROWS["index"].call(pairs, (Ellipsis, which))


def _set_part(part: Any) -> Any:
    def assign(self: Tensor, value: Any) -> None:
        part(self).copy_(value) if type(value) is Tensor else part(self).fill_(value)

    return assign


# Properties in torch, and functions too.
METHODS.update(real=property(real, _set_part(real)), imag=property(imag, _set_part(imag)))

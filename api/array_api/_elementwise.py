"""Elementwise functions: the rows' own call paths behind the standard's signatures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._functions import complex as parts
from ..autograd import slow
from ..autograd.registry import ROWS, Row
from ..autograd.tensor import Tensor
from ._arguments import CALL, tensor

_UNARY = """
    abs acos acosh asin asinh atan atanh bitwise_invert ceil cos cosh exp expm1 floor isfinite isinf
    isnan log log10 log1p log2 logical_not negative positive reciprocal sign signbit sin sinh sqrt
    square tan tanh trunc
"""
_BINARY = """
    add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign
    divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and
    logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract
"""
__all__ = [
    *_UNARY.split(), *_BINARY.split(), "clip", "conj", "imag", "real", "round"
]  # fmt: skip

_BY_XP = {row.xp: row for row in ROWS.values() if row.xp}
_OTHERS = {"floor_divide": "floordiv", "sign": "signum"}
"""Where the row of the standard's name does what PyTorch does: the row that does what it says."""


def _row(name: str) -> Row:
    """The row that the standard calls ``name``."""
    own = _OTHERS.get(name, name)
    return ROWS[own] if own in ROWS else _BY_XP[own]


def _unary(core: Callable[..., Any]) -> Callable[..., Tensor]:
    def call(x: Tensor, /) -> Tensor:
        return core(x)

    return call


def _binary(core: Callable[..., Any]) -> Callable[..., Tensor]:
    def call(x1: Tensor | complex, x2: Tensor | complex, /) -> Tensor:
        return core(x1, x2)

    return call


def _build() -> None:
    for names, make in ((_UNARY, _unary), (_BINARY, _binary)):
        for name in names.split():
            row = _row(name)
            call = make(row.call)
            call.__name__ = call.__qualname__ = name
            call.__doc__ = f"The standard's ``{name}``; the op is ``{row.name}``."
            globals()[name] = call


_build()


def clip(
    x: Tensor, /, min: Tensor | float | None = None, max: Tensor | float | None = None
) -> Tensor:
    """Elements limited to between ``min`` and ``max``, in the type of ``x``.

    Differs from torch: bounds never change the type, and there may be none.

    Example:
        >>> tp.array_api.clip(tp.tensor([1, 5, 9], dtype=tp.int8), 2, tp.tensor(7))
        tensor([2, 5, 7], dtype=tensorplug.int8)
    """
    x = tensor("clip", x)
    if min is None and max is None:
        return CALL["clone"](x)
    if max is None:
        found = CALL["clamp_min"](x, min)
    elif min is None:
        found = CALL["clamp_max"](x, max)
    else:
        found = CALL["clamp"](x, min, max)
    return slow.cast(found, x._dtype)


def conj(x: Tensor, /) -> Tensor:
    """The complex conjugate."""
    return parts.conj(x)


def real(x: Tensor, /) -> Tensor:
    """The real part."""
    return parts.real(x)


def imag(x: Tensor, /) -> Tensor:
    """The imaginary part."""
    return parts.imag(x)


def round(x: Tensor, /) -> Tensor:
    """The nearest whole number, the even one of two; of both parts of a complex number.

    Differs from torch: complex numbers are rounded too.
    """
    x = tensor("round", x)
    if not x._dtype.is_complex:
        return CALL["round"](x)
    return CALL["complex"](CALL["round"](parts.real(x)), CALL["round"](parts.imag(x)))

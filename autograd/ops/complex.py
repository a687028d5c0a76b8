"""Rows for the parts of complex numbers."""

from __future__ import annotations

import math
from typing import Any

from ..families import BINARY, UNARY
from ..kinds import COMPLEX_PART, COMPLEX_TO_FLOAT, FLOAT_TO_COMPLEX, INT_OR_COMPLEX_TO_FLOAT
from ..registry import op
from .elementwise import drop

__all__: list[str] = []

op("conj", UNARY, grad=lambda F, g: F.conj(g), inplace=False, public=False, ref="conj")
op("real", UNARY, dtype=COMPLEX_TO_FLOAT, grad=lambda F, g: g, inplace=False, public=False)
op("imag", UNARY, dtype=COMPLEX_PART, inplace=False, public=False,
   grad=lambda F, g, x_dtype: F.cast(g, x_dtype) * 1j)  # fmt: skip


def _together(F: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Both operands at their common shape."""
    shape = F.eq(x, y).shape
    return F.expand(x, shape), F.expand(y, shape)


def _complex(F: Any, x: Any, y: Any) -> Any:
    # Not x + 1j * y: an infinite part would spoil the other one with nan.
    parts = [F.reshape(part, (*part.shape, 1)) for part in _together(F, x, y)]
    return F.view_as_complex(F.concat(parts, len(parts[0].shape) - 1), None)


op("complex", BINARY, xp=None, dtype=FLOAT_TO_COMPLEX, generic=_complex, public=False,
   grad={"x": lambda F, g: F.real(g), "y": lambda F, g: F.imag(g)})  # fmt: skip


def _angle(F: Any, x: Any) -> Any:
    if F.dtype_of(x).is_complex:
        return F.atan2(F.imag(x), F.real(x))
    return F.where(x != x, x, F.where(x < 0, math.pi, F.zeros(x.shape, F.dtype_of(x))))


def _angle_grad(F: Any, g: Any, x: Any) -> Any:
    if not F.dtype_of(x).is_complex:
        return F.zeros(x.shape, F.dtype_of(x))
    square = F.real(x * F.conj(x))
    origin = square == 0
    return drop(F, origin, (x * 1j) * (g / F.where(origin, 1, square)))


op("angle", UNARY, xp=None, dtype=INT_OR_COMPLEX_TO_FLOAT, generic=_angle, grad=_angle_grad,
   inplace=False, ref=lambda np, x: np.where(x == 0, 0, np.angle(x)))  # fmt: skip

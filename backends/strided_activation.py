"""Fused activation kernels for NumPy-like array modules.

Each runs in blocks that stay in the cache: a dozen passes over one block cost less than two over
the whole array.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .base import Kernel

__all__ = ["kernels"]

_BLOCK = 1 << 16
_CUBE = 0.044715
_SLOPE = math.sqrt(2 / math.pi)

# erf(x) = tanh(x * P(x * x)), lowest power first: a weighted least-squares fit of atanh(erf(x)) / x
# for |x| < 4, where erf is off by 1e-7 of itself in exact arithmetic and by 2e-7 in float32. Beyond
# 4 both are 1 within float32.
_P = (1.12837927, 0.102769056, -1.91831426e-4, -6.19784175e-4, 8.76371633e-5, -5.6684514e-6,
      1.41850969e-7)  # fmt: skip
_HALF = tuple(factor * 0.5 ** (k + 0.5) for k, factor in enumerate(_P))
_FEW = 512
"""Up to so many elements one call of a slow function beats a dozen calls of fast ones."""


class _Activations:
    """The kernels for one array module; ``erf`` is its error function, for float64."""

    def __init__(self, xp: Any, erf: Callable[[Any], Any]) -> None:
        self.xp, self._exact = xp, erf

    def _blocked(self, function: Callable[..., None], *arrays: Any) -> Any:
        """``function(out, *blocks)`` for each block; half precision computes in float32."""
        xp, shape, dtype = self.xp, arrays[0].shape, arrays[0].dtype
        if dtype.itemsize == 2:
            arrays = tuple(x.astype(xp.float32) for x in arrays)
        flat = [xp.ascontiguousarray(x).reshape(-1) for x in arrays]
        out = xp.empty(flat[0].shape, flat[0].dtype)
        for at in range(0, out.size, _BLOCK):
            function(out[at : at + _BLOCK], *[x[at : at + _BLOCK] for x in flat])
        return out.reshape(shape).astype(dtype, copy=False)

    # --- sigmoid linear unit ----------------------------------------------------------------------
    def _sigmoid(self, x: Any, out: Any = None) -> Any:
        xp = self.xp
        out = xp.negative(x, out=out)
        xp.exp(out, out=out)
        out += 1
        return xp.reciprocal(out, out=out)

    def silu(self, x: Any) -> Any:
        def block(out: Any, x: Any) -> None:
            self._sigmoid(x, out)
            out *= x

        return self._blocked(block, x)

    def silu_back(self, g: Any, x: Any) -> Any:
        def block(out: Any, g: Any, x: Any) -> None:
            s = self._sigmoid(x)
            self.xp.subtract(1, s, out=out)
            out *= x
            out += 1
            out *= s
            out *= g

        return self._blocked(block, g, x)

    # --- Gaussian error linear unit ---------------------------------------------------------------
    def erf(self, x: Any) -> Any:
        """The error function; in float32 to 2 units in the last place."""
        if x.dtype.kind != "f" or x.dtype.itemsize > 4 or x.size <= _FEW:
            return self._exact(x)
        return self._blocked(self._erf, x)

    def _erf(self, out: Any, x: Any, factors: tuple[float, ...] = _P) -> Any:
        """Into ``out``: ``erf(x)``, or with :data:`_HALF` ``erf(x / sqrt(2))``."""
        xp = self.xp
        if x.dtype != xp.float32:
            out[...] = self._exact(x if factors is _P else x * math.sqrt(0.5))
            return out
        square = x * x
        xp.multiply(square, factors[-1], out=out)
        for factor in factors[-2:0:-1]:
            out += factor
            out *= square
        out += factors[0]
        out *= x
        return xp.tanh(out, out=out)

    def _tanh_part(self, x: Any) -> tuple[Any, Any]:
        """``x * x`` and the tanh of the approximation."""
        square = x * x
        inner = square * (_SLOPE * _CUBE)
        inner += _SLOPE
        inner *= x
        return square, self.xp.tanh(inner, out=inner)

    def gelu(self, x: Any, approximate: str) -> Any:
        def block(out: Any, x: Any) -> None:
            if approximate == "tanh":
                _, part = self._tanh_part(x)
            else:
                part = self._erf(out, x, _HALF)
            part += 1
            part *= 0.5
            self.xp.multiply(part, x, out=out)

        return self._blocked(block, x)

    def gelu_back(self, g: Any, x: Any, approximate: str) -> Any:
        return self._blocked(self._tanh_back if approximate == "tanh" else self._erf_back, g, x)

    def _tanh_back(self, out: Any, g: Any, x: Any) -> None:
        square, t = self._tanh_part(x)
        self.xp.multiply(t, t, out=out)
        self.xp.subtract(1, out, out=out)
        out *= x
        square *= 3 * _CUBE * _SLOPE
        square += _SLOPE
        out *= square
        out += t
        out += 1
        out *= 0.5
        out *= g

    def _erf_back(self, out: Any, g: Any, x: Any) -> None:
        self.xp.multiply(x, x, out=out)
        out *= -0.5
        self.xp.exp(out, out=out)
        out *= 1 / math.sqrt(2 * math.pi)
        out *= x
        part = self._erf(self.xp.empty_like(x), x, _HALF)
        part += 1
        part *= 0.5
        out += part
        out *= g

    # --- straight lines ---------------------------------------------------------------------------
    def leaky_relu(self, x: Any, slope: float) -> Any:
        xp = self.xp
        low = xp.asarray(x * x.dtype.type(slope))
        if 0 <= slope <= 1:  # the larger of the two is the right one
            return xp.maximum(x, low, out=low)
        return xp.where(x > 0, x, low)

    def relu_back(self, g: Any, y: Any) -> Any:
        """``g`` where ``y`` is not below or at 0: also where it is nan."""
        above = self.xp.asarray(y <= 0)
        self.xp.logical_not(above, out=above)
        return self.xp.asarray(g * above)

    def hardtanh(self, x: Any, low: float, high: float) -> Any:
        found = self.xp.asarray(self.xp.maximum(x, x.dtype.type(low)))
        return self.xp.minimum(found, x.dtype.type(high), out=found)


def kernels(xp: Any, erf: Callable[[Any], Any]) -> dict[str, Kernel]:
    """All kernels of this file, bound to an array module and its error function."""
    activations = _Activations(xp, erf)
    return {
        "erf": activations.erf,
        "gelu": activations.gelu,
        "gelu_back": activations.gelu_back,
        "silu": activations.silu,
        "silu_back": activations.silu_back,
        "leaky_relu": activations.leaky_relu,
        "relu_back": activations.relu_back,
        "hardtanh": activations.hardtanh,
    }

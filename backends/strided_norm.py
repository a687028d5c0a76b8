"""Normalisation kernels for NumPy-like array modules.

The input is viewed as three dimensions (outer, kept, inner) of which the kernel reduces either
the last one (layer, group and instance norm) or the first and the last (batch norm). Sums are
matrix-vector products or einsum, which are faster here than reductions.
"""

from __future__ import annotations

import math
from typing import Any

from .base import Kernel

__all__ = ["kernels"]

Dims = tuple[int, ...]


class _Norm:
    """The kernels for one array module."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def _sum(self, x: Any, dims: Dims) -> Any:
        """The sum over ``dims``, kept with size 1."""
        xp, rank = self.xp, x.ndim
        kept = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
        first = next((d for d in range(rank) if d not in dims), rank)
        last = max((d for d in range(rank) if d not in dims), default=-1) + 1
        if last <= first:  # everything
            return xp.asarray(x.sum()).reshape(kept)
        if any(d in dims for d in range(first, last)):  # rare: dims on both sides and between
            return x.sum(dims, keepdims=True)
        shape = tuple(map(math.prod, (x.shape[:first], x.shape[first:last], x.shape[last:])))
        three = x.reshape(shape)
        if shape[0] == 1:
            return xp.dot(three[0], xp.ones(shape[2], x.dtype)).reshape(kept)
        if shape[2] == 1:
            return xp.dot(xp.ones(shape[0], x.dtype), three[:, :, 0]).reshape(kept)
        return xp.einsum("abc->b", three).reshape(kept)

    def _sum_product(self, x: Any, y: Any, dims: Dims) -> Any:
        """The sum of ``x * y`` over ``dims``, kept with size 1."""
        letters = "abcdefghij"[: x.ndim]
        out = "".join(c for d, c in enumerate(letters) if d not in dims)
        kept = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
        return self.xp.einsum(f"{letters},{letters}->{out}", x, y).reshape(kept)

    def standardize(self, x: Any, weight: Any, bias: Any, dims: Dims, eps: float) -> Any:
        xp, dtype = self.xp, x.dtype
        x = _wide(xp, x)
        count = math.prod(x.shape[d] for d in dims)
        mean = self._sum(x, dims)
        mean /= count
        out = x - mean
        scale = self._sum_product(out, out, dims)
        scale /= count
        scale += eps
        xp.sqrt(scale, out=scale)
        xp.reciprocal(scale, out=scale)
        out *= scale
        if weight is not None:
            out *= weight
        if bias is not None:
            out += bias
        return out.astype(dtype, copy=False), mean, scale

    def standardize_back(
        self, g: Any, x: Any, weight: Any, mean: Any, scale: Any, bias_shape: Any, dims: Dims,
        eps: float, needs: Any,
    ) -> Any:  # fmt: skip
        xp, dtype = self.xp, x.dtype
        g, x = _wide(xp, g), _wide(xp, x)
        count = math.prod(x.shape[d] for d in dims)
        normal = x - mean
        normal *= scale
        for_x = for_weight = for_bias = None
        if needs[1]:
            over = _spread_over(x.shape, weight.shape)
            for_weight = self._sum_product(g, normal, over).reshape(weight.shape)
            for_weight = for_weight.astype(weight.dtype, copy=False)
        if needs[2]:
            for_bias = self._sum(g, _spread_over(x.shape, bias_shape)).reshape(bias_shape)
            for_bias = for_bias.astype(dtype, copy=False)
        if needs[0]:
            scaled = g if weight is None else g * weight
            along = self._sum_product(scaled, normal, dims)
            along /= -count
            middle = self._sum(scaled, dims)
            middle /= count
            normal *= along
            normal += scaled
            normal -= middle
            normal *= scale
            for_x = normal.astype(dtype, copy=False)
        return for_x, for_weight, for_bias

    def rms(self, x: Any, weight: Any, dims: Dims, eps: float) -> Any:
        xp, dtype = self.xp, x.dtype
        x = _wide(xp, x)
        scale = self._sum_product(x, x, dims)
        scale /= math.prod(x.shape[d] for d in dims)
        scale += eps
        xp.sqrt(scale, out=scale)
        xp.reciprocal(scale, out=scale)
        out = x * scale
        if weight is not None:
            out *= weight
        return out.astype(dtype, copy=False), scale

    def rms_back(
        self, g: Any, x: Any, weight: Any, scale: Any, dims: Dims, eps: float, needs: Any
    ) -> Any:
        xp, dtype = self.xp, x.dtype
        g, x = _wide(xp, g), _wide(xp, x)
        normal = x * scale
        for_x = for_weight = None
        if needs[1]:
            over = _spread_over(x.shape, weight.shape)
            for_weight = self._sum_product(g, normal, over).reshape(weight.shape)
            for_weight = for_weight.astype(weight.dtype, copy=False)
        if needs[0]:
            scaled = g if weight is None else g * weight
            along = self._sum_product(scaled, normal, dims)
            along /= -math.prod(x.shape[d] for d in dims)
            normal *= along
            normal += scaled
            normal *= scale
            for_x = normal.astype(dtype, copy=False)
        return for_x, for_weight


def _spread_over(shape: Dims, small: Dims) -> Dims:
    """The dimensions of ``shape`` along which an array of shape ``small`` is repeated."""
    extra = len(shape) - len(small)
    return tuple(d for d, n in enumerate(shape) if d < extra or (small[d - extra] == 1 and n != 1))


def _wide(xp: Any, x: Any) -> Any:
    return x.astype(xp.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


def kernels(xp: Any) -> dict[str, Kernel]:
    """All kernels of this file, bound to an array module."""
    norm = _Norm(xp)
    return {
        "standardize": norm.standardize,
        "standardize_back": norm.standardize_back,
        "rms_norm": norm.rms,
        "rms_norm_back": norm.rms_back,
    }

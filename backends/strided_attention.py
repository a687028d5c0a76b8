"""Attention for NumPy-like array modules; formulas in ``autograd/ops/attention.py``.

The weights lie transposed, (S, *, L): what softmax reduces is the first dimension, so that its
sums run over whole blocks of memory instead of short rows. ``kept`` is that array.
"""

from __future__ import annotations

from typing import Any

from .base import Kernel

__all__ = ["kernels"]


def _turned(x: Any) -> Any:
    return x.swapaxes(-1, -2)


class _Attention:
    """The kernels for one array module."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def _product(self, x: Any, y: Any) -> tuple[Any, Any]:
        """``x @ y`` of shape (*, S, L), stored as (S, *, L): the stored array, and the view."""
        xp = self.xp
        lead = xp.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        stored = xp.empty((x.shape[-2], *lead, y.shape[-1]), x.dtype)
        seen = xp.moveaxis(stored, 0, -2)
        xp.matmul(x, y, out=seen)
        return stored, seen

    def attention(self, q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float) -> Any:
        xp = self.xp
        weights, seen = self._product(k, _turned(q))
        weights *= scale
        if mask is not None:
            weights, seen = self._masked(weights, seen, mask)
        top = weights.max(0) if weights.shape[0] else xp.zeros(weights.shape[1:], weights.dtype)
        if mask is not None:
            top[top == -xp.inf] = 0  # nothing to see there: all weights become 0
        weights -= top
        xp.exp(weights, out=weights)
        total = weights.sum(0)
        if mask is not None:
            total[total == 0] = 1
        weights /= total
        used = _turned(seen)
        return xp.matmul(used if drop is None else used * drop, v), weights

    def _masked(self, weights: Any, seen: Any, mask: Any) -> tuple[Any, Any]:
        xp = self.xp
        if mask.dtype.kind == "b":
            mask = xp.where(mask, seen.dtype.type(0), seen.dtype.type(-xp.inf))
        turned = _turned(mask) if mask.ndim > 1 else mask[:, None]
        shape = xp.broadcast_shapes(seen.shape, turned.shape)
        if shape != seen.shape:  # the mask has more dimensions than what it is added to
            stored = xp.empty((shape[-2], *shape[:-2], shape[-1]), weights.dtype)
            stored[...] = xp.moveaxis(xp.broadcast_to(seen, shape), -2, 0)
            weights, seen = stored, xp.moveaxis(stored, 0, -2)
        seen += turned
        return weights, seen

    def attention_back(
        self, g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, kept: Any, scale: float,
        needs: Any,
    ) -> Any:  # fmt: skip
        xp, seen = self.xp, self.xp.moveaxis(kept, 0, -2)
        for_v = for_mask = None
        if needs[2]:
            for_v = xp.matmul(seen if drop is None else seen * _turned(drop), g)
        slope, view = self._product(v, _turned(g))
        if drop is not None:
            view *= _turned(drop)
        slope *= kept
        slope -= kept * slope.sum(0)
        if needs[3]:
            for_mask = _turned(view).copy()
        slope *= scale
        return (
            xp.matmul(_turned(view), k) if needs[0] else None,
            xp.matmul(view, q) if needs[1] else None,
            for_v,
            for_mask,
        )


def kernels(xp: Any) -> dict[str, Kernel]:
    """All kernels of this file, bound to an array module."""
    attention = _Attention(xp)
    return {"attention": attention.attention, "attention_back": attention.attention_back}

"""Fast neural network kernels for NumPy-like array modules, by op name.

``kernels(xp, erf)`` serves NumPy and CuPy alike; half precision adds up in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import (
    strided_activation,
    strided_attention,
    strided_conv,
    strided_norm,
    strided_pool,
    strided_recurrent,
)
from .base import Kernel

__all__ = ["kernels"]


def _wide(xp: Any, x: Any) -> Any:
    return x.astype(xp.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


def _linear(xp: Any, product: Callable[[Any, Any], Any] | None) -> dict[str, Kernel]:
    dot = xp.dot
    times = product or (lambda x, weight: dot(x, weight.T))

    def linear(x: Any, weight: Any, bias: Any) -> Any:
        dtype = x.dtype
        if dtype.itemsize == 2:
            x, weight = _wide(xp, x), _wide(xp, weight)
        if x.ndim == 2:
            out = times(x, weight)
        else:
            rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
            out = times(rows, weight).reshape(*x.shape[:-1], weight.shape[0])
        if bias is not None:
            out += bias
        return out if out.dtype is dtype else out.astype(dtype, copy=False)

    def row_sum(x: Any) -> Any:
        # A product with ones is a matrix-vector product, which is faster than a sum over rows.
        wide = _wide(xp, x)
        found = dot(xp.ones(x.shape[0], wide.dtype), wide)
        return found.astype(x.dtype, copy=False)

    def channel_sum(x: Any) -> Any:
        wide = _wide(xp, x).reshape(*x.shape[:2], math.prod(x.shape[2:]))
        return xp.einsum("ncl->c", wide).astype(x.dtype, copy=False)

    return {"linear": linear, "row_sum": row_sum, "channel_sum": channel_sum}


def _embedding(xp: Any) -> dict[str, Kernel]:
    def embedding(weight: Any, index: Any, padding: Any, by_count: Any) -> Any:
        _check_range(index, weight.shape[0], "index out of range in self")
        return xp.asarray(weight[index])

    def embedding_back(g: Any, index: Any, rows: int) -> Any:
        inner = g.shape[index.ndim :]
        count, width = index.size, math.prod(inner)
        g, index = g.reshape(count, width), index.reshape(-1)
        wide = _wide(xp, g)
        if rows * count <= 1 << 16:  # a product with the one-hot matrix is fastest for these
            hot = xp.zeros((rows, count), wide.dtype)
            hot[index, xp.arange(count)] = 1
            out = dot(hot, wide)
        else:
            flat = index[:, None] * width + xp.arange(width)
            out = xp.zeros(rows * width, wide.dtype)
            xp.add.at(out, flat.reshape(-1), wide.reshape(-1))
        return out.reshape(rows, *inner).astype(g.dtype, copy=False)

    dot = xp.dot
    return {"embedding": embedding, "embedding_back": embedding_back}


def _check_range(index: Any, count: int, text: str) -> None:
    if not index.size:
        return
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= count:
        wrong = low if low < 0 else high
        raise IndexError(f"expected numbers from 0 to {count - 1}, got {wrong}; {text}")


def _known(
    xp: Any, target: Any, weight: Any, classes: int, ignore: int, dtype: Any
) -> tuple[Any, Any]:
    """Targets that are safe to index with, and the weights of the targets (None: all 1)."""
    low = int(target.min()) if target.size else 0
    high = int(target.max()) if target.size else 0
    weights = None
    if low <= ignore <= high:
        keep = target != ignore
        weights, target = keep.astype(dtype), xp.where(keep, target, 0)
    _check_range(target, classes, "Target is out of bounds")
    if weight is not None:
        picked = weight[target]
        weights = picked if weights is None else picked * weights
    return target, weights


def _losses(xp: Any) -> dict[str, Kernel]:
    def place(target: Any) -> tuple[Any, ...]:
        images = xp.arange(target.shape[0])[:, None]
        return images, target, xp.arange(target.shape[1])

    def nll(x: Any, target: Any, weight: Any, reduction: str, ignore: int) -> Any:
        dtype = x.dtype
        x, weight = _wide(xp, x), None if weight is None else _wide(xp, weight)
        target, weights = _known(xp, target, weight, x.shape[1], ignore, x.dtype)
        losses = -x[place(target)]
        if weights is not None:
            losses *= weights
        total = xp.asarray(target.size if weights is None else weights.sum(), dtype=x.dtype)
        if reduction == "none":
            return losses.astype(dtype, copy=False), total.astype(dtype, copy=False)
        loss = xp.asarray(losses.sum())
        if reduction == "mean":
            loss = xp.asarray(loss / total)
        return loss.astype(dtype, copy=False), total.astype(dtype, copy=False)

    def nll_back(
        g: Any, target: Any, weight: Any, total: Any, shape: Any, reduction: str, ignore: int
    ) -> Any:
        target, weights = _known(xp, target, weight, shape[1], ignore, g.dtype)
        scale = -g if reduction != "mean" else xp.true_divide(-g, total)
        out = xp.zeros(shape, g.dtype)
        out[place(target)] = scale if weights is None else weights * scale
        return out

    return {"nll_loss": nll, "nll_loss_back": nll_back}


def kernels(
    xp: Any, erf: Callable[[Any], Any], product: Callable[[Any, Any], Any] | None = None
) -> dict[str, Kernel]:
    """All neural network kernels, bound to an array module and its error function.

    ``product(x, y)``: a faster way to ``x @ y.T`` of two matrices, if there is one.
    """
    return {
        **strided_activation.kernels(xp, erf),
        **strided_attention.kernels(xp),
        **strided_conv.kernels(xp),
        **strided_pool.kernels(xp),
        **strided_norm.kernels(xp),
        **strided_recurrent.kernels(xp),
        **_linear(xp, product),
        **_embedding(xp),
        **_losses(xp),
    }

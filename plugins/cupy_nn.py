"""Neural network kernels that are one launch on CUDA devices, where CuPy would need many.

Softmax, normalisation along rows, losses by class, pooling and attention; whatever a kernel does
not cover goes to the shared one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cupy
import numpy as np

from ..backends.base import Kernel
from . import cupy_blas
from .cupy_faults import Faults
from .cupy_index import add_at
from .cupy_launch import Kernels, wide

__all__ = ["kernels"]

Sizes = tuple[int, ...]

_rows, _index, _pool = Kernels("rows"), Kernels("index"), Kernels("pool")

_PLAIN, _LOGARITHM, _BLIND = 0, 1, 2
"""Kinds of softmax; the last gives zeros where a row is minus infinity throughout."""


def _along_rows(x: Any, how: int) -> Any:
    """Softmax of the last dimension, of a contiguous array."""
    out = cupy.empty(x.shape, x.dtype)
    width = x.shape[-1]
    count = x.size // max(width, 1)
    _rows("softmax", x.dtype, count, x, out, np.int64(count), np.int64(width), np.int32(how),
          rows=True)  # fmt: skip
    return out


def _softmax(how: int) -> Kernel:
    def kernel(x: Any, dim: int) -> Any:
        if not x.size:
            return x.copy()
        if not x.ndim:
            return _along_rows(x.reshape(1), how).reshape(())
        if dim % x.ndim == x.ndim - 1:
            return _along_rows(cupy.ascontiguousarray(x), how)
        moved = cupy.ascontiguousarray(cupy.moveaxis(x, dim, -1))
        return cupy.moveaxis(_along_rows(moved, how), -1, dim)

    return kernel


class _Rows:
    """Layer norm and RMS norm, where they run along the last dimensions."""

    def __init__(self, plain: Mapping[str, Kernel]) -> None:
        self.plain = plain

    def _fits(self, x: Any, dims: Sizes, *factors: Any) -> bool:
        """Whether ``dims`` are the last ones, and weight and bias have their shape."""
        lead = x.ndim - len(dims)
        return (
            bool(x.size)
            and x.dtype.kind in "fV"
            and tuple(dims) == tuple(range(lead, x.ndim))
            and all(f is None or f.size == math.prod(x.shape[lead:]) for f in factors)
        )

    def _sizes(self, x: Any, dims: Sizes) -> tuple[int, int, Sizes]:
        """Rows, their width, and the shape of what there is one of for each row."""
        lead = x.ndim - len(dims)
        width = math.prod(x.shape[lead:])
        return x.size // width, width, (*x.shape[:lead], *(1,) * len(dims))

    def standardize(self, x: Any, weight: Any, bias: Any, dims: Sizes, eps: float) -> Any:
        if not self._fits(x, dims, weight, bias):
            return self.plain["standardize"](x, weight, bias, dims, eps)
        return self._forward(x, weight, bias, dims, eps, 1)

    def rms(self, x: Any, weight: Any, dims: Sizes, eps: float) -> Any:
        if not self._fits(x, dims, weight):
            return self.plain["rms_norm"](x, weight, dims, eps)
        out, _, scale = self._forward(x, weight, None, dims, eps, 0)
        return out, scale

    def _forward(
        self, x: Any, weight: Any, bias: Any, dims: Sizes, eps: float, centred: int
    ) -> tuple[Any, Any, Any]:
        x, kind = cupy.ascontiguousarray(x), wide(x.dtype)
        rows, width, kept = self._sizes(x, dims)
        out = cupy.empty(x.shape, x.dtype)
        mean, scale = cupy.empty(kept, kind), cupy.empty(kept, kind)
        _rows("standardize", x.dtype, rows, x, _flat(weight, kind), _flat(bias, kind), out, mean,
              scale, np.int64(rows), np.int64(width), kind.type(eps), np.int32(centred),
              rows=True)  # fmt: skip
        return out, mean, scale

    def standardize_back(
        self, g: Any, x: Any, weight: Any, mean: Any, scale: Any, bias_shape: Any, dims: Sizes,
        eps: float, needs: Any,
    ) -> Any:  # fmt: skip
        lead = x.ndim - len(dims)
        whole = bias_shape is None or math.prod(bias_shape) == math.prod(x.shape[lead:])
        if not self._fits(x, dims, weight) or not whole:
            return self.plain["standardize_back"](
                g, x, weight, mean, scale, bias_shape, dims, eps, needs)  # fmt: skip
        found = self._back(g, x, weight, mean, scale, dims, 1, needs)
        return (
            found[0],
            None if found[1] is None else found[1].reshape(weight.shape),
            None if found[2] is None else found[2].reshape(bias_shape),
        )

    def rms_back(
        self, g: Any, x: Any, weight: Any, scale: Any, dims: Sizes, eps: float, needs: Any
    ) -> Any:
        if not self._fits(x, dims, weight):
            return self.plain["rms_norm_back"](g, x, weight, scale, dims, eps, needs)
        found = self._back(g, x, weight, None, scale, dims, 0, (*needs, False))
        return found[0], None if found[1] is None else found[1].reshape(weight.shape)

    def _back(
        self, g: Any, x: Any, weight: Any, mean: Any, scale: Any, dims: Sizes, centred: int,
        needs: Any,
    ) -> tuple[Any, Any, Any]:  # fmt: skip
        x, kind = cupy.ascontiguousarray(x), wide(x.dtype)
        g = cupy.ascontiguousarray(g, x.dtype)
        rows, width, _ = self._sizes(x, dims)
        sizes = (np.int64(rows), np.int64(width), np.int32(centred))
        out = cupy.empty(x.shape, x.dtype) if needs[0] else None
        if out is not None:
            _rows("standardize_back", x.dtype, rows, g, x, _flat(weight, kind), mean, scale, out,
                  *sizes, rows=True)  # fmt: skip
        columns = [cupy.empty(width, kind) if need else None for need in needs[1:3]]
        if any(column is not None for column in columns):
            _rows("standardize_columns", x.dtype, width, g, x, mean, scale, *columns,
                  *sizes)  # fmt: skip
        of_weight, of_bias = (None if c is None else c.astype(x.dtype, copy=False) for c in columns)
        return out, of_weight, of_bias


def _flat(factor: Any, kind: Any) -> Any:
    return None if factor is None else cupy.ascontiguousarray(factor, kind)


def _arranged(target: Any, weight: Any, kind: Any) -> tuple[Any, Any]:
    return cupy.ascontiguousarray(target, np.int64), _flat(weight, kind)


def _counts(target: Any, classes: int, ignore: int) -> tuple[Any, ...]:
    inner = target.shape[1] if target.ndim > 1 else 1
    return tuple(np.int64(n) for n in (target.size, classes, inner, ignore))


def _losses(faults: Faults) -> Mapping[str, Kernel]:
    def nll(x: Any, target: Any, weight: Any, reduction: str, ignore: int) -> Any:
        x, kind, shape = cupy.ascontiguousarray(x), wide(x.dtype), target.shape
        losses, weights = cupy.empty(shape, kind), cupy.empty(shape, kind)
        target, weight = _arranged(target, weight, kind)
        _index("nll", x.dtype, target.size, x, target, weight, losses, weights,
               *_counts(target, x.shape[1], ignore), faults.pointer(x))  # fmt: skip
        faults.checked(x)
        total = weights.sum()
        if reduction != "none":
            losses = losses.sum()
            losses = losses / total if reduction == "mean" else losses
        return losses.astype(x.dtype, copy=False), total.astype(x.dtype, copy=False)

    def nll_back(
        g: Any, target: Any, weight: Any, total: Any, shape: Any, reduction: str, ignore: int
    ) -> Any:
        kind = wide(g.dtype)
        out = cupy.zeros(shape, g.dtype)
        target, weight = _arranged(target, weight, kind)
        by = cupy.ascontiguousarray(total, kind) if reduction == "mean" else None
        slope = cupy.ascontiguousarray(g, kind)
        _index(
            "nll_back",
            g.dtype,
            target.size,
            slope,
            target,
            weight,
            by,
            out,
            *_counts(target, shape[1], ignore),
            np.int32(slope.size > 1 or reduction == "none"),
        )
        return out

    return {"nll_loss": nll, "nll_loss_back": nll_back}


def _three(sizes: Sizes, filler: int) -> tuple[Any, ...]:
    """Sizes of one to three dimensions as those of three."""
    return tuple(np.int32(n) for n in (*(filler,) * (3 - len(sizes)), *sizes))


def _max_pool(
    values: bool, x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out: Sizes
) -> Any:  # fmt: skip
    x, rank = cupy.ascontiguousarray(x), len(kernel)
    held = x.view(np.uint8) if x.dtype.kind == "b" else x
    shape = (*x.shape[:-rank], *out)
    found = cupy.empty(shape, held.dtype if values else np.int64)
    images = math.prod(x.shape[:-rank])
    _pool("max_pool", held.dtype, found.size, held, *((found, None) if values else (None, found)),
          np.int64(images), *_three(x.shape[-rank:], 1), *_three(out, 1), *_three(kernel, 1),
          *_three(stride, 1), *_three(padding, 0), *_three(dilation, 1))  # fmt: skip
    return found.view(x.dtype) if values else found


def _pooling() -> Mapping[str, Kernel]:
    def maximum(x: Any, *where: Any) -> Any:
        return _max_pool(True, x, *where)

    def indices(x: Any, *where: Any) -> Any:
        return _max_pool(False, x, *where)

    def spread(g: Any, found: Any, size: Sizes, distinct: bool) -> Any:
        lead, inner = g.shape[: -len(size)], math.prod(size)
        images = math.prod(lead)
        out = cupy.zeros(images * inner, g.dtype)
        starts = cupy.arange(images, dtype=np.int64) * inner
        windows = math.prod(g.shape[-len(size) :])
        places = (found.reshape(images, windows) + starts[:, None]).reshape(-1)
        if distinct:
            out[places] = g.reshape(-1)
        else:
            add_at(out, places, g.reshape(-1))
        return out.reshape(*lead, *size)

    def back(
        g: Any, x: Any, top: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
        out: Sizes,
    ) -> Any:  # fmt: skip
        reach = zip(kernel, stride, dilation, strict=True)
        distinct = all(s > d * (k - 1) for k, s, d in reach)
        found = indices(x, kernel, stride, padding, dilation, out)
        return spread(g, found, x.shape[-len(kernel) :], distinct)

    return {
        "max_pool": maximum, "max_pool_indices": indices, "max_pool_back": spread,
        "max_pool_grad": back,
    }  # fmt: skip


def _turned(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _product(x: Any, y: Any, dtype: Any = None) -> Any:
    half = x.dtype.itemsize == 2
    return cupy_blas.product(x, y, dtype) if half else cupy.matmul(x, y)


def _attention(q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float) -> tuple[Any, Any]:
    """The output, and the weights (*, L, S) for the way back."""
    kind = wide(q.dtype)
    scores = _product(q, _turned(k), kind)
    scores *= kind.type(scale)
    if mask is not None:
        if mask.dtype.kind == "b":
            mask = cupy.where(mask, kind.type(0), kind.type(-np.inf))
        scores = scores + mask
    scores = cupy.ascontiguousarray(scores, kind)
    weights = _along_rows(scores, _BLIND) if scores.size else scores
    weights = weights.astype(q.dtype, copy=False)
    return _product(weights if drop is None else weights * drop, v), weights


def _attention_back(
    g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, kept: Any, scale: float, needs: Any
) -> Any:
    kind = wide(q.dtype)
    used = kept if drop is None else kept * drop
    for_v = _product(_turned(used), g) if needs[2] else None
    slope = _product(g, _turned(v), kind)
    if drop is not None:
        slope *= drop
    slope *= kept
    slope -= kept * slope.sum(axis=-1, keepdims=True)
    for_mask = slope.astype(q.dtype) if needs[3] else None
    slope *= kind.type(scale)
    slope = slope.astype(q.dtype, copy=False)
    return (
        _product(slope, k) if needs[0] else None,
        _product(_turned(slope), q) if needs[1] else None,
        for_v,
        for_mask,
    )


def kernels(plain: Mapping[str, Kernel], faults: Faults) -> dict[str, Kernel]:
    """All kernels of this file, made from the shared ones for what they do not cover."""
    rows = _Rows(plain)
    return {
        "softmax": _softmax(_PLAIN), "log_softmax": _softmax(_LOGARITHM),
        "standardize": rows.standardize, "standardize_back": rows.standardize_back,
        "rms_norm": rows.rms, "rms_norm_back": rows.rms_back,
        "attention": _attention, "attention_back": _attention_back,
        **_losses(faults), **_pooling(),
    }  # fmt: skip

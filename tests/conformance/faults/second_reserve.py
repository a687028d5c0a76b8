"""A second reserve: faults by someone who had read no test, and of others some titles.

How many of them the suite found at the first run is in ``docs/conformance-faults.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Clean, fault, with_kernels

__all__ = ["SECOND_RESERVE"]

Kernel = Callable[..., Any]


class ShortDiagonals(Clean):
    def diagonal(self, handle: Any, where: Any) -> Any:
        offset, dim1, dim2 = where
        found = super().diagonal(handle, where)
        length = max(min(handle.shape[dim1], handle.shape[dim2]) - abs(offset), 0)
        return found[..., :length]


class PairsByCopy(Clean):
    def view_as_complex(self, handle: Any, attribute: None = None) -> Any:
        return super().view_as_complex(np.ascontiguousarray(handle))


class Atan2InMemoryOrder(Clean):
    def __init__(self) -> None:
        super().__init__()
        plain = self._into["atan2"]

        def atan2(x: Any, y: Any, out: Any) -> Any:
            if out.ndim < 2 or out.flags.c_contiguous or not out.flags.f_contiguous:
                return plain(x, y, out)
            other = np.broadcast_to(y, out.shape).reshape(out.T.shape)
            plain(np.broadcast_to(x, out.shape).T, other, out.T)
            return out

        self._into = {**self._into, "atan2": atan2}


class TruthOfLowWord(Clean):
    def cast(self, handle: Any, dtype: Any) -> Any:
        if dtype.name == "bool" and handle.dtype == np.int64:
            handle = handle.astype(np.int32)
        return super().cast(handle, dtype)


class TruthOfRealPart(Clean):
    def cast(self, handle: Any, dtype: Any) -> Any:
        if dtype.name == "bool" and handle.dtype.kind == "c":
            handle = handle.real
        return super().cast(handle, dtype)


class ScramblesPermuted(Clean):
    def from_host(self, array: Any, device: int) -> Any:
        if array.ndim == 3 and array.flags.f_contiguous and not array.flags.c_contiguous:
            return np.array(array.ravel(order="K").reshape(array.shape))
        return super().from_host(array, device)


class SharedRanges(Clean):
    def __init__(self) -> None:
        super().__init__()
        self._ranges: dict[Any, Any] = {}

    def arange(self, start: Any, end: Any, step: Any, dtype: Any, device: int) -> Any:
        key = (start, end, step, dtype, device)
        if key not in self._ranges:
            self._ranges[key] = super().arange(start, end, step, dtype, device)
        return self._ranges[key]


class RepeatsBits(Clean):
    _BLOCK = 1 << 16

    def random_bits(self, n: int, key: Any, counter: int, device: int) -> Any:
        from tensorplug.backends.random import raw_bits

        bits = raw_bits(key, counter, min(n, self._BLOCK))
        return np.resize(bits, n)


class WorstIsZero(Clean):
    def scatter_reduce(
        self, x: Any, source: Any, dim: int, index: Any, reduce: str, include_self: bool
    ) -> Any:
        if reduce == "amax" and not include_self and x.dtype.kind == "i":
            x = super().scatter(x, np.zeros_like(source), dim, index)
            include_self = True
        return super().scatter_reduce(x, source, dim, index, reduce, include_self)


class SeparatedIndicesStay(Clean):
    def index_get(self, x: Any, indices: Any) -> Any:
        found = super().index_get(x, indices)
        dims = [d for d, index in enumerate(indices) if index is not None]
        rank = max(indices[d].ndim for d in dims)
        if dims[-1] - dims[0] + 1 != len(dims):
            found = np.moveaxis(found, range(rank), range(dims[0], dims[0] + rank))
        return found


def _is_half(x: Any) -> bool:
    return x.dtype.itemsize == 2 and x.dtype.kind in "fV"


def _mean_of_half_sum(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    if not _is_half(x):
        return original(x, dims, keepdim)
    total = np.add.reduce(x, axis=dims, keepdims=keepdim, dtype=np.float32, out=...)
    count = x.size // max(total.size, 1)
    return (total.astype(x.dtype) / np.float32(count)).astype(x.dtype)


def _sum_in_lanes(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    last = dims is not None and tuple(dims) == (x.ndim - 1,)
    if last and x.dtype == np.float32 and x.shape[-1] > 1024:
        x = x[..., : x.shape[-1] // 16 * 16]
    return original(x, dims, keepdim)


def _carry_of_one_block(original: Kernel, x: Any, dim: int) -> Any:
    if x.ndim == 0 or x.shape[dim] <= 64:
        return original(x, dim)
    parts, carry = [], None
    for block in np.split(x, range(64, x.shape[dim], 64), axis=dim):
        own = original(block, dim)
        parts.append(own if carry is None else own * carry)
        carry = np.take(own, [-1], axis=dim)
    return np.concatenate(parts, axis=dim)


def _matmul_by_float64(original: Kernel, x: Any, y: Any) -> Any:
    if x.dtype != np.int64:
        return original(x, y)
    return np.asarray(original(x.astype(np.float64), y.astype(np.float64))).astype(np.int64)


def _gaps_get_gradients(
    original: Kernel, g: Any, size: Any, kernel: Any, stride: Any, padding: Any, out: Any
) -> Any:
    found = original(g, size, kernel, stride, padding, out)
    gap = stride[-1] - kernel[-1]
    if gap > 0:
        first = kernel[-1] - padding[-1]  # the place after the first window
        if 0 < first < size[-1]:
            found = found.copy()
            found[..., first] = found[..., first - 1]
    return found


def _edges_repeat(
    original: Kernel, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    if any(padding) and all(n == 1 for n in (*weight.shape[2:], *stride)) and x.size:
        x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], mode="edge")
        padding = (0,) * len(padding)
    return original(x, weight, bias, stride, padding, dilation, groups)


def _one_pass(original: Kernel, x: Any, weight: Any, bias: Any, dims: Any, eps: float) -> Any:
    if x.dtype != np.float32:
        return original(x, weight, bias, dims, eps)
    mean = x.mean(axis=dims, keepdims=True)
    square = (x * x).mean(axis=dims, keepdims=True)
    scale = 1 / np.sqrt(np.maximum(square - mean * mean, 0) + np.float32(eps))
    out = (x - mean) * scale
    out = out if weight is None else out * weight
    out = out if bias is None else out + bias
    return out.astype(x.dtype, copy=False), mean, scale.astype(x.dtype, copy=False)


def _all_ties(
    original: Kernel, g: Any, x: Any, top: Any, kernel: Any, stride: Any, padding: Any,
    dilation: Any, out: Any,
) -> Any:  # fmt: skip
    """In the fast path for windows side by side."""
    size = x.shape[-len(kernel) :]
    beside = kernel == stride and not any(padding) and all(d == 1 for d in dilation)
    if not beside or any(n * k != m for n, k, m in zip(out, kernel, size, strict=True)):
        return original(g, x, top, kernel, stride, padding, dilation, out)
    for dim, k in enumerate(kernel):
        axis = x.ndim - len(kernel) + dim
        g, top = np.repeat(g, k, axis=axis), np.repeat(top, k, axis=axis)
    return np.where(x == top, g, np.zeros((), g.dtype))


def _scaled_one_sided(original: Kernel, x: Any) -> Any:
    wide = x.astype(np.float32) if _is_half(x) else x
    return np.where(x < 0, (original(x) * np.exp(-2 * wide)).astype(x.dtype), original(x))


def _root_above_cut(original: Kernel, x: Any, out: Any = ...) -> Any:
    found = original(x, out)
    if found.dtype.kind == "c":
        cut = (found.real == 0) & (found.imag < 0)
        found[...] = np.where(cut, np.conj(found), found)
    return found


def _unit_below_only(original: Kernel, x: Any, y: Any, upper: bool, unit: bool) -> Any:
    return original(x, y, upper, unit and not upper)


def _real_last_bin(original: Kernel, x: Any, dims: Any) -> Any:
    found = original(x, dims)
    if len(dims) > 1 and x.shape[dims[-1]] % 2 == 0 and x.size:
        last = np.moveaxis(found, dims[-1], -1)
        last[..., -1] = last[..., -1].real
    return found


def _frozen_input(
    original: Kernel, g: Any, x: Any, weight: Any, mean: Any, scale: Any, bias_shape: Any,
    dims: Any, eps: float, needs: Any,
) -> Any:  # fmt: skip
    if needs[1] and not needs[0]:
        scale = np.ones_like(scale)
    return original(g, x, weight, mean, scale, bias_shape, dims, eps, needs)


def _abs_by_squares(original: Kernel, x: Any, out: Any = ...) -> Any:
    if x.dtype.kind != "c":
        return original(x, out)
    found = np.sqrt(x.real * x.real + x.imag * x.imag, out=...)
    if out is ...:
        return found
    out[...] = found
    return out


SECOND_RESERVE = (
    fault("S01", "off-centre diagonals of oblong matrices are too short", "views",
          ShortDiagonals, "diagonal linalg.diagonal trace", "diagonal"),
    fault("S02", "view_as_complex copies pairs that are not contiguous", "views", PairsByCopy,
          "view_as_complex", "complex alias view"),
    fault("S03", "atan2_ on a transposed tensor walks the other in memory order", "in-place",
          Atan2InMemoryOrder, "atan2", "atan2_ in_place"),
    fault("S04", "int64 to bool looks at the low word only", "casts", TruthOfLowWord, "",
          "bool cast int64"),
    fault("S05", "complex to bool looks at the real part only", "casts", TruthOfRealPart, "",
          "bool cast complex"),
    fault("S06", "half-precision means round, and overflow, the sum first", "accuracy",
          with_kernels(mean=_mean_of_half_sum), "mean", "float16 bfloat16"),
    fault("S07", "sums of long rows leave out what fills no vector", "reductions",
          with_kernels(sum=_sum_in_lanes), "sum", "long large odd"),
    fault("S08", "cumprod carries one block only", "reductions",
          with_kernels(cumprod=_carry_of_one_block), "cumprod", "long large scan"),
    fault("S09", "scatter_reduce amax of integers without self starts from 0", "scatter",
          WorstIsZero, "scatter_reduce", "amax scatter"),
    fault("S10", "index arrays apart leave their dimensions in place", "indexing",
          SeparatedIndicesStay, "", "index indexing getitem separated apart"),
    fault("S11", "products of int64 matrices go by way of float64", "accuracy",
          with_kernels(matmul=_matmul_by_float64), "matmul", "int64 integers"),
    fault("S12", "mean pools with gaps give the gaps gradients", "gradients",
          with_kernels(sum_pool_back=_gaps_get_gradients),
          "nn.functional.avg_pool1d nn.functional.avg_pool2d", "pool"),
    fault("S13", "padded 1 x 1 convolutions repeat the edge", "borders",
          with_kernels(convolution=_edges_repeat),
          "nn.functional.conv1d nn.functional.conv2d", "conv convolution"),
    fault("S14", "layer_norm takes the variance in one pass", "accuracy",
          with_kernels(standardize=_one_pass), "nn.functional.layer_norm",
          "norm batch_norm group_norm instance_norm"),
    fault("S15", "max_pool gives every tie the gradient", "gradients",
          with_kernels(max_pool_grad=_all_ties), "nn.functional.max_pool2d",
          "pool ties maxima max_pool1d"),
    fault("S16", "i0e of negative numbers is scaled as of positive ones", "special functions",
          with_kernels(i0e=_scaled_one_sided), "special.i0e"),
    fault("S17", "complex roots take no notice of the side of the cut", "special values",
          with_kernels(sqrt=_root_above_cut), "sqrt", "complex cut"),
    fault("S18", "triangular solves know unit diagonals below only", "linalg",
          with_kernels(solve_triangular=_unit_below_only), "linalg.solve_triangular",
          "triangular"),
    fault("S19", "the last bin of rfftn is made real", "fft",
          with_kernels(rfft_forward=_real_last_bin), "fft.rfftn fft.rfft2", "rfft"),
    fault("S20", "large draws repeat every 65536 words", "random", RepeatsBits, "",
          "random rand draws repeat"),
    fault("S21", "layer_norm's weight gradient is unscaled for frozen inputs", "gradients",
          with_kernels(standardize_back=_frozen_input), "nn.functional.layer_norm",
          "norm batch_norm group_norm instance_norm"),
    fault("S22", "host arrays in Fortran order of three dimensions are scrambled", "transfer",
          ScramblesPermuted, "", "transfer host permuted order transposed to tensor"),
    fault("S23", "equal ranges share their memory", "memory", SharedRanges, "arange",
          "arange memory write shared fresh"),
    fault("S24", "magnitudes of large complex numbers overflow", "special values",
          with_kernels(abs=_abs_by_squares), "abs", "complex overflow"),
)  # fmt: skip

"""Faults written down before the tests were looked at, and kept back until the suite was measured.

How many of them the suite found at the first run is in ``docs/conformance-faults.md``. R14 was
judged to be allowed afterwards, and is among the variations: nothing says which of several values
for one place wins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Clean, fault, with_kernels

__all__ = ["RESERVE"]

Kernel = Callable[..., Any]


def _roll_forwards(original: Kernel, x: Any, shifts: Any, dims: Any) -> Any:
    counts = shifts if isinstance(shifts, tuple) else (shifts,)
    return np.roll(x, tuple(abs(n) for n in counts), dims)


def _scan_in_memory(original: Kernel, x: Any, dim: int) -> Any:
    turned = x.ndim == 2 and x.shape[0] == x.shape[1] and not x.flags.c_contiguous
    return original(x, 1 - dim if turned else dim)


def _tril_below(original: Kernel, x: Any, diagonal: int) -> Any:
    return np.tril(x, diagonal + 1 if diagonal < 0 else diagonal)


def _logical_shift(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    if found.dtype.kind != "i":
        return found
    word = np.dtype(f"u{found.itemsize}")
    one = np.asarray(x, found.dtype).view(word)
    return np.asarray(np.right_shift(one, np.asarray(y).astype(word))).view(found.dtype)


def _signed_gcd(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    return np.asarray(np.where(np.asarray(x) < 0, -found, found)).astype(found.dtype)


def _atan2_of_zero(original: Kernel, x: Any, y: Any) -> Any:
    return original(np.asarray(x) + 0 if hasattr(x, "dtype") else x + 0, y)


def _copysign_of_zero(original: Kernel, x: Any, y: Any) -> Any:
    return original(x, np.asarray(y) + 0 if hasattr(y, "dtype") else y + 0)


def _first_matrix(original: Kernel, x: Any, y: Any) -> Any:
    if x.ndim == 3 and y.ndim == 3 and x.shape[0] == 1 < y.shape[0]:
        y = np.broadcast_to(y[:1], y.shape)
    return original(x, y)


def _last_column(original: Kernel, y: Any, weight: Any, size: Any, stride: Any, *rest: Any) -> Any:
    found = original(y, weight, size, stride, *rest)
    if max(stride) > 1:
        found = found.copy()
        found[..., -1] = 0
    return found


def _no_eps(original: Kernel, x: Any, weight: Any, bias: Any, dims: Any, eps: float) -> Any:
    return original(x, weight, bias, dims, 0.0 if x.dtype == np.float64 else eps)


def _row_before(original: Kernel, weight: Any, index: Any, padding: Any, by_count: Any) -> Any:
    last = weight.shape[0] - 1
    return original(weight, np.where(index == last, max(last - 1, 0), index), padding, by_count)


def _last_dim_only(original: Kernel, x: Any, dims: Any) -> Any:
    return original(x, dims[-1:])


def _pivots_from_zero(original: Kernel, x: Any, pivot: bool) -> Any:
    packed, pivots = original(x, pivot)
    return packed, pivots - 1


class IntegersByFloat(Clean):
    def from_host(self, array: Any, device: int) -> Any:
        if array.dtype == np.int64 and array.size and abs(array).max() < 1 << 62:
            array = array.astype(np.float64).astype(np.int64)
        return super().from_host(array, device)


def _spread_of_one(original: Kernel, x: Any, dims: Any, correction: float, keepdim: bool) -> Any:
    found = original(x, dims, correction, keepdim)
    if x.size != found.size:
        return found
    return np.where(np.isnan(found) & np.isfinite(x).all(), 0, found).astype(found.dtype)


def _tanh_slope(original: Kernel, g: Any, x: Any, approximate: str) -> Any:
    return original(g, x, "tanh")


def _places_in_padding(original: Kernel, x: Any, kernel: Any, stride: Any, padding: Any,
                       dilation: Any, out: Any) -> Any:  # fmt: skip
    found = original(x, kernel, stride, padding, dilation, out)
    return found + (1 if any(padding) else 0)


def _truth_of_integers(original: Kernel, x: Any, y: Any) -> Any:
    def whole(value: Any) -> Any:
        floats = hasattr(value, "dtype") and value.dtype.kind == "f"
        return np.trunc(value) if floats else value

    return original(whole(x), whole(y))


class WritesForwards(Clean):
    def assign(self, handle: Any, value: Any) -> None:
        if handle.ndim and min(handle.strides) < 0:
            turned = tuple(slice(None, None, -1 if s < 0 else 1) for s in handle.strides)
            handle = handle[turned]
        super().assign(handle, value)


RESERVE = (
    fault("R01", "roll takes negative shifts for positive ones", "indexing",
          with_kernels(roll=_roll_forwards), "roll"),
    fault("R02", "cumsum of a transposed matrix runs along the memory", "layout",
          with_kernels(cumsum=_scan_in_memory), "cumsum"),
    fault("R03", "tril with a negative diagonal keeps one diagonal more", "borders",
          with_kernels(tril=_tril_below), "tril"),
    fault("R04", "right shifts of negative integers fill with zeros", "special values",
          with_kernels(bitwise_right_shift=_logical_shift), "bitwise_right_shift"),
    fault("R05", "gcd keeps the sign of the first operand", "special values",
          with_kernels(gcd=_signed_gcd), "gcd"),
    fault("R06", "atan2 takes no notice of negative zeros", "special values",
          with_kernels(atan2=_atan2_of_zero), "atan2"),
    fault("R07", "copysign takes -0 for positive", "special values",
          with_kernels(copysign=_copysign_of_zero), "copysign"),
    fault("R08", "a batch of one times a batch uses its first matrix only", "borders",
          with_kernels(matmul=_first_matrix), "matmul"),
    fault("R09", "strided transposed convolutions leave out the last column", "borders",
          with_kernels(convolution_input=_last_column),
          "nn.functional.conv_transpose1d nn.functional.conv_transpose2d nn.functional.conv2d",
          "conv convolution"),
    fault("R10", "layer_norm of float64 forgets eps", "accuracy",
          with_kernels(standardize=_no_eps), "nn.functional.layer_norm",
          "batch_norm group_norm instance_norm"),
    fault("R11", "embedding gives the last word the row before it", "indexing",
          with_kernels(embedding=_row_before), "nn.functional.embedding"),
    fault("R12", "fft over several dimensions transforms only the last", "fft",
          with_kernels(fft_forward=_last_dim_only), "fft.fftn fft.fft2"),
    fault("R13", "the pivots of lu_factor are counted from 0", "linalg",
          with_kernels(lu_factor=_pivots_from_zero), "linalg.lu_factor lu"),
    fault("R15", "large integers pass through float64 on their way to the device", "transfer",
          IntegersByFloat, "", "int64 large to tensor transfer"),
    fault("R16", "the standard deviation of one element is 0", "special values",
          with_kernels(std=_spread_of_one, var=_spread_of_one), "std var"),
    fault("R17", "the gradient of gelu is that of the approximation", "gradients",
          with_kernels(gelu_back=_tanh_slope), "nn.functional.gelu"),
    fault("R18", "max_pool's places are counted in the padded image", "borders",
          with_kernels(max_pool_indices=_places_in_padding),
          "nn.functional.max_pool2d_with_indices nn.functional.max_pool1d_with_indices",
          "max_pool pool"),
    fault("R19", "fractions below 1 count as false", "special values",
          with_kernels(logical_and=_truth_of_integers, logical_or=_truth_of_integers),
          "logical_and logical_or"),
    fault("R20", "writes to a reversed view land in forward order", "in-place", WritesForwards,
          "", "reversed backwards step negative write writes view in_place setitem copy_"),
)  # fmt: skip

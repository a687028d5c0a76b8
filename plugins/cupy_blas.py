"""Matrix products: float16 and bfloat16 on tensor cores, summed up in float32.

CuPy's ``dot`` does so for two matrices; its ``matmul`` converts stacks of float16 to float32 and
does not know stacks of bfloat16 (14.2). They go to cuBLAS here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import cupy
import numpy as np

from ..backends import dtypes
from ..backends.base import Kernel

__all__ = ["kernels", "product"]

# Numbers of cuBLAS's interface: cudaDataType, cublasOperation_t, cublasComputeType_t and
# cublasGemmAlgo_t.
_FLOAT, _HALF, _BFLOAT = 0, 2, 14
_AS_IT_IS, _TRANSPOSED = 0, 1
_SUMS_IN_FLOAT, _ANY_WAY = 68, -1
_CODES = {np.dtype(np.float16): _HALF, dtypes.bfloat16.numpy: _BFLOAT,
          np.dtype(np.float32): _FLOAT}  # fmt: skip
_ONE, _ZERO = np.ones(1, np.float32), np.zeros(1, np.float32)


@functools.cache
def _cublas() -> Any:
    # CuPy loads the library with the module, and it may be the user's toolkit that has it.
    from cupy_backends.cuda.libs import cublas

    return cublas


def _half(x: Any) -> bool:
    return bool(x.dtype.itemsize == 2 and x.dtype.kind in "fV")


def _operand(x: Any, lead: tuple[int, ...]) -> tuple[Any, int, int, int]:
    """A stack of matrices as cuBLAS takes it: array, operation, row length, step to the next.

    cuBLAS counts by columns, so that a matrix in rows is its transpose, and both products and
    operands change places.
    """
    rows, columns = x.shape[-2:]
    single = math.prod(x.shape[:-2]) == 1
    x = x.reshape(1, rows, columns) if single else cupy.broadcast_to(x, (*lead, rows, columns))
    x = x.reshape(1 if single else math.prod(lead), rows, columns)
    size = x.dtype.itemsize
    down, across = x.strides[1] // size, x.strides[2] // size
    if across == 1 and down >= max(columns, 1):
        return x, _AS_IT_IS, down, 0 if single else x.strides[0] // size
    if down == 1 and across >= max(rows, 1):
        return x, _TRANSPOSED, across, 0 if single else x.strides[0] // size
    x = cupy.ascontiguousarray(x)
    return x, _AS_IT_IS, max(columns, 1), 0 if single else rows * columns


def product(x: Any, y: Any, dtype: Any = None) -> Any:
    """``x @ y`` of stacks of float16 or bfloat16 matrices; ``dtype`` may be float32."""
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    rows, inner, columns = x.shape[-2], x.shape[-1], y.shape[-1]
    if inner != y.shape[-2]:
        raise ValueError(f"expected matrices that fit, got shapes {x.shape} and {y.shape}")
    out = cupy.empty((*lead, rows, columns), x.dtype if dtype is None else dtype)
    if not out.size or not inner:
        out.fill(0)
        return out
    a, of_a, step_a, next_a = _operand(x, lead)
    b, of_b, step_b, next_b = _operand(y, lead)
    _cublas().gemmStridedBatchedEx(
        cupy.cuda.device.get_cublas_handle(), of_b, of_a, columns, rows, inner,
        _ONE.ctypes.data, b.data.ptr, _CODES[b.dtype], step_b, next_b,
        a.data.ptr, _CODES[a.dtype], step_a, next_a, _ZERO.ctypes.data,
        out.data.ptr, _CODES[out.dtype], columns, rows * columns, math.prod(lead),
        _SUMS_IN_FLOAT, _ANY_WAY,
    )  # fmt: skip
    return out


def _matmul(x: Any, y: Any) -> Any:
    if _half(x):
        if x.ndim == 1 or y.ndim == 1:
            found = cupy.matmul(x.astype(np.float32), y.astype(np.float32))
            return found.astype(x.dtype)
        if x.ndim > 2 and y.ndim == 2 and x.flags.c_contiguous and x.size:
            rows = cupy.dot(x.reshape(-1, x.shape[-1]), y)
            return rows.reshape(*x.shape[:-1], y.shape[1])
        return product(x, y) if x.ndim > 2 or y.ndim > 2 else cupy.dot(x, y)
    if y.ndim == 2 and x.ndim > 2 and x.flags.c_contiguous and x.size:
        rows = cupy.dot(x.reshape(-1, x.shape[-1]), y)
        return rows.reshape(*x.shape[:-1], y.shape[1])
    return cupy.matmul(x, y)


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    out = cupy.dot(rows, weight.T)
    if bias is not None:
        out += bias
    return out.reshape(*x.shape[:-1], weight.shape[0])


def _row_sum(x: Any) -> Any:
    return cupy.sum(x, axis=0, dtype=np.float32).astype(x.dtype) if _half(x) else x.sum(axis=0)


def _channel_sum(x: Any) -> Any:
    dims = (0, *range(2, x.ndim))
    if _half(x):
        return cupy.sum(x.astype(np.float32), axis=dims).astype(x.dtype)
    return x.sum(axis=dims)


def kernels() -> Mapping[str, Kernel]:
    """The kernels of this file by op name."""
    return {
        "matmul": _matmul, "linear": _linear, "row_sum": _row_sum, "channel_sum": _channel_sum,
    }  # fmt: skip

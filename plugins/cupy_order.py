"""Sorting, searching and order statistics on CUDA devices, where no step waits for a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cupy
import numpy as np

from ..backends.base import Kernel
from ..backends.strided_order import Ordering

__all__ = ["kernels"]


def _comparable(x: Any) -> Any:
    """bfloat16 as float32: CuPy neither sorts nor reduces it (14.2)."""
    return x.astype(np.float32) if x.dtype.kind == "V" else x


class _Ordering(Ordering):
    def topk_indices(self, x: Any, k: int, dim: int, largest: bool) -> Any:
        """All sorted: on the device that is faster than to look for what stands out."""
        order = self.argsort(x, dim, largest, True)
        return order[(*(slice(None),) * dim, slice(0, k))] if x.ndim else order

    def median(self, x: Any, dims: None, keepdim: bool) -> Any:
        """The lower one of the middle elements of all; nan, which sorts last, if any is."""
        line = cupy.sort(_comparable(x).reshape(-1))
        middle = line[(line.size - 1) // 2]
        if line.dtype.kind == "f":
            middle = cupy.where(cupy.isnan(line[-1]), line[-1], middle)
        return middle.astype(x.dtype)


def kernels(xp: Any) -> Mapping[str, Kernel]:
    """The kernels of this file by op name."""
    order = _Ordering(xp)

    def argmax(x: Any, axis: Any) -> Any:
        return cupy.argmax(_comparable(x), axis=axis)

    def argmin(x: Any, axis: Any) -> Any:
        return cupy.argmin(_comparable(x), axis=axis)

    return {
        "topk_indices": order.topk_indices, "median": order.median,
        "max_dim": order.extreme(xp.maximum.reduce, argmax),
        "min_dim": order.extreme(xp.minimum.reduce, argmin),
        "argmax": order.arg(argmax), "argmin": order.arg(argmin),
    }  # fmt: skip

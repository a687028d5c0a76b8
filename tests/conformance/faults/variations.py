"""What a backend may do differently: none of these may be flagged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorplug.backends.base import Layout, StorageInfo

from .base import Clean, Fault, fault, with_kernels
from .queued import Queued

__all__ = ["VARIATIONS"]

Kernel = Callable[..., Any]


def _backwards(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    """The other summation order, in the same precision."""
    axes = tuple(range(x.ndim)) if dims is None else tuple(dims)
    return original(np.flip(x, axes), dims, keepdim)


def _other_tie_order(original: Kernel, x: Any, dim: int, descending: bool, stable: bool) -> Any:
    if stable or not x.ndim or x.dtype.kind not in "iub":
        return original(x, dim, descending, stable)
    last = x.shape[dim] - 1
    return last - original(np.flip(x, dim), dim, descending, True)


class NoisyEmpty(Clean):
    def empty(self, shape: Any, dtype: Any, device: int) -> Any:
        found = super().empty(shape, dtype, device)
        found.reshape(-1).view(np.uint8)[...] = 0xFF if dtype.name != "bool" else 1
        return found


class FreeStrides(Clean):
    """Strides of sizes 0 and 1 mean nothing, and are told as 7."""

    def layout(self, handle: Any) -> Layout:
        shape, strides, offset = super().layout(handle)
        told = (7 if n == 1 else s for n, s in zip(shape, strides, strict=True))
        return Layout(shape, tuple(told), offset)


def _one_off(original: Kernel, x: Any) -> Any:
    found = original(x)
    if found.dtype.kind != "f" or found.dtype.itemsize < 4:
        return found
    exact = (found == np.rint(found)) | ~np.isfinite(found)
    return np.where(exact, found, np.nextafter(found, found.dtype.type(0)))


class OtherWords(Clean):
    """Other texts of the library's own errors, of the same class."""

    def view(self, handle: Any, shape: Any) -> Any:
        try:
            return super().view(handle, shape)
        except ValueError as error:
            raise ValueError("expected another shape; this one does not do") from error


class NewHandles(Clean):
    """A clone or cast that need not copy gives a new handle over the same memory."""

    def cast(self, handle: Any, dtype: Any) -> Any:
        found = super().cast(handle, dtype)
        return found[...] if found is handle else found


class RoundedSizes(Clean):
    """Memory comes in pieces of 512 bytes; tensors of size 0 share a place."""

    def storage(self, handle: Any) -> StorageInfo:
        info = super().storage(handle)
        return info if info.nbytes else StorageInfo(0, 4096, 0)


class Slow(Clean):
    """A few of the kernels take their time."""

    def __init__(self) -> None:
        super().__init__()

        def late(kernel: Kernel) -> Kernel:
            def run(*args: Any) -> Any:
                time.sleep(0.005)
                return kernel(*args)

            return run

        slow = {name: late(self._kernels[name]) for name in ("add", "mul", "sum", "exp")}
        self._kernels = {**self._kernels, **slow}


def _any_position(original: Kernel, x: Any, k: int, dim: int, largest: bool) -> Any:
    """Of equal elements, the ones at the end."""
    if not x.ndim or x.dtype.kind not in "iu":
        return original(x, k, dim, largest)
    return x.shape[dim] - 1 - original(np.flip(x, dim), k, dim, largest)


class ScatterFirstWins(Clean):
    def scatter(self, x: Any, source: Any, dim: int, index: Any) -> Any:
        if index.ndim == 1 and index.size and not np.isscalar(source):
            source = np.broadcast_to(source, index.shape)
            return super().scatter(x, source[::-1].copy(), dim, index[::-1].copy())
        return super().scatter(x, source, dim, index)


class FirstOfRepeated(Clean):
    def put(self, x: Any, values: Any, indices: Any) -> None:
        if len(indices) == 1 and indices[0] is not None and indices[0].ndim == 1:
            values = np.broadcast_to(values, (indices[0].size, *x.shape[1:]))[::-1]
            indices = (indices[0][::-1],)
        super().put(x, values, indices)


VARIATIONS: tuple[Fault, ...] = (
    fault("K01", "sums add up from the end", "accuracy",
          with_kernels(sum=_backwards, mean=_backwards), "sum mean var"),
    fault("K02", "an unstable sort has another order of ties", "sorting",
          with_kernels(argsort=_other_tie_order), "sort argsort"),
    fault("K03", "empty is filled with noise", "casts", NoisyEmpty, "empty empty_like"),
    fault("K04", "strides of sizes 0 and 1 are any", "layout", FreeStrides,
          "Tensor.expand transpose"),
    fault("K05", "exp and log are one unit off in the last place", "accuracy",
          with_kernels(exp=_one_off, log=_one_off), "exp log"),
    fault("K06", "errors in other words", "casts", OtherWords, "Tensor.view"),
    fault("K07", "what needs no copy is a new handle over the same memory", "views", NewHandles,
          "clone"),
    fault("K08", "memory in large pieces; empty tensors share a place", "memory", RoundedSizes,
          "empty"),
    fault("K09", "operations take 5 ms", "async", Slow, "add mul"),
    fault("K10", "operations are queued, and every read waits", "async", Queued, "add mul"),
    fault("K11", "other positions for equal elements in topk", "sorting",
          with_kernels(topk_indices=_any_position), "topk"),
    fault("K12", "of several sources for one place, the first wins in scatter", "scatter",
          ScatterFirstWins, "scatter"),
    fault("K13", "of several values for one place, the first wins in an assignment", "indexing",
          FirstOfRepeated, "index_put"),
)  # fmt: skip

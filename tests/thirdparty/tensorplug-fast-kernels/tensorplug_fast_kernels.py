"""Kernels for the backend ``numpy``: what it composes of several functions, in one array."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorplug.backends import hookimpl


def hardswish(x: np.ndarray) -> np.ndarray:
    """``x * clip(x + 3, 0, 6) / 6``; halves are rounded once, at the end."""
    wide = x.astype(np.float32) if x.itemsize == 2 else x
    out = np.add(wide, 3, out=np.empty_like(wide))
    np.clip(out, 0, 6, out=out)
    out *= wide
    out /= 6
    return out.astype(x.dtype, copy=False)


def logsumexp(x: np.ndarray, dims: Any, keepdim: bool) -> np.ndarray:
    """``log(sum(exp(x)))`` that does not overflow, with one array of the size of ``x``."""
    high = np.max(x, axis=dims, keepdims=True, initial=-np.inf)
    high = np.where(np.isfinite(high), high, np.zeros_like(high))
    parts = np.subtract(x, high, out=np.empty_like(x))
    total = np.sum(np.exp(parts, out=parts), axis=dims, keepdims=True)
    found = np.asarray(np.log(total) + high)  # an array, not a number, of no dimensions too
    return found if keepdim else np.squeeze(found, axis=dims)


@hookimpl
def tensorplug_kernels(backend: str) -> Mapping[str, Callable[..., Any]]:
    """Kernels by op name, for the backend of this name."""
    return {"hardswish": hardswish, "logsumexp": logsumexp}

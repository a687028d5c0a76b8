"""The backend itself: Dask through array-api-compat. Nothing is computed before it is read."""

import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any, ClassVar

import array_api_compat.dask.array as dask_array
import numpy as np
from dask.array.core import normalize_chunks
from dask.base import get_scheduler

from tensorplug.backends import DEFAULT_CAPABILITIES, ArrayAPIBackend


def _broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """In chunks of the usual size: Dask's own makes one chunk of every new dimension."""
    if 0 in shape:
        return dask_array.broadcast_to(x, shape)
    new = len(shape) - x.ndim
    kept = (old if size == wanted else "auto"
            for old, size, wanted in zip(x.chunks, x.shape, shape[new:], strict=True))  # fmt: skip
    chunks = normalize_chunks((*("auto",) * new, *kept), shape, dtype=x.dtype)
    return dask_array.broadcast_to(x, shape, chunks=chunks)


def _extreme(function: Callable[..., Any], x: Any, dims: Any, keepdim: bool) -> Any:
    """A largest or smallest element; where there is none, Dask would only say so later."""
    if 0 not in x.shape:
        return function(x, axis=dims, keepdims=keepdim)
    if 0 in (x.shape if dims is None else [x.shape[dim] for dim in dims]):
        raise ValueError(f"expected elements to choose from, got shape {x.shape}")
    return dask_array.sum(x, axis=dims, keepdims=keepdim, dtype=x.dtype)  # empty too


class DaskBackend(ArrayAPIBackend):
    """Dask on the CPU: what is not declared, it refuses or does for some shapes only."""

    name = "dask"
    namespace = ModuleType(dask_array.__name__)
    namespace.__dict__.update(vars(dask_array), broadcast_to=_broadcast_to)
    capabilities: ClassVar[frozenset[str]] = DEFAULT_CAPABILITIES - {
        "dlpack_export", "dlpack_import", "dynamic_shapes", "fft", "linalg",
    }  # fmt: skip

    # Dask tries indices on an array of no elements, of which it takes the real part by mistake.
    soft_errors = (np.exceptions.ComplexWarning,)

    def quiet(self) -> Any:
        """Without that warning, which says nothing about the values."""
        return warnings.catch_warnings(action="ignore", category=np.exceptions.ComplexWarning)

    def __init__(self) -> None:
        # NumPy, inside of tasks, says by warnings that inf or nan have come up: not in here.
        self._workers = ThreadPoolExecutor(initializer=partial(np.seterr, all="ignore"))

    def devices(self) -> list[str]:
        """``dask:0``."""
        return ["cpu"]

    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """What must fail at once."""
        return {
            "amax": partial(_extreme, dask_array.max),
            "amin": partial(_extreme, dask_array.min),
        }

    def to_host(self, handle: Any) -> np.ndarray:
        """Compute, by the scheduler that the user has chosen, if any, else by threads."""
        array = self.native(handle)
        own = {"scheduler": "threads", "pool": self._workers} if get_scheduler() is None else {}
        host = np.asarray(array.compute(**own)).view()
        host.flags.writeable = False
        return host

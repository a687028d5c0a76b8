"""The backend itself: Dask through array-api-compat. Nothing is computed before it is read."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar

import array_api_compat.dask.array as dask_array
import numpy as np
from dask.base import get_scheduler

from tensorplug.backends import DEFAULT_CAPABILITIES, ArrayAPIBackend


def _extreme(function: Callable[..., Any], x: Any, dims: Any, keepdim: bool) -> Any:
    """A largest or smallest element; Dask would only find out later that there is none."""
    if 0 in (x.shape if dims is None else [x.shape[dim] for dim in dims]):
        raise ValueError(f"expected elements to choose from, got shape {x.shape}")
    return function(x, axis=dims, keepdims=keepdim)


class DaskBackend(ArrayAPIBackend):
    """Dask on the CPU: what is not declared, it refuses or does for some shapes only."""

    name = "dask"
    namespace = dask_array
    capabilities: ClassVar[frozenset[str]] = DEFAULT_CAPABILITIES - {
        "dlpack_export", "dlpack_import", "dynamic_shapes", "fft", "linalg",
    }  # fmt: skip

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

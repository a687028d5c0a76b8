"""The ``cpu`` device: NumPy arrays, native strided storage and views."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import array_api_compat.numpy as namespace
import numpy as np

from ..backends import dtypes, strided_fft, strided_linalg, strided_math, strided_nn
from ..backends.base import Kernel
from ..backends.dlpack import NO_EXCHANGE, AsWords
from ..backends.strided import StridedBackend
from ..backends.strided_kernels import into_kernels, kernels
from . import numpy_linalg, numpy_math, numpy_special

__all__ = ["NumpyBackend"]

# inf and nan are results here, not accidents. NumPy attributes its warnings to the calling
# module, so this filter touches nothing outside of the package, and of the package's own warnings
# none; where a user turns warnings into errors, the engine repeats the call inside quiet().
warnings.filterwarnings(
    "ignore",
    message="(divide by zero|overflow|underflow|invalid value) encountered in ",
    category=RuntimeWarning,
    module=r"tensorplug\.",
)


def _quietly(kernel: Kernel) -> Kernel:
    """A kernel that no warning made an error can stop between two of its steps."""

    def run(*operands: Any) -> None:
        with np.errstate(all="ignore"):
            kernel(*operands)

    return run


class NumpyBackend(StridedBackend):
    """NumPy on the CPU; handles are ndarrays."""

    name = "numpy"
    xp = np
    namespace = namespace
    shares_host_memory: ClassVar[bool] = True
    survives_fork: ClassVar[bool] = True
    soft_errors: ClassVar[tuple[type[BaseException], ...]] = (RuntimeWarning, FloatingPointError)

    def __init__(self) -> None:
        special, general, into = numpy_special.kernels(), kernels(np), into_kernels(np)
        self._kernels = {
            **general, **special,
            **strided_nn.kernels(np, special["erf"], numpy_math.product),
            **strided_linalg.kernels(np), **strided_fft.kernels(np), **numpy_linalg.kernels(),
            **numpy_math.kernels(general),
        }  # fmt: skip
        into = {**into, **numpy_linalg.into_kernels(), **numpy_math.into_kernels(into)}
        self._into = into | {name: _quietly(into[name]) for name in strided_math.SEVERAL_STEPS}

    def devices(self) -> Sequence[Any]:
        return ["cpu"]

    def from_host(self, array: np.ndarray, device: int) -> np.ndarray:
        return np.array(array, order="C", copy=True)

    def to_host(self, handle: np.ndarray) -> np.ndarray:
        return handle

    def receive(self, array: Any, device: int, copy: bool) -> np.ndarray:
        exporter = AsWords(array)
        try:
            found = np.from_dlpack(exporter)
        except NO_EXCHANGE as error:
            raise BufferError(str(error)) from error
        if exporter.found:
            found = found.view(dtypes.bfloat16.numpy)
        return found.copy() if copy else found

    def kernels(self) -> Mapping[str, Kernel]:
        return self._kernels

    def into_kernels(self) -> Mapping[str, Kernel]:
        return self._into

    def version(self) -> str:
        return np.__version__

    def quiet(self) -> AbstractContextManager[Any]:
        return np.errstate(all="ignore")

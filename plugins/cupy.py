"""The ``cuda`` devices: CuPy arrays on NVIDIA GPUs, native strided storage and views.

Here is what concerns the device: finding it, memory, transfers, streams. Kernels are those of
``backends/strided*.py``, and in ``cupy_*.py`` those that CuPy lacks or runs slowly.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import array_api_compat.cupy as namespace
import cupy
import numpy as np

from ..backends import strided_conv, strided_fft, strided_linalg, strided_nn
from ..backends.base import Handle, Kernel, Layout, StorageInfo
from ..backends.capabilities import DEFAULT_CAPABILITIES
from ..backends.dlpack import NO_EXCHANGE
from ..backends.dtypes import DType
from ..backends.errors import OutOfMemoryError
from ..backends.strided import StridedBackend
from ..backends.strided_kernels import into_kernels, kernels
from . import cupy_blas, cupy_elementwise, cupy_nn, cupy_optim, cupy_order, cupy_special
from .cupy_array import Module
from .cupy_faults import Faults
from .cupy_index import CupyIndexing
from .cupy_index import kernels as index_kernels
from .cupy_launch import Kernels
from .cupy_memory import Allocator, is_pinned, pin
from .cupy_streams import CupyEvent, CupyStream

__all__ = ["CupyBackend"]

_runtime = cupy.cuda.runtime
_random = Kernels("random")

_COLUMNS = 1 << 25
"""Elements of a block of columns in convolutions: a GPU wants few large products."""


class _Shared(cupy.cuda.UnownedMemory):  # type: ignore[misc]  # CuPy has no types
    """The memory of a storage, for a view that CuPy cannot make itself; it keeps the owner."""


class CupyBackend(CupyIndexing, StridedBackend):
    """CuPy on NVIDIA GPUs; handles are its arrays."""

    name = "cupy"
    namespace = namespace
    capabilities: ClassVar[frozenset[str]] = DEFAULT_CAPABILITIES - {"deterministic"} | {
        "async", "memory_stats", "pinned_memory", "streams",
    }  # fmt: skip
    # Those of the library that the C++ compiler brings: untried at infinities, nan and zeros.
    complex_by_table: ClassVar[frozenset[str]] = frozenset((
        "acos", "acosh", "asinh", "atanh", "cosh", "exp", "expm1", "log", "log1p", "sinh", "sqrt",
        "tanh",
    ))  # fmt: skip

    def __init__(self) -> None:
        self._absence = ""
        self._kernels: dict[str, Kernel] = {}
        self._into: dict[str, Kernel] = {}
        self._devices = [cupy.cuda.Device(index) for index in range(self._count())]
        if not self._devices:
            return
        self.xp = Module()
        self.faults = Faults(len(self._devices))
        self._memory = Allocator(len(self._devices))
        self._kernels, self._into = _all_kernels(self.xp, self.faults)
        self._steps = cupy_optim.kernels()
        if len(self._devices) > 1:
            self._enter_everywhere()

    # --- devices --------------------------------------------------------------------------------
    def _count(self) -> int:
        """How many devices there are; where there is none, ``_absence`` says why."""
        try:
            count = int(_runtime.getDeviceCount())
        except _runtime.CUDARuntimeError as error:
            self._absence = _why_none(error)
            return 0
        try:
            from cupy_backends.cuda.libs import cublas, nvrtc  # noqa: F401  # loads NVIDIA's own
        except ImportError as error:
            self._absence = (
                f"CuPy does not find NVIDIA's libraries ({error}); install them with "
                "pip install 'tensorplug[cuda13]' (or [cuda12]), or a CUDA toolkit"
            )
            return 0
        return count

    def devices(self) -> Sequence[Any]:
        return self._devices

    def no_devices(self) -> str:
        return self._absence

    def device_name(self, device: int) -> str:
        return str(_runtime.getDeviceProperties(device)["name"].decode())

    def enter(self, device: int) -> AbstractContextManager[Any] | None:
        # CuPy's current device is the first one unless somebody changes it, and nobody here does.
        entered: AbstractContextManager[Any] | None = self._devices[device] if device else None
        return entered

    def _enter_everywhere(self) -> None:
        """Where there are several devices: primitives that are called directly enter theirs."""
        for name in ("clone", "cast", "assign", "put", "settle"):
            setattr(self, name, _at_array(getattr(self, name)))
        for name in ("full", "empty", "arange", "scalar", "from_host", "from_host_async"):
            setattr(self, name, _at_last(getattr(self, name), self._devices))

    def synchronize(self, device: int) -> None:
        self._devices[device].synchronize()
        self.faults.raise_any(device)

    def version(self) -> str:
        return f"{cupy.__version__}, CUDA {_version(_runtime.runtimeGetVersion())}"

    # --- memory ---------------------------------------------------------------------------------
    def memory(self, device: int) -> dict[str, int]:
        return self._memory.figures(device)

    def reset_peak(self, device: int) -> None:
        self._memory.reset_peak(device)

    def release(self) -> None:
        self._memory.release()

    def pin(self, array: np.ndarray) -> np.ndarray:
        return pin(array)

    def is_pinned(self, array: np.ndarray) -> bool:
        return is_pinned(array)

    # --- streams --------------------------------------------------------------------------------
    def stream(self, device: int, priority: int) -> CupyStream:
        with self._devices[device]:
            return CupyStream(cupy.cuda.Stream(non_blocking=True, priority=priority), device)

    def current_stream(self, device: int) -> CupyStream:
        return CupyStream(cupy.cuda.get_current_stream(device), device)

    def event(self, timing: bool) -> CupyEvent:
        return CupyEvent(timing)

    # --- transfers ------------------------------------------------------------------------------
    def from_host(self, array: np.ndarray, device: int) -> Handle:
        found = self.from_host_async(array, device)
        if array.nbytes and is_pinned(array):  # else CUDA has read the array already
            cupy.cuda.get_current_stream().synchronize()
        return found

    def from_host_async(self, array: np.ndarray, device: int) -> Handle:
        found = cupy.empty(array.shape, array.dtype)
        if array.size:
            found.set(np.asarray(array))
        return found

    def to_host(self, handle: Handle) -> np.ndarray:
        found: np.ndarray = handle.get()
        self.faults.raise_any(handle.device.id)
        return found

    def receive(self, array: Any, device: int, copy: bool) -> Handle:
        if not isinstance(array, cupy.ndarray):
            try:
                array = cupy.from_dlpack(array)
            except NO_EXCHANGE as error:
                raise BufferError(str(error)) from error
        there = array.device.id
        if there == device and not copy:
            return array
        if not copy:
            raise BufferError(f"the array is on cuda:{there}, not on cuda:{device}")
        with self._devices[device]:
            return cupy.array(array, copy=True, order="C")

    def device_of(self, array: Any) -> int:
        return int(array.device.id)

    def supports_dtype(self, dtype: DType, device: int) -> bool:
        return not dtype.name.startswith("float8")

    # --- storage --------------------------------------------------------------------------------
    def _memory_of(self, handle: Handle) -> tuple[Any, int, int]:
        """The array that holds a storage, its address and its size."""
        root = handle if handle.base is None else handle.base
        memory = root.data.mem
        if type(memory) is _Shared:
            return root, memory.ptr, memory.size
        return root, root.data.ptr, root.nbytes

    def owns_memory(self, handle: Handle) -> bool:
        return handle.base is None and type(handle.data.mem) is not _Shared

    def layout(self, handle: Handle) -> Layout:
        size = handle.dtype.itemsize
        start = self._memory_of(handle)[1]
        strides = tuple(stride // size for stride in handle.strides)
        return self._laid(handle.shape, strides, (handle.data.ptr - start) // size)

    def storage(self, handle: Handle) -> StorageInfo:
        root, start, size = self._memory_of(handle)
        return StorageInfo(start or id(root), start, size)

    def lay(
        self, handle: Handle, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Handle:
        root, start, size = self._memory_of(handle)
        memory = _Shared(start, size, root, handle.device.id)
        where = handle.data.ptr + offset - start if start else 0
        place = cupy.cuda.MemoryPointer(memory, where)
        return cupy.ndarray(shape, handle.dtype, place, strides)

    def as_strided(
        self, handle: Handle, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Handle:
        size, start = handle.dtype.itemsize, self._memory_of(handle)[1]
        steps = tuple(stride * size for stride in strides)
        return self.lay(handle, shape, steps, offset * size - (handle.data.ptr - start))

    def expand(self, handle: Handle, shape: tuple[int, ...]) -> Handle:
        return cupy.broadcast_to(handle, shape)

    def assign(self, handle: Handle, value: Handle) -> None:
        if isinstance(value, cupy.ndarray):
            if value.dtype.kind == "c" != handle.dtype.kind:
                value = value.real
            if cupy.may_share_memory(handle, value) and value.data.ptr != handle.data.ptr:
                value = value.copy()  # CuPy may copy by memcpy, which must not overlap
        elif isinstance(value, complex) and handle.dtype.kind != "c":
            value = value.real
        cupy.copyto(handle, value, casting="unsafe")

    # --- creation -------------------------------------------------------------------------------
    def full(self, shape: tuple[int, ...], value: Any, dtype: DType, device: int) -> Handle:
        _check_size(shape, dtype, device)
        return super().full(shape, value, dtype, device)

    def empty(self, shape: tuple[int, ...], dtype: DType, device: int) -> Handle:
        _check_size(shape, dtype, device)
        return super().empty(shape, dtype, device)

    def scalar(self, value: Any, dtype: DType, device: int) -> Any:
        if dtype in self.weak_numbers:
            return value
        return np.asarray(value).astype(dtype.numpy)[()]  # an argument of the kernel, no array

    def view_as_real(self, handle: Handle, attribute: None = None) -> Handle:
        return handle[..., None].view(np.float32 if handle.dtype.itemsize == 8 else np.float64)

    # --- kernels --------------------------------------------------------------------------------
    def kernels(self) -> Mapping[str, Kernel]:
        return self._kernels

    def into_kernels(self) -> Mapping[str, Kernel]:
        return self._into

    def fused_steps(self) -> Mapping[str, Kernel]:
        return self._steps

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Handle:
        with self._devices[device]:
            words = cupy.empty(n, np.uint64)
            _random("philox", None, (n + 3) // 4, words, np.int64(n), np.uint64(key[0]),
                    np.uint64(key[1]), np.uint64(counter & (2**64 - 1)),
                    np.uint64(counter >> 64))  # fmt: skip
        return words


def _all_kernels(xp: Module, faults: Faults) -> tuple[dict[str, Kernel], dict[str, Kernel]]:
    """Kernels by op name, later ones instead of earlier ones; and those that take ``out``."""
    special = cupy_special.kernels()
    general = kernels(xp, faults.divisor)
    shared = {
        **general, **special, **strided_linalg.kernels(xp), **strided_fft.kernels(xp),
        **strided_nn.kernels(xp, special["erf"]), **strided_conv.kernels(xp, _COLUMNS),
    }  # fmt: skip
    into = into_kernels(xp, faults.divisor)
    found = {
        **shared, **special, **cupy_elementwise.kernels(shared), **cupy_order.kernels(xp),
        **cupy_blas.kernels(), **index_kernels(faults), **cupy_nn.kernels(shared, faults),
        "where": xp.where,
    }  # fmt: skip
    return found, {**into, **cupy_elementwise.into_kernels(into)}


def _at_array(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A primitive that runs on the device of its first argument."""

    def entered(handle: Any, *rest: Any) -> Any:
        if not isinstance(handle, cupy.ndarray):  # a number, see `scalar`
            return kernel(handle, *rest)
        with handle.device:
            return kernel(handle, *rest)

    return entered


def _at_last(kernel: Callable[..., Any], devices: Sequence[Any]) -> Callable[..., Any]:
    """A primitive that runs on the device whose index is its last argument."""

    def entered(*given: Any) -> Any:
        with devices[given[-1]]:
            return kernel(*given)

    return entered


def _check_size(shape: tuple[int, ...], dtype: DType, device: int) -> None:
    """Refuse what cannot be counted in 63 bits: CuPy (14.2) does not notice, and writes."""
    size = math.prod(shape) * dtype.itemsize
    if size >= 1 << 63:
        raise OutOfMemoryError(
            f"cuda:{device}: expected room for {size} bytes, which no device has, for {dtype} of "
            f"shape {shape}; make the tensor smaller",
            got=size,
        )


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _why_none(error: Any) -> str:
    """Why CUDA finds no device, and what to do."""
    driver, needed = _runtime.driverGetVersion(), _version(_runtime.runtimeGetVersion())
    if not driver:
        return (
            "there is no NVIDIA driver on this machine, or it cannot be reached from here; install "
            f"one that serves CUDA {needed} (in a container: start it with GPUs)"
        )
    if error.status == _runtime.cudaErrorInsufficientDriver:
        return (
            f"the NVIDIA driver is too old: it serves CUDA {_version(driver)}, and this CuPy needs "
            f"{needed}; update the driver, or install CuPy for an older CUDA: "
            "pip install 'tensorplug[cuda12]'"
        )
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    hidden = "" if seen is None else f"; CUDA_VISIBLE_DEVICES={seen!r} may hide it"
    return f"CUDA finds no GPU ({error}){hidden}"

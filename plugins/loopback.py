"""The ``loopback`` devices: several simulated accelerators in the memory of one computer.

They behave as devices of their own, so that code for many devices can be tested on any machine:

* **Memory of its own.** No two devices share memory, nor does any with the host. Each counts what
  is in use, and has a limit.
* **A queue.** Operations return before their values are there. Whoever reads waits; errors of
  queued work are raised where somebody waits.
* **Failures on request**: :func:`failing`, :func:`delay` and :func:`out_of_memory_at`.

``loopback:0`` to ``loopback:3`` have every type; ``loopback32:0`` to ``loopback32:3`` have neither
float64 nor complex128. Environment variables, read when the first device is named:
``TENSORPLUG_LOOPBACK_DEVICES`` (how many of each, 4), ``TENSORPLUG_LOOPBACK_MEMORY`` (bytes of each
device, 4 GiB) and ``TENSORPLUG_LOOPBACK_DELAY`` (milliseconds for each operation, 0).

Values are NumPy's, so they equal those of ``cpu``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..backends import dtypes
from ..backends.base import Backend, Kernel, Layout, StorageInfo
from ..backends.capabilities import DEFAULT_CAPABILITIES
from ..backends.dtypes import DType
from ..backends.errors import CapabilityError, DeviceError, OpValueError
from ..backends.storage import OPERATORS
from .loopback_control import Fault, delay, failing, out_of_memory_at, peek
from .loopback_device import Array, Chip, Memory
from .numpy import NumpyBackend

__all__ = ["Fault", "LoopbackBackend", "delay", "failing", "out_of_memory_at", "peek"]

_GIB = 1 << 30
_METHODS = (
    "diagonal", "flip", "gather", "index_add", "index_get", "index_put", "index_select", "nonzero",
    "scatter", "scatter_add", "scatter_reduce", "stack", "unfold", "view_as_complex",
    "view_as_real", "view_dtype",
)  # fmt: skip
"""Kernels that are methods of the NumPy backend."""

_OPS = {
    "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "and_": "bitwise_and",
    "or_": "bitwise_or", "xor": "bitwise_xor", "invert": "bitwise_not",
}  # fmt: skip
"""Operations behind Python's operators, where they have other names."""


def _setting(name: str, otherwise: float, least: float, kind: type[int] | type[float]) -> Any:
    """A number from the environment.

    Raises:
        OpValueError: it is no number, or too small.
    """
    text = os.environ.get(name, "")
    try:
        value = kind(text) if text else kind(otherwise)
    except ValueError:
        value = kind(least) - 1
    if value < least:
        what = "a whole number" if kind is int else "a number"
        raise OpValueError(
            f"{name}: expected {what} of at least {least:g}, got {text!r}; change or unset it",
            op=name,
            got=text,
        )
    return value


class LoopbackBackend(Backend):
    """Simulated devices; handles are :class:`Array`, kernels NumPy's.

    Args:
        name: the device type.
        double: whether there are float64 and complex128.
    """

    namespace = NumpyBackend.namespace
    mutable: ClassVar[bool] = True
    weak_numbers: ClassVar[frozenset[DType]] = NumpyBackend.weak_numbers
    soft_errors: ClassVar[tuple[type[BaseException], ...]] = NumpyBackend.soft_errors
    capabilities: ClassVar[frozenset[str]] = DEFAULT_CAPABILITIES.difference(
        ("dlpack_export", "dlpack_import")
    ).union(("async", "memory_stats"))

    def __init__(self, name: str = "loopback", double: bool = True) -> None:
        self.name = name
        count = _setting("TENSORPLUG_LOOPBACK_DEVICES", 4, 1, int)
        total = _setting("TENSORPLUG_LOOPBACK_MEMORY", 4 * _GIB, 0, int)
        seconds = _setting("TENSORPLUG_LOOPBACK_DELAY", 0, 0, float) / 1000
        self._lacks = () if double else (dtypes.float64, dtypes.complex128)
        self._numpy = NumpyBackend()
        self._chips = tuple(Chip(self, index, total, seconds) for index in range(count))

    # --- declarations -----
    def devices(self) -> Sequence[Any]:
        return self._chips

    def supports_dtype(self, dtype: DType, device: int) -> bool:
        return dtype not in self._lacks

    def version(self) -> str:
        return self._numpy.version()

    def memory(self, device: int) -> dict[str, int]:
        """Figures of the memory when all queued work is done."""
        chip = self._chips[device]
        chip.drain()
        used, total = chip.allocated(), chip.total
        return {"total": total, "free": max(total - used, 0), "allocated": used}

    def kernels(self) -> Mapping[str, Kernel]:
        methods = {name: getattr(self._numpy, name) for name in _METHODS}
        return {**self._numpy.kernels(), **methods}

    def synchronize(self, device: int) -> None:
        self._chips[device].wait()

    def quiet(self) -> AbstractContextManager[Any]:
        return self._numpy.quiet()

    # --- types -----
    def native_dtype(self, dtype: DType) -> Any:
        return dtype.numpy

    def dtype_of(self, handle: Array) -> DType:
        return self._numpy.dtype_of(handle.values)

    # --- to and from the host, and other devices -----
    def from_host(self, array: np.ndarray, device: int) -> Array:
        return self._made("from_host", device, array.nbytes, lambda: np.array(array, order="C"))

    def to_host(self, handle: Array) -> np.ndarray:
        chip = handle.cell.chip
        chip.begin("to_host", queues=False)
        return chip.read(handle)

    def receive(self, array: Any, device: int, copy: bool) -> Array:
        if not (isinstance(array, Array) and copy):
            raise BufferError(f"{self.name} has memory of its own and can only copy, by the host")
        values = array.cell.chip.read(array)
        return self._made("copy", device, values.nbytes, lambda: values)

    def owns(self, array: Any) -> bool:
        return isinstance(array, Array) and array.cell.backend is self

    def device_of(self, array: Array) -> int:
        return array.cell.chip.index

    def adopt(self, array: Array) -> Array:
        return array

    def native(self, handle: Array) -> Array:
        return handle

    # --- kernels -----
    def lift(self, kernel: Kernel, numbers: bool = False, name: str = "") -> Kernel:
        """Turn a function of NumPy arrays into one of arrays on a device.

        What shares memory with an argument is a view of it; all else gets memory of its own.
        """

        def lifted(*args: Any, **kwargs: Any) -> Any:
            sources: list[Memory] = []
            plain = [_down(arg, sources) for arg in args]
            kwargs = {key: _down(value, sources) for key, value in kwargs.items()}
            chip = _only(sources, name)
            error = chip.begin(name)
            results = _Results(self, chip, name, sources)
            found = results.up(kernel(*plain, **kwargs))
            if results.fresh or error is not None:
                chip.send(name, results.fresh, sources, error)
            return found

        return lifted

    def compose(self, kernel: Kernel, name: str = "") -> Kernel:
        def composed(*args: Any) -> Any:
            sources: list[Memory] = []
            for arg in args:
                _down(arg, sources)
            error = sources[0].chip.begin(name, composed=True) if sources else None
            found = kernel(*args)
            if error is not None:
                results = [item for item in _flat(found) if isinstance(item, Array)]
                sources[0].chip.send(name, results, (), error)
            return found

        return composed

    @cached_property
    def operators(self) -> Mapping[str, Callable[..., Any]]:
        """Python's operators, by name, for :class:`Array`."""
        return {name: self.lift(function, name=_OPS.get(name, name))
                for name, function in OPERATORS.items()}  # fmt: skip

    def _made(self, op: str, device: int, nbytes: int, make: Callable[[], np.ndarray]) -> Array:
        """A new array on a device, if it has room for it."""
        chip = self._chips[device]
        error = chip.begin(op)
        chip.allocate(op, nbytes, really=False)
        values = make()
        array = Array(Memory(chip, values, op), values)
        chip.send(op, [array], (), error)
        return array

    def owner(self, values: np.ndarray) -> np.ndarray:
        """The array that owns the memory of a NumPy array."""
        found: np.ndarray = self._numpy.owner(values)
        return found

    # --- storage and views: computed as NumPy does, over the same memory -----
    def layout(self, handle: Array) -> Layout:
        return self._numpy.layout(handle.values)

    def shares_places(self, handle: Array) -> bool:
        return self._numpy.shares_places(handle.values)

    def is_contiguous(self, handle: Array) -> bool:
        return self._numpy.is_contiguous(handle.values)

    def storage(self, handle: Array) -> StorageInfo:
        memory = handle.cell
        return StorageInfo(id(memory), memory.address, memory.buffer.nbytes)

    def owns_memory(self, handle: Array) -> bool:
        return handle.values is handle.cell.buffer

    def index(self, handle: Array, index: tuple[Any, ...]) -> Array:
        return Array(handle.cell, self._numpy.index(handle.values, index))

    def permute(self, handle: Array, dims: tuple[int, ...]) -> Array:
        return Array(handle.cell, self._numpy.permute(handle.values, dims))

    def view(self, handle: Array, shape: tuple[int, ...]) -> Array:
        return Array(handle.cell, self._numpy.view(handle.values, shape))

    def expand(self, handle: Array, shape: tuple[int, ...]) -> Array:
        return Array(handle.cell, self._numpy.expand(handle.values, shape))

    def as_strided(
        self, handle: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Array:
        return Array(handle.cell, self._numpy.as_strided(handle.values, shape, strides, offset))

    def assign(self, handle: Array, value: Any) -> None:
        self._written("assign", handle, (value,), self._numpy.assign)

    def put(self, handle: Array, values: Array, indices: tuple[Array | None, ...]) -> None:
        self._written("put", handle, (values, indices), self._numpy.put)

    def _written(
        self, op: str, handle: Array, args: tuple[Any, ...], write: Callable[..., None]
    ) -> None:
        """Write to an array in place, and queue the new values for the device's memory."""
        sources: list[Memory] = [handle.cell]
        plain = [_down(arg, sources) for arg in args]
        chip = _only(sources, op)
        error = chip.begin(op)
        write(handle.values, *plain)
        chip.send(op, [handle], sources[1:], error)

    # --- creation and copies -----
    def full(self, shape: tuple[int, ...], value: Any, dtype: DType, device: int) -> Array:
        def make() -> np.ndarray:
            made: np.ndarray = self._numpy.full(shape, value, dtype, device)
            return made

        return self._made("full", device, _nbytes(shape, dtype), make)

    def empty(self, shape: tuple[int, ...], dtype: DType, device: int) -> Array:
        def make() -> np.ndarray:
            made: np.ndarray = self._numpy.empty(shape, dtype, device)
            return made

        return self._made("empty", device, _nbytes(shape, dtype), make)

    def arange(self, start: Any, end: Any, step: Any, dtype: DType, device: int) -> Array:
        return self.from_host(self._numpy.arange(start, end, step, dtype, device), device)

    def scalar(self, value: Any, dtype: DType, device: int) -> Any:
        found = self._numpy.scalar(value, dtype, device)
        return self.from_host(found, device) if isinstance(found, np.ndarray) else found

    def cast(self, handle: Array, dtype: DType) -> Array:
        return handle if self.dtype_of(handle) is dtype else self._cast(handle, dtype)

    def clone(self, handle: Array) -> Array:
        return self._clone(handle)

    @cached_property
    def _cast(self) -> Kernel:
        return self.lift(self._numpy.cast, name="cast")

    @cached_property
    def _clone(self) -> Kernel:
        return self.lift(self._numpy.clone, name="clone")


class _Results:
    """Makes arrays on a device of what a kernel gave; ``fresh`` are those in new memory."""

    def __init__(
        self, backend: LoopbackBackend, chip: Chip, op: str, sources: Sequence[Memory]
    ) -> None:
        self.backend = backend
        self.chip = chip
        self.op = op
        self.fresh: list[Array] = []
        self._old = {id(memory.buffer): memory for memory in sources}
        self._new: dict[int, Memory] = {}

    def up(self, value: Any) -> Any:
        """An array, or a list or tuple of what may be arrays."""
        if isinstance(value, (list, tuple)):
            items = [self.up(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        if not isinstance(value, (np.ndarray, np.generic)):
            return value
        values = np.asarray(value)
        buffer = self.backend.owner(values)
        if id(buffer) in self._old:
            return Array(self._old[id(buffer)], values)
        if buffer.base is not None:  # memory that NumPy does not own
            values = buffer = values.copy()
        if id(buffer) not in self._new:
            self._check_type(values)
            self._new[id(buffer)] = Memory(self.chip, buffer, self.op)
        self.fresh.append(Array(self._new[id(buffer)], values))
        return self.fresh[-1]

    def _check_type(self, values: np.ndarray) -> None:
        """Refuse what a device without float64 could not hold."""
        dtype = dtypes.from_numpy(values.dtype)
        if not self.backend.supports_dtype(dtype, self.chip.index):
            raise CapabilityError(
                f"{self.op}: expected a result of a type that {self.chip} has, got {dtype}; the "
                "kernel must compute in another type",
                op=self.op,
                device=self.chip.name,
                capability=dtype.name,
            )


def _down(value: Any, sources: list[Memory]) -> Any:
    """An argument with NumPy arrays in the place of arrays, whose memories are noted."""
    if isinstance(value, Array):
        sources.append(value.cell)
        return value.values
    if isinstance(value, (tuple, list)):
        items = [_down(item, sources) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def _flat(value: Any) -> list[Any]:
    """The items of lists and tuples, however deep."""
    if isinstance(value, (tuple, list)):
        return [part for item in value for part in _flat(item)]
    return [value]


def _only(sources: Sequence[Memory], op: str) -> Chip:
    """The one device that all arguments are on.

    Raises:
        DeviceError: there are several.
    """
    chip = sources[0].chip
    for memory in sources:
        if memory.chip is not chip:
            raise DeviceError(
                f"{op}: expected arrays on one device, got {chip} and {memory.chip}; copy one to "
                "the other device",
                op=op,
            )
    return chip


def _nbytes(shape: Sequence[int], dtype: DType) -> int:
    return math.prod(shape) * dtype.itemsize

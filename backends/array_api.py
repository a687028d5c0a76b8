"""A backend over any library with an array API namespace.

Handles are views of storage cells (:mod:`tensorplug.backends.storage`), so they alias and can be
written to whether or not the library's arrays can. A subclass names the library and its devices::

    class StrictBackend(ArrayAPIBackend):
        name = "array_api_strict"
        namespace = array_api_strict

        def devices(self):
            return [array_api_strict.Device("CPU_DEVICE")]

and replaces single members, or adds ``kernels()``, where the library has something faster.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import array_api_compat
import numpy as np

from . import dtypes
from .base import Backend, Kernel, Layout, StorageInfo
from .dlpack import NO_EXCHANGE, AsWords, FromWords
from .dtypes import ALL, DType
from .index_kernels import IndexKernels
from .layout import broadcast_shapes
from .steps import Chain
from .storage import (
    OPERATORS,
    Cell,
    Handle,
    address,
    bitcast_view,
    expand_view,
    fold,
    index_view,
    permute_view,
    read,
    reshape_view,
    strided_view,
    unfold,
    write,
)

__all__ = ["ArrayAPIBackend"]

_PYTHON = {"bool": bool, "uint": int, "int": int, "float": float, "complex": complex}


class ArrayAPIBackend(IndexKernels, Backend):
    """The contract over an array API namespace; define ``name``, ``namespace`` and ``devices``.

    The library's arrays are never written to once a handle holds them: an in-place write makes a
    new array with :meth:`index_update` and stores that. Who adopts an array must not write to it
    either.
    """

    # NumPy's ways, and those of libraries that take its functions over.
    complex_by_table: ClassVar[frozenset[str]] = frozenset(("expm1", "tanh"))

    def version(self) -> str:
        """The array library's version, which a namespace of array-api-compat does not tell."""
        library = sys.modules[self._array_type.__module__.partition(".")[0]]
        return str(getattr(library, "__version__", super().version()))

    # --- types ------------------------------------------------------------------------------------
    def native_dtype(self, dtype: DType) -> Any:
        """The library's own dtype object.

        Raises:
            TypeError: the namespace has no such type.
        """
        try:
            return getattr(self.namespace, dtype.name)
        except AttributeError:
            known = ", ".join(t.name for t in ALL if hasattr(self.namespace, t.name))
            raise TypeError(
                f"dtype: expected one that {self.name} has ({known}), got {dtype.name}; cast it"
            ) from None

    @cached_property
    def _dtypes(self) -> dict[Any, DType]:
        return {}

    def array_dtype(self, array: Any) -> DType:
        """The :class:`DType` of a library array."""
        try:
            return self._dtypes[array.dtype]
        except KeyError:
            pass  # its type is seen for the first time
        for dtype in ALL:
            native = getattr(self.namespace, dtype.name, None)
            # The standard promises == between dtype objects, not that they hash alike.
            if native is not None and array.dtype == native:
                return self._dtypes.setdefault(array.dtype, dtype)
        raise TypeError(f"dtype: expected a numeric or bool array, got {array.dtype}; cast it")

    def dtype_of(self, handle: Handle) -> DType:
        return handle.dtype or self.array_dtype(handle.cell.value)

    def supports_dtype(self, dtype: DType, device: int) -> bool:
        """Whether the namespace has the type, and its inspection API does not deny it."""
        return self._supported(device).get(dtype, False)

    @cached_property
    def _support(self) -> dict[int, dict[DType, bool]]:
        return {}

    def _supported(self, device: int) -> dict[DType, bool]:
        if device not in self._support:
            information = self.namespace.__array_namespace_info__()
            listed = information.dtypes(device=self._devices[device])
            # Types beyond the standard (float16) are never listed.
            standard = {t.name for t in ALL} - {"float16", "bfloat16"}
            self._support[device] = {
                t: hasattr(self.namespace, t.name) and (t.name in listed or t.name not in standard)
                for t in ALL
            }
        return self._support[device]

    # --- handles and library arrays ---------------------------------------------------------------
    @cached_property
    def _devices(self) -> tuple[Any, ...]:
        return tuple(self.devices())

    @cached_property
    def _array_type(self) -> type:
        return type(self.namespace.zeros((1,)))

    def owns(self, array: Any) -> bool:
        """Whether ``array`` is one of the library's, with values and nothing else."""
        return isinstance(array, self._array_type) and not _pending(array)

    def device_of(self, array: Any) -> int:
        """The index of the device that a library array lives on.

        Raises:
            ValueError: it is none of :meth:`devices`.
        """
        device = array_api_compat.device(array)
        try:
            return self._devices.index(device)
        except ValueError:
            raise ValueError(
                f"device: expected one of {self._devices}, got an array on {device}; move it first"
            ) from None

    def adopt(self, array: Any) -> Handle:
        return Handle(Cell(self, array))

    def native(self, handle: Handle) -> Any:
        """The library array with the handle's values now; a snapshot, not to be written to."""
        found = read(handle)
        # NumPy's functions and indices give numbers in place of arrays without dimensions.
        return found if type(found) is self._array_type else self.namespace.asarray(found)

    def receive(self, array: Any, device: int, copy: bool) -> Handle:
        place = self._devices[device]
        try:
            return self.adopt(self.namespace.from_dlpack(array, device=place, copy=copy))
        except NO_EXCHANGE as error:
            raise BufferError(str(error)) from error

    def lift(self, kernel: Kernel, numbers: bool = False, name: str = "") -> Kernel:
        """Turn a function of library arrays into one of handles.

        Handles are found among the arguments and inside their lists and tuples; arrays among the
        results and inside their lists and tuples come back as handles on new storage.
        """

        def lifted(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                kwargs = {name: _down(value) for name, value in kwargs.items()}
            result = kernel(*[_down(arg) for arg in args], **kwargs)
            return Handle(Cell(self, result)) if type(result) is array_type else self._up(result)

        array_type = self._array_type
        return lifted

    def _up(self, result: Any) -> Any:
        if type(result) is self._array_type:
            return Handle(Cell(self, result))
        if isinstance(result, (tuple, list)):
            items = [self._up(item) for item in result]
            return items if isinstance(result, list) else tuple(items)
        if hasattr(result, "shape") and hasattr(result, "dtype"):  # NumPy's scalars, traced arrays
            return Handle(Cell(self, self.namespace.asarray(result)))
        return result

    @cached_property
    def operators(self) -> Mapping[str, Callable[..., Any]]:
        """Python's operators over handles, by name; :class:`Handle` looks them up here."""
        return {name: self.lift(function, numbers=True) for name, function in OPERATORS.items()}

    # --- to and from the host ---------------------------------------------------------------------
    def from_host(self, array: np.ndarray, device: int) -> Handle:
        self.native_dtype(dtypes.from_numpy(array.dtype))  # a clear error for types it lacks
        # Memory of its own, which the library may read later, as JAX does, or keep.
        plain = np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)
        if array.dtype == dtypes.bfloat16.numpy:  # a type of ml_dtypes, which few libraries know
            words = FromWords(plain.view(np.uint16))
            return self.receive(words, device, True)
        return self.adopt(self.namespace.asarray(plain, device=self._devices[device]))

    def to_host(self, handle: Handle) -> np.ndarray:
        """The values as a read-only NumPy array: it may be the library's own memory."""
        array = read(handle)
        exporter = AsWords(array)
        try:
            host = np.from_dlpack(exporter, device="cpu")
            host = host.view(dtypes.bfloat16.numpy) if exporter.found else host
        except NO_EXCHANGE:
            # No DLPack, none across devices, or no DLPack code for this type.
            host = np.asarray(array)
        view = host.view()
        view.flags.writeable = False
        return view

    def like(self, array: np.ndarray, other: Handle) -> Handle:
        """A handle with the values of a NumPy array, on the device of ``other``."""
        return self.from_host(array, self.device_of(read(other)))

    # --- what the steps of a view need ------------------------------------------------------------
    def index_update(self, array: Any, index: Any, value: Any) -> Any:
        """A copy of a library array with ``copy[index] = value`` done.

        ``index`` holds ints and slices, or is one boolean array; arrays of integers only where
        the library's own assignment takes them, for the standard does not ask for it.
        """
        updated = self.namespace.asarray(array, copy=True)
        updated[index] = value
        return updated

    def constant(self, array: np.ndarray, like: Any) -> Any:
        """A library array with the values of ``array``, on the device of ``like``."""
        return self.namespace.asarray(array, device=array_api_compat.device(like))

    def bitcast(self, array: Any, dtype: DType) -> Any:
        """The bits of a library array as another type, scaling the last dimension; by the host."""
        host = np.array(self.to_host(self.adopt(array)), order="C")
        return self.constant(host.view(dtype.numpy), array)

    def copy_array(self, array: Any) -> Any:
        """A copy of a library array; the array itself will do where it can never be written to."""
        return self.namespace.asarray(array, copy=True)

    def cast_array(self, array: Any, dtype: DType) -> Any:
        """A library array in another type: floats are cut to ints, complex loses its imaginary
        part (but to bool: whether either part is not zero).
        """
        source = self.array_dtype(array)
        if source is dtype:
            return array
        if source.is_complex and not dtype.is_complex:
            if dtype is dtypes.bool_:
                return array != 0
            array = self.namespace.real(array)
            if source.to_real() is dtype:
                return array
        return self.namespace.astype(array, self.native_dtype(dtype))

    # --- storage and views ------------------------------------------------------------------------
    def fold(self, array: Any, chain: Chain) -> Any:
        """The view at the end of ``chain`` of a stored array."""
        return fold(self, array, chain)

    def store(self, cell: Cell, chain: Chain, child: Any) -> None:
        """Replace the cell's value by one in which the end of ``chain`` is ``child``."""
        cell.value = unfold(self, cell.value, chain, child) if chain else child

    def layout(self, handle: Handle) -> Layout:
        return handle.layout

    def storage(self, handle: Handle) -> StorageInfo:
        """The cell behind the handle; its address is made up but unique."""
        place = address(handle.cell)
        return StorageInfo(place, place, handle.cell.nbytes)

    def index(self, handle: Handle, index: tuple[Any, ...]) -> Handle:
        return index_view(handle, index)

    def permute(self, handle: Handle, dims: tuple[int, ...]) -> Handle:
        return permute_view(handle, dims)

    def view(self, handle: Handle, shape: tuple[int, ...]) -> Handle:
        return reshape_view(handle, tuple(shape))

    def expand(self, handle: Handle, shape: tuple[int, ...]) -> Handle:
        return expand_view(handle, tuple(shape))

    def as_strided(
        self, handle: Handle, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Handle:
        return strided_view(handle, Layout(tuple(shape), tuple(strides), offset))

    def view_dtype(self, handle: Handle, dtype: DType) -> Handle:
        """The same memory as another type; the last dimension scales with the sizes.

        Raises:
            ValueError: the layout does not allow it.
        """
        source = self.dtype_of(handle)
        return handle if source is dtype else bitcast_view(handle, source, dtype)

    def view_as_real(self, handle: Handle, attribute: None = None) -> Handle:
        """A complex handle as pairs of real and imaginary part, in a new last dimension."""
        pairs = index_view(handle, (..., None))
        return self.view_dtype(pairs, self.dtype_of(handle).to_real())

    def view_as_complex(self, handle: Handle, attribute: None = None) -> Handle:
        """Pairs in the last dimension, of stride 1, as complex numbers.

        Raises:
            ValueError: the last dimension is not of size 2, or the layout does not allow it.
        """
        if handle.shape[-1:] != (2,):
            raise ValueError(f"expected a last dimension of size 2, got shape {handle.shape}")
        paired = self.view_dtype(handle, self.dtype_of(handle).to_complex())
        return index_view(paired, (..., 0))

    def assign(self, handle: Handle, value: Any) -> None:
        """Write a handle or a Python number into ``handle``; every alias sees it.

        Raises:
            ValueError: the value does not broadcast to the handle's shape.
        """
        dtype, shape = self.dtype_of(handle), handle.shape
        if type(value) is Handle:
            array = self.cast_array(read(value), dtype)
        else:
            device = array_api_compat.device(handle.cell.value)
            array = self._filled(shape, value, dtype, device)
        if tuple(array.shape) != shape:
            if broadcast_shapes(array.shape, shape) != shape:
                raise ValueError(
                    f"assign: expected values that broadcast to {shape}, got {tuple(array.shape)}"
                )
            array = self.namespace.broadcast_to(array, shape)
        write(handle, array)

    # --- creation and copies ----------------------------------------------------------------------
    def _filled(self, shape: tuple[int, ...], value: Any, dtype: DType, device: Any) -> Any:
        if isinstance(value, complex) and not dtype.is_complex:
            value = value != 0 if dtype is dtypes.bool_ else value.real
        number = _PYTHON[dtype.kind](value)
        return self.namespace.full(shape, number, dtype=self.native_dtype(dtype), device=device)

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType, device: int) -> Handle:
        return self.adopt(self._filled(tuple(shape), value, dtype, self._devices[device]))

    def empty(self, shape: tuple[int, ...], dtype: DType, device: int) -> Handle:
        native = self.native_dtype(dtype)
        return self.adopt(self.namespace.empty(shape, dtype=native, device=self._devices[device]))

    def scalar(self, value: Any, dtype: DType, device: int) -> Handle:
        """A 0-d handle; an int beyond the range of an integer type wraps around."""
        if dtype.kind in ("int", "uint"):
            limit = 1 << (8 * dtype.itemsize)
            value = int(value) % limit
            if dtype.kind == "int" and value >= limit // 2:
                value -= limit
        return self.full((), value, dtype, device)

    def cast(self, handle: Handle, dtype: DType) -> Handle:
        if self.dtype_of(handle) is dtype:
            return handle
        return self.adopt(self.cast_array(read(handle), dtype))

    def clone(self, handle: Handle) -> Handle:
        return self.adopt(self.copy_array(read(handle)))

    def exclusive(self, handle: Handle) -> Handle:
        """The same array in a cell of its own: writes replace arrays, so nothing is shared."""
        return self.adopt(read(handle))


def _pending(array: Any) -> bool:
    """Whether a library has something left to do about an array, as PyTorch has for one that
    requires grad and for lazy conjugates: its own DLPack says then what to call first.
    """
    lazy = any(getattr(array, name, bool)() for name in ("is_conj", "is_neg"))
    return lazy or bool(getattr(array, "requires_grad", False))


def _down(value: Any) -> Any:
    if type(value) is Handle:
        return read(value)
    if type(value) in (tuple, list):
        return type(value)(_down(item) for item in value)
    return value

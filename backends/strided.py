"""Backends over libraries with NumPy's model: strided, mutable arrays whose slices are views.

A handle is the library's own array, so storage, strides and aliasing are native. NumPy and CuPy
share this class; a plugin sets :attr:`StridedBackend.xp` and adds its fast kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from . import dtypes
from .base import Backend, Handle, Kernel, Layout, StorageInfo, arange
from .dtypes import DType
from .errors import OpError
from .layout import diagonal_layout, unfold_layout, view_strides
from .strided_index import StridedIndexing

__all__ = ["StridedBackend", "elementwise", "elementwise_unary", "waits"]


_DTYPES = {dtype.numpy: dtype for dtype in dtypes.ALL}


class StridedBackend(StridedIndexing, Backend):
    """The contract for an array module ``xp`` that follows NumPy's interface.

    Subclasses define ``name``, ``xp``, ``namespace``, ``devices``, ``from_host`` and ``to_host``.
    """

    mutable: ClassVar[bool] = True

    weak_numbers: ClassVar[frozenset[DType]] = frozenset(
        (dtypes.int64, dtypes.float16, dtypes.float32, dtypes.float64, dtypes.complex64,
         dtypes.complex128)  # not ml_dtypes' bfloat16: bfloat16 * 2.0 would be float32
    )  # fmt: skip

    numpy_types: ClassVar[bool] = True

    xp: Any
    """The array module: ``numpy`` or ``cupy``."""

    # --- types -----
    def native_dtype(self, dtype: DType) -> Any:
        return dtype.numpy

    def dtype_of(self, handle: Handle) -> DType:
        try:
            return _DTYPES[handle.dtype]
        except KeyError:
            return dtypes.from_numpy(handle.dtype)

    # --- handles are arrays -----
    def owns(self, array: Any) -> bool:
        return isinstance(array, self.xp.ndarray)

    def adopt(self, array: Any) -> Handle:
        """The array as the start of a storage: what it is a view of stays out of sight."""
        return array

    def native(self, handle: Handle) -> Any:
        return handle

    def lift(self, kernel: Kernel, numbers: bool = False, name: str = "") -> Kernel:
        return kernel

    def settle(self, handle: Handle) -> Handle:
        return handle if isinstance(handle, self.xp.ndarray) else self.xp.asarray(handle)

    def owns_memory(self, handle: Handle) -> bool:
        return handle.base is None

    # --- storage and views -----
    def address(self, handle: Handle) -> int:
        """The address of the first element."""
        return int(handle.__array_interface__["data"][0])

    def owner(self, handle: Handle) -> Any:
        """The array that owns the memory, or the topmost one that is known."""
        base = handle
        while isinstance(base.base, self.xp.ndarray):
            base = base.base
        return base

    def layout(self, handle: Handle) -> Layout:
        size = handle.dtype.itemsize
        owner = self.owner(handle)
        offset = 0 if owner is handle else (self.address(handle) - self.address(owner)) // size
        return self._laid(handle.shape, tuple(s // size for s in handle.strides), offset)

    def _laid(self, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Layout:
        return Layout(shape, _visible(shape, strides) if 0 in strides else strides, offset)

    def shares_places(self, handle: Handle) -> bool:
        return 0 in handle.strides and super().shares_places(handle)

    def is_contiguous(self, handle: Handle) -> bool:
        return bool(handle.flags.c_contiguous)

    def storage(self, handle: Handle) -> StorageInfo:
        owner = self.owner(handle)
        return StorageInfo(id(owner), self.address(owner), owner.nbytes)

    def index(self, handle: Handle, index: tuple[Any, ...]) -> Handle:
        # With an Ellipsis NumPy gives an array even where all dimensions are taken by integers.
        return handle[index] if Ellipsis in index else handle[(*index, Ellipsis)]

    def permute(self, handle: Handle, dims: tuple[int, ...]) -> Handle:
        return handle.transpose(dims)

    def view(self, handle: Handle, shape: tuple[int, ...]) -> Handle:
        if not handle.flags.c_contiguous:
            size = handle.dtype.itemsize
            strides = tuple(s // size for s in handle.strides)
            if view_strides(handle.shape, strides, shape) is None:
                raise ValueError(
                    f"expected a shape that fits strides {strides}, got {shape} for a tensor of "
                    f"shape {handle.shape}; view size is not compatible with input tensor's size "
                    "and stride (at least one dimension spans across two contiguous subspaces): "
                    "use .reshape(...) instead"
                )
        return handle.reshape(shape)

    def expand(self, handle: Handle, shape: tuple[int, ...]) -> Handle:
        old = handle.shape
        if not old:
            return self.xp.ndarray(shape, handle.dtype, handle, 0, (0,) * len(shape))
        strides = [0] * (len(shape) - len(old))
        for was, now, stride in zip(old, shape[len(strides) :], handle.strides, strict=True):
            if was != now and was != 1:
                raise ValueError(f"expected a shape that {old} broadcasts to, got {shape}")
            strides.append(stride if was == now else 0)
        return self.lay(handle, shape, tuple(strides), 0)

    def as_strided(
        self, handle: Handle, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Handle:
        size = handle.dtype.itemsize
        owner = self.owner(handle)
        before = 0 if owner is handle else self.address(handle) - self.address(owner)
        return self.lay(handle, shape, tuple(s * size for s in strides), offset * size - before)

    def diagonal(self, handle: Handle, where: tuple[int, int, int]) -> Handle:
        """The diagonal of two dimensions, as the last dimension."""
        here = Layout(handle.shape, handle.strides, 0)
        return self.lay(handle, *diagonal_layout(here, *where))

    def unfold(self, handle: Handle, where: tuple[int, int, int]) -> Handle:
        """Windows along a dimension."""
        here = Layout(handle.shape, handle.strides, 0)
        return self.lay(handle, *unfold_layout(here, *where))

    def lay(
        self, handle: Handle, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Handle:
        """Another layout over the handle's storage; strides and offset in bytes from its start."""
        if handle.flags.c_contiguous and _inside(handle, shape, strides, offset):
            return self.xp.ndarray(shape, handle.dtype, handle, offset, strides)
        owner = self.owner(handle)
        if owner is not handle:
            offset += self.address(handle) - self.address(owner)
        return self.xp.ndarray(shape, handle.dtype, owner, offset, strides)

    def view_dtype(self, handle: Handle, dtype: DType) -> Handle:
        """The same memory as another type; the last dimension scales with the sizes."""
        return handle.view(dtype.numpy)

    def view_as_real(self, handle: Handle, attribute: None = None) -> Handle:
        """A complex array as pairs of real and imaginary part, in a new last dimension."""
        return handle[..., None].view(handle.real.dtype)

    def view_as_complex(self, handle: Handle, attribute: None = None) -> Handle:
        """Pairs in the last dimension, of stride 1, as complex numbers."""
        paired = handle.view(dtypes.from_numpy(handle.dtype).to_complex().numpy)
        return paired[..., 0]

    def assign(self, handle: Handle, value: Handle) -> None:
        if getattr(value, "dtype", None) is not None and value.dtype.kind == "c" != (
            handle.dtype.kind
        ):
            value = value.real
        try:
            self.xp.copyto(handle, value, casting="unsafe")
        except ValueError as error:
            if handle.flags.writeable:
                raise
            raise OpError(
                "assign: expected memory that can be written to, got a tensor over a read-only "
                "array; use .clone() for one with memory of its own",
                op="assign",
            ) from error

    # --- creation and copies -----
    def full(self, shape: tuple[int, ...], value: Any, dtype: DType, device: int) -> Handle:
        if value == 0 and type(value) is not complex and math.copysign(1.0, value) > 0:
            return self.xp.zeros(shape, dtype.numpy)
        if type(value) is int and dtype.kind in ("uint", "int"):
            value = np.asarray(value).astype(dtype.numpy)[()]  # wraps around
        out = self.xp.empty(shape, dtype.numpy)
        out.fill(value)
        return out

    def empty(self, shape: tuple[int, ...], dtype: DType, device: int) -> Handle:
        return self.xp.empty(shape, dtype.numpy)

    def scalar(self, value: Any, dtype: DType, device: int) -> Any:
        if dtype in self.weak_numbers:
            return value
        # By way of a wide type, so that integers wrap around as torch's do.
        return self.xp.asarray(value).astype(dtype.numpy)

    def arange(self, start: Any, end: Any, step: Any, dtype: DType, device: int) -> Handle:
        return arange(self.xp, start, end, step, dtype)

    def cast(self, handle: Handle, dtype: DType) -> Handle:
        wanted = dtype.numpy
        if handle.dtype == wanted:
            return handle
        if handle.dtype.kind == "c" and not dtype.is_complex and dtype is not dtypes.bool_:
            handle = handle.real
        return handle.astype(wanted)

    def clone(self, handle: Handle) -> Handle:
        return handle.copy()


def _visible(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """NumPy gives a new dimension of size 1 the stride 0; torch, what fits the next dimension."""
    found = list(strides)
    for dim in range(len(shape) - 1, -1, -1):
        if shape[dim] == 1 and not strides[dim]:
            found[dim] = shape[dim + 1] * found[dim + 1] if dim + 1 < len(shape) else 1
    return tuple(found)


def _inside(handle: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> bool:
    """Whether a layout stays within the memory of a contiguous handle itself."""
    if offset < 0:
        return False
    last = offset + handle.itemsize
    for size, stride in zip(shape, strides, strict=True):
        if stride < 0:
            return False
        last += (size - 1) * stride
    return last <= handle.nbytes


def waits(xp: Any) -> bool:
    """Whether asking an array for its values costs a wait for the device.

    The kernels that take a shorter way for certain values then take the general one.
    """
    return xp is not np


def elementwise(function: Callable[..., Any]) -> Kernel:
    """A ufunc as a kernel: always an array, also for 0-d operands, and ``out`` if given."""

    def kernel(x: Any, y: Any, out: Any = ...) -> Any:
        return function(x, y, out=out)

    return kernel


def elementwise_unary(function: Callable[..., Any]) -> Kernel:
    """As :func:`elementwise`, for one operand."""

    def kernel(x: Any, out: Any = ...) -> Any:
        return function(x, out=out)

    return kernel

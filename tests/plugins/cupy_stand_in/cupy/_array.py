"""Arrays of the stand-in: NumPy's underneath, CuPy's manners on top.

What CuPy refuses is refused, what waits or copies is counted, and an array may only be computed
with while its device is the current one.
"""

from __future__ import annotations

import ctypes
import math
import operator
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import cuda

BFLOAT16 = np.dtype("bfloat16") if "bfloat16" in np.sctypeDict else None


def _buffer(memory: cuda.BaseMemory) -> Any:
    return (ctypes.c_ubyte * memory.size).from_address(memory.ptr)


class ndarray:
    """See :mod:`cupy`."""

    __array_priority__ = 100

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None,
        order: str = "C",
    ) -> None:  # fmt: skip
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        dtype = np.dtype(dtype)
        if dtype.name.startswith("float8") or dtype.kind in "OUSM":
            raise ValueError(f"Unsupported dtype {dtype}")
        count = math.prod(shape)
        if memptr is None:
            assert strides is None
            memptr = cuda.alloc(count * dtype.itemsize)
        self.data, self.base = memptr, None
        if not memptr.mem.size or not count:
            self._a = np.empty(shape, dtype, order=order)
            return
        offset = memptr.ptr - memptr.mem.ptr
        self._a = np.ndarray(shape, dtype, _buffer(memptr.mem), offset, strides, order)

    # --- made from NumPy arrays ---
    @classmethod
    def around(cls, a: np.ndarray, parent: ndarray) -> ndarray:
        """A view: ``a`` shares the parent's memory."""
        if not a.flags.writeable:  # broadcast_to
            a = np.ndarray(a.shape, a.dtype, _buffer(parent.data.mem), a.__array_interface__[
                "data"][0] - parent.data.mem.ptr, a.strides) if a.size else a  # fmt: skip
        found = object.__new__(cls)
        found._a, found.base = a, parent if parent.base is None else parent.base
        offset = a.__array_interface__["data"][0] - parent._a.__array_interface__["data"][0]
        found.data = parent.data if not a.size else _moved(parent.data, offset)
        return found

    @classmethod
    def new(cls, a: Any) -> ndarray:
        """An array of its own with these values."""
        a = np.asarray(a)
        kept = a.ndim and not a.flags.c_contiguous and a.flags.f_contiguous
        found = cls(a.shape, a.dtype, order="F" if kept else "C")
        found._a[...] = a
        return found

    # --- facts ---
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    strides = property(lambda self: self._a.strides)
    device = property(lambda self: cuda.Device(self.data.device_id))
    T = property(lambda self: self.transpose())

    @property
    def shape(self) -> tuple[int, ...]:
        return self._a.shape

    @property
    def flags(self) -> Any:
        flags = self._a.flags
        return SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous)

    def _part(self, name: str) -> ndarray:
        if self.dtype.kind == "c":
            return ndarray.around(getattr(self._a, name), self)
        return self if name == "real" else ndarray.new(np.zeros(self.shape, self.dtype))

    def _set_part(self, name: str, value: Any) -> None:
        self._part(name)[...] = value

    real = property(
        lambda self: self._part("real"), lambda self, value: self._set_part("real", value)
    )
    imag = property(
        lambda self: self._part("imag"), lambda self, value: self._set_part("imag", value)
    )

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape, "typestr": self.dtype.str, "version": 3, "strides": None,
            "data": (self.data.ptr, False),
        }  # fmt: skip

    # --- values: these wait ---
    def get(self, stream: Any = None, order: str = "C", out: Any = None) -> np.ndarray:
        if self.size:
            cuda.COUNT.to_host += 1
            cuda.COUNT.waits += 1
        return np.array(self._a, order="C")

    def item(self) -> Any:
        return self.get().item()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __index__(self) -> int:
        return operator.index(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use `.get()`")

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        assert type(arr) is np.ndarray and arr.dtype == self.dtype and arr.shape == self.shape
        assert self._a.flags.c_contiguous or self._a.flags.f_contiguous
        cuda.COUNT.to_device += 1
        self._a[...] = arr

    # --- views ---
    def view(self, dtype: Any = None) -> ndarray:
        return ndarray.around(self._a.view() if dtype is None else self._a.view(dtype), self)

    def transpose(self, *axes: Any) -> ndarray:
        return ndarray.around(self._a.transpose(*axes), self)

    def swapaxes(self, one: int, two: int) -> ndarray:
        return ndarray.around(self._a.swapaxes(one, two), self)

    def reshape(self, *shape: Any, order: str = "C") -> ndarray:
        found = self._a.reshape(*shape, order=order)
        if not np.may_share_memory(found, self._a) and self.size:
            check(self)
            return ndarray.new(found)
        return ndarray.around(found, self)

    def __getitem__(self, key: Any) -> ndarray:
        plain, masks = index(key)
        if plain is None:
            found = self._a[key]
            return ndarray.around(found if type(found) is np.ndarray else self._view0(key), self)
        check(self)
        if masks:
            cuda.COUNT.waits += 1
            cuda.COUNT.to_host += 1
        return ndarray.new(self._a[wrapped(plain, self.shape)])

    def _view0(self, key: Any) -> np.ndarray:
        key = key if isinstance(key, tuple) else (key,)
        return self._a[(*key, Ellipsis)]

    def __setitem__(self, key: Any, value: Any) -> None:
        plain, masks = index(key)
        check(self, *([value] if isinstance(value, ndarray) else []))
        where = key if plain is None else wrapped(plain, self.shape)
        if isinstance(value, ndarray):
            cuda.COUNT.waits += masks
            cuda.COUNT.to_host += masks
            source = value._a.copy()
            source = source.real if self.dtype.kind != "c" and source.dtype.kind == "c" else source
            self._a[where] = source.astype(self.dtype)
            return
        assert not isinstance(value, np.ndarray) or value.ndim == 0, "arrays of the host"
        if plain is not None:
            cuda.COUNT.to_device += 1
        self._a[where] = value

    # --- work ---
    def copy(self, order: str = "C") -> ndarray:
        # CuPy copies an array of another device to the current one.
        return ndarray.new(np.array(self._a, order=order))

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None,
        copy: bool = True,
    ) -> ndarray:  # fmt: skip
        if not copy and self.dtype == np.dtype(dtype):
            return self
        check(self)
        a = self._a.real if self.dtype.kind == "c" and np.dtype(dtype).kind in "iufV" else self._a
        with np.errstate(all="ignore"):
            return ndarray.new(a.astype(dtype, order=order))

    def fill(self, value: Any) -> None:
        check(self)
        assert not isinstance(value, ndarray)
        self._a.fill(value)

    def ravel(self) -> ndarray:
        return self.reshape(-1)

    def nonzero(self) -> tuple[ndarray, ...]:
        check(self)
        cuda.COUNT.waits += 1
        return tuple(ndarray.new(found) for found in self._a.nonzero())

    def __dlpack__(self, **options: Any) -> Any:
        return self._a.__dlpack__()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, self.data.device_id)


def _moved(pointer: cuda.MemoryPointer, offset: int) -> cuda.MemoryPointer:
    if not offset:
        return pointer
    return cuda.MemoryPointer(pointer.mem, pointer.ptr - pointer.mem.ptr + offset)


def check(*arrays: Any) -> None:
    """Refuse arrays of another device than the current one, as a launch would fail."""
    for array in arrays:
        if isinstance(array, ndarray) and array.size and array.data.device_id != cuda.current():
            raise RuntimeError(
                f"an array of device {array.data.device_id} while {cuda.current()} is current"
            )


def index(key: Any) -> tuple[Any, bool]:
    """The key with NumPy's arrays, or None if it is a basic one; and whether there are masks."""
    parts = key if isinstance(key, tuple) else (key,)
    arrays = [part for part in parts if isinstance(part, (ndarray, list, np.ndarray))]
    if not arrays:
        return None, False
    check(*arrays)
    for part in arrays:
        if not isinstance(part, ndarray):
            cuda.COUNT.to_device += 1
    raw = tuple(part._a if isinstance(part, ndarray) else part for part in parts)
    return raw, any(getattr(part, "dtype", None) == bool for part in raw)


def wrapped(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Integer arrays taken modulo the size of their dimension: CuPy checks nothing."""
    consumed = sum(
        part.ndim if getattr(part, "dtype", None) == bool else 1
        for part in key
        if part is not None and part is not Ellipsis
    )
    found, dim = [], 0
    for part in key:
        if part is Ellipsis:
            dim += len(shape) - consumed
        elif isinstance(part, np.ndarray) and part.dtype != bool:
            size = shape[dim]
            part = part % size if size else part
            dim += 1
        elif part is not None:
            dim += part.ndim if isinstance(part, np.ndarray) else 1
        found.append(part)
    return tuple(found)

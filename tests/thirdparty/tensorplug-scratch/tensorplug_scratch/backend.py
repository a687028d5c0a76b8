"""The backend itself: blocks of bytes, layouts over them, and copies from and to the host."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from tensorplug.backends import DEFAULT_CAPABILITIES, Backend, DType, Layout, StorageInfo
from tensorplug.backends.dtypes import from_numpy
from tensorplug.backends.layout import (
    contiguous_strides,
    expand_layout,
    index_layout,
    numel,
    permute_layout,
    view_strides,
)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A handle: some memory, the type of the elements in it, and where they are."""

    memory: bytearray
    dtype: DType
    layout: Layout

    @classmethod
    def of(cls, array: np.ndarray) -> Block:
        """New memory with a copy of an array of the host."""
        layout = Layout(array.shape, contiguous_strides(array.shape), 0)
        return cls(bytearray(array.tobytes()), from_numpy(array.dtype), layout)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many elements there are along each dimension."""
        return self.layout.shape

    @property
    def ndim(self) -> int:
        """How many dimensions there are."""
        return len(self.layout.shape)

    def host(self) -> np.ndarray:
        """The memory as the host sees it: only here is the device its own host."""
        if not numel(self.shape):
            return np.empty(self.shape, self.dtype.numpy)
        size = self.dtype.itemsize
        strides = tuple(size * stride for stride in self.layout.strides)
        offset = size * self.layout.offset
        return np.ndarray(self.shape, self.dtype.numpy, self.memory, offset, strides)


def _number(value: Any, dtype: DType) -> Any:
    """A Python number as an operand beside elements of a type, which it does not change."""
    return np.asarray(value).astype(dtype.numpy) if dtype.is_inexact else value


def _operator(function: Callable[..., Any], swapped: bool = False) -> Callable[..., Block]:
    """A function of arrays of the host as a method of blocks."""

    def method(*operands: Any) -> Block:
        like = next(x.dtype for x in operands if isinstance(x, Block))
        arrays = [x.host() if isinstance(x, Block) else _number(x, like) for x in operands]
        with np.errstate(all="ignore"):
            return Block.of(np.asarray(function(*(arrays[::-1] if swapped else arrays))))

    return method


# Derivatives are written with Python's operators, which handles must therefore have.
for _name in "add sub mul truediv floordiv mod pow matmul and or xor".split():  # noqa: SIM905  one line
    _function = getattr(operator, f"__{_name}__")
    setattr(Block, f"__{_name}__", _operator(_function))
    setattr(Block, f"__r{_name}__", _operator(_function, swapped=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne", "neg", "abs", "invert"):
    setattr(Block, f"__{_name}__", _operator(getattr(operator, f"__{_name}__")))


class ScratchBackend(Backend):
    """What the contract asks of a backend that starts from nothing."""

    name = "scratch"
    namespace = ModuleType("no array library")
    mutable: ClassVar[bool] = True
    host_fallback: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = DEFAULT_CAPABILITIES - {
        "dlpack_export", "dlpack_import",
    }  # fmt: skip

    def devices(self) -> list[str]:
        """``scratch:0``."""
        return ["bytes"]

    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """What is computed here, and not on the host."""
        return {"neg": self._neg}

    def _neg(self, x: Block) -> Block:
        return Block.of(np.negative(x.host()))

    # --- types -----
    def native_dtype(self, dtype: DType) -> DType:
        """Its types are tensorplug's."""
        return dtype

    def dtype_of(self, handle: Block) -> DType:
        """Noted in the handle."""
        return handle.dtype

    # --- from and to the host, and into other types -----
    def from_host(self, array: np.ndarray, device: int) -> Block:
        """New memory with a copy."""
        return Block.of(array)

    def to_host(self, handle: Block) -> np.ndarray:
        """A copy."""
        return handle.host().copy()

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType, device: int) -> Block:
        """One element, written as often as needed."""
        element = np.asarray(value).astype(dtype.numpy).tobytes()
        layout = Layout(shape, contiguous_strides(shape), 0)
        return Block(bytearray(element * numel(shape)), dtype, layout)

    def cast(self, handle: Block, dtype: DType) -> Block:
        """A copy in another type."""
        if handle.dtype is dtype:
            return handle
        found = self.full(handle.shape, 0, dtype, 0)
        self.assign(found, handle)
        return found

    def clone(self, handle: Block) -> Block:
        """A copy without gaps."""
        return Block.of(handle.host())

    def assign(self, handle: Block, value: Any) -> None:
        """Write into the memory; NumPy sees to it that overlapping memory is read first."""
        source = value.host() if isinstance(value, Block) else value
        if isinstance(value, Block) and value.dtype.is_complex and not handle.dtype.is_complex:
            source = source if handle.dtype.kind == "bool" else source.real
        with self.quiet():
            np.copyto(handle.host(), source, casting="unsafe")

    def put(self, handle: Block, values: Block, indices: tuple[Block | None, ...]) -> None:
        """``handle[indices] = values``."""
        host = tuple(slice(None) if x is None else x.host() for x in indices)
        handle.host()[host] = values.host()

    def quiet(self) -> Any:
        """NumPy says by warnings that inf and nan have come up."""
        return np.errstate(all="ignore")

    # --- handles are the library's own arrays -----
    def adopt(self, array: Block) -> Block:
        """There is no other kind of array."""
        return array

    def native(self, handle: Block) -> Block:
        """There is no other kind of array."""
        return handle

    def lift(
        self, kernel: Callable[..., Any], numbers: bool = False, name: str = ""
    ) -> Callable[..., Any]:
        """Kernels take handles as they are."""
        return kernel

    # --- views: another layout over the same memory -----
    def layout(self, handle: Block) -> Layout:
        """Noted in the handle."""
        return handle.layout

    def storage(self, handle: Block) -> StorageInfo:
        """One piece of memory is one object."""
        return StorageInfo(id(handle.memory), id(handle.memory), len(handle.memory))

    def index(self, handle: Block, index: tuple[Any, ...]) -> Block:
        """Integers, slices, None and an Ellipsis."""
        return replace(handle, layout=index_layout(handle.layout, index))

    def permute(self, handle: Block, dims: tuple[int, ...]) -> Block:
        """Dimensions in another order."""
        return replace(handle, layout=permute_layout(handle.layout, dims))

    def view(self, handle: Block, shape: tuple[int, ...]) -> Block:
        """Another shape, where the strides allow it."""
        strides = view_strides(handle.shape, handle.layout.strides, shape)
        if strides is None:
            raise ValueError(
                f"expected a shape that fits strides {handle.layout.strides}, got {shape} for a "
                f"tensor of shape {handle.shape}: use .reshape(...) instead"
            )
        return replace(handle, layout=Layout(shape, strides, handle.layout.offset))

    def expand(self, handle: Block, shape: tuple[int, ...]) -> Block:
        """Broadcast, with strides of 0."""
        return replace(handle, layout=expand_layout(handle.layout, shape))

    def as_strided(
        self, handle: Block, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Block:
        """Any layout."""
        return replace(handle, layout=Layout(shape, strides, offset))

    # --- views as another type: the strides and the last dimension count other elements -----
    def view_dtype(self, handle: Block, dtype: DType) -> Block:
        """The same bytes as elements of another size."""
        shape, strides, offset = handle.layout
        was, now = handle.dtype.itemsize, dtype.itemsize
        if was != now:
            if not shape or strides[-1] != 1 or (shape[-1] * was) % now or (offset * was) % now:
                raise ValueError(
                    f"expected a last dimension of stride 1 that fits {dtype}, got shape {shape} "
                    f"and strides {strides} of {handle.dtype}"
                )
            shape = (*shape[:-1], shape[-1] * was // now)
            strides = (*(stride * was // now for stride in strides[:-1]), 1)
            offset = offset * was // now
        return Block(handle.memory, dtype, Layout(shape, strides, offset))

    def view_as_real(self, handle: Block, attribute: None = None) -> Block:
        """Real and imaginary parts in a new last dimension."""
        return self.view_dtype(self.index(handle, (..., None)), handle.dtype.to_real())

    def view_as_complex(self, handle: Block, attribute: None = None) -> Block:
        """Pairs in the last dimension as complex numbers."""
        return self.index(self.view_dtype(handle, handle.dtype.to_complex()), (..., 0))

"""The memory behind tensors: ``storage()``, ``set_``, ``resize_``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ._arguments import integers, sizes
from ._attach import method
from .autograd.errors import OpError
from .autograd.modes import GRAD_MODE
from .autograd.tensor import Tensor, edge, extra, leave, make, touch
from .backends.base import Layout
from .backends.dtypes import DType
from .backends.layout import check_strided, contiguous_strides, numel

__all__ = ["TypedStorage", "UntypedStorage", "attach"]


class UntypedStorage:
    """The memory behind a tensor and its views; equal for all of them."""

    __slots__ = ("_info", "_tensor", "device")

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self._info = tensor._device.backend.storage(tensor._h)
        self.device = tensor._device

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self._info.address

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._info.nbytes

    size = __len__ = nbytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._info.key == other._info.key

    def __hash__(self) -> int:
        return hash(self._info.key)

    def __repr__(self) -> str:
        return f"UntypedStorage(device={self.device}, nbytes={self.nbytes()})"


class TypedStorage:
    """The memory behind a tensor as a flat sequence of its elements."""

    __slots__ = ("_flat", "_untyped", "dtype")

    def __init__(self, tensor: Tensor) -> None:
        self._untyped = UntypedStorage(tensor)
        self.dtype: DType = tensor._dtype
        count = self._untyped.nbytes() // self.dtype.itemsize
        backend = tensor._device.backend
        handle = backend.as_strided(tensor._h, (count,), (1,), 0)
        self._flat = make(handle, tensor._dtype, tensor._device)
        self._flat._writes = touch(tensor)

    @property
    def device(self) -> Any:
        """The device that holds the memory."""
        return self._untyped.device

    def untyped(self) -> UntypedStorage:
        """The same memory without a type."""
        return self._untyped

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._untyped.data_ptr()

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._untyped.nbytes()

    def element_size(self) -> int:
        """Bytes per element."""
        return self.dtype.itemsize

    def size(self) -> int:
        """The number of elements."""
        return int(self._flat._h.shape[0])

    __len__ = size

    def tolist(self) -> list[Any]:
        """All elements as Python numbers."""
        return self._flat.tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: Any) -> Any:
        return self._flat[index].tolist()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._flat[index] = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypedStorage) and self._untyped == other._untyped

    def __hash__(self) -> int:
        return hash(self._untyped)

    def __repr__(self) -> str:
        return f"TypedStorage(dtype={self.dtype}, device={self.device}, size={self.size()})"


@method
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory that this tensor shares with its views; compare storages with ``==``."""
    return UntypedStorage(self)


@method
def storage(self: Tensor) -> TypedStorage:
    """The memory as a flat sequence of elements."""
    return TypedStorage(self)


@method
def data_ptr(self: Tensor) -> int:
    """The address of the first element; 0 for an empty tensor."""
    if not numel(self._h.shape):
        return 0
    backend = self._device.backend
    offset = backend.layout(self._h).offset * self._dtype.itemsize
    return backend.storage(self._h).address + offset


@method
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both look at the same memory in the same layout."""
    same = UntypedStorage(self) == UntypedStorage(tensor)
    return same and self._device.backend.layout(self._h) == tensor._device.backend.layout(tensor._h)


def _check_free(name: str, self: Tensor) -> None:
    if edge(self) is not None:
        raise OpError(
            f"{name}: expected a tensor without history, got one that requires grad; cannot resize "
            "variables that require grad: use .detach()",
            op=name,
        )


def adopt(self: Tensor, handle: Any, version: list[int] | None) -> Tensor:
    """Give a tensor another handle; what it was a view of no longer matters."""
    extra(leave(self))["moved"] = True
    self._h, self._view, self._writes = handle, None, version
    return self


@method
def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Look at other memory: that of a tensor, or a storage in any layout; nothing: an empty one.

    Raises:
        RuntimeError: the type differs, the layout reaches out of the memory, or the tensor
            requires grad.
    """
    _check_free("set_", self)
    if source is None:
        return adopt(self, self._device.F.empty((0,), self._dtype), None)
    if isinstance(source, TypedStorage):
        source = source.untyped()
    owner = source._tensor if isinstance(source, UntypedStorage) else source
    if not isinstance(owner, Tensor) or owner._dtype is not self._dtype:
        got = owner._dtype if isinstance(owner, Tensor) else type(source).__name__
        raise OpError(f"set_: expected a source of type {self._dtype}, got {got}", op="set_")
    version = touch(owner)
    self._device = owner._device
    if owner is source and size is None:
        return adopt(self, owner._h, version)
    backend = owner._device.backend
    total = backend.storage(owner._h).nbytes // owner._dtype.itemsize
    shape = (total - storage_offset,) if size is None else sizes("set_", (size,))
    steps = contiguous_strides(shape) if stride is None else integers("set_", (stride,))
    try:
        check_strided(Layout(shape, steps, storage_offset), total)
    except ValueError as error:
        raise OpError(f"set_: {error}; out of bounds for the storage", op="set_") from None
    return adopt(self, backend.as_strided(owner._h, shape, steps, storage_offset), version)


@method
def resize_(self: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """Another shape over the same memory; more memory, with any values, where it is too small.

    Raises:
        RuntimeError: the tensor requires grad, or a size is negative.
    """
    _check_free("resize_", self)
    shape = sizes("resize_", size)
    if shape == tuple(self._h.shape):
        return self
    backend = self._device.backend
    offset = backend.layout(self._h).offset
    have = backend.storage(self._h).nbytes // self._dtype.itemsize - offset
    flat = backend.as_strided(self._h, (have,), (1,), offset)
    if numel(shape) <= have:
        used = backend.as_strided(self._h, shape, contiguous_strides(shape), offset)
        return adopt(self, used, touch(self))
    grown = self._device.F.empty((numel(shape),), self._dtype)
    backend.assign(backend.index(grown, (slice(0, have), ...)), flat)
    return adopt(self, backend.view(grown, shape), None)


@method
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """``resize_`` to the shape of another tensor."""
    return resize_(self, *the_template._h.shape)


def _look_away(name: str) -> Callable[..., Tensor]:
    """``unsqueeze_`` and its relatives: the tensor itself gets the view's shape."""
    view: Callable[..., Tensor] = getattr(Tensor, name)

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if GRAD_MODE.get() and edge(self) is self:
            raise OpError(
                f"{name}_: expected a computed tensor, got a leaf; a leaf Variable that requires "
                "grad is being used in an in-place operation",
                op=f"{name}_",
            )
        before = leave(self)
        after = view(before, *args, **kwargs)
        if self._writes is None:  # nothing else looks at this memory
            self._h, self._node, self._track = after._h, after._node, bool(after._node)
            return self
        self._h, self._node, self._track = after._h, after._node, after._track
        self._view = after._view
        return self

    call.__name__ = call.__qualname__ = f"{name}_"
    call.__doc__ = f"In place: this very tensor becomes ``{name}(...)`` of itself."
    return call


def attach() -> None:
    """Add the in-place variants of views to Tensor, once the views are methods."""
    for name in ("unsqueeze", "squeeze", "transpose", "swapaxes", "swapdims", "t", "as_strided"):
        setattr(Tensor, f"{name}_", _look_away(name))

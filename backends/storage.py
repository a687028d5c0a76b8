"""Strided storage and aliasing views over array libraries whose arrays need not be mutable.

A :class:`Cell` holds the current value of one storage. A :class:`Handle` is the cell, a layout
and a chain of steps (:mod:`tensorplug.backends.steps`) that leads from the cell's value to the
view's. Reading folds the chain; writing goes back through it and replaces the cell's value, so
every alias sees the write. Library arrays in a cell are never written to, hence a read is a
snapshot and a write whose source overlaps its target is always right.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .base import Layout
from .dtypes import DType
from .layout import (
    check_strided,
    contiguous_strides,
    expand_layout,
    is_contiguous,
    items_layout,
    numel,
    parse_index,
    permute_layout,
    view_strides,
)
from .steps import Bitcast, Chain, Expand, Gather, Index, Ops, Permute, Reshape, over_flat, push

__all__ = [
    "OPERATORS", "WRITING", "Cell", "Handle", "Operators", "Owner", "address", "bitcast_view",
    "expand_view", "fold", "index_view", "permute_view", "read", "reshape_view", "strided_view",
    "unfold", "write",
]  # fmt: skip

Shape = tuple[int, ...]


class Owner(Ops, Protocol):
    """What cells and handles need from their backend."""

    @property
    def operators(self) -> Mapping[str, Callable[..., Any]]:
        """Python's operators by name (``"add"``), lifted to handles."""

    def array_dtype(self, array: Any) -> DType:
        """The :class:`DType` of a library array."""

    def fold(self, array: Any, chain: Chain) -> Any:
        """The view at the end of ``chain`` of a stored array; see :func:`fold`."""

    def store(self, cell: Cell, chain: Chain, child: Any) -> None:
        """Make ``child`` the end of ``chain``: replace the cell's value; see :func:`unfold`."""


class Cell:
    """One storage: its current value, a library array that is never written to.

    ``version`` counts the writes; ``address`` is made up on first use (see :func:`address`).
    """

    __slots__ = ("_address", "backend", "value", "version")

    def __init__(self, backend: Owner, value: Any) -> None:
        self.backend = backend
        self.value = value
        self.version = 0
        self._address = 0

    @property
    def shape(self) -> Shape:
        """The shape of the value; views count its elements in row-major order."""
        return tuple(self.value.shape)

    @property
    def dtype(self) -> DType:
        """The type of the value, which no write changes."""
        return self.backend.array_dtype(self.value)

    @property
    def nbytes(self) -> int:
        """The size of the storage in bytes."""
        return numel(self.shape) * self.dtype.itemsize


class Operators:
    """Python's operators for handles: those of the backend that ``cell`` names."""

    __slots__ = ()

    __array_ufunc__ = None  # NumPy's scalars leave mixed operators to this class

    cell: Any

    def __bool__(self) -> bool:
        raise TypeError("handle: expected an operation of the backend, got a truth test")

    __hash__ = object.__hash__


class Handle(Operators):
    """A strided view of a cell: ``shape``, ``ndim``, Python's operators, and nothing else.

    Operators give handles on new storage and follow the array library's own promotion.
    """

    __slots__ = ("_layout", "cached", "cell", "chain", "dtype", "ndim", "shape")

    def __init__(
        self, cell: Cell, chain: Chain = (), layout: Layout | None = None,
        dtype: DType | None = None,
    ) -> None:  # fmt: skip
        """``layout`` None is the cell's own; ``dtype`` None is the cell's type."""
        self.cell = cell
        self.chain = chain
        self.shape: Shape = tuple(cell.value.shape) if layout is None else layout.shape
        self.ndim = len(self.shape)
        self.dtype = dtype
        self._layout = layout
        self.cached: tuple[int, Any] | None = None

    @property
    def layout(self) -> Layout:
        """Shape, strides and offset in elements of the handle's type."""
        if self._layout is None:
            self._layout = Layout(self.shape, contiguous_strides(self.shape), 0)
        return self._layout

    def __repr__(self) -> str:
        return f"Handle({', '.join(f'{k}={v}' for k, v in self.layout._asdict().items())})"


def _binary(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(self: Operators, other: Any) -> Any:
        return self.cell.backend.operators[name](self, other)

    def reflected(self: Operators, other: Any) -> Any:
        return self.cell.backend.operators[name](other, self)

    return forward, reflected


def _unary(name: str) -> Callable[..., Any]:
    def method(self: Operators) -> Any:
        return self.cell.backend.operators[name](self)

    return method


_REFLECTED = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "truediv", "floordiv": "floordiv",
    "mod": "mod", "pow": "pow", "matmul": "matmul", "and": "and_", "or": "or_", "xor": "xor",
}  # fmt: skip
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_UNARY = {"neg": "neg", "abs": "abs", "invert": "invert"}

OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name) for name in (*_REFLECTED.values(), *_COMPARISONS, *_UNARY)
}
"""The functions behind a handle's operators, over library arrays."""

for _name, _function in _REFLECTED.items():
    _forward, _backward = _binary(_function)
    setattr(Operators, f"__{_name}__", _forward)
    setattr(Operators, f"__r{_name}__", _backward)
for _name in _COMPARISONS:
    setattr(Operators, f"__{_name}__", _binary(_name)[0])
for _name in _UNARY:
    setattr(Operators, f"__{_name}__", _unary(_name))


# --- reading and writing --------------------------------------------------------------------------

WRITING = threading.RLock()
"""Held while a part of a storage is read or replaced, so that threads which write to different
parts of one storage lose nothing, and no value is given away while another thread starts from it.
"""


def read(handle: Handle) -> Any:
    """The library array with the handle's values now; kept until the storage is written to."""
    cell, chain = handle.cell, handle.chain
    if not chain:
        return cell.value
    cached, version = handle.cached, cell.version  # first: a write in between must not look cached
    if cached is not None and cached[0] == version:
        return cached[1]
    with WRITING:
        version = cell.version
        array = cell.backend.fold(cell.value, chain)
    handle.cached = (version, array)
    return array


def write(handle: Handle, array: Any) -> None:
    """Store a library array of the handle's shape and type; every alias sees it."""
    if numel(handle.shape) == 0:
        return
    cell = handle.cell
    chain = handle.chain if all(step.writes for step in handle.chain) else _writable(handle)
    with WRITING:
        cell.backend.store(cell, chain, array)
        cell.version += 1


def fold(ops: Ops, array: Any, chain: Chain) -> Any:
    """The view at the end of ``chain`` of a stored array."""
    for step in chain:
        array = step.read(ops, array)
    return array


def unfold(ops: Ops, array: Any, chain: Chain, child: Any) -> Any:
    """The stored array when the view at the end of ``chain`` becomes ``child``."""
    needed = max((i for i, step in enumerate(chain) if step.partial), default=-1)
    parents: list[Any] = []
    for position, step in enumerate(chain):
        parents.append(array if position <= needed else None)
        if position < needed:
            array = step.read(ops, array)
    for step, parent in zip(reversed(chain), reversed(parents), strict=True):
        child = step.write(ops, parent, child)
    return child


def _root(handle: Handle) -> tuple[Chain, int]:
    """The steps to the whole storage as a flat array of the handle's type, and its length."""
    cell = handle.cell
    shape, total = cell.shape, numel(cell.shape)
    chain = push((), Reshape(shape, (total,)))
    if handle.dtype is None:
        return chain, total
    stored, seen = cell.dtype, handle.dtype
    whole = total * stored.itemsize // seen.itemsize  # what is left over has no element
    used = whole * seen.itemsize // stored.itemsize
    chain = push(chain, Index((total,), (range(used),)))
    return push(chain, Bitcast((whole,), stored, seen)), whole


def _writable(handle: Handle) -> Chain:
    """Another chain to the same elements, one that can be written through."""
    root, total = _root(handle)
    rest = over_flat(handle.layout, total)
    if not all(step.writes for step in rest):
        rest = (Gather(handle.layout, total),)
    return root + rest


# --- views ----------------------------------------------------------------------------------------


def _with(handle: Handle, chain: Chain, layout: Layout) -> Handle:
    return Handle(handle.cell, chain, layout, handle.dtype)


def index_view(handle: Handle, index: tuple[Any, ...]) -> Handle:
    """Basic indexing; see :func:`tensorplug.backends.layout.index_layout`."""
    items = parse_index(handle.shape, index)
    layout = items_layout(handle.layout, items)
    step = Index(handle.shape, tuple(item for item in items if item is not None))
    chain = push(handle.chain, step)
    if step.shape != layout.shape:
        chain = push(chain, Reshape(step.shape, layout.shape))
    return _with(handle, chain, layout)


def permute_view(handle: Handle, dims: Shape) -> Handle:
    """Dimensions in another order."""
    layout = permute_layout(handle.layout, dims)
    return _with(handle, push(handle.chain, Permute(handle.shape, tuple(dims))), layout)


def reshape_view(handle: Handle, shape: Shape) -> Handle:
    """Another shape over the same memory.

    Raises:
        ValueError: the strides do not allow it, or the numbers of elements differ.
    """
    strides = view_strides(handle.shape, handle.layout.strides, shape)
    if strides is None:
        raise ValueError(
            f"expected a shape that fits strides {handle.layout.strides}, got {shape} for a "
            f"tensor of shape {handle.shape}; view size is not compatible with input tensor's "
            "size and stride (at least one dimension spans across two contiguous subspaces): "
            "use .reshape(...) instead"
        )
    layout = Layout(shape, strides, handle.layout.offset)
    return _with(handle, push(handle.chain, Reshape(handle.shape, shape)), layout)


def expand_view(handle: Handle, shape: Shape) -> Handle:
    """Broadcast with stride 0."""
    layout = expand_layout(handle.layout, shape)
    chain = handle.chain if shape == handle.shape else push(handle.chain, Expand(shape))
    return _with(handle, chain, layout)


def strided_view(handle: Handle, layout: Layout) -> Handle:
    """Any layout over the whole storage.

    Raises:
        ValueError: it reaches beyond the storage.
    """
    root, total = _root(handle)
    check_strided(layout, total)
    if (
        handle.dtype is None
        and layout.offset == 0
        and layout.shape == handle.cell.shape
        and is_contiguous(layout.shape, layout.strides)
    ):
        return _with(handle, (), layout)
    chain = root
    for step in over_flat(layout, total):
        chain = push(chain, step)
    return _with(handle, chain, layout)


def bitcast_view(handle: Handle, source: DType, dtype: DType) -> Handle:
    """The same memory seen as another type; ``source`` is the handle's type now.

    Where the sizes of the types differ, the last dimension shrinks or grows with them.

    Raises:
        ValueError: the last dimension, a stride or the offset does not allow it.
    """
    shape, strides, offset = handle.layout
    old, new = source.itemsize, dtype.itemsize
    if old != new:
        _check_bitcast(handle.layout, source, dtype)
        shape = (*shape[:-1], shape[-1] * old // new)
        strides = (*(stride * old // new for stride in strides[:-1]), 1)
        offset = offset * old // new
    chain = push(handle.chain, Bitcast(shape, source, dtype))
    kept = None if dtype is handle.cell.dtype else dtype
    return Handle(handle.cell, chain, Layout(shape, strides, offset), kept)


def _check_bitcast(layout: Layout, source: DType, dtype: DType) -> None:
    shape, strides, offset = layout
    dense = bool(shape) and (shape[-1] == 1 or strides[-1] == 1)
    ratio = max(dtype.itemsize // source.itemsize, 1)
    counts = (shape[-1:] + strides[:-1] + (offset,)) if dense else ()
    if not dense or any(count % ratio for count in counts):
        raise ValueError(
            f"expected a last dimension of stride 1 and a size, strides and offset that divide by "
            f"{ratio} to view {source.name} as {dtype.name}, got shape {shape}, strides {strides} "
            f"and storage offset {offset}; clone() it first"
        )


# --- addresses ------------------------------------------------------------------------------------

_lock = threading.Lock()
_next_address = [1 << 32]
_ALIGNMENT = 64


def address(cell: Cell) -> int:
    """A made-up address of the storage, unique while the process lives, on first use.

    Storages do not overlap: each takes up its size, at least one byte.
    """
    if not cell._address:
        with _lock:
            if not cell._address:
                cell._address = _next_address[0]
                size = max(cell.nbytes, 1)
                _next_address[0] += -(-size // _ALIGNMENT) * _ALIGNMENT
    return cell._address

"""The invertible steps that lead from a stored array to a view of it.

A view is a chain of steps. Reading applies :meth:`Step.read` from the first to the last; writing
goes back from the last to the first through :meth:`Step.write`, which rebuilds the parent array
around a new child. Steps use the array library through :class:`Ops` only.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np

from .base import Layout
from .dtypes import DType
from .layout import extent, numel

__all__ = [
    "Bitcast", "Chain", "Expand", "Gather", "Index", "Ops", "Permute", "Reshape", "Step",
    "over_flat", "push",
]  # fmt: skip

Shape = tuple[int, ...]


class Ops(Protocol):
    """What steps need from a backend."""

    @property
    def namespace(self) -> Any:
        """The array API namespace."""

    def index_update(self, array: Any, index: Any, value: Any) -> Any:
        """``array`` with ``array[index] = value`` done; the argument stays as it was."""

    def bitcast(self, array: Any, dtype: DType) -> Any:
        """The same bits as another type; the last dimension shrinks or grows with its size."""

    def constant(self, array: np.ndarray, like: Any) -> Any:
        """A library array with the values of ``array``, on the device of ``like``."""


class Step:
    """One view function with its inverse; ``shape`` is the child's."""

    __slots__ = ("shape",)

    shape: Shape
    writes: ClassVar[bool] = True
    """Whether :meth:`write` exists: not where elements share a place."""

    partial: ClassVar[bool] = False
    """Whether the child leaves parts of the parent out, so that a write needs the parent."""

    def _key(self) -> tuple[Any, ...]:
        """What tells steps of one class apart."""
        return (self.shape,)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._key() == self._key()

    def __hash__(self) -> int:
        return hash((type(self), self._key()))

    def read(self, ops: Ops, array: Any) -> Any:
        """The child of a parent array."""
        raise NotImplementedError

    def write(self, ops: Ops, parent: Any, child: Any) -> Any:
        """The parent with new child values; ``parent`` is None unless the step is partial."""
        raise NotImplementedError


Chain = tuple[Step, ...]


class Index(Step):
    """Per dimension of the parent an int or a range of positions.

    A range that goes backwards is read forwards and turned: not every library has such slices.
    """

    __slots__ = ("items", "key", "source", "turned")
    partial = True

    def __init__(self, source: Shape, items: tuple[int | range, ...]) -> None:
        self.source = source
        self.items = items
        self.key = tuple(
            item if isinstance(item, int) else _as_slice(item, size)
            for item, size in zip(items, source, strict=True)
        )
        ranges = [item for item in items if isinstance(item, range)]
        self.shape = tuple(map(len, ranges))
        self.turned = tuple(dim for dim, item in enumerate(ranges) if item.step < 0)

    def _key(self) -> tuple[Any, ...]:
        return (self.source, self.items)

    def read(self, ops: Ops, array: Any) -> Any:
        return self._turn(ops, array[self.key])

    def write(self, ops: Ops, parent: Any, child: Any) -> Any:
        return ops.index_update(parent, self.key, self._turn(ops, child))

    def _turn(self, ops: Ops, array: Any) -> Any:
        return ops.namespace.flip(array, axis=self.turned) if self.turned else array

    def then(self, other: Index) -> Index:
        """Both steps as one."""
        rest = iter(other.items)
        return Index(
            self.source,
            tuple(
                item if isinstance(item, int) else _compose(item, next(rest)) for item in self.items
            ),
        )

    def is_trivial(self) -> bool:
        """Whether the child is the whole parent, in its order."""
        return all(item == range(size) for item, size in zip(self.items, self.source, strict=True))


def _as_slice(item: range, size: int) -> slice:
    """The positions of a range, in ascending order."""
    if not item:
        return slice(0, 0)
    if item.step < 0:
        item = item[::-1]
    return slice(item.start, min(item.stop, size), item.step)


def _compose(outer: range, inner: int | range) -> int | range:
    if isinstance(inner, int):
        return outer[inner]
    if not inner:
        return range(0)
    start, step = outer[inner.start], outer.step * inner.step
    return range(start, start + step * len(inner), step)


class Permute(Step):
    """The parent's dimensions in another order."""

    __slots__ = ("dims", "inverse")

    def __init__(self, source: Shape, dims: Shape) -> None:
        self.dims = dims
        self.inverse = tuple(sorted(range(len(dims)), key=dims.__getitem__))
        self.shape = tuple(source[dim] for dim in dims)

    def _key(self) -> tuple[Any, ...]:
        return (self.shape, self.dims)

    def read(self, ops: Ops, array: Any) -> Any:
        return ops.namespace.permute_dims(array, self.dims)

    def write(self, ops: Ops, parent: Any, child: Any) -> Any:
        return ops.namespace.permute_dims(child, self.inverse)


class Reshape(Step):
    """The parent's elements in row-major order, in another shape."""

    __slots__ = ("source",)

    def __init__(self, source: Shape, shape: Shape) -> None:
        self.source = source
        self.shape = shape

    def _key(self) -> tuple[Any, ...]:
        return (self.source, self.shape)

    def read(self, ops: Ops, array: Any) -> Any:
        return ops.namespace.reshape(array, self.shape)

    def write(self, ops: Ops, parent: Any, child: Any) -> Any:
        return ops.namespace.reshape(child, self.source)


class Expand(Step):
    """The parent broadcast; a write has to find another way (see :func:`storage.write`)."""

    __slots__ = ()
    writes = False

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def read(self, ops: Ops, array: Any) -> Any:
        return ops.namespace.broadcast_to(array, self.shape)


class Bitcast(Step):
    """The parent's bits as another type."""

    __slots__ = ("dtype", "source")

    def __init__(self, shape: Shape, source: DType, dtype: DType) -> None:
        """``shape`` is the child's; ``source`` and ``dtype`` are the parent's and its types."""
        self.shape = shape
        self.source = source
        self.dtype = dtype

    def _key(self) -> tuple[Any, ...]:
        return (self.shape, self.source, self.dtype)

    def read(self, ops: Ops, array: Any) -> Any:
        return ops.bitcast(array, self.dtype)

    def write(self, ops: Ops, parent: Any, child: Any) -> Any:
        return ops.bitcast(child, self.source)


class Gather(Step):
    """Any layout over a flat parent of ``total`` elements, by explicit positions.

    The way out when slices cannot express a layout. Where elements share a place, the last one
    in row-major order is kept, as NumPy does.
    """

    __slots__ = ("layout", "total")
    partial = True

    def __init__(self, layout: Layout, total: int) -> None:
        self.layout = layout
        self.total = total
        self.shape = layout.shape

    def _positions(self) -> np.ndarray:
        positions = np.full(self.shape, self.layout.offset, dtype=np.int64)
        for dim, (size, stride) in enumerate(zip(self.shape, self.layout.strides, strict=True)):
            steps = np.arange(size, dtype=np.int64) * stride
            positions += steps.reshape((size,) + (1,) * (len(self.shape) - dim - 1))
        return positions.reshape(-1)

    def _key(self) -> tuple[Any, ...]:
        return (self.layout, self.total)

    def read(self, ops: Ops, array: Any) -> Any:
        xp = ops.namespace
        return xp.reshape(
            xp.take(array, ops.constant(self._positions(), array), axis=0), self.shape
        )

    def write(self, ops: Ops, parent: Any, child: Any) -> Any:
        xp = ops.namespace
        positions = self._positions()
        origin = np.full(self.total, -1, dtype=np.int64)
        origin[positions] = np.arange(len(positions))
        flat = xp.reshape(child, (len(positions),))
        spread = xp.take(flat, ops.constant(np.maximum(origin, 0), parent), axis=0)
        return xp.where(ops.constant(origin >= 0, parent), spread, parent)


def push(chain: Chain, step: Step) -> Chain:
    """``chain`` with one more step, merged into the last one where both are of a kind."""
    last = chain[-1] if chain else None
    if isinstance(step, Index):
        if isinstance(last, Index):
            return push(chain[:-1], last.then(step))
        return chain if step.is_trivial() else (*chain, step)
    if isinstance(step, Reshape):
        if isinstance(last, Reshape):
            return push(chain[:-1], Reshape(last.source, step.shape))
        return chain if step.source == step.shape else (*chain, step)
    if isinstance(step, Permute):
        if isinstance(last, Permute):
            merged = tuple(last.dims[dim] for dim in step.dims)
            source = tuple(last.shape[dim] for dim in last.inverse)
            return push(chain[:-1], Permute(source, merged))
        return chain if step.dims == tuple(range(len(step.dims))) else (*chain, step)
    if isinstance(last, Expand) and isinstance(step, Expand):
        return (*chain[:-1], step)
    return (*chain, step)


# --- a layout as steps ----------------------------------------------------------------------------


def over_flat(layout: Layout, total: int) -> Chain:
    """The steps from a flat array of ``total`` elements to any layout over it.

    Slices, reshapes, one transpose and one broadcast where they can do it; else one gather.
    """
    if numel(layout.shape) == 0:
        nothing = push((), Index((total,), (range(0),)))
        return push(nothing, Reshape((0,), layout.shape))
    sliced = _slices(layout, total)
    return (Gather(layout, total),) if sliced is None else sliced


def _slices(layout: Layout, total: int) -> Chain | None:
    """As :func:`over_flat`, None when it needs a gather.

    From the largest stride inwards: a dimension of stride ``s`` is a slice cut into rows of ``s``
    elements, and the next dimension lies within one row. The slice may begin before the first
    element, so that its last row does not reach beyond the end.
    """
    dims = [d for d, size in enumerate(layout.shape) if size > 1 and layout.strides[d] != 0]
    dims.sort(key=lambda d: -abs(layout.strides[d]))
    rows: list[tuple[int, int]] = [(layout.shape[d], abs(layout.strides[d])) for d in dims]
    chain: Chain = ()
    outer: Shape = ()
    start, length = extent(layout).start, total
    for position, (size, stride) in enumerate(rows[:-1]):
        inner = 1 + sum((n - 1) * s for n, s in rows[position + 1 :])
        first = min(start, length - size * stride)
        if first < 0 or start - first + inner > stride:
            return None
        window = range(first, first + size * stride)
        chain = push(chain, _last(outer, length, window))
        chain = push(chain, Reshape((*outer, size * stride), (*outer, size, stride)))
        outer = (*outer, size)
        start, length = start - first, stride
    size, stride = rows[-1] if rows else (1, 1)
    chain = push(chain, _last(outer, length, range(start, start + size * stride, stride)))
    return _arrange(chain, layout, dims)


def _last(outer: Shape, length: int, window: range) -> Index:
    return Index((*outer, length), (*map(range, outer), window))


def _arrange(chain: Chain, layout: Layout, dims: list[int]) -> Chain:
    """Turn, order, add and broadcast what :func:`_slices` has cut out."""
    shape, strides = layout.shape, layout.strides
    if dims:
        sizes = tuple(shape[d] for d in dims)
        turned = tuple(
            range(shape[d]) if strides[d] > 0 else range(shape[d] - 1, -1, -1) for d in dims
        )
        chain = push(chain, Index(sizes, turned))
        chain = push(chain, Permute(sizes, tuple(sorted(range(len(dims)), key=dims.__getitem__))))
    kept = tuple(size if d in dims else 1 for d, size in enumerate(shape))
    chain = push(chain, Reshape(tuple(shape[d] for d in sorted(dims)) or (1,), kept))
    return chain if kept == shape else push(chain, Expand(shape))

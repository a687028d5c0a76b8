"""Shapes, strides and offsets in elements: pure functions, no arrays.

Every rule of views lives here once: what is contiguous, when a reshape needs a copy, what an
index does to strides. Strides may be negative, which torch does not have.

Errors are builtin ones without the op's name: the engine adds it, with the arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as to_int
from typing import Any, NamedTuple

__all__ = [
    "Layout", "broadcast_shapes", "check_strided", "contiguous_strides", "diagonal_layout",
    "expand_layout", "extent", "index_layout", "is_contiguous", "items_layout", "may_overlap",
    "must_overlap", "numel", "parse_index", "permute_layout", "slice_range", "unfold_layout",
    "view_strides",
]  # fmt: skip

Shape = tuple[int, ...]


class Layout(NamedTuple):
    """How a handle lies in its storage, all in elements, as torch counts."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


def numel(shape: Sequence[int]) -> int:
    """How many elements a shape has; 1 for ``()``."""
    count = 1
    for size in shape:
        count *= size
    return count


def contiguous_strides(shape: Sequence[int]) -> Shape:
    """Row-major strides; a dimension of size 0 counts as 1, as in torch."""
    strides = [1] * len(shape)
    for dim in range(len(shape) - 1, 0, -1):
        strides[dim - 1] = strides[dim] * max(shape[dim], 1)
    return tuple(strides)


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements lie row-major without gaps.

    Strides of dimensions of size 1 do not matter, and what has no elements is contiguous.
    """
    wanted = 1
    contiguous = True
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size == 0:
            return True
        if size != 1:
            contiguous = contiguous and stride == wanted
            wanted *= size
    return contiguous


def broadcast_shapes(*shapes: Sequence[int]) -> Shape:
    """The shape that all of ``shapes`` broadcast to.

    Raises:
        ValueError: two sizes differ and neither is 1; the text names all shapes.
    """
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for dim, size in enumerate(shape, ndim - len(shape)):
            if result[dim] == 1:
                result[dim] = size
            elif size not in (1, result[dim]):
                given = " and ".join(str(tuple(s)) for s in shapes)
                raise ValueError(f"expected broadcastable shapes, got {given}")
    return tuple(result)


# --- indexing -------------------------------------------------------------------------------------


def slice_range(item: slice, size: int) -> range:
    """The positions that a slice takes from a dimension of ``size``.

    Raises:
        ValueError: the step is zero.
    """
    if item.step is not None and to_int(item.step) == 0:
        raise ValueError("expected a slice step that is not 0, got 0")
    return range(*item.indices(size))


def _wrap(item: Any, size: int, dim: int) -> int:
    position = to_int(item)
    if not -size <= position < size:
        raise IndexError(f"index {position} is out of bounds for dimension {dim} with size {size}")
    return position + size if position < 0 else position


def parse_index(shape: Shape, index: tuple[Any, ...]) -> tuple[int | range | None, ...]:
    """Spell a basic index out: per dimension an int or a range, and None for each new dimension.

    Raises:
        IndexError: an int is out of range, there are too many items or two ``Ellipsis``.
    """
    taken = sum(1 for item in index if item is not None and item is not Ellipsis)
    if taken > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}: got {taken}")
    if sum(1 for item in index if item is Ellipsis) > 1:
        raise IndexError("expected at most one Ellipsis ('...'), got more")
    items: list[int | range | None] = []
    dim = 0
    for item in index if Ellipsis in index else (*index, Ellipsis):
        if item is None:
            items.append(None)
            continue
        if item is Ellipsis:
            fill = len(shape) - taken
            items.extend(range(size) for size in shape[dim : dim + fill])
            dim += fill
            continue
        size = shape[dim]
        items.append(slice_range(item, size) if isinstance(item, slice) else _wrap(item, size, dim))
        dim += 1
    return tuple(items)


def index_layout(layout: Layout, index: tuple[Any, ...]) -> Layout:
    """The layout after basic indexing by ints, slices, None and an Ellipsis.

    Raises:
        IndexError: as :func:`parse_index`.
        ValueError: a slice step is zero.

    Example:
        >>> index_layout(Layout((3, 4), (4, 1), 0), (slice(None, None, -1), 1))
        Layout(shape=(3,), strides=(-4,), offset=9)
    """
    return items_layout(layout, parse_index(layout.shape, index))


def items_layout(layout: Layout, items: tuple[int | range | None, ...]) -> Layout:
    """As :func:`index_layout`, for an index that :func:`parse_index` has spelled out."""
    shape: list[int] = []
    strides: list[int] = []
    offset = layout.offset
    dim = 0
    for item in items:
        if item is None:
            # As torch: the stride that a dimension of size 1 would have in front of the next one.
            inner = dim < len(layout.shape)
            strides.append(layout.shape[dim] * layout.strides[dim] if inner else 1)
            shape.append(1)
            continue
        stride = layout.strides[dim]
        dim += 1
        if isinstance(item, int):
            offset += item * stride
            continue
        offset += item.start * stride
        shape.append(len(item))
        strides.append(item.step * stride)
    return Layout(tuple(shape), tuple(strides), offset)


# --- other views ----------------------------------------------------------------------------------


def permute_layout(layout: Layout, dims: Sequence[int]) -> Layout:
    """Dimensions in another order.

    Raises:
        ValueError: ``dims`` is not a permutation of all dimensions.
    """
    if sorted(dims) != list(range(len(layout.shape))):
        raise ValueError(f"expected each of {len(layout.shape)} dimensions once, got {tuple(dims)}")
    return Layout(
        tuple(layout.shape[dim] for dim in dims),
        tuple(layout.strides[dim] for dim in dims),
        layout.offset,
    )


def expand_layout(layout: Layout, shape: Shape) -> Layout:
    """Broadcast to ``shape``: new dimensions and those grown from 1 get stride 0.

    Raises:
        ValueError: ``shape`` has fewer dimensions, or a size other than 1 changes.
    """
    grown = len(shape) - len(layout.shape)
    fits = grown >= 0 and all(
        was in (1, now) for was, now in zip(layout.shape, shape[grown:], strict=True)
    )
    if not fits:
        raise ValueError(f"expected a shape that {layout.shape} broadcasts to, got {shape}")
    strides = tuple(
        stride if was == now else 0
        for was, now, stride in zip(layout.shape, shape[grown:], layout.strides, strict=True)
    )
    return Layout(shape, (0,) * grown + strides, layout.offset)


def view_strides(shape: Shape, strides: Shape, new_shape: Shape) -> Shape | None:
    """The strides of ``new_shape`` over the same memory, or None when only a copy can do it.

    Neighbouring dimensions merge where the outer stride steps over exactly the inner ones; the
    new shape must cut those merged blocks without crossing from one into the next.

    Example:
        >>> view_strides((3, 4), (4, 1), (2, 6))
        (6, 1)
        >>> view_strides((4, 3), (1, 4), (12,)) is None
        True
    """
    if numel(shape) != numel(new_shape):
        return None
    if numel(shape) == 0:
        return strides if shape == new_shape else contiguous_strides(new_shape)
    blocks: list[list[int]] = []  # from the inside out: [elements, innermost stride]
    expected = None
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size == 1:
            continue
        if stride == expected:
            blocks[-1][0] *= size
        else:
            blocks.append([size, stride])
        expected = stride * size
    return _cut(blocks, new_shape, strides[-1] if strides else 1)


def _cut(blocks: list[list[int]], new_shape: Shape, stride: int) -> Shape | None:
    """Lay ``new_shape`` over merged blocks; ``stride`` serves trailing dimensions of size 1."""
    result: list[int] = []
    position = -1
    left = 1
    for size in reversed(new_shape):
        if left == 1 and size != 1:
            position += 1
            left, stride = blocks[position]
        if left % size:
            return None
        result.append(stride)
        left //= size
        stride *= size
    return tuple(reversed(result))


def unfold_layout(layout: Layout, dim: int, size: int, step: int) -> Layout:
    """Windows of ``size`` along ``dim`` every ``step``; the window is the new last dimension.

    Raises:
        ValueError: ``size`` is negative or larger than the dimension, or ``step`` is not positive.
    """
    shape, strides, offset = layout
    available, stride = (shape[dim], strides[dim]) if shape else (1, 1)
    if not 0 <= size <= available or step <= 0:
        raise ValueError(
            f"expected 0 <= size <= {available} and step > 0, got size={size}, step={step}"
        )
    if not shape:
        return Layout((size,), (1,), offset)
    windows = (available - size) // step + 1
    return Layout(
        (*shape[:dim], windows, *shape[dim + 1 :], size),
        (*strides[:dim], step * stride, *strides[dim + 1 :], stride),
        offset,
    )


def diagonal_layout(layout: Layout, diagonal: int, dim1: int, dim2: int) -> Layout:
    """The diagonal of two dimensions, which becomes the last dimension.

    Raises:
        ValueError: ``dim1`` and ``dim2`` are the same.
    """
    shape, strides, offset = layout
    if dim1 == dim2:
        raise ValueError(f"expected two different dimensions, got {dim1} and {dim2}")
    if diagonal >= 0:
        length = max(min(shape[dim1], shape[dim2] - diagonal), 0)
        start = diagonal * strides[dim2]
    else:
        length = max(min(shape[dim1] + diagonal, shape[dim2]), 0)
        start = -diagonal * strides[dim1]
    kept = [dim for dim in range(len(shape)) if dim not in (dim1, dim2)]
    return Layout(
        (*(shape[dim] for dim in kept), length),
        (*(strides[dim] for dim in kept), strides[dim1] + strides[dim2]),
        offset + start if length else offset,
    )


# --- memory ---------------------------------------------------------------------------------------


def extent(layout: Layout) -> range:
    """The smallest range of storage positions that holds every element; empty if there is none."""
    if numel(layout.shape) == 0:
        return range(0)
    spans = [(size - 1) * stride for size, stride in zip(layout.shape, layout.strides, strict=True)]
    low = layout.offset + sum(span for span in spans if span < 0)
    return range(low, layout.offset + sum(span for span in spans if span > 0) + 1)


def check_strided(layout: Layout, total: int) -> None:
    """Check that a layout stays within a storage of ``total`` elements.

    Raises:
        ValueError: lengths differ, a size is negative, or an element lies outside.
    """
    shape, strides, offset = layout
    if len(shape) != len(strides):
        raise ValueError(f"expected as many strides as sizes, got {shape} and {strides}")
    if min(shape, default=0) < 0:
        raise ValueError(f"expected sizes that are not negative, got {shape}")
    used = extent(layout)
    if used and (used.start < 0 or used.stop > total):
        raise ValueError(
            f"expected elements within a storage of {total}, got size {shape}, "
            f"strides {strides} and storage offset {offset}, "
            f"which reach from {used.start} to {used.stop - 1}"
        )


def must_overlap(shape: Shape, strides: Shape) -> bool:
    """Whether torch refuses to write there: by a stride of 0, more than one element of the
    written-to tensor refers to a single memory location.
    """
    if numel(shape) == 0:
        return False
    return any(size > 1 and stride == 0 for size, stride in zip(shape, strides, strict=True))


def may_overlap(shape: Shape, strides: Shape) -> bool:
    """False when every element surely has a place of its own; True also when in doubt."""
    if numel(shape) == 0:
        return False
    reach = 0  # how far the dimensions with smaller strides go
    pairs = [(abs(stride), size) for size, stride in zip(shape, strides, strict=True) if size > 1]
    for stride, size in sorted(pairs):
        if stride <= reach:
            return True
        reach += stride * (size - 1)
    return False

"""Other shapes over the same memory: view, reshape, expand, flatten."""

from __future__ import annotations

from typing import Any

from .._arguments import infer, integers, tensors, varargs, wrap_dim
from ..autograd.errors import OpError, OpIndexError, broadcast_error
from ..autograd.ops.shape import reshape as reshape_core
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Size, Tensor
from ..backends.dtypes import DType
from ..backends.layout import numel

__all__: list[str] = []

_view, _expand, _index = (ROWS[name].call for name in ("view", "expand", "index"))
_as_real, _as_complex, _as_dtype = (
    ROWS[name].call for name in ("view_as_real", "view_as_complex", "view_dtype")
)


@function(
    namespace="Tensor",
    row="view",
    samples=lambda t: [(t(2, 6), 3, 4), (t(2, 6), (-1,)), (t(), 1), (t(0, 3), 3, 0)],
    ref="reshape",
)
def view(self: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape (one size may be ``-1``), or seen as another dtype.

    Raises:
        RuntimeError: the number of elements differs, or the strides need a copy.

    Example:
        >>> tp.arange(6).view(2, -1).shape
        tensorplug.Size([2, 3])
    """
    if len(shape) == 1 and type(shape[0]) is not int:
        if type(shape[0]) is DType:
            return view_dtype(self, shape[0])
        shape = integers("view", shape)
    if shape and min(shape) < 0:
        shape = infer("view", integers("view", shape), numel(self._h.shape))
    try:
        return _view(self, shape)
    except OpError:
        infer("view", integers("view", shape), numel(self._h.shape))  # a wrong number of elements
        raise


def view_dtype(self: Tensor, dtype: DType) -> Tensor:
    """``view(dtype)``: the bits of the elements as another type, without history."""
    if dtype is self._dtype:
        return _view(self, tuple(self._h.shape))
    return _as_dtype(self, dtype)


@function(
    row="reshape",
    ref="reshape",
    samples=lambda t: [(t(2, 6), (3, 4)), (t.noncontig(3, 4), (-1,)), (t(), (1, 1))],
)
def reshape(input: Tensor, *shape_: Any, shape: Any = None) -> Tensor:
    """Another shape: a view where the strides allow it, a copy otherwise.

    Example:
        >>> tp.arange(6).reshape(3, 2).t().reshape(6)
        tensor([0, 2, 4, 1, 3, 5])
    """
    sizes = shape_ if shape is None else (shape,)
    if len(sizes) == 1 and type(sizes[0]) is not int:
        sizes = integers("reshape", sizes)
    if not sizes or min(sizes) < 0:
        sizes = infer("reshape", integers("reshape", sizes), numel(input._h.shape))
    try:
        return reshape_core(input, sizes)
    except OpError:
        infer("reshape", integers("reshape", sizes), numel(input._h.shape))  # as in view
        raise


@function(namespace="Tensor", samples=lambda t: [(t(2, 6), t(3, 4))])
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """``view`` with the shape of ``other``."""
    return _view(self, tuple(other._h.shape))


@function(namespace="Tensor", samples=lambda t: [(t(2, 6), t(3, 4))])
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """``reshape`` with the shape of ``other``."""
    return reshape(self, tuple(other._h.shape))


@function(samples=lambda t: [(t(2, 3, 4),), (t(2, 3, 4), 1), (t(2, 3, 4), 0, 1), (t(),)])
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from ``start_dim`` to ``end_dim`` as one.

    Raises:
        RuntimeError: ``start_dim`` comes after ``end_dim``.
    """
    shape = tuple(input._h.shape)
    if not shape:
        wrap_dim("flatten", start_dim, 0), wrap_dim("flatten", end_dim, 0)
        return _view(input, (1,))
    first = wrap_dim("flatten", start_dim, len(shape))
    last = wrap_dim("flatten", end_dim, len(shape))
    if first > last:
        raise OpError(
            f"flatten: expected start_dim <= end_dim, got {start_dim} and {end_dim}; flatten() "
            "has invalid args: start_dim cannot come after end_dim",
            op="flatten",
        )
    if first == last:
        return input
    return reshape_core(input, (*shape[:first], numel(shape[first : last + 1]), *shape[last + 1 :]))


@function(samples=lambda t: [(t(2, 3),), (t.noncontig(3, 2),)], ref="ravel")
def ravel(input: Tensor) -> Tensor:
    """The elements as one dimension; a view where possible."""
    return input.contiguous().view(-1)


@function(samples=lambda t: [(t(6, 2), 0, (2, 3)), (t(2, 6), -1, (3, -1))])
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """Dimension ``dim`` as several of the given ``sizes``, one of which may be ``-1``.

    Raises:
        RuntimeError: the sizes do not multiply to that of the dimension.
    """
    shape = tuple(input._h.shape)
    if not shape:
        raise OpIndexError("unflatten: expected a dimension or more, got a 0-d tensor")
    at = wrap_dim("unflatten", dim, len(shape))
    wanted = integers("unflatten", (sizes,) if isinstance(sizes, int) else (tuple(sizes),))
    if not wanted:
        raise OpError("unflatten: expected one size or more, got none; sizes must be non-empty")
    inner = infer("unflatten", wanted, shape[at])
    return _view(input, (*shape[:at], *inner, *shape[at + 1 :]))


@function(
    namespace="Tensor",
    row="expand",
    samples=lambda t: [(t(3, 1), 3, 4), (t(3), (2, -1)), (t(), 2), (t(1, 2), 0, 2)],
)
def expand(self: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """Dimensions of size 1 repeated, and new leading ones, without a copy; ``-1`` keeps a size.

    Raises:
        RuntimeError: a size other than 1 would change.

    Example:
        >>> tp.tensor([1, 2]).expand(2, -1)
        tensor([[1, 2],
                [1, 2]])
    """
    new = sizes if size is None else (size,)
    if len(new) == 1 and type(new[0]) is not int:
        new = integers("expand", new)
    old = self._h.shape
    if len(new) >= len(old) and min(new, default=0) >= 0:
        try:
            return _expand(self, new)
        except OpError:
            pass  # explained below
    return _expand(self, _expanded(old, integers("expand", (new,))))


def _expanded(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that ``expand`` gives, with each ``-1`` filled in."""
    lead = len(new) - len(old)
    if lead < 0:
        raise OpError(
            f"expand: expected at least {len(old)} sizes, got {new}; the number of sizes provided "
            "must be greater or equal to the number of dimensions in the tensor",
            op="expand",
        )
    shape = list(new)
    for dim, wanted in enumerate(new):
        was = old[dim - lead] if dim >= lead else None
        if wanted == -1 and was is not None:
            shape[dim] = was
        elif wanted < 0 or was not in (None, 1, wanted):
            raise OpError(
                f"expand: expected sizes that {tuple(old)} broadcasts to, got {new}; the expanded "
                f"size of the tensor ({wanted}) must match the existing size ({was}) at "
                f"non-singleton dimension {dim}",
                op="expand",
            )
    return tuple(shape)


@function(namespace="Tensor", samples=lambda t: [(t(3, 1), t(3, 4))])
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """``expand`` to the shape of ``other``."""
    return expand(self, tuple(other._h.shape))


@function(samples=lambda t: [(t(3, 1), (2, 3, 4)), (t(), (2,))], ref="broadcast_to")
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """``input.expand(size)``."""
    return expand(input, tuple(size))


def common_shape(name: str, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that all shapes broadcast to.

    Raises:
        RuntimeError: there is none.
    """
    problem = broadcast_error(shapes)
    if problem is not None:
        raise OpError(f"{name}: {problem}; shape mismatch", op=name)
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(
        next((size for size in column if size != 1), 1) for column in zip(*padded, strict=True)
    )


@function(method=False, samples=lambda t: [(t(3, 1), t(1, 4)), (t(), t(2), t(3, 2))])
def broadcast_tensors(*tensors_: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to their common shape."""
    found = tensors("broadcast_tensors", varargs(tensors_))
    shape = common_shape("broadcast_tensors", [tuple(x._h.shape) for x in found])
    return tuple(expand(x, shape) for x in found)


@function(method=False, samples=lambda t: [((3, 1), (1, 4)), ((2,), 2)])
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that the given shapes (or single sizes) broadcast to.

    Example:
        >>> tp.broadcast_shapes((3, 1), (4,))
        tensorplug.Size([3, 4])
    """
    given = [
        (s,) if isinstance(s, int) else integers("broadcast_shapes", (tuple(s),)) for s in shapes
    ]
    if any(size < 0 for shape in given for size in shape):
        raise OpError(
            f"broadcast_shapes: expected sizes of 0 or more, got {shapes}; trying to "
            "create a tensor with negative dimension"
        )
    return Size(common_shape("broadcast_shapes", given))


@function(row="view_as_real", samples=lambda t: [(t(2, 3),), (t(),)], dtypes="complex")
def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as pairs of real and imaginary part, in a new last dimension."""
    if not input._dtype.is_complex:
        raise OpError(
            f"view_as_real: expected a complex tensor, got {input._dtype}; view_as_real is only "
            "supported for complex tensors",
            op="view_as_real",
        )
    return _as_real(input, None)


@function(
    row="view_as_complex",
    samples=lambda t: [(t(3, 2),), (t(2),), (t(0, 2),)],
    dtypes="float32 float64",
)
def view_as_complex(input: Tensor) -> Tensor:
    """Pairs in the last dimension, neighbours in memory, as complex numbers.

    Raises:
        RuntimeError: the last dimension is not of size 2, or the type is not float32 or float64.
    """
    if input._dtype.name not in ("float32", "float64"):
        raise OpError(
            f"view_as_complex: expected float32 or float64, got {input._dtype}; view_as_complex is "
            "only supported for floating point tensors that have a complex counterpart",
            op="view_as_complex",
        )
    if input._h.shape[-1:] != (2,):
        raise OpError(
            "view_as_complex: expected a last dimension of size 2, got shape "
            f"{tuple(input._h.shape)}; Tensor must have a last dimension of size 2",
            op="view_as_complex",
        )
    return _as_complex(input, None)


def _at_least(name: str, values: Any, grow: Any) -> Any:
    if len(values) == 1 and isinstance(values[0], Tensor):
        return grow(values[0])
    return tuple(grow(x) for x in tensors(name, varargs(values)))


@function(method=False, ref="atleast_1d", samples=lambda t: [(t(),), (t(2, 3),)])
def atleast_1d(*tensors_: Any) -> Any:
    """0-d tensors with one dimension, others as they are; a tuple for several tensors."""
    return _at_least("atleast_1d", tensors_, lambda x: x if x._h.shape else _view(x, (1,)))


@function(method=False, ref="atleast_2d", samples=lambda t: [(t(),), (t(3),), (t(2, 3),)])
def atleast_2d(*tensors_: Any) -> Any:
    """Tensors with two dimensions or more, new ones in front; a tuple for several tensors."""
    items = (None, None, ...), (None, ...)

    def grow(x: Tensor) -> Tensor:
        rank = len(x._h.shape)
        return x if rank > 1 else _index(x, items[rank])

    return _at_least("atleast_2d", tensors_, grow)


@function(method=False, ref="atleast_3d", samples=lambda t: [(t(),), (t(3),), (t(2, 3),)])
def atleast_3d(*tensors_: Any) -> Any:
    """Tensors with three dimensions or more; a tuple for several tensors."""
    every = slice(None)
    items = (None, None, None, ...), (None, every, None, ...), (every, every, None, ...)

    def grow(x: Tensor) -> Tensor:
        rank = len(x._h.shape)
        return x if rank > 2 else _index(x, items[rank])

    return _at_least("atleast_3d", tensors_, grow)

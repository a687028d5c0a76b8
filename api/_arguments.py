"""Reading arguments the way PyTorch does: dimensions, sizes, lists of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .autograd import slow
from .autograd.errors import OpError, OpIndexError, OpTypeError, check_devices
from .autograd.inplace import write_out
from .autograd.tensor import Tensor
from .backends import dtypes
from .backends.layout import extent

__all__ = [
    "array_index", "finish", "infer", "integers", "number_of", "sizes", "tensors", "varargs",
    "wrap_dim", "wrap_dims",
]  # fmt: skip


def wrap_dim(name: str, dim: Any, ndim: int) -> int:
    """A dimension as an int from 0; a 0-d tensor counts as one of dimension 1.

    Raises:
        IndexError: it is out of range.
        TypeError: it is no integer.
    """
    rank = ndim or 1
    if type(dim) is not int:
        try:
            dim = int(dim.__index__())
        except AttributeError:
            raise OpTypeError(f"{name}: expected an integer as dim, got {dim!r}", op=name) from None
    if -rank <= dim < rank:
        return dim + rank if dim < 0 else dim
    raise OpIndexError(
        f"{name}: expected a dimension in [{-rank}, {rank - 1}], got {dim}; the tensor has "
        f"{ndim} dimensions: Dimension out of range",
        op=name,
    )


def wrap_dims(name: str, dims: Any, ndim: int) -> tuple[int, ...]:
    """Several dimensions, each at most once, in the given order.

    Raises:
        IndexError: one is out of range.
        RuntimeError: one is named twice.
    """
    given = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    found = tuple(wrap_dim(name, dim, ndim) for dim in given)
    if len(set(found)) != len(found):
        raise OpError(
            f"{name}: expected each dimension once, got {given}; repeated dim: a dim appears "
            "multiple times in dims",
            op=name,
        )
    return found


def integers(name: str, values: Any) -> tuple[int, ...]:
    """``(2, 3)`` from ``(2, 3)``, ``((2, 3),)`` or ``([2, 3],)``.

    Raises:
        TypeError: something is no integer.
    """
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = values[0]
    try:
        return tuple(int(value.__index__()) for value in values)
    except (AttributeError, TypeError):
        raise OpTypeError(f"{name}: expected integers, got {values!r}", op=name) from None


def sizes(name: str, values: Any) -> tuple[int, ...]:
    """As :func:`integers`, for sizes.

    Raises:
        RuntimeError: one is negative.
    """
    found = integers(name, values)
    if found and min(found) < 0:
        raise OpError(
            f"{name}: expected sizes of 0 or more, got {found}; "
            "trying to create a tensor with negative dimension",
            op=name,
        )
    return found


def infer(name: str, shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """A shape for ``count`` elements with its one ``-1`` filled in.

    Raises:
        RuntimeError: the shape does not fit.
    """
    known = 1
    for size in shape:
        known *= 1 if size == -1 else size
    holes = shape.count(-1)
    if min(shape, default=0) < -1 or holes > 1:
        rule = "only one dimension can be inferred" if holes > 1 else "invalid shape dimension"
        raise OpError(f"{name}: expected sizes of 0 or more and one -1, got {shape}; {rule}")
    if (not holes and known != count) or (holes and known and count % known):
        raise OpError(
            f"{name}: expected a shape for {count} elements, got {shape}; "
            f"shape '{list(shape)}' is invalid for input of size {count}; -1 as one of the sizes "
            "stands for whatever fits",
            op=name,
        )
    if holes and not known:
        raise OpError(
            f"{name}: expected a shape without -1 next to a size of 0, got {shape}; cannot reshape "
            f"tensor of {count} elements because the unspecified dimension size -1 could be any",
            op=name,
        )
    if not holes:
        return shape
    return tuple(count // known if size == -1 else size for size in shape)


def tensors(name: str, values: Any) -> list[Tensor]:
    """A list of tensors from a sequence of them.

    Raises:
        TypeError: it is no sequence, or an item is no tensor.
    """
    if isinstance(values, Tensor) or not isinstance(values, Iterable):
        raise OpTypeError(
            f"{name}: expected a tuple or list of tensors, got {type(values).__name__}", op=name
        )
    found = list(values)
    for position, item in enumerate(found):
        if not isinstance(item, Tensor):
            raise OpTypeError(
                f"{name}: expected tensors, got {type(item).__name__} at position {position}; "
                "make one with tp.tensor(...)",
                op=name,
            )
    return found


def varargs(values: Sequence[Any]) -> Any:
    """The items of ``f(a, b)`` and of ``f([a, b])``."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return values[0]
    return values


def array_index(name: str, input: Tensor, index: Any) -> Tensor:
    """An index tensor as int64.

    Raises:
        RuntimeError: it is not of type int64 or int32, or on another device.
    """
    if not isinstance(index, Tensor):
        raise OpTypeError(
            f"{name}: expected index to be a tensor, got {type(index).__name__}", op=name
        )
    check_devices(name, (input, index))
    if index._dtype is dtypes.int64:
        return index
    if index._dtype is dtypes.int32 or 0 in index._h.shape:
        return slow.cast(index, dtypes.int64)
    raise OpError(
        f"{name}: expected an index of type int64 or int32, got {index._dtype}; "
        "convert it with .long()",
        op=name,
    )


def finish(name: str, result: Tensor, out: Any, *inputs: Any) -> Tensor:
    """The result, written into ``out`` if there is one: of its type, apart from the inputs.

    Raises:
        RuntimeError: ``out`` is of another type, or shares memory with an input.
    """
    if out is None:
        return result
    if isinstance(out, Tensor):
        if out._dtype is not result._dtype:
            raise OpError(
                f"{name}: expected out of type {result._dtype}, got {out._dtype}; Expected out "
                f"tensor to have dtype {result._dtype.name}",
                op=name,
            )
        if any(_overlap(x, out) for x in inputs if isinstance(x, Tensor)):
            raise OpError(
                f"{name}: expected out in memory of its own, got one that shares elements with an "
                "input; some elements of the input tensor and the written-to tensor refer to a "
                "single memory location: clone() the input first",
                op=name,
            )
    return write_out(name, out, result)


def _overlap(x: Tensor, y: Tensor) -> bool:
    """Whether the memory of two tensors may have elements in common."""
    if x._device is not y._device:
        return False
    backend = x._device.backend
    if backend.storage(x._h).key != backend.storage(y._h).key:
        return False
    one, two = extent(backend.layout(x._h)), extent(backend.layout(y._h))
    return bool(one and two) and one.start < two.stop and two.start < one.stop


def number_of(value: Any) -> Any:
    """A 0-d tensor as a Python number; anything else as it is."""
    return value.item() if isinstance(value, Tensor) else value

"""Parts of a tensor as views: narrow, select, split, diagonal, windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._arguments import integers, number_of, wrap_dim
from ..autograd.errors import OpError, OpIndexError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.base import Layout
from ..backends.dtypes import bool_
from ..backends.layout import check_strided

__all__ = ["as_strided", "diagonal", "narrow", "select", "split", "unbind"]

_index, _diagonal, _unfold, _as_strided = (
    ROWS[name].call for name in ("index", "diagonal", "unfold", "as_strided")
)
_ALL = slice(None)


def _at(dim: int, item: Any) -> tuple[Any, ...]:
    return (*(_ALL,) * dim, item, ...)


def _need_dimension(name: str, input: Tensor) -> None:
    if not input._h.shape:
        raise OpError(
            f"{name}: expected at least one dimension, got a 0-d tensor; {name} expects at least a "
            "1-dimensional tensor",
            op=name,
        )


@function(samples=lambda t: [(t(3, 4), 0, 1), (t(3, 4), -1, -2), (t(2, 3, 4), 1, 2)])
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at ``index`` of one dimension, which goes away.

    Raises:
        IndexError: ``dim`` or ``index`` is out of range.
    """
    if not input._h.shape:
        raise OpIndexError(
            "select: expected a dimension or more, got a 0-d tensor; select() "
            "cannot be applied to a 0-dim tensor",
            op="select",
        )
    at = wrap_dim("select", dim, len(input._h.shape))
    return _index(input, _at(at, int(index)))


@function(samples=lambda t: [(t(4, 3), 0, 1, 2), (t(4, 3), -1, -2, 2), (t(4, 3), 0, 4, 0)])
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """``length`` positions of one dimension, from ``start`` on.

    Raises:
        RuntimeError: the positions are out of range.
        IndexError: ``start`` is out of range.
    """
    _need_dimension("narrow", input)
    at = wrap_dim("narrow", dim, len(input._h.shape))
    size = input._h.shape[at]
    if isinstance(start, Tensor) and (
        start._h.shape or start._dtype.is_inexact or start._dtype is bool_
    ):
        raise OpError(
            f"narrow: expected an integer or a 0-d tensor of one as start, got {start}; "
            "start must be an 0-dim integral Tensor",
            op="narrow",
        )
    first = int(number_of(start))
    if length < 0:
        raise OpError(
            f"narrow: expected a length of 0 or more, got {length}; length must be non-negative",
            op="narrow",
        )
    if not -size <= first <= size:
        raise OpIndexError(
            f"narrow: expected start in [{-size}, {size}], got {first}; start out of range",
            op="narrow",
        )
    first = first + size if first < 0 else first
    if first + length > size:
        raise OpError(
            f"narrow: expected start + length <= {size}, got {first} + {length}; "
            f"start ({first}) + length ({length}) exceeds dimension size ({size})",
            op="narrow",
        )
    return _index(input, _at(at, slice(first, first + length)))


@function(samples=lambda t: [(t(3, 2),), (t(3, 2), 1), (t(0, 2),)])
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along one dimension, without it."""
    if not input._h.shape:
        raise OpIndexError(
            "unbind: expected a dimension or more, got a 0-d tensor; "
            "Dimension specified as 0 but tensor has no dimensions"
        )
    at = wrap_dim("unbind", dim, len(input._h.shape))
    lead = (_ALL,) * at
    return tuple(_index(input, (*lead, i, ...)) for i in range(input._h.shape[at]))


def cut(input: Tensor, dim: int, stops: Sequence[int]) -> tuple[Tensor, ...]:
    """The parts of one dimension between neighbouring positions, the last one to the end."""
    lead = (_ALL,) * dim
    starts = (0, *stops)
    ends = (*stops, input._h.shape[dim])
    return tuple(
        _index(input, (*lead, slice(start, stop), ...))
        for start, stop in zip(starts, ends, strict=True)
    )


@function(
    aliases=("unsafe_split",),
    samples=lambda t: [(t(5, 2), 2), (t(5, 2), [1, 4]), (t(2, 4), 2, 1), (t(0, 2), 3)],
)
def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one size (the last may be smaller), or of the given sizes.

    Raises:
        RuntimeError: the size is negative, or the sizes do not add up.

    Example:
        >>> [len(part) for part in tp.arange(5).split(2)]
        [2, 2, 1]
    """
    _need_dimension("split", tensor)
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    size = int(split_size_or_sections)
    at = wrap_dim("split", dim, len(tensor._h.shape))
    total = tensor._h.shape[at]
    if size < 0 or (size == 0 and total > 0):
        raise OpError(
            f"split: expected a positive split_size, got {size}; split expects split_size be "
            "non-negative",
            op="split",
        )
    return cut(tensor, at, range(size, total, size) if size else ())


@function(samples=lambda t: [(t(5, 2), [1, 4]), (t(2, 4), (0, 4), 1)])
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of the given sizes.

    Raises:
        RuntimeError: a size is negative, or they do not add up to the dimension.
    """
    _need_dimension("split_with_sizes", input)
    found = integers("split_with_sizes", (tuple(split_sizes),))
    at = wrap_dim("split_with_sizes", dim, len(input._h.shape))
    total = input._h.shape[at]
    if sum(found) != total or min(found, default=0) < 0:
        raise OpError(
            f"split_with_sizes: expected sizes that sum up to {total}, got {list(found)}; "
            f"split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size "
            f"at dimension {at})",
            op="split_with_sizes",
        )
    stops, end = [], 0
    for size in found:
        end += size
        stops.append(end)
    return cut(input, at, stops[:-1]) if stops else ()


@function(aliases=("unsafe_chunk",), samples=lambda t: [(t(5, 2), 2), (t(2, 6), 4, -1)])
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` parts of one size (the last may be smaller).

    Raises:
        RuntimeError: ``chunks`` is not positive.
    """
    _need_dimension("chunk", input)
    if chunks <= 0:
        raise OpError(
            f"chunk: expected chunks > 0, got {chunks}; chunk expects `chunks` to be "
            "greater than 0",
            op="chunk",
        )
    at = wrap_dim("chunk", dim, len(input._h.shape))
    total = input._h.shape[at]
    size = -(-total // chunks)
    return cut(input, at, range(size, total, size) if size else (0,) * (chunks - 1))


@function(ref="array_split", samples=lambda t: [(t(7, 2), 3), (t(7, 2), [2, 5]), (t(2, 5), 2, 1)])
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None,
    sections: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Parts of nearly one size (a number of them), or parts between positions.

    Raises:
        RuntimeError: the number of parts is not positive.
    """
    given = next((x for x in (indices_or_sections, indices, sections) if x is not None), None)
    _need_dimension("tensor_split", input)
    at = wrap_dim("tensor_split", dim, len(input._h.shape))
    if isinstance(given, Tensor):
        given = given.tolist()
    total = input._h.shape[at]
    if isinstance(given, (tuple, list)):
        places = [int(i) for i in given]
        lead = (_ALL,) * at
        bounds = zip((0, *places), (*places, total), strict=True)
        return tuple(_index(input, (*lead, slice(*bound), ...)) for bound in bounds)
    count = int(given)  # type: ignore[arg-type]  # None raises TypeError
    if count <= 0:
        raise OpError(
            f"tensor_split: expected sections > 0, got {count}; number of sections must "
            "be larger than 0",
            op="tensor_split",
        )
    small, extra = divmod(total, count)
    return cut(input, at, [i * small + min(i, extra) for i in range(1, count)])


def _even(name: str, input: Tensor, given: Any, dim: int, rank: int) -> tuple[Tensor, ...]:
    """``hsplit`` and its relatives: like NumPy's, the parts must be of one size."""
    shape = tuple(input._h.shape)
    if len(shape) < rank:
        raise OpError(
            f"{name}: expected at least {rank} dimensions, got shape {shape}; {name} requires a "
            f"tensor with at least {rank} dimension",
            op=name,
        )
    if isinstance(given, int) and (given <= 0 or shape[dim] % given):
        raise OpError(
            f"{name}: expected sections that divide {shape[dim]}, got {given}; {name} attempted to "
            f"split along dimension {dim}, but the size of the dimension {shape[dim]} is not "
            f"divisible by the split_size {given}",
            op=name,
        )
    return tensor_split(input, given, dim)


@function(ref="hsplit", samples=lambda t: [(t(2, 4), 2), (t(4), [1, 2])])
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts of the second dimension, or of the only one."""
    return _even("hsplit", input, indices_or_sections, int(len(input._h.shape) > 1), 1)


@function(ref="vsplit", samples=lambda t: [(t(4, 2), 2), (t(4, 1), [1, 2])])
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts of the first dimension of at least two."""
    return _even("vsplit", input, indices_or_sections, 0, 2)


@function(ref="dsplit", samples=lambda t: [(t(1, 2, 4), 2), (t(1, 1, 4), [1, 2])])
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Parts of the third dimension of at least three."""
    return _even("dsplit", input, indices_or_sections, 2, 3)


@function(
    row="diagonal",
    ref="diagonal",
    samples=lambda t: [(t(3, 4),), (t(3, 4), -1), (t(2, 3, 4), 1, 0, 2), (t(2, 2), 5)],
)
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions as the last dimension: a view.

    Raises:
        RuntimeError: both dimensions are the same.
        IndexError: a dimension is out of range.
    """
    rank = len(input._h.shape)
    one, two = wrap_dim("diagonal", dim1, rank), wrap_dim("diagonal", dim2, rank)
    if one == two:
        raise OpError(
            f"diagonal: expected two different dimensions, got {dim1} and {dim2}; diagonal "
            "dimensions cannot be identical",
            op="diagonal",
        )
    return _diagonal(input, (offset, one, two))


@function(
    namespace="Tensor",
    row="unfold",
    samples=lambda t: [(t(5), 0, 2, 1), (t(2, 7), -1, 3, 2), (t(), 0, 1, 1)],
)
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of ``size`` along a dimension, every ``step``: a view with a new last dimension.

    Raises:
        RuntimeError: ``size`` exceeds the dimension, or ``step`` is not positive.
    """
    at = wrap_dim("unfold", dimension, len(self._h.shape))
    total = self._h.shape[at] if self._h.shape else 1
    if size < 0 or size > total or step <= 0:
        raise OpError(
            f"unfold: expected 0 <= size <= {total} and step > 0, got size {size} and step {step}; "
            f"maximum size for tensor at dimension {at} is {total} but size is {size}",
            op="unfold",
        )
    return _unfold(self, (at, int(size), int(step)))


@function(
    row="as_strided",
    samples=lambda t: [(t(6), (2, 2), (2, 1)), (t(6), (3, 3), (1, 1), 1), (t(6), (), ())],
)
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Any layout over the memory of ``input``, elements may overlap: a view.

    Raises:
        RuntimeError: the layout reaches out of the memory.
    """
    shape, steps = integers("as_strided", (size,)), integers("as_strided", (stride,))
    backend = input._device.backend
    source = backend.layout(input._h)
    offset = source.offset if storage_offset is None else int(storage_offset)
    total = backend.storage(input._h).nbytes // input._dtype.itemsize
    if min(steps, default=0) < 0:
        raise OpError(
            f"as_strided: expected strides of 0 or more, got {steps}; "
            "Negative strides are not supported",
            op="as_strided",
        )
    try:
        check_strided(Layout(shape, steps, offset), total)
    except ValueError as error:
        raise OpError(
            f"as_strided: {error}; out of bounds for the storage", op="as_strided"
        ) from None
    return _as_strided(input, (shape, steps, offset, source))

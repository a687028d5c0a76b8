"""Writing by index: scatter, index_put and their relatives, out of place and in place."""

from __future__ import annotations

from typing import Any

from .._arguments import finish, wrap_dim
from .._indexing import as_indices
from ..autograd import slow
from ..autograd.errors import OpError, OpIndexError, OpTypeError, check_devices
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, edge, make
from ..backends.dtypes import bool_
from ..backends.layout import numel
from .index import check_index, mask_of, places, vector
from .view import common_shape, expand

__all__ = ["REDUCTIONS", "scatter_reduce", "slices_of"]

_scatter, _scatter_add, _scatter_reduce, _put, _add, _where = (
    ROWS[name].call
    for name in ("scatter", "scatter_add", "scatter_reduce", "index_put", "index_add", "where")
)
_view = ROWS["index"].call


def constant(input: Tensor, value: Any, shape: tuple[int, ...] = ()) -> Tensor:
    """A number as a tensor of the type and on the device of ``input``."""
    handle = input._device.F.full(shape, value, input._dtype)
    return make(handle, input._dtype, input._device)


def _same_type(name: str, input: Tensor, source: Tensor) -> None:
    check_devices(name, (input, source))
    if input._dtype is not source._dtype:
        raise OpError(
            f"{name}: expected self and src of one type, got {input._dtype} and {source._dtype}; "
            f"{name}(): Expected self.dtype to be equal to src.dtype",
            op=name,
        )


def _source(name: str, input: Tensor, index: Tensor, source: Any) -> Tensor:
    """The values to scatter, cut to the size of the index.

    Raises:
        RuntimeError: they are fewer than the indices, or of another type.
    """
    sizes = tuple(index._h.shape)
    if not isinstance(source, Tensor):
        return constant(input, source, sizes)
    _same_type(name, input, source)
    have = tuple(source._h.shape)
    if have == sizes:
        return source
    if 0 in sizes:
        return constant(input, 0, sizes)
    fits = len(have or (1,)) == len(sizes or (1,))
    pairs = zip(have or (1,), sizes or (1,), strict=False)
    if not fits or any(size < wanted for size, wanted in pairs):
        raise OpError(
            f"{name}: expected a src of at least the size of index {sizes}, got {have}; Expected "
            "index to be no larger than src apart from the dimension",
            op=name,
        )
    if not have or not sizes:
        return source.reshape(sizes)
    return _view(source, (*(slice(size) for size in sizes), ...))


def _apply(name: str, call: Any, input: Tensor, dim: Any, index: Any, src: Any, *how: Any) -> Any:
    """Check the arguments of a scatter function and run its row."""
    at, found = check_index(name, input, dim, index)
    source = _source(name, input, found, src)
    if 0 in found._h.shape:
        return input.clone()
    if len(found._h.shape) == len(input._h.shape) > 0:
        return call(input, source, at, found._h, *how)
    # 0-d tensors count as 1-d ones.
    flat, places_, values = (x.reshape(-1) for x in (input, found, source))
    return call(flat, values, 0, places_._h, *how).reshape(tuple(input._h.shape))


_REDUCE_NAMES = {"add": "sum", "multiply": "prod"}


@function(
    row="scatter",
    inplace=True,
    samples=lambda t: [
        (t(3, 4), 1, t.int((3, 1), 0, 4), t(3, 1)),
        (t(3, 4), 0, t.int((1, 2), 0, 3), 2.0),
        (t(3), 0, t.int((0,), 0, 3), t(0)),
    ],
)
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A copy of ``input`` with ``out[index[i][j]][j] = src[i][j]`` for ``dim`` 0, and so on.

    Args:
        input: the start.
        dim: along which to place.
        index: int64, no larger than ``src``, nor (apart from ``dim``) than ``input``.
        src: a tensor, or a number for all places.
        value: the number, by name.
        reduce: ``"add"`` or ``"multiply"`` what is there instead of replacing it.

    Raises:
        IndexError: an index is out of range.
        RuntimeError: shapes or types do not fit.
    """
    given = src if src is not None else value
    if given is None:
        raise OpTypeError("scatter: expected src or value, got neither", op="scatter")
    if reduce is None:
        return finish("scatter", _apply("scatter", _scatter, input, dim, index, given), out, input)
    if reduce not in _REDUCE_NAMES:
        raise OpError(
            f"scatter: expected reduce 'add' or 'multiply', got {reduce!r}; reduce "
            "argument must be either add or multiply",
            op="scatter",
        )
    how = (_REDUCE_NAMES[reduce], True)
    result = _apply("scatter", _scatter_reduce, input, dim, index, given, *how)
    return finish("scatter", result, out, input)


@function(
    row="scatter_add",
    inplace=True,
    samples=lambda t: [
        (t(3, 4), 1, t.int((3, 5), 0, 4), t(3, 5)),
        (t(3, 4), 0, t.int((2, 2), 0, 3), t(3, 4)),
    ],
)
def scatter_add(
    input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """As ``scatter``, adding up what lands on one place and what was there."""
    return finish(
        "scatter_add", _apply("scatter_add", _scatter_add, input, dim, index, src), out, input
    )


REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@function(
    row="scatter_reduce",
    inplace=True,
    samples=lambda t: [
        (t(3, 4), 1, t.int((3, 5), 0, 4), t(3, 5), "sum"),
        (t(3), 0, t.int((5,), 0, 3), t(5), "amax"),
        (t(3), 0, t.int((5,), 0, 3), t(5), "mean", {"include_self": False}),
        (t.pos(3), 0, t.int((5,), 0, 3), t.pos(5), "prod"),
    ],
)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *,
    include_self: bool = True, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """As ``scatter``, combining what lands on one place by ``reduce``.

    Args:
        input: the start.
        dim: along which to place.
        index: int64, no larger than ``src``.
        src: the values.
        reduce: ``"sum"``, ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
        include_self: whether the element of ``input`` counts too.
    """
    if reduce not in REDUCTIONS:
        raise OpError(
            f"scatter_reduce: expected one of {REDUCTIONS}, got {reduce!r}; reduce "
            "argument must be either sum, prod, mean, amax or amin"
        )
    how = (reduce, bool(include_self))
    result = _apply("scatter_reduce", _scatter_reduce, input, dim, index, src, *how)
    return finish("scatter_reduce", result, out, input)


# --- along one dimension, by a 1-d index ------------------------------------------------------


def slices_of(
    name: str, input: Tensor, dim: int, index: Any, source: Tensor
) -> tuple[Tensor, int, Tensor, Tensor]:
    """``input`` and ``source`` with a dimension at least, ``dim`` from 0 and the index."""
    _same_type(name, input, source)
    at = wrap_dim(name, dim, len(input._h.shape))
    found = vector(name, input, index)
    x = input if input._h.shape else input.reshape(1)
    values = source if source._h.shape else source.reshape(1)
    shape, have = tuple(x._h.shape), tuple(values._h.shape)
    wanted = (*shape[:at], found._h.shape[0], *shape[at + 1 :])
    if have != wanted:
        raise OpIndexError(
            f"{name}: expected a source of shape {wanted}, got {have}; Source/destination tensor "
            "must have same slice shapes and as many slices as there are indices",
            op=name,
        )
    return x, at, found, values


@function(
    row="index_add",
    inplace=True,
    samples=lambda t: [
        (t(3, 4), 0, t.int((5,), 0, 3), t(5, 4)),
        (t(3, 4), 1, t.int((2,), 0, 4), t(3, 2), {"alpha": 2}),
    ],
)
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The slices of ``alpha * source`` added at the positions of a 1-d ``index``."""
    x, at, found, values = slices_of("index_add", input, dim, index, source)
    if alpha != 1:
        values = values * alpha
    result = _add(x, values, at, found._h).reshape(tuple(input._h.shape))
    return finish("index_add", result, out, input)


@function(inplace=True, samples=lambda t: [(t(3, 4), 0, t.int((1,), 0, 3), t(1, 4))])
def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """The slices of ``source`` copied to the positions of a 1-d ``index``."""
    x, at, found, values = slices_of("index_copy", input, dim, index, source)
    where = (*(None,) * at, in_range("index_copy", found, x._h.shape[at], at)._h)
    return finish(
        "index_copy", _put(x, values, where, False).reshape(tuple(input._h.shape)), out, input
    )


def in_range(name: str, index: Tensor, size: int, dim: int) -> Tensor:
    """The index itself, when every entry is from 0 to ``size - 1``.

    Raises:
        IndexError: one is not.
    """
    values = index._device.backend.to_host(index._h)
    if values.size and (values.min() < 0 or values.max() >= size):
        wrong = [value for value in values.tolist() if not 0 <= value < size]
        raise OpIndexError(
            f"{name}: expected indices from 0 to {size - 1}, got {wrong[0]}; index {wrong[0]} is "
            f"out of bounds for dimension {dim} with size {size}",
            op=name,
        )
    return index


@function(
    inplace=True,
    samples=lambda t: [(t(3, 4), 0, t.int((2,), 0, 3), 1.5), (t(3, 4), 1, t.int((2,), 0, 4), t())],
)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """The slices at the positions of a 1-d ``index`` filled with a number or a 0-d tensor.

    Raises:
        RuntimeError: ``value`` has dimensions.
    """
    at = wrap_dim("index_fill", dim, len(input._h.shape))
    found = vector("index_fill", input, index)
    if isinstance(value, Tensor):
        if value._h.shape:
            raise OpError(
                f"index_fill: expected a 0-d value, got shape {tuple(value._h.shape)}; "
                "index_fill only supports a 0-dimensional value tensor"
            )
        filler = slow.cast(value, input._dtype)
    else:
        if isinstance(value, complex) and not input._dtype.is_complex:
            raise OpError(
                f"index_fill: expected a real value, got {value}; index_fill(): "
                "Converting complex Scalar to non-complex type is not supported"
            )
        filler = constant(input, value)
    x = input if input._h.shape else input.reshape(1)
    size = x._h.shape[at]
    wrapped = found + (found < 0) * size
    positions = in_range("index_fill", wrapped, size, at)._h
    if edge(filler) is not None:  # what is written twice to one place has one gradient
        written = _put(_bool(x, False, (size,)), _bool(x, True, ()), (positions,), False)
        column = written.reshape((size, *(1,) * (len(x._h.shape) - at - 1)))
        return _where(column, filler, x).reshape(tuple(input._h.shape))
    shape = (*x._h.shape[:at], found._h.shape[0], *x._h.shape[at + 1 :])
    where = (*(None,) * at, positions)
    return _put(x, expand(filler, shape), where, False).reshape(tuple(input._h.shape))


def _bool(like: Tensor, value: bool, shape: tuple[int, ...]) -> Tensor:
    return make(like._device.F.full(shape, value, bool_), bool_, like._device)


# --- x[indices] = values ----------------------------------------------------------------------


@function(
    inplace=True,
    samples=lambda t: [
        (t(3, 4), (t.distinct((2,), 0, 3),), t(2, 4)),
        (t(3, 4), (t.bool((3, 4)),), t()),
        (t(3, 4), (t.int((3,), 0, 3), t.int((3,), 0, 4)), t(3), True),
    ],
)
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with ``out[indices] = values``, or ``+=`` with ``accumulate``.

    Args:
        input: the start.
        indices: a tuple of integer or bool tensors, one per dimension (or dimensions); None
            stands for a whole dimension.
        values: broadcast to what the indices pick.
        accumulate: add instead of replacing; repeated indices count every time.

    Raises:
        IndexError: an index is out of range.
        RuntimeError: types differ.
    """
    if not isinstance(indices, (tuple, list)):
        raise OpTypeError(
            f"index_put: expected a tuple of tensors as indices, got {type(indices).__name__}"
        )
    _same_type("index_put", input, values)
    items = tuple(slice(None) if index is None else index for index in indices)
    where = as_indices(input, items)
    return _put(input, values, tuple(None if i is None else i._h for i in where), accumulate)


@function(
    samples=lambda t: [
        (t(3, 4), t.distinct(3, 0, 12), t(3)),
        (t(3, 4), t.int((3,), 0, 12), t(3), True),
    ],
    inplace=True,
)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of ``input`` with the elements at flat positions replaced (or added to)."""
    _same_type("put", input, source)
    if numel(index._h.shape) != numel(source._h.shape):
        raise OpError(
            f"put: expected as many values as indices, got {numel(source._h.shape)} and "
            f"{numel(index._h.shape)}; source should have the same number of elements as index",
            op="put",
        )
    flat = input.reshape(-1)
    values = source.reshape(tuple(index._h.shape))
    return _put(flat, values, (index._h,), accumulate).reshape(tuple(input._h.shape))


@function(
    inplace=True,
    samples=lambda t: [(t(3, 4), t.bool((3, 4)), t(12)), (t(3, 4), t.bool((4,)), t(3, 4))],
)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy with the elements of ``source``, in order, where a mask is true; both broadcast.

    Raises:
        RuntimeError: the mask is not bool, types differ, or ``source`` has too few elements.
    """
    mask = mask_of("masked_scatter", mask)
    _same_type("masked_scatter", input, source)
    check_devices("masked_scatter", (input, mask))
    shape = common_shape("masked_scatter", [tuple(input._h.shape), tuple(mask._h.shape)])
    found = places(expand(mask, shape))
    count = found[0]._h.shape[0] if found else 0
    if count > numel(source._h.shape):
        raise OpError(
            f"masked_scatter: expected a source of at least {count} elements, got "
            f"{numel(source._h.shape)}; masked_scatter: expected self and source to have enough "
            "elements for the mask",
            op="masked_scatter",
        )
    values = source.reshape(-1)[:count]
    start = expand(input, shape)
    start = start if shape else start.reshape(1)
    result = _put(start, values, tuple(place._h for place in found), False)
    return result.reshape(shape)

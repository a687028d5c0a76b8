"""Reading by index: gather, index_select, take, nonzero, masks."""

from __future__ import annotations

from typing import Any

from .._arguments import array_index, finish, integers, wrap_dim
from .._creation import to_device
from ..autograd.errors import OpError, OpIndexError, OpTypeError, OpValueError, check_devices
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor, make
from ..backends import dtypes
from ..backends.layout import numel
from .join import stack
from .view import common_shape, expand

__all__ = ["mask_of", "nonzero", "take"]

_gather, _select, _get = (ROWS[name].call for name in ("gather", "index_select", "index_get"))


def check_index(name: str, input: Tensor, dim: Any, index: Any) -> tuple[int, Tensor]:
    """The dimension from 0 and the index as int64, for ``gather`` and its relatives.

    Raises:
        RuntimeError: the index has another number of dimensions, or reaches beyond ``input``.
    """
    shape = tuple(input._h.shape)
    at = wrap_dim(name, dim, len(shape))
    found = array_index(name, input, index)
    sizes = tuple(found._h.shape)
    if 0 in sizes:
        return at, found
    if len(sizes or (1,)) != len(shape or (1,)):
        raise OpError(
            f"{name}: expected an index with {len(shape)} dimensions, got shape {sizes}; Index "
            "tensor must have the same number of dimensions as input tensor",
            op=name,
        )
    for d, size in enumerate(sizes):
        if d != at and shape and size > shape[d]:
            raise OpError(
                f"{name}: expected an index no larger than {shape} apart from dimension {at}, got "
                f"{sizes}; Size does not match at dimension {d}",
                op=name,
            )
    return at, found


@function(
    row="gather",
    samples=lambda t: [
        (t(3, 4), 1, t.int((3, 2), 0, 4)),
        (t(3, 4), 0, t.int((2, 4), 0, 3)),
        (t(3), -1, t.int((5,), 0, 3)),
        (t(2), 0, t.int((0,), 0, 2)),
    ],
)
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """``out[i][j] = input[index[i][j]][j]`` for ``dim`` 0, and so on.

    Args:
        input: the source.
        dim: along which to pick.
        index: int64, of any size along ``dim``, no larger than ``input`` elsewhere.

    Raises:
        IndexError: an index is out of range.
        RuntimeError: ``index`` has another number of dimensions or is too large.

    Example:
        >>> tp.tensor([[1, 2], [3, 4]]).gather(1, tp.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    at, found = check_index("gather", input, dim, index)
    sizes = tuple(found._h.shape)
    if 0 in sizes or len(sizes) != len(input._h.shape):  # empty, or 0-d with 1-d
        flat, places_ = input.reshape(-1), found.reshape(-1)
        return finish("gather", _gather(flat, 0, places_._h).reshape(sizes), out, input, index)
    return finish("gather", _gather(input, at, found._h), out, input, index)


@function(
    row="index_select",
    samples=lambda t: [
        (t(3, 4), 0, t.int((5,), 0, 3)),
        (t(3, 4), -1, t.int((2,), 0, 4)),
        (t(3, 4), 1, t.int((0,), 0, 4)),
    ],
)
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices at the positions of a 1-d ``index``, in that order.

    Raises:
        IndexError: an index is out of range, or ``index`` is not 1-d.
    """
    at = wrap_dim("index_select", dim, len(input._h.shape))
    found = vector("index_select", input, index)
    if not input._h.shape:
        if found._h.shape != (1,):
            raise OpIndexError(
                f"index_select: expected one index for a 0-d tensor, got {tuple(found._h.shape)}"
            )
        one = _select(input.reshape(1), 0, found._h)
        return finish("index_select", one.reshape(()), out, input, index)
    return finish("index_select", _select(input, at, found._h), out, input, index)


def vector(name: str, input: Tensor, index: Any) -> Tensor:
    """A 1-d int64 index; a 0-d one counts as one of size 1."""
    found = array_index(name, input, index)
    if len(found._h.shape) > 1:
        raise OpIndexError(
            f"{name}: expected a 1-d index, got shape {tuple(found._h.shape)}; index is supposed "
            "to be a vector",
            op=name,
        )
    return found if found._h.shape else found.reshape(1)


@function(samples=lambda t: [(t(3, 4), t.int((2, 2), 0, 12)), (t(3), t.int((), 0, 3))], ref="take")
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements at flat positions; negative ones count from the end.

    Raises:
        IndexError: an index is out of range.
    """
    if not isinstance(index, Tensor) or index._dtype is not dtypes.int64:
        got = index._dtype if isinstance(index, Tensor) else type(index).__name__
        raise OpError(
            f"take: expected an int64 index, got {got}; take(): Expected a long tensor for index",
            op="take",
        )
    check_devices("take", (input, index))
    if not numel(input._h.shape) and numel(index._h.shape):
        raise OpIndexError(
            "take: expected an input with elements, got none; tried to take from an empty tensor",
            op="take",
        )
    flat = input.reshape(-1)
    try:
        return finish("take", _get(flat, (index._h,)), out, input, index)
    except IndexError as error:
        raise OpIndexError(
            f"take: {error}; out of range for {numel(input._h.shape)} elements", op="take"
        ) from error


@function(
    samples=lambda t: [(t(3, 4), t.int((3, 1), 0, 4), 1), (t(3, 4), t.int((2,), 0, 12))],
    ref=lambda np, x, index, dim=None: np.take_along_axis(x, index, dim),
)
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``gather`` with broadcasting; without ``dim`` from the flattened tensor.

    Raises:
        RuntimeError: the numbers of dimensions differ.
        IndexError: an index is out of range.
    """
    if isinstance(indices, Tensor) and indices._dtype is not dtypes.int64:
        raise OpError(
            f"take_along_dim: expected int64 indices, got {indices._dtype}; dtype of "
            "indices should be Long",
            op="take_along_dim",
        )
    found = array_index("take_along_dim", input, indices)
    if dim is None:
        flat = input.reshape(-1)
        return gather(flat, 0, found.reshape(-1), out=out)
    shape, sizes = tuple(input._h.shape), tuple(found._h.shape)
    if len(shape) != len(sizes):
        raise OpError(
            f"take_along_dim: expected indices with {len(shape)} dimensions, got shape {sizes}; "
            "input and indices should have the same number of dimensions",
            op="take_along_dim",
        )
    at = wrap_dim("take_along_dim", dim, len(shape))
    wide = (*shape[:at], 1, *shape[at + 1 :])
    narrow = (*sizes[:at], 1, *sizes[at + 1 :])
    common = common_shape("take_along_dim", [wide, narrow])
    source = expand(input, (*common[:at], shape[at], *common[at + 1 :]))
    index = expand(found, (*common[:at], sizes[at], *common[at + 1 :]))
    below = index < 0
    if below.any():
        index = index + below.long() * shape[at]
    return gather(source, at, index, out=out)


# --- positions --------------------------------------------------------------------------------


def places(input: Tensor) -> tuple[Tensor, ...]:
    """Where a tensor is not zero: one int64 tensor per dimension (one for a 0-d tensor)."""
    device = input._device
    return tuple(make(h, dtypes.int64, device) for h in device.F.nonzero(input._h))


@function(samples=lambda t: [(t.bool((3, 4)),), (t.int((5,), 0, 2), {"as_tuple": True}), (t(),)])
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """Where the elements are that are not zero.

    Returns:
        A matrix with one row per element, or with ``as_tuple`` one tensor per dimension, fit to
        index with.

    Example:
        >>> tp.tensor([0, 3, 0, 5]).nonzero()
        tensor([[1],
                [3]])
    """
    found = places(input)
    if as_tuple:
        return found
    result = argwhere_of(input, found)
    return finish("nonzero", result, out)


def argwhere_of(input: Tensor, found: tuple[Tensor, ...]) -> Tensor:
    """One row per element."""
    if input._h.shape:
        return stack(found, dim=1)
    return found[0].new_empty(found[0]._h.shape[0], 0)


@function(ref="argwhere", samples=lambda t: [(t.bool((3, 4)),), (t(2),)])
def argwhere(input: Tensor) -> Tensor:
    """``nonzero(input)``: one row per element that is not zero."""
    return nonzero(input)


@function(samples=lambda t: [(t.bool((3, 4)), {"size": 5}), (t.bool((6,)), {"size": 2})])
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """``nonzero`` with exactly ``size`` rows: cut off, or filled up with ``fill_value``."""
    if size < 0:
        raise OpError(
            f"nonzero_static: expected size >= 0, got {size}; nonzero_static: 'size' "
            "must be an non-negative integer"
        )
    found = nonzero(input)[:size]
    out = found.new_full((size, len(input._h.shape)), fill_value)
    out[: found._h.shape[0]] = found
    return out


def mask_of(name: str, mask: Any) -> Tensor:
    """A mask as a bool tensor.

    Raises:
        RuntimeError: it is of another type.
    """
    if not isinstance(mask, Tensor):
        raise OpTypeError(f"{name}: expected mask to be a tensor, got {type(mask).__name__}")
    if mask._dtype is not dtypes.bool_:
        raise OpError(
            f"{name}: expected a bool mask, got {mask._dtype}; expected BoolTensor for mask",
            op=name,
        )
    return mask


@function(
    samples=lambda t: [
        (t(3, 4), t.bool((3, 4))),
        (t(3, 4), t.bool((4,))),
        (t(3, 1), t.bool((3, 2))),
    ]
)
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where a mask is true, as one dimension; both are broadcast.

    Raises:
        RuntimeError: the mask is not bool, or the shapes do not broadcast.
    """
    chosen = mask_of("masked_select", mask)
    check_devices("masked_select", (input, mask))
    shape = common_shape("masked_select", [tuple(input._h.shape), tuple(mask._h.shape)])
    where = tuple(place._h for place in places(expand(chosen, shape)))
    source = expand(input, shape)
    source = source if shape else source.reshape(1)
    return finish("masked_select", _get(source, where), out, input, mask)


@function(
    method=False,
    samples=lambda t: [(t.int((4,), 0, 6), (2, 3)), (t.int((), 0, 6), 6)],
    ref="unravel_index",
)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat positions in an array of ``shape`` as one tensor of coordinates per dimension.

    Raises:
        ValueError: an index is out of range, or a size negative.
    """
    sizes = integers("unravel_index", (shape,) if isinstance(shape, int) else (tuple(shape),))
    if indices._dtype.is_inexact or indices._dtype is dtypes.bool_:
        raise OpValueError(
            f"unravel_index: expected integers, got {indices._dtype}; expected 'indices' to be "
            "integer dtype"
        )
    total = numel(sizes)
    host = indices._device.backend.to_host(indices._h)
    outside = bool(host.size) and (host.min() < -total or host.max() >= total)
    if min(sizes, default=0) < 0 or outside:
        raise OpValueError(
            f"unravel_index: expected sizes of 0 or more and indices below {total}, got {sizes} "
            f"and {host.min() if host.size else 'none'} to {host.max() if host.size else 'none'}; "
            "'shape' and 'indices' do not fit"
        )
    rest = host.astype("int64") % max(total, 1)
    columns: list[Tensor] = []
    for size in reversed(sizes):
        columns.append(to_device(rest % max(size, 1), dtypes.int64, indices._device))
        rest = rest // max(size, 1)
    return tuple(columns[::-1])

"""``x[...]`` and ``x[...] = v``: basic indices give views, advanced ones copies."""

from __future__ import annotations

from typing import Any

from .autograd import slow
from .autograd.errors import OpIndexError, OpTypeError, check_devices
from .autograd.inplace import apply
from .autograd.modes import GRAD_MODE
from .autograd.registry import ROWS
from .autograd.tensor import Tensor, make
from .backends import dtypes
from ._creation import as_tensor

__all__ = ["getitem", "setitem"]

_view = ROWS["index"].call
_expand = ROWS["expand"].call
_SIMPLE = (int, slice, type(None), type(Ellipsis))


def _is_basic(item: Any) -> bool:
    return type(item) in _SIMPLE


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]`` as NumPy and torch do, negative steps included.

    Raises:
        IndexError: out of range, too many indices, or a mask of another shape.
    """
    kind = type(index)
    if kind is int or kind is slice:
        return _view(self, (index, ...))
    if kind is tuple and all(map(_is_basic, index)):
        return _view(self, index if ... in index else (*index, ...))
    basic, advanced = split(self, index)
    out = self if basic is None else _view(self, basic)
    if advanced is None:
        return out
    return ROWS["index_get"].call(out, *_pack(advanced))


def _pack(indices: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    return (tuple(None if index is None else index._h for index in indices),)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value`` with broadcasting; recorded where a gradient is needed."""
    basic, advanced = split(self, index)
    if advanced is None:
        target = self if basic is None else _view(self, basic)
        assign("__setitem__", target, value)
        return
    target = self if basic is None else _view(self, basic)
    source = _value(self, value)
    put(target, advanced, source, False)


def _value(self: Tensor, value: Any) -> Tensor:
    """The assigned value as a tensor of the target's type on its device."""
    if not isinstance(value, Tensor):
        if slow.number(value):
            handle = self._device.F.full((), value, self._dtype)
            return make(handle, self._dtype, self._device)
        value = as_tensor(value, device=self._device)
    check_devices("__setitem__", (self, value))
    return value if value._dtype is self._dtype else value.to(self._dtype)


def assign(name: str, target: Tensor, value: Any) -> None:
    """Write ``value``, broadcast, into a tensor or view."""
    source = _value(target, value)
    shape = target._h.shape
    lead = len(source._h.shape) - len(shape)
    if lead > 0 and all(size == 1 for size in source._h.shape[:lead]):
        source = ROWS["reshape"].call(source, tuple(source._h.shape[lead:]))
    if GRAD_MODE.get() and (source._track or target._track):
        apply(name, target, lambda _, value: ROWS["clone"].call(_expand(value, shape)), (source,), {})
        return
    if source._h.shape != shape:
        source = _expand(source, shape)
    target._device.F.assign(target._h, source._h)
    version = target._writes
    if version is None:
        target._writes = [1]
    else:
        version[0] += 1


def put(target: Tensor, indices: tuple[Any, ...], source: Tensor, accumulate: bool) -> Tensor:
    """``target[indices] = source`` (or ``+=``) in place, for advanced indices."""
    call, packed = ROWS["index_put"].call, _pack(indices)
    return apply(
        "index_put_",
        target,
        lambda old, values: call(old, values, *packed, accumulate),
        (source,),
        {},
    )


def _as_index(self: Tensor, item: Any) -> Any:
    """One item of an index as int, slice, None, Ellipsis, or an integer or mask tensor."""
    if _is_basic(item):
        return item
    if isinstance(item, bool):
        return make(self._device.F.full((), item, dtypes.bool_), dtypes.bool_, self._device)
    if isinstance(item, Tensor) or isinstance(item, (list, tuple)) or hasattr(item, "__array__"):
        found = item if isinstance(item, Tensor) else as_tensor(item, device=self._device)
        if found._dtype.is_inexact and 0 in found._h.shape and not isinstance(item, Tensor):
            found = found.to(dtypes.int64)  # an empty list
        if found._dtype.is_inexact:
            raise OpIndexError(
                f"index: expected integer or bool tensors, got {found._dtype}; tensors used as "
                "indices must be long, int, byte or bool tensors",
                op="index",
            )
        check_devices("index", (self, found))
        return found
    if hasattr(item, "__index__"):
        return item.__index__()
    raise OpTypeError(
        f"index: expected int, slice, None, Ellipsis or a tensor, got {type(item).__name__}; "
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
        "valid indices",
        op="index",
    )


def split(
    self: Tensor, index: Any
) -> tuple[tuple[Any, ...] | None, tuple[Tensor | None, ...] | None]:
    """Divide an index into a basic part (done first, a view) and an advanced one.

    The advanced part has one entry per leading dimension of the view: an int64 tensor, or None
    for the whole dimension. Masks become the indices of their True elements.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    found = [_as_index(self, item) for item in items]
    if all(map(_is_basic, found)):
        basic = tuple(found)
        return (basic if ... in basic else (*basic, ...)), None
    if sum(item is Ellipsis for item in found) > 1:
        raise OpIndexError("index: expected at most one Ellipsis, got several", op="index")
    found = _expand_ellipsis(self, found)
    basic_items: list[Any] = []
    advanced: list[Tensor | None] = []
    for item in found:
        if isinstance(item, Tensor):
            _take(self, item, basic_items, advanced)
        else:
            # NumPy and torch broadcast plain integers with the index tensors.
            as_number = type(item) is int
            basic_items.append(slice(None) if as_number else item)
            advanced.append(_integer(self, item) if as_number else None)
    while advanced and advanced[-1] is None:
        advanced.pop()
    trivial = all(item == slice(None) for item in basic_items)
    return (None if trivial else (*basic_items, ...)), tuple(advanced)


def _integer(self: Tensor, item: int) -> Tensor:
    return make(self._device.F.full((), item, dtypes.int64), dtypes.int64, self._device)


def _expand_ellipsis(self: Tensor, items: list[Any]) -> list[Any]:
    """Replace the Ellipsis by the slices that it stands for."""
    used = sum(
        item._h.ndim if isinstance(item, Tensor) and item._dtype in _MASKS else item is not None
        for item in items
        if item is not Ellipsis
    )
    rank = len(self._h.shape)
    if used > rank:
        raise OpIndexError(
            f"index: expected at most {rank} indices for a tensor of shape "
            f"{tuple(self._h.shape)}, got {used}; too many indices",
            op="index",
        )
    at = next((i for i, item in enumerate(items) if item is Ellipsis), None)
    if at is None:
        return items
    return [*items[:at], *[slice(None)] * (rank - used), *items[at + 1 :]]


_MASKS = (dtypes.bool_, dtypes.uint8)


def _take(self: Tensor, item: Tensor, basic: list[Any], advanced: list[Any]) -> None:
    """Add one index tensor; a mask counts for as many dimensions as it has."""
    if item._dtype not in _MASKS:
        basic.append(slice(None))
        advanced.append(item if item._dtype is dtypes.int64 else item.to(dtypes.int64))
        return
    if not item._h.shape:  # a 0-d mask adds a dimension of size 0 or 1
        basic.append(None)
        (chosen,) = item.reshape(1).nonzero(as_tuple=True)
        advanced.append(chosen)
        return
    at = sum(entry is not None for entry in basic)
    expected = tuple(self._h.shape[at : at + len(item._h.shape)])
    if expected != tuple(item._h.shape):
        raise OpIndexError(
            f"index: expected a mask of shape {expected}, got {tuple(item._h.shape)}; the shape of "
            f"the mask does not match the shape of the indexed tensor {tuple(self._h.shape)}",
            op="index",
        )
    for chosen in item.nonzero(as_tuple=True):
        basic.append(slice(None))
        advanced.append(chosen)

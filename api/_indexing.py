"""``x[...]`` and ``x[...] = v``: basic indices give views, advanced ones copies.

Note [Order of indexing]
As in torch, integers, slices, None and Ellipsis are done first, as a view; then masks and index
tensors pick from that view. NumPy lets integers broadcast with index arrays instead, which makes
a difference when a slice lies between them: ``x[0, :, [0, 1]]`` has the slice's dimension first.
"""

from __future__ import annotations

from typing import Any

from ._creation import as_tensor
from .autograd import slow
from .autograd.errors import OpError, OpIndexError, OpTypeError, check_devices
from .autograd.inplace import apply, bump, check_single
from .autograd.modes import GRAD_MODE
from .autograd.registry import ROWS
from .autograd.tensor import Tensor, edge, make
from .backends import dtypes
from .backends.layout import must_overlap

__all__ = ["as_indices", "assign", "getitem", "setitem"]

_view, _expand, _clone, _reshape = (
    ROWS[name].call for name in ("index", "expand", "clone", "reshape")
)
_get, _put = ROWS["index_get"].call, ROWS["index_put"].call
_SIMPLE = frozenset((int, slice, type(None), type(Ellipsis)))
_MASKS = (dtypes.bool_, dtypes.uint8)
_INDEXES = (dtypes.int64, dtypes.int32, dtypes.int16, dtypes.int8)
grad_mode = GRAD_MODE.get


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]`` as torch does, negative steps included.

    Raises:
        IndexError: out of range, too many indices, or a mask of another shape.
    """
    kind = type(index)
    if kind is int or kind is slice:
        return _view(self, (index, ...))
    if kind is tuple and _SIMPLE.issuperset(map(type, index)):
        if ... not in index:
            index = (*index, ...)
        return _view(self, index)
    if (
        kind is Tensor
        and index._dtype is dtypes.int64
        and index._device is self._device
        and index._h.shape
        and self._h.shape
    ):
        return _get(self, (index._h,))
    basic, advanced = split(self, index)
    if advanced is None:
        return _view(self, basic)
    out = self if basic is None else _view(self, basic)
    return _get(out, _raw(advanced))


def _raw(indices: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    return tuple(None if index is None else index._h for index in indices)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value`` with broadcasting; recorded where a gradient is needed.

    Raises:
        IndexError: as :func:`getitem`.
        RuntimeError: the value does not broadcast, or the tensor is an expanded one.
    """
    kind = type(index)
    if kind is int or kind is slice or (kind is tuple and _SIMPLE.issuperset(map(type, index))):
        basic, advanced = (index if kind is tuple else (index,)), None
        if ... not in basic:
            basic = (*basic, ...)
        if not _recorded(self) and _fill(self, basic, value):
            return
    else:
        basic, advanced = split(self, index)
    if advanced is None:
        assign("__setitem__", _view(self, basic), value)
        return
    target = self if basic is None else _view(self, basic)
    source, indices = _value("__setitem__", target, value), _raw(advanced)
    if not _recorded(source) and not _recorded(target):
        check_single("__setitem__", target)
        try:
            self._device.F.put(target._h, source._h, indices)
            bump(target)
            return
        except (IndexError, ValueError):
            pass  # said clearly below
    apply(
        "__setitem__",
        target,
        lambda old, values: _put_at(old, _drop_ones(values, old, indices), indices),
        (source,),
        {},
    )


def _put_at(x: Tensor, values: Tensor, indices: tuple[Any, ...]) -> Tensor:
    """The row ``index_put``, whose errors speak of the index as those of reading do."""
    try:
        return _put(x, values, indices, False)
    except OpIndexError as error:
        text = str(error).replace("index_put: ", "index: ", 1)
        raise OpIndexError(text, op="index", got=error.got) from None


_PLAIN = frozenset((int, float, bool))


def _recorded(x: Tensor) -> bool:
    """Whether a gradient may be asked of ``x``; a view is asked itself, for it may not know."""
    return bool(x._track) and grad_mode() and (x._track is True or edge(x) is not None)


def _fill(self: Tensor, basic: tuple[Any, ...], value: Any) -> bool:
    """``self[basic] = value`` straight into the storage; False when that is not so simple."""
    if type(value) is Tensor:
        if value._device is not self._device or _recorded(value):
            return False
        value = value._h
    elif type(value) not in _PLAIN:
        return False
    backend = self._device.backend
    try:
        handle = backend.index(self._h, basic)
        if self._view is not None and must_overlap(*backend.layout(handle)[:2]):
            return False
        self._device.F.assign(handle, value)
    except (IndexError, ValueError):
        return False  # said clearly by the long way
    bump(self)
    return True


def _drop_ones(values: Tensor, target: Tensor, indices: tuple[Any, ...]) -> Tensor:
    """Values without leading dimensions of size 1 beyond those of the place they go to."""
    used = [index for index in indices if index is not None]
    rank = len(target._h.shape) - len(used) + max(len(index.shape) for index in used)
    shape = tuple(values._h.shape)
    lead = len(shape) - rank
    if lead > 0 and all(size == 1 for size in shape[:lead]):
        return _reshape(values, shape[lead:])
    return values


def _value(name: str, self: Tensor, value: Any) -> Tensor:
    """The assigned value as a tensor of the target's type on its device."""
    if not isinstance(value, Tensor):
        if slow.number(value):
            if isinstance(value, complex) and not self._dtype.is_complex:
                raise OpError(
                    f"{name}: expected a value that fits {self._dtype}, got {value!r}; assign its "
                    ".real or .imag",
                    op=name,
                )
            handle = self._device.F.full((), value, self._dtype)
            return make(handle, self._dtype, self._device)
        value = as_tensor(value, device=self._device)
    elif value._device is not self._device:
        if value._h.shape:
            check_devices(name, (self, value))
        value = value.to(self._device)
    return value if value._dtype is self._dtype else slow.cast(value, self._dtype)


def assign(name: str, target: Tensor, value: Any) -> None:
    """Write ``value``, broadcast, into a tensor or view."""
    source = _value(name, target, value)
    shape, given = target._h.shape, source._h.shape
    if given != shape:
        lead = len(given) - len(shape)
        if lead > 0 and all(size == 1 for size in given[:lead]):
            source = _reshape(source, tuple(given[lead:]))
            given = source._h.shape
        lead = len(shape) - len(given)
        if lead < 0 or any(a not in (1, b) for a, b in zip(given, shape[lead:], strict=True)):
            raise OpError(
                f"{name}: expected a value that broadcasts to {tuple(shape)}, got shape "
                f"{tuple(given)}; the expanded size of the tensor must match the existing size",
                op=name,
            )
        source = _expand(source, shape)
    if _recorded(source) or _recorded(target):
        apply(name, target, lambda _, value: _clone(value), (source,), {})
        return
    if target._view is not None:
        check_single(name, target)
    target._device.F.assign(target._h, source._h)
    bump(target)


# --- reading an index -------------------------------------------------------------------------


def _as_index(self: Tensor, item: Any) -> Any:
    """One item of an index as int, slice, None, Ellipsis, or an integer or mask tensor.

    Raises:
        IndexError: it is none of these.
    """
    if type(item) in _SIMPLE:
        return item
    if isinstance(item, bool):
        return make(self._device.F.full((), item, dtypes.bool_), dtypes.bool_, self._device)
    if isinstance(item, (Tensor, list, tuple, range)) or hasattr(item, "__array__"):
        return _index_tensor(self, item)
    if hasattr(item, "__index__"):
        return item.__index__()
    raise OpIndexError(
        f"index: expected int, slice, None, Ellipsis or a tensor, got {type(item).__name__}; "
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
        "valid indices",
        op="index",
    )


def _index_tensor(self: Tensor, item: Any) -> Any:
    """A mask or an int64 tensor; an int for a 0-d integer tensor, which selects.

    Raises:
        IndexError: it is of another type.
    """
    if isinstance(item, Tensor):
        found = item
    else:
        found = as_tensor(list(item) if isinstance(item, range) else item, device=self._device)
        if 0 in found._h.shape and found._dtype.is_inexact:
            found = slow.cast(found, dtypes.int64)  # an empty list
    if found._dtype in _MASKS:
        pass
    elif found._dtype not in _INDEXES:
        raise OpIndexError(
            f"index: expected integer or bool tensors, got {found._dtype}; tensors used as "
            "indices must be long, int, byte or bool tensors",
            op="index",
        )
    elif not found._h.shape:
        return int(found.item())
    elif found._dtype is not dtypes.int64:
        found = slow.cast(found, dtypes.int64)
    if found._device is not self._device:
        if found._device.type != "cpu":
            check_devices("index", (self, found))
        # Indices made on the host are common, and small: bring them over, as torch does.
        found = found.to(self._device)
    return found


def _items(index: Any) -> list[Any]:
    if isinstance(index, tuple):
        return list(index)
    nested = (slice, type(None), type(Ellipsis))
    if isinstance(index, list) and any(
        isinstance(item, nested) or (isinstance(item, Tensor) and item._h.shape) for item in index
    ):
        return index
    return [index]


def split(
    self: Tensor, index: Any
) -> tuple[tuple[Any, ...] | None, tuple[Tensor | None, ...] | None]:
    """Divide an index into a basic part (done first, a view) and an advanced one.

    The advanced part has one entry per leading dimension of that view: an int64 tensor, or None
    for the whole dimension; masks have become the places of their True elements. It is None when
    there is no index tensor at all, the basic part when it would change nothing.
    """
    found = [_as_index(self, item) for item in _items(index)]
    if not any(isinstance(item, Tensor) for item in found):
        return (tuple(found) if ... in found else (*found, ...)), None
    shape = self._h.shape
    basic: list[Any] = []
    advanced: list[Tensor | None] = []
    dim = 0
    for item in _without_ellipsis(self, found):
        if not isinstance(item, Tensor):
            basic.append(item)
            if type(item) is not int:
                advanced.append(None)
            dim += item is not None
        elif item._dtype not in _MASKS:
            basic.append(slice(None))
            advanced.append(item)
            dim += 1
        else:
            _add_mask(item, tuple(shape[dim : dim + len(item._h.shape)]), basic, advanced)
            dim += len(item._h.shape)
    while advanced[-1] is None:
        advanced.pop()
    trivial = all(item == slice(None) for item in basic)
    return (None if trivial else (*basic, ...)), tuple(advanced)


def _without_ellipsis(self: Tensor, items: list[Any]) -> list[Any]:
    """The items with each Ellipsis replaced by the slices that it stands for: all by the first."""
    used = sum(
        len(item._h.shape) if isinstance(item, Tensor) and item._dtype in _MASKS
        else item is not None
        for item in items
        if item is not Ellipsis
    )  # fmt: skip
    rank = len(self._h.shape)
    if used > rank:
        raise OpIndexError(
            f"index: expected at most {rank} indices for a tensor of shape "
            f"{tuple(self._h.shape)}, got {used}; too many indices for tensor of dimension {rank}",
            op="index",
        )
    whole = [slice(None)] * (rank - used)
    found: list[Any] = []
    for item in items:
        if item is Ellipsis:
            found += whole
            whole = []
        else:
            found.append(item)
    return found


def _add_mask(
    mask: Tensor, expected: tuple[int, ...], basic: list[Any], advanced: list[Tensor | None]
) -> None:
    """Add a mask, which counts for as many dimensions as it has; 0-d ones make a new one.

    An empty mask chooses nothing, so that its dimensions of size 0 fit everywhere.
    """
    shape = tuple(mask._h.shape)
    if len(shape) != len(expected) or any(
        size not in (0, wanted) for size, wanted in zip(shape, expected, strict=True)
    ):
        raise OpIndexError(
            f"index: expected a mask of shape {expected}, got {tuple(mask._h.shape)}; the shape of "
            "the mask does not match the shape of the indexed tensor",
            op="index",
        )
    device = mask._device
    chosen = [make(h, dtypes.int64, device) for h in device.F.nonzero(mask._h)]
    if not mask._h.shape:
        basic.append(None)
        advanced.append(chosen[0])
        return
    basic.extend([slice(None)] * len(chosen))
    advanced.extend(chosen)


def as_indices(self: Tensor, items: tuple[Any, ...]) -> tuple[Tensor | None, ...]:
    """The index tensors of ``index_put``: one per dimension, None for a whole dimension.

    Raises:
        IndexError: an index tensor has another type.
        TypeError: there is no index tensor.
    """
    basic, advanced = split(self, tuple(
        item.reshape(1) if isinstance(item, Tensor) and item._dtype in _INDEXES
        and not item._h.shape else item for item in items
    ))  # fmt: skip
    if advanced is None or basic is not None:
        raise OpTypeError(
            f"index_put: expected integer or bool tensors as indices, got {items!r}",
            op="index_put",
        )
    return advanced

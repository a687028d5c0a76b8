"""The Tensor: a handle with a type, a device and a place in the autograd graph.

This file holds the state and the little that the engine needs. Operations, operators, printing
and indexing are attached by ``tensorplug`` itself, from the op rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backends import dtypes
from ..backends.dtypes import DType
from ..backends.errors import OpError, OpTypeError

if TYPE_CHECKING:
    from ..backends.device import Device
    from ._tensor_methods import TensorMethods  # generated: what the api attaches to Tensor
    from .registry import Row
else:
    TensorMethods = object

__all__ = ["MAYBE", "Tensor", "edge", "leave", "make", "root", "touch"]

MAYBE = 2
"""Value of ``_track`` for a view made in grad mode: ask its base, which may have changed."""


class _TensorType(type):
    """``tp.Tensor(...)`` is torch's legacy constructor; the engine uses ``object.__new__``."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.legacy(*args, **kwargs)  # type: ignore[attr-defined]  # attached by the api


class Tensor(TensorMethods, metaclass=_TensorType):
    """A strided n-d array on one device, with automatic differentiation.

    Slots:
        _h: the backend's handle.
        _dtype, _device: :class:`DType` and :class:`Device`, always those of the handle.
        _node: who computed it (:class:`Node`, or :class:`Edge` of a many-output node), or None.
        _track: False, True (needs a gradient) or :data:`MAYBE`.
        _writes: None until somebody cares, then ``[writes]``, one list for all aliases.
        _view: None, or ``(parent, row, attrs, version at which _node was made)``.
        _grad: the accumulated gradient of a leaf, or None.
        _extra: None, or a dict for what few tensors have (hooks, name, parameter flag).
    """

    __slots__ = (
        "__weakref__",
        "_device",
        "_dtype",
        "_extra",
        "_grad",
        "_h",
        "_node",
        "_track",
        "_view",
        "_writes",
    )

    _h: Any
    _dtype: DType
    _device: Device
    _node: Any
    _track: Any
    _writes: list[int] | None
    _view: tuple[Tensor, Row, tuple[Any, ...], int] | None
    _grad: Tensor | None
    _extra: dict[str, Any] | None

    __hash__ = object.__hash__

    # NumPy's scalars and arrays on the left of an operator leave it to the tensor on the right.
    __array_priority__ = 1000

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._dtype

    @property
    def device(self) -> Device:
        """The device that holds the values."""
        return self._device

    @property
    def shape(self) -> Any:
        """The size of each dimension."""
        try:
            return Size(self._h.shape)
        except AttributeError:
            raise _no_array("shape", self) from None

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        try:
            return len(self._h.shape)
        except AttributeError:
            raise _no_array("ndim", self) from None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        if self._track is MAYBE:
            return edge(self) is not None
        return bool(self._track)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set :attr:`requires_grad` in place, and return the tensor itself.

        Raises:
            RuntimeError: the type is not floating or complex, or a computed tensor is frozen.
        """
        if not requires_grad and edge(self) is not self and edge(self) is not None:
            raise RuntimeError(
                "requires_grad_: expected a leaf, got a computed tensor; you can only change "
                "requires_grad flags of leaf variables: use .detach() for one without history"
            )
        if requires_grad and not self._dtype.is_inexact:
            raise RuntimeError(
                f"requires_grad_: expected a floating-point or complex tensor, got {self._dtype}; "
                "only Tensors of floating point and complex dtype can require gradients"
            )
        if requires_grad:
            if edge(self) is None:
                self._track = True
        else:
            self._track = False if self._view is None else MAYBE
        return self

    @property
    def is_leaf(self) -> bool:
        """True when no recorded operation made it."""
        return edge(self) is None or self._node is None

    @property
    def grad_fn(self) -> Any:
        """The node that computed this tensor, None for a leaf."""
        edge(self)
        node = self._node
        return node.node if type(node) is Edge else node

    @property
    def output_nr(self) -> int:
        """Which output of :attr:`grad_fn` this is."""
        return self._node.index if type(self._node) is Edge else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward()`` has summed up so far, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and type(value) is not Tensor:
            raise OpTypeError(f"grad: expected a tensor or None, got {type(value).__name__}")
        if value is not None:
            wanted, got = _describe(self), _describe(value)
            if wanted != got:
                raise RuntimeError(f"grad: expected a tensor {wanted}, got one {got}")
        self._grad = value

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else root(self)

    def _is_view(self) -> bool:
        return self._view is not None

    @property
    def _is_parameter(self) -> bool:
        return self._extra is not None and self._extra.get("parameter", False)

    @_is_parameter.setter
    def _is_parameter(self, value: bool) -> None:
        extra(self)["parameter"] = bool(value)


class Edge:
    """One output of a node with several."""

    __slots__ = ("index", "node")

    def __init__(self, node: Any, index: int) -> None:
        self.node = node
        self.index = index


class Size(tuple[int, ...]):
    """A tensor's shape: a tuple of ints that knows its product."""

    __slots__ = ()

    def numel(self) -> int:
        """The product of the sizes."""
        count = 1
        for size in self:
            count *= size
        return count

    def __repr__(self) -> str:
        return f"tensorplug.Size([{', '.join(map(str, self))}])"

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other)))

    def __mul__(self, times: Any) -> Size:
        return Size(tuple.__mul__(self, times))

    def __getitem__(self, index: Any) -> Any:
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(index, slice) else item


_new = object.__new__


def make(handle: Any, dtype: DType, device: Device) -> Tensor:
    """A new leaf around a handle. The call paths repeat these lines, to save a Python frame."""
    out = _new(Tensor)
    out._h = handle
    out._dtype = dtype
    out._device = device
    out._node = out._writes = out._view = out._grad = out._extra = None
    out._track = False
    return out


def extra(tensor: Tensor) -> dict[str, Any]:
    """The dict of rare attributes, made when first needed."""
    if tensor._extra is None:
        tensor._extra = {}
    return tensor._extra


def touch(tensor: Tensor) -> list[int]:
    """The version list of the tensor's storage, made when first needed."""
    version = tensor._writes
    if version is None:
        version = tensor._writes = [0]
    return version


def root(tensor: Tensor) -> Tensor:
    """The tensor that a view, or a view of views, looks at; a tensor that is no view itself."""
    while tensor._view is not None:
        tensor = tensor._view[0]
    return tensor


def edge(tensor: Tensor) -> Any:
    """Where a gradient of this tensor goes: a Node, an Edge, the tensor (leaf), or None."""
    view = tensor._view
    if view is not None and tensor._writes[0] != view[3]:  # type: ignore[index]  # views have one
        _refresh(tensor)
    node = tensor._node
    if node is not None:
        return node
    return tensor if tensor._track is True else None


def _refresh(tensor: Tensor) -> None:
    """Bring the history of a view up to date after a write to its storage.

    A write through any alias changes the history of the base alone; views take theirs from it
    here, the next time somebody asks (see Note [Writes through views] in ``inplace.py``).
    """
    chain = []
    # A view always has a list of writes, which the type of the slot does not say.
    while tensor._view is not None and tensor._writes[0] != tensor._view[3]:  # type: ignore[index]
        chain.append(tensor)
        tensor = _looked_at(tensor)
    for stale in reversed(chain):
        parent, row, attrs, _ = stale._view  # type: ignore[misc]  # collected above
        source = edge(parent)
        if stale._track is False:  # made under no_grad: stays without history
            pass
        elif source is None:
            stale._node = None
        elif stale._node is None or stale._node.parents[0] is not source:
            row.record_view(parent, stale, attrs)
        stale._view = (parent, row, attrs, stale._writes[0])  # type: ignore[index]


def _looked_at(view: Tensor) -> Tensor:
    """The parent of a view, as it was when the view was made.

    A tensor that was turned in place (``unsqueeze_``, ``t_``, ``resize_``) has become a view of
    what it was before, which its earlier views keep looking at.
    """
    parent, row, attrs, seen = view._view  # type: ignore[misc]  # only views are asked
    for version, before in (parent._extra or {}).get("earlier", ()):
        if version > seen:
            view._view = (before, row, attrs, seen)
            return before
    return parent


def leave(tensor: Tensor) -> Tensor:
    """What a tensor is now, for its views to look at while it becomes something else.

    Counts as a write, so that they notice, and so does whoever saved the tensor for backward.
    """
    before = make(tensor._h, tensor._dtype, tensor._device)
    before._node, before._track = tensor._node, tensor._track
    before._writes, before._view = tensor._writes, tensor._view
    if before._writes is not None:  # else nothing looks at this memory
        before._writes[0] += 1
        extra(tensor).setdefault("earlier", []).append((before._writes[0], before))
    return before


def _no_array(name: str, tensor: Tensor) -> OpError:
    """The error for a tensor whose kernel has returned something else than an array."""
    node = tensor._node.node if type(tensor._node) is Edge else tensor._node
    row = getattr(node, "row", None)
    maker = "a kernel" if row is None else f"the kernel of {row.name}"
    return OpError(
        f"{name}: expected a tensor with an array of {tensor._device.backend.name}, got one with "
        f"{type(tensor._h).__name__}, which {maker} returned on {tensor._device}; try the "
        f"plugin with `tensorplug conformance --device {tensor._device}`",
        op=name,
    )


def _describe(tensor: Tensor) -> str:
    return f"of shape {tuple(tensor._h.shape)}, {tensor._dtype} on {tensor._device}"


def default_dtype_of(value: Any) -> DType:
    """The type of a Python number: bool, int64, the default float, the default complex."""
    return _NUMBERS[type(value)]()


_NUMBERS: dict[type, Any] = {
    bool: lambda: dtypes.bool_,
    int: lambda: dtypes.int64,
    float: dtypes.default_float,
    complex: dtypes.default_complex,
}

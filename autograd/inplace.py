"""In-place operations, ``out=`` and writes through views.

Note [Writes through views]
An in-place op is the out-of-place op, whose result is then written into the tensor's storage and
whose node becomes the tensor's history. If the tensor is a view, the history of its base
changes: the base's new node (:class:`CopySlices`) has two parents, the base's old history (with
the written region cut out) and the result. Views keep no history of their own: the shared
version number has moved on, and they rebuild theirs from the base when asked (``tensor.edge``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backends.dtypes import category
from ..backends.errors import OpError, OpTypeError
from ..backends.layout import Layout, extent
from .modes import GRAD_MODE
from .node import Node
from .tensor import Edge, Tensor, _new, edge, make, root

if TYPE_CHECKING:
    from .registry import Public, Row

__all__ = ["apply", "bump", "check_out", "elementwise", "from_function", "write", "write_out"]


def bump(x: Tensor) -> None:
    """Count one write to the storage of ``x``."""
    version = x._writes
    if version is None:
        x._writes = [1]
    else:
        version[0] += 1


def check_cast(name: str, source: Tensor, target: Tensor) -> None:
    """Refuse a write that would lose the category of a value (float into int, ...)."""
    if category(source._dtype) > category(target._dtype):
        raise OpTypeError(
            f"{name}: expected a result that fits {target._dtype}, got {source._dtype}; "
            f"result type {source._dtype.name} can't be cast to the desired output type "
            f"{target._dtype.name}",
            op=name,
        )


def write(name: str, x: Tensor, result: Tensor) -> None:
    """Store the values of ``result`` in ``x``, without history.

    Raises:
        RuntimeError: the shape or the type does not fit.
    """
    if result._h.shape != x._h.shape:
        raise OpError(
            f"{name}: expected a result of shape {tuple(x._h.shape)}, the shape of self, "
            f"got {tuple(result._h.shape)}; an in-place op cannot resize",
            op=name,
        )
    check_cast(name, result, x)
    check_single(name, x)
    x._device.F.assign(x._h, result._h)
    bump(x)


def check_single(name: str, x: Tensor) -> None:
    """Refuse a write where several elements share one place in memory (expanded tensors)."""
    backend = x._device.backend
    if backend.shares_places(x._h):
        shape, strides, _ = backend.layout(x._h)
        raise OpError(
            f"{name}: expected elements with memory of their own, got an expanded tensor of shape "
            f"{tuple(shape)} and strides {tuple(strides)}; more than one element of the "
            "written-to tensor refers to a single memory location: clone() it first",
            op=name,
        )


def apply(
    name: str, self: Tensor, call: Callable[..., Tensor], args: tuple[Any, ...], kwargs: Any
) -> Tensor:
    """Run ``call(self, ...)`` and make its result the new value and history of ``self``."""
    if not (GRAD_MODE.get() and _tracked(self, args, kwargs)):
        write(name, self, _computed(name, call, self, args, kwargs))
        return self
    check_leaf(name, self)
    source = edge(self)
    old = make(self._device.F.clone(self._h), self._dtype, self._device)
    if source is not None:
        old._node, old._track = source, True
        _keep_output(source, self, old._h)
    result = _computed(name, call, old, args, kwargs)
    write(name, self, result)
    rebase(self, edge(result))
    return self


def _keep_output(source: Any, x: Tensor, before: Any) -> None:
    """Give the node that computed ``x``, if it saved that output, the value from before a write."""
    if type(source) is Tensor:  # a leaf saves nothing
        return
    node, code = (source.node, -1 - source.index) if type(source) is Edge else (source, -1)
    plan, writes = node.plan, x._writes
    if plan is None or code not in plan.saves or not node.saved or writes is None or x._view:
        return
    node.saved = tuple(
        (before, None, 0) if saves == code and saved[2] == writes[0] else saved
        for saves, saved in zip(plan.saves, node.saved, strict=True)
    )


def _computed(
    name: str, call: Callable[..., Tensor], x: Tensor, args: tuple[Any, ...], kwargs: Any
) -> Tensor:
    """What the op out of place gives; its errors go by the in-place name."""
    try:
        return call(x, *args, **kwargs)
    except OpError as error:
        if f"{error.op}_" != name:
            raise
        raise OpError(name + str(error)[len(str(error.op)) :], op=name) from None


def _tracked(self: Tensor, args: tuple[Any, ...], kwargs: Any) -> bool:
    if self._track or (self._view is not None and root(self)._track):
        return True
    values = (*args, *kwargs.values()) if kwargs else args
    for value in values:
        if type(value) is Tensor and value._track:
            return True
        if type(value) in (list, tuple) and any(
            type(item) is Tensor and item._track for item in value
        ):
            return True
    return False


def check_leaf(name: str, self: Tensor) -> None:
    """Refuse to overwrite a leaf that requires grad, itself or through a view."""
    base = root(self)
    if base._track is True and base._node is None:
        what = "a leaf" if base is self else "a view of a leaf"
        raise OpError(
            f"{name}: expected a computed tensor, got {what}; {what} Variable that requires grad "
            "is being used in an in-place operation: write under tp.no_grad(), or clone() first",
            op=name,
        )
    if base._extra is not None and "output_of" in base._extra:
        raise OpError(
            f"{name}: expected a tensor with memory of its own, got an output of "
            f"{base._extra['output_of']} that aliases another tensor; Output of a custom Function "
            "is a view and is being modified inplace: clone() it first"
        )
    if self._view is not None and self._track is False:
        raise OpError(
            f"{name}: expected a view made in grad mode, got one made under no_grad, which is "
            "modified in place with grad mode enabled; make the view outside of no_grad",
            op=name,
        )


def rebase(self: Tensor, history: Any) -> None:
    """Give ``self`` (or, for a view, its base) the history of what was just written."""
    _rebase(self, history)
    if self._extra is not None and "retain" in self._extra and edge(self) is not None:
        self._extra["retain"]()  # retain_grad() follows the tensor to its new node


def _rebase(self: Tensor, history: Any) -> None:
    if self._view is None:
        if not (history is None and self._track is False):
            self._node, self._track = history, history is not None
        return
    base = root(self)
    source = edge(base)
    if source is None and history is None:
        return
    check_unmoved(base)
    node: Any = _new(CopySlices)
    node.parents = (source, history)
    node.attrs = _chain(self)
    node.saved = ()
    strided = any(row.name == "as_strided" for row, _ in node.attrs)
    layout = base._device.backend.layout(base._h) if strided else None
    node.meta = (base._h.shape, base._dtype, self._h.shape, self._dtype, layout)
    node.device, node.hooks = base._device, None
    base._node, base._track = node, True


def check_unmoved(base: Tensor) -> None:
    """Refuse a history for memory that the tensor it belongs to has left.

    Raises:
        RuntimeError: the base was resized or set to other memory since.
    """
    if base._extra is not None and base._extra.get("moved"):
        raise OpError(
            "in-place: expected a view of a tensor that still has the shape and memory it had, got "
            "one whose base was changed by resize_ or set_; gradients cannot follow: make a new "
            "view, or write under tp.no_grad()"
        )


def _chain(view: Tensor) -> tuple[tuple[Row, tuple[Any, ...]], ...]:
    steps = []
    while view._view is not None:
        view, row, attrs, _ = view._view
        steps.append((row, attrs))
    return tuple(reversed(steps))


class CopySlices(Node):
    """The history of a base after a write through one of its views; ``attrs``: how to look."""

    __slots__ = ("attrs",)

    def apply(self, F: Any, grads: Any, tensors: bool) -> Any:
        """The gradient without the written region for the old base; that region for the rest."""
        kept = written = None
        if self.parents[0] is not None:
            kept = self._copy(F, grads, tensors)
            region = self._look(F, kept, tensors)
            if tensors:
                zero = make(F.device.F.zeros(region._h.shape, region._dtype), region._dtype,
                            region._device)  # fmt: skip
                apply("zero_", region, lambda _: zero, (), {})
            else:
                F.assign(region, 0)
        if self.parents[1] is not None:
            written = self._look(F, grads, tensors)
        return [kept, written]

    def _copy(self, F: Any, grads: Any, tensors: bool) -> Any:
        """A copy of the gradient; laid out as the base where ``as_strided`` counts on that."""
        kept, layout = F.clone(grads), self.meta[4]
        backend = F.device.backend
        if layout is None or backend.layout(kept._h if tensors else kept) == layout:
            return kept
        total = extent(layout).stop
        if not tensors:
            laid = backend.as_strided(F.zeros((total,), F.dtype_of(kept)), *layout)
            F.assign(laid, kept)
            return laid
        row = next(row for row, _ in self.attrs if row.name == "as_strided")
        flat = make(F.device.F.zeros((total,), kept._dtype), kept._dtype, kept._device)
        laid = row.call(flat, (*layout, Layout((total,), (1,), 0)))
        return apply("copy_", laid, lambda _, values: F.clone(values), (kept,), {})

    def _look(self, F: Any, x: Any, tensors: bool) -> Any:
        for row, attrs in self.attrs:
            x = row.call(x, *attrs) if tensors else getattr(F, row.name)(x, *attrs)
        return x


def check_out(name: str, out: Any) -> None:
    """Refuse an ``out=`` that is no tensor."""
    if type(out) is not Tensor:
        raise OpTypeError(f"{name}: expected out to be a tensor, got {type(out).__name__}", op=name)


def write_out(name: str, out: Any, result: Tensor) -> Tensor:
    """Store a result in ``out=``, which takes on its shape.

    Raises:
        RuntimeError: a gradient is asked for, or the type or device does not fit.
        TypeError: ``out`` is not a tensor.
    """
    check_out(name, out)
    if out._device is not result._device:
        raise OpError(
            f"{name}: expected out on {result._device}, got {out._device}; "
            f"make it with device='{result._device}'",
            op=name,
        )
    if GRAD_MODE.get() and (result._track is True or edge(out) is not None):
        raise OpError(
            f"{name}: expected no gradients with out=, got an argument that requires grad; "
            "functions with out=... arguments don't support automatic differentiation: "
            "leave out= away, or call under tp.no_grad()",
            op=name,
        )
    check_cast(name, result, out)
    check_single(name, out)
    if out._h.shape == result._h.shape:
        out._device.F.assign(out._h, result._h)
        bump(out)
        return out
    if 0 not in out._h.shape:
        warnings.warn(
            f"{name}: out had shape {tuple(out._h.shape)} and now has {tuple(result._h.shape)}; "
            "resizing an out that holds values is deprecated: pass one of the right shape",
            UserWarning,
            stacklevel=4,
        )
    bump(out)  # a node that saved it must notice, though the memory is now another
    out._h = out._device.F.clone(out._device.F.cast(result._h, out._dtype))
    out._writes = None
    return out


def elementwise(row: Row, arity: int, fallback: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The fast in-place variant of an elementwise row: straight into the storage."""
    name, exact = row.name, row.dtypes

    def into(self: Tensor, *others: Any) -> Tensor:
        if type(self) is Tensor and exact.get(self._dtype) is self._dtype:
            raw = [self._h]
            for other in others:
                if type(other) is Tensor:
                    fits = other._dtype is self._dtype and other._device is self._device
                    if not fits or (other._track and GRAD_MODE.get()):
                        return fallback(self, *others)
                    raw.append(other._h)
                elif type(other) in (int, float) and _holds(self, other):
                    raw.append(self._device.F.scalar(other, self._dtype))
                else:
                    return fallback(self, *others)
            kernel = self._device.F.into.get(name)
            if kernel is not None and not ((self._track or self._view) and GRAD_MODE.get()):
                try:
                    kernel(*raw, self._h)
                except Exception as error:
                    if not isinstance(error, self._device.backend.soft_errors):
                        return fallback(self, *others)  # explains what is wrong
                bump(self)
                return self
        return fallback(self, *others)

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if len(args) == arity - 1 and not kwargs:
            return into(self, *args)
        return fallback(self, *args, **kwargs)

    return method


def _holds(self: Tensor, number: Any) -> bool:
    kind = self._dtype.kind
    return kind == "float" or (kind in ("int", "uint") and type(number) is int)


def from_function(public: Public) -> Callable[..., Tensor]:
    """``Tensor.name_`` from a public function whose first argument is the tensor."""
    name, call = public.name + "_", public.call

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return apply(name, self, call, args, kwargs)

    row = public.row
    if row is not None and row.family.elementwise:
        return elementwise(row, len(row.inputs), method)
    return method

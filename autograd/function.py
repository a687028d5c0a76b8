"""User-defined differentiable functions: :class:`Function`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from ..backends.errors import OpError, OpTypeError
from .inplace import bump, check_leaf, rebase
from .modes import GRAD_MODE, no_grad
from .node import Node
from .record import hang, keep
from .tensor import Edge, Tensor, _new, edge, extra, make, touch

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What ``forward`` and ``backward`` of one call share; set attributes on it freely."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self.materialize_grads = True
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._no_grad_outputs: tuple[Tensor, ...] = ()
        self._node: Any = None  # a weak reference: the node holds the ctx

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs for ``backward``; read them there as ``ctx.saved_tensors``.

        Raises:
            TypeError: something else than tensors or None.
        """
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise OpTypeError(
                    "save_for_backward: expected tensors or None, got "
                    f"{type(tensor).__name__}; save other things as attributes of ctx"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors of :meth:`save_for_backward`.

        Raises:
            RuntimeError: they were freed, or overwritten since.
        """
        if self._node is None:
            return self._to_save
        node = self._node()
        if node is None:
            raise OpError(
                "saved_tensors: expected a graph that still exists, got one that is gone; read "
                "them in backward"
            )
        found: tuple[Tensor | None, ...] = node.unpacked()
        return found

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs ``forward`` changed in place; they must be returned too."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no gradient."""
        self._no_grad_outputs = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` gets zeros (default) or None for outputs that nothing used."""
        self.materialize_grads = value


class FunctionNode(Node):
    """The graph node of a user's Function."""

    __slots__ = ("ctx", "outputs", "slots")

    ctx: FunctionCtx
    slots: tuple[int | None, ...]
    function: ClassVar[Any] = None

    @property
    def materialize(self) -> bool:
        """Whether unused outputs get zeros, as the user's forward decided."""
        return self.ctx.materialize_grads

    def unpacked(self) -> tuple[Tensor | None, ...]:
        """The saved tensors, with history; outputs are made again to avoid a cycle."""
        self.check_saved()
        found = []
        for at, index in enumerate(self.slots):
            value = self.saved[at][0]
            if index is not None:
                value = make(value[0], value[1], self.device)
                value._node, value._track = Edge(self, index), True
            found.append(value)
        return tuple(found)

    def apply(self, F: Any, grads: Any, tensors: bool) -> Any:
        """Call the user's ``backward`` with tensors, and check what it gives back."""
        shown = [g if g is None or tensors else make(g, F.dtype_of(g), self.device) for g in grads]
        found = self.function.backward(self.ctx, *shown)
        if not isinstance(found, tuple):
            found = (found,)
        expected = len(self.parents)
        if len(found) > expected and any(g is not None for g in found[expected:]):
            raise OpError(_wrong_count(self, len(found)))
        found = found[:expected]
        if len(found) != expected:
            raise OpError(_wrong_count(self, len(found)))
        return [
            self._check(g, position, tensors) if parent is not None else None
            for position, (g, parent) in enumerate(zip(found, self.parents, strict=True))
        ]

    def _check(self, grad: Any, position: int, tensors: bool) -> Any:
        if grad is None:
            return None
        if not isinstance(grad, Tensor):
            raise OpTypeError(
                f"{self.name()}: expected a tensor or None as gradient {position}, got "
                f"{type(grad).__name__}"
            )
        shape, dtype = self.meta[2 * position], self.meta[2 * position + 1]
        if tuple(grad._h.shape) != tuple(shape):
            try:
                grad = grad.sum_to_size(shape)
            except RuntimeError:
                raise OpError(
                    f"{self.name()}: expected a gradient of shape {tuple(shape)} at position "
                    f"{position}, got {tuple(grad._h.shape)}; Function returned an invalid gradient"
                ) from None
        if grad._dtype is not dtype:
            grad = grad.to(dtype)
        return grad if tensors else grad._h


def _wrong_count(node: FunctionNode, count: int) -> str:
    return (
        f"{node.name()}: expected {len(node.parents)} gradients, one for each argument of "
        f"forward, got {count}; returned an incorrect number of gradients: give None for "
        "arguments that need none"
    )


class Function:
    """A differentiable function of your own: subclass and define two static methods.

    ``forward(ctx, *args)`` computes with tensors and may save some; ``backward(ctx, *grads)``
    gets one gradient per output and returns one per argument of ``forward`` (None for those
    that need none). Alternatively ``forward(*args)`` and ``setup_context(ctx, inputs, output)``.
    Call it through :meth:`apply`.

    Example:
        >>> class Cube(tp.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return 3 * x * x * grad
        >>> x = tp.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    _node_type: ClassVar[Any] = None

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; to be defined by the subclass."""
        raise NotImplementedError("Function: expected the subclass to define forward")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Compute the gradients of the arguments; to be defined by the subclass."""
        raise NotImplementedError(
            "Function: expected the subclass to define backward, because a gradient is needed"
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` and, where an argument requires grad, record this function."""
        ctx = FunctionCtx()
        parents = tuple(edge(x) if type(x) is Tensor else None for x in args)
        recording = GRAD_MODE.get() and any(parent is not None for parent in parents)
        ctx.needs_input_grad = tuple(parent is not None and recording for parent in parents)
        setup = getattr(cls, "setup_context", None)
        with no_grad():
            if setup is None:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                setup(ctx, args, result)
        outs = result if isinstance(result, tuple) else (result,)
        for x in ctx._dirty:
            if not any(out is x for out in outs):
                raise OpError(
                    f"{cls.__name__}: expected forward to return every tensor that it marked with "
                    "mark_dirty, got one that it did not; return it too"
                )
            bump(x)
        if recording:
            fresh = _fresh_outputs(cls.__name__, outs, args, ctx._dirty)
            _record(cls, ctx, outs, fresh, args, parents)
            outs = fresh
        return outs if isinstance(result, tuple) else outs[0]


def _fresh_outputs(
    name: str, outs: tuple[Any, ...], args: tuple[Any, ...], dirty: tuple[Tensor, ...]
) -> tuple[Any, ...]:
    """Outputs that may carry a node: arguments given back, and views, become aliases of them.

    Their memory is that of another tensor, which knows nothing of this function, so that recorded
    writes to them are refused.
    """
    given = {id(x) for x in args}
    written = {id(x) for x in dirty}
    found = []
    for out in outs:
        looks = type(out) is Tensor and (id(out) in given or out._view is not None)
        if looks and id(out) not in written:
            alias = make(out._h, out._dtype, out._device)
            alias._writes = touch(out)
            extra(alias)["output_of"] = name
            out = alias
        found.append(out)
    return tuple(found)


def _record(
    cls: type[Function], ctx: FunctionCtx, given: tuple[Any, ...], outs: tuple[Any, ...],
    args: tuple[Any, ...], parents: tuple[Any, ...],
) -> None:  # fmt: skip
    if cls._node_type is None or cls._node_type.function is not cls:
        body = {"__slots__": (), "function": cls}
        cls._node_type = type(f"{cls.__name__}Backward", (FunctionNode,), body)
    for x in ctx._dirty:
        check_leaf(cls.__name__, x)
    node: Any = _new(cls._node_type)
    node.parents, node.hooks, node.ctx = parents, None, ctx
    node.meta = tuple(
        part for x in args
        for part in ((x._h.shape, x._dtype) if type(x) is Tensor else (None, None))
    )  # fmt: skip
    frozen = {id(x) for x in ctx._no_grad_outputs}
    live = [
        out if type(out) is Tensor and id(was) not in frozen else None
        for was, out in zip(given, outs, strict=True)
    ]
    _save(node, ctx, given, args)
    views = [out for out in live if out is not None and out._view is not None]
    if any(out is not None for out in live):
        hang(node, tuple(live))
    for out in views:  # a dirty view: its base takes the history
        history, out._node = out._node, None
        rebase(out, history)
    ctx._node, ctx._to_save = weakref.ref(node), ()


def _save(node: Any, ctx: FunctionCtx, outs: tuple[Any, ...], args: tuple[Any, ...]) -> None:
    """Keep what forward asked for: inputs as they are, outputs without the tensor."""
    parts: list[Any] = []
    slots: list[int | None] = []
    inputs = {id(x) for x in args} - {id(x) for x in ctx._dirty}
    for tensor in ctx._to_save:
        index = next((i for i, out in enumerate(outs) if out is tensor), None)
        value, version, number = keep(tensor)
        if index is not None and id(tensor) not in inputs:
            value = (tensor._h, tensor._dtype)
        else:
            index = None
        slots.append(index)
        parts.append((value, version, number))
    node.saved, node.slots = tuple(parts), tuple(slots)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` that must not be differentiated again.

    Its results then raise, when a second derivative is asked for, instead of being silently wrong.
    """

    @wraps(backward)
    def call(ctx: Any, *grads: Any) -> Any:
        tracked = any(type(g) is Tensor and edge(g) is not None for g in grads)
        recording = GRAD_MODE.get()
        with no_grad():
            found = backward(ctx, *grads)
        if not (recording and tracked):
            return found
        several = isinstance(found, tuple)
        results = tuple(_refuse(g) for g in (found if several else (found,)))
        return results if several else results[0]

    return call


def _refuse(grad: Any) -> Any:
    return _Once.apply(grad.requires_grad_()) if type(grad) is Tensor else grad


class _Once(Function):
    """An identity whose derivative is an error."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise OpError(
            "backward: expected a differentiable gradient, got one of a function marked with "
            "@once_differentiable; trying to differentiate twice a function that was marked so"
        )

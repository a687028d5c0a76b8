"""Graph nodes: what one recorded operation keeps, and how it turns gradients around."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..backends.errors import OpError
from .rules import fit
from .tensor import Edge, Tensor, extra, make

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..backends.device import Device
    from .registry import Row

__all__ = [
    "AccumulateGrad",
    "Hooks",
    "Node",
    "Plan",
    "RemovableHandle",
]


class Plan:
    """Which values a node saves, and which rules it runs, when certain inputs need gradients.

    ``saves`` lists input positions, or ``-1 - k`` for output ``k``. A rule's values are fetched
    by position from ``(*saved, *attrs, *meta)``, where meta holds each input's shape and dtype.
    ``node_type`` is the row's node class for this plan.
    """

    __slots__ = (
        "holomorphic",
        "missing",
        "needs",
        "node_type",
        "rules",
        "saves",
    )

    def __init__(self, row: Row, mask: int) -> None:
        names = tuple(name.lstrip("*") for name in row.inputs)
        self.holomorphic = row.holomorphic
        self.needs = tuple(bool(mask >> i & 1) for i in range(len(names)))
        wanted = {name for i, name in enumerate(names) if self.needs[i]}
        active = [(key, rule) for key, rule in row.rules.items() if wanted & set(key)]
        covered = {name for key, _ in active for name in key}
        self.missing = sorted(wanted - covered)
        codes = {name: i for i, name in enumerate(names)} | _output_codes(row)
        asked = [parameters(rule) for _, rule in active]
        saved = {codes[name] for params in asked for name in params if name in codes}
        self.saves = tuple(sorted(saved, reverse=True))
        places: dict[str, int] = {
            name: self.saves.index(code) for name, code in codes.items() if code in saved
        }
        at = len(self.saves)
        for name in row.attrs:
            places[name] = at
            at += 1
        for name in names:
            places[f"{name}_shape"], places[f"{name}_dtype"] = at, at + 1
            at += 2
        places["needs"] = -1
        slots = ("attrs",) * bool(row.attrs) + ("outputs",) * (len(row.outputs) > 1)
        base = row.node_type
        body = {"__slots__": slots, "plan": self, "__module__": base.__module__}
        node_type: Any = type(base.__name__, (base,), body)
        self.node_type = node_type
        self.rules = tuple(
            (
                tuple(names.index(name) for name in key),
                rule,
                tuple(places[name] for name in params),
            )
            for (key, rule), params in zip(active, asked, strict=True)
        )
        asked_places = [place for _, _, places in self.rules for place in places]
        node_type.quick = self._quick(asked_places)

    def _quick(self, asked: list[int]) -> tuple[tuple[int, Any, int], ...] | None:
        """The rules as (input, rule, place or -1), where each takes at most one saved value."""
        short = all(len(at) == 1 and len(places) <= 1 for at, _, places in self.rules)
        if self.missing or not short or not all(0 <= place < len(self.saves) for place in asked):
            return None
        return tuple((at[0], rule, places[0] if places else -1) for at, rule, places in self.rules)


def passed_on(F: Any, g: Any) -> Any:
    """The rule of what only adds up: the gradient as it is. The engine need not call it."""
    return g


def _output_codes(row: Row) -> dict[str, int]:
    """The save codes of a row's outputs; the only one is called ``out``."""
    codes = {name: -1 - k for k, name in enumerate(row.outputs)}
    return codes | {"out": -1} if len(row.outputs) == 1 else codes


def parameters(rule: Any) -> tuple[str, ...]:
    """What a rule asks for: its parameter names after ``F`` and ``g``."""
    code = rule.__code__
    return code.co_varnames[2 : code.co_argcount]


class Hooks:
    """The hooks of one node, made when the first is registered."""

    __slots__ = ("metadata", "outputs", "post", "pre", "trace")

    def __init__(self) -> None:
        self.pre: dict[int, Any] = {}  # on the node: hook(grad_outputs)
        self.post: dict[int, Any] = {}  # on the node: hook(grad_inputs, grad_outputs)
        self.outputs: dict[int, tuple[int, Any]] = {}  # on a tensor: (output, hook(grad))
        self.trace: list[str] | None = None
        self.metadata: dict[str, Any] = {}


class RemovableHandle:
    """Removes a hook: ``handle.remove()``, or at the end of a ``with`` block."""

    __slots__ = ("_hooks", "id")

    _next: ClassVar[list[int]] = [0]

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self.id = self._next[0] = self._next[0] + 1
        self._hooks = hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook off; harmless when it is gone already."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


_FREED = (
    "backward: expected a graph that still has its saved tensors, got one that was freed. "
    "Trying to backward through the graph a second time (or to access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you "
    "call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
    "through the graph a second time or if you need to access saved tensors after calling "
    "backward."
)


class Node:
    """One recorded operation: parents, saved values, and the way back.

    ``parents`` holds, per input, a Node, an Edge (an output of a node with several), a leaf
    tensor or None. ``meta`` is ``(shape, dtype)`` of every input, flat; ``saved`` holds
    ``(value, version list, version)`` for every saved value, or is None once freed. What is the
    same for all nodes of a kind sits in the class, because a node is made for every recorded op.
    """

    __slots__ = ("__weakref__", "device", "hooks", "meta", "parents", "saved")

    row: ClassVar[Any] = None
    plan: ClassVar[Any] = None
    quick: ClassVar[Any] = None  # (input, rule, place of what it asks for), if all are so simple
    moves: ClassVar[bool] = False  # whether gradients go to another device, attrs[0]
    attrs: Any = ()
    outputs: Any = None  # (shape, dtype) per output, where there are several
    materialize: Any = True  # whether unused outputs get zeros as gradient, or None
    device: Device
    parents: tuple[Any, ...]
    meta: tuple[Any, ...]
    saved: Any
    hooks: Hooks | None

    def pairs(self, F: Any, grads: Any) -> list[tuple[Any, Any]]:
        """Every parent with its gradient: :meth:`apply` on raw handles, in a hurry."""
        if self.quick is None or self.saved is None:
            return list(zip(self.parents, self.apply(F, grads, False), strict=True))
        parents, saved, meta, native = self.parents, self.saved, self.meta, F.numpy_types
        conjugated = self.plan.holomorphic and (meta[1] or meta[3]).is_complex
        found = []
        for at, rule, place in self.quick:
            if place >= 0:
                value, version, number = saved[place]
                if version is not None and version[0] != number:
                    self.check_saved()
                if type(value) is Tensor:
                    value = value._h
                if conjugated:
                    value = _conjugate(F, value)
                grad = rule(F, grads, value)
            else:
                grad = grads if rule is passed_on else rule(F, grads)
            shape, dtype = meta[2 * at], meta[2 * at + 1]
            if not native or grad.shape != shape or grad.dtype is not dtype.numpy:
                grad = fit(F, grad, shape, dtype)
            found.append((parents[at], grad))
        return found

    def apply(self, F: Any, grads: Any, tensors: bool) -> Any:
        """The gradients of the inputs, from those of the outputs.

        Args:
            F: raw kernels, or tensor functions when ``tensors`` is true.
            grads: the gradient of the one output, or a tuple of those of all outputs.
            tensors: whether gradients are Tensors, so that they can be differentiated again.
        """
        plan, meta, parents = self.plan, self.meta, self.parents
        values: Sequence[Any] = self._unpack() if tensors else self._handles()
        if plan.holomorphic and (meta[1] or meta[3]).is_complex:
            values = [_conjugate(F, value) for value in values]
        if plan.missing:
            self._refuse()
        values = (*values, *self.attrs, *meta, plan.needs)
        result: list[Any] = [None] * len(parents)
        for positions, rule, places in plan.rules:
            found = rule(F, grads, *[values[place] for place in places])
            if len(positions) == 1:
                found = (found,)
            for at, grad in zip(positions, found, strict=True):
                if grad is not None and parents[at] is not None:
                    result[at] = fit(F, grad, meta[2 * at], meta[2 * at + 1])
        return result

    def _handles(self) -> list[Any]:
        """The saved values as raw handles."""
        self.check_saved()
        return [value._h if type(value) is Tensor else value for value, _, _ in self.saved]

    def _unpack(self) -> list[Any]:
        """The saved values as tensors, with their history."""
        self.check_saved()
        return [
            value if code >= 0 else self._output(-1 - code, value)
            for code, (value, _, _) in zip(self.plan.saves, self.saved, strict=True)
        ]

    def _refuse(self) -> None:
        raise OpError(
            f"{self.row.name}: expected a differentiable op, but it has no derivative with "
            f"respect to {', '.join(self.plan.missing)}; detach() the input to stop here",
            op=self.row.name,
        )

    def check_saved(self) -> None:
        """Refuse saved values that were freed or overwritten.

        Raises:
            RuntimeError: naming the op and, for a write, both versions.
        """
        saved = self.saved
        if saved is None:
            raise OpError(_FREED, op=self.name())
        for _, version, number in saved:
            if version is not None and version[0] != number:
                raise OpError(_changed(self, number, version[0]), op=self.name())

    def _output(self, index: int, handle: Any) -> Tensor:
        """The output tensor again, which must not be kept itself: that would be a cycle."""
        out = make(handle, self.device.F.dtype_of(handle), self.device)
        if out._dtype.is_inexact:
            out._node = self if self.outputs is None else Edge(self, index)
            out._track = True
        return out

    def release(self) -> None:
        """Drop the saved values, after a backward pass that does not keep the graph."""
        if self.saved:
            self.saved = None

    # --- what users see -----
    def name(self) -> str:
        """The class name, as torch's ``grad_fn.name()``."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Per input, the node that computed it and which of its outputs; as in torch."""
        return tuple(_shown(parent) for parent in self.parents)

    @property
    def metadata(self) -> dict[str, Any]:
        """A dict for notes of your own on this node."""
        return hooks_of(self).metadata

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node ran backward."""
        return RemovableHandle(hooks_of(self).post, hook)

    def register_prehook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before this node runs backward."""
        return RemovableHandle(hooks_of(self).pre, hook)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


def _conjugate(F: Any, value: Any) -> Any:
    """The conjugate of a saved handle or number."""
    return F.conj(value) if hasattr(value, "shape") else value.conjugate()


def _shown(parent: Any) -> tuple[Any, int]:
    if type(parent) is Edge:
        return parent.node, parent.index
    return (AccumulateGrad(parent), 0) if type(parent) is Tensor else (parent, 0)


def hooks_of(node: Node) -> Hooks:
    """The node's hooks, made when first needed."""
    if node.hooks is None:
        node.hooks = Hooks()
    return node.hooks


class AccumulateGrad:
    """What ``next_functions`` shows for a leaf: the end of a path, which sums up ``.grad``."""

    __slots__ = ("variable",)
    next_functions: ClassVar[tuple[Any, ...]] = ()

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        """The class name."""
        return "AccumulateGrad"

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` once the leaf's gradient is summed up."""
        hooks = extra(self.variable).setdefault("post_accumulate", {})
        return RemovableHandle(hooks, lambda tensor: hook((), (tensor.grad,)))

    def register_prehook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before the leaf's gradient is summed up."""
        hooks = extra(self.variable).setdefault("hooks", {})

        def on_grad(grad: Tensor) -> Any:
            found = hook((grad,))
            return None if found is None else found[0]

        return RemovableHandle(hooks, on_grad)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self.variable):#x}>"


def _changed(node: Node, then: int, now: int) -> str:
    return (
        f"{node.name()}: one of the variables needed for gradient computation has been modified "
        f"by an inplace operation: it was saved at version {then} and is at version {now} now; "
        "clone() it before the write, or write out of place"
    )

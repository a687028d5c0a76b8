"""The engine: walk the recorded graph backward, without recursion.

A pass has two steps. :func:`_count` visits the graph once, from the roots, and counts for every
node how many gradients it will receive. :func:`run` then works off a stack of nodes whose
gradients are complete: hooks, the node's rules, and one addition per further use of a value.
Gradients are raw handles, or tensors when the pass itself is to be differentiated.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..backends.errors import OpError, OpTypeError
from .kernels import tensor_kernels
from .modes import ANOMALY, GRAD_MODE
from .node import Node
from .tensor import Edge, Tensor, edge, make

__all__ = ["run"]


def run(
    roots: Sequence[Any],
    grads: Sequence[Tensor],
    inputs: Sequence[Any] | None,
    *,
    retain_graph: bool,
    create_graph: bool,
    accumulate: bool,
) -> dict[Any, Any]:
    """Run backward from ``roots`` (edges of tensors) with their gradients.

    Args:
        inputs: edges to stop at; None means all leaves.
        accumulate: whether leaves (or ``inputs``) sum up ``.grad``.

    Returns:
        Gradient by edge key, for the ``inputs`` that were reached (when not accumulating).
    """
    wanted = None if inputs is None else {_key(target) for target in inputs}
    nodes = [_node(root) for root in roots]
    slots = _count(nodes)
    useful = None if wanted is None else _above(slots, wanted)
    task = _Task(wanted, useful, slots, create_graph, retain_graph, accumulate)
    device = grads[0]._device
    before = GRAD_MODE.get()
    try:  # not `with Mode(...)`, between whose entry and exit an interrupt may come
        GRAD_MODE.set(create_graph)
        with device.backend.quiet():
            for root, grad in zip(roots, grads, strict=True):
                task.receive(root, grad if create_graph else grad._h)
            task.work([slots[node] for node in dict.fromkeys(nodes) if not slots[node][0]])
    finally:
        GRAD_MODE.set(before)
    return task.captured


def _node(target: Any) -> Any:
    return target.node if type(target) is Edge else target


def _key(target: Any) -> Any:
    """A node's output as a dict key; a leaf is its own."""
    if type(target) is Edge:
        return target.node, target.index
    return target if type(target) is Tensor else (target, 0)


def _count(roots: list[Any]) -> dict[Any, list[Any]]:
    """For every node in reach, its slot.

    A slot is ``[gradients still to come, their sum so far, node, whether a leaf may keep it]``.
    """
    slots: dict[Any, list[Any]] = {root: [0, None, root, False] for root in roots}
    nodes = [node for node in slots if type(node) is not Tensor]
    for node in nodes:  # which grows meanwhile
        for parent in node.parents:
            if parent is None:
                continue
            if type(parent) is Edge:
                parent = parent.node
            if parent in slots:
                slots[parent][0] += 1
                continue
            slots[parent] = [1, None, parent, False]
            if type(parent) is not Tensor:
                nodes.append(parent)
    return slots


def _above(nodes: dict[Any, Any], wanted: set[Any]) -> set[Any]:
    """The nodes whose rules must run: all above a wanted one, found by sweeping up from those."""
    children: dict[Any, list[Any]] = {}
    for node in nodes:
        for parent in () if type(node) is Tensor else node.parents:
            if parent is not None:
                children.setdefault(_node(parent), []).append(node)
    targets = [key if type(key) is Tensor else key[0] for key in wanted]
    stack = [node for node in dict.fromkeys(targets) if node in nodes]
    above: set[Any] = set()
    while stack:
        for child in children.get(stack.pop(), ()):
            if child not in above:
                above.add(child)
                stack.append(child)
    return above


class _Task:
    """The state of one pass: the gradients that wait, and what to do with finished ones."""

    __slots__ = (
        "accumulate",
        "captured",
        "create",
        "retain",
        "slots",
        "useful",
        "wanted",
    )

    def __init__(
        self, wanted: Any, useful: Any, slots: Any, create: bool, retain: bool, accumulate: bool
    ) -> None:
        self.wanted, self.useful, self.slots = wanted, useful, slots
        self.create, self.retain, self.accumulate = create, retain, accumulate
        self.captured: dict[Any, Any] = {}

    def receive(self, target: Any, grad: Any) -> None:
        """Add a gradient to what an edge has got so far."""
        slot = self.slots[_node(target)]
        if type(target) is Edge:
            held = slot[1] = slot[1] or {}
            before = held.get(target.index)
            held[target.index] = grad if before is None else before + grad
        else:
            slot[1] = grad if slot[1] is None else slot[1] + grad

    def work(self, ready: list[Any]) -> None:
        """Work off the slots of nodes whose gradients are complete, and those that become so."""
        inside: list[Any] = []
        try:
            self.work_on(ready, inside)
        finally:
            if inside:
                inside.pop().__exit__(None, None, None)

    def work_on(self, ready: list[Any], inside: list[Any]) -> None:
        """:meth:`work`; ``inside`` holds the device that was entered last, for who has to leave."""
        entered, slots, free = None, self.slots, not self.retain
        plain = self.wanted is None and not self.create and not ANOMALY[0]
        while ready:
            slot = ready.pop()
            _, grads, node, _ = slot
            if type(node) is Tensor:
                self.finish_leaf(slot)
                continue
            F = node.device.F
            if F.enter is not entered:
                entered = _move_into(F.enter, inside)
            quick = plain and grads is not None and node.hooks is None and type(grads) is not dict
            pairs = node.pairs(F, grads) if quick else self.backward(node, grads)
            if quick and free and node.saved:
                node.saved = None
            if node.moves and node.attrs[0].F.enter is not entered:
                entered = _move_into(node.attrs[0].F.enter, inside)
            slot[1] = None
            for parent, grad in pairs:
                if parent is None:
                    continue
                kind = type(parent)
                if kind is Edge:
                    if grad is not None:
                        self.receive(parent, grad)
                    slot = slots[parent.node]
                else:
                    slot = slots[parent]
                    if grad is not None:
                        before = slot[1]
                        if before is not None:
                            slot[1], slot[3] = before + grad, True
                        else:
                            slot[1] = grad
                            if kind is Tensor:
                                slot[3] = quick and grad is not grads and _once(grad, pairs)
                left = slot[0] = slot[0] - 1
                if not left:
                    ready.append(slot)

    def backward(self, node: Any, grads: Any) -> list[tuple[Any, Any]]:
        """Run one node: materialise, hooks, capture, rules, hooks, release."""
        nothing = [(parent, None) for parent in node.parents]
        if grads is None:
            return nothing
        device = node.device
        many = type(grads) is dict
        if many:
            grads = tuple(
                grads[i] if i in grads else self.zeros(device, output) if node.materialize else None
                for i, output in enumerate(node.outputs)
            )
        hooks = node.hooks
        if hooks is not None:
            grads = self.before(node, hooks, grads, many)
        if self.wanted is not None:
            self.capture(node, grads, many)
            if node not in self.useful:
                return nothing
        F = tensor_kernels(device) if self.create else device.F
        try:
            found = node.apply(F, grads, self.create)
        except Exception as error:
            if ANOMALY[0] and hooks is not None and hooks.trace:
                raise OpError(_traced(node, str(error))) from error
            raise
        if ANOMALY[0] and ANOMALY[1]:
            self.check_nan(node, found)
        if hooks is not None and hooks.post:
            found = self.after(hooks, found, grads if many else (grads,), device)
        if not self.retain:
            node.release()
        return list(zip(node.parents, found, strict=True))

    def zeros(self, device: Any, output: Any) -> Any:
        """The gradient of an output that nothing used."""
        if output is None:
            return None
        handle = device.F.zeros(output[0], output[1])
        return make(handle, output[1], device) if self.create else handle

    # --- gradients as tensors, for hooks and results -----
    def show(self, grad: Any, device: Any) -> Any:
        """A gradient as a tensor."""
        if grad is None or type(grad) is Tensor:
            return grad
        return make(device.backend.settle(grad), device.F.dtype_of(grad), device)

    def hide(self, grad: Any) -> Any:
        """A hook's tensor as this pass keeps gradients."""
        return grad if self.create or type(grad) is not Tensor else grad._h

    def before(self, node: Any, hooks: Any, grads: Any, many: bool) -> Any:
        """Run the hooks of the outputs' tensors, then the node's pre-hooks."""
        shown = [self.show(g, node.device) for g in (grads if many else (grads,))]
        for index, hook in list(hooks.outputs.values()):
            found = hook(shown[index])
            if found is not None:
                shown[index] = _checked("register_hook", found, shown[index])
        for hook in list(hooks.pre.values()):
            found = hook(tuple(shown))
            if found is not None:
                shown = _all_checked("register_prehook", found, shown)
        hidden = tuple(self.hide(g) for g in shown)
        return hidden if many else hidden[0]

    def after(self, hooks: Any, found: Any, grads: Any, device: Any) -> Any:
        """Run the node's post-hooks, which may replace the gradients of the inputs."""
        for hook in list(hooks.post.values()):
            ins = tuple(self.show(g, device) for g in found)
            replaced = hook(ins, tuple(self.show(g, device) for g in grads))
            if replaced is not None:
                found = [self.hide(g) for g in _all_checked("grad_fn.register_hook", replaced, ins)]
        return found

    def capture(self, node: Any, grads: Any, many: bool) -> None:
        """Keep the gradient of an output that ``inputs`` asked for."""
        for index, grad in enumerate(grads if many else (grads,)):
            if (node, index) in self.wanted:
                tensor = self.show(grad, node.device)
                self.captured[node, index] = tensor

    def check_nan(self, node: Any, found: Any) -> None:
        """In anomaly mode: refuse nan gradients, and say where the forward op was called."""
        for position, grad in enumerate(found):
            shown = self.show(grad, node.device)
            if shown is not None and shown.detach().isnan().any().item():
                text = f"Function {node.name()!r} returned nan values in its {position}th output"
                raise OpError(_traced(node, text))

    def finish_leaf(self, slot: Any) -> None:
        """Run a leaf's hooks and sum up its ``.grad``, or keep the gradient for the caller."""
        _, grad, leaf, owned = slot
        slot[1] = None
        if grad is None or (self.wanted is not None and leaf not in self.wanted):
            return
        extra = leaf._extra or {}
        if "hooks" in extra:
            owned = False
            shown = self.show(grad, leaf._device)
            for hook in list(extra["hooks"].values()):
                found = hook(shown)
                shown = shown if found is None else _checked("register_hook", found, shown)
            grad = self.hide(shown)
        if not self.accumulate:
            self.captured[leaf] = self.show(grad, leaf._device)
            return
        self.add_to(leaf, grad, owned)
        for hook in list((leaf._extra or {}).get("post_accumulate", {}).values()):
            hook(leaf)

    def add_to(self, leaf: Tensor, grad: Any, owned: bool) -> None:
        """Sum a gradient into ``leaf.grad``: in place, except when it will be differentiated."""
        with _SUMMING:  # two threads may share a parameter
            before = leaf._grad
            if self.create:
                leaf._grad = grad.clone() if before is None else before + grad
            elif before is not None:
                before.add_(make(grad, leaf._dtype, leaf._device))
            else:
                backend = leaf._device.backend
                grad = backend.settle(grad)
                handle = grad if owned and backend.owns_memory(grad) else backend.exclusive(grad)
                leaf._grad = make(handle, leaf._dtype, leaf._device)


def _move_into(device: Any, inside: list[Any]) -> Any:
    """Leave the device that was entered, if any, and enter another one, or none."""
    if inside:
        inside.pop().__exit__(None, None, None)
    if device is not None:
        device.__enter__()
        inside.append(device)
    return device


def _once(grad: Any, pairs: list[tuple[Any, Any]]) -> bool:
    """Whether a gradient goes to one of a node's parents only."""
    return sum(other is grad for _, other in pairs) == 1


_SUMMING = threading.Lock()


def _checked(hook: str, found: Any, before: Tensor | None) -> Any:
    """What a hook gave instead of a gradient, if it can stand for it.

    Raises:
        TypeError: it is no tensor.
        RuntimeError: its shape or device is another.
    """
    if found is None or before is None:
        return found
    if type(found) is not Tensor:
        raise OpTypeError(
            f"{hook}: expected a tensor or None from the hook, got {type(found).__name__}; "
            "return a gradient like the one that was given"
        )
    if found._h.shape != before._h.shape or found._device is not before._device:
        raise OpError(
            f"{hook}: expected a gradient of shape {tuple(before._h.shape)} on {before._device} "
            f"from the hook, got one of shape {tuple(found._h.shape)} on {found._device}; a hook "
            "must not change what a gradient is like"
        )
    return found.to(before._dtype)


def _all_checked(hook: str, found: Any, before: Any) -> list[Any]:
    """:func:`_checked` for the gradients of a node."""
    given = list(found) if isinstance(found, (tuple, list)) else [found]
    if len(given) != len(before):
        raise OpError(
            f"{hook}: expected {len(before)} gradients from the hook, got {len(given)}; return as "
            "many as were given"
        )
    return [_checked(hook, new, old) for new, old in zip(given, before, strict=True)]


def _traced(node: Node, message: str) -> str:
    trace = "".join(node.hooks.trace or ()) if node.hooks else ""
    return f"{message}. The forward call that made {node.name()}:\n{trace}"


def check_roots(tensors: Sequence[Tensor]) -> list[Any]:
    """The edges of the tensors to start from.

    Raises:
        RuntimeError: one of them does not require grad.
    """
    roots = []
    for position, tensor in enumerate(tensors):
        if type(tensor) is not Tensor:
            raise OpTypeError(
                f"backward: expected tensors, got {type(tensor).__name__} at position {position}"
            )
        found = edge(tensor)
        if found is None:
            raise OpError(
                f"backward: expected tensors that require grad, got one without: element "
                f"{position} of tensors does not require grad and does not have a grad_fn; set "
                "requires_grad=True on what it was computed from"
            )
        roots.append(found)
    return roots

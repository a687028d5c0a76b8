"""``backward`` and ``grad``: what users call, over :mod:`tensorplug.autograd.engine`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..backends.errors import OpError, OpTypeError
from .engine import _key, check_roots, run
from .slow import as_tensor
from .tensor import Tensor, edge, make

__all__ = ["backward", "grad"]


def _sequence(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _holds_tensors(value: Any) -> bool:
    """Whether this is a list of gradients (or None) rather than the numbers of one."""
    listed = isinstance(value, (tuple, list))
    return listed and all(item is None or isinstance(item, Tensor) for item in value)


def _given(roots: list[Tensor], grads: Any) -> list[Any]:
    """One gradient, or None, for each root."""
    plain = not isinstance(grads, Tensor) and grads is not None
    if plain and len(roots) == 1 and not _holds_tensors(grads):  # a number, an array, a list
        grads = as_tensor[0](grads, device=roots[0]._device)
    given = [None] * len(roots) if grads is None else _sequence(grads)
    if len(given) != len(roots):
        raise OpError(
            f"backward: expected one gradient for each of {len(roots)} tensors, got {len(given)}"
        )
    return given


def _initial(roots: list[Tensor], grads: Any, create_graph: bool) -> list[Tensor]:
    """The gradients to start with: ones for scalars, given ones otherwise."""
    given = _given(roots, grads)
    found = []
    for tensor, value in zip(roots, given, strict=True):
        if value is None:
            if tensor.shape.numel() != 1:
                raise OpError(
                    "backward: expected a scalar, got a tensor of shape "
                    f"{tuple(tensor._h.shape)}; grad can be implicitly created only for scalar "
                    "outputs: reduce it with .sum() or .mean(), or pass gradient="
                )
            if tensor._dtype.is_complex:
                raise OpError(
                    "backward: expected a real scalar, got a complex one; grad can be implicitly "
                    "created only for real scalar outputs: pass gradient="
                )
            handle = tensor._device.F.full(tuple(tensor._h.shape), 1, tensor._dtype)
            value = make(handle, tensor._dtype, tensor._device)
        elif type(value) is not Tensor:
            raise OpTypeError(
                f"backward: expected a tensor or None as gradient, got {type(value).__name__}; "
                "make one with tp.tensor(...)"
            )
        elif tuple(value._h.shape) != tuple(tensor._h.shape):
            raise OpError(
                f"backward: expected a gradient of shape {tuple(tensor._h.shape)}, the tensor's, "
                f"got {tuple(value._h.shape)}; Mismatch in shape: grad_output and output"
            )
        elif value._dtype is not tensor._dtype:
            value = value.to(tensor._dtype)
        if value._device is not tensor._device:
            raise OpError(
                f"backward: expected a gradient on {tensor._device}, got one on {value._device}; "
                f"move it with .to('{tensor._device}')"
            )
        found.append(value)
    return found


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Sum the gradients of ``tensors`` into the ``.grad`` of the leaves that they depend on.

    Args:
        tensors: where to start, possibly none; each needs a gradient from ``grad_tensors``
            unless it has one element.
        grad_tensors: vectors for the vector-Jacobian products, of the tensors' shapes.
        retain_graph: keep the saved values for another pass (default: ``create_graph``).
        create_graph: record the pass itself, for higher derivatives.
        inputs: sum up only into these tensors.

    Raises:
        RuntimeError: a tensor does not require grad, is no scalar and has no gradient, or the
            graph was freed by an earlier pass.

    Example:
        >>> x = tp.tensor([1.0, 2.0], requires_grad=True)
        >>> tp.autograd.backward((x * x).sum())
        >>> x.grad
        tensor([2., 4.])
    """
    started = _sequence(tensors)
    if not started:
        return
    roots = check_roots(started)
    grads = _initial(started, grad_tensors, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run(roots, grads, None, retain_graph=retain, create_graph=create_graph, accumulate=True)
        return
    targets = _sequence(inputs)
    if not targets:
        raise OpError("backward: expected inputs to be None or a few tensors, got an empty list")
    edges = _edges(targets)
    captured = run(
        roots, grads, edges, retain_graph=retain, create_graph=create_graph, accumulate=True
    )
    for tensor, found in zip(targets, edges, strict=True):
        value = captured.get(_key(found))  # leaves have summed up theirs on the way
        if value is not None:
            kept = value if create_graph else value.clone()
            tensor._grad = kept if tensor._grad is None else tensor._grad + kept


def _edges(targets: list[Tensor]) -> list[Any]:
    """Where the gradients of the targets arrive.

    Raises:
        TypeError: one is no tensor.
        RuntimeError: one does not require grad.
    """
    edges = []
    for position, target in enumerate(targets):
        if type(target) is not Tensor:
            raise OpTypeError(
                f"grad: expected tensors as inputs, got {type(target).__name__} at position "
                f"{position}"
            )
        found = edge(target)
        if found is None:
            raise OpError(
                f"grad: expected inputs that require grad, got one without at position {position};"
                " one of the differentiated Tensors does not require grad"
            )
        edges.append(found)
    return edges


def _gradients(
    roots: list[Any], grads: list[Tensor], targets: list[Tensor], retain: bool, create: bool
) -> list[Tensor | None]:
    edges = _edges(targets)
    captured = run(roots, grads, edges, retain_graph=retain, create_graph=create, accumulate=False)
    return [captured.get(_key(found)) for found in edges]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, without touching ``.grad``.

    Args:
        outputs, grad_outputs, retain_graph, create_graph: as in :func:`backward`.
        inputs: tensors that require grad; computed ones too.
        allow_unused: give None for inputs that the outputs do not depend on.
        materialize_grads: give zeros instead of None.

    Returns:
        One tensor (or None) for each input.

    Raises:
        RuntimeError: an input was not used and that was not allowed, or there are no outputs or
            no inputs.

    Example:
        >>> x = tp.tensor(3.0, requires_grad=True)
        >>> (dx,) = tp.autograd.grad(x ** 3, x, create_graph=True)
        >>> tp.autograd.grad(dx, x)
        (tensor(18.),)
    """
    if is_grads_batched:
        raise OpError(
            "grad: expected is_grads_batched=False, got True; call grad once for each vector"
        )
    started, targets = _sequence(outputs), _sequence(inputs)
    if not started or not targets:
        what = "inputs" if started else "outputs"
        raise OpError(f"grad: expected at least one tensor as {what}, got an empty list; "
                      f"`{what}` argument to `grad()` cannot be empty")  # fmt: skip
    roots = check_roots(started)
    grads = _initial(started, grad_outputs, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    found = _gradients(roots, grads, targets, retain, create_graph)
    if materialize_grads:
        return tuple(
            make(t._device.F.zeros(tuple(t._h.shape), t._dtype), t._dtype, t._device)
            if g is None
            else g
            for t, g in zip(targets, found, strict=True)
        )
    if not allow_unused and any(g is None for g in found):
        raise OpError(
            "grad: expected every input to be used, got one that is not: One of the "
            "differentiated Tensors appears to not have been used in the graph. Set "
            "allow_unused=True if this is the desired behavior."
        )
    return tuple(found)

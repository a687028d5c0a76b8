"""Hooks on the gradients that pass a module: at its outputs, and at its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorplug.autograd import Function
from tensorplug.autograd.tensor import Tensor

__all__ = ["BackwardWatch"]


class _Boundary(Function):
    """Passes tensors through, and all their gradients at once to a callable."""

    @staticmethod
    def forward(ctx: Any, at_backward: Callable[..., Any], *tensors: Tensor) -> Any:
        ctx.at_backward = at_backward
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        return (None, *ctx.at_backward(grads))


class BackwardWatch:
    """One call of a module with backward hooks: it stands at both ends and calls the hooks."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self._arguments = 0
        self._inputs: list[int] = []
        self._outputs: list[int] = []
        self._count = 0
        self._grad_output: tuple[Tensor | None, ...] = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The positional arguments of ``forward``, watched where a gradient may come back."""
        self._arguments = len(args)
        self._inputs, watched = _watch(args, self._at_inputs)
        return watched

    def outputs(self, result: Any) -> Any:
        """The result of ``forward``, watched: a tensor, or those in a tuple or list."""
        values = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        self._count = len(values)
        self._outputs, watched = _watch(values, self._at_outputs)
        if not self._outputs:
            return result
        if isinstance(result, (tuple, list)):
            named = hasattr(result, "_fields")
            return type(result)(*watched) if named else type(result)(watched)
        return watched[0]

    def _at_outputs(self, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        grad_output = _spread(grads, self._outputs, self._count)
        for hook in tuple(self.module._backward_pre_hooks.values()):
            changed = hook(self.module, grad_output)
            grad_output = self._replaced("pre-hook", grad_output, changed)
        self._grad_output = grad_output
        if not self._inputs:  # no input needs a gradient, so this is the end of the module
            self._run_hooks((None,) * self._arguments)
        return tuple(grad_output[position] for position in self._outputs)

    def _at_inputs(self, grads: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        grad_input = self._run_hooks(_spread(grads, self._inputs, self._arguments))
        return tuple(grad_input[position] for position in self._inputs)

    def _run_hooks(self, grad_input: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        for hook in tuple(self.module._backward_hooks.values()):
            changed = hook(self.module, grad_input, self._grad_output)
            grad_input = self._replaced("hook", grad_input, changed)
        return grad_input

    def _replaced(
        self, kind: str, grads: tuple[Tensor | None, ...], changed: Any
    ) -> tuple[Tensor | None, ...]:
        if changed is None:
            return grads
        new = changed if isinstance(changed, tuple) else (changed,)
        if len(new) != len(grads):
            raise RuntimeError(
                f"{type(self.module).__name__}: expected its backward {kind} to return "
                f"{len(grads)} gradients or None, got {len(new)}"
            )
        return new


def _watch(
    values: tuple[Any, ...], at_backward: Callable[..., Any]
) -> tuple[list[int], tuple[Any, ...]]:
    """Where tensors are, if one of them needs a gradient, and ``values`` with a boundary."""
    positions = [at for at, value in enumerate(values) if isinstance(value, Tensor)]
    if not any(values[at].requires_grad for at in positions):
        return [], values
    passed = _Boundary.apply(at_backward, *(values[at] for at in positions))
    watched = list(values)
    for at, tensor in zip(positions, passed, strict=True):
        if values[at].requires_grad:
            watched[at] = tensor
    return positions, tuple(watched)


def _spread(
    grads: tuple[Tensor | None, ...], positions: list[int], count: int
) -> tuple[Tensor | None, ...]:
    """``grads`` at their positions, None elsewhere."""
    spread: list[Tensor | None] = [None] * count
    for at, grad in zip(positions, grads, strict=True):
        spread[at] = grad
    return tuple(spread)

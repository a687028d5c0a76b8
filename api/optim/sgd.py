"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tensorplug.autograd.tensor import Tensor

from ._arithmetic import add_scaled
from ._bundle import State
from ._settings import given, number
from .optimizer import Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent, with momentum and weight decay when asked for.

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        momentum: the part of the last step's direction that is kept.
        dampening: the part of the gradient that momentum leaves out (from the second step on).
        weight_decay: adds this times the parameter to its gradient.
        nesterov: look ahead along the momentum; needs momentum and no dampening.
        maximize: go up instead of down.
        foreach: False updates small parameters one by one, too.
        fused: False never uses the step in one launch that some devices have.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.SGD([x], lr=0.25).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: expected momentum above 0 and dampening 0 with nesterov, "
                f"got momentum={group['momentum']} and dampening={group['dampening']}"
            )

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    _fused_begins = False  # the buffer is the first gradient

    def _fused(self, group: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
        return "sgd", {name: group[name] for name in names}

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        momentum = group["momentum"]
        if momentum:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.clone()
            else:
                add_scaled(buffer.mul_(momentum), grad, 1 - group["dampening"])
            grad = grad + buffer * momentum if group["nesterov"] else buffer
        return grad, -number(group["lr"])

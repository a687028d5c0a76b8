"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tensorplug.autograd.tensor import Tensor

from .optimizer import Optimizer, number

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
        foreach, fused: accepted for compatibility; they change nothing.

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
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: expected momentum above 0 and dampening 0 with nesterov, "
                f"got momentum={group['momentum']} and dampening={group['dampening']}"
            )

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        lr = number(group["lr"])
        rate = lr if group["maximize"] else -lr
        decay = -group["weight_decay"] if group["maximize"] else group["weight_decay"]
        for param in params:
            grad: Any = param.grad
            if decay:
                grad = grad.add(param, alpha=decay)
            if group["momentum"]:
                grad = self._with_momentum(group, param, grad)
            param.add_(grad, alpha=rate)

    def _with_momentum(self, group: dict[str, Any], param: Tensor, grad: Any) -> Any:
        state = self.state[param]
        momentum = group["momentum"]
        buffer = state.get("momentum_buffer")
        # Ascent is descent along -grad. The buffer, as in torch, then holds -grad too.
        sign = -1 if group["maximize"] else 1
        if buffer is None:
            buffer = state["momentum_buffer"] = grad.mul(sign)
        else:
            buffer.mul_(momentum).add_(grad, alpha=sign * (1 - group["dampening"]))
        if group["nesterov"]:
            return grad.add(buffer, alpha=sign * momentum)
        return buffer if sign > 0 else buffer.neg()

"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from .optimizer import Optimizer, number

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps scaled by running averages of gradients and of their squares (Kingma and Ba, 2015).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        betas: how much of the two averages is kept at each step.
        eps: added to the denominator.
        weight_decay: adds this times the parameter to its gradient (see :class:`AdamW`).
        amsgrad: divide by the largest average of squares so far.
        maximize: go up instead of down.
        decoupled_weight_decay: shrink the parameter itself, as AdamW does.
        foreach, capturable, fused: accepted for compatibility; they change nothing.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.Adam([x], lr=0.5).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if len(group["betas"]) != 2 or not all(0 <= number(b) < 1 for b in group["betas"]):
            raise ValueError(
                f"{type(self).__name__}: expected two betas from 0 to below 1, got {group['betas']}"
            )

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        lr, decay = number(group["lr"]), group["weight_decay"]
        for param in params:
            grad = param.grad.neg() if group["maximize"] else param.grad
            if decay and group["decoupled_weight_decay"]:
                param.mul_(1 - lr * decay)
            elif decay:
                grad = grad.add(param, alpha=decay)
            state = self.state[param] or self._start(param, group["amsgrad"])
            state["step"] += 1
            tensors = [param, grad, state["exp_avg"], state["exp_avg_sq"]]
            if group["amsgrad"]:
                tensors.append(state["max_exp_avg_sq"])
            if param.is_complex():  # a complex number is two parameters
                tensors = [tp.view_as_real(tensor) for tensor in tensors]
            _step(group, lr, state["step"], *tensors)

    def _start(self, param: Tensor, amsgrad: bool) -> dict[str, Any]:
        state = self.state[param]
        state["step"] = 0
        state["exp_avg"] = tp.zeros_like(param)
        state["exp_avg_sq"] = tp.zeros_like(param)
        if amsgrad:
            state["max_exp_avg_sq"] = tp.zeros_like(param)
        return state


def _step(
    group: dict[str, Any],
    lr: float,
    step: int,
    param: Tensor,
    grad: Tensor,
    average: Tensor,
    square: Tensor,
    largest: Tensor | None = None,
) -> None:
    beta1, beta2 = map(number, group["betas"])
    average.mul_(beta1).add_(grad, alpha=1 - beta1)
    square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    if largest is not None:
        largest.copy_(tp.maximum(largest, square))
        square = largest
    scale = math.sqrt(1 - beta2**step)
    denominator = square.sqrt().div_(scale).add_(group["eps"])
    param.addcdiv_(average, denominator, value=-lr / (1 - beta1**step))


class AdamW(Adam):
    """Adam with weight decay that shrinks the parameters themselves (Loshchilov and Hutter, 2019).

    The arguments are those of :class:`Adam`; only ``weight_decay`` has another default.

    Example:
        >>> x = tp.ones(1, requires_grad=True)
        >>> x.sum().backward()
        >>> tp.optim.AdamW([x], lr=0.5, weight_decay=0.5).step()
        >>> x.tolist()
        [0.25]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

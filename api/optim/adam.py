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
        foreach: False updates small parameters one by one, too.
        capturable, fused: accepted for compatibility; they change nothing.

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

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return _AMSGRAD if group["amsgrad"] else _AMSGRAD[:2]

    def _delta(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor, grad: Any
    ) -> Tensor:
        if not state:
            state["step"] = 0
            for name in self._bundled_state(group):
                state[name] = tp.zeros_like(param)
        if param.is_complex():  # a complex number is two parameters
            return _delta_of_complex(group, state, param, grad)
        return _delta(group, state, param, grad)


_AMSGRAD = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


def _delta_of_complex(
    group: dict[str, Any], state: dict[str, Any], param: Tensor, grad: Tensor
) -> Tensor:
    pairs = {k: tp.view_as_real(v) for k, v in state.items() if k != "step"}
    pairs["step"] = state["step"]
    delta = _delta(group, pairs, tp.view_as_real(param), tp.view_as_real(grad))
    state["step"] = pairs["step"]
    return tp.view_as_complex(delta)


def _delta(group: dict[str, Any], state: dict[str, Any], param: Tensor, grad: Any) -> Tensor:
    lr, decay = number(group["lr"]), group["weight_decay"]
    beta1, beta2 = map(number, group["betas"])
    if group["maximize"]:
        grad = -grad
    if decay and not group["decoupled_weight_decay"]:
        grad = grad + param * decay
    step = state["step"] = state["step"] + 1
    average, square = state["exp_avg"], state["exp_avg_sq"]
    average.mul_(beta1).add_(grad * (1 - beta1))
    square.mul_(beta2).add_((grad * grad).mul_(1 - beta2))
    if group["amsgrad"]:
        square = state["max_exp_avg_sq"].copy_(tp.maximum(state["max_exp_avg_sq"], square))
    # lr / correction1 * average / (sqrt(square) / correction2 + eps), with one operation less.
    correction2 = math.sqrt(1 - beta2**step)
    rate = -lr * correction2 / (1 - beta1**step)
    # In place on what was just made: for large tensors, fresh memory is what costs.
    delta = square.sqrt().add_(group["eps"] * correction2)
    delta = (average / delta).mul_(rate)
    if decay and group["decoupled_weight_decay"]:
        delta = delta - param * (lr * decay)
    return delta


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

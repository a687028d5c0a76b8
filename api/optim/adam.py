"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._arithmetic import add_scaled
from ._bundle import State
from ._settings import given, number, setting
from .optimizer import Optimizer

__all__ = ["Adam", "AdamW", "Averaging"]


class Averaging(Optimizer):
    """What Adam and its relatives share: running averages of gradients and of their squares."""

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        self._begin_step(group, state, param)
        for name in self._bundled_state(group):
            state[name] = tp.zeros_like(param)

    def _average(
        self, group: dict[str, Any], state: State, grad: Tensor
    ) -> tuple[Tensor, Tensor, Any, Any]:
        """Both averages after this step, and 1 - beta**step of both."""
        beta1, beta2 = map(number, group["betas"])
        step = state["step"] = state["step"] + 1
        average, square = state["exp_avg"], state["exp_avg_sq"]
        add_scaled(average.mul_(beta1), grad, 1 - beta1)
        add_scaled(square.mul_(beta2), grad * grad, 1 - beta2)
        return average, square, 1 - beta1**step, 1 - beta2**step


class Adam(Averaging):
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
        capturable: read no values on the host: the count of steps is a tensor, ``lr`` may be one.
        differentiable: must be False.
        fused: False never uses the step in one launch that some devices have.

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
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
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
        super().__init__(params, given(locals()))

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        names = super()._bundled_state(group)
        return (*names, "max_exp_avg_sq") if group["amsgrad"] else names

    def _fused(self, group: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        if type(self)._delta is not Adam._delta:
            return None
        numbers = {name: group[name] for name in ("lr", "eps", "weight_decay", "maximize")}
        betas = tuple(map(number, group["betas"]))
        return "adam", {**numbers, "betas": betas, "decoupled": self._decoupled(group)}

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        average, square, correction1, correction2 = self._average(group, state, grad)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            square = largest.copy_(tp.maximum(largest, square))
        # lr / correction1 * average / (sqrt(square / correction2) + eps), with fewer operations
        # on whole tensors; in place on what was just made, as fresh memory is what costs.
        root = correction2**0.5
        denominator = square.sqrt().add_(group["eps"] * root)
        return average / denominator, -setting(group, "lr") * root / correction1


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
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
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
        super().__init__(params, **given(locals()), decoupled_weight_decay=True)

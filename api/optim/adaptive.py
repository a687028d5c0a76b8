"""Adagrad, Adadelta and RMSprop: steps divided by the size of the gradients so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._arithmetic import add_scaled
from ._bundle import State
from ._settings import given, setting
from .optimizer import Optimizer

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al., 2011).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        lr_decay: the rate of step n is ``lr / (1 + (n - 1) * lr_decay)``.
        weight_decay: adds this times the parameter to its gradient.
        initial_accumulator_value: where the sums begin.
        eps: added to the denominator.
        maximize: go up instead of down.
        foreach, differentiable, fused: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.Adagrad([x], lr=0.5).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if initial_accumulator_value < 0:
            raise ValueError(
                "Adagrad: expected initial_accumulator_value of at least 0, "
                f"got {initial_accumulator_value}"
            )
        super().__init__(params, given(locals()))
        for group in self.param_groups:  # as in torch, the sums are there before the first step
            for param in group["params"]:
                self._begin(group, self.state[param], param)

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        first = group["initial_accumulator_value"]
        self._begin_step(group, state, param)
        state["sum"] = tp.full_like(param, complex(first, first) if param.is_complex() else first)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        step = state["step"] = state["step"] + 1
        total = state["sum"].add_(grad * grad)
        rate = setting(group, "lr") / (1 + (step - 1) * group["lr_decay"])
        return grad / total.sqrt().add_(group["eps"]), -rate


class Adadelta(Optimizer):
    """Steps as large as the recent steps were, in units of recent gradients (Zeiler, 2012).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: a factor of the steps.
        rho: how much of the averages of squares is kept at each step.
        eps: added under the roots.
        weight_decay: adds this times the parameter to its gradient.
        maximize: go up instead of down.
        foreach, capturable, differentiable: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(1, dtype=tp.float64, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.Adadelta([x], rho=0.75, eps=1.0).step()
        >>> round(x.item(), 6)
        -0.414214
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Adadelta: expected rho from 0 to 1, got {group['rho']}")

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        self._begin_step(group, state, param)
        state["square_avg"], state["acc_delta"] = tp.zeros_like(param), tp.zeros_like(param)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        rho, eps = group["rho"], group["eps"]
        state["step"] = state["step"] + 1
        square, steps = state["square_avg"], state["acc_delta"]
        add_scaled(square.mul_(rho), grad * grad, 1 - rho)
        delta = (steps + eps).sqrt_().div_((square + eps).sqrt_()).mul_(grad)
        add_scaled(steps.mul_(rho), delta * delta, 1 - rho)
        return delta, -setting(group, "lr")


class RMSprop(Optimizer):
    """Steps divided by the root of the average of recent squared gradients (Hinton, 2012).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        alpha: how much of the average of squares is kept at each step.
        eps: added to the denominator.
        weight_decay: adds this times the parameter to its gradient.
        momentum: the part of the last step that is kept.
        centered: divide by the standard deviation instead, around an average of the gradients.
        maximize: go up instead of down.
        capturable, foreach, differentiable: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.RMSprop([x], lr=0.25, alpha=0.75).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if group["alpha"] < 0:
            raise ValueError(f"RMSprop: expected alpha of at least 0, got {group['alpha']}")

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        found = ["square_avg"]
        if group["momentum"] > 0:
            found.append("momentum_buffer")
        if group["centered"]:
            found.append("grad_avg")
        return tuple(found)

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        self._begin_step(group, state, param)
        for name in self._bundled_state(group):
            state[name] = tp.zeros_like(param)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        alpha, rate = group["alpha"], -setting(group, "lr")
        state["step"] = state["step"] + 1
        square = state["square_avg"]
        add_scaled(square.mul_(alpha), grad * grad, 1 - alpha)
        if group["centered"]:
            mean = add_scaled(state["grad_avg"].mul_(alpha), grad, 1 - alpha)
            square = square - mean * mean
        scaled = grad / square.sqrt().add_(group["eps"])
        if group["momentum"] > 0:
            return state["momentum_buffer"].mul_(group["momentum"]).add_(scaled), rate
        return scaled, rate

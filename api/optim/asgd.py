"""Averaged stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._bundle import State
from ._settings import given, number, setting
from .optimizer import Optimizer

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Gradient descent that also averages where it has been (Polyak and Juditsky, 1992).

    The averages are ``optimizer.state[param]["ax"]``.

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate of the first step.
        lambd: how strongly the parameters shrink, and how soon the learning rate does.
        alpha: the power by which the learning rate falls.
        t0: the step from which on the average is one of all later values.
        weight_decay: adds this times the parameter to its gradient.
        maximize: go up instead of down.
        foreach, capturable, differentiable: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.ASGD([x], lr=0.25, lambd=0).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    _numbers: ClassVar[tuple[str, ...]] = ("step", "eta", "mu")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _reads_params(self, group: dict[str, Any]) -> bool:
        return True

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        self._begin_step(group, state, param)
        # Tensors where the count of steps is one.
        state["eta"] = state["step"] + number(group["lr"])
        state["mu"] = state["step"] + 1.0
        state["ax"] = tp.zeros_like(param)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        lambd, lr, eta, mu = group["lambd"], setting(group, "lr"), state["eta"], state["mu"]
        direction = grad + param * lambd
        moved = param - direction * eta
        average = state["ax"]
        if isinstance(mu, Tensor) or mu != 1:
            average.add_((moved - average) * mu)
        else:
            average.copy_(moved)
        step = state["step"] = state["step"] + 1
        late = step - group["t0"]
        late = late.clamp(min=1.0) if isinstance(late, Tensor) else max(1.0, late)
        state["eta"], state["mu"] = lr / (1 + lambd * lr * step) ** group["alpha"], 1 / late
        return direction, -eta

"""Rprop: steps of their own size for every element."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._bundle import State
from ._settings import given, number
from .optimizer import Optimizer

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Only the signs of gradients count: steps grow while a sign stays (Riedmiller, Braun, 1993).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the size of the first step.
        etas: factors of an element's step when its gradient changed sign, and when it did not.
        step_sizes: the smallest and the largest step.
        maximize: go up instead of down.
        capturable, foreach, differentiable: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.Rprop([x], lr=0.5).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        less, more = group["etas"]
        if not 0 < less < 1 < more:
            raise ValueError(
                "Rprop: expected etas of which one is between 0 and 1 and the other above 1, "
                f"got {group['etas']}"
            )

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        lr = number(group["lr"])
        self._begin_step(group, state, param)
        state["prev"] = tp.zeros_like(param)
        state["step_size"] = tp.full_like(param, complex(lr, lr) if param.is_complex() else lr)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        less, more = group["etas"]
        state["step"] = state["step"] + 1
        same = grad * state["prev"]
        turned = same < 0
        size = state["step_size"]
        size.mul_(tp.where(turned, less, tp.where(same > 0, more, tp.ones_like(grad))))
        size.clamp_(*group["step_sizes"])
        grad = state["prev"].copy_(tp.where(turned, 0.0, grad))
        return grad.sign().mul_(size), -1

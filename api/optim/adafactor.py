"""Adafactor: averages of squares kept as one row and one column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._bundle import State
from ._settings import given, number
from .optimizer import Optimizer

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adam's scaling in little memory (Shazeer and Stern, 2018).

    The average of squared gradients of a matrix is kept as the means of its rows and columns.

    Args:
        params: real parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the largest learning rate; it is at most ``1 / sqrt(step)``.
        beta2_decay: at step n the new squares weigh ``n ** beta2_decay``.
        eps: the smallest root of an average, None for the dtype's eps, and the smallest size of
            a parameter.
        d: updates of a larger root mean square are scaled down to it.
        weight_decay: shrinks the parameters by ``lr`` times this.
        maximize: go up instead of down.
        foreach: accepted for compatibility; it changes nothing.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.Adafactor([x], lr=0.5).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if group["beta2_decay"] > 0:
            raise ValueError(
                f"Adafactor: expected beta2_decay of at most 0, got {group['beta2_decay']}"
            )
        if any(eps is not None and eps < 0 for eps in group["eps"]):
            raise ValueError(f"Adafactor: expected eps of at least 0, got {group['eps']}")
        if group["d"] < 1:
            raise ValueError(f"Adafactor: expected d of at least 1, got {group['d']}")
        for param in group["params"]:
            if param.is_complex():
                raise ValueError(f"Adafactor: expected real parameters, got {param.dtype}")

    def _decoupled(self, group: dict[str, Any]) -> bool:
        return True

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        self._begin_step(group, state, param)
        if param.ndim < 2:
            state["variance"] = tp.zeros_like(param)
            return
        *rest, rows, columns = param.shape
        state["row_var"] = param.new_zeros((*rest, rows, 1))
        state["col_var"] = param.new_zeros((*rest, 1, columns))

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        least, smallest = group["eps"]
        least = tp.finfo(param.dtype).eps if least is None else least
        step = state["step"] = state["step"] + 1
        weight, square = step ** group["beta2_decay"], grad * grad
        if param.ndim < 2:
            variance = state["variance"].lerp_(square, weight)
        else:
            row = state["row_var"].lerp_(square.mean(-1, keepdim=True), weight)
            column = state["col_var"].lerp_(square.mean(-2, keepdim=True), weight)
            variance = row @ column / row.mean(-2, keepdim=True).clamp_(min=least)
        update = variance.clamp(min=least * least).rsqrt_().mul_(grad)
        largest = (_size(update) / group["d"]).clamp_(min=1.0)
        rate = min(number(group["lr"]), step**-0.5)
        return update, _size(param).clamp_(min=smallest) * -rate / largest


def _size(x: Tensor) -> Tensor:
    """The root mean square."""
    return (x * x).mean().sqrt_()

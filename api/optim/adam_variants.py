"""Relatives of Adam: Adamax, NAdam, RAdam and SparseAdam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._arithmetic import add_scaled
from ._bundle import State
from ._settings import given, number, setting
from .adam import Averaging
from .optimizer import Optimizer

__all__ = ["Adamax", "NAdam", "RAdam", "SparseAdam"]


class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of the squares (Kingma and Ba, 2015).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        betas: how much of the average and of the largest gradient is kept at each step.
        eps: added to the gradient's absolute value.
        weight_decay: adds this times the parameter to its gradient.
        maximize: go up instead of down.
        foreach, capturable, differentiable: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.Adamax([x], lr=0.5).step()
        >>> x.tolist()
        [0.5, 0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        self._begin_step(group, state, param)
        state["exp_avg"], state["exp_inf"] = tp.zeros_like(param), tp.zeros_like(param)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        beta1, beta2 = group["betas"]
        step = state["step"] = state["step"] + 1
        average, largest = state["exp_avg"], state["exp_inf"]
        add_scaled(average.mul_(beta1), grad, 1 - beta1)
        largest.copy_(tp.maximum(largest * beta2, grad.abs().add_(group["eps"])))
        return average / largest, -setting(group, "lr") / (1 - beta1**step)


class NAdam(Averaging):
    """Adam with Nesterov's momentum (Dozat, 2016).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        betas: how much of the two averages is kept at each step.
        eps: added to the denominator.
        weight_decay: adds this times the parameter to its gradient.
        momentum_decay: how fast the momentum warms up.
        decoupled_weight_decay: shrink the parameter itself, as AdamW does.
        maximize: go up instead of down.
        foreach, capturable, differentiable: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(1, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.NAdam([x], lr=0.5).step()
        >>> round(x.item(), 4)
        0.4718
    """

    _numbers: ClassVar[tuple[str, ...]] = ("step", "mu_product")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        self._begin_step(group, state, param)
        state["mu_product"] = state["step"] + 1.0
        state["exp_avg"], state["exp_avg_sq"] = tp.zeros_like(param), tp.zeros_like(param)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        average, square, _, correction2 = self._average(group, state, grad)
        step, beta1, decay = state["step"], group["betas"][0], group["momentum_decay"]
        # The formulas of PyTorch's documentation: mu of this step and of the next.
        mu = beta1 * (1 - 0.5 * 0.96 ** (step * decay))
        following = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * decay))
        product = state["mu_product"] = state["mu_product"] * mu
        now, then = (1 - mu) / (1 - product), following / (1 - product * following)
        denominator = (square / correction2).sqrt_().add_(group["eps"])
        return (grad * now).add_(average * then).div_(denominator), -setting(group, "lr")


class RAdam(Averaging):
    """Adam that begins as momentum, until its average of squares is sound (Liu et al., 2020).

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        betas: how much of the two averages is kept at each step.
        eps: added to the denominator.
        weight_decay: adds this times the parameter to its gradient.
        decoupled_weight_decay: shrink the parameter itself, as AdamW does.
        maximize: go up instead of down.
        foreach, capturable, differentiable: as in :class:`Adam`.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.optim.RAdam([x], lr=0.25).step()
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
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        average, square, correction1, correction2 = self._average(group, state, grad)
        step, beta2 = state["step"], group["betas"][1]
        rate = -setting(group, "lr") / correction1
        # Lengths of the average of squares as a simple average: in the end, and now.
        full = 2 / (1 - beta2) - 1
        length = full - 2 * step * beta2**step / correction2
        counted = isinstance(length, Tensor)
        if not counted and length <= 5:
            return average, rate
        known = tp.clamp(length, min=5.0) if counted else length  # no root of what is negative
        ratio = (known - 4) * (known - 2) * full / ((full - 4) * (full - 2) * known)
        scale = (ratio * correction2) ** 0.5
        scaled = average / square.sqrt().add_(group["eps"])
        if counted:
            return tp.where(length > 5, scaled * scale, average), rate
        return scaled, rate * scale


class SparseAdam(Optimizer):
    """Adam for tables of which few rows are used at a time: rows without gradient stay as they are.

    Differs from torch: there are no sparse tensors, so a row (along the first dimension) counts
    as absent when its gradient is zero throughout; where gradients come from an embedding, that
    is what PyTorch's sparse gradients leave out.

    Args:
        params: parameters, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        betas: how much of the two averages is kept at each step.
        eps: added to the denominator.
        maximize: go up instead of down.

    Example:
        >>> table = tp.ones(2, 1, requires_grad=True)
        >>> table[1].sum().backward()
        >>> tp.optim.SparseAdam([table], lr=0.5).step()
        >>> (table == 1).tolist()
        [[True], [False]]
    """

    _numbers: ClassVar[tuple[str, ...]] = ()  # in PyTorch too, the count of steps is an int

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check_members(self, params: list[Any]) -> None:
        super()._check_members(params)
        for param in params:
            if param.is_complex():
                raise ValueError(f"SparseAdam: expected real parameters, got {param.dtype}")

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        state["step"] = 0
        state["exp_avg"], state["exp_avg_sq"] = tp.zeros_like(param), tp.zeros_like(param)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        beta1, beta2 = group["betas"]
        step = state["step"] = state["step"] + 1
        used = grad != 0
        if grad.ndim > 1:
            used = used.flatten(1).any(1).reshape(-1, *(1,) * (grad.ndim - 1))
        average, square = state["exp_avg"], state["exp_avg_sq"]
        average.copy_(tp.where(used, average * beta1 + grad * (1 - beta1), average))
        square.copy_(tp.where(used, square * beta2 + grad * grad * (1 - beta2), square))
        direction = average / square.sqrt().add_(group["eps"])
        rate = -number(group["lr"]) * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        return tp.where(used, direction, 0.0), rate

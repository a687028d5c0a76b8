"""Muon: momentum whose matrices are made orthogonal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._bundle import State
from ._settings import given, number
from .optimizer import Optimizer

__all__ = ["Muon"]

_ADJUST = (None, "original", "match_rms_adamw")


class Muon(Optimizer):
    """Momentum made nearly orthogonal by Newton-Schulz steps (Jordan, 2024); for matrices only.

    Other parameters of a model, and its embeddings, are better given to AdamW.

    Args:
        params: matrices, groups or named parameters, see :class:`Optimizer`.
        lr: the learning rate.
        weight_decay: shrinks the parameters by ``lr`` times this.
        momentum: how much of the average of gradients is kept at each step.
        nesterov: look ahead along the momentum.
        ns_coefficients: of the polynomial that each Newton-Schulz step applies.
        eps: the smallest norm that an update is divided by.
        ns_steps: the number of Newton-Schulz steps, which are computed in bfloat16.
        adjust_lr_fn: how ``lr`` grows with the matrix: "original" (also None) by
            ``sqrt(max(1, rows / columns))``, "match_rms_adamw" by ``0.2 * sqrt(max(rows,
            columns))``.

    Example:
        >>> x = tp.eye(2).requires_grad_()
        >>> (x * x).sum().backward()
        >>> tp.optim.Muon([x], lr=0.5, weight_decay=0).step()
        >>> bool((x.diag() < 0.75).all())
        True
    """

    _numbers: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if group["adjust_lr_fn"] not in _ADJUST:
            raise ValueError(
                f"Muon: expected adjust_lr_fn to be one of {_ADJUST}, got {group['adjust_lr_fn']!r}"
            )
        if len(group["ns_coefficients"]) != 3 or not 0 <= group["ns_steps"] < 100:
            raise ValueError(
                "Muon: expected three ns_coefficients and fewer than 100 ns_steps, got "
                f"{group['ns_coefficients']} and {group['ns_steps']}"
            )
        for param in group["params"]:
            if param.ndim != 2 or param.is_complex():
                raise ValueError(
                    "Muon: expected real parameters of two dimensions, got one of shape "
                    f"{tuple(param.shape)} and {param.dtype}; give the others to AdamW"
                )

    def _decoupled(self, group: dict[str, Any]) -> bool:
        return True

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        state["momentum_buffer"] = tp.zeros_like(param)

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        momentum, (rows, columns) = group["momentum"], param.shape
        buffer = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        update = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        if group["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * max(rows, columns) ** 0.5
        else:
            ratio = max(1, rows / columns) ** 0.5
        return _orthogonal(group, update).to(param.dtype), -number(group["lr"]) * ratio


def _orthogonal(group: dict[str, Any], update: Tensor) -> Tensor:
    """A matrix with about the same singular vectors and singular values near 1."""
    a, b, c = group["ns_coefficients"]
    tall = update.shape[0] > update.shape[1]
    x = update.to(tp.bfloat16)
    x = x.T if tall else x
    x = x / x.norm().clamp_(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.T
        x = tp.addmm(x, tp.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x

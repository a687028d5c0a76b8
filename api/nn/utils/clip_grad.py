"""Limiting gradients, in place."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.modes import no_grad
from tensorplug.autograd.tensor import Tensor

__all__ = [
    "clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_",
    "get_total_norm",
]  # fmt: skip


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [parameter.grad for parameter in given if parameter.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors, as if they were one vector.

    Args:
        tensors: a tensor or several.
        norm_type: which norm; ``inf`` for the largest element.
        error_if_nonfinite: refuse nan and infinity.
        foreach: accepted for compatibility.

    Returns:
        A 0-d tensor on the device of the first one.

    Raises:
        RuntimeError: the norm is not finite and ``error_if_nonfinite`` is set.

    Example:
        >>> tp.nn.utils.get_total_norm([tp.tensor([3.0]), tp.tensor([0.0, 4.0])]).item()
        5.0
    """
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not given:
        return tp.tensor(0.0)
    device, order = given[0].device, float(norm_type)
    norms = [tp.linalg.vector_norm(tensor, order).to(device) for tensor in given]
    total = tp.linalg.vector_norm(tp.stack(norms), order)
    if error_if_nonfinite and not total.isfinite().item():
        raise RuntimeError(
            f"get_total_norm: expected gradients with a finite norm of order {order}, got "
            f"{total.item()}; pass error_if_nonfinite=False to go on"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale gradients by ``max_norm / total_norm`` where that is below 1.

    Args:
        parameters: whose gradients.
        max_norm: the limit.
        total_norm: what :func:`get_total_norm` gave.
        foreach: accepted for compatibility.
    """
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for grad in _gradients(parameters):
        grad.mul_(factor.to(device=grad.device, dtype=grad.dtype))


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients so that their common norm is at most ``max_norm``.

    Args:
        parameters: whose gradients.
        max_norm: the limit.
        norm_type, error_if_nonfinite, foreach: see :func:`get_total_norm`.

    Returns:
        The norm before.

    Raises:
        RuntimeError: see :func:`get_total_norm`.

    Example:
        >>> x = tp.tensor([3.0, 4.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.nn.utils.clip_grad_norm_(x, 1.0).item()
        10.0
        >>> round(x.grad.norm().item(), 4)
        1.0
    """
    if not isinstance(parameters, Tensor):
        parameters = list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """:func:`clip_grad_norm_` under its old name, with a warning."""
    warnings.warn(
        "clip_grad_norm: expected the name clip_grad_norm_, got the old one, which is deprecated",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


@no_grad()
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients to ``[-clip_value, clip_value]``.

    Args:
        parameters: whose gradients.
        clip_value: the limit.
        foreach: accepted for compatibility.

    Example:
        >>> x = tp.tensor([3.0, -0.1], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> tp.nn.utils.clip_grad_value_(x, 1.0)
        >>> [round(value, 4) for value in x.grad.tolist()]
        [1.0, -0.2]
    """
    limit: Any = float(clip_value)
    for grad in _gradients(parameters):
        grad.clamp_(-limit, limit)

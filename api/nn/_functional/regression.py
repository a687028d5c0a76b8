"""Losses of numbers and of embeddings: squared, absolute, margins, distances."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpError, OpValueError, broadcast_error
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, reduced, reduction_of, require

__all__ = [
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "l1_loss", "margin_ranking_loss",
    "mse_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]  # fmt: skip

_abs = ROWS["abs"].call


def _pair(name: str, input: Any, target: Any) -> None:
    """Check the two; warn where their shapes differ, which is seldom meant.

    Raises:
        RuntimeError: the shapes do not broadcast.
    """
    is_tensor(name, "input", input)
    is_tensor(name, "target", target)
    if input._h.shape != target._h.shape:
        text = broadcast_error([input._h.shape, target._h.shape])
        if text is not None:
            raise OpError(f"{name}: {text}", op=name)
        warnings.warn(
            f"{name}: using a target size ({tuple(target._h.shape)}) that is different to the "
            f"input size ({tuple(input._h.shape)}): they broadcast, which may not be meant",
            UserWarning,
            stacklevel=3,
        )


def _samples(t: Any) -> list[Any]:
    return [
        (t(2, 3), t(2, 3)), (t(3), t(3), {"reduction": "sum"}), (t(), t()), (t(0), t(0)),
        (t(2, 3), t(2, 3), {"reduction": "none"}),
    ]  # fmt: skip


def _weighted(losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    if weight is None:
        return reduced(losses, reduction)
    losses = losses * weight
    if reduction != "mean":
        return reduced(losses, reduction)
    return losses.sum() / weight.expand(losses.shape).sum()


@function(namespace="nn.functional", samples=_samples)
def mse_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The squared differences.

    Args:
        input, target: tensors of one shape.
        reduction: "mean", "sum" or "none".
        weight: a factor for each element; "mean" then divides by the sum of the weights.
        size_average, reduce: deprecated spellings of ``reduction``.

    Example:
        >>> tp.nn.functional.mse_loss(tp.tensor([1.0, 3.0]), tp.tensor([1.0, 1.0])).item()
        2.0
    """
    reduction = reduction_of("mse_loss", reduction, size_average, reduce)
    _pair("mse_loss", input, target)
    return _weighted((input - target).square(), weight, reduction)


@function(namespace="nn.functional", samples=_samples)
def l1_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The absolute differences; arguments as for :func:`mse_loss`.

    Example:
        >>> tp.nn.functional.l1_loss(tp.tensor([1.0, 4.0]), tp.tensor([1.0, 2.0])).item()
        1.0
    """
    reduction = reduction_of("l1_loss", reduction, size_average, reduce)
    _pair("l1_loss", input, target)
    return _weighted(_abs(input - target), weight, reduction)


@function(namespace="nn.functional", samples=lambda t: [*_samples(t), (t(3), t(3), {"delta": 0.3})])
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Half the squared difference up to ``delta``, from there on in a straight line.

    Raises:
        RuntimeError: ``delta`` is not positive.

    Example:
        >>> tp.nn.functional.huber_loss(tp.tensor([3.0]), tp.tensor([0.0])).item()
        2.5
    """
    reduction = reduction_of("huber_loss", reduction)
    require(delta > 0, "huber_loss", "a delta greater than 0", delta,
            "huber_loss does not support non-positive values for delta.")  # fmt: skip
    _pair("huber_loss", input, target)
    size = _abs(input - target)
    losses = tp.where(size <= delta, size * size * 0.5, (size - 0.5 * delta) * delta)
    return _weighted(losses, weight, reduction)


@function(namespace="nn.functional", samples=lambda t: [*_samples(t), (t(3), t(3), {"beta": 0.0})])
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """:func:`huber_loss` divided by ``beta``; :func:`l1_loss` where that is 0.

    Raises:
        RuntimeError: ``beta`` is negative.

    Example:
        >>> tp.nn.functional.smooth_l1_loss(tp.tensor([3.0]), tp.tensor([0.0])).item()
        2.5
    """
    reduction = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    require(beta >= 0, "smooth_l1_loss", "a beta of 0 or more", beta,
            "smooth_l1_loss does not support negative values for beta.")  # fmt: skip
    _pair("smooth_l1_loss", input, target)
    size = _abs(input - target)
    if beta == 0:
        return reduced(size, reduction)
    losses = tp.where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)
    return reduced(losses, reduction)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3), t(2, 3)), (t(3), t.pos((3,)), {"log_input": False, "full": True})],
    domain=(0.1, 3),
)  # fmt: skip
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
    size_average: Any = None, eps: float = 1e-8, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The negative log-likelihood of counts under Poisson distributions.

    Args:
        input: the rates, or their logarithms when ``log_input``.
        target: the counts.
        log_input: as above.
        full: add Stirling's approximation of the term without rates.
        eps: added to rates before the logarithm.
        reduction: "mean", "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Example:
        >>> tp.nn.functional.poisson_nll_loss(tp.zeros(1), tp.ones(1)).item()
        1.0
    """
    reduction = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    if log_input:
        losses = input.exp() - target * input
    else:
        losses = input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + (target * (2 * math.pi)).log() * 0.5
        losses = losses + tp.where(target > 1, stirling, tp.zeros_like(stirling))
    return reduced(losses, reduction)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3), t(2, 3), t.pos((2, 3))), (t(2, 3), t(2, 3), t.pos((2,)), True)],
)  # fmt: skip
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The negative log-likelihood of ``target`` under normal distributions.

    Args:
        input: the means.
        target: the values.
        var: the variances: of ``input``'s shape, of it with a last dimension of 1 or none, or
            a number.
        full: add the constant term.
        eps: variances are raised to it.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: a variance is negative, or the shapes do not fit.

    Example:
        >>> tp.nn.functional.gaussian_nll_loss(tp.zeros(1), tp.ones(1), tp.ones(1)).item()
        0.5
    """
    name = "gaussian_nll_loss"
    if type(var) is not Tensor:
        if var < 0:
            raise OpValueError(f"{name}: expected a var of 0 or more, got {var}", op=name)
        var = tp.full_like(input, var)
    elif bool((var < 0).any()):
        raise OpValueError(f"{name}: expected no negative var; var has negative entry/entries",
                           op=name)  # fmt: skip
    shape, given = tuple(input._h.shape), tuple(var._h.shape)
    if given != shape:
        if given == shape[:-1]:
            var = var.unsqueeze(-1)
        elif not (given[:-1] == shape[:-1] and given[-1:] == (1,)):
            raise OpValueError(
                f"{name}: expected var of shape {shape} or {shape[:-1]}, got {given}; var is of "
                "incorrect size",
                op=name,
            )
    reduction = reduction_of(name, reduction)
    with tp.no_grad():
        floor = tp.where(var < eps, eps - var, tp.zeros_like(var))
    var = var + floor
    losses = ((input - target).square() / var + var.log()) * 0.5
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduced(losses, reduction)


# --- margins --------------------------------------------------------------------------------------


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(3), t(3), t.pos((3,))), (t(3), t(3), t.pos((3,)), 0.5)],
)  # fmt: skip
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``max(0, -target * (input1 - input2) + margin)``: 1 ranks the first higher, -1 the second.

    Raises:
        RuntimeError: the numbers of dimensions differ.

    Example:
        >>> one, two = tp.tensor([1.0]), tp.tensor([3.0])
        >>> tp.nn.functional.margin_ranking_loss(one, two, tp.tensor([1.0])).item()
        2.0
    """
    name = "margin_ranking_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    dims = {len(x._h.shape) for x in (input1, input2, target)}
    require(len(dims) == 1, name, "three tensors with as many dimensions", sorted(dims))
    return reduced(((input2 - input1) * target + margin).clamp_min(0), reduction)


@function(namespace="nn.functional", samples=lambda t: [(t(3), t(3)), (t(2, 3), t(2, 3), 0.5)])
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1.

    Example:
        >>> x, y = tp.tensor([0.5, 0.25]), tp.tensor([1, -1])
        >>> tp.nn.functional.hinge_embedding_loss(x, y, reduction="sum").item()
        1.25
    """
    reduction = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    zero = tp.zeros_like(input)
    far = tp.where(target == 1, zero, (margin - input).clamp_min(0))
    return reduced(far + tp.where(target == -1, zero, input), reduction)


@function(namespace="nn.functional", samples=lambda t: [(t(3), t(3)), (t(2, 3), t(2, 3))])
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``log(1 + exp(-target * input))`` for targets 1 and -1.

    Example:
        >>> round(tp.nn.functional.soft_margin_loss(tp.zeros(1), tp.ones(1)).item(), 4)
        0.6931
    """
    reduction = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    return reduced((-target * input).exp().log1p(), reduction)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3), t(2, 3), t(2, 3)), (t(3), t(3), t(3), 0.5, 1, {"swap": True})],
)  # fmt: skip
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """``max(0, distance to the positive - distance to the negative + margin)``.

    Args:
        anchor, positive, negative: shape ``(N, D)`` or ``(D,)``.
        margin: how much nearer the positive should be.
        p, eps: of :func:`pairwise_distance`.
        swap: use the smaller of the negative's distances to the anchor and to the positive.
        reduction: "mean", "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        RuntimeError: the margin is negative, or the numbers of dimensions differ.

    Example:
        >>> a, n = tp.zeros(1, 2), tp.tensor([[3.0, 4.0]])
        >>> round(tp.nn.functional.triplet_margin_loss(a, a, n).item(), 4)
        0.0
    """
    name = "triplet_margin_loss"
    reduction = reduction_of(name, reduction, size_average, reduce)
    dims = [len(x._h.shape) for x in (anchor, positive, negative)]
    require(len(set(dims)) == 1, name, "inputs with as many dimensions", dims)
    require(margin > 0, name, "a margin greater than 0", margin)

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return tp.nn.functional.pairwise_distance(x, y, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, distance: Callable[..., Tensor],
    margin: float, swap: bool, reduction: str,
) -> Tensor:  # fmt: skip
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = tp.minimum(far, distance(positive, negative))
    return reduced((near - far + margin).clamp_min(0), reduction)


@function(namespace="nn.functional", samples=lambda t: [(t(2, 3), t(2, 3), t(2, 3))])
def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """:func:`triplet_margin_loss` with any distance.

    Raises:
        ValueError: the margin is not positive.

    Example:
        >>> a, n = tp.zeros(1, 2), tp.tensor([[3.0, 4.0]])
        >>> tp.nn.functional.triplet_margin_with_distance_loss(a, n, n).item()
        1.0
    """
    name = "triplet_margin_with_distance_loss"
    if margin <= 0:
        raise OpValueError(f"{name}: expected a margin greater than 0, got {margin}", op=name)
    distance = distance_function or tp.nn.functional.pairwise_distance
    return _triplet(anchor, positive, negative, distance, margin, swap,
                    reduction_of(name, reduction))  # fmt: skip

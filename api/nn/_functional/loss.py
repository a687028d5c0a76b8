"""Losses of classifiers: negative log-likelihood and the cross-entropies."""

from __future__ import annotations

import math
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpIndexError, OpValueError
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, reduced, reduction_of, require

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div",
    "nll_loss", "softmin",
]  # fmt: skip

_nll, _log_softmax = ROWS["nll_loss"].call, ROWS["log_softmax"].call


def _check_classes(name: str, input: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Shapes ``(N, C, *)`` and ``(N, *)``, or ``(C,)`` and ``()``; types; the weight's size."""
    is_tensor(name, "input", input)
    is_tensor(name, "target", target)
    size, wanted = tuple(input._h.shape), tuple(target._h.shape)
    require(len(size) > 0, name, "an input of one dimension or more", size)
    fits = wanted == ((size[0], *size[2:]) if len(size) > 1 else ())
    if not fits:
        raise OpValueError(
            f"{name}: expected a target of shape {(size[0], *size[2:]) if len(size) > 1 else ()} "
            f"for an input of shape {size}, got {wanted}; input batch_size must match target "
            "batch_size",
            op=name,
        )
    require(
        target._dtype in (tp.int64, tp.uint8), name, "a target of dtype int64 (Long)",
        target._dtype, "convert it with .long()",
    )  # fmt: skip
    channels = size[1] if len(size) > 1 else size[0]
    if weight is not None:
        require(
            tuple(weight._h.shape) == (channels,), name,
            f"a weight for each of the {channels} classes", f"shape {tuple(weight._h.shape)}",
            "weight tensor should be defined either for all classes or no classes",
        )  # fmt: skip
        require(
            weight._dtype is input._dtype, name, f"a weight of dtype {input._dtype}", weight._dtype
        )


def _no_class(name: str, classes: int, target: Tensor, ignore: int) -> OpIndexError:
    """The error for a target that is no class, to be raised."""
    numbers = target.reshape(-1).tolist()
    wrong = next(n for n in numbers if n != ignore and not 0 <= n < classes)
    return OpIndexError(
        f"{name}: expected classes in [0, {classes - 1}], got {wrong}; Target {wrong} is out of "
        f"bounds: only ignore_index={ignore} may lie outside",
        op=name,
        got=wrong,
    )


def _likelihood(
    name: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int,
    reduction: str,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The loss of log-probabilities, and what "mean" divides by."""
    size = tuple(input._h.shape)
    if len(size) == 1:
        x, y = input.reshape(1, size[0], 1), target.reshape(1, 1)
    elif len(size) == 2:
        x, y = input.unsqueeze(2), target.unsqueeze(1)
    else:
        rest = math.prod(size[2:])
        x, y = input.reshape(size[0], size[1], rest), target.reshape(size[0], rest)
    try:
        loss, total = _nll(x, y, weight, reduction, int(ignore_index))
    except OpIndexError:
        raise _no_class(name, x._h.shape[1], y, ignore_index) from None
    if reduction == "none":
        loss = loss.reshape(tuple(target._h.shape))
    return loss, total


@function(
    namespace="nn.functional", row="nll_loss",
    samples=lambda t: [
        (t(4, 3), t.int((4,), 0, 3)), (t(3), t.int((), 0, 3)),
        (t(2, 3, 4, 2), t.int((2, 4, 2), 0, 3), t.pos((3,)), {"reduction": "sum"}),
        (t(4, 3), t.int((4,), 0, 3), {"ignore_index": 1, "reduction": "none"}),
    ],
)  # fmt: skip
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The negative log-likelihood of the right classes.

    Args:
        input: log-probabilities, shape ``(N, C, *)`` or ``(C,)``.
        target: class numbers, int64, shape ``(N, *)`` or ``()``.
        weight: a factor for each class, shape ``(C,)``.
        ignore_index: targets of this value do not count.
        reduction: "mean" (divides by the sum of the weights), "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        ValueError: shapes do not fit.
        IndexError: a target is no class number.

    Example:
        >>> x = tp.tensor([[-0.5, -1.0]])
        >>> tp.nn.functional.nll_loss(x, tp.tensor([1])).item()
        1.0
    """
    reduction = reduction_of("nll_loss", reduction, size_average, reduce)
    _check_classes("nll_loss", input, target, weight)
    return _likelihood("nll_loss", input, target, weight, ignore_index, reduction)[0]


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(4, 3), t.int((4,), 0, 3)), (t(3), t.int((), 0, 3)),
        (t(2, 3, 4), t.int((2, 4), 0, 3), t.pos((3,)), {"label_smoothing": 0.1}),
        (t(4, 3), t.pos((4, 3)), {"reduction": "sum"}),
        (t(4, 3), t.int((4,), 0, 3), {"ignore_index": 1, "reduction": "none"}),
    ],
)  # fmt: skip
def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """Softmax over the classes, then the negative log-likelihood of the right ones.

    Args:
        input: scores, shape ``(N, C, *)`` or ``(C,)``.
        target: class numbers, shape ``(N, *)``; or probabilities of ``input``'s shape.
        weight: a factor for each class, shape ``(C,)``.
        ignore_index: class numbers of this value do not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: mix this part of an even distribution into the targets.
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        ValueError: shapes do not fit.
        IndexError: a target is no class number.

    Example:
        >>> round(tp.nn.functional.cross_entropy(tp.zeros(1, 2), tp.tensor([0])).item(), 4)
        0.6931
    """
    reduction = reduction_of("cross_entropy", reduction, size_average, reduce)
    is_tensor("cross_entropy", "input", input)
    is_tensor("cross_entropy", "target", target)
    require(0 <= label_smoothing <= 1, "cross_entropy", "label_smoothing from 0.0 to 1.0",
            label_smoothing)  # fmt: skip
    soft = target._h.shape == input._h.shape and target._dtype.is_floating_point
    if not soft:
        _check_classes("cross_entropy", input, target, weight)
    dims = len(input._h.shape)
    require(dims > 0, "cross_entropy", "an input of one dimension or more", ())
    dim = 1 if dims > 1 else 0
    scores = _log_softmax(input, dim)
    if soft:
        return _soft(scores, target, weight, reduction, label_smoothing, dim)
    if not label_smoothing:
        return _likelihood("cross_entropy", scores, target, weight, ignore_index, reduction)[0]
    return _smoothed(scores, target, weight, ignore_index, reduction, label_smoothing, dim)


def _per_class(weight: Tensor, scores: Tensor, dim: int) -> Tensor:
    return weight.reshape(-1, *(1,) * (len(scores._h.shape) - dim - 1))


def _soft(
    scores: Tensor, target: Tensor, weight: Tensor | None, reduction: str, smoothing: float,
    dim: int,
) -> Tensor:  # fmt: skip
    """Targets that are probabilities."""
    size = tuple(scores._h.shape)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / size[dim]
    terms = scores * target
    if weight is not None:
        require(tuple(weight._h.shape) == (size[dim],), "cross_entropy",
                f"a weight of shape ({size[dim]},)", tuple(weight._h.shape))  # fmt: skip
        terms = terms * _per_class(weight, scores, dim)
    if reduction == "none":
        return -terms.sum(dim)
    loss = -terms.sum()
    return loss / (math.prod(size) // max(size[dim], 1)) if reduction == "mean" else loss


def _smoothed(
    scores: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
    smoothing: float, dim: int,
) -> Tensor:  # fmt: skip
    """Class numbers, mixed with an even distribution."""
    inner = "sum" if reduction == "mean" else reduction
    likelihood, total = _likelihood("cross_entropy", scores, target, weight, ignore_index, inner)
    even = -(scores if weight is None else scores * _per_class(weight, scores, dim)).sum(dim)
    even = tp.where(target == ignore_index, 0, even)
    if reduction != "none":
        even = even.sum()
    loss = likelihood * (1 - smoothing) + even * (smoothing / scores._h.shape[dim])
    return loss / total.detach() if reduction == "mean" else loss


# --- two classes ----------------------------------------------------------------------------------


def _same_size(name: str, input: Tensor, target: Tensor) -> None:
    is_tensor(name, "input", input)
    is_tensor(name, "target", target)
    if input._h.shape != target._h.shape:
        raise OpValueError(
            f"{name}: expected a target of shape {tuple(input._h.shape)}, got "
            f"{tuple(target._h.shape)}; target size must be the same as input size",
            op=name,
        )


@function(
    namespace="nn.functional", domain=(0.05, 0.95),
    samples=lambda t: [(t(2, 3), t(2, 3)), (t(2, 3), t(2, 3), t.pos((3,)), {"reduction": "sum"}),
                       (t(3), t(3), {"reduction": "none"})],
)  # fmt: skip
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The cross-entropy of probabilities; logarithms are cut off at -100.

    Args:
        input: probabilities, any shape.
        target: probabilities, of the same shape.
        weight: a factor for each element, broadcast.
        reduction: "mean", "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        ValueError: the shapes differ.
        RuntimeError: an input is not from 0 to 1.

    Example:
        >>> x, y = tp.tensor([0.5]), tp.tensor([1.0])
        >>> round(tp.nn.functional.binary_cross_entropy(x, y).item(), 4)
        0.6931
    """
    name = "binary_cross_entropy"
    reduction = reduction_of(name, reduction, size_average, reduce)
    _same_size(name, input, target)
    require(input._dtype.is_floating_point, name, "a floating-point input", input._dtype)
    require(target._dtype is input._dtype, name, f"a target of dtype {input._dtype}",
            target._dtype)  # fmt: skip
    with tp.no_grad():
        outside = bool(((input < 0) | (input > 1)).any()) if input.numel() else False
    require(not outside, name, "all elements of input between 0 and 1", "others",
            "apply a sigmoid first, or use binary_cross_entropy_with_logits")  # fmt: skip
    losses = ROWS["binary_cross_entropy"].call(input, target)
    return reduced(losses if weight is None else losses * weight, reduction)


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(2, 3), t.pos((2, 3))), (t(3), t.pos((3,)), {"reduction": "none"}),
        (t(2, 3), t.pos((2, 3)), t.pos((3,)), {"reduction": "sum", "pos_weight": t.pos((3,))}),
    ],
)  # fmt: skip
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None,
    reduce: Any = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Sigmoid and :func:`binary_cross_entropy` in one, without overflow.

    Args:
        input: scores, any shape.
        target, weight, reduction: as for :func:`binary_cross_entropy`.
        pos_weight: a factor for positive targets, broadcast.
        size_average, reduce: deprecated spellings of ``reduction``.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> F = tp.nn.functional
        >>> round(F.binary_cross_entropy_with_logits(tp.zeros(1), tp.ones(1)).item(), 4)
        0.6931
    """
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(name, reduction, size_average, reduce)
    _same_size(name, input, target)
    # -log(sigmoid(x)) is softplus(-x); it is the loss of target 1, and x + it that of target 0.
    positive = -ROWS["logsigmoid"].call(input)
    if pos_weight is None:
        losses = (1 - target) * input + positive
    else:
        losses = (1 - target) * input + ((pos_weight - 1) * target + 1) * positive
    return reduced(losses if weight is None else losses * weight, reduction)


# --- distributions --------------------------------------------------------------------------------


@function(
    namespace="nn.functional", domain=(0.1, 1),
    samples=lambda t: [(t(2, 3), t(2, 3)), (t(2, 3), t(2, 3), {"reduction": "batchmean"}),
                       (t(3), t(3), {"reduction": "sum", "log_target": True})],
)  # fmt: skip
def kl_div(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """The Kullback-Leibler divergence: ``target * (log(target) - input)``, summed up.

    Args:
        input: log-probabilities.
        target: probabilities, or their logarithms when ``log_target``; broadcast.
        reduction: "batchmean" (the divergence), "mean" (over all elements), "sum" or "none".
        size_average, reduce: deprecated spellings of ``reduction``.
        log_target: as above.

    Example:
        >>> p = tp.tensor([[0.5, 0.5]])
        >>> tp.nn.functional.kl_div(p.log(), p, reduction="batchmean").item()
        0.0
    """
    is_tensor("kl_div", "input", input)
    is_tensor("kl_div", "target", target)
    batch = reduction == "batchmean"
    reduction = reduction_of("kl_div", "sum" if batch else reduction, size_average, reduce)
    losses = (
        target.exp() * (target - input)
        if log_target
        else (tp.special.xlogy(target, target) - target * input)
    )
    loss = reduced(losses, reduction)
    return loss / input.size(0) if batch and len(input._h.shape) else loss


@function(namespace="nn.functional", samples=lambda t: [(t(2, 3), 1), (t(3), 0)])
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """:func:`tensorplug.softmax` of ``-input``.

    Example:
        >>> tp.nn.functional.softmin(tp.zeros(2), 0).tolist()
        [0.5, 0.5]
    """
    return tp.nn.functional.softmax(-input, dim, _stacklevel, dtype)

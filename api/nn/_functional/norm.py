"""Normalisation over the batch, the features, groups of channels; and of vectors."""

from __future__ import annotations

import math
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpValueError
from tensorplug.autograd.inplace import write_out
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, require, widened

__all__ = [
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize",
    "rms_norm",
]  # fmt: skip

_standardize = ROWS["standardize"].call


def _column(x: Any, rank: int) -> Any:
    """One value per channel, shaped to broadcast over ``(N, C, *)``."""
    return None if x is None else x.reshape(-1, *(1,) * (rank - 2))


def _check(name: str, input: Tensor, channels: int, **given: Tensor | None) -> None:
    for what, x in given.items():
        if x is not None:
            require(
                tuple(x._h.shape) == (channels,), name,
                f"{what} of shape ({channels},)", tuple(x._h.shape),
            )  # fmt: skip


def _floating(name: str, input: Tensor) -> None:
    is_tensor(name, "input", input)
    require(input._dtype.is_floating_point, name, "a floating-point input", input._dtype,
            "convert it with .float()")  # fmt: skip


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(4, 3), None, None, t(3), t(3), True), (t(2, 3, 4, 2), None, None, None, None, True),
        (t(2, 3, 4), t(3), t.pos((3,)), t(3), t(3)), (t(2, 3, 2, 2), t(3), t.pos((3,))),
    ],
)  # fmt: skip
def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise each channel over the batch and all positions.

    Args:
        input: shape ``(N, C, *)``.
        running_mean, running_var: shape ``(C,)``; used as they are outside of training, in
            training updated in place (the variance with ``n - 1``).
        weight, bias: scale and shift of each channel, shape ``(C,)``, or None.
        training: whether to use this batch's mean and variance.
        momentum: the weight of this batch in the running values.
        eps: added to the variance.

    Raises:
        ValueError: in training each channel has a single value.
        RuntimeError: a shape does not fit.

    Example:
        >>> x = tp.tensor([[1.0], [3.0]])
        >>> tp.nn.functional.batch_norm(x, None, None, training=True).round().tolist()
        [[-1.0], [1.0]]
    """
    name = "batch_norm"
    _floating(name, input)
    size = tuple(input._h.shape)
    if size == (0,):
        return input.clone()
    require(len(size) >= 2, name, "an input of 2 dimensions or more", size)
    _check(name, input, size[1], running_mean=running_mean, running_var=running_var,
           weight=weight, bias=bias)  # fmt: skip
    rank = len(size)
    if not training:
        require(
            running_mean is not None and running_var is not None, name,
            "running_mean and running_var in evaluation mode", "None",
        )  # fmt: skip
        return _fixed(input, running_mean, running_var, weight, bias, eps)
    count = math.prod(size) // max(size[1], 1)
    if size[0] * math.prod(size[2:]) == 1:
        raise OpValueError(
            f"{name}: expected more than 1 value per channel when training, got input size {size}",
            op=name,
        )
    dims = (0, *range(2, rank))
    out, mean, scale = _standardize(
        input, _column(weight, rank), _column(bias, rank), dims, float(eps)
    )
    _update(running_mean, running_var, mean, scale, count, momentum, eps)
    return out


def _update(
    running_mean: Tensor | None, running_var: Tensor | None, mean: Tensor, scale: Tensor,
    count: int, momentum: float, eps: float,
) -> None:  # fmt: skip
    with tp.no_grad():
        if running_mean is not None:
            step = mean.detach().reshape(-1).to(running_mean._dtype) - running_mean
            running_mean.add_(step * momentum)
        if running_var is not None:
            variance = scale.detach().reshape(-1).square().reciprocal() - eps
            unbiased = variance * (count / max(count - 1, 1))
            running_var.add_((unbiased.to(running_var._dtype) - running_var) * momentum)


def _fixed(
    input: Tensor, mean: Any, variance: Any, weight: Tensor | None, bias: Tensor | None,
    eps: float,
) -> Tensor:  # fmt: skip
    """With known mean and variance: one product and one sum."""
    rank = len(input._h.shape)
    x, mean, variance, weight, bias = widened(input, mean, variance, weight, bias)
    scale = (variance + eps).rsqrt()
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return (x * _column(scale, rank) + _column(shift, rank)).to(input._dtype)


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(2, 3, 4), None, None, t(3), t(3)), (t(2, 3, 4, 2),),
        (t(2, 3, 4), t(3), t.pos((3,)), {"use_input_stats": False}),
    ],
)  # fmt: skip
def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise each channel of each sample over its positions.

    Args:
        input: shape ``(N, C, *)`` with at least one further dimension.
        use_input_stats: False normalises with the running values, as :func:`batch_norm` does.
        running_mean, running_var, weight, bias, momentum, eps: as for :func:`batch_norm`.

    Raises:
        ValueError: each channel of a sample has a single value.
        RuntimeError: a shape does not fit.

    Example:
        >>> x = tp.tensor([[[1.0, 3.0]]])
        >>> tp.nn.functional.instance_norm(x).round().tolist()
        [[[-1.0, 1.0]]]
    """
    name = "instance_norm"
    _floating(name, input)
    size = tuple(input._h.shape)
    require(len(size) >= 2, name, "an input of 2 dimensions or more", size)
    _check(name, input, size[1], running_mean=running_mean, running_var=running_var,
           weight=weight, bias=bias)  # fmt: skip
    if not use_input_stats:
        require(
            running_mean is not None and running_var is not None, name,
            "running_mean and running_var when use_input_stats=False", "None",
        )  # fmt: skip
        return _fixed(input, running_mean, running_var, weight, bias, eps)
    count, rank = math.prod(size[2:]), len(size)
    if count == 1:
        raise OpValueError(
            f"{name}: expected more than 1 spatial element when training, got input size {size}",
            op=name,
        )
    out, mean, scale = _standardize(
        input, _column(weight, rank), _column(bias, rank), tuple(range(2, rank)), float(eps)
    )
    if running_mean is not None or running_var is not None:
        with tp.no_grad():
            rows = mean.detach().reshape(size[0], size[1]).mean(0)
            variance = scale.detach().reshape(size[0], size[1]).square().reciprocal() - eps
            pooled = (variance.mean(0) + eps).rsqrt()
        _update(running_mean, running_var, rows, pooled, count, momentum, eps)
    return out


@function(
    namespace="nn.functional", row="standardize",
    samples=lambda t: [(t(2, 3, 4), (4,), t(4), t(4)), (t(2, 3, 4), (3, 4)), (t(0, 3), (3,))],
)  # fmt: skip
def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise over the last dimensions.

    Args:
        input: shape ``(*, *normalized_shape)``.
        normalized_shape: the sizes to normalise over.
        weight, bias: scale and shift of each element, of that shape, or None.
        eps: added to the variance.

    Raises:
        RuntimeError: a shape does not fit.

    Example:
        >>> tp.nn.functional.layer_norm(tp.tensor([1.0, 3.0]), (2,)).round().tolist()
        [-1.0, 1.0]
    """
    _floating("layer_norm", input)
    dims = _last("layer_norm", input, normalized_shape, weight, bias)
    return _standardize(input, weight, bias, dims, float(eps))[0]


def _last(
    name: str, input: Tensor, shape: Any, weight: Tensor | None, bias: Tensor | None = None
) -> tuple[int, ...]:
    """The dimensions that a normalized shape stands for."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    size = tuple(input._h.shape)
    require(len(shape) > 0, name, "normalized_shape of one dimension or more", shape)
    for what, x in (("weight", weight), ("bias", bias)):
        if x is not None:
            require(tuple(x._h.shape) == shape, name, f"{what} of shape {shape}",
                    tuple(x._h.shape))  # fmt: skip
    require(
        size[-len(shape) :] == shape, name,
        f"an input of shape (*, {', '.join(map(str, shape))})", size,
    )  # fmt: skip
    return tuple(range(len(size) - len(shape), len(size)))


@function(
    namespace="nn.functional", row="rms_norm",
    samples=lambda t: [(t(2, 3, 4), (4,), t(4)), (t(2, 3, 4), (3, 4))],
)  # fmt: skip
def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root of the mean square over the last dimensions.

    Args:
        input, normalized_shape, weight: as for :func:`layer_norm`.
        eps: added to the mean square; the dtype's epsilon when None.

    Raises:
        RuntimeError: a shape does not fit.

    Example:
        >>> tp.nn.functional.rms_norm(tp.tensor([3.0, -3.0]), (2,)).round().tolist()
        [1.0, -1.0]
    """
    is_tensor("rms_norm", "input", input)
    dims = _last("rms_norm", input, normalized_shape, weight)
    epsilon = tp.finfo(input._dtype).eps if eps is None else float(eps)
    if input._dtype.is_complex:
        out = input * (input.square().mean(dims, keepdim=True) + epsilon).rsqrt()
        return out if weight is None else out * weight
    return ROWS["rms_norm"].call(input, weight, dims, epsilon)[0]


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 4, 3), 2, t(4), t(4)), (t(2, 6), 3), (t(1, 4, 2, 2), 4)],
)  # fmt: skip
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise each group of channels of each sample.

    Args:
        input: shape ``(N, C, *)``.
        num_groups: how many groups the channels are divided into.
        weight, bias: scale and shift of each channel, shape ``(C,)``, or None.
        eps: added to the variance.

    Raises:
        RuntimeError: the channels cannot be divided, or a shape does not fit.

    Example:
        >>> x = tp.tensor([[1.0, 3.0]])
        >>> tp.nn.functional.group_norm(x, 1).round().tolist()
        [[-1.0, 1.0]]
    """
    _floating("group_norm", input)
    size = tuple(input._h.shape)
    require(len(size) >= 2, "group_norm", "an input of 2 dimensions or more", size)
    require(num_groups > 0, "group_norm", "a positive number of groups", num_groups)
    require(size[1] % num_groups == 0, "group_norm",
            f"channels divisible by num_groups={num_groups}", size[1])  # fmt: skip
    _check("group_norm", input, size[1], weight=weight, bias=bias)
    shape = (size[0], num_groups, size[1] // num_groups, math.prod(size[2:]))

    def affine(x: Tensor | None) -> Tensor | None:
        return None if x is None else x.reshape(1, num_groups, shape[2], 1)

    grouped = input.reshape(shape)
    out = _standardize(grouped, affine(weight), affine(bias), (2, 3), float(eps))[0]
    return out.reshape(size)


# --- vectors --------------------------------------------------------------------------------------


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3),), (t(2, 3), 1.0, 0), (t(3), 2.0, {"dim": -1})],
)  # fmt: skip
def normalize(
    input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Divide vectors by their p-norm.

    Args:
        input: any shape.
        p: which norm.
        dim: the dimension (or dimensions) that the vectors lie along.
        eps: the smallest number to divide by.
        out: where to store the result.

    Example:
        >>> tp.nn.functional.normalize(tp.tensor([3.0, 4.0]), dim=0).tolist()
        [0.6000000238418579, 0.800000011920929]
    """
    is_tensor("normalize", "input", input)
    norm = tp.linalg.vector_norm(input, p, dim=dim, keepdim=True)
    result = input / norm.clamp_min(eps)
    return result if out is None else write_out("normalize", out, result)


@function(namespace="nn.functional", samples=lambda t: [(t(2, 5, 3), 3), (t(1, 4, 2, 2), 2, 0.1)])
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by a power of the mean square over neighbouring channels.

    Args:
        input: shape ``(N, C, *)`` with at least one further dimension.
        size: how many channels count as neighbours.
        alpha, beta, k: the divisor is ``(k + alpha * mean) ** beta``.

    Raises:
        ValueError: the input has fewer than 3 dimensions.

    Example:
        >>> tp.nn.functional.local_response_norm(tp.zeros(1, 3, 2), 2).tolist()[0][0]
        [0.0, 0.0]
    """
    is_tensor("local_response_norm", "input", input)
    shape = tuple(input._h.shape)
    if len(shape) < 3:
        raise OpValueError(
            f"local_response_norm: expected 3D or higher dimensionality input, got {len(shape)} "
            "dimensions",
            op="local_response_norm",
        )
    if not input.numel():
        return input
    squares = input.square().reshape(shape[0], 1, shape[1], -1)
    padded = tp.nn.functional.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = tp.nn.functional.avg_pool2d(padded, (size, 1), stride=1).reshape(shape)
    return input / (mean * alpha + k) ** beta

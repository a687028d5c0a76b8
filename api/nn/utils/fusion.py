"""Folding a batch norm, in evaluation, into the layer in front of it."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ..module import Module
from ..parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights",
]  # fmt: skip

_Layer = TypeVar("_Layer", bound=Module)


def _check(name: str, layer: Module, norm: Any) -> None:
    if layer.training or norm.training:
        raise AssertionError(f"{name}: expected both modules in evaluation mode, got training mode")
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"{name}: expected a batch norm with running statistics, got none")


def fuse_conv_bn_eval(conv: _Layer, bn: Any, transpose: bool = False) -> _Layer:
    """A copy of a convolution that also does what the batch norm after it does.

    Args:
        conv: a convolution in evaluation mode.
        bn: a batch norm in evaluation mode.
        transpose: the convolution is a transposed one.

    Raises:
        AssertionError: one of them is in training mode.
        ValueError: the batch norm keeps no statistics.

    Example:
        >>> conv, norm = tp.nn.Conv2d(1, 2, 3).eval(), tp.nn.BatchNorm2d(2).eval()
        >>> tp.nn.utils.fuse_conv_bn_eval(conv, norm)(tp.ones(1, 1, 3, 3)).shape
        tensorplug.Size([1, 2, 1, 1])
    """
    _check("fuse_conv_bn_eval", conv, bn)
    fused: Any = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose,
    )  # fmt: skip
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of :func:`fuse_conv_bn_eval`.

    Args:
        conv_w, conv_b: of the convolution.
        bn_rm, bn_rv: running mean and variance.
        bn_eps: added to the variance.
        bn_w, bn_b: of the batch norm.
        transpose: output channels are the weight's second dimension.
    """
    scale = (bn_rv + bn_eps).rsqrt()
    if bn_w is not None:
        scale = bn_w * scale
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    bias = -bn_rm if conv_b is None else conv_b - bn_rm
    bias = bias * scale if bn_b is None else bias * scale + bn_b
    needs = conv_w.requires_grad, conv_w.requires_grad if conv_b is None else conv_b.requires_grad
    with tp.no_grad():
        weight = (conv_w * scale.reshape(shape)).to(conv_w.dtype)
        return Parameter(weight, needs[0]), Parameter(bias.detach().to(conv_w.dtype), needs[1])


def fuse_linear_bn_eval(linear: _Layer, bn: Any) -> _Layer:
    """A copy of a :class:`Linear` that also does what the batch norm after it does.

    Args:
        linear: in evaluation mode.
        bn: a batch norm in evaluation mode, of as many features or of one.

    Raises:
        AssertionError: one of them is in training mode, or the features do not fit.
        ValueError: the batch norm keeps no statistics.

    Example:
        >>> linear, norm = tp.nn.Linear(2, 3).eval(), tp.nn.BatchNorm1d(3).eval()
        >>> tp.nn.utils.fuse_linear_bn_eval(linear, norm)(tp.ones(4, 2)).shape
        tensorplug.Size([4, 3])
    """
    _check("fuse_linear_bn_eval", linear, bn)
    fused: Any = copy.deepcopy(linear)
    if bn.num_features not in (1, fused.out_features):
        raise AssertionError(
            f"fuse_linear_bn_eval: expected a batch norm of 1 or {fused.out_features} features, "
            f"got {bn.num_features}"
        )
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor, bn_b: Tensor,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of :func:`fuse_linear_bn_eval`; arguments as for a convolution."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)

"""Activation functions that write into their input, under names with an underscore."""

from __future__ import annotations

from tensorplug.autograd.tensor import Tensor

from . import activation

__all__ = [
    "celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_",
]  # fmt: skip


def relu_(input: Tensor) -> Tensor:
    """:func:`relu` in place."""
    return activation.relu(input, True)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """:func:`threshold` in place."""
    return activation.threshold(input, threshold, value, True)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """:func:`hardtanh` in place."""
    return activation.hardtanh(input, min_val, max_val, True)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """:func:`leaky_relu` in place."""
    return activation.leaky_relu(input, negative_slope, True)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """:func:`rrelu` in place."""
    return activation.rrelu(input, lower, upper, training, True)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """:func:`elu` in place."""
    return activation.elu(input, alpha, True)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """:func:`celu` in place."""
    return activation.celu(input, alpha, True)


def selu_(input: Tensor) -> Tensor:
    """:func:`selu` in place."""
    return activation.selu(input, True)

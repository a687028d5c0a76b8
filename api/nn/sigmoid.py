"""Sigmoid, tanh and what is made of them; softmax and what is made of it."""

from __future__ import annotations

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from ._settings import SettingsLayer
from .module import Module

__all__ = [
    "GLU", "LogSigmoid", "LogSoftmax", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softsign",
    "Tanh", "Tanhshrink",
]  # fmt: skip


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``.

    Example:
        >>> tp.nn.Sigmoid()(tp.zeros(1)).tolist()
        [0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        return tp.sigmoid(input)


class LogSigmoid(Module):
    """``log(sigmoid(x))``, accurate everywhere.

    Example:
        >>> round(tp.nn.LogSigmoid()(tp.tensor(0.0)).item(), 4)
        -0.6931
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    Example:
        >>> tp.nn.Tanh()(tp.zeros(1)).tolist()
        [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return tp.tanh(input)


class GLU(SettingsLayer):
    """One half of the input along ``dim`` times the sigmoid of the other.

    Example:
        >>> tp.nn.GLU()(tp.tensor([4.0, 0.0])).tolist()
        [2.0]
    """

    _shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)


class Softsign(Module):
    """``x / (1 + |x|)``.

    Example:
        >>> tp.nn.Softsign()(tp.tensor([1.0])).tolist()
        [0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Module):
    """``x - tanh(x)``.

    Example:
        >>> tp.nn.Tanhshrink()(tp.zeros(1)).tolist()
        [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


# --- along a dimension ---------------------------------------------------------------------------


class _AlongDim(SettingsLayer):
    """The constructor of those with an optional dimension."""

    _shown = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


class Softmax(_AlongDim):
    """``exp(x)`` scaled so that the sum along ``dim`` is 1.

    Example:
        >>> tp.nn.Softmax(dim=0)(tp.zeros(2)).tolist()
        [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """The logarithm of :class:`Softmax`, accurate everywhere.

    Example:
        >>> tp.nn.LogSoftmax(dim=0)(tp.zeros(1)).tolist()
        [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """:class:`Softmax` of ``-x``.

    Example:
        >>> tp.nn.Softmin(dim=0)(tp.zeros(2)).tolist()
        [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """:class:`Softmax` over the channels of images ``(N, C, H, W)`` or ``(C, H, W)``.

    Raises:
        ValueError: the input has another number of dimensions.

    Example:
        >>> tp.nn.Softmax2d()(tp.zeros(2, 1, 1)).flatten().tolist()
        [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input of 3 or 4 dimensions, got {tuple(input.shape)}"
            )
        return F.softmax(input, -3)

"""Activation functions as layers; all keep the input's shape."""

from __future__ import annotations

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = ["GELU", "LeakyReLU", "LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Tanh"]


class ReLU(Module):
    """``max(0, x)``.

    Args:
        inplace: write into the input.

    Example:
        >>> tp.nn.ReLU()(tp.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        """Shown only when in place."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """``x`` where positive, ``negative_slope * x`` elsewhere.

    Example:
        >>> tp.nn.LeakyReLU(0.5)(tp.tensor([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class GELU(Module):
    """``x`` times the probability that a standard normal number is below ``x``.

    Args:
        approximate: "none", or "tanh" for the faster approximation.

    Example:
        >>> tp.nn.GELU()(tp.tensor([0.0])).tolist()
        [0.0]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """The kind."""
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``.

    Example:
        >>> tp.nn.Sigmoid()(tp.zeros(1)).tolist()
        [0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return tp.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    Example:
        >>> tp.nn.Tanh()(tp.zeros(1)).tolist()
        [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Element by element."""
        return tp.tanh(input)


class Softmax(Module):
    """``exp(x)`` scaled so that the sum along ``dim`` is 1.

    Example:
        >>> tp.nn.Softmax(dim=0)(tp.zeros(2)).tolist()
        [0.5, 0.5]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Along ``dim``."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of :class:`Softmax`, computed without overflow.

    Example:
        >>> tp.nn.LogSoftmax(dim=0)(tp.tensor([0.0])).tolist()
        [0.0]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Along ``dim``."""
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"dim={self.dim}"

"""Pooling layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = ["AvgPool2d", "MaxPool2d"]


class MaxPool2d(Module):
    """The largest value in each window of an image.

    Input ``(batch, channels, height, width)`` or without the batch.

    Args:
        kernel_size: the window, one number or two.
        stride: the step between windows; ``kernel_size`` when None.
        padding: cells of minus infinity around the image.
        dilation: the step inside a window.
        return_indices: also return where the largest values were.
        ceil_mode: keep a last window that hangs over the edge.

    Example:
        >>> tp.nn.MaxPool2d(2)(tp.zeros(1, 3, 8, 8)).shape
        tensorplug.Size([1, 3, 4, 4])
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        """The pooled image, and the indices when ``return_indices``."""
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        """All settings but ``return_indices``."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window of an image.

    Input ``(batch, channels, height, width)`` or without the batch.

    Args:
        kernel_size: the window, one number or two.
        stride: the step between windows; ``kernel_size`` when None.
        padding: cells of zeros around the image.
        ceil_mode: keep a last window that hangs over the edge.
        count_include_pad: whether the padding counts in the mean.
        divisor_override: divide by this instead of the window's size.

    Example:
        >>> tp.nn.AvgPool2d(2)(tp.ones(1, 3, 8, 8)).shape
        tensorplug.Size([1, 3, 4, 4])
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """The pooled image."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Window, step and padding."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

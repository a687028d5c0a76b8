"""Pooling layers over windows of one, two or three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from ._settings import SettingsLayer

__all__ = [
    "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip

Sizes = int | Sequence[int]


def _single(value: Any) -> Any:
    """``2`` as ``(2,)``, which is how PyTorch keeps and prints some sizes."""
    return tuple(value) if isinstance(value, Sequence) else (value,)


# --- largest --------------------------------------------------------------------------------------


class _MaxPoolNd(SettingsLayer):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
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
        """The pooled tensor, and the indices when ``return_indices``."""
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )  # fmt: skip


class MaxPool1d(_MaxPoolNd):
    """The largest value in each window of a sequence; arguments as for :class:`MaxPool2d`.

    Example:
        >>> tp.nn.MaxPool1d(2)(tp.tensor([[1.0, 3.0, 2.0, 0.0]])).tolist()
        [[3.0, 2.0]]
    """

    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
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

    _function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The largest value in each window of a volume; arguments as for :class:`MaxPool2d`.

    Example:
        >>> tp.nn.MaxPool3d(2)(tp.zeros(1, 3, 4, 4, 4)).shape
        tensorplug.Size([1, 3, 2, 2, 2])
    """

    _function = staticmethod(F.max_pool3d)


class _MaxUnpoolNd(SettingsLayer):
    _shown = ("kernel_size", "stride", "padding")
    _function: ClassVar[Callable[..., Tensor]]
    _window_dims: ClassVar[int]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()

        def repeat(value: Sizes) -> tuple[int, ...]:
            return (value,) * self._window_dims if isinstance(value, int) else tuple(value)

        self.kernel_size = repeat(kernel_size)
        self.stride = repeat(kernel_size if stride is None else stride)
        self.padding = repeat(padding)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Put ``input`` where ``indices`` say, among zeros; of ``output_size`` if it is given."""
        return self._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the results of :class:`MaxPool1d` back where they came from, among zeros.

    Args:
        kernel_size, stride, padding: those of the pooling.

    Example:
        >>> x = tp.tensor([[1.0, 3.0, 2.0, 0.0]])
        >>> y, where = tp.nn.MaxPool1d(2, return_indices=True)(x)
        >>> tp.nn.MaxUnpool1d(2)(y, where).tolist()
        [[0.0, 3.0, 2.0, 0.0]]
    """

    _window_dims, _function = 1, staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the results of :class:`MaxPool2d` back where they came from, among zeros.

    Example:
        >>> y, where = tp.nn.MaxPool2d(2, return_indices=True)(tp.ones(1, 5, 4))
        >>> tp.nn.MaxUnpool2d(2)(y, where, output_size=(5, 4)).shape
        tensorplug.Size([1, 5, 4])
    """

    _window_dims, _function = 2, staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the results of :class:`MaxPool3d` back where they came from, among zeros.

    Example:
        >>> y, where = tp.nn.MaxPool3d(2, return_indices=True)(tp.ones(1, 4, 4, 4))
        >>> tp.nn.MaxUnpool3d(2)(y, where).shape
        tensorplug.Size([1, 4, 4, 4])
    """

    _window_dims, _function = 3, staticmethod(F.max_unpool3d)


# --- mean -----------------------------------------------------------------------------------------


class AvgPool1d(SettingsLayer):
    """The mean of each window of a sequence ``(batch, channels, length)``.

    Args:
        kernel_size, stride, padding, ceil_mode, count_include_pad: as for :class:`AvgPool2d`.

    Example:
        >>> tp.nn.AvgPool1d(2)(tp.tensor([[1.0, 3.0, 2.0, 0.0]])).tolist()
        [[2.0, 1.0]]
    """

    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = self.kernel_size if stride is None else _single(stride)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip


class _AvgPoolNd(SettingsLayer):
    _shown = ("kernel_size", "stride", "padding")
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
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
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


class AvgPool2d(_AvgPoolNd):
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

    _function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """The mean of each window of a volume; arguments as for :class:`AvgPool2d`.

    Example:
        >>> tp.nn.AvgPool3d(2)(tp.ones(1, 3, 4, 4, 4)).shape
        tensorplug.Size([1, 3, 2, 2, 2])
    """

    _function = staticmethod(F.avg_pool3d)


# --- power means ----------------------------------------------------------------------------------


class _LPPoolNd(SettingsLayer):
    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self._function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of a sequence.

    Args:
        norm_type: the exponent p.
        kernel_size, stride, ceil_mode: as for :class:`MaxPool2d`.

    Example:
        >>> tp.nn.LPPool1d(2, 2)(tp.tensor([[3.0, 4.0]])).tolist()
        [[5.0]]
    """

    _function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of an image; arguments as for :class:`LPPool1d`.

    Example:
        >>> tp.nn.LPPool2d(1, 2)(tp.ones(1, 2, 2)).tolist()
        [[[4.0]]]
    """

    _function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of a volume; arguments as for :class:`LPPool1d`.

    Example:
        >>> tp.nn.LPPool3d(1, 2)(tp.ones(1, 2, 2, 2)).tolist()
        [[[[8.0]]]]
    """

    _function = staticmethod(F.lp_pool3d)

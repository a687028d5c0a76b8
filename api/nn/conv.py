"""Convolution layers and their transposes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init
from ._errors import wrong_input, wrong_kind
from .module import Module
from .parameter import Parameter

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip

_MODES = ("zeros", "reflect", "replicate", "circular")

Sizes = int | Sequence[int]


def _repeat(layer: str, name: str, value: Any, count: int) -> tuple[int, ...]:
    """``3`` to ``(3, 3)``; a sequence must have the right length."""
    if isinstance(value, int):
        return (value,) * count
    sizes = tuple(value)
    if len(sizes) != count:
        raise ValueError(f"{layer}: expected {name} of 1 or {count} integers, got {sizes}")
    return sizes


class _ConvNd(Module):
    """Parameters and settings of a convolution over ``_window_dims`` dimensions."""

    _window_dims: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]
    transposed: ClassVar[bool] = False

    bias: Parameter | None
    weight: Parameter

    def _set_up(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes,
        padding: Sizes | str, dilation: Sizes, output_padding: Sizes, groups: int, bias: bool,
        padding_mode: str, device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        name, dims = self._get_name(), self._window_dims
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _repeat(name, "kernel_size", kernel_size, dims)
        self.stride = _repeat(name, "stride", stride, dims)
        self.padding = (
            padding if isinstance(padding, str) else _repeat(name, "padding", padding, dims)
        )
        self.dilation = _repeat(name, "dilation", dilation, dims)
        self.output_padding = _repeat(name, "output_padding", output_padding, dims)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check_settings()
        channels = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (channels[0], channels[1] // groups, *self.kernel_size)
        self.weight = Parameter(tp.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(tp.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check_settings(self) -> None:
        name = self._get_name()
        if self.groups < 1:
            raise ValueError(f"{name}: expected groups of at least 1, got {self.groups}")
        for what, channels in (("in", self.in_channels), ("out", self.out_channels)):
            if channels % self.groups:
                raise ValueError(
                    f"{name}: expected {what}_channels divisible by groups={self.groups}, "
                    f"got {channels}"
                )
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise ValueError(
                f"{name}: expected padding 'same', 'valid' or numbers, got {self.padding!r}"
            )
        if self.padding == "same" and any(step != 1 for step in self.stride):
            raise ValueError(f"{name}: expected stride 1 with padding='same', got {self.stride}")
        if self.padding_mode not in _MODES:
            raise ValueError(
                f"{name}: expected padding_mode one of {', '.join(_MODES)}, "
                f"got {self.padding_mode!r}"
            )

    def reset_parameters(self) -> None:
        """Draw the parameters anew, evenly within ``1 / sqrt(fan_in)``."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in else 0
            init.uniform_(self.bias, -bound, bound)

    def _explain(self, input: Any, error: Exception) -> Exception:
        """The layer's own error when the input's shape is to blame, else ``error``."""
        dims = self._window_dims
        layer = f"{self._get_name()}({self.in_channels}, {self.out_channels})"
        shape = getattr(input, "shape", ())
        if len(shape) in (dims + 1, dims + 2) and shape[-dims - 1] == self.in_channels:
            return wrong_kind(layer, input, self.weight, error)
        sizes = ", ".join(("depth", "height", "width")[-dims:])
        expected = f"(batch, {self.in_channels}, {sizes}) or ({self.in_channels}, {sizes})"
        return wrong_input(layer, expected, input)

    def extra_repr(self) -> str:
        """The settings that differ from the defaults, after the sizes."""
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        ones, zeros = (1,) * self._window_dims, (0,) * self._window_dims
        if self.padding != zeros:
            # A word is shown without quotes, as torch does.
            parts.append(f"padding={self.padding}")
        if self.dilation != ones:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != zeros:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


# --- convolution ----------------------------------------------------------------------------------


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set_up(
            in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``input`` with ``weight`` of shape ``(out, in / groups, *kernel_size)``."""
        padding: Any = self.padding
        try:
            if self.padding_mode != "zeros":
                input, padding = F.pad(input, self._edges(), mode=self.padding_mode), 0
            return self._function(
                input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
            )
        except Exception as error:
            explained = self._explain(input, error)
            if explained is error:
                raise
            raise explained from error

    def _edges(self) -> list[int]:
        """The padding as ``F.pad`` wants it: last dimension first, left and right."""
        edges: list[int] = []
        for dim in reversed(range(self._window_dims)):
            if self.padding == "valid":
                left = right = 0
            elif self.padding == "same":
                total = self.dilation[dim] * (self.kernel_size[dim] - 1)
                left, right = total // 2, total - total // 2
            else:
                left = right = self.padding[dim]  # type: ignore[assignment]  # no string here
            edges += [left, right]
        return edges


class Conv1d(_Conv):
    """Convolution over sequences of shape ``(batch, in_channels, length)``.

    Arguments as for :class:`Conv2d`, with one size each.

    Example:
        >>> tp.nn.Conv1d(4, 8, 3)(tp.zeros(2, 4, 10)).shape
        tensorplug.Size([2, 8, 8])
    """

    _window_dims = 1
    _function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolution over images of shape ``(batch, in_channels, height, width)``.

    The batch may be left out. The result has ``out_channels`` and, per dimension,
    ``(size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1`` positions.

    Args:
        in_channels, out_channels: channels of the input and of the result.
        kernel_size, stride, padding, dilation: one number, or one each for height and width;
            ``padding`` may also be "same" (stride 1 only) or "valid".
        groups: the channels are split into that many groups which do not see each other.
        bias: whether to add a learned bias per output channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device, dtype: of the parameters.

    Example:
        >>> tp.nn.Conv2d(1, 8, 3, padding=1)(tp.zeros(5, 1, 28, 28)).shape
        tensorplug.Size([5, 8, 28, 28])
    """

    _window_dims = 2
    _function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Convolution over volumes of shape ``(batch, in_channels, depth, height, width)``.

    Arguments as for :class:`Conv2d`, with three sizes each.

    Example:
        >>> tp.nn.Conv3d(1, 2, 3)(tp.zeros(1, 1, 4, 5, 6)).shape
        tensorplug.Size([1, 2, 2, 3, 4])
    """

    _window_dims = 3
    _function = staticmethod(F.conv3d)


# --- transposed convolution -----------------------------------------------------------------------


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(
                f"{self._get_name()}: expected padding_mode 'zeros', got {padding_mode!r}"
            )
        self._set_up(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The transpose of convolving with ``weight`` of shape ``(in, out / groups, *kernel)``.

        Args:
            input: shape ``(batch, in_channels, *)``; the batch may be left out.
            output_size: the wanted size, where stride leaves a choice.

        Raises:
            ValueError: ``output_size`` cannot be had.
        """
        extra = self.output_padding
        if output_size is not None:
            extra = self._fill_up(tuple(input.shape), tuple(output_size))
        try:
            return self._function(
                input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
                self.dilation,
            )  # fmt: skip
        except Exception as error:
            explained = self._explain(input, error)
            if explained is error:
                raise
            raise explained from error

    def _fill_up(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
        """The output padding that gives the wanted size."""
        dims, name = self._window_dims, self._get_name()
        if len(wanted) not in (dims, len(shape)):
            raise ValueError(
                f"{name}: expected output_size of {dims} or {len(shape)} integers, got {wanted}"
            )
        sides: Any = self.padding
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                shape[-dims:], self.stride, sides, self.dilation, self.kernel_size, strict=True
            )
        )
        extra = tuple(w - n for w, n in zip(wanted[-dims:], least, strict=True))
        if not all(0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = tuple(n + s - 1 for n, s in zip(least, self.stride, strict=True))
            raise ValueError(
                f"{name}: expected output_size from {least} to {most} for an input of spatial "
                f"size {shape[-dims:]}, got {wanted[-dims:]}"
            )
        return extra


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over sequences; arguments as for :class:`ConvTranspose2d`.

    Example:
        >>> tp.nn.ConvTranspose1d(4, 2, 2, stride=2)(tp.zeros(1, 4, 5)).shape
        tensorplug.Size([1, 2, 10])
    """

    _window_dims = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over images: what the gradient of :class:`Conv2d` does.

    The result has ``out_channels`` and, per dimension,
    ``(size - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1``
    positions.

    Args:
        in_channels, out_channels: channels of the input and of the result.
        kernel_size, stride, dilation: one number, or one each for height and width.
        padding: how much is cut off both sides of the result.
        output_padding: how much longer the result is made at its end; less than the stride.
        groups: the channels are split into that many groups which do not see each other.
        bias: whether to add a learned bias per output channel.
        padding_mode: "zeros".
        device, dtype: of the parameters.

    Example:
        >>> up = tp.nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)
        >>> up(tp.zeros(1, 4, 5, 5)).shape
        tensorplug.Size([1, 2, 9, 9])
        >>> up(tp.zeros(1, 4, 5, 5), output_size=(10, 10)).shape
        tensorplug.Size([1, 2, 10, 10])
    """

    _window_dims = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over volumes; arguments as for :class:`ConvTranspose2d`.

    Example:
        >>> tp.nn.ConvTranspose3d(1, 2, 2)(tp.zeros(1, 1, 3, 3, 3)).shape
        tensorplug.Size([1, 2, 4, 4, 4])
    """

    _window_dims = 3
    _function = staticmethod(F.conv_transpose3d)

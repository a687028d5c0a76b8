"""Layers that move elements: between channels and space, into columns, to other sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from ._settings import SettingsLayer

__all__ = [
    "ChannelShuffle", "Fold", "PixelShuffle", "PixelUnshuffle", "Unfold", "Upsample",
    "UpsamplingBilinear2d", "UpsamplingNearest2d",
]  # fmt: skip

Sizes = int | Sequence[int]


class PixelShuffle(SettingsLayer):
    """Channels laid out as pixels: ``(*, C * r * r, H, W)`` to ``(*, C, H * r, W * r)``.

    Example:
        >>> tp.nn.PixelShuffle(2)(tp.ones(1, 8, 2, 2)).shape
        tensorplug.Size([1, 2, 4, 4])
    """

    _shown = ("upscale_factor",)

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(SettingsLayer):
    """The reverse of :class:`PixelShuffle`.

    Example:
        >>> tp.nn.PixelUnshuffle(2)(tp.ones(1, 2, 4, 4)).shape
        tensorplug.Size([1, 8, 2, 2])
    """

    _shown = ("downscale_factor",)

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(SettingsLayer):
    """The channels of several groups dealt out in turn; shape ``(N, C, *)``.

    Example:
        >>> x = tp.arange(4.0).reshape(1, 4, 1)
        >>> tp.nn.ChannelShuffle(2)(x).flatten().tolist()
        [0.0, 2.0, 1.0, 3.0]
    """

    _shown = ("groups",)

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)


# --- windows as columns ---------------------------------------------------------------------------


class Unfold(SettingsLayer):
    """The windows of images ``(N, C, H, W)`` as columns ``(N, C * kernel elements, windows)``.

    Args:
        kernel_size, dilation, padding, stride: one integer or two.

    Example:
        >>> tp.nn.Unfold(2, stride=2)(tp.ones(1, 3, 4, 4)).shape
        tensorplug.Size([1, 12, 4])
    """

    _shown = ("kernel_size", "dilation", "padding", "stride")

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(SettingsLayer):
    """Columns put back into images, overlaps summed up: the transpose of :class:`Unfold`.

    Args:
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: as for :class:`Unfold`.

    Example:
        >>> tp.nn.Fold((4, 4), 2, stride=2)(tp.ones(1, 4, 4)).shape
        tensorplug.Size([1, 1, 4, 4])
    """

    _shown = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )


# --- other sizes ----------------------------------------------------------------------------------


class Upsample(SettingsLayer):
    """Sequences, images or volumes ``(N, C, *)`` at another size.

    Args:
        size: the new size, one number or one per dimension.
        scale_factor: instead, the factors to the old size.
        mode: "nearest", "linear", "bilinear", "bicubic" or "trilinear".
        align_corners: whether the outermost points stay where they are.
        recompute_scale_factor: use the factor that follows from the rounded new size.

    Example:
        >>> tp.nn.Upsample(scale_factor=2)(tp.tensor([[[1.0, 2.0]]])).tolist()
        [[[1.0, 1.0, 2.0, 2.0]]]
    """

    def __init__(
        self,
        size: Sizes | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.scale_factor: Any = (
            tuple(float(factor) for factor in scale_factor)
            if isinstance(scale_factor, Sequence)
            else float(scale_factor)
            if scale_factor
            else None
        )
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def extra_repr(self) -> str:
        given = "size" if self.scale_factor is None else "scale_factor"
        return f"{given}={getattr(self, given)!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images at another size, each pixel the nearest one.

    Example:
        >>> tp.nn.UpsamplingNearest2d(scale_factor=2)(tp.ones(1, 1, 2, 3)).shape
        tensorplug.Size([1, 1, 4, 6])
    """

    def __init__(
        self, size: Sizes | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images at another size, pixels mixed from four neighbours; corners stay where they are.

    Example:
        >>> tp.nn.UpsamplingBilinear2d(size=3)(tp.tensor([[[[1.0, 3.0]]]])).tolist()[0][0][0]
        [1.0, 2.0, 3.0]
    """

    def __init__(
        self, size: Sizes | None = None, scale_factor: float | Sequence[float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)

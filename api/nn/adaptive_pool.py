"""Pooling to a given output size, and pooling over windows of random size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from ._settings import SettingsLayer
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "FractionalMaxPool2d", "FractionalMaxPool3d",
]  # fmt: skip


class _AdaptiveAvgPoolNd(SettingsLayer):
    _shown = ("output_size",)
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self._function(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The means of ``output_size`` windows that cover a sequence ``(N, C, L)`` evenly.

    Example:
        >>> tp.nn.AdaptiveAvgPool1d(2)(tp.tensor([[1.0, 2.0, 3.0]])).tolist()
        [[1.5, 2.5]]
    """

    _function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The means of windows that cover an image ``(N, C, H, W)`` evenly.

    Args:
        output_size: one number, or two; None keeps that dimension as it is.

    Example:
        >>> tp.nn.AdaptiveAvgPool2d((3, None))(tp.ones(1, 2, 7, 5)).shape
        tensorplug.Size([1, 2, 3, 5])
    """

    _function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The means of windows that cover a volume ``(N, C, D, H, W)`` evenly.

    Example:
        >>> tp.nn.AdaptiveAvgPool3d(2)(tp.ones(1, 2, 4, 5, 6)).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """

    _function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPoolNd(SettingsLayer):
    _shown = ("output_size",)
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self, output_size: int | Sequence[int | None] | None, return_indices: bool = False
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """The pooled tensor, and the indices when ``return_indices``."""
        return self._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest values of ``output_size`` windows that cover a sequence evenly.

    Args:
        output_size: how many windows.
        return_indices: also return where the largest values were.

    Example:
        >>> tp.nn.AdaptiveMaxPool1d(2)(tp.tensor([[1.0, 2.0, 3.0]])).tolist()
        [[2.0, 3.0]]
    """

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest values of windows that cover an image evenly.

    Args:
        output_size: one number, or two; None keeps that dimension as it is.
        return_indices: also return where the largest values were.

    Example:
        >>> tp.nn.AdaptiveMaxPool2d((3, None))(tp.ones(1, 2, 7, 5)).shape
        tensorplug.Size([1, 2, 3, 5])
    """

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest values of windows that cover a volume evenly.

    Example:
        >>> tp.nn.AdaptiveMaxPool3d(2)(tp.ones(1, 2, 4, 5, 6)).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """

    _function = staticmethod(F.adaptive_max_pool3d)


# --- random windows -------------------------------------------------------------------------------


class _FractionalMaxPool(Module):
    _window_dims: ClassVar[int]
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        output_size: int | Sequence[int] | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        dims, name = self._window_dims, self._get_name()

        def repeat(value: Any) -> Any:
            return tuple(value) if isinstance(value, Sequence) else (value,) * dims

        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{name}: expected output_size or output_ratio, got "
                f"{'neither' if output_size is None else 'both'}"
            )
        self.kernel_size = repeat(kernel_size)
        self.output_size = None if output_size is None else repeat(output_size)
        self.output_ratio = None if output_ratio is None else repeat(output_ratio)
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(
                f"{name}: expected output_ratio between 0 and 1, got {self.output_ratio}"
            )
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        """The pooled tensor, and the indices when ``return_indices``."""
        return self._function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest values of windows at random distances, as many as ``output_size`` says.

    Of Graham, *Fractional Max-Pooling* (2014).

    Args:
        kernel_size: the window, one number or two.
        output_size: how many windows, one number or two.
        output_ratio: instead, the result's size as a part of the input's, between 0 and 1.
        return_indices: also return where the largest values were.

    Raises:
        ValueError: neither or both of ``output_size`` and ``output_ratio`` are given.

    Example:
        >>> tp.nn.FractionalMaxPool2d(2, output_ratio=0.5)(tp.ones(1, 3, 8, 6)).shape
        tensorplug.Size([1, 3, 4, 3])
    """

    _window_dims, _function = 2, staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """:class:`FractionalMaxPool2d` for volumes.

    Example:
        >>> tp.nn.FractionalMaxPool3d(2, output_size=3)(tp.ones(1, 1, 8, 6, 5)).shape
        tensorplug.Size([1, 1, 3, 3, 3])
    """

    _window_dims, _function = 3, staticmethod(F.fractional_max_pool3d)

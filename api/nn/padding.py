"""Layers that put a border around the last one, two or three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d",
    "ConstantPad3d", "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d",
    "ReplicationPad2d", "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """A border of one ``_mode`` around ``_padded_dims`` dimensions.

    Args:
        padding: one amount for all sides; or before and after the last dimension, then the one
            before it, and so on.
    """

    _padded_dims: ClassVar[int]
    _mode: ClassVar[str]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = 2 * self._padded_dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


# --- constant -------------------------------------------------------------------------------------


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of ``value`` around the last dimension.

    Example:
        >>> tp.nn.ConstantPad1d((1, 2), 9.0)(tp.zeros(1, 1, 1)).tolist()
        [[[9.0, 0.0, 9.0, 9.0]]]
    """

    _padded_dims = 1


class ConstantPad2d(_ConstantPad):
    """A border of ``value`` around images.

    Example:
        >>> tp.nn.ConstantPad2d((1, 1, 0, 2), 9.0)(tp.zeros(1, 3, 3)).shape
        tensorplug.Size([1, 5, 5])
    """

    _padded_dims = 2


class ConstantPad3d(_ConstantPad):
    """A border of ``value`` around volumes.

    Example:
        >>> tp.nn.ConstantPad3d(1, 9.0)(tp.zeros(1, 2, 2, 2)).shape
        tensorplug.Size([1, 4, 4, 4])
    """

    _padded_dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """A border of zeros around the last dimension.

    Example:
        >>> tp.nn.ZeroPad1d(1)(tp.ones(1, 1, 1)).tolist()
        [[[0.0, 1.0, 0.0]]]
    """

    _padded_dims = 1


class ZeroPad2d(_ZeroPad):
    """A border of zeros around images.

    Example:
        >>> tp.nn.ZeroPad2d((1, 0, 0, 0))(tp.ones(1, 1, 1)).tolist()
        [[[0.0, 1.0]]]
    """

    _padded_dims = 2


class ZeroPad3d(_ZeroPad):
    """A border of zeros around volumes.

    Example:
        >>> tp.nn.ZeroPad3d(1)(tp.ones(1, 2, 2, 2)).shape
        tensorplug.Size([1, 4, 4, 4])
    """

    _padded_dims = 3


# --- taken from the input -------------------------------------------------------------------------


class ReflectionPad1d(_Pad):
    """A mirrored border around the last dimension; the edge is not repeated.

    Example:
        >>> tp.nn.ReflectionPad1d(1)(tp.tensor([[1.0, 2.0, 3.0]])).tolist()
        [[2.0, 1.0, 2.0, 3.0, 2.0]]
    """

    _padded_dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """:class:`ReflectionPad1d` around images.

    Example:
        >>> tp.nn.ReflectionPad2d(1)(tp.zeros(1, 3, 3)).shape
        tensorplug.Size([1, 5, 5])
    """

    _padded_dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """:class:`ReflectionPad1d` around volumes.

    Example:
        >>> tp.nn.ReflectionPad3d(1)(tp.zeros(1, 3, 3, 3)).shape
        tensorplug.Size([1, 5, 5, 5])
    """

    _padded_dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The edge elements repeated, around the last dimension.

    Example:
        >>> tp.nn.ReplicationPad1d(1)(tp.tensor([[1.0, 2.0, 3.0]])).tolist()
        [[1.0, 1.0, 2.0, 3.0, 3.0]]
    """

    _padded_dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """:class:`ReplicationPad1d` around images.

    Example:
        >>> tp.nn.ReplicationPad2d(1)(tp.zeros(1, 3, 3)).shape
        tensorplug.Size([1, 5, 5])
    """

    _padded_dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """:class:`ReplicationPad1d` around volumes.

    Example:
        >>> tp.nn.ReplicationPad3d(1)(tp.zeros(1, 3, 3, 3)).shape
        tensorplug.Size([1, 5, 5, 5])
    """

    _padded_dims, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """What comes from the other end, around the last dimension.

    Example:
        >>> tp.nn.CircularPad1d(1)(tp.tensor([[1.0, 2.0, 3.0]])).tolist()
        [[3.0, 1.0, 2.0, 3.0, 1.0]]
    """

    _padded_dims, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """:class:`CircularPad1d` around images.

    Example:
        >>> tp.nn.CircularPad2d(1)(tp.zeros(1, 3, 3)).shape
        tensorplug.Size([1, 5, 5])
    """

    _padded_dims, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """:class:`CircularPad1d` around volumes.

    Example:
        >>> tp.nn.CircularPad3d(1)(tp.zeros(1, 3, 3, 3)).shape
        tensorplug.Size([1, 5, 5, 5])
    """

    _padded_dims, _mode = 3, "circular"

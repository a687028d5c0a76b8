"""Dropout layers: in training they zero elements or channels, in evaluation they do nothing."""

from __future__ import annotations

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .module import Module

__all__ = [
    "AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout",
]  # fmt: skip


class _DropoutNd(Module):
    """The constructor of all dropout layers."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{self._get_name()}: expected p between 0 and 1, got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, zeroes each element with probability ``p`` and scales the others up.

    In evaluation (``model.eval()``) it returns its input.

    Args:
        p: the probability, from 0 to 1.
        inplace: write into the input.

    Example:
        >>> tp.nn.Dropout(0.2).eval()(tp.ones(2)).tolist()
        [1.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """:class:`Dropout` of whole channels of ``(N, C, L)`` or ``(C, L)``.

    Example:
        >>> tp.nn.Dropout1d().eval()(tp.ones(1, 1, 2)).tolist()
        [[[1.0, 1.0]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """:class:`Dropout` of whole channels of images ``(N, C, H, W)``.

    Example:
        >>> tp.nn.Dropout2d().eval()(tp.ones(1, 1, 1, 2)).tolist()
        [[[[1.0, 1.0]]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """:class:`Dropout` of whole channels of volumes ``(N, C, D, H, W)`` or ``(C, D, H, W)``.

    Example:
        >>> tp.nn.Dropout3d().eval()(tp.ones(1, 1, 1, 1, 2)).shape
        tensorplug.Size([1, 1, 1, 1, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout for :class:`~tensorplug.nn.SELU`: keeps mean 0 and variance 1.

    Example:
        >>> tp.nn.AlphaDropout().eval()(tp.ones(2)).tolist()
        [1.0, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """:class:`AlphaDropout` of whole channels.

    Example:
        >>> tp.nn.FeatureAlphaDropout().eval()(tp.ones(1, 1, 2)).tolist()
        [[[1.0, 1.0]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)

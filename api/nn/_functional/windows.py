"""The windows of images as columns, and back."""

from __future__ import annotations

import math
from typing import Any

from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import numbers, require

__all__ = ["fold", "unfold"]


def _windows(
    name: str, size: tuple[int, ...], kernel: Any, dilation: Any, padding: Any, stride: Any
) -> int:
    """How many windows there are; the settings are checked on the way."""
    for what, values, least in (
        ("kernel_size", kernel, 1), ("dilation", dilation, 1), ("stride", stride, 1),
        ("padding", padding, 0),
    ):  # fmt: skip
        require(min(values) >= least, name, f"{what} of at least {least}", values)
    counts = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    require(
        min(counts) > 0, name, f"windows that fit into a padded input of spatial size {size}",
        f"kernel_size {kernel}", "the calculated shape of the array of sliding blocks is too small",
    )  # fmt: skip
    return math.prod(counts)


@function(
    namespace="nn.functional", row="im2col",
    samples=lambda t: [(t(2, 3, 4, 5), 2), (t(3, 4, 5), (2, 3), 1, 1, 2), (t(1, 2, 6, 6), 2, 2)],
)  # fmt: skip
def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The windows of an image as columns.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size, dilation, padding, stride: one integer or two, as in :func:`conv2d`.

    Returns:
        Shape ``(N, C * kernel elements, windows)``.

    Raises:
        RuntimeError: the shape or a setting does not fit.

    Example:
        >>> tp.nn.functional.unfold(tp.ones(1, 3, 4, 4), 2, stride=2).shape
        tensorplug.Size([1, 12, 4])
    """
    dims = len(input._h.shape)
    require(
        dims in (3, 4) and 0 not in input._h.shape[1:], "unfold",
        "an input of 3 or 4 dimensions with elements", tuple(input._h.shape),
    )  # fmt: skip
    kernel, steps, sides, strides = (
        numbers("unfold", what, value, 2)
        for what, value in (
            ("kernel_size", kernel_size), ("dilation", dilation), ("padding", padding),
            ("stride", stride),
        )
    )  # fmt: skip
    _windows("unfold", tuple(input._h.shape[-2:]), kernel, steps, sides, strides)
    x = input if dims == 4 else input.unsqueeze(0)
    out = ROWS["im2col"].call(x, kernel, steps, sides, strides)
    return out if dims == 4 else out.squeeze(0)


@function(
    namespace="nn.functional", row="col2im",
    samples=lambda t: [(t(2, 12, 12), (4, 5), 2), (t(8, 4), (4, 4), 2, {"stride": 2})],
)  # fmt: skip
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Tensor:  # fmt: skip
    """Columns put back into an image, overlaps summed up: the transpose of :func:`unfold`.

    Args:
        input: shape ``(N, C * kernel elements, windows)``, or without ``N``.
        output_size: height and width of the image.
        kernel_size, dilation, padding, stride: as for :func:`unfold`.

    Raises:
        RuntimeError: the shape or a setting does not fit.

    Example:
        >>> tp.nn.functional.fold(tp.ones(1, 4, 4), (4, 4), 2, stride=2).shape
        tensorplug.Size([1, 1, 4, 4])
    """
    dims = len(input._h.shape)
    require(dims in (2, 3), "fold", "an input of 2 or 3 dimensions", tuple(input._h.shape))
    size, kernel, steps, sides, strides = (
        numbers("fold", what, value, 2)
        for what, value in (
            ("output_size", output_size), ("kernel_size", kernel_size), ("dilation", dilation),
            ("padding", padding), ("stride", stride),
        )
    )  # fmt: skip
    count = _windows("fold", size, kernel, steps, sides, strides)
    rows, columns = input._h.shape[-2:]
    require(
        rows % math.prod(kernel) == 0 and columns == count, "fold",
        f"(channels * {math.prod(kernel)}, {count}) for kernel_size {kernel} and output_size "
        f"{size}", (rows, columns),
    )  # fmt: skip
    x = input if dims == 3 else input.unsqueeze(0)
    out = ROWS["col2im"].call(x, size, kernel, steps, sides, strides)
    return out if dims == 3 else out.squeeze(0)

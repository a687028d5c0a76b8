"""Pooling over windows of one, two or three dimensions."""

from __future__ import annotations

import math
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, numbers, require

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d",
    "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d",
    "max_pool3d_with_indices", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip

Sizes = tuple[int, ...]

_max_pool, _max_indices = ROWS["max_pool"].call, ROWS["max_pool_indices"].call
_sum_pool = ROWS["sum_pool"].call


def _checked(name: str, rank: int, input: Tensor) -> Sizes:
    """The spatial sizes of ``(N, C, *size)`` or ``(C, *size)``."""
    is_tensor(name, "input", input)
    shape = tuple(input._h.shape)
    require(
        len(shape) in (rank + 1, rank + 2) and 0 not in shape[-rank - 1 :], name,
        f"an input of {rank + 1} or {rank + 2} dimensions, none but the batch empty", shape,
    )  # fmt: skip
    return shape[-rank:]


def _settings(
    name: str, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[Sizes, Sizes, Sizes, Sizes]:
    kernels = numbers(name, "kernel_size", kernel, rank)
    empty = stride is None or stride == () or stride == []
    strides = kernels if empty else numbers(name, "stride", stride, rank)
    sides = numbers(name, "padding", padding, rank)
    steps = numbers(name, "dilation", dilation, rank)
    for what, values in (("kernel_size", kernels), ("stride", strides), ("dilation", steps)):
        require(min(values) > 0, name, f"a {what} greater than zero", values)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernels, steps, strict=True))
    require(
        all(0 <= p <= r // 2 for p, r in zip(sides, reach, strict=True)), name,
        f"padding from 0 to half of the effective kernel size {reach}", sides,
        "pad should be at most half of effective kernel size",
    )  # fmt: skip
    return kernels, strides, sides, steps


def _out_size(
    name: str, size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    ceil_mode: bool,
) -> Sizes:  # fmt: skip
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        count = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:  # a window must start within the input
            count -= 1
        out.append(count)
    require(
        min(out) > 0, name, f"windows that fit into an input of spatial size {size}",
        f"kernel_size {kernel}", "output size is too small",
    )  # fmt: skip
    return tuple(out)


# --- maximum -------------------------------------------------------------------------------------


def _max(
    name: str, rank: int, input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    size = _checked(name, rank, input)
    window = _settings(name, rank, kernel, stride, padding, dilation)
    out = _out_size(name, size, *window, ceil_mode)
    require(input._dtype.kind not in ("bool", "complex"), name, "a real tensor", input._dtype)
    found = _max_pool(input, *window, out)
    if not return_indices:
        return found
    return found, _max_indices(input.detach(), *window, out)


_LINE = {"ceil_mode": True, "padding": 1}


@function(
    namespace="nn.functional", row="max_pool",
    samples=lambda t: [(t(2, 3, 7), 2), (t(3, 7), 3, 2, _LINE), (t(1, 2, 9), 2, 3, 0, 2)],
)  # fmt: skip
def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window along one dimension.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        kernel_size: how many elements a window has.
        stride: the step between windows; ``kernel_size`` when None.
        padding: elements of minus infinity on both sides, at most half a window.
        dilation: the step inside a window.
        ceil_mode: keep a last window that hangs over the end.
        return_indices: also return where the largest elements are, in the flattened ``L``.

    Raises:
        RuntimeError: the shape or a setting does not fit.

    Example:
        >>> tp.nn.functional.max_pool1d(tp.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
        [[3.0, 2.0]]
    """
    return _max(
        "max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


@function(
    namespace="nn.functional", row="max_pool",
    samples=lambda t: [(t(2, 3, 6, 7), 2), (t(3, 5, 7), (3, 2), 2, _LINE),
                       (t(1, 2, 9, 8), 2, 3, 0, 2), (t(0, 2, 4, 4), 2)],
)  # fmt: skip
def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of an image: :func:`max_pool1d` in two dimensions.

    Example:
        >>> tp.nn.functional.max_pool2d(tp.ones(1, 3, 8, 8), 2).shape
        tensorplug.Size([1, 3, 4, 4])
    """
    return _max(
        "max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


@function(
    namespace="nn.functional", row="max_pool",
    samples=lambda t: [(t(1, 2, 4, 5, 4), 2), (t(2, 4, 4, 4), 3, 2, _LINE)],
)  # fmt: skip
def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of a volume: :func:`max_pool1d` in three dimensions.

    Example:
        >>> tp.nn.functional.max_pool3d(tp.ones(1, 4, 4, 4), 2).shape
        tensorplug.Size([1, 2, 2, 2])
    """
    return _max(
        "max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
    )


def _with_indices(rank: int) -> Any:
    name = f"max_pool{rank}d_with_indices"

    def pool(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
        dilation: Any = 1, ceil_mode: bool = False, return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        found = _max(name, rank, input, kernel_size, stride, padding, dilation, ceil_mode, True)
        return found

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f":func:`max_pool{rank}d` that always returns the indices too."
    size = (4,) * rank
    return function(namespace="nn.functional", samples=lambda t: [(t(2, *size), 2)])(pool)


max_pool1d_with_indices = _with_indices(1)
max_pool2d_with_indices = _with_indices(2)
max_pool3d_with_indices = _with_indices(3)


# --- back from the maximum ------------------------------------------------------------------------


def _unpool(
    name: str, rank: int, input: Tensor, indices: Tensor, kernel: Any, stride: Any, padding: Any,
    output_size: Any,
) -> Tensor:  # fmt: skip
    size = _checked(name, rank, input)
    require(indices._dtype is tp.int64, name, "indices of dtype int64", indices._dtype)
    require(
        indices._h.shape == input._h.shape, name, f"indices of shape {tuple(input._h.shape)}",
        tuple(indices._h.shape),
    )  # fmt: skip
    kernels = numbers(name, "kernel_size", kernel, rank)
    strides = kernels if stride is None else numbers(name, "stride", stride, rank)
    sides = numbers(name, "padding", padding, rank)
    if output_size is None:
        whole = tuple(
            (n - 1) * s - 2 * p + k
            for n, s, p, k in zip(size, strides, sides, kernels, strict=True)
        )
    else:
        whole = tuple(output_size)[-rank:]
    count = math.prod(whole)
    if indices.numel():
        low, high = int(indices.min()), int(indices.max())
        require(
            low >= 0 and high < count, name, f"indices from 0 to {count - 1}",
            low if low < 0 else high, "found an invalid max index",
        )  # fmt: skip
    return ROWS["max_pool_back"].call(input, indices, whole, True)


@function(
    namespace="nn.functional", row="max_pool_back",
    samples=lambda t: [(t(1, 1, 3), t.distinct((1, 1, 3), 0, 6), 2)],
)  # fmt: skip
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Put the results of :func:`max_pool1d` back where they came from, among zeros.

    Args:
        input: the pooled tensor.
        indices: what ``return_indices`` gave.
        kernel_size, stride, padding: those of the pooling.
        output_size: the size before pooling, where the settings leave a choice.

    Raises:
        RuntimeError: the indices do not fit.

    Example:
        >>> F = tp.nn.functional
        >>> y, where = F.max_pool1d(tp.tensor([[1.0, 3.0, 2.0, 0.0]]), 2, return_indices=True)
        >>> F.max_unpool1d(y, where, 2).tolist()
        [[0.0, 3.0, 2.0, 0.0]]
    """
    return _unpool("max_unpool1d", 1, input, indices, kernel_size, stride, padding, output_size)


@function(
    namespace="nn.functional", row="max_pool_back",
    samples=lambda t: [(t(1, 2, 1, 1), t.int((1, 2, 1, 1), 0, 3), 2)],
)  # fmt: skip
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """:func:`max_unpool1d` for :func:`max_pool2d`."""
    return _unpool("max_unpool2d", 2, input, indices, kernel_size, stride, padding, output_size)


@function(
    namespace="nn.functional", row="max_pool_back",
    samples=lambda t: [(t(1, 2, 1, 1, 1), t.int((1, 2, 1, 1, 1), 0, 3), 2)],
)  # fmt: skip
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """:func:`max_unpool1d` for :func:`max_pool3d`."""
    return _unpool("max_unpool3d", 3, input, indices, kernel_size, stride, padding, output_size)


# --- mean -----------------------------------------------------------------------------------------


def _counts(size: int, kernel: int, stride: int, padding: int, out: int, whole: bool) -> list[int]:
    """How many elements each window along one dimension is divided by."""
    first, end = (-padding, size + padding) if whole else (0, size)
    starts = [i * stride - padding for i in range(out)]
    return [min(start + kernel, end) - max(start, first) for start in starts]


def _avg(
    name: str, rank: int, input: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor: int | None,
) -> Tensor:  # fmt: skip
    size = _checked(name, rank, input)
    kernels, strides, sides, ones = _settings(name, rank, kernel, stride, padding, 1)
    require(divisor != 0, name, "a divisor other than zero", divisor, "divisor must be not zero")
    out = _out_size(name, size, kernels, strides, sides, ones, ceil_mode)
    total = _sum_pool(input, kernels, strides, sides, out)
    if divisor is not None:
        return _over(total, divisor)
    lines = [
        _counts(n, k, s, p, o, count_include_pad)
        for n, k, s, p, o in zip(size, kernels, strides, sides, out, strict=True)
    ]
    if all(min(line) == max(line) for line in lines):
        return _over(total, math.prod(line[0] for line in lines))
    count = None
    for axis, line in enumerate(lines):
        column = tp.tensor(line, device=total._device).reshape(-1, *(1,) * (rank - 1 - axis))
        count = column if count is None else count * column
    return _over(total, count.to(total._dtype))  # type: ignore[union-attr]  # there is an axis


def _over(total: Tensor, count: Any) -> Tensor:
    if total._dtype.is_inexact:
        return total / count
    return tp.div(total, count, rounding_mode="trunc")


@function(
    namespace="nn.functional", row="sum_pool",
    samples=lambda t: [(t(2, 3, 7), 2), (t(3, 7), 3, 2, 1, True, False)],
)  # fmt: skip
def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window along one dimension.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        kernel_size: how many elements a window has.
        stride: the step between windows; ``kernel_size`` when None.
        padding: zeros on both sides, at most half a window.
        ceil_mode: keep a last window that hangs over the end.
        count_include_pad: whether the zeros count in the mean.

    Raises:
        RuntimeError: the shape or a setting does not fit.

    Example:
        >>> tp.nn.functional.avg_pool1d(tp.tensor([[1.0, 3.0, 2.0, 0.0]]), 2).tolist()
        [[2.0, 1.0]]
    """
    return _avg("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode,
                count_include_pad, None)  # fmt: skip


@function(
    namespace="nn.functional", row="sum_pool",
    samples=lambda t: [(t(2, 3, 6, 7), 2), (t(3, 7, 5), (3, 2), 2, 1, True, False),
                       (t(1, 2, 4, 4), 3, 1, {"divisor_override": 2})],
)  # fmt: skip
def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of an image: :func:`avg_pool1d` in two dimensions.

    ``divisor_override`` replaces the number of elements that sums are divided by.

    Example:
        >>> tp.nn.functional.avg_pool2d(tp.ones(1, 3, 8, 8), 2).shape
        tensorplug.Size([1, 3, 4, 4])
    """
    return _avg("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode,
                count_include_pad, divisor_override)  # fmt: skip


@function(
    namespace="nn.functional", row="sum_pool",
    samples=lambda t: [(t(1, 2, 4, 5, 4), 2), (t(2, 4, 4, 4), 3, 2, 1, True, False)],
)  # fmt: skip
def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of a volume: :func:`avg_pool2d` in three dimensions.

    Example:
        >>> tp.nn.functional.avg_pool3d(tp.ones(1, 4, 4, 4), 2).shape
        tensorplug.Size([1, 2, 2, 2])
    """
    return _avg("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode,
                count_include_pad, divisor_override)  # fmt: skip

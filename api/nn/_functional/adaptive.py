"""Pooling to a given output size, and power-mean pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, numbers, require, widened
from .pool import avg_pool1d, avg_pool2d, avg_pool3d

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d", "adaptive_max_pool3d_with_indices", "lp_pool1d", "lp_pool2d",
    "lp_pool3d",
]  # fmt: skip

Sizes = tuple[int, ...]


def _sizes(name: str, rank: int, input: Tensor, output_size: Any) -> tuple[Sizes, Sizes]:
    """The spatial sizes of the input and of the output (None: as the input)."""
    is_tensor(name, "input", input)
    shape = tuple(input._h.shape)
    require(
        len(shape) in (rank + 1, rank + 2) and 0 not in shape[-rank:], name,
        f"an input of {rank + 1} or {rank + 2} dimensions, none but the batch empty", shape,
    )  # fmt: skip
    if isinstance(output_size, Sequence):
        require(len(output_size) in (1, rank), name, f"output_size of {rank} numbers", output_size)
        given = tuple(output_size) * (rank if len(output_size) == 1 else 1)
    else:
        given = (output_size,) * rank
    size = shape[-rank:]
    out = tuple(n if o is None else o.__index__() for n, o in zip(size, given, strict=True))
    require(min(out) >= 0, name, "an output_size of 0 or more", out)
    return size, out


def _bins(size: int, out: int) -> list[tuple[int, int]]:
    """Start and end of each window: they differ by one at most, and may overlap."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _even(size: Sizes, out: Sizes) -> bool:
    return all(o > 0 and n % o == 0 for n, o in zip(size, out, strict=True))


# --- mean --------------------------------------------------------------------------------------


def _avg(name: str, rank: int, input: Tensor, output_size: Any) -> Tensor:
    size, out = _sizes(name, rank, input, output_size)
    require(input._dtype.is_inexact, name, "a floating-point input", input._dtype)
    if 0 in out:
        return input.new_zeros((*input._h.shape[:-rank], *out))
    if _even(size, out):
        kernel = tuple(n // o for n, o in zip(size, out, strict=True))
        total = ROWS["sum_pool"].call(input, kernel, kernel, (0,) * rank, out)
        return total / math.prod(kernel)
    (found,) = widened(input)
    for axis in range(rank):
        dim = len(found._h.shape) - rank + axis
        parts = [
            found.narrow(dim, start, end - start).mean(dim, keepdim=True)
            for start, end in _bins(size[axis], out[axis])
        ]
        found = tp.cat(parts, dim)
    return found.to(input._dtype)


@function(namespace="nn.functional", samples=lambda t: [(t(2, 3, 7), 3), (t(3, 8), 4)])
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of ``output_size`` windows that cover the last dimension evenly.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        output_size: how many windows.

    Raises:
        RuntimeError: the shape does not fit.

    Example:
        >>> tp.nn.functional.adaptive_avg_pool1d(tp.tensor([[1.0, 2.0, 3.0]]), 2).tolist()
        [[1.5, 2.5]]
    """
    return _avg("adaptive_avg_pool1d", 1, input, output_size)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3, 7, 5), 3), (t(3, 8, 6), (None, 2)), (t(2, 3, 4, 4), 1)],
)  # fmt: skip
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """:func:`adaptive_avg_pool1d` of images; a size of None keeps that dimension.

    Example:
        >>> tp.nn.functional.adaptive_avg_pool2d(tp.ones(1, 2, 7, 5), (3, None)).shape
        tensorplug.Size([1, 2, 3, 5])
    """
    return _avg("adaptive_avg_pool2d", 2, input, output_size)


@function(namespace="nn.functional", samples=lambda t: [(t(1, 2, 5, 4, 3), 2)])
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """:func:`adaptive_avg_pool2d` of volumes.

    Example:
        >>> tp.nn.functional.adaptive_avg_pool3d(tp.ones(1, 2, 4, 4, 4), 2).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """
    return _avg("adaptive_avg_pool3d", 3, input, output_size)


# --- maximum -------------------------------------------------------------------------------------


def _max(name: str, rank: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    size, out = _sizes(name, rank, input, output_size)
    require(input._dtype.kind not in ("bool", "complex"), name, "a real tensor", input._dtype)
    lead = tuple(input._h.shape[:-rank])
    if 0 in out:
        empty = input.new_zeros((*lead, *out))
        return (empty, empty.to(tp.int64)) if return_indices else empty
    if _even(size, out):
        kernel = tuple(n // o for n, o in zip(size, out, strict=True))
        window = (kernel, kernel, (0,) * rank, (1,) * rank, out)
        found = ROWS["max_pool"].call(input, *window)
        if not return_indices:
            return found
        return found, ROWS["max_pool_indices"].call(input.detach(), *window)
    positions = _positions(input, size, out)
    windows = input.reshape(*lead, -1)[..., positions]
    place = windows.detach().argmax(-1, keepdim=True)
    found = windows.gather(-1, place).squeeze(-1)
    if not return_indices:
        return found
    flat = positions.expand(windows.shape).gather(-1, place).squeeze(-1)
    return found, flat


def _positions(input: Tensor, size: Sizes, out: Sizes) -> Tensor:
    """The flat indices under every window, shape ``(*out, window)``.

    Smaller windows repeat their last element, which changes no maximum and no first place.
    """
    total = None
    rank = len(size)
    for axis in range(rank):
        bins = _bins(size[axis], out[axis])
        width = max(end - start for start, end in bins)
        step = math.prod(size[axis + 1 :])
        rows = [[min(s + i, e - 1) * step for i in range(width)] for s, e in bins]
        line = tp.tensor(rows, device=input._device)
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = out[axis], width
        line = line.reshape(shape)
        total = line if total is None else total + line
    return total.reshape(*out, -1)  # type: ignore[union-attr]  # there is a dimension


@function(namespace="nn.functional", samples=lambda t: [(t(2, 3, 7), 3), (t(3, 8), 4)])
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest elements of ``output_size`` windows that cover the last dimension evenly.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        output_size: how many windows.
        return_indices: also return where the largest elements are, in the flattened ``L``.

    Raises:
        RuntimeError: the shape does not fit.

    Example:
        >>> tp.nn.functional.adaptive_max_pool1d(tp.tensor([[1.0, 2.0, 3.0]]), 2).tolist()
        [[2.0, 3.0]]
    """
    return _max("adaptive_max_pool1d", 1, input, output_size, return_indices)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3, 7, 5), 3), (t(3, 8, 6), (None, 2)), (t(2, 3, 4, 4), 1)],
)  # fmt: skip
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool1d` of images; a size of None keeps that dimension.

    Example:
        >>> tp.nn.functional.adaptive_max_pool2d(tp.ones(1, 2, 7, 5), (3, None)).shape
        tensorplug.Size([1, 2, 3, 5])
    """
    return _max("adaptive_max_pool2d", 2, input, output_size, return_indices)


@function(namespace="nn.functional", samples=lambda t: [(t(1, 2, 5, 4, 3), 2)])
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """:func:`adaptive_max_pool2d` of volumes.

    Example:
        >>> tp.nn.functional.adaptive_max_pool3d(tp.ones(1, 2, 4, 4, 4), 2).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """
    return _max("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _with_indices(rank: int) -> Any:
    name = f"adaptive_max_pool{rank}d"

    def pool(
        input: Tensor, output_size: Any, return_indices: bool = False
    ) -> tuple[Tensor, Tensor]:
        found = _max(name, rank, input, output_size, True)
        return found

    pool.__name__ = pool.__qualname__ = f"{name}_with_indices"
    pool.__doc__ = f":func:`{name}` that always returns the indices too."
    size = (4,) * rank
    return function(namespace="nn.functional", samples=lambda t: [(t(2, *size), 2)])(pool)


adaptive_max_pool1d_with_indices = _with_indices(1)
adaptive_max_pool2d_with_indices = _with_indices(2)
adaptive_max_pool3d_with_indices = _with_indices(3)


# --- power means ----------------------------------------------------------------------------------


def _power(name: str, rank: int, pool: Any, input: Tensor, p: float, kernel: Any, stride: Any,
           ceil_mode: bool) -> Tensor:  # fmt: skip
    kernels = numbers(name, "kernel_size", kernel, rank)
    mean = pool(input**p, kernels, stride, 0, ceil_mode)
    size = math.prod(kernels)
    return (mean.sign() * mean.abs().relu() * size) ** (1.0 / p)


@function(namespace="nn.functional", samples=lambda t: [(t.pos((2, 3, 6)), 2.0, 2)])
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window along one dimension.

    Example:
        >>> tp.nn.functional.lp_pool1d(tp.tensor([[3.0, 4.0]]), 2, 2).tolist()
        [[5.0]]
    """
    return _power("lp_pool1d", 1, avg_pool1d, input, norm_type, kernel_size, stride, ceil_mode)


@function(namespace="nn.functional", samples=lambda t: [(t.pos((2, 3, 4, 4)), 2.0, 2)])
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """:func:`lp_pool1d` of images."""
    return _power("lp_pool2d", 2, avg_pool2d, input, norm_type, kernel_size, stride, ceil_mode)


@function(namespace="nn.functional", samples=lambda t: [(t.pos((1, 2, 4, 4, 2)), 2.0, 2)])
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """:func:`lp_pool1d` of volumes."""
    return _power("lp_pool3d", 3, avg_pool3d, input, norm_type, kernel_size, stride, ceil_mode)

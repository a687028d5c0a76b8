"""Fractional max pooling: windows at random distances (Graham, 2014)."""

from __future__ import annotations

import math
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpValueError
from tensorplug.autograd.registry import function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, numbers, require

__all__ = [
    "fractional_max_pool2d", "fractional_max_pool2d_with_indices", "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]  # fmt: skip

Sizes = tuple[int, ...]


def _out_size(name: str, size: Sizes, output_size: Any, output_ratio: Any) -> Sizes:
    rank = len(size)
    if output_size is None and output_ratio is None:
        raise OpValueError(f"{name}: expected output_size or output_ratio, got neither", op=name)
    if output_size is not None:
        return numbers(name, "output_size", output_size, rank)
    ratios = (output_ratio,) * rank if isinstance(output_ratio, float) else tuple(output_ratio)
    return tuple(int(n * ratio) for n, ratio in zip(size, ratios, strict=True))


def _starts(sample: Tensor, size: int, kernel: int, out: int) -> Tensor:
    """Where the windows along one dimension start, ``(N, C, out)``, from ``(N, C)`` draws."""
    step = (size - kernel) / (out - 1) if out > 1 else 0.0
    place = tp.arange(out, dtype=sample._dtype, device=sample._device)
    draw = sample.unsqueeze(-1)
    found = ((place + draw) * step).to(tp.int64) - (draw * step).to(tp.int64)
    return tp.where(place == out - 1, size - kernel, found)  # the last one ends at the edge


def _positions(samples: Tensor, size: Sizes, kernel: Sizes, out: Sizes) -> Tensor:
    """Flat indices of the elements of every window, ``(N, C, *out, elements)``."""
    rank, total = len(size), None
    for axis in range(rank):
        # PyTorch's draws for images come in the order width, height; for volumes as the sizes.
        draw = samples[..., rank - 1 - axis if rank == 2 else axis]
        starts = _starts(draw, size[axis], kernel[axis], out[axis])
        inside = tp.arange(kernel[axis], device=samples._device)
        line = (starts.unsqueeze(-1) + inside) * math.prod(size[axis + 1 :])
        shape = [*starts.shape[:2], *(1,) * (2 * rank)]
        shape[2 + axis], shape[2 + rank + axis] = out[axis], kernel[axis]
        line = line.reshape(shape)
        total = line if total is None else total + line
    return total.flatten(2 + rank)  # type: ignore[union-attr]  # there is a dimension


def _pool(
    name: str, rank: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
    samples: Tensor | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    is_tensor(name, "input", input)
    shape = tuple(input.shape)
    require(len(shape) in (rank + 1, rank + 2), name,
            f"an input of {rank + 1} or {rank + 2} dimensions", shape)  # fmt: skip
    size, kernel = shape[-rank:], numbers(name, "kernel_size", kernel_size, rank)
    out = _out_size(name, size, output_size, output_ratio)
    for n, k, o in zip(size, kernel, out, strict=True):
        require(o > 0 and o + k - 1 <= n, name, f"windows that fit into spatial size {size}",
                f"kernel_size {kernel} and output_size {out}", "too large relative to input size"
                )  # fmt: skip
    x = input if len(shape) == rank + 2 else input.unsqueeze(0)
    lead = tuple(x.shape[:2])
    if samples is None:
        samples = tp.rand(*lead, rank, dtype=x._dtype, device=x._device)
    places = _positions(samples, size, kernel, out)
    windows = x.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)
    best = windows.detach().argmax(-1, keepdim=True)
    found, where = (y.gather(-1, best).squeeze(-1) for y in (windows, places))
    return (found, where) if x is input else (found.squeeze(0), where.squeeze(0))


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(2, 3, 6, 5), 2, 3)])
def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """The largest elements of windows at random distances, as many as ``output_size`` says.

    Args:
        input: shape ``(N, C, H, W)`` or ``(C, H, W)``.
        kernel_size: the window, one number or two.
        output_size: how many windows, one number or two.
        output_ratio: instead, the result's size as a part of the input's.
        return_indices: also return where the largest elements are, in the flattened image.
        _random_samples: draws from 0 to 1, shape ``(N, C, 2)``.

    Raises:
        ValueError: neither size nor ratio is given.
        RuntimeError: the shape or a setting does not fit.

    Example:
        >>> tp.nn.functional.fractional_max_pool2d(tp.ones(1, 3, 8, 6), 2, (4, 3)).shape
        tensorplug.Size([1, 3, 4, 3])
    """
    found = _pool("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio,
                  _random_samples)  # fmt: skip
    return found if return_indices else found[0]


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(1, 2, 4, 5, 4), 2, 2)])
def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """:func:`fractional_max_pool2d` of volumes; the draws have shape ``(N, C, 3)``.

    Example:
        >>> tp.nn.functional.fractional_max_pool3d(tp.ones(1, 3, 4, 4, 4), 2, 2).shape
        tensorplug.Size([1, 3, 2, 2, 2])
    """
    found = _pool("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio,
                  _random_samples)  # fmt: skip
    return found if return_indices else found[0]


def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """:func:`fractional_max_pool2d` that always returns the indices too."""
    return _pool("fractional_max_pool2d", 2, input, kernel_size, output_size, output_ratio,
                 _random_samples)  # fmt: skip


def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """:func:`fractional_max_pool3d` that always returns the indices too."""
    return _pool("fractional_max_pool3d", 3, input, kernel_size, output_size, output_ratio,
                 _random_samples)  # fmt: skip

"""Images sampled at given positions: ``grid_sample`` and ``affine_grid``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpValueError
from tensorplug.autograd.registry import function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, require, same_dtype, widened

__all__ = ["affine_grid", "grid_sample"]


def _default_align(name: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(f"{name}: align_corners is False by default; pass it", UserWarning,
                      stacklevel=3)  # fmt: skip
    return bool(align_corners)


# --- positions -----------------------------------------------------------------------------------


def _unnormalized(grid: Tensor, size: int, align: bool) -> Tensor:
    """From [-1, 1] to positions in elements."""
    return (grid + 1) * ((size - 1) / 2) if align else ((grid + 1) * size - 1) * 0.5


def _inside(place: Tensor, size: int, padding: str, align: bool) -> Tensor:
    """Positions moved into the image, as "border" and "reflection" want it."""
    if padding == "reflection":
        low, high = (0, 2 * (size - 1)) if align else (-1, 2 * size - 1)
        place = _reflected(place, low / 2, high / 2)
    return place if padding == "zeros" else place.clamp(0, size - 1)


def _reflected(place: Tensor, low: float, high: float) -> Tensor:
    if low == high:
        return place * 0
    span = high - low
    away = (place - low).abs()
    flips = (away.detach() / span).floor()
    rest = away - flips * span
    even = (flips % 2) == 0
    return tp.where(even, rest + low, high - rest)


def _take(flat: Tensor, size: Sequence[int], places: Sequence[Tensor]) -> Tensor:
    """Elements at whole positions (last dimension first), zeros outside of the image.

    ``flat`` is (N, C, elements), every position (N, points); the result is (N, C, points).
    """
    index: Any = None
    valid: Any = None
    step = 1
    for place, n in zip(places, reversed(size), strict=True):
        fits = tp.logical_and(place >= 0, place <= n - 1)
        part = tp.where(fits, place, 0.0).to(tp.int64) * step
        index = part if index is None else index + part
        valid = fits if valid is None else tp.logical_and(valid, fits)
        step *= n
    shape = (flat._h.shape[0], flat._h.shape[1], index._h.shape[1])
    found = flat.gather(2, index.unsqueeze(1).expand(shape))
    return tp.where(valid.unsqueeze(1), found, 0.0)


# --- filters --------------------------------------------------------------------------------------


def _nearest(flat: Tensor, size: Sequence[int], places: Sequence[Tensor]) -> Tensor:
    return _take(flat, size, [place.detach().round() for place in places])


def _linear(flat: Tensor, size: Sequence[int], places: Sequence[Tensor]) -> Tensor:
    lows = [place.detach().floor() for place in places]
    parts = [place - low for place, low in zip(places, lows, strict=True)]
    total: Any = None
    for corner in product((0, 1), repeat=len(places)):
        weight: Any = None
        for high, part in zip(corner, parts, strict=True):
            factor = part if high else 1 - part
            weight = factor if weight is None else weight * factor
        at = [low + high for low, high in zip(lows, corner, strict=True)]
        term = _take(flat, size, at) * weight.unsqueeze(1)
        total = term if total is None else total + term
    return total


def _cubic_weights(part: Tensor) -> list[Tensor]:
    """Weights of the four neighbours, for a position ``part`` after the second of them."""
    a = -0.75
    near = [((a + 2) * x - (a + 3)) * x * x + 1 for x in (part, 1 - part)]
    far = [((a * x - 5 * a) * x + 8 * a) * x - 4 * a for x in (part + 1, 2 - part)]
    return [far[0], near[0], near[1], far[1]]


def _cubic(
    flat: Tensor, size: Sequence[int], places: Sequence[Tensor], padding: str, align: bool
) -> Tensor:
    lows = [place.detach().floor() for place in places]
    weights = [_cubic_weights(place - low) for place, low in zip(places, lows, strict=True)]
    total: Any = None
    for i, j in product(range(4), repeat=2):
        at = [
            _inside(low + (k - 1), n, padding, align)
            for low, k, n in zip(lows, (j, i), reversed(size), strict=True)
        ]
        term = _take(flat, size, at) * (weights[0][j] * weights[1][i]).unsqueeze(1)
        total = term if total is None else total + term
    return total


@function(
    namespace="nn.functional", domain=(-0.9, 0.9),
    samples=lambda t: [
        (t(2, 3, 4, 5), t(2, 3, 2, 2), "bilinear", "zeros", False),
        (t(1, 2, 4, 5), t(1, 3, 2, 2), "nearest", "border", True),
        (t(1, 2, 4, 5), t(1, 3, 2, 2), "bicubic", "reflection", False),
        (t(1, 2, 3, 4, 5), t(1, 2, 2, 2, 3), "bilinear", "reflection", True),
    ],
)  # fmt: skip
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Values of images (or volumes) at positions between their elements.

    Args:
        input: shape ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        grid: positions in [-1, 1], x first: shape ``(N, *out, 2)`` or ``(N, *out, 3)``.
        mode: "bilinear", "nearest", or "bicubic" (images only).
        padding_mode: what is outside: "zeros", "border" or "reflection".
        align_corners: whether -1 and 1 are the centres of the corner elements or their outer
            corners.

    Returns:
        Shape ``(N, C, *out)``.

    Raises:
        ValueError: an unknown mode.
        RuntimeError: the shapes do not fit.

    Example:
        >>> x, where = tp.tensor([[[[1.0, 3.0]]]]), tp.zeros(1, 1, 1, 2)
        >>> tp.nn.functional.grid_sample(x, where, align_corners=False).item()
        2.0
    """
    name = "grid_sample"
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise OpValueError(f"{name}: expected mode bilinear, nearest or bicubic, got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise OpValueError(
            f"{name}: expected padding_mode zeros, border or reflection, got {padding_mode!r}"
        )
    align = _default_align(name, align_corners)
    same_dtype(name, input, grid)
    size, out = tuple(input._h.shape), tuple(grid._h.shape)
    rank = len(size) - 2
    require(
        rank in (2, 3) and len(out) == len(size) and out[-1] == rank and out[0] == size[0], name,
        "input (N, C, H, W) with grid (N, *, *, 2), or one dimension more", (size, out),
    )  # fmt: skip
    require(0 not in size[2:], name, "an input with elements", size)
    require(mode != "bicubic" or rank == 2, name, "images (4 dimensions) for bicubic", size)
    points = math.prod(out[1:-1])
    dtype = input._dtype
    input, grid = widened(input, grid)
    flat = input.reshape(size[0], size[1], math.prod(size[2:]))
    places = [
        _unnormalized(grid[..., axis].reshape(out[0], points), n, align)
        for axis, n in enumerate(reversed(size[2:]))
    ]
    if mode == "bicubic":
        found = _cubic(flat, size[2:], places, padding_mode, align)
    else:
        places = [
            _inside(place, n, padding_mode, align)
            for place, n in zip(places, reversed(size[2:]), strict=True)
        ]
        found = (_linear if mode == "bilinear" else _nearest)(flat, size[2:], places)
    return found.reshape(size[0], size[1], *out[1:-1]).to(dtype)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 2, 3), (2, 1, 3, 4), False), (t(1, 3, 4), (1, 1, 2, 3, 2), True)],
)  # fmt: skip
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid of :func:`grid_sample` for affine maps.

    Args:
        theta: shape ``(N, 2, 3)`` or ``(N, 3, 4)``.
        size: the output's shape, ``(N, C, H, W)`` or ``(N, C, D, H, W)``.
        align_corners: as for :func:`grid_sample`.

    Returns:
        Shape ``(N, H, W, 2)`` or ``(N, D, H, W, 3)``.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> theta = tp.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> tp.nn.functional.affine_grid(theta, (1, 1, 2, 2), align_corners=True)[0, 0].tolist()
        [[-1.0, -1.0], [1.0, -1.0]]
    """
    is_tensor("affine_grid", "theta", theta)
    align = _default_align("affine_grid", align_corners)
    require(theta._dtype.is_floating_point, "affine_grid", "a floating-point theta", theta._dtype)
    sizes, shape = tuple(size), tuple(theta._h.shape)
    rank = len(sizes) - 2
    if rank not in (2, 3) or shape != (sizes[0], rank, rank + 1) or min(sizes) <= 0:
        raise OpValueError(
            "affine_grid: expected theta of shape (N, 2, 3) for size (N, C, H, W), or (N, 3, 4) "
            f"for (N, C, D, H, W), got {shape} and {sizes}; expected a batch of affine matrices"
        )
    lines = []
    for axis, n in enumerate(reversed(sizes[2:])):
        line = tp.linspace(-1, 1, n, dtype=theta._dtype, device=theta._device)
        line = line if align else line * ((n - 1) / n)
        lines.append((line if n > 1 else line * 0).reshape(n, *(1,) * axis).expand(sizes[2:]))
    lines.append(tp.ones(sizes[2:], dtype=theta._dtype, device=theta._device))
    base = tp.stack(lines, -1).reshape(1, math.prod(sizes[2:]), rank + 1)
    return (base @ theta.transpose(1, 2)).reshape(sizes[0], *sizes[2:], rank)

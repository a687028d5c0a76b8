"""Padding, and moving elements between channels and space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpError
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, require

__all__ = ["channel_shuffle", "pad", "pixel_shuffle", "pixel_unshuffle"]

# --- padding -------------------------------------------------------------------------------------


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(2, 3), (1, 2)), (t(2, 3, 4), (1, 0, 2, 1), "constant", 0.5), (t(2, 5), (-1, -2)),
        (t(1, 2, 4), (2, 1), "reflect"), (t(1, 2, 3, 4), (1, 2, 2, 0), "replicate"),
        (t(1, 2, 4), (2, 1), "circular"), (t(0, 2), (1, 1)),
    ],
)  # fmt: skip
def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """A border around the last dimensions.

    Args:
        input: any shape; for the modes other than "constant" a batch, channels and up to three
            further dimensions, of which the batch may be missing.
        pad: before and after the last dimension, then the one before it, and so on; negative
            amounts cut off.
        mode: "constant", "reflect" (the edge not repeated), "replicate" or "circular".
        value: what "constant" fills with, 0 by default.

    Raises:
        RuntimeError: the amounts do not fit.
        NotImplementedError: the mode does not take the number of dimensions.

    Example:
        >>> tp.nn.functional.pad(tp.tensor([1.0, 2.0]), (1, 2)).tolist()
        [0.0, 1.0, 2.0, 0.0, 0.0]
        >>> tp.nn.functional.pad(tp.tensor([[1.0, 2.0, 3.0]]), (1, 1), "reflect").tolist()
        [[2.0, 1.0, 2.0, 3.0, 2.0]]
    """
    is_tensor("pad", "input", input)
    amounts = tuple(n.__index__() for n in pad)
    dims = len(input._h.shape)
    require(len(amounts) % 2 == 0, "pad", "an even number of amounts", len(amounts),
            "Padding length must be divisible by 2")  # fmt: skip
    require(len(amounts) <= 2 * dims, "pad", f"at most {2 * dims} amounts", len(amounts),
            "Padding length should be less than or equal to two times the input dimension"
            )  # fmt: skip
    pairs = [(amounts[i], amounts[i + 1]) for i in range(0, len(amounts), 2)]
    if mode == "constant":
        return _constant(input, pairs, 0 if value is None else value)
    if mode not in _MODES:
        raise NotImplementedError(
            f"pad: expected mode 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}"
        )
    require(not value, "pad", f"no value with mode {mode!r}", value,
            f'Padding mode "{mode}" doesn\'t take in value argument')  # fmt: skip
    if not (1 <= len(pairs) <= 3 and dims in (len(pairs) + 1, len(pairs) + 2)):
        raise NotImplementedError(
            f"pad: expected mode {mode!r} for 2 to 5 dimensions, padding all but the batch and "
            f"the channels, got {dims} dimensions and {len(amounts)} amounts; only 2D, 3D, 4D, "
            "5D padding with non-constant padding are supported for now"
        )
    for axis, (before, after) in enumerate(pairs):
        input = _extended(input, dims - 1 - axis, before, after, mode)
    return input


def _constant(input: Tensor, pairs: Sequence[tuple[int, int]], value: float) -> Tensor:
    size = tuple(input._h.shape)
    sides = ((0, 0),) * (len(size) - len(pairs)) + tuple(reversed(list(pairs)))
    shape = tuple(n + a + b for n, (a, b) in zip(size, sides, strict=True))
    require(
        all(n >= 0 for n in shape), "pad", f"amounts that leave something of {size}", pairs,
        "which resulted in a negative output size",
    )  # fmt: skip
    cut = input
    for dim, (before, after) in enumerate(sides):
        if before < 0 or after < 0:
            start, end = max(-before, 0), size[dim] - max(-after, 0)
            cut = cut.narrow(dim, start, max(end - start, 0))
    where = tuple(
        slice(max(before, 0), max(before, 0) + n)
        for (before, _), n in zip(sides, cut._h.shape, strict=True)
    )
    if tuple(cut._h.shape) == shape:
        return cut.clone()
    out = ROWS["index_embed"].call(cut, shape, where)
    if value:
        border = tp.full(shape, value, dtype=input._dtype, device=input._device)
        border[where] = 0
        out = out + border
    return out


def _reflected(kept: list[int], before: int, after: int) -> tuple[list[int], list[int]]:
    return kept[before:0:-1], kept[-2 : -2 - after : -1]


def _wrapped(kept: list[int], before: int, after: int) -> tuple[list[int], list[int]]:
    return kept[len(kept) - before :], kept[:after]


_MODES = ("reflect", "replicate", "circular")


def _extended(x: Tensor, dim: int, before: int, after: int, mode: str) -> Tensor:
    """``x`` with elements of its own added at both ends of a dimension, or cut off."""
    n = x._h.shape[dim]
    limit = n - 1 if mode == "reflect" else n
    if mode != "replicate":
        require(
            before <= limit and after <= limit, "pad",
            f"at most {limit} elements on each side of dimension {dim} for mode {mode!r}",
            (before, after), "padding size should be less than the corresponding input dimension",
        )  # fmt: skip
    require(n + before + after > 0 and n > 0, "pad", f"amounts that leave something of {n}",
            (before, after))  # fmt: skip
    if not before and not after:
        return x
    if mode == "replicate":
        places = [min(max(i, 0), n - 1) for i in range(-before, n + after)]
    else:
        kept = list(range(max(-before, 0), n - max(-after, 0)))
        border = _reflected if mode == "reflect" else _wrapped
        first, last = border(kept, max(before, 0), max(after, 0))
        places = [*first, *kept, *last]
    index = tp.tensor(places, device=x._device)
    return ROWS["index_select"].call(x, dim, index._h)


# --- channels and space ---------------------------------------------------------------------------


def _image(name: str, input: Tensor) -> tuple[tuple[int, ...], int, int, int]:
    is_tensor(name, "input", input)
    shape = tuple(input._h.shape)
    require(len(shape) >= 3, name, "an input of 3 dimensions or more", shape)
    return shape[:-3], *shape[-3:]


@function(namespace="nn.functional", samples=lambda t: [(t(1, 8, 2, 3), 2), (t(9, 2, 2), 3)])
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels laid out as pixels: ``(*, C * r * r, H, W)`` to ``(*, C, H * r, W * r)``.

    Raises:
        RuntimeError: the channels cannot be divided by the square of ``upscale_factor``.

    Example:
        >>> tp.nn.functional.pixel_shuffle(tp.ones(1, 8, 2, 2), 2).shape
        tensorplug.Size([1, 2, 4, 4])
    """
    lead, channels, height, width = _image("pixel_shuffle", input)
    r = upscale_factor
    require(r > 0, "pixel_shuffle", "a positive upscale_factor", r)
    require(channels % (r * r) == 0, "pixel_shuffle", f"channels divisible by {r * r}", channels)
    split = input.reshape(*lead, channels // (r * r), r, r, height, width)
    n = len(lead)
    turned = split.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return turned.reshape(*lead, channels // (r * r), height * r, width * r)


@function(namespace="nn.functional", samples=lambda t: [(t(1, 2, 4, 6), 2), (t(1, 3, 3), 3)])
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The reverse of :func:`pixel_shuffle`.

    Raises:
        RuntimeError: height or width cannot be divided by ``downscale_factor``.

    Example:
        >>> tp.nn.functional.pixel_unshuffle(tp.ones(1, 2, 4, 4), 2).shape
        tensorplug.Size([1, 8, 2, 2])
    """
    lead, channels, height, width = _image("pixel_unshuffle", input)
    r = downscale_factor
    require(r > 0, "pixel_unshuffle", "a positive downscale_factor", r)
    require(height % r == 0 and width % r == 0, "pixel_unshuffle",
            f"height and width divisible by {r}", (height, width))  # fmt: skip
    split = input.reshape(*lead, channels, height // r, r, width // r, r)
    n = len(lead)
    turned = split.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return turned.reshape(*lead, channels * r * r, height // r, width // r)


@function(namespace="nn.functional", samples=lambda t: [(t(1, 6, 2, 2), 3), (t(2, 4, 3), 2)])
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels of several groups dealt out in turn; shape ``(N, C, *)``.

    Raises:
        RuntimeError: the channels cannot be divided by ``groups``.

    Example:
        >>> x = tp.arange(4.0).reshape(1, 4, 1)
        >>> tp.nn.functional.channel_shuffle(x, 2).flatten().tolist()
        [0.0, 2.0, 1.0, 3.0]
    """
    is_tensor("channel_shuffle", "input", input)
    shape = tuple(input._h.shape)
    if len(shape) < 3:
        raise OpError(
            f"channel_shuffle: expected an input of 3 dimensions or more, got {shape}",
            op="channel_shuffle",
        )
    require(groups > 0 and shape[1] % groups == 0, "channel_shuffle",
            f"channels divisible by groups={groups}", shape[1])  # fmt: skip
    split = input.reshape(shape[0], groups, shape[1] // groups, *shape[2:])
    return split.transpose(1, 2).reshape(shape)

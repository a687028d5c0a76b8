"""Memory formats and layouts, which say how elements lie in memory."""

from __future__ import annotations

from typing import Any

from .autograd.registry import ROWS
from .autograd.tensor import Tensor
from .backends.layout import is_contiguous

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "in_format", "is_in_format",
    "layout", "memory_format", "preserve_format", "strided",
]  # fmt: skip

_permute, _clone = ROWS["permute"].call, ROWS["clone"].call


class memory_format:
    """An order of dimensions in memory; compare with ``is``."""

    def __init__(self, name: str, rank: int = 0) -> None:
        self.name = name
        self.rank = rank  # of the tensors it is for, 0 for all

    def __repr__(self) -> str:
        return f"tensorplug.{self.name}"


class layout:
    """How a tensor keeps its elements; there is one: :data:`strided`."""

    def __repr__(self) -> str:
        return "tensorplug.strided"


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last", 4)
channels_last_3d = memory_format("channels_last_3d", 5)
strided = layout()


def is_in_format(x: Tensor, wanted: memory_format | None) -> bool:
    """Whether the elements lie in memory as the format says, without gaps."""
    backend = x._device.backend
    if wanted is None or not wanted.rank:
        return backend.is_contiguous(x._h)
    shape, strides, _ = backend.layout(x._h)
    if len(shape) != wanted.rank:
        return False
    order = (0, *range(2, wanted.rank), 1)
    return is_contiguous([shape[d] for d in order], [strides[d] for d in order])


def in_format(x: Tensor, wanted: Any, copy: bool = False) -> Tensor:
    """The tensor in a format: itself when it is in it, a copy otherwise.

    Raises:
        RuntimeError: the format is for another number of dimensions.
    """
    rank = getattr(wanted, "rank", 0)
    if wanted is preserve_format or (not copy and is_in_format(x, wanted)):
        return _clone(x) if copy else x
    if not rank:
        return _clone(x)
    if len(x._h.shape) != rank:
        raise RuntimeError(
            f"memory_format: expected a tensor with {rank} dimensions for {wanted}, got shape "
            f"{tuple(x._h.shape)}; required rank {rank} tensor to use {wanted.name} format"
        )
    moved = _clone(_permute(x, (0, *range(2, rank), 1)))
    return _permute(moved, (0, rank - 1, *range(1, rank - 1)))

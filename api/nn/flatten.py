"""Layers that only change the shape."""

from __future__ import annotations

from collections.abc import Sequence

from tensorplug.autograd.tensor import Tensor

from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Makes the dimensions from ``start_dim`` to ``end_dim`` one; the batch is kept by default.

    Example:
        >>> tp.nn.Flatten()(tp.zeros(2, 3, 4)).shape
        tensorplug.Size([2, 12])
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """A view of ``input`` where its memory allows one."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Both dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits dimension ``dim`` into several; one of the sizes may be -1.

    Example:
        >>> tp.nn.Unflatten(1, (3, 4))(tp.zeros(2, 12)).shape
        tensorplug.Size([2, 3, 4])
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        if isinstance(unflattened_size, (int, str)) or not all(
            isinstance(size, int) for size in unflattened_size
        ):
            raise TypeError(
                f"Unflatten: expected a tuple of integers as sizes, got {unflattened_size!r}"
            )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        """A view of ``input`` with more dimensions."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """The dimension and its sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"

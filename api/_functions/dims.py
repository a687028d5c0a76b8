"""Dimensions in another order, added and removed: all views."""

from __future__ import annotations

from typing import Any

from .._arguments import integers, wrap_dim, wrap_dims
from ..autograd.errors import OpError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor

__all__ = ["adjoint", "matrix_transpose", "movedim", "permute", "squeeze", "t", "transpose"]

_permute, _index = ROWS["permute"].call, ROWS["index"].call
_ALL = slice(None)


@function(
    aliases=("swapaxes", "swapdims"),
    ref=lambda np, x, dim0, dim1: np.swapaxes(x, dim0, dim1) if x.ndim else x,
    samples=lambda t: [(t(2, 3), 0, 1), (t(2, 3, 4), -1, 0), (t(), 0, -1)],
)
def transpose(input: Tensor, dim0: Any, dim1: Any = None) -> Tensor:
    """Two dimensions exchanged.

    Differs from torch: one tuple is an order of all dimensions, as in NumPy.

    Raises:
        IndexError: a dimension is out of range.

    Example:
        >>> tp.zeros(2, 3).transpose(0, 1).shape
        tensorplug.Size([3, 2])
    """
    order = list(range(len(input._h.shape)))
    try:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    except (IndexError, TypeError):
        if dim1 is None and isinstance(dim0, (tuple, list)):
            return permute(input, dims=dim0)
        wrap_dim("transpose", dim0, len(order)), wrap_dim("transpose", dim1, len(order))
    return _permute(input, tuple(order))


@function(
    row="permute",
    ref="transpose",
    samples=lambda t: [(t(2, 3, 4), (2, 0, 1)), (t(2, 3), (-1, 0)), (t(), ())],
)
def permute(input: Tensor, *dims_: Any, dims: Any = None) -> Tensor:
    """All dimensions in the given order.

    Raises:
        RuntimeError: not every dimension is named once.
    """
    rank = len(input._h.shape)
    if len(dims_) == rank > 1 and sorted(dims_) == list(range(rank)):
        return _permute(input, dims_)
    found = wrap_dims("permute", integers("permute", dims_ if dims is None else (dims,)), rank)
    if len(found) != rank:
        raise OpError(
            f"permute: expected all {rank} dimensions, got {found}; the number of dimensions in "
            f"the tensor input does not match the length of the desired ordering",
            op="permute",
        )
    return _permute(input, found)


@function(samples=lambda t: [(t(2, 3),), (t(3),), (t(),)], ref="transpose")
def t(input: Tensor) -> Tensor:
    """A matrix transposed; tensors of fewer dimensions as they are.

    Raises:
        RuntimeError: it has more than two dimensions.
    """
    rank = len(input._h.shape)
    if rank > 2:
        raise OpError(
            f"t: expected at most 2 dimensions, got shape {tuple(input._h.shape)}; t() expects a "
            f"tensor with <= 2 dimensions, but self is {rank}D: use .mT or .transpose(...)",
            op="t",
        )
    return _permute(input, tuple(range(rank))[::-1])


def reverse(self: Tensor) -> Tensor:
    """``x.T``: all dimensions in reverse order."""
    return _permute(self, tuple(range(len(self._h.shape)))[::-1])


def matrix_transpose(self: Tensor) -> Tensor:
    """``x.mT``: the last two dimensions exchanged.

    Raises:
        RuntimeError: there are fewer than two dimensions.
    """
    rank = len(self._h.shape)
    if rank < 2:
        raise OpError(
            f"mT: expected at least 2 dimensions, got shape {tuple(self._h.shape)}; tensor.mT is "
            "only supported on matrices or batches of matrices",
            op="mT",
        )
    return _permute(self, (*range(rank - 2), rank - 1, rank - 2))


@function(samples=lambda t: [(t(2, 3),), (t(2, 3, 4),)])
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, and complex numbers conjugated."""
    return matrix_transpose(input).conj()


def hermitian(self: Tensor) -> Tensor:
    """``x.H``: the conjugate transpose of a matrix.

    Raises:
        RuntimeError: it is no matrix.
    """
    if len(self._h.shape) not in (0, 2):
        raise OpError(
            f"H: expected a matrix, got shape {tuple(self._h.shape)}; tensor.H is only supported "
            "on matrices (2-D tensors): use .mH for batches",
            op="H",
        )
    turned = matrix_transpose(self) if self._h.shape else self
    return turned.conj()


@function(
    aliases=("moveaxis",),
    ref="moveaxis",
    samples=lambda t: [(t(2, 3, 4), 0, -1), (t(2, 3, 4), (0, 1), (2, 0))],
)
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other positions; the others keep their order.

    Raises:
        RuntimeError: the numbers of dimensions differ, or one is named twice.
    """
    rank = len(input._h.shape)
    start, end = wrap_dims("movedim", source, rank), wrap_dims("movedim", destination, rank)
    if len(start) != len(end):
        raise OpError(
            f"movedim: expected as many destinations as sources, got {source} and {destination}; "
            "movedim: Invalid source or destination dims",
            op="movedim",
        )
    if not rank:
        return _permute(input, ())
    moved = dict(zip(end, start, strict=True))
    rest = iter([dim for dim in range(rank) if dim not in start])
    order = tuple(moved[dim] if dim in moved else next(rest) for dim in range(rank))
    return _permute(input, order)


@function(samples=lambda t: [(t(2, 3), 0), (t(2, 3), -1), (t(), 0)], ref="expand_dims")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dimension of size 1 at ``dim``.

    Raises:
        IndexError: ``dim`` is out of range.
    """
    at = wrap_dim("unsqueeze", dim, len(input._h.shape) + 1)
    return _index(input, (*(_ALL,) * at, None, ...))


@function(
    ref=lambda np, x, dim=None: (
        np.squeeze(x)
        if dim is None
        else np.squeeze(x, tuple(d for d in np.atleast_1d(dim).tolist() if x.shape[d] == 1))
    ),
    samples=lambda t: [(t(1, 2, 1),), (t(1, 2, 1), 0), (t(1, 2, 1), (0, -1)), (t(2), 0)],
)
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1: all of them, or those named in ``dim``."""
    shape = input._h.shape
    if dim is None:
        chosen: Any = range(len(shape))
    else:
        chosen = wrap_dims("squeeze", dim, len(shape))
    items = tuple(0 if at in chosen and size == 1 else _ALL for at, size in enumerate(shape))
    return _index(input, (*items, ...))

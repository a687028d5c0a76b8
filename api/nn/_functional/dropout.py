"""Dropout: random elements or channels set to zero in training."""

from __future__ import annotations

import tensorplug as tp
from tensorplug._sampling import sample
from tensorplug.autograd.errors import OpValueError
from tensorplug.autograd.registry import function
from tensorplug.autograd.tensor import Tensor

from ._arguments import in_place, is_tensor, require

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip


def _check(name: str, input: Tensor, p: float) -> None:
    is_tensor(name, "input", input)
    if not 0 <= p <= 1:
        raise OpValueError(
            f"{name}: expected a probability from 0 to 1, got {p}; dropout probability has to be "
            "between 0 and 1",
            op=name,
        )


def _check_dtype(name: str, input: Tensor) -> None:
    require(input._dtype.is_inexact, name, "a floating-point tensor", input._dtype,
            "result type Float can't be cast to the type of the input")  # fmt: skip


def _mask(shape: tuple[int, ...], input: Tensor, p: float) -> Tensor:
    """1 where an element stays, 0 elsewhere, without history."""
    return sample("dropout", None, input._device, "bernoulli", shape, input._dtype.to_real(), 1 - p)


def _run(name: str, input: Tensor, p: float, training: bool, inplace: bool, dims: int) -> Tensor:
    """Drop elements that have the first ``dims`` indices in common together (0: each alone)."""
    _check(name, input, p)
    if not training or p == 0:
        return input
    _check_dtype(name, input)
    size = tuple(input._h.shape)
    shape = size if not dims else (*size[:dims], *(1,) * (len(size) - dims))

    def drop(x: Tensor) -> Tensor:
        if p == 1:
            return x * tp.zeros(shape, dtype=x._dtype, device=x._device)
        return x * (_mask(shape, x, p) * (1 / (1 - p)))

    return in_place(name, drop, input) if inplace else drop(input)


@function(
    namespace="nn.functional", random=True,
    samples=lambda t: [(t(4, 5),), (t(4, 5), 0.3, False), (t(3), 1.0), (t(0),)],
)  # fmt: skip
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p``, and scale the others up by ``1 / (1 - p)``.

    Args:
        input: any shape, floating-point or complex.
        p: the probability.
        training: otherwise the input is returned.
        inplace: write into the input.

    Raises:
        ValueError: ``p`` is not from 0 to 1.

    Example:
        >>> tp.nn.functional.dropout(tp.ones(3), 0.5, training=False).tolist()
        [1.0, 1.0, 1.0]
    """
    return _run("dropout", input, p, training, inplace, 0)


def _channels(
    name: str, input: Tensor, rank: int, p: float, training: bool, inplace: bool
) -> Tensor:  # fmt: skip
    dims = len(input._h.shape)
    require(
        dims in (rank + 1, rank + 2), name, f"an input of {rank + 1} or {rank + 2} dimensions",
        f"shape {tuple(input._h.shape)}",
    )  # fmt: skip
    return _run(name, input, p, training, inplace, dims - rank)


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(4, 3, 5),), (t(3, 4), 0.2)])
def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """:func:`dropout` of whole channels of ``(N, C, L)`` or ``(C, L)``.

    Example:
        >>> tp.nn.functional.dropout1d(tp.ones(1, 2, 3), 0.0).shape
        tensorplug.Size([1, 2, 3])
    """
    is_tensor("dropout1d", "input", input)
    return _channels("dropout1d", input, 1, p, training, inplace)


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(4, 3, 2, 2),)])
def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """:func:`dropout` of whole channels of images ``(N, C, H, W)``.

    An input of three dimensions counts as ``(N, C, L)``, as in PyTorch.

    Example:
        >>> tp.nn.functional.dropout2d(tp.ones(1, 2, 3, 3), 0.0).shape
        tensorplug.Size([1, 2, 3, 3])
    """
    _check("dropout2d", input, p)
    return _run("dropout2d", input, p, training, inplace, 2)


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(2, 3, 2, 2, 2),)])
def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """:func:`dropout` of whole channels of volumes ``(N, C, D, H, W)``.

    Example:
        >>> tp.nn.functional.dropout3d(tp.ones(1, 2, 2, 2, 2), 0.0).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """
    is_tensor("dropout3d", "input", input)
    return _channels("dropout3d", input, 3, p, training, inplace)


_LOWEST = -1.7580993408473766  # what selu tends to on the far left


def _alpha(name: str, input: Tensor, p: float, training: bool, inplace: bool, dims: int) -> Tensor:
    _check(name, input, p)
    if not training or p == 0:
        return input
    _check_dtype(name, input)
    size = tuple(input._h.shape)
    shape = size if not dims else (*size[:dims], *(1,) * (len(size) - dims))
    scale = 0.0 if p == 1 else ((1 - p) * (1 + p * _LOWEST * _LOWEST)) ** -0.5

    def drop(x: Tensor) -> Tensor:
        if p == 1:
            return x * 0
        keep = _mask(shape, x, p)
        return x * (keep * scale) + (1 - p - keep) * (_LOWEST * scale)

    return in_place(name, drop, input) if inplace else drop(input)


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(4, 5),)])
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout for :func:`selu`: keeps mean 0 and variance 1.

    Args:
        input, p, inplace: as for :func:`dropout`.
        training: otherwise (the default) the input is returned.

    Example:
        >>> tp.nn.functional.alpha_dropout(tp.ones(2)).tolist()
        [1.0, 1.0]
    """
    return _alpha("alpha_dropout", input, p, training, inplace, 0)


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(4, 3, 5),)])
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """:func:`alpha_dropout` of whole channels.

    Example:
        >>> tp.nn.functional.feature_alpha_dropout(tp.ones(1, 1, 2)).tolist()
        [[[1.0, 1.0]]]
    """
    is_tensor("feature_alpha_dropout", "input", input)
    require(len(input._h.shape) > 1 or not (training and p), "feature_alpha_dropout",
            "at least 2 dimensions", tuple(input._h.shape))  # fmt: skip
    return _alpha("feature_alpha_dropout", input, p, training, inplace, 2)

"""Softmax, log-sum-exp and norms."""

from __future__ import annotations

import math
from typing import Any

from .._arguments import wrap_dim, wrap_dims
from ..autograd import slow
from ..autograd.errors import OpError, OpIndexError
from ..autograd.families import dims_of
from ..autograd.registry import FUNCTIONS, ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType
from ._arguments import settle, tensor

__all__ = ["dist", "log_softmax", "logsumexp", "norm", "renorm", "softmax"]

_call = {name: row.call for name, row in ROWS.items()}


def _rows(t: Any) -> list[Any]:
    return [(t(2, 3), 1), (t(2, 3, 4), -2), (t(), 0), (t(0, 2), 1), (t.noncontig(3, 4), 0)]


def _normalised(name: str) -> Any:
    def call(input: Tensor, dim: int, dtype: DType | None = None, *, out: Any = None) -> Tensor:
        input = tensor(name, input)
        if dtype is not None:
            input = slow.cast(input, dtype)
        dim = wrap_dim(name, dim, len(input._h.shape))
        return settle(name, _call[name](input, dim), out)

    call.__name__ = call.__qualname__ = name
    what = "Exponentials scaled to a sum of 1" if name == "softmax" else "The logarithm of softmax"
    call.__doc__ = f"""{what} along ``dim``; ``dtype`` is what to convert to first.

    Raises:
        IndexError: ``dim`` is out of range.
        RuntimeError: the type is not floating-point.

    Example:
        >>> tp.{name}(tp.zeros(2), 0)
        tensor({"[0.5000, 0.5000]" if name == "softmax" else [-0.6931, -0.6931]})
    """
    return call


softmax = function(row="softmax", samples=_rows)(_normalised("softmax"))
log_softmax = function(row="log_softmax", samples=_rows)(_normalised("log_softmax"))
function(name="softmax", namespace="special", row="softmax", samples=_rows)(softmax)
function(name="log_softmax", namespace="special", row="log_softmax", samples=_rows)(log_softmax)


@function(row="logsumexp", samples=lambda t: [*_rows(t)[:3],
          (t(2, 3, 4), (0, 2)), (t(2, 3), -1, True)])  # fmt: skip
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False, *, out: Any = None) -> Tensor:
    """``log(sum(exp(input), dim))`` without overflow.

    Example:
        >>> tp.logsumexp(tp.tensor([1000.0, 1000.0]), 0)
        tensor(1000.6932)
    """
    input = tensor("logsumexp", input)
    dims = dims_of("logsumexp", dim, len(input._h.shape)) or None
    return settle("logsumexp", _call["logsumexp"](input, dims, keepdim), out)


# --- norms ------------------------------


def _inexact(name: str, input: Tensor, dtype: DType | None) -> Tensor:
    if dtype is not None:
        return slow.cast(input, dtype)
    if not input._dtype.is_inexact:
        raise OpError(
            f"{name}: expected a floating-point or complex tensor, got {input._dtype}; convert it "
            "with .float()",
            op=name,
        )
    return input


@function(samples=lambda t: [(t(2, 3),), (t(2, 3), 1, 1), (t(2, 3), 3.0, (0, 1)),
          (t(2, 3), math.inf, -1, True), (t(2, 3), "fro")])  # fmt: skip
def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None,
         dtype: DType | None = None) -> Tensor:  # fmt: skip
    """The ``p``-norm of the elements, over ``dim`` or over all; ``"nuc"`` for matrices.

    Raises:
        RuntimeError: the tensor is of a whole-number type, or ``p`` is unknown.

    Example:
        >>> tp.norm(tp.tensor([3.0, 4.0]))
        tensor(5.)
    """
    input = _inexact("norm", tensor("norm", input), dtype)
    ndim = len(input._h.shape)
    if p == "nuc":
        return settle("norm", _nuclear(input, dim, keepdim), out)
    if isinstance(p, str) and p != "fro":
        raise OpError(f"norm: expected a number, 'fro' or 'nuc' as p, got {p!r}", op="norm")
    power = 2.0 if p is None or p == "fro" else float(p)
    dims = None if dim is None else dims_of("norm", dim, ndim) or None
    if math.isinf(power) and 0 in (input._h.shape if dims is None else
                                   [input._h.shape[d] for d in dims]):  # fmt: skip
        raise OpIndexError(
            f"norm: expected reduction dim to have non-zero size for p={power}, got shape "
            f"{tuple(input._h.shape)}; this norm of nothing does not exist",
            op="norm",
        )
    return settle("norm", _call["p_norm"](input, power, dims, keepdim), out)


def _nuclear(input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """The sum of the singular values of matrices in two dimensions."""
    ndim = len(input._h.shape)
    first, second = wrap_dims("norm", (0, 1) if dim is None else dim, ndim)
    rest = [d for d in range(ndim) if d not in (first, second)]
    matrices = _call["permute"](input, (*rest, first, second))
    values = _call["sum"](FUNCTIONS["linalg.svdvals"].call(matrices), (ndim - 2,), False)
    if keepdim:
        shape = tuple(1 if d in (first, second) else n for d, n in enumerate(input._h.shape))
        values = values.reshape(shape)
    return values


@function(samples=lambda t: [(t(2, 3), t(2, 3)), (t(2, 3), t(3), 1)])
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The ``p``-norm of ``input - other``.

    Example:
        >>> tp.dist(tp.tensor([1.0, 1.0]), tp.tensor([4.0, 5.0]))
        tensor(5.)
    """
    return norm(tensor("dist", input) - other, float(p))


@function(inplace=True, samples=lambda t: [(t(2, 3), 2, 0, 1.0), (t(2, 3, 2), 1, -1, 0.5)])
def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Tensor:
    """Slices along ``dim`` scaled down to a ``p``-norm of at most ``maxnorm``.

    Raises:
        RuntimeError: fewer than two dimensions, ``p`` not positive or ``maxnorm`` negative.

    Example:
        >>> tp.renorm(tp.tensor([[3.0, 4.0]]), 2, 0, 1.0)
        tensor([[0.6000, 0.8000]])
    """
    input = tensor("renorm", input)
    ndim = len(input._h.shape)
    if ndim < 2 or p <= 0 or maxnorm < 0:
        raise OpError(
            f"renorm: expected at least 2 dimensions, a positive p and a maxnorm of 0 or more, got "
            f"{ndim} dimensions, p={p} and maxnorm={maxnorm}",
            op="renorm",
        )
    dim = wrap_dim("renorm", dim, ndim)
    dims = tuple(d for d in range(ndim) if d != dim)
    size = _call["p_norm"](input, float(p), dims, True)
    scale = _call["where"](size > maxnorm, maxnorm / (size + 1e-7), 1)
    return settle("renorm", input * scale, out)

"""Covariance, correlation, and slices of limited norm."""

from __future__ import annotations

import math
from typing import Any

from .._arguments import wrap_dim
from ..autograd import slow
from ..autograd.errors import OpError
from ..autograd.kernels import tensor_kernels
from ..autograd.ops.products import adjoint, as_column, as_row
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends import dtypes
from .products import finish

__all__: list[str] = []

_matmul, _mul = ROWS["matmul"].call, ROWS["mul"].call


def _weights(name: str, what: str, x: Any, count: int, whole: bool) -> Tensor:
    if type(x) is not Tensor or len(x._h.shape) > 1 or x._h.shape not in ((count,), ()):
        raise OpError(f"{name}: expected {what} of shape ({count},), got {getattr(x, 'shape', x)}",
                      op=name)  # fmt: skip
    if x.lt(0).any().item():
        raise OpError(f"{name}: expected {what} of 0 or more, got negative ones; {what} cannot be "
                      "negative", op=name)  # fmt: skip
    if whole == x._dtype.is_inexact:
        kind = "integers" if whole else "floating-point numbers"
        raise OpError(f"{name}: expected {what} to be {kind}, got {x._dtype}", op=name)
    return x


@function(dtypes="float complex", ref=lambda np, x: np.cov(x),
          samples=lambda t: [(t(2, 4),), (t(5),)])  # fmt: skip
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The covariance matrix of variables (rows) from their observations (columns).

    Args:
        input: ``(variables, observations)`` or ``(observations,)``.
        correction: what to take off the number of observations: 1 for the unbiased estimate.
        fweights: how often each observation counts, integers.
        aweights: how much each observation counts.
    """
    shape = tuple(input._h.shape)
    if len(shape) > 2 or input._dtype.kind == "bool":
        raise OpError(f"cov: expected a number tensor of at most 2 dimensions, got shape {shape} "
                      f"and {input._dtype}", op="cov")  # fmt: skip
    F = tensor_kernels(input._device)
    x = F.reshape(input, (1, math.prod(shape))) if len(shape) < 2 else input
    count: Any = x._h.shape[1]
    x = x if x._dtype.is_inexact else slow.cast(x, dtypes.default_float())
    weights = None
    if fweights is not None:
        weights = _weights("cov", "fweights", fweights, count, True)
    if aweights is not None:
        other = _weights("cov", "aweights", aweights, count, False)
        weights = other if weights is None else _mul(other, weights)
    if weights is None:
        away = scaled = F.sub(x, F.mean(x, (1,), True))
        freedom: Any = max(count - correction, 0)
    else:
        total = F.sum(weights, None, False)
        mean = F.div(F.sum(_mul(x, weights), (1,), True), total)
        freedom = F.sub(total, correction)
        if correction == 0:
            freedom = total
        elif aweights is not None:
            part = F.sum(_mul(weights, aweights), None, False)
            freedom = F.sub(total, F.div(_mul(part, correction), total))
        freedom = F.clamp_min(freedom, 0)
        away = F.sub(x, mean)
        scaled = _mul(away, weights)
    found = F.div(_matmul(away, adjoint(F, scaled)), freedom)
    return F.reshape(found, ()) if found._h.shape == (1, 1) else found


@function(dtypes="float complex", ref=lambda np, x: np.corrcoef(x),
          samples=lambda t: [(t(2, 4),), (t(5),)])  # fmt: skip
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of variables (rows)."""
    F = tensor_kernels(input._device)
    c = cov(input)
    if not c._h.shape:
        return F.div(c, c)
    spread = F.sqrt(F.real(F.diagonal(c, (0, 0, 1))) if c._dtype.is_complex
                    else F.diagonal(c, (0, 0, 1)))  # fmt: skip
    spread = slow.cast(spread, c._dtype)
    found = F.div(F.div(c, as_column(F, spread)), as_row(F, spread))
    if c._dtype.is_complex:
        parts = [F.clamp(part, -1.0, 1.0) for part in (F.real(found), F.imag(found))]
        return F.complex(*parts)
    return F.clamp(found, -1.0, 1.0)


@function(inplace=True, dtypes="float complex",
          samples=lambda t: [(t(2, 3), 2, 0, 1.0), (t(2, 3, 2), 1, 1, 0.5)])  # fmt: skip
def renorm(
    input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None
) -> Tensor:
    """Scale slices along ``dim`` so that no slice has a ``p``-norm above ``maxnorm``."""
    rank = len(input._h.shape)
    if rank < 2 or p <= 0 or maxnorm < 0:
        raise OpError(
            f"renorm: expected 2 or more dimensions, p > 0 and maxnorm >= 0, got shape "
            f"{tuple(input._h.shape)}, {p} and {maxnorm}",
            op="renorm",
        )
    F = tensor_kernels(input._device)
    at = wrap_dim("renorm", dim, rank)
    others = tuple(d for d in range(rank) if d != at)
    size = F.p_norm(input, float(p), others, True)
    scale = F.where(F.gt(size, maxnorm), F.div(maxnorm, F.add(size, 1e-7)), 1.0)
    return finish("renorm", _mul(input, slow.cast(scale, input._dtype)), out)

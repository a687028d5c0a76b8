"""Rows of neural networks that are neither convolution, pooling, norm nor activation."""

from __future__ import annotations

import math
from typing import Any

from ...backends.dtypes import int64
from ..families import GENERIC
from ..registry import op
from .index import check_range

__all__: list[str] = []


def _conj(F: Any, x: Any) -> Any:
    return F.conj(x) if F.dtype_of(x).is_complex else x


def _rows(F: Any, x: Any) -> Any:
    """All but the last dimension as one."""
    shape = x.shape
    return x if len(shape) == 2 else F.reshape(x, (math.prod(shape[:-1]), shape[-1]))


# --- linear ------------------------------


def _linear(F: Any, x: Any, weight: Any, bias: Any) -> Any:
    found = F.matmul(_rows(F, x), F.permute(weight, (1, 0)))
    if len(x.shape) != 2:
        found = F.reshape(found, (*x.shape[:-1], weight.shape[0]))
    return found if bias is None else found + bias


op(
    "linear", GENERIC, inputs=("x", "weight", "bias"), attrs=(), xp=None, public=False,
    generic=_linear, node="Addmm",
    grad={
        "x": lambda F, g, weight: F.linear(g, F.permute(_conj(F, weight), (1, 0)), None),
        "weight": lambda F, g, x:
            F.matmul(F.permute(_rows(F, g), (1, 0)), _conj(F, _rows(F, x))),
        "bias": lambda F, g: F.row_sum(_rows(F, g)),
    },
)  # fmt: skip

op("row_sum", GENERIC, inputs=("x",), attrs=(), xp=None, public=False,
   generic=lambda F, x: F.sum(x, (0,), False),
   grad=lambda F, g, x_shape: F.expand(g, x_shape))  # fmt: skip


# --- embedding ------------------------------


def _embedding_rule(
    F: Any, g: Any, index: Any, weight_shape: Any, padding: int | None, by_count: bool
) -> Any:
    dtype, rows = F.dtype_of(g), weight_shape[0]
    column = (*index.shape, *(1,) * (len(weight_shape) - 1))
    if padding is not None:
        g = g * F.reshape(F.cast(index != padding, dtype), column)
    if by_count:
        ones = F.full((*index.shape, 1), 1, dtype)
        count = F.embedding(F.embedding_back(ones, index, rows), index, None, False)
        g = g / F.reshape(count, column)
    return F.embedding_back(g, index, rows)


def _embedding_back(F: Any, g: Any, index: Any, rows: int) -> Any:
    inner = tuple(g.shape[len(index.shape) :])
    return F.index_put(F.zeros((rows, *inner), F.dtype_of(g)), g, (index,), True)


def _embedding(F: Any, weight: Any, index: Any, padding: int | None, by_count: bool) -> Any:
    check_range(F, index, weight.shape[0], "index out of range in self")
    return F.index_get(weight, (index,))


op("embedding", GENERIC, inputs=("weight", "index"), attrs=("padding", "by_count"), xp=None,
   public=False, generic=_embedding, grad={"weight": _embedding_rule})  # fmt: skip
op("embedding_back", GENERIC, inputs=("g", "index"), attrs=("rows",), xp=None, public=False,
   generic=_embedding_back,
   grad={"g": lambda F, g, index: F.embedding(g, index, None, False)})  # fmt: skip


# --- negative log-likelihood ------------------------------
# Input (N, C, L), target (N, L) of class numbers; weight is (C,) or None. The second output is
# the sum of the weights of all targets that count: what "mean" divides by.


def _weighted(
    F: Any, target: Any, weight: Any, classes: int, ignore: int, dtype: Any
) -> tuple[Any, Any]:
    """The weight of each target, 0 for the ignored; and targets that are safe to index with."""
    keep = target != ignore
    known = F.where(keep, target, F.zeros(tuple(target.shape), F.dtype_of(target)))
    known = F.cast(known, int64)
    check_range(F, known, classes, "Target is out of bounds")
    found = F.cast(keep, dtype)
    return found if weight is None else found * F.index_get(weight, (known,)), known


def _nll(F: Any, x: Any, target: Any, weight: Any, reduction: str, ignore: int) -> Any:
    weights, known = _weighted(F, target, weight, x.shape[1], ignore, F.dtype_of(x))
    index = F.reshape(known, (known.shape[0], 1, known.shape[1]))
    picked = F.reshape(F.gather(x, 1, index), tuple(target.shape))
    losses, total = -(picked * weights), F.sum(weights, None, False)
    if reduction == "none":
        return losses, total
    loss = F.sum(losses, None, False)
    return (loss / total if reduction == "mean" else loss), total


def _nll_back(
    F: Any, g: Any, target: Any, weight: Any, total: Any, shape: Any, reduction: str, ignore: int
) -> Any:
    weights, known = _weighted(F, target, weight, shape[1], ignore, F.dtype_of(g))
    scale = -(g / total) if reduction == "mean" else -g
    index = F.reshape(known, (known.shape[0], 1, known.shape[1]))
    source = F.reshape(weights * scale, tuple(index.shape))
    return F.scatter_add(F.zeros(shape, F.dtype_of(g)), source, 1, index)


op("nll_loss", GENERIC, inputs=("x", "target", "weight"), attrs=("reduction", "ignore"),
   outputs=("out", "total"), xp=None, public=False, generic=_nll, node="NllLoss",
   grad={"x": lambda F, g, target, weight, total, x_shape, reduction, ignore: F.nll_loss_back(
       g[0], target, weight, total, tuple(x_shape), reduction, ignore)})  # fmt: skip
op("nll_loss_back", GENERIC, inputs=("g", "target", "weight", "total"),
   attrs=("shape", "reduction", "ignore"), xp=None, public=False, generic=_nll_back,
   node="NllLossBackward",
   grad={("g", "total"): lambda F, g, target, weight, reduction, ignore: (
       F.nll_loss(g, target, weight, reduction, ignore)[0], None)})  # fmt: skip


# --- binary cross-entropy -----------------------------------------------------------------------


def _bce(F: Any, x: Any, target: Any) -> Any:
    low = F.full((), -100, F.dtype_of(x))
    yes, no = F.maximum(F.log(x), low), F.maximum(F.log1p(-x), low)
    return (target - 1) * no - target * yes


def _bce_rule(F: Any, g: Any, x: Any, target: Any) -> Any:
    smallest = F.full((), 1e-12, F.dtype_of(x))
    return g * (x - target) / F.maximum((1 - x) * x, smallest)


def _bce_target(F: Any, g: Any, x: Any) -> Any:
    low = F.full((), -100, F.dtype_of(x))
    return g * (F.maximum(F.log1p(-x), low) - F.maximum(F.log(x), low))


op("binary_cross_entropy", GENERIC, inputs=("x", "target"), attrs=(), xp=None, public=False,
   generic=_bce, grad={"x": _bce_rule, "target": _bce_target})  # fmt: skip

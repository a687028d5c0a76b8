"""Attention, and the softmax family under its names in this namespace."""

from __future__ import annotations

import math
import warnings
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, require, widened
from .dropout import dropout

__all__ = [
    "gumbel_softmax", "log_softmax", "scaled_dot_product_attention", "sigmoid", "softmax", "tanh",
]  # fmt: skip

_attention = ROWS["attention"].call


def _dim(name: str, input: Tensor, dim: int | None) -> int:
    if dim is not None:
        return dim
    warnings.warn(f"{name}: a call without dim is deprecated; pass dim", UserWarning, stacklevel=4)
    return 0 if len(input._h.shape) in (0, 1, 3) else 1


@function(namespace="nn.functional", row="softmax", samples=lambda t: [(t(2, 3), 1), (t(3), 0)])
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``exp(input)``, divided by its sum along ``dim``.

    Example:
        >>> tp.nn.functional.softmax(tp.zeros(2), 0).tolist()
        [0.5, 0.5]
    """
    is_tensor("softmax", "input", input)
    return tp.softmax(input, _dim("softmax", input, dim), dtype=dtype)


@function(namespace="nn.functional", row="log_softmax", samples=lambda t: [(t(2, 3), 1), (t(3), 0)])
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """The logarithm of :func:`softmax`, accurate everywhere.

    Example:
        >>> tp.nn.functional.log_softmax(tp.zeros(1), 0).tolist()
        [0.0]
    """
    is_tensor("log_softmax", "input", input)
    return tp.log_softmax(input, _dim("log_softmax", input, dim), dtype=dtype)


@function(namespace="nn.functional", row="sigmoid", samples=lambda t: [(t(2, 3),)])
def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return ROWS["sigmoid"].call(input)


@function(namespace="nn.functional", row="tanh", samples=lambda t: [(t(2, 3),)])
def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return ROWS["tanh"].call(input)


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(2, 3),), (t(4), 0.5, True)])
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A random choice among ``softmax(logits)`` that gradients flow through.

    Args:
        logits: unnormalised log-probabilities.
        tau: the temperature; small values come near to a choice.
        hard: return one-hot rows, with the gradient of the soft ones.
        eps: accepted for compatibility.
        dim: the dimension of the choices.

    Example:
        >>> tp.nn.functional.gumbel_softmax(tp.zeros(5), hard=True).sum().round().item()
        1.0
    """
    with tp.no_grad():
        noise = -tp.empty_like(logits).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    with tp.no_grad():
        chosen = soft.argmax(dim, keepdim=True)
        one_hot = tp.zeros_like(soft).scatter_(dim, chosen, 1.0)
    return one_hot - soft.detach() + soft


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(2, 4, 3), t(2, 5, 3), t(2, 5, 2)), (t(1, 2, 4, 3), t(1, 2, 4, 3), t(1, 2, 4, 3), None,
                                               0.0, True),
        (t(2, 4, 3), t(2, 5, 3), t(2, 5, 2), t(4, 5)),
        (t(2, 4, 3), t(2, 5, 3), t(2, 5, 2), t.bool((4, 5)), {"scale": 0.5}),
    ],
)  # fmt: skip
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """``softmax(query @ key.T * scale + mask) @ value``.

    Args:
        query: shape ``(*, L, E)``.
        key: shape ``(*, S, E)``.
        value: shape ``(*, S, Ev)``.
        attn_mask: broadcast to ``(*, L, S)``: booleans (True takes part), or numbers to add.
        dropout_p: dropout of the weights; pass 0 outside of training.
        is_causal: position ``i`` sees only positions up to ``i``.
        scale: ``1 / sqrt(E)`` when None.
        enable_gqa: repeat the heads of key and value (third dimension from the end) to fit
            those of the query.

    Returns:
        Shape ``(*, L, Ev)``.

    Raises:
        RuntimeError: both a mask and ``is_causal``, or shapes that do not fit.

    Example:
        >>> q, v = tp.ones(1, 2, 4), tp.tensor([[[1.0], [3.0]]])
        >>> tp.nn.functional.scaled_dot_product_attention(q, q, v).tolist()
        [[[2.0], [2.0]]]
    """
    name = "scaled_dot_product_attention"
    for what, x in (("query", query), ("key", key), ("value", value)):
        is_tensor(name, what, x)
        require(len(x._h.shape) > 1, name, f"{what} of 2 dimensions or more", tuple(x._h.shape))
    require(query._dtype is key._dtype is value._dtype, name, "operands of one dtype",
            (query._dtype, key._dtype, value._dtype))  # fmt: skip
    require(attn_mask is None or attn_mask._dtype in (tp.bool, query._dtype), name,
            f"a mask of bool or {query._dtype}", getattr(attn_mask, "dtype", None))  # fmt: skip
    require(attn_mask is None or not is_causal, name, "attn_mask or is_causal", "both",
            "explicit attn_mask should not be set when is_causal=True")  # fmt: skip
    if enable_gqa:
        key, value = (_repeat_heads(name, query, x) for x in (key, value))
    if is_causal:
        rows, columns = query._h.shape[-2], key._h.shape[-2]
        attn_mask = tp.ones(rows, columns, dtype=tp.bool, device=query._device).tril()
    factor = 1 / math.sqrt(query._h.shape[-1]) if scale is None else scale
    return attend(query, key, value, attn_mask, dropout_p, factor)


def attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout_p: float, scale: float
) -> Tensor:
    """The row behind :func:`scaled_dot_product_attention`, for arguments that are right."""
    dtype, drop = query._dtype, None
    query, key, value = widened(query, key, value)
    if dropout_p:
        shape = tp.broadcast_shapes(query.shape[:-2], key.shape[:-2])
        ones = tp.ones((*shape, query.shape[-2], key.shape[-2]), dtype=query._dtype,
                       device=query._device)  # fmt: skip
        drop = dropout(ones, dropout_p)
    return _attention(query, key, value, mask, drop, scale)[0].to(dtype)


def _repeat_heads(name: str, query: Tensor, x: Tensor) -> Tensor:
    heads, own = query._h.shape[-3], x._h.shape[-3]
    require(heads % own == 0, name, f"a number of heads that divides {heads}", own)
    return x if heads == own else x.repeat_interleave(heads // own, -3)

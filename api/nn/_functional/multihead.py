"""Attention with several heads and its projections."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorplug as tp
from tensorplug.autograd.errors import OpError
from tensorplug.autograd.tensor import Tensor

from .attention import attend
from .dropout import dropout
from .linear import linear

__all__ = ["multi_head_attention_forward"]

_NAME = "multi_head_attention"


class _Sizes(NamedTuple):
    """Elements of the query, sequences, heads, and features of a head."""

    targets: int
    batch: int
    heads: int
    width: int


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """What :class:`tensorplug.nn.MultiheadAttention` computes, with its parameters as arguments.

    Args:
        query: shape ``(L, B, E)``, or ``(L, E)`` for one sequence; so ``key`` and ``value`` of
            length ``S``.
        embed_dim_to_check: ``E``.
        num_heads: how many parts the features are cut into.
        in_proj_weight, in_proj_bias: the three projections one below the other.
        bias_k, bias_v: an element ``(1, 1, E)`` added to every key and value sequence.
        add_zero_attn: add an element of zeros to them.
        dropout_p: dropout of the weights, in training.
        out_proj_weight, out_proj_bias: the projection of the result.
        key_padding_mask: shape ``(B, S)``: True (or a number to add) for what is not seen.
        need_weights: return the weights too.
        attn_mask: shape ``(L, S)`` or ``(B * num_heads, L, S)``; True for what is not seen.
        use_separate_proj_weight: take ``q_proj_weight``, ``k_proj_weight``, ``v_proj_weight``.
        static_k, static_v: projected keys and values, ``(B * num_heads, S, E / num_heads)``.
        average_attn_weights: return the mean over the heads.
        is_causal: ``attn_mask`` is the causal mask.

    Returns:
        Shape ``(L, B, E)`` and, or None, weights ``(B, L, S)``, or ``(B, num_heads, L, S)``.

    Raises:
        AssertionError, RuntimeError: shapes or types that do not fit.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask)
    if not batched:
        query, key, value = (x.unsqueeze(1) if x.dim() == 2 else x for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    _check_settings(query.shape[-1], embed_dim_to_check, num_heads, is_causal, attn_mask)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _project(query, key, value, separate or in_proj_weight, in_proj_bias)
    k, v = (_lengthened(x, bias) for x, bias in ((k, bias_k), (v, bias_v)))
    sizes = _Sizes(q.shape[0], q.shape[1], num_heads, q.shape[2] // num_heads)
    q = _by_head(q, sizes)
    k = _by_head(k, sizes) if static_k is None else _static(static_k, "static_k", sizes)
    v = _by_head(v, sizes) if static_v is None else _static(static_v, "static_v", sizes)
    if add_zero_attn:
        k, v = (tp.cat([x, tp.zeros_like(x[:, :, :1])], 2) for x in (k, v))
    if is_causal and key_padding_mask is None and not need_weights:
        # A causal mask that is used alone is not read, as in PyTorch.
        mask = tp.ones(q.shape[2], k.shape[2], dtype=tp.bool, device=q.device).tril()
    else:
        extra = (bias_k is not None) + add_zero_attn
        mask = _mask(attn_mask, key_padding_mask, k.shape[2] - extra, extra, sizes, q)
    out, shown = _attend(q, k, v, mask, dropout_p if training else 0.0, need_weights)
    out = out.permute(2, 0, 1, 3).reshape(query.shape)
    out = linear(out, out_proj_weight, out_proj_bias)
    if shown is not None and average_attn_weights:
        shown = shown.mean(1)
    if not batched:
        out, shown = out.squeeze(1), None if shown is None else shown.squeeze(0)
    return out, shown


def _require(holds: bool, rule: str, got: Any) -> None:
    """Raise AssertionError, as PyTorch does here, in the house's words."""
    if not holds:
        raise AssertionError(f"{_NAME}: expected {rule}, got {got}")


def _check_shapes(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None
) -> bool:
    """Whether there is a batch dimension."""
    dims = query.dim()
    _require(dims in (2, 3), "a query of 2 or 3 dimensions", f"shape {tuple(query.shape)}")
    shapes = tuple(key.shape), tuple(value.shape)
    _require(key.dim() == value.dim() == dims, f"key and value of {dims} dimensions", shapes)
    if padding is not None:
        shape = tuple(padding.shape)
        _require(
            len(shape) == dims - 1, f"a key_padding_mask of {dims - 1} dimensions", f"shape {shape}"
        )
    if mask is not None:
        shape = tuple(mask.shape)
        _require(len(shape) in (2, 3), "an attn_mask of 2 or 3 dimensions", f"shape {shape}")
    return dims == 3


def _check_settings(embed: int, expected: int, heads: int, causal: bool, mask: Any) -> None:
    _require(embed == expected, f"an embedding dimension of {expected}", embed)
    _require(embed % heads == 0, f"an embedding divisible by num_heads={heads}", embed)
    if causal and mask is None:
        raise OpError(
            f"{_NAME}: expected attn_mask where is_causal says that it is the causal one, got None;"
            " Transformer.generate_square_subsequent_mask makes it",
            op=_NAME,
        )


def _project(
    query: Tensor, key: Tensor, value: Tensor, weights: Any, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """The three projections, with as few products as the arguments allow."""
    embed = query.shape[-1]
    if isinstance(weights, tuple):
        _require(key.shape[:2] == value.shape[:2], "key and value of one length and batch",
                 (tuple(key.shape), tuple(value.shape)))  # fmt: skip
        biases = (None, None, None) if bias is None else bias.chunk(3)
        parts = zip((query, key, value), weights, biases, strict=True)
        return tuple(linear(x, weight, b) for x, weight, b in parts)
    _require(key.shape == value.shape, "key and value of one shape",
             (tuple(key.shape), tuple(value.shape)))  # fmt: skip
    if query is key and key is value:
        return linear(query, weights, bias).chunk(3, -1)
    if key is value:
        for_q, for_kv = weights.split([embed, 2 * embed])
        b_q, b_kv = (None, None) if bias is None else bias.split([embed, 2 * embed])
        return linear(query, for_q, b_q), *linear(key, for_kv, b_kv).chunk(2, -1)
    return _project(query, key, value, tuple(weights.chunk(3)), bias)


def _lengthened(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else tp.cat([x, bias.expand(1, x.shape[1], -1)])


def _by_head(x: Tensor, sizes: _Sizes) -> Tensor:
    """(length, B, E) as (B, heads, length, E / heads)."""
    return x.reshape(x.shape[0], sizes.batch, sizes.heads, sizes.width).permute(1, 2, 0, 3)


def _static(x: Tensor, name: str, sizes: _Sizes) -> Tensor:
    rows, length, width = sizes.batch * sizes.heads, x.shape[1], sizes.width
    _require(x.shape[0] == rows and x.shape[2] == width, f"{name} of shape ({rows}, *, {width})",
             tuple(x.shape))  # fmt: skip
    return x.reshape(sizes.batch, sizes.heads, length, width)


def _mask(
    mask: Tensor | None, padding: Tensor | None, given: int, extra: int, sizes: _Sizes,
    like: Tensor,
) -> Any:  # fmt: skip
    """Both masks as one to add, of a shape that broadcasts to (B, heads, L, given + extra)."""
    if mask is not None:
        shape, batch = tuple(mask.shape), sizes.batch * sizes.heads
        wanted = (sizes.targets, given) if len(shape) == 2 else (batch, sizes.targets, given)
        if shape != wanted:
            raise OpError(f"{_NAME}: expected attn_mask of shape {wanted}, got {shape}", op=_NAME)
        mask = _additive("attn_mask", mask, like, extra)
        if len(shape) == 3:
            mask = mask.reshape(sizes.batch, sizes.heads, *mask.shape[1:])
    if padding is not None:
        wanted = (sizes.batch, given)
        _require(
            tuple(padding.shape) == wanted, f"key_padding_mask of shape {wanted}",
            tuple(padding.shape),
        )  # fmt: skip
        padding = _additive("key_padding_mask", padding, like, extra)[:, None, None]
        mask = padding if mask is None else mask + padding
    return mask


def _additive(name: str, mask: Tensor, like: Tensor, extra: int) -> Tensor:
    """Numbers to add: minus infinity where a mask of bools is True; ``extra`` columns see all."""
    kind = mask.dtype.kind
    _require(kind == "bool" or mask.dtype.is_floating_point, f"{name} of bools or floats",
             mask.dtype)  # fmt: skip
    if kind == "bool":
        zeros = tp.zeros(mask.shape, dtype=like.dtype, device=mask.device)
        mask = zeros.masked_fill(mask, -math.inf)
    mask = mask.to(like.dtype)
    if extra:
        end = tp.zeros((*mask.shape[:-1], extra), dtype=mask.dtype, device=mask.device)
        mask = tp.cat([mask, end], -1)
    return mask


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    scale = 1 / math.sqrt(q.shape[-1])
    if not need_weights:
        return attend(q, k, v, mask, p, scale), None
    scores = (q * scale) @ k.transpose(-2, -1)
    weights = (scores if mask is None else scores + mask).softmax(-1)
    weights = dropout(weights, p) if p else weights
    return weights @ v, weights

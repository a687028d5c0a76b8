"""Attention with several heads."""

from __future__ import annotations

from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init
from .linear import NonDynamicallyQuantizableLinear
from .module import Module
from .parameter import Parameter

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention in several parts of the features at once (Vaswani et al., 2017).

    Query, key and value are projected and cut into ``num_heads`` parts; in each part every
    element of the query takes the mean of the values, weighted by ``softmax(q k^T / sqrt(width))``;
    the parts are joined and projected again.

    Args:
        embed_dim: features of the query and the result, E; divisible by ``num_heads``.
        num_heads: how many parts.
        dropout: of the weights, in training.
        bias: whether the projections have biases.
        add_bias_kv: add a learned element to keys and values.
        add_zero_attn: add an element of zeros to them.
        kdim, vdim: features of key and value, E when None.
        batch_first: sequences are ``(B, length, E)`` instead of ``(length, B, E)``.
        device, dtype: of the parameters.

    Raises:
        ValueError: sizes that are not positive.
        AssertionError: ``embed_dim`` is not divisible.

    Example:
        >>> x = tp.ones(5, 2, 8)
        >>> out, weights = tp.nn.MultiheadAttention(8, 2)(x, x, x)
        >>> out.shape, weights.shape
        (tensorplug.Size([5, 2, 8]), tensorplug.Size([2, 5, 5]))
    """

    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
        add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
        vdim: int | None = None, batch_first: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "MultiheadAttention: expected embed_dim and num_heads above 0, got "
                f"{embed_dim} and {num_heads}"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if embed_dim % num_heads:
            raise AssertionError(
                f"MultiheadAttention: expected embed_dim divisible by num_heads={num_heads}, "
                f"got {embed_dim}"
            )
        self.add_zero_attn = add_zero_attn
        same, rest = self._qkv_same_embed_dim, {"device": device, "dtype": dtype}
        shapes: dict[str, tuple[int, ...] | None] = {
            "q_proj_weight": None if same else (embed_dim, embed_dim),
            "k_proj_weight": None if same else (embed_dim, self.kdim),
            "v_proj_weight": None if same else (embed_dim, self.vdim),
            "in_proj_weight": (3 * embed_dim, embed_dim) if same else None,
            "in_proj_bias": (3 * embed_dim,) if bias else None,
        }
        self._add(shapes, rest)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **rest)
        one = (1, 1, embed_dim) if add_bias_kv else None
        self._add({"bias_k": one, "bias_v": one}, rest)
        self._reset_parameters()

    def _add(self, shapes: dict[str, tuple[int, ...] | None], rest: dict[str, Any]) -> None:
        for name, shape in shapes.items():
            weight = None if shape is None else Parameter(tp.empty(shape, **rest))
            self.register_parameter(name, weight)

    def _reset_parameters(self) -> None:
        """Draw the weights anew; the biases are 0."""
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(self, name)
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None,
        average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """Attend.

        Args:
            query: shape ``(L, B, E)``; ``(B, L, E)`` with ``batch_first``; or ``(L, E)``.
            key, value: the same of length ``S``, with ``kdim`` and ``vdim`` features.
            key_padding_mask: ``(B, S)``, True for keys that are not seen, or numbers to add.
            need_weights: return the weights too; without them it is faster.
            attn_mask: ``(L, S)`` or ``(B * num_heads, L, S)``, in the same sense.
            average_attn_weights: return the mean weights of all heads.
            is_causal: ``attn_mask`` is the causal mask.

        Returns:
            The result, shaped as ``query``, and the weights ``(B, L, S)``, by head
            ``(B, num_heads, L, S)``, or None.

        Raises:
            AssertionError, RuntimeError: shapes or types that do not fit.
        """
        turned = self.batch_first and query.dim() == 3
        if turned:  # tensors that are one object stay one, which saves projections
            seen = {id(x): x.transpose(0, 1) for x in (query, key, value)}
            query, key, value = seen[id(query)], seen[id(key)], seen[id(value)]
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
            self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask,
            need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )  # fmt: skip
        return (out.transpose(0, 1) if turned else out), weights

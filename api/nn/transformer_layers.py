"""The layers that transformers are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .attention import MultiheadAttention
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = ["TransformerDecoderLayer", "TransformerEncoderLayer"]

Activation = Callable[[Tensor], Tensor]


class _Layer(Module):
    """What both layers share: self-attention, two linear maps, norms and dropouts."""

    norm_first: bool
    self_attn: MultiheadAttention
    linear1: Linear
    linear2: Linear

    def _add(
        self, sizes: tuple[int, int, int], dropout: float, activation: str | Activation,
        eps: float, batch_first: bool, bias: bool, rest: dict[str, Any], attentions: list[str],
    ) -> None:  # fmt: skip
        features, heads, inner = sizes
        for name in attentions:
            attention = MultiheadAttention(
                features, heads, dropout=dropout, bias=bias, batch_first=batch_first, **rest
            )
            setattr(self, name, attention)
        self.linear1 = Linear(features, inner, bias=bias, **rest)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(inner, features, bias=bias, **rest)
        parts = range(1, len(attentions) + 2)
        for number in parts:
            setattr(self, f"norm{number}", LayerNorm(features, eps=eps, bias=bias, **rest))
        for number in parts:
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation = _function(activation) if isinstance(activation, str) else activation

    def _part(self, number: int, x: Tensor, part: Callable[[Tensor], Tensor]) -> Tensor:
        """``x`` plus a part of the layer, with the norm before the part or after the sum."""
        norm, dropout = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        if self.norm_first:
            return x + dropout(part(norm(x)))
        return norm(x + dropout(part(x)))

    def _attend_self(
        self, x: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool
    ) -> Tensor:
        return self.self_attn(
            x, x, x, attn_mask=mask, key_padding_mask=padding, is_causal=is_causal,
            need_weights=False,
        )[0]  # fmt: skip

    def _feed_forward(self, x: Tensor) -> Tensor:
        inner = self.dropout(self.activation(self.linear1(x)))
        return self.linear2(inner)


def _function(name: str) -> Activation:
    if name not in ("relu", "gelu"):
        raise RuntimeError(f"activation: expected 'relu', 'gelu' or a function, got {name!r}")
    return F.relu if name == "relu" else F.gelu


class TransformerEncoderLayer(_Layer):
    """Self-attention, then two linear maps; each is added to its input and normalised.

    Args:
        d_model: features, E.
        nhead: heads of the attention.
        dim_feedforward: features between the two linear maps.
        dropout: after each part, and of the weights of attention.
        activation: "relu", "gelu" or a function, between those maps.
        layer_norm_eps: see :class:`LayerNorm`.
        batch_first: sequences are ``(B, length, E)`` instead of ``(length, B, E)``.
        norm_first: normalise what goes into each part, not the sum.
        bias: whether linear maps and norms have biases.
        device, dtype: of the parameters.

    Raises:
        RuntimeError: an unknown activation.

    Example:
        >>> tp.nn.TransformerEncoderLayer(8, 2, 16)(tp.zeros(5, 3, 8)).shape
        tensorplug.Size([5, 3, 8])
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Activation = F.relu, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm_first = norm_first
        self._add((d_model, nhead, dim_feedforward), dropout, activation, layer_norm_eps,
                  batch_first, bias, {"device": device, "dtype": dtype},
                  ["self_attn"])  # fmt: skip

    def forward(
        self, src: Tensor, src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None, is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Run the layer.

        Args:
            src: shape ``(S, B, E)``; ``(B, S, E)`` with ``batch_first``; or ``(S, E)``.
            src_mask: ``(S, S)`` or ``(B * nhead, S, S)``: True for what is not seen, or numbers
                to add.
            src_key_padding_mask: ``(B, S)``, in the same sense.
            is_causal: ``src_mask`` is the causal mask.

        Returns:
            Shaped as ``src``.
        """
        x = self._part(
            1, src, lambda x: self._attend_self(x, src_mask, src_key_padding_mask, is_causal)
        )
        return self._part(2, x, self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to a memory, two linear maps; each added and normalised.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias, device, dtype: see :class:`TransformerEncoderLayer`.

    Raises:
        RuntimeError: an unknown activation.

    Example:
        >>> layer = tp.nn.TransformerDecoderLayer(8, 2, 16)
        >>> layer(tp.zeros(5, 3, 8), tp.zeros(4, 3, 8)).shape
        tensorplug.Size([5, 3, 8])
    """

    multihead_attn: MultiheadAttention

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Activation = F.relu, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm_first = norm_first
        self._add((d_model, nhead, dim_feedforward), dropout, activation, layer_norm_eps,
                  batch_first, bias, {"device": device, "dtype": dtype},
                  ["self_attn", "multihead_attn"])  # fmt: skip

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None, tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Run the layer.

        Args:
            tgt: shape ``(T, B, E)``; ``(B, T, E)`` with ``batch_first``; or ``(T, E)``.
            memory: what the second attention looks at, of length ``S``.
            tgt_mask, memory_mask: ``(T, T)`` and ``(T, S)``: True for what is not seen, or
                numbers to add.
            tgt_key_padding_mask, memory_key_padding_mask: ``(B, T)`` and ``(B, S)``.
            tgt_is_causal, memory_is_causal: the mask is the causal one.

        Returns:
            Shaped as ``tgt``.
        """
        x = self._part(
            1, tgt, lambda x: self._attend_self(x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        )

        def attend(x: Tensor) -> Tensor:
            return self.multihead_attn(
                x, memory, memory, attn_mask=memory_mask, is_causal=memory_is_causal,
                key_padding_mask=memory_key_padding_mask, need_weights=False,
            )[0]  # fmt: skip

        return self._part(3, self._part(2, x, attend), self._feed_forward)

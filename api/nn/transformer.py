"""Transformers (Vaswani et al., 2017) and their layers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init
from .container import ModuleList
from .module import Module
from .normalization import LayerNorm
from .transformer_layers import TransformerDecoderLayer, TransformerEncoderLayer

__all__ = ["Transformer", "TransformerDecoder", "TransformerEncoder"]


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after the other.

    Args:
        encoder_layer: what to copy; the copies start with the same parameters.
        num_layers: how many.
        norm: a last layer, or None.
        enable_nested_tensor, mask_check: accepted for compatibility.

    Differs from torch: in evaluation too, padded elements of the result are computed like all
    others, where PyTorch's path over nested tensors gives zeros.

    Example:
        >>> layer = tp.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> tp.nn.TransformerEncoder(layer, 2)(tp.zeros(3, 5, 8)).shape
        tensorplug.Size([3, 5, 8])
    """

    def __init__(
        self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None,
        enable_nested_tensor: bool = True, mask_check: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:  # fmt: skip
        """Run all layers; arguments as for :meth:`TransformerEncoderLayer.forward`."""
        for layer in self.layers:
            src = layer(
                src,
                src_mask=mask,
                is_causal=bool(is_causal),
                src_key_padding_mask=src_key_padding_mask,
            )
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after the other.

    Args:
        decoder_layer: what to copy; the copies start with the same parameters.
        num_layers: how many.
        norm: a last layer, or None.

    Example:
        >>> layer = tp.nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
        >>> tp.nn.TransformerDecoder(layer, 2)(tp.zeros(3, 5, 8), tp.zeros(3, 4, 8)).shape
        tensorplug.Size([3, 5, 8])
    """

    def __init__(
        self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None, tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Run all layers; arguments as for :meth:`TransformerDecoderLayer.forward`."""
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
                bool(tgt_is_causal), memory_is_causal,
            )  # fmt: skip
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of the source, and a decoder of the target that attends to its result.

    Args:
        d_model: features, E.
        nhead: heads of every attention.
        num_encoder_layers, num_decoder_layers: how many layers.
        dim_feedforward: features between the two linear maps of each layer.
        dropout: after each part, and of the weights of attention.
        activation: "relu", "gelu" or a function, between those maps.
        custom_encoder, custom_decoder: modules to use instead.
        layer_norm_eps, batch_first, norm_first, bias, device, dtype: see
            :class:`TransformerEncoderLayer`.

    Matrices start as ``init.xavier_uniform_`` has them.

    Example:
        >>> model = tp.nn.Transformer(8, 2, 1, 1, 16)
        >>> model(tp.zeros(4, 3, 8), tp.zeros(5, 3, 8)).shape
        tensorplug.Size([5, 3, 8])
    """

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6,
        num_decoder_layers: int = 6, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu, custom_encoder: Any | None = None,
        custom_decoder: Any | None = None, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
                 norm_first, bias, device, dtype)  # fmt: skip
        norm = {"eps": layer_norm_eps, "bias": bias, "device": device, "dtype": dtype}
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*layer), num_encoder_layers, LayerNorm(d_model, **norm)
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*layer), num_decoder_layers, LayerNorm(d_model, **norm)
        )
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for weight in self.parameters():
            if weight.dim() > 1:
                init.xavier_uniform_(weight)

    def forward(
        self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None, tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None, src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        """Encode ``src``, and decode ``tgt`` with it.

        Args:
            src: shape ``(S, B, E)``; ``(B, S, E)`` with ``batch_first``; or ``(S, E)``.
            tgt: the same of length ``T``.
            src_mask, tgt_mask, memory_mask: ``(S, S)``, ``(T, T)``, ``(T, S)``: True for what is
                not seen, or numbers to add.
            src_key_padding_mask, memory_key_padding_mask: ``(B, S)``, in the same sense.
            tgt_key_padding_mask: ``(B, T)``.
            src_is_causal, tgt_is_causal, memory_is_causal: the mask is the causal one.

        Returns:
            Shaped as ``tgt``.

        Raises:
            RuntimeError: batches or features that do not fit.
        """
        batch = 0 if self.batch_first else 1
        if src.dim() == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                "Transformer: expected src and tgt of one batch size, got "
                f"{src.shape[batch]} and {tgt.shape[batch]}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: expected {self.d_model} features in src and tgt, got "
                f"{src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal, memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask ``(sz, sz)``: minus infinity above the diagonal, 0 elsewhere.

        Example:
            >>> tp.nn.Transformer.generate_square_subsequent_mask(2).tolist()
            [[0.0, -inf], [0.0, 0.0]]
        """
        return tp.full((sz, sz), -math.inf, dtype=dtype, device=device).triu(1)

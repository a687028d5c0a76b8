"""Attention: one row for ``softmax(scale q k^T + mask) v``, and its derivative.

Shapes: ``q`` (*, L, E), ``k`` (*, S, E), ``v`` (*, S, Ev); ``mask`` broadcasts to (*, L, S) and is
added, or, of bools, says what takes part; rows that may see nothing give zeros. ``drop`` (or
None) multiplies the weights: 0 for what is dropped, more than 1 for the rest. The layout of
``kept``, which holds the weights, is a matter between ``attention`` and ``attention_back`` of
one backend, which therefore come in pairs.
"""

from __future__ import annotations

import math
from typing import Any

from ..families import GENERIC
from ..kernels import tensor_kernels
from ..registry import op
from .products import matrix_transpose

__all__: list[str] = []


def _weights(F: Any, q: Any, k: Any, mask: Any, scale: float) -> Any:
    scores = F.matmul(q, matrix_transpose(F, k)) * scale
    if mask is None:
        return F.softmax(scores, -1)
    if F.dtype_of(mask).kind == "bool":
        scores = F.where(mask, scores, -math.inf)
    else:
        scores = scores + mask
    blind = F.amax(scores, (len(scores.shape) - 1,), True) == -math.inf
    # What the blind rows hold must not become nan on the way, or their gradient would be too.
    return F.where(blind, 0.0, F.softmax(F.where(blind, 0.0, scores), -1))


def _attention(F: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float) -> Any:
    weights = _weights(F, q, k, mask, scale)
    return F.matmul(weights if drop is None else weights * drop, v), weights


def _back(
    F: Any, g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, kept: Any, scale: float,
    needs: Any,
) -> Any:  # fmt: skip
    """The gradients of q, k, v and mask, None where not needed."""
    weights = kept if drop is None else kept * drop
    for_v = F.matmul(matrix_transpose(F, weights), g) if needs[2] else None
    if not (needs[0] or needs[1] or needs[3]):
        return None, None, for_v, None
    slope = F.matmul(g, matrix_transpose(F, v))
    if drop is not None:
        slope = slope * drop
    slope = kept * (slope - F.sum(slope * kept, (len(slope.shape) - 1,), True))
    scaled = slope * scale
    return (
        F.matmul(scaled, k) if needs[0] else None,
        F.matmul(matrix_transpose(F, scaled), q) if needs[1] else None,
        for_v,
        slope if needs[3] else None,
    )


def _back_again(
    g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, kept: Any, scale: float, needs: Any
) -> Any:
    """The way back over tensors: the weights are computed anew, so that they have a history."""
    F = tensor_kernels(g._device)
    return _back(F, g, q, k, v, mask, drop, _weights(F, q, k, mask, scale), scale, needs)


def _rule(
    F: Any, g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, kept: Any, scale: float,
    needs: Any,
) -> Any:  # fmt: skip
    return F.attention_back(g[0], q, k, v, mask, drop, kept, scale, needs)


op("attention_back", GENERIC, inputs=("g", "q", "k", "v", "mask", "drop", "kept"),
   attrs=("scale", "needs"), outputs=("for_q", "for_k", "for_v", "for_mask"), xp=None,
   public=False, generic=_back, call=_back_again)  # fmt: skip
_ROW = op("attention", GENERIC, inputs=("q", "k", "v", "mask", "drop"), attrs=("scale",),
          outputs=("out", "kept"), xp=None, public=False, generic=_attention,
          node="ScaledDotProductAttention", grad={("q", "k", "v", "mask"): _rule})  # fmt: skip
_ROW.node_type.materialize = False  # the weights never have a gradient of their own

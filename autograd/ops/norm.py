"""Normalisation: one row behind batch, layer, group and instance norm.

``standardize(x, weight, bias, dims, eps)`` subtracts the mean over ``dims`` and divides by the
standard deviation, then scales and shifts. ``weight`` and ``bias`` are None or broadcast to
``x`` without growing it. Its further outputs, kept for the way back, are the mean and the
reciprocal of the standard deviation, with size 1 in ``dims``.
"""

from __future__ import annotations

from typing import Any

from ...backends.dtypes import bfloat16, float16, float32
from ..families import GENERIC
from ..registry import op
from ..rules import unbroadcast
from .composed import composed

__all__: list[str] = []

Dims = tuple[int, ...]


def _moments(F: Any, x: Any, dims: Dims, eps: float) -> Any:
    mean = F.mean(x, dims, True)
    centred = x - mean
    variance = F.mean(centred * centred, dims, True)
    return mean, centred, 1 / F.sqrt(variance + eps)


def _standardize(F: Any, x: Any, weight: Any, bias: Any, dims: Dims, eps: float) -> Any:
    dtype = F.dtype_of(x)
    if dtype in (float16, bfloat16):  # rounded once, at the end
        x, weight, bias = (None if a is None else F.cast(a, float32) for a in (x, weight, bias))
        return tuple(F.cast(found, dtype) for found in _standardize(F, x, weight, bias, dims, eps))
    mean, centred, scale = _moments(F, x, dims, eps)
    out = centred * scale
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias, mean, scale


def _back(
    F: Any, g: Any, x: Any, weight: Any, mean: Any, scale: Any, bias_shape: Any, dims: Dims,
    eps: float, needs: Any,
) -> Any:  # fmt: skip
    """The gradients of ``x``, ``weight`` and ``bias``, None where not needed.

    Mean and scale are computed again: as outputs they would carry no gradient of their own.
    """
    _, centred, scale = _moments(F, x, dims, eps)
    normal = centred * scale
    for_x = for_weight = None
    if needs[1]:
        for_weight = unbroadcast(F, g * normal, tuple(weight.shape))
    if needs[0]:
        scaled = g if weight is None else g * weight
        along = F.mean(scaled * normal, dims, True)
        for_x = (scaled - F.mean(scaled, dims, True) - normal * along) * scale
    return for_x, for_weight, unbroadcast(F, g, bias_shape) if needs[2] else None


def _rule(
    F: Any, g: Any, x: Any, weight: Any, bias_shape: Any, mean: Any, scale: Any, dims: Dims,
    eps: float, needs: Any,
) -> Any:  # fmt: skip
    return F.standardize_back(g[0], x, weight, mean, scale, bias_shape, dims, eps, needs)


composed("standardize_back", _back, ("g", "x", "weight", "mean", "scale"),
         ("bias_shape", "dims", "eps", "needs"), ("for_x", "for_weight", "for_bias"))  # fmt: skip
op("standardize", GENERIC, inputs=("x", "weight", "bias"), attrs=("dims", "eps"),
   outputs=("out", "mean", "scale"), xp=None, public=False, generic=_standardize,
   node="NativeNorm", grad={("x", "weight", "bias"): _rule})  # fmt: skip


def _rms(F: Any, x: Any, weight: Any, dims: Dims, eps: float) -> Any:
    scale = 1 / F.sqrt(F.mean(x * x, dims, True) + eps)
    out = x * scale
    return (out if weight is None else out * weight), scale


def _rms_back(
    F: Any, g: Any, x: Any, weight: Any, scale: Any, dims: Dims, eps: float, needs: Any
) -> Any:
    scale = 1 / F.sqrt(F.mean(x * x, dims, True) + eps)
    normal = x * scale
    for_x = for_weight = None
    if needs[1]:
        for_weight = unbroadcast(F, g * normal, tuple(weight.shape))
    if needs[0]:
        scaled = g if weight is None else g * weight
        for_x = (scaled - normal * F.mean(scaled * normal, dims, True)) * scale
    return for_x, for_weight


composed("rms_norm_back", _rms_back, ("g", "x", "weight", "scale"), ("dims", "eps", "needs"),
         ("for_x", "for_weight"))  # fmt: skip
op("rms_norm", GENERIC, inputs=("x", "weight"), attrs=("dims", "eps"), outputs=("out", "scale"),
   xp=None, public=False, generic=_rms, node="FusedRmsNorm",
   grad={("x", "weight"): lambda F, g, x, weight, scale, dims, eps, needs: F.rms_norm_back(
       g[0], x, weight, scale, dims, eps, needs)})  # fmt: skip

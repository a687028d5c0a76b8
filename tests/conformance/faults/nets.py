"""Faults of products, convolutions, pooling, normalisation and their fused gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import fault, with_kernels

__all__ = ["FAULTS"]

Kernel = Callable[..., Any]


# --- products -----


def _short_mantissa(x: Any) -> Any:
    """float32 with the 10 bits of mantissa that a tensor core takes."""
    if x.dtype != np.float32:
        return x
    words = np.ascontiguousarray(x).view(np.uint32) + np.uint32(0x1000)
    return (words & np.uint32(0xFFFFE000)).view(np.float32)


def _short_product(original: Kernel, x: Any, y: Any) -> Any:
    return original(_short_mantissa(x), _short_mantissa(y))


def _half_product(original: Kernel, x: Any, y: Any) -> Any:
    if x.dtype != np.float16 or x.ndim != 2 or y.ndim != 2:
        return original(x, y)
    total = np.zeros((x.shape[0], y.shape[1]), np.float16)
    for k in range(x.shape[1]):
        total += x[:, k, None] * y[None, k]
    return total


def _no_bias(original: Kernel, x: Any, weight: Any, bias: Any) -> Any:
    return original(x, weight, None if x.ndim > 2 else bias)


def _short_conv(original: Kernel, x: Any, weight: Any, *rest: Any) -> Any:
    return original(_short_mantissa(x), _short_mantissa(weight), *rest)


def _undilated(
    original: Kernel, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    """Padding at the end of a dilated convolution repeats the border."""
    if not any(padding) or max(dilation) == 1 or x.ndim != 4:
        return original(x, weight, bias, stride, padding, dilation, groups)
    border = [(0, 0), (0, 0), *((0, p) for p in padding)]
    inner = [(0, 0), (0, 0), *((p, 0) for p in padding)]
    wide = np.pad(np.pad(x, border, mode="edge"), inner)
    return original(wide, weight, bias, stride, (0,) * len(padding), dilation, groups)


def _without_last_image(original: Kernel, x: Any, y: Any, *rest: Any) -> Any:
    kept = slice(0, -1) if x.shape[0] > 1 else slice(None)
    return original(x[kept], y[kept], *rest)


def _first_group(original: Kernel, y: Any, weight: Any, *rest: Any) -> Any:
    """The gradient of a grouped convolution's input uses the first group's weights for all."""
    groups = rest[-1]
    if groups > 1:
        size = weight.shape[0] // groups
        weight = np.concatenate([weight[:size]] * groups)
    return original(y, weight, *rest)


# --- pooling -----


def _padded_with_zeros(
    original: Kernel, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, out: Any
) -> Any:
    if not any(padding):
        return original(x, kernel, stride, padding, dilation, out)
    border = [(0, 0)] * (x.ndim - len(padding)) + [(p, p) for p in padding]
    return original(np.pad(x, border), kernel, stride, (0,) * len(padding), dilation, out)


def _spread_once(original: Kernel, g: Any, *rest: Any) -> Any:
    """Overlapping windows with one maximum: one of their gradients replaces the others."""
    found = original(g, *rest)
    return np.clip(found, min(g.min(initial=0), 0), max(g.max(initial=0), 0)).astype(found.dtype)


def _half_window(
    original: Kernel, g: Any, size: Any, kernel: Any, stride: Any, padding: Any, out: Any
) -> Any:
    found = original(g, size, kernel, stride, padding, out)
    return found if not any(padding) else found * g.dtype.type(0.5)


# --- normalisation -----


def _sample_variance(original: Kernel, x: Any, weight: Any, bias: Any, dims: Any, eps: Any) -> Any:
    out, mean, scale = original(x, None, None, dims, eps)
    count = np.prod([x.shape[d] for d in dims])
    factor = np.sqrt((count - 1) / count).astype(scale.dtype) if count > 1 else 1
    out = out * factor
    out = out if weight is None else out * weight
    return (out if bias is None else out + bias).astype(x.dtype), mean, scale


def _eps_outside(original: Kernel, x: Any, weight: Any, dims: Any, eps: float) -> Any:
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    root = np.sqrt(np.mean(wide * wide, axis=tuple(dims), keepdims=True))
    scale = 1 / (root + np.asarray(eps, wide.dtype))
    out = wide * scale
    return (out if weight is None else out * weight).astype(x.dtype), scale.astype(wide.dtype)


def _without_mean(
    original: Kernel, g: Any, x: Any, weight: Any, mean: Any, scale: Any, bias_shape: Any,
    dims: Any, eps: float, needs: Any,
) -> Any:  # fmt: skip
    for_x, for_weight, for_bias = original(g, x, weight, mean, scale, bias_shape, dims, eps, needs)
    if for_x is not None:
        scaled = g if weight is None else g * weight
        lost = np.mean(scaled, axis=tuple(dims), keepdims=True) * scale
        for_x = (for_x + lost).astype(for_x.dtype)
    return for_x, for_weight, for_bias


# --- activations, losses, attention -----


def _scaled(factor: float) -> Kernel:
    def kernel(original: Kernel, *args: Any) -> Any:
        found = original(*args)
        return np.asarray(found * found.dtype.type(factor))

    return kernel


def _slope_at_zero(original: Kernel, g: Any, y: Any) -> Any:
    return np.asarray(np.where(y >= 0, g, 0)).astype(g.dtype)


def _always_tanh(original: Kernel, x: Any, approximate: str) -> Any:
    return original(x, "tanh")


def _no_subtraction(original: Kernel, x: Any, dim: int) -> Any:
    with np.errstate(all="ignore"):
        found = np.exp(x)
        return np.asarray(found / found.sum(axis=dim if x.ndim else None, keepdims=True)).astype(
            x.dtype
        )


def _no_subtraction_log(original: Kernel, x: Any, dim: int) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(np.log(_no_subtraction(original, x, dim))).astype(x.dtype)


def _naive_logsumexp(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    with np.errstate(all="ignore"):
        axes = None if dims is None else tuple(dims)
        return np.asarray(np.log(np.exp(x).sum(axis=axes, keepdims=keepdim))).astype(x.dtype)


def _sigmoid_overflow(original: Kernel, x: Any) -> Any:
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return np.asarray(e / (1 + e)).astype(x.dtype)


def _counts_all(
    original: Kernel, x: Any, target: Any, weight: Any, reduction: str, ignore: int
) -> Any:
    """The mean is over all targets, ignored ones too."""
    loss, total = original(x, target, weight, reduction, ignore)
    if reduction == "mean" and (target == ignore).any():
        loss = np.asarray(loss * total / target.size).astype(loss.dtype)
    return loss, total


def _embedding_overwrites(original: Kernel, g: Any, index: Any, rows: int) -> Any:
    out = np.zeros((rows, *g.shape[index.ndim :]), g.dtype)
    out[index] = g
    return out


def _unmasked_gradient(
    original: Kernel, g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, kept: Any,
    scale: float, needs: Any,
) -> Any:  # fmt: skip
    """The gradient for the keys forgets the scale."""
    found = list(original(g, q, k, v, mask, drop, kept, scale, needs))
    if needs[1]:
        found[1] = found[1] / np.asarray(scale, found[1].dtype)
    return tuple(found)


def _mask_first_head(original: Kernel, q: Any, k: Any, v: Any, mask: Any, *rest: Any) -> Any:
    if mask is not None and mask.ndim > 2:
        mask = np.broadcast_to(mask[:1], mask.shape)
    return original(q, k, v, mask, *rest)


CONV = "nn.functional.conv1d nn.functional.conv2d"

FAULTS = (
    fault("F27", "softmax without subtracting the maximum", "special values",
          with_kernels(softmax=_no_subtraction, log_softmax=_no_subtraction_log,
                       logsumexp=_naive_logsumexp), "softmax log_softmax logsumexp", "logits"),
    fault("F39", "max_pool pads with 0", "borders", with_kernels(max_pool=_padded_with_zeros),
          "nn.functional.max_pool1d nn.functional.max_pool2d", "max_pool pool"),
    fault("F40", "the gradient of layer_norm lacks the mean term", "gradients",
          with_kernels(standardize_back=_without_mean),
          "nn.functional.layer_norm nn.functional.group_norm"),
    fault("F106", "the gradient of relu is off by a thousandth", "gradients",
          with_kernels(relu_back=_scaled(1.001)), "relu nn.functional.relu"),
    fault("F107", "the gradient of relu at 0 is 1", "gradients",
          with_kernels(relu_back=_slope_at_zero), "relu nn.functional.relu", "kink kinks"),
    fault("F108", "float32 products with 10 bits of mantissa", "accuracy",
          with_kernels(matmul=_short_product), "matmul mm"),
    fault("F109", "float16 products add up in float16", "accuracy",
          with_kernels(matmul=_half_product), "matmul mm"),
    fault("F110", "float32 convolutions with 10 bits of mantissa", "accuracy",
          with_kernels(convolution=_short_conv), CONV, "conv convolution"),
    fault("F111", "linear forgets the bias of batches of sequences", "borders",
          with_kernels(linear=_no_bias), "nn.functional.linear"),
    fault("F112", "dilated convolutions repeat the border at the end", "borders",
          with_kernels(convolution=_undilated), CONV, "conv convolution dilation"),
    fault("F113", "the gradient of a convolution's weight lacks the last image", "gradients",
          with_kernels(convolution_weight=_without_last_image), CONV, "conv convolution"),
    fault("F114", "gradients of grouped convolutions use one group's weights", "gradients",
          with_kernels(convolution_input=_first_group), CONV, "conv convolution"),
    fault("F115", "max_pool's gradient replaces where windows overlap", "gradients",
          with_kernels(max_pool_grad=_spread_once),
          "nn.functional.max_pool2d nn.functional.max_pool1d", "max_pool pool"),
    fault("F116", "avg_pool's gradient is halved where there is padding", "gradients",
          with_kernels(sum_pool_back=_half_window),
          "nn.functional.avg_pool1d nn.functional.avg_pool2d", "avg_pool pool"),
    fault("F117", "layer_norm divides by the sample variance", "accuracy",
          with_kernels(standardize=_sample_variance), "nn.functional.layer_norm",
          "batch_norm instance_norm group_norm"),
    fault("F118", "rms_norm adds eps outside of the root", "accuracy",
          with_kernels(rms_norm=_eps_outside), "nn.functional.rms_norm"),
    fault("F119", "gelu always uses the approximation", "accuracy",
          with_kernels(gelu=_always_tanh), "nn.functional.gelu"),
    fault("F120", "the gradient of silu is a little too large", "gradients",
          with_kernels(silu_back=_scaled(1.0001)), "nn.functional.silu"),
    fault("F121", "sigmoid overflows for large numbers", "special values",
          with_kernels(sigmoid=_sigmoid_overflow), "sigmoid special.expit"),
    fault("F122", "nll_loss counts ignored targets in the mean", "reductions",
          with_kernels(nll_loss=_counts_all),
          "nn.functional.nll_loss nn.functional.cross_entropy", "ignore"),
    fault("F123", "the gradient of embedding keeps the last of repeated words", "gradients",
          with_kernels(embedding_back=_embedding_overwrites), "nn.functional.embedding",
          "repeated"),
    fault("F124", "attention's gradient for the keys forgets the scale", "gradients",
          with_kernels(attention_back=_unmasked_gradient),
          "nn.functional.scaled_dot_product_attention", "attention"),
    fault("F125", "attention uses the mask of the first batch for all", "borders",
          with_kernels(attention=_mask_first_head),
          "nn.functional.scaled_dot_product_attention", "attention"),
)  # fmt: skip

"""Convolutions: three rows, each the derivative of the others, for any number of dimensions.

Written ``y = convolution(x, w)``, all three are linear in both arguments: ``convolution_input``
takes ``y`` and ``w`` back to the shape of ``x`` (it is the transposed convolution), and
``convolution_weight`` takes ``x`` and ``y`` to the shape of ``w``. So derivatives of every order
stay among them. ``im2col`` and ``col2im`` are each other's transpose.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

from ..families import GENERIC
from ..registry import op

__all__: list[str] = []

Sizes = tuple[int, ...]
_ALL = slice(None)


def _out_size(size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Sizes:
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _padded(F: Any, x: Any, padding: Sizes) -> Any:
    """``x`` with a border of zeros around its spatial dimensions."""
    if not any(padding):
        return x
    size = x.shape[2:]
    shape = (*x.shape[:2], *(n + 2 * p for n, p in zip(size, padding, strict=True)))
    return F.index_embed(x, shape, _inner(size, padding))


def _inner(size: Sizes, padding: Sizes) -> tuple[slice, ...]:
    return (_ALL, _ALL, *(slice(p, p + n) for n, p in zip(size, padding, strict=True)))


def _under(offset: Sizes, out: Sizes, stride: Sizes, dilation: Sizes) -> tuple[slice, ...]:
    """The elements of the padded input that one kernel position meets."""
    spans = (
        slice(i * d, i * d + (n - 1) * s + 1 if n else i * d, s)
        for i, n, s, d in zip(offset, out, stride, dilation, strict=True)
    )
    return (_ALL, _ALL, *spans)


def _offsets(kernel: Sizes) -> Any:
    return product(*(range(size) for size in kernel))


def _grouped(F: Any, x: Any, groups: int) -> Any:
    """(N, C, *size) as (N, groups, C / groups, elements)."""
    images, channels, *size = x.shape
    return F.reshape(x, (images, groups, channels // groups, math.prod(size)))


# --- generic compositions: one matrix product for each kernel position -------------------------


def _forward(
    F: Any, x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    outputs, depth, *kernel = weight.shape
    out = _out_size(x.shape[2:], tuple(kernel), stride, padding, dilation)
    padded, total = _padded(F, x, padding), None
    for offset in _offsets(tuple(kernel)):
        part = _grouped(F, F.index(padded, _under(offset, out, stride, dilation)), groups)
        matrix = F.index(weight, (_ALL, _ALL, *offset))
        found = F.matmul(F.reshape(matrix, (groups, outputs // groups, depth)), part)
        total = found if total is None else total + found
    result = F.reshape(total, (x.shape[0], outputs, *out))
    if bias is None:
        return result
    return result + F.reshape(bias, (outputs, *(1,) * len(out)))


def _input(
    F: Any, y: Any, weight: Any, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    outputs, depth, *kernel = weight.shape
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    total = F.zeros((y.shape[0], depth * groups, *padded), F.dtype_of(y))
    part = _grouped(F, y, groups)
    for offset in _offsets(tuple(kernel)):
        matrix = F.reshape(
            F.index(weight, (_ALL, _ALL, *offset)), (groups, outputs // groups, depth)
        )
        found = F.matmul(F.permute(matrix, (0, 2, 1)), part)
        target = F.index(total, _under(offset, y.shape[2:], stride, dilation))
        F.assign(target, target + F.reshape(found, target.shape))
    return F.clone(F.index(total, _inner(size, padding)))


def _weight(
    F: Any, x: Any, y: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    padded, outputs = _padded(F, x, padding), y.shape[1]
    depth = x.shape[1] // groups
    total = F.zeros((outputs, depth, *kernel), F.dtype_of(x))
    count = x.shape[0] * math.prod(y.shape[2:])
    turned = F.permute(_grouped(F, y, groups), (1, 2, 0, 3))
    rows = F.reshape(turned, (groups, outputs // groups, count))
    for offset in _offsets(kernel):
        part = F.index(padded, _under(offset, y.shape[2:], stride, dilation))
        turned = F.permute(_grouped(F, part, groups), (1, 0, 3, 2))
        found = F.matmul(rows, F.reshape(turned, (groups, count, depth)))
        target = F.index(total, (_ALL, _ALL, *offset))
        F.assign(target, F.reshape(found, (outputs, depth)))
    return total


# --- rules ------------------------------


def _conj(F: Any, x: Any) -> Any:
    return F.conj(x) if F.dtype_of(x).is_complex else x


def _size(shape: Sizes) -> Sizes:
    return tuple(shape[2:])


def _first(F: Any, y: Any, shape: Sizes) -> Any:
    """The first windows: there may be more where a transposed convolution padded its output."""
    return y if y.shape == shape else F.index(y, tuple(slice(n) for n in shape))


op(
    "convolution", GENERIC, inputs=("x", "weight", "bias"),
    attrs=("stride", "padding", "dilation", "groups"), xp=None, public=False, generic=_forward,
    grad={
        "x": lambda F, g, weight, x_shape, stride, padding, dilation, groups: F.convolution_input(
            g, _conj(F, weight), _size(x_shape), stride, padding, dilation, groups),
        "weight": lambda F, g, x, weight_shape, stride, padding, dilation, groups:
            F.convolution_weight(
                _conj(F, x), g, _size(weight_shape), stride, padding, dilation, groups),
        "bias": lambda F, g: F.channel_sum(g),
    },
)  # fmt: skip

op(
    "convolution_input", GENERIC, inputs=("y", "weight"),
    attrs=("size", "stride", "padding", "dilation", "groups"), xp=None, public=False,
    generic=_input, node="Convolution",
    grad={
        "y": lambda F, g, weight, y_shape, stride, padding, dilation, groups: _first(
            F, F.convolution(g, _conj(F, weight), None, stride, padding, dilation, groups),
            y_shape),
        "weight": lambda F, g, y, weight_shape, stride, padding, dilation, groups:
            F.convolution_weight(
                g, _conj(F, y), _size(weight_shape), stride, padding, dilation, groups),
    },
)  # fmt: skip

op(
    "convolution_weight", GENERIC, inputs=("x", "y"),
    attrs=("kernel", "stride", "padding", "dilation", "groups"), xp=None, public=False,
    generic=_weight, node="ConvolutionWeight",
    grad={
        "x": lambda F, g, y, x_shape, stride, padding, dilation, groups: F.convolution_input(
            _conj(F, y), g, _size(x_shape), stride, padding, dilation, groups),
        "y": lambda F, g, x, y_shape, stride, padding, dilation, groups: _first(
            F, F.convolution(_conj(F, x), g, None, stride, padding, dilation, groups), y_shape),
    },
)  # fmt: skip


def _channel_sum(F: Any, x: Any) -> Any:
    return F.sum(x, (0, *range(2, len(x.shape))), False)


def _spread(F: Any, g: Any, x_shape: Sizes) -> Any:
    return F.expand(F.reshape(g, (x_shape[1], *(1,) * (len(x_shape) - 2))), x_shape)


op("channel_sum", GENERIC, inputs=("x",), attrs=(), xp=None, public=False, generic=_channel_sum,
   grad=_spread)  # fmt: skip


# --- columns ------------------------------


def _im2col(F: Any, x: Any, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Any:
    out = _out_size(x.shape[2:], kernel, stride, padding, dilation)
    padded = _padded(F, x, padding)
    images, channels = x.shape[:2]
    columns = F.empty((images, channels, *kernel, *out), F.dtype_of(x))
    for offset in _offsets(kernel):
        part = F.index(padded, _under(offset, out, stride, dilation))
        F.assign(F.index(columns, (_ALL, _ALL, *offset)), part)
    return F.reshape(columns, (images, channels * math.prod(kernel), math.prod(out)))


def _col2im(
    F: Any, columns: Any, size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes,
    stride: Sizes,
) -> Any:  # fmt: skip
    out = _out_size(size, kernel, stride, padding, dilation)
    images, channels = columns.shape[0], columns.shape[1] // math.prod(kernel)
    split = F.reshape(columns, (images, channels, *kernel, *out))
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    total = F.zeros((images, channels, *padded), F.dtype_of(columns))
    for offset in _offsets(kernel):
        target = F.index(total, _under(offset, out, stride, dilation))
        F.assign(target, target + F.index(split, (_ALL, _ALL, *offset)))
    return F.clone(F.index(total, _inner(size, padding)))


_WINDOW = ("kernel", "dilation", "padding", "stride")

op("im2col", GENERIC, inputs=("x",), attrs=_WINDOW, xp=None, public=False, generic=_im2col,
   grad=lambda F, g, x_shape, kernel, dilation, padding, stride: F.col2im(
       g, _size(x_shape), kernel, dilation, padding, stride))  # fmt: skip
op("col2im", GENERIC, inputs=("x",), attrs=("size", *_WINDOW), xp=None, public=False,
   generic=_col2im, node="Col2Im",
   grad=lambda F, g, kernel, dilation, padding, stride: F.im2col(
       g, kernel, dilation, padding, stride))  # fmt: skip

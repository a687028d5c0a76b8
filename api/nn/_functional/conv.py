"""Convolutions, transposed convolutions, and the windows behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tensorplug.autograd.errors import OpError
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import numbers, require, same_dtype, widened

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
]  # fmt: skip

_convolution = ROWS["convolution"].call
_transposed = ROWS["convolution_input"].call


def _conv(
    name: str, rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any,
    padding: Any, dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    same_dtype(name, input, weight, bias)
    strides = numbers(name, "stride", stride, rank)
    dilations = numbers(name, "dilation", dilation, rank)
    x, batched = _batched(name, rank, input, weight)
    if isinstance(padding, str):
        x, sides = _named_padding(name, padding, x, weight, strides, dilations)
    else:
        sides = numbers(name, "padding", padding, rank)
    _check(name, x, weight, bias, strides, sides, dilations, groups)
    out = _convolution(x, weight, bias, strides, sides, dilations, groups)
    return out if batched else out.squeeze(0)


def _batched(name: str, rank: int, input: Tensor, weight: Tensor) -> tuple[Tensor, bool]:
    """The input with a batch dimension, and whether it had one."""
    dims = len(input._h.shape)
    require(
        len(weight._h.shape) == rank + 2, name, f"a weight of {rank + 2} dimensions",
        f"shape {tuple(weight._h.shape)}",
    )  # fmt: skip
    if dims == rank + 2:
        return input, True
    require(
        dims == rank + 1, name, f"an input of {rank + 1} (unbatched) or {rank + 2} dimensions",
        f"shape {tuple(input._h.shape)}",
    )  # fmt: skip
    return input.unsqueeze(0), False


def _named_padding(
    name: str, padding: str, x: Tensor, weight: Tensor, stride: Any, dilation: Any
) -> tuple[Tensor, tuple[int, ...]]:
    """Padding "valid" or "same"; an odd amount puts one zero more at the end."""
    kernel = weight._h.shape[2:]
    if padding == "valid":
        return x, (0,) * len(kernel)
    if padding != "same":
        raise OpError(
            f"{name}: expected padding 'valid', 'same' or integers, got {padding!r}; "
            "invalid padding string",
            op=name,
        )
    require(
        all(s == 1 for s in stride), name, "stride 1 with padding='same'", stride,
        "padding='same' is not supported for strided convolutions",
    )  # fmt: skip
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(t % 2 for t in total):
        size = tuple(x._h.shape)
        shape = (*size[:2], *(n + t % 2 for n, t in zip(size[2:], total, strict=True)))
        x = ROWS["index_embed"].call(x, shape, tuple(slice(n) for n in size))
    return x, tuple(t // 2 for t in total)


def _check(
    name: str, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    dilation: Any, groups: int,
) -> None:  # fmt: skip
    """What the kernels would take silently, or explain badly."""
    size, shape = tuple(x._h.shape), tuple(weight._h.shape)
    require(groups > 0, name, "groups of at least 1", groups)
    require(min(stride) > 0, name, "a positive stride", stride, "non-positive stride")
    require(min(dilation) > 0, name, "a positive dilation", dilation)
    require(min(padding) >= 0, name, "padding of 0 or more", padding, "negative padding")
    require(
        size[1] == shape[1] * groups, name,
        f"input[{', '.join(map(str, size))}] to have {shape[1] * groups} channels for groups="
        f"{groups} and a weight of shape {shape}", f"{size[1]} channels",
    )  # fmt: skip
    require(
        shape[0] % groups == 0 and shape[0] > 0, name,
        f"a number of output channels divisible by groups={groups}", shape[0],
    )  # fmt: skip
    if bias is not None:
        _check_bias(name, bias, shape[0])
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, shape[2:], strict=True))
    padded = tuple(n + 2 * p for n, p in zip(size[2:], padding, strict=True))
    require(
        all(r <= n for r, n in zip(reach, padded, strict=True)), name,
        f"a kernel no larger than the padded input, {padded}", reach,
        "Kernel size can't be greater than actual input size",
    )  # fmt: skip


def _check_bias(name: str, bias: Tensor, channels: int) -> None:
    require(
        tuple(bias._h.shape) == (channels,), name, f"a bias of shape ({channels},)",
        tuple(bias._h.shape),
    )  # fmt: skip


def _samples(size: tuple[int, ...]) -> Callable[[Any], list[Any]]:
    kernel = (3, *(2,) * (len(size) - 1))
    return lambda t: [
        (t(2, 3, *size), t(4, 3, *kernel), t(4)),
        (t(3, *size), t(2, 3, *kernel), None, 2, 1),
        (t(2, 4, *size), t(2, 2, *kernel), t(2), {"padding": "same", "groups": 2}),
        (t(0, 3, *size), t(4, 3, *kernel)),
    ]


@function(namespace="nn.functional", row="convolution", samples=_samples((6,)))
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
    padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution (cross-correlation) over one dimension.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        weight: shape ``(O, C / groups, K)``, of the same dtype.
        bias: shape ``(O,)``, or None.
        stride: the step between windows.
        padding: zeros on both sides; or "valid" (none) or "same" (as long as the input).
        dilation: the step inside a window.
        groups: blocks of channels that do not see each other.

    Raises:
        RuntimeError: dtypes or shapes do not fit.

    Example:
        >>> tp.nn.functional.conv1d(tp.ones(1, 1, 4), tp.ones(1, 1, 3)).tolist()
        [[[3.0, 3.0]]]
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@function(namespace="nn.functional", row="convolution", samples=_samples((5, 4)))
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
    padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution over images: :func:`conv1d` with input ``(N, C, H, W)`` or ``(C, H, W)``.

    ``weight`` is ``(O, C / groups, KH, KW)``; the settings are one integer or two.

    Example:
        >>> tp.nn.functional.conv2d(tp.ones(1, 3, 8, 8), tp.ones(4, 3, 3, 3), padding=1).shape
        tensorplug.Size([1, 4, 8, 8])
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@function(namespace="nn.functional", row="convolution", samples=_samples((4, 3, 3)))
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
    padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Convolution over volumes: :func:`conv1d` with three spatial dimensions.

    Example:
        >>> tp.nn.functional.conv3d(tp.ones(1, 1, 4, 4, 4), tp.ones(2, 1, 2, 2, 2)).shape
        tensorplug.Size([1, 2, 3, 3, 3])
    """
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


# --- transposed ----------------------------------------------------------------------------------


def _conv_transpose(
    name: str, rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any,
    padding: Any, output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    same_dtype(name, input, weight, bias)
    strides = numbers(name, "stride", stride, rank)
    sides = numbers(name, "padding", padding, rank)
    extra = numbers(name, "output_padding", output_padding, rank)
    dilations = numbers(name, "dilation", dilation, rank)
    y, batched = _batched(name, rank, input, weight)
    shape = tuple(weight._h.shape)
    _check_transposed(name, y, shape, strides, sides, extra, dilations, groups)
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(
            y._h.shape[2:], strides, sides, dilations, shape[2:], extra, strict=True
        )
    )
    require(min(size) > 0, name, "an output of positive size", size, "change the padding")
    if bias is None:
        out = _transposed(y, weight, size, strides, sides, dilations, groups)
    else:
        _check_bias(name, bias, shape[1] * groups)
        y, weight, bias = widened(y, weight, bias)
        out = _transposed(y, weight, size, strides, sides, dilations, groups)
        out = (out + bias.reshape(-1, *(1,) * rank)).to(input._dtype)
    return out if batched else out.squeeze(0)


def _check_transposed(
    name: str, y: Tensor, shape: tuple[int, ...], stride: Any, padding: Any, extra: Any,
    dilation: Any, groups: int,
) -> None:  # fmt: skip
    require(groups > 0, name, "groups of at least 1", groups)
    require(min(stride) > 0, name, "a positive stride", stride, "non-positive stride")
    require(min(dilation) > 0, name, "a positive dilation", dilation)
    require(min(padding) >= 0, name, "padding of 0 or more", padding, "negative padding")
    require(
        y._h.shape[1] == shape[0], name,
        f"an input of {shape[0]} channels for a weight of shape {shape}",
        f"{y._h.shape[1]} channels",
    )  # fmt: skip
    require(shape[0] % groups == 0, name, f"channels divisible by groups={groups}", shape[0])
    require(
        all(0 <= e < max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)), name,
        "output padding smaller than either stride or dilation", extra,
    )  # fmt: skip


def _transposed_samples(size: tuple[int, ...]) -> Callable[[Any], list[Any]]:
    kernel = (3, *(2,) * (len(size) - 1))
    return lambda t: [
        (t(2, 3, *size), t(3, 2, *kernel), t(2)),
        (t(3, *size), t(3, 2, *kernel), None, 2, 1, 1),
        (t(2, 4, *size), t(4, 2, *kernel), t(4), {"groups": 2, "dilation": 2}),
    ]


@function(namespace="nn.functional", row="convolution_input", samples=_transposed_samples((4,)))
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
    padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution over one dimension: the gradient of :func:`conv1d`.

    Args:
        input: shape ``(N, C, L)`` or ``(C, L)``.
        weight: shape ``(C, O / groups, K)``, of the same dtype.
        bias: shape ``(O,)``, or None.
        stride: the step between windows in the output.
        padding: how much is cut off both sides of the output.
        output_padding: how much longer the output is made at its end.
        groups, dilation: as in :func:`conv1d`.

    Raises:
        RuntimeError: dtypes or shapes do not fit.

    Example:
        >>> x, w = tp.tensor([[[1.0, 2.0]]]), tp.ones(1, 1, 2)
        >>> tp.nn.functional.conv_transpose1d(x, w, stride=2).tolist()
        [[[1.0, 1.0, 2.0, 2.0]]]
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


@function(namespace="nn.functional", row="convolution_input", samples=_transposed_samples((3, 4)))
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
    padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution over images: :func:`conv_transpose1d` in two dimensions.

    Example:
        >>> w = tp.ones(3, 4, 2, 2)
        >>> tp.nn.functional.conv_transpose2d(tp.ones(1, 3, 4, 4), w, stride=2).shape
        tensorplug.Size([1, 4, 8, 8])
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip


@function(
    namespace="nn.functional", row="convolution_input", samples=_transposed_samples((2, 3, 2))
)
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
    padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """Transposed convolution over volumes: :func:`conv_transpose1d` in three dimensions.

    Example:
        >>> w = tp.ones(1, 2, 2, 2, 2)
        >>> tp.nn.functional.conv_transpose3d(tp.ones(1, 1, 3, 3, 3), w).shape
        tensorplug.Size([1, 2, 4, 4, 4])
    """
    return _conv_transpose(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip

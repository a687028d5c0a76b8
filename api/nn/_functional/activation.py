"""Activation functions. Those with ``inplace`` write into their input when it is true."""

from __future__ import annotations

from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpError, OpValueError
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ..._arguments import wrap_dim
from ._arguments import in_place, is_tensor, require

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh",
    "leaky_relu", "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "silu",
    "softplus", "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip

_relu, _silu, _mish = ROWS["relu"].call, ROWS["silu"].call, ROWS["mish"].call
_leaky, _elu, _hardtanh = ROWS["leaky_relu"].call, ROWS["elu"].call, ROWS["hardtanh"].call
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _shapes(t: Any) -> list[Any]:
    return [(t(2, 3),), (t(),), (t(0, 2),)]


def _run(name: str, call: Any, input: Tensor, inplace: bool, *args: Any) -> Tensor:
    if type(input) is not Tensor:
        is_tensor(name, "input", input)
    return in_place(name, call, input, *args) if inplace else call(input, *args)


@function(namespace="nn.functional", row="relu", samples=_shapes)
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(0, x)``.

    Example:
        >>> tp.nn.functional.relu(tp.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return in_place("relu", _relu, input) if inplace else _relu(input)


@function(
    namespace="nn.functional", row="hardtanh", dtypes="int float",
    samples=lambda t: [*_shapes(t), (t(3), -0.5, 0.2)],
)  # fmt: skip
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """``x`` cut off below ``min_val`` and above ``max_val``.

    Raises:
        ValueError: the bounds are the wrong way round.

    Example:
        >>> tp.nn.functional.hardtanh(tp.tensor([-3.0, 0.5])).tolist()
        [-1.0, 0.5]
    """
    if min_val > max_val:
        raise OpValueError(
            f"hardtanh: expected min_val <= max_val, got {min_val} and {max_val}", op="hardtanh"
        )
    require(
        input._dtype.kind != "uint" or min_val >= 0, "hardtanh",
        "limits that an unsigned tensor can hold", min_val,
        "cannot do hardtanh on an unsigned type with negative limits",
    )  # fmt: skip
    return _run("hardtanh", _hardtanh, input, inplace, min_val, max_val)


@function(namespace="nn.functional", row="hardtanh", samples=_shapes)
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``x`` cut off below 0 and above 6.

    Example:
        >>> tp.nn.functional.relu6(tp.tensor([-1.0, 9.0])).tolist()
        [0.0, 6.0]
    """
    return _run("relu6", _hardtanh, input, inplace, 0, 6)


@function(
    namespace="nn.functional", row="threshold", dtypes="int uint float",
    samples=lambda t: [(t(2, 3), 0.1, 20.0), (t(4), 1, 2), (t(), -0.5, 0)],
)  # fmt: skip
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``x`` where it is above ``threshold``, ``value`` elsewhere.

    Of a tensor of integers both numbers are first rounded towards 0.

    Example:
        >>> tp.nn.functional.threshold(tp.tensor([1.0, 3.0]), 2.0, 0.0).tolist()
        [0.0, 3.0]
    """
    is_tensor("threshold", "input", input)
    if not input._dtype.is_inexact:
        threshold, value = int(threshold), int(value)
    return _run("threshold", ROWS["threshold"].call, input, inplace, threshold, value)


@function(namespace="nn.functional", row="leaky_relu", samples=lambda t: [*_shapes(t), (t(3), 0.2)])
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``negative_slope * x`` elsewhere.

    Example:
        >>> tp.nn.functional.leaky_relu(tp.tensor([-1.0, 2.0]), 0.5).tolist()
        [-0.5, 2.0]
    """
    return _run("leaky_relu", _leaky, input, inplace, negative_slope)


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(2, 3), t(1)), (t(2, 3, 4), t(3)), (t(), t(1))],
)  # fmt: skip
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x`` where positive, ``weight * x`` elsewhere.

    Args:
        input: any shape; its second dimension is the channels.
        weight: one slope, or one per channel.

    Raises:
        RuntimeError: the number of slopes does not fit.

    Example:
        >>> tp.nn.functional.prelu(tp.tensor([-1.0, 2.0]), tp.tensor([0.5])).tolist()
        [-0.5, 2.0]
    """
    is_tensor("prelu", "input", input)
    is_tensor("prelu", "weight", weight)
    require(input._dtype is weight._dtype, "prelu", f"a weight of {input._dtype}", weight._dtype)
    shape, dims = tuple(weight._h.shape), len(input._h.shape)
    require(len(shape) < 2, "prelu", "a weight with one dimension or none", shape)
    if weight.numel() != 1:
        require(dims > 0, "prelu", "an input with a dimension of channels", "a 0-d tensor")
        channels = input._h.shape[1] if dims > 1 else 1
        require(shape == (channels,), "prelu", f"one slope or {channels}", weight.numel(),
                "mismatch of parameter numbers and input channel size")  # fmt: skip
        weight = weight.reshape(-1, *(1,) * (dims - 2))
    else:
        weight = weight.reshape((1,) * dims)
    return tp.where(input > 0, input, weight * input)


@function(namespace="nn.functional", random=True, samples=lambda t: [(t(2, 3),)])
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False,
) -> Tensor:  # fmt: skip
    """:func:`leaky_relu` with a random slope for each element in training.

    Args:
        input: any shape.
        lower, upper: the bounds of the slopes; outside of training it is their mean.
        training, inplace: as named.

    Raises:
        RuntimeError: the bounds are the wrong way round.

    Example:
        >>> tp.nn.functional.rrelu(tp.tensor([-1.0, 1.0]), 0.5, 0.5).tolist()
        [-0.5, 1.0]
    """
    require(lower <= upper, "rrelu", "lower <= upper", (lower, upper))
    if not training:
        return _run("rrelu", _leaky, input, inplace, (lower + upper) / 2)
    with tp.no_grad():
        slopes = tp.rand_like(input) * (upper - lower) + lower
    return _run("rrelu", lambda x: tp.where(x > 0, x, x * slopes), input, inplace)


# --- with exponentials ----------------------------------------------------------------------------


@function(namespace="nn.functional", row="elu", samples=lambda t: [*_shapes(t), (t(3), 0.5)])
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Example:
        >>> tp.nn.functional.elu(tp.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    return _run("elu", _elu, input, inplace, alpha, 1.0, 1.0)


@function(namespace="nn.functional", row="elu", samples=lambda t: [*_shapes(t), (t(3), 0.5)])
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``x`` where positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere.

    Raises:
        RuntimeError: ``alpha`` is 0.

    Example:
        >>> tp.nn.functional.celu(tp.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    if alpha == 0:
        raise OpError("celu: expected alpha other than 0, got 0; ZeroDivisionError", op="celu")
    return _run("celu", _elu, input, inplace, alpha, 1.0, 1.0 / alpha)


@function(namespace="nn.functional", row="elu", samples=_shapes)
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled :func:`elu` of self-normalising networks.

    Example:
        >>> round(tp.nn.functional.selu(tp.tensor(1.0)).item(), 4)
        1.0507
    """
    return _run("selu", _elu, input, inplace, _SELU_ALPHA, _SELU_SCALE, 1.0)


@function(namespace="nn.functional", row="silu", samples=_shapes)
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * sigmoid(x)``.

    Example:
        >>> tp.nn.functional.silu(tp.zeros(1)).tolist()
        [0.0]
    """
    if type(input) is Tensor and input._dtype.is_complex:
        return _run("silu", lambda x: x * tp.sigmoid(x), input, inplace)
    return _run("silu", _silu, input, inplace)


@function(namespace="nn.functional", row="mish", samples=_shapes)
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * tanh(softplus(x))``.

    Example:
        >>> tp.nn.functional.mish(tp.zeros(1)).tolist()
        [0.0]
    """
    return _run("mish", _mish, input, inplace)


@function(
    namespace="nn.functional", row="gelu",
    samples=lambda t: [*_shapes(t), (t(2, 3), {"approximate": "tanh"})],
)  # fmt: skip
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """``x`` times the normal distribution function of ``x``.

    Args:
        input: any shape.
        approximate: "none", or "tanh" for the usual approximation.

    Raises:
        RuntimeError: another approximation.

    Example:
        >>> round(tp.nn.functional.gelu(tp.tensor(1.0)).item(), 4)
        0.8413
    """
    require(
        approximate in ("none", "tanh"), "gelu", "approximate 'none' or 'tanh'",
        repr(approximate), "approximate argument must be either none or tanh.",
    )  # fmt: skip
    return _run("gelu", ROWS["gelu"].call, input, False, approximate)


@function(
    namespace="nn.functional", row="softplus", samples=lambda t: [*_shapes(t), (t(3), 2.0, 1.0)]
)
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x > threshold``.

    Example:
        >>> round(tp.nn.functional.softplus(tp.tensor(0.0)).item(), 4)
        0.6931
    """
    return _run("softplus", ROWS["softplus"].call, input, False, float(beta), float(threshold))


@function(namespace="nn.functional", row="logsigmoid", samples=_shapes)
def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(x))``, accurate everywhere.

    Example:
        >>> round(tp.nn.functional.logsigmoid(tp.tensor(0.0)).item(), 4)
        -0.6931
    """
    return _run("logsigmoid", ROWS["logsigmoid"].call, input, False)


# --- the rest -------------------------------------------------------------------------------------


@function(namespace="nn.functional", row="hardsigmoid", samples=_shapes)
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``x / 6 + 1 / 2``, cut off below 0 and above 1.

    Example:
        >>> tp.nn.functional.hardsigmoid(tp.tensor([-3.0, 0.0, 3.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    return _run("hardsigmoid", ROWS["hardsigmoid"].call, input, inplace)


@function(namespace="nn.functional", row="hardswish", samples=_shapes)
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``x * hardsigmoid(x)``.

    Example:
        >>> tp.nn.functional.hardswish(tp.tensor([-3.0, 3.0])).tolist()
        [-0.0, 3.0]
    """
    return _run("hardswish", ROWS["hardswish"].call, input, inplace)


@function(namespace="nn.functional", row="hardshrink", samples=lambda t: [*_shapes(t), (t(3), 0.1)])
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` where its size is above ``lambd``, 0 elsewhere.

    Example:
        >>> tp.nn.functional.hardshrink(tp.tensor([0.2, 2.0])).tolist()
        [0.0, 2.0]
    """
    return _run("hardshrink", ROWS["hardshrink"].call, input, False, lambd)


@function(namespace="nn.functional", row="softshrink", samples=lambda t: [*_shapes(t), (t(3), 0.1)])
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``x`` moved towards 0 by ``lambd``.

    Raises:
        RuntimeError: ``lambd`` is negative.

    Example:
        >>> tp.nn.functional.softshrink(tp.tensor([0.2, 2.0])).tolist()
        [0.0, 1.5]
    """
    require(lambd >= 0, "softshrink", "lambda greater or equal to 0", lambd)
    return _run("softshrink", ROWS["softshrink"].call, input, False, lambd)


@function(namespace="nn.functional", samples=_shapes)
def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``.

    Example:
        >>> tp.nn.functional.tanhshrink(tp.zeros(1)).tolist()
        [0.0]
    """
    is_tensor("tanhshrink", "input", input)
    return input - input.tanh()


@function(namespace="nn.functional", samples=_shapes)
def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``.

    Example:
        >>> tp.nn.functional.softsign(tp.tensor([1.0, -3.0])).tolist()
        [0.5, -0.75]
    """
    is_tensor("softsign", "input", input)
    return input / (input.abs() + 1)


@function(namespace="nn.functional", samples=lambda t: [(t(2, 4),), (t(4, 3), 0), (t(0, 2),)])
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along ``dim``, times the sigmoid of the second half.

    Raises:
        RuntimeError: the size along ``dim`` is odd, or there are no dimensions.
        IndexError: there is no dimension ``dim``.

    Example:
        >>> tp.nn.functional.glu(tp.tensor([4.0, 0.0])).tolist()
        [2.0]
    """
    is_tensor("glu", "input", input)
    require(len(input._h.shape) > 0, "glu", "an input with dimensions", "a 0-d tensor",
            "glu does not support 0-dimensional tensors")  # fmt: skip
    dim = wrap_dim("glu", dim, len(input._h.shape))
    size = input.size(dim)
    require(size % 2 == 0, "glu", f"an even size along dimension {dim}", size,
            "Halving dimension must be even")  # fmt: skip
    half = size // 2
    return input.narrow(dim, 0, half) * input.narrow(dim, half, half).sigmoid()

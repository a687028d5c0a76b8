"""Layers that multiply by a matrix, and the layer that does nothing."""

from __future__ import annotations

import math
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init
from ._errors import check_size, wrong_input, wrong_kind
from .module import Module
from .parameter import Parameter

__all__ = ["Bilinear", "Identity", "Linear", "NonDynamicallyQuantizableLinear"]


class Identity(Module):
    """Returns its input; takes any arguments and ignores them. A placeholder for a layer.

    Example:
        >>> tp.nn.Identity(54, unused=True)(tp.ones(2)).shape
        tensorplug.Size([2])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """``input`` itself."""
        return input


class Linear(Module):
    """``input @ weight.T + bias``: shape ``(*, in_features)`` to ``(*, out_features)``.

    Args:
        in_features: size of the input's last dimension.
        out_features: size of the output's last dimension.
        bias: whether to add a learned bias.
        device, dtype: of the parameters.

    Both parameters start evenly distributed within ``1 / sqrt(in_features)``.

    Example:
        >>> tp.nn.Linear(3, 4)(tp.zeros(2, 3)).shape
        tensorplug.Size([2, 4])
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_size("Linear", "in_features", in_features)
        check_size("Linear", "out_features", out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(tp.empty(out_features, in_features, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(tp.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        # With a = sqrt(5) the gain is sqrt(1/3), so the bound becomes 1 / sqrt(in_features).
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """``input`` of shape ``(*, in_features)`` to ``(*, out_features)``."""
        try:
            return F.linear(input, self.weight, self.bias)
        except Exception as error:
            layer = f"Linear({self.in_features}, {self.out_features})"
            shape: Any = getattr(input, "shape", ())
            if len(shape) > 0 and shape[-1] == self.in_features:
                # The shape is right: the operation's own message says what is wrong otherwise.
                explained = wrong_kind(layer, input, self.weight, error)
                if explained is error:
                    raise
                raise explained from error
            raise wrong_input(layer, f"(*, {self.in_features})", input) from error

    def extra_repr(self) -> str:
        """The sizes, and whether there is a bias."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """``input1 @ weight[k] @ input2 + bias[k]`` for every output feature ``k``.

    Args:
        in1_features, in2_features: sizes of the two inputs' last dimensions.
        out_features: size of the output's last dimension.
        bias: whether to add a learned bias.
        device, dtype: of the parameters.

    Both parameters start evenly distributed within ``1 / sqrt(in1_features)``.

    Raises:
        ValueError: ``in1_features`` is not positive.

    Example:
        >>> tp.nn.Bilinear(3, 4, 5)(tp.zeros(2, 3), tp.zeros(2, 4)).shape
        tensorplug.Size([2, 5])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"Bilinear: expected in1_features of 1 or more, got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(tp.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(tp.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """``(*, in1_features)`` and ``(*, in2_features)`` to ``(*, out_features)``."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A :class:`Linear` under the name that PyTorch prints where attention projects its result."""

"""Activation functions as layers; all keep the input's shape.

Those with ``inplace`` write into their input when it is true.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init as initial
from ._settings import SettingsLayer
from .module import Module
from .parameter import Parameter

__all__ = [
    "CELU", "ELU", "GELU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh",
    "LeakyReLU", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SiLU",
    "Softplus", "Softshrink", "Threshold",
]  # fmt: skip


class _Inplace(SettingsLayer):
    """The constructor of those that have no other setting than ``inplace``."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


# --- straight pieces ------------------------------------------------------------------------------


class ReLU(_Inplace):
    """``max(0, x)``.

    Example:
        >>> tp.nn.ReLU()(tp.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, self.inplace)


class Threshold(SettingsLayer):
    """``x`` where it is above ``threshold``, ``value`` elsewhere.

    Example:
        >>> tp.nn.Threshold(2.0, 0.0)(tp.tensor([1.0, 3.0])).tolist()
        [0.0, 3.0]
    """

    _shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)


class Hardtanh(SettingsLayer):
    """``x`` cut off below ``min_val`` and above ``max_val``.

    Args:
        min_val, max_val: the bounds.
        inplace: write into the input.
        min_value, max_value: deprecated names of the bounds.

    Raises:
        ValueError: the bounds are the wrong way round.

    Example:
        >>> tp.nn.Hardtanh()(tp.tensor([-3.0, 0.5])).tolist()
        [-1.0, 0.5]
    """

    _shown: ClassVar[tuple[str, ...]] = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new, value in (
            ("min_value", "min_val", min_value),
            ("max_value", "max_val", max_value),
        ):
            if value is not None:
                warnings.warn(
                    f"Hardtanh: {old} is deprecated; use {new}", FutureWarning, stacklevel=2
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.min_val < self.max_val:
            raise ValueError(
                f"{self._get_name()}: expected min_val < max_val, got {self.min_val} and "
                f"{self.max_val}"
            )

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """``x`` cut off below 0 and above 6.

    Example:
        >>> tp.nn.ReLU6()(tp.tensor([-1.0, 9.0])).tolist()
        [0.0, 6.0]
    """

    _shown: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class LeakyReLU(SettingsLayer):
    """``x`` where positive, ``negative_slope * x`` elsewhere.

    Example:
        >>> tp.nn.LeakyReLU(0.5)(tp.tensor([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    _shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class RReLU(SettingsLayer):
    """:class:`LeakyReLU` with random slopes in training, and their mean in evaluation.

    Args:
        lower, upper: the bounds of the slopes.
        inplace: write into the input.

    Example:
        >>> tp.nn.RReLU(0.5, 0.5)(tp.tensor([-1.0, 1.0])).tolist()
        [-0.5, 1.0]
    """

    _shown = ("lower", "upper")

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class PReLU(Module):
    """:class:`LeakyReLU` with learned slopes: one, or one per channel (the second dimension).

    Args:
        num_parameters: 1 or the number of channels.
        init: what the slopes start with.
        device, dtype: of the slopes.

    Example:
        >>> tp.nn.PReLU()(tp.tensor([-1.0, 2.0])).tolist()
        [-0.25, 2.0]
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(tp.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the slopes with ``init``."""
        initial.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Hardsigmoid(_Inplace):
    """``x / 6 + 1 / 2``, cut off below 0 and above 1.

    Example:
        >>> tp.nn.Hardsigmoid()(tp.tensor([-3.0, 0.0, 3.0])).tolist()
        [0.0, 0.5, 1.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self) -> str:
        return ""  # PyTorch shows nothing, not even inplace


class Hardswish(Hardsigmoid):
    """``x`` times :class:`Hardsigmoid` of ``x``.

    Example:
        >>> tp.nn.Hardswish()(tp.tensor([0.0, 3.0])).tolist()
        [0.0, 3.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)


class Hardshrink(SettingsLayer):
    """``x``, but 0 from ``-lambd`` to ``lambd``.

    Example:
        >>> tp.nn.Hardshrink()(tp.tensor([-0.25, 1.0])).tolist()
        [0.0, 1.0]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Hardshrink):
    """``x`` moved towards 0 by ``lambd``, but not beyond.

    Example:
        >>> tp.nn.Softshrink()(tp.tensor([-2.0, 1.0])).tolist()
        [-1.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)


# --- with exponentials ----------------------------------------------------------------------------


class _Exponential(SettingsLayer):
    """The constructor of ELU and CELU."""

    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class ELU(_Exponential):
    """``x`` where positive, ``alpha * (exp(x) - 1)`` elsewhere.

    Example:
        >>> tp.nn.ELU()(tp.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)


class CELU(_Exponential):
    """``x`` where positive, ``alpha * (exp(x / alpha) - 1)`` elsewhere.

    Example:
        >>> tp.nn.CELU()(tp.tensor([0.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)


class SELU(_Inplace):
    """The scaled :class:`ELU` of self-normalising networks.

    Example:
        >>> round(tp.nn.SELU()(tp.tensor(1.0)).item(), 4)
        1.0507
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)


class SiLU(_Inplace):
    """``x * sigmoid(x)``.

    Example:
        >>> tp.nn.SiLU()(tp.zeros(1)).tolist()
        [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, self.inplace)


class Mish(_Inplace):
    """``x * tanh(softplus(x))``.

    Example:
        >>> tp.nn.Mish()(tp.zeros(1)).tolist()
        [0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, self.inplace)


class GELU(SettingsLayer):
    """``x`` times the probability that a standard normal number is below ``x``.

    Args:
        approximate: "none", or "tanh" for the faster approximation.

    Example:
        >>> tp.nn.GELU()(tp.tensor([0.0])).tolist()
        [0.0]
    """

    _shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)


class Softplus(SettingsLayer):
    """``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x > threshold``.

    Example:
        >>> round(tp.nn.Softplus()(tp.tensor(0.0)).item(), 4)
        0.6931
    """

    _shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

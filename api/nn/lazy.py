"""Layers that take the sizes which depend on the input from the first input they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from .batchnorm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Sizes,
)
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = [
    "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
    "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d", "LazyLinear",
]  # fmt: skip


class _Lazy(Module):
    """What lazy layers add to the layers that they become with their first call.

    Like those, they may be moved, converted, copied and loaded before; parameters keep their
    identity, so that an optimizer may already hold them.
    """

    _becomes: ClassVar[type[Module]]
    _unknown: set[str]
    """Parameters and buffers that have no shape yet."""

    if TYPE_CHECKING:

        def _sizes(self, input: Tensor) -> dict[str, Any]: ...

    def _forget_shapes(self, device: Any, dtype: Any, **wanted: bool) -> None:
        """Make the parameters that are wanted, empty for now, and the buffers empty too."""
        for name, there in wanted.items():
            self._parameters[name] = (
                Parameter(tp.empty(0, device=device, dtype=dtype)) if there else None
            )
        self._unknown = {name for name, there in wanted.items() if there}
        self._unknown |= {name for name, value in self._buffers.items() if value is not None}
        self._unknown.discard("num_batches_tracked")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer has no shape yet."""
        return bool(self._unknown)

    def _materialize(self, name: str, shape: Any) -> None:
        old: Any = getattr(self, name)
        memory = tp.empty(tuple(shape), device=old.device, dtype=old.dtype)
        if name in self._parameters:
            old.data = memory
        else:
            self._buffers[name] = memory
        self._unknown.discard(name)

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take the missing sizes from ``input``, and draw the parameters."""
        shapes, missing = self._sizes(input), tuple(self._unknown)
        for name in missing:
            self._materialize(name, shapes[name])
        if missing:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, once their shapes are known."""
        if all(parameter.numel() for parameter in self.parameters()):
            super().reset_parameters()  # type: ignore[misc]  # the layer's

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take state; unknown shapes become those of the state, unless it too is of a lazy one."""
        for name in tuple(self._unknown):
            shape = getattr(state_dict.get(prefix + name), "shape", (0,))
            if tuple(shape) != (0,):
                self._materialize(name, shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Become the ordinary layer, and run that."""
        self.initialize_parameters(*args, **kwargs)
        del self._unknown
        self.__class__ = self._becomes  # type: ignore[assignment]  # a class it inherits
        return self(*args, **kwargs)


class LazyLinear(_Lazy, Linear):
    """:class:`Linear` with ``in_features`` from the first input.

    Args:
        out_features, bias, device, dtype: as for :class:`Linear`.

    Example:
        >>> layer = tp.nn.LazyLinear(4)
        >>> layer(tp.zeros(2, 3)).shape, layer
        (tensorplug.Size([2, 4]), Linear(in_features=3, out_features=4, bias=True))
    """

    _becomes = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False, device, dtype)
        self.out_features = out_features
        self._forget_shapes(device, dtype, weight=True, bias=bias)

    def _sizes(self, input: Tensor) -> dict[str, Any]:
        self.in_features = input.shape[-1]
        shape = (self.out_features, self.in_features)
        return {"weight": shape, "bias": shape[:1]}


# --- convolution ----------------------------------------------------------------------------------


class _LazyConvNd(_Lazy):
    if TYPE_CHECKING:
        in_channels: int
        out_channels: int
        groups: int
        kernel_size: tuple[int, ...]
        transposed: ClassVar[bool]
        _window_dims: ClassVar[int]

        def _check_settings(self) -> None: ...

    def _sizes(self, input: Tensor) -> dict[str, Any]:
        dims = self._window_dims
        if input.dim() not in (dims + 1, dims + 2):
            raise RuntimeError(
                f"{self._get_name()}: expected input of {dims + 1} or {dims + 2} dimensions, "
                f"got {tuple(input.shape)}"
            )
        self.in_channels = input.shape[-dims - 1]
        self._check_settings()
        channels = [self.out_channels, self.in_channels]
        if self.transposed:
            channels.reverse()
        shape = (channels[0], channels[1] // self.groups, *self.kernel_size)
        return {"weight": shape, "bias": (self.out_channels,)}


class _LazyConv(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device,
            dtype,
        )  # fmt: skip
        self.out_channels = out_channels
        self._forget_shapes(device, dtype, weight=True, bias=bias)


class LazyConv1d(_LazyConv, Conv1d):
    """:class:`Conv1d` with ``in_channels`` from the first input.

    Example:
        >>> tp.nn.LazyConv1d(8, 3)(tp.zeros(2, 4, 10)).shape
        tensorplug.Size([2, 8, 8])
    """

    _becomes = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """:class:`Conv2d` with ``in_channels`` from the first input.

    Example:
        >>> tp.nn.LazyConv2d(8, 3)(tp.zeros(2, 4, 10, 10)).shape
        tensorplug.Size([2, 8, 8, 8])
    """

    _becomes = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """:class:`Conv3d` with ``in_channels`` from the first input.

    Example:
        >>> tp.nn.LazyConv3d(2, 3)(tp.zeros(1, 1, 4, 4, 4)).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """

    _becomes = Conv3d


class _LazyConvTranspose(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation,
            padding_mode, device, dtype,
        )  # fmt: skip
        self.out_channels = out_channels
        self._forget_shapes(device, dtype, weight=True, bias=bias)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """:class:`ConvTranspose1d` with ``in_channels`` from the first input.

    Example:
        >>> tp.nn.LazyConvTranspose1d(2, 2, stride=2)(tp.zeros(1, 4, 5)).shape
        tensorplug.Size([1, 2, 10])
    """

    _becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """:class:`ConvTranspose2d` with ``in_channels`` from the first input.

    Example:
        >>> tp.nn.LazyConvTranspose2d(2, 2)(tp.zeros(1, 4, 3, 3)).shape
        tensorplug.Size([1, 2, 4, 4])
    """

    _becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """:class:`ConvTranspose3d` with ``in_channels`` from the first input.

    Example:
        >>> tp.nn.LazyConvTranspose3d(2, 2)(tp.zeros(1, 4, 1, 1, 1)).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """

    _becomes = ConvTranspose3d


# --- normalisation --------------------------------------------------------------------------------


class _LazyNorm(_Lazy):
    if TYPE_CHECKING:
        num_features: int

    _single: ClassVar[int] = 0
    """How many dimensions an input without a batch has; 0 where it must have one."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self._forget_shapes(device, dtype, weight=affine, bias=affine and bias)

    def _sizes(self, input: Tensor) -> dict[str, Any]:
        self.num_features = input.shape[0 if input.dim() == self._single else 1]
        names = ("weight", "bias", "running_mean", "running_var")
        return dict.fromkeys(names, (self.num_features,))


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """:class:`BatchNorm1d` with ``num_features`` from the first input.

    Example:
        >>> tp.nn.LazyBatchNorm1d()(tp.randn(2, 3, 4)).shape
        tensorplug.Size([2, 3, 4])
    """

    _becomes = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """:class:`BatchNorm2d` with ``num_features`` from the first input.

    Example:
        >>> tp.nn.LazyBatchNorm2d()(tp.randn(2, 3, 4, 4)).shape
        tensorplug.Size([2, 3, 4, 4])
    """

    _becomes = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """:class:`BatchNorm3d` with ``num_features`` from the first input.

    Example:
        >>> tp.nn.LazyBatchNorm3d()(tp.randn(2, 3, 2, 2, 2)).shape
        tensorplug.Size([2, 3, 2, 2, 2])
    """

    _becomes = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """:class:`InstanceNorm1d` with ``num_features`` from the first input.

    Example:
        >>> tp.nn.LazyInstanceNorm1d()(tp.randn(2, 3, 4)).shape
        tensorplug.Size([2, 3, 4])
    """

    _becomes, _single = InstanceNorm1d, 2


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """:class:`InstanceNorm2d` with ``num_features`` from the first input.

    Example:
        >>> tp.nn.LazyInstanceNorm2d()(tp.randn(2, 3, 4, 4)).shape
        tensorplug.Size([2, 3, 4, 4])
    """

    _becomes, _single = InstanceNorm2d, 3


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """:class:`InstanceNorm3d` with ``num_features`` from the first input.

    Example:
        >>> tp.nn.LazyInstanceNorm3d()(tp.randn(2, 3, 2, 2, 2)).shape
        tensorplug.Size([2, 3, 2, 2, 2])
    """

    _becomes, _single = InstanceNorm3d, 4

"""Normalisation of channels: over the batch, or for each sample alone."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init
from ._errors import wrong_input
from .module import Module
from .parameter import Parameter

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "SyncBatchNorm",
]  # fmt: skip

_SHAPES = {2: "(batch, {})", 3: "(batch, {}, length)", 4: "(batch, {}, height, width)",
           5: "(batch, {}, depth, height, width)"}  # fmt: skip


class _NormBase(Module):
    """Scale and shift of each channel, and running values."""

    _version = 2
    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats

        def vector() -> Tensor:
            return tp.empty(num_features, device=device, dtype=dtype)

        self.register_parameter("weight", Parameter(vector()) if affine else None)
        self.register_parameter("bias", Parameter(vector()) if affine and bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", vector() if tracked else None)
        self.register_buffer("running_var", vector() if tracked else None)
        count = tp.zeros((), dtype=tp.int64, device=device) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        if self.track_running_stats:
            for buffer, value in (
                (self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0),
            ):  # fmt: skip
                buffer.fill_(value)  # type: ignore[union-attr]  # all there when tracked

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, and the running values anew."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        """Take state; that of version 1 has no count of the batches."""
        key = f"{prefix}num_batches_tracked"
        old = (local_metadata.get("version") or 1) < 2
        if old and self.track_running_stats and key not in state_dict:
            state_dict[key] = self.num_batches_tracked
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def _check_input(self, input: Tensor, dims: tuple[int, ...], channels: int) -> None:
        """Refuse another number of dimensions, or of channels where parameters depend on it."""
        shape = tuple(input.shape)
        if len(shape) in dims and (shape[channels] == self.num_features or not self._has_state()):
            return
        expected = " or ".join(_SHAPES[n].format(self.num_features) for n in dims if n > channels)
        error = wrong_input(f"{self._get_name()}({self.num_features})", expected, input)
        raise error if len(shape) in dims else ValueError(str(error))

    def _has_state(self) -> bool:
        return self.weight is not None or self.running_mean is not None

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


# --- over the batch -------------------------------------------------------------------------------


class _BatchNorm(_NormBase):
    _dims: ClassVar[tuple[int, ...]]

    def forward(self, input: Tensor) -> Tensor:
        """In training with this batch's mean and variance, in evaluation with the running ones."""
        self._check_input(input, self._dims, 1)
        step = self.momentum
        tracks = self.training and self.track_running_stats
        if tracks and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if step is None:  # the plain average of all batches
                step = 1.0 / float(self.num_batches_tracked)
        keep = not self.training or self.track_running_stats
        own = self.training or (self.running_mean is None and self.running_var is None)
        return F.batch_norm(
            input, self.running_mean if keep else None, self.running_var if keep else None,
            self.weight, self.bias, own, step or 0.0, self.eps,
        )  # fmt: skip


class BatchNorm1d(_BatchNorm):
    """Normalises each feature of ``(N, C)``, or channel of ``(N, C, L)``, over the batch.

    Arguments as for :class:`BatchNorm2d`.

    Example:
        >>> tp.nn.BatchNorm1d(1)(tp.tensor([[1.0], [3.0]])).round().tolist()
        [[-1.0], [1.0]]
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel of images ``(N, C, H, W)`` over the batch and all positions.

    Args:
        num_features: the number of channels ``C``.
        eps: added to the variance.
        momentum: the weight of a batch in the running values; None for their plain average.
        affine: whether to learn a scale and a shift of each channel.
        track_running_stats: whether to keep running values, which evaluation uses; without them
            evaluation too normalises with the batch's own.
        device, dtype: of the parameters and buffers.
        bias: whether ``affine`` includes a shift.

    Raises:
        ValueError: the input has another number of dimensions, or in training a single value
            per channel.

    Example:
        >>> norm = tp.nn.BatchNorm2d(3)
        >>> norm(tp.randn(4, 3, 8, 8)).shape, int(norm.num_batches_tracked)
        (tensorplug.Size([4, 3, 8, 8]), 1)
    """

    _dims = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalises each channel of volumes ``(N, C, D, H, W)``; otherwise :class:`BatchNorm2d`.

    Example:
        >>> tp.nn.BatchNorm3d(2)(tp.randn(3, 2, 2, 2, 2)).shape
        tensorplug.Size([3, 2, 2, 2, 2])
    """

    _dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of any ``(N, C, *)`` over the batches of all processes of a group.

    Args:
        num_features, eps, momentum, affine, track_running_stats: as for :class:`BatchNorm2d`.
        process_group: None.
        device, dtype, bias: as for :class:`BatchNorm2d`.

    Raises:
        NotImplementedError: ``process_group`` is given.

    Differs from torch: a program is one process, whose batch is the whole batch, so this
    computes what :class:`BatchNorm2d` does, on every device.

    Example:
        >>> model = tp.nn.Sequential(tp.nn.BatchNorm2d(3), tp.nn.ReLU())
        >>> tp.nn.SyncBatchNorm.convert_sync_batchnorm(model)[0].num_features
        3
    """

    _dims = (2, 3, 4, 5)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        if process_group is not None:
            raise NotImplementedError(
                f"SyncBatchNorm: expected process_group=None, got {process_group!r}; "
                "tensorplug computes in one process"
            )
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = None

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """``module`` with every batch norm below it replaced, sharing parameters and buffers."""
        new = module
        if isinstance(module, _BatchNorm):
            new = cls(module.num_features, module.eps, module.momentum, False, False, process_group)
            new.affine = module.affine
            new.track_running_stats = module.track_running_stats
            new.training = module.training
            new._parameters.update(module._parameters)
            new._buffers.update(module._buffers)
        for name, child in tuple(module.named_children()):
            new.register_module(name, cls.convert_sync_batchnorm(child, process_group))
        return new


# --- of each sample -------------------------------------------------------------------------------


class _InstanceNorm(_NormBase):
    _rank: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """``input`` of shape ``(N, C, *)`` or ``(C, *)``, normalised."""
        single = input.dim() == self._rank + 1
        self._check_input(input, (self._rank + 1, self._rank + 2), 0 if single else 1)
        channels = input.shape[0 if single else 1]
        if channels != self.num_features:
            warnings.warn(
                f"{self._get_name()}: expected {self.num_features} channels, got {channels}; "
                "num_features has no effect when affine=False",
                stacklevel=3,
            )
        out = F.instance_norm(
            input.unsqueeze(0) if single else input, self.running_mean, self.running_var,
            self.weight, self.bias, self.training or not self.track_running_stats,
            self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return out.squeeze(0) if single else out


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sequence ``(N, C, L)``; see :class:`InstanceNorm2d`.

    Example:
        >>> tp.nn.InstanceNorm1d(1)(tp.tensor([[[1.0, 3.0]]])).round().tolist()
        [[[-1.0, 1.0]]]
    """

    _rank = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each image ``(N, C, H, W)`` or ``(C, H, W)``.

    Args:
        num_features: the number of channels ``C``.
        eps: added to the variance.
        momentum: the weight of a batch in the running values.
        affine: whether to learn a scale and a shift of each channel.
        track_running_stats: whether to keep running values and to use them in evaluation.
        device, dtype: of the parameters and buffers.
        bias: whether ``affine`` includes a shift.

    Raises:
        ValueError: the input has another number of dimensions, or a single position in training.

    Example:
        >>> tp.nn.InstanceNorm2d(3)(tp.randn(2, 3, 4, 4)).shape
        tensorplug.Size([2, 3, 4, 4])
    """

    _rank = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each volume ``(N, C, D, H, W)``; see :class:`InstanceNorm2d`.

    Example:
        >>> tp.nn.InstanceNorm3d(2)(tp.randn(1, 2, 2, 2, 2)).shape
        tensorplug.Size([1, 2, 2, 2, 2])
    """

    _rank = 3

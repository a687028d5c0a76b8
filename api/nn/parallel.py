"""Models over several devices, as far as one device at a time goes: DataParallel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Runs ``module``, whose parameters it lists under ``module.``, where the module lies.

    Args:
        module: the model.
        device_ids, output_device, dim: how PyTorch splits batches over GPUs; only kept.

    Differs from torch: batches are not split over devices, which gives the same results.

    Example:
        >>> model = tp.nn.DataParallel(tp.nn.Linear(3, 4))
        >>> model(tp.zeros(2, 3)).shape, list(model.state_dict())
        (tensorplug.Size([2, 4]), ['module.weight', 'module.bias'])
    """

    module: Module

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids = list(device_ids or ())
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)

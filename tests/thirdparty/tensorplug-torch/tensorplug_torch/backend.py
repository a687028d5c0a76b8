"""The backend itself: PyTorch through array-api-compat, on the CPU."""

from typing import Any

import array_api_compat.torch
import torch

from tensorplug.backends import ArrayAPIBackend


class TorchBackend(ArrayAPIBackend):
    """PyTorch's CPU; its tensors hold values here, gradients are tensorplug's."""

    name = "torch"
    namespace = array_api_compat.torch

    def devices(self) -> list[torch.device]:
        """``torch:0``, the CPU."""
        return [torch.device("cpu")]

    def owns(self, array: Any) -> bool:
        """Plain values on the CPU only; what PyTorch must still do something about is refused."""
        return (
            isinstance(array, torch.Tensor)
            and array.device.type == "cpu"
            and not (array.requires_grad or array.is_conj() or array.is_neg())
        )

"""The backend itself: PyTorch through array-api-compat, on the CPU."""

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

"""The library under comparison: tensorplug on one device, or torch itself to try the harness."""

from __future__ import annotations

import importlib
from typing import Any

import ml_dtypes
import numpy as np

__all__ = ["Subject"]


class Subject:
    """One module with PyTorch's names, and the device on which its tensors are made.

    Args:
        name: module to import, ``"tensorplug"`` or ``"torch"``.
        device: where every input is placed, such as ``"cpu"`` or ``"strict:0"``.
    """

    def __init__(self, name: str = "tensorplug", device: str = "cpu") -> None:
        self.name = name
        self.module = importlib.import_module(name)
        self.device = device

    def lookup(self, dotted: str) -> Any:
        """The public object of that name, a ``Tensor`` member, or None where it is missing."""
        found: Any = self.module
        for part in dotted.removeprefix("Tensor.").split("."):
            found = getattr(found, part, None)
        if found is not None and not dotted.startswith("Tensor."):
            return found
        member = dotted.removeprefix("Tensor.")
        tensor = self.module.Tensor
        return getattr(tensor, member, None) or getattr(tensor, f"{member}_", None)

    def method(self, name: str) -> Any:
        """The ``Tensor`` member of that name, or None."""
        return getattr(self.module.Tensor, name, None)

    def is_tensor(self, value: Any) -> bool:
        """Whether ``value`` is one of this library's tensors."""
        return isinstance(value, self.module.Tensor)

    def tensor(self, array: np.ndarray) -> Any:
        """A tensor on the device with the values and the dtype of a NumPy array."""
        if self.name == "torch" and array.dtype == ml_dtypes.bfloat16:
            bits = self.module.tensor(array.view(np.int16), device=self.device)
            return bits.view(self.module.bfloat16)
        return self.module.tensor(array, device=self.device)

    def numpy(self, tensor: Any) -> np.ndarray:
        """The values as a NumPy array (bfloat16 through ml_dtypes)."""
        host = tensor.detach().cpu()
        if self.name == "torch":
            host = host.resolve_conj().resolve_neg()
            if host.dtype == self.module.bfloat16:
                return host.contiguous().view(self.module.int16).numpy().view(ml_dtypes.bfloat16)
            return np.asarray(host.numpy(force=True))
        return np.asarray(host.numpy())

    def dtype_name(self, tensor: Any) -> str:
        """``"float32"`` for ``tp.float32``."""
        return str(tensor.dtype).rsplit(".", 1)[-1]

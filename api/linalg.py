"""Linear algebra: the functions of ``tensorplug.linalg``, with PyTorch's names."""

from __future__ import annotations

from ._torch_face import functions_of
from .autograd.ops.linalg import LinAlgError as LinAlgError

_FUNCTIONS = functions_of("linalg")
globals().update(_FUNCTIONS)
__all__ = ["LinAlgError", *sorted(_FUNCTIONS)]

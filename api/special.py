"""Special functions: the functions of ``tensorplug.special``, with PyTorch's names."""

from __future__ import annotations

from ._torch_face import functions_of

_FUNCTIONS = functions_of("special")
globals().update(_FUNCTIONS)
__all__ = sorted(_FUNCTIONS)

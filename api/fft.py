"""Discrete Fourier transforms: the functions of ``tensorplug.fft``, with PyTorch's names."""

from __future__ import annotations

from ._torch_face import functions_of

_FUNCTIONS = functions_of("fft")
globals().update(_FUNCTIONS)
__all__ = sorted(_FUNCTIONS)

"""Fourier transforms over one dimension, for which NumPy-like modules have a shorter way."""

from __future__ import annotations

from typing import Any

from .base import Kernel

__all__ = ["kernels"]


def _shorter(one: Any, many: Any, norm: str) -> Kernel:
    def kernel(x: Any, dims: tuple[int, ...]) -> Any:
        if len(dims) == 1:
            return one(x, None, dims[0], norm)
        return many(x, None, dims, norm)

    return kernel


def kernels(xp: Any) -> dict[str, Kernel]:
    """All kernels of this file, bound to an array module."""
    fft = xp.fft
    return {
        "fft_forward": _shorter(fft.fft, fft.fftn, "backward"),
        "fft_backward": _shorter(fft.ifft, fft.ifftn, "forward"),
        "rfft_forward": _shorter(fft.rfft, fft.rfftn, "backward"),
    }

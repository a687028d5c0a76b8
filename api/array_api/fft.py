"""The standard's Fourier transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .._functions import fft as torchs
from ..autograd.registry import FUNCTIONS
from ..autograd.tensor import Tensor
from ..backends.device import Device
from ..backends.dtypes import DType

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft",
    "irfftn", "rfft", "rfftfreq", "rfftn",
]  # fmt: skip

Norm = Literal["backward", "ortho", "forward"]
_fftn, _ifftn, _rfftn, _irfftn = (
    FUNCTIONS[f"fft.{name}"].call for name in ("fftn", "ifftn", "rfftn", "irfftn")
)


def fft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The transform along an axis, cut or filled up with zeros to ``n`` first."""
    return torchs.fft(x, n, axis, norm)


def ifft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of :func:`fft`."""
    return torchs.ifft(x, n, axis, norm)


def rfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The first ``n // 2 + 1`` frequencies of real numbers."""
    return torchs.rfft(x, n, axis, norm)


def irfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of :func:`rfft`; ``n`` is the size of the result, by default even."""
    return torchs.irfft(x, n, axis, norm)


def hfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The real spectrum of a Hermitian signal of which half is given."""
    return torchs.hfft(x, n, axis, norm)


def ihfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of :func:`hfft`."""
    return torchs.ihfft(x, n, axis, norm)


def fftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Tensor:  # fmt: skip
    """The transform over several axes, by default all."""
    return _fftn(x, s, axes, norm)


def ifftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Tensor:  # fmt: skip
    """The inverse of :func:`fftn`."""
    return _ifftn(x, s, axes, norm)


def rfftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Tensor:  # fmt: skip
    """The transform of real numbers over several axes; the last one is halved."""
    return _rfftn(x, s, axes, norm)


def irfftn(
    x: Tensor, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> Tensor:  # fmt: skip
    """The inverse of :func:`rfftn`."""
    return _irfftn(x, s, axes, norm)


def fftfreq(
    n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """The frequencies of :func:`fft`'s results for ``n`` samples ``d`` apart, from zero up."""
    return torchs.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: DType | None = None, device: Device | str | None = None
) -> Tensor:
    """The frequencies of :func:`rfft`'s results for ``n`` samples ``d`` apart."""
    return torchs.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Frequencies reordered so that zero stands in the middle of ``axes`` (default: all)."""
    return torchs.fftshift(x, axes)


def ifftshift(x: Tensor, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Undoes :func:`fftshift`."""
    return torchs.ifftshift(x, axes)

"""Rows of discrete Fourier transforms.

Every transform is one of three unscaled primitives over given dimensions, between complex
numbers (forwards or backwards), from real numbers, and to real numbers: their adjoints are each
other. Sizes are cut or filled up, and scales multiplied, by the functions above them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ...backends.dtypes import DType
from .. import calls
from ..families import Family
from ..kinds import Kind
from ..registry import op as any_op

__all__: list[str] = []

op = partial(any_op, needs="fft")


class _WideKind(Kind):
    """Without the half types."""

    __slots__ = ()

    def compute(self, dtype: DType) -> DType | None:
        return None if dtype.itemsize < 4 else super().compute(dtype)


_COMPLEX = _WideKind("COMPLEX", "complex")
_REAL = _WideKind("REAL", "float", result="complex")
_TO_REAL = _WideKind("TO_REAL", "complex", result="real")


def _family(kind: Kind, attrs: tuple[str, ...], adapt: Callable[[Any], Any]) -> Family:
    return Family(
        "FFT", inputs=("x",), attrs=attrs, dtype=kind, path=calls.generic,
        from_xp=lambda function, row: adapt(function),
    )  # fmt: skip


# The name of the mode says which direction is scaled, so that the other one is not.
_FORWARD = _family(_COMPLEX, ("dims",), lambda f: lambda x, dims: f(x, axes=dims, norm="backward"))
_BACKWARD = _family(_COMPLEX, ("dims",), lambda f: lambda x, dims: f(x, axes=dims, norm="forward"))

op("fft_forward", _FORWARD, xp="fft.fftn", public=False, node="FftC2C",
   grad=lambda F, g, dims: F.fft_backward(g, dims))  # fmt: skip
op("fft_backward", _BACKWARD, xp="fft.ifftn", public=False, node="FftC2C",
   grad=lambda F, g, dims: F.fft_forward(g, dims))  # fmt: skip


def _last(dim: int, part: slice) -> tuple[Any, ...]:
    return (*(slice(None),) * dim, part)


def _from_half(F: Any, g: Any, x_shape: Any, dims: tuple[int, ...]) -> Any:
    """The adjoint of ``rfft``: the missing half is zero, and the real part remains."""
    last = dims[-1]
    missing = list(g.shape)
    missing[last] = x_shape[last] - g.shape[last]
    whole = F.concat([g, F.zeros(tuple(missing), F.dtype_of(g))], last)
    return F.real(F.fft_backward(whole, dims))


_RFFT = _family(_REAL, ("dims",), lambda f: lambda x, dims: f(x, axes=dims, norm="backward"))
op("rfft_forward", _RFFT, xp="fft.rfftn", public=False, node="FftR2C", grad=_from_half)


def _to_half(F: Any, g: Any, x_shape: Any, dims: tuple[int, ...], size: int) -> Any:
    """The adjoint of ``irfft``: inner frequencies stand for two, as the input's mirror images."""
    last = dims[-1]
    found = F.rfft_forward(g, dims)
    doubled = size - (size // 2 + 1)  # frequencies 1 to doubled have an image of their own
    pieces = [
        F.index(found, _last(last, slice(0, 1))),
        F.index(found, _last(last, slice(1, 1 + doubled))) * 2,
        F.index(found, _last(last, slice(1 + doubled, None))),
    ]
    return F.concat(pieces, last)


def _irfft_xp(f: Any) -> Any:
    def kernel(x: Any, dims: tuple[int, ...], size: int) -> Any:
        sizes = [x.shape[d] for d in dims]
        return f(x, s=(*sizes[:-1], size), axes=dims, norm="forward")

    return kernel


op("rfft_backward", _family(_TO_REAL, ("dims", "size"), _irfft_xp), xp="fft.irfftn", public=False,
   node="FftC2R", grad=_to_half)  # fmt: skip

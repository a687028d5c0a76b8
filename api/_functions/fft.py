"""``tensorplug.fft``: discrete Fourier transforms over one dimension or several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._arguments import wrap_dims
from ..autograd import slow
from ..autograd.errors import OpError, OpTypeError
from ..autograd.kernels import tensor_kernels
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends import dtypes
from .create import arange
from .products import finish

__all__: list[str] = []

TYPES = "bool int float32 float64 complex64 complex128"
REAL = "bool int float32 float64"
_COMPLEX = "complex64 complex128"

_MODES = ("forward", "ortho", "backward")


def _check(name: str, x: Any, real: bool = False) -> Tensor:
    """The input in a floating type.

    Raises:
        RuntimeError: a type that is not transformed.
    """
    if type(x) is not Tensor:
        raise OpTypeError(f"{name}: expected a tensor, got {type(x).__name__}", op=name)
    if x._dtype.is_inexact and x._dtype.itemsize < 4:
        raise OpError(f"{name}: expected float32, float64 or complex values, got {x._dtype}; "
                      "unsupported dtype: convert it with .to(tp.float32)", op=name)  # fmt: skip
    if real and x._dtype.is_complex:
        raise OpError(f"{name}: expected a real input tensor, got {x._dtype}", op=name)
    return x if x._dtype.is_inexact else slow.cast(x, dtypes.default_float())


def _factor(name: str, norm: str | None, count: int, inverse: bool) -> float:
    """What to scale a sum over ``count`` elements with."""
    norm = "backward" if norm is None else norm
    if norm not in _MODES:
        raise OpError(f"{name}: expected norm None or one of {_MODES}, got {norm!r}; Invalid "
                      "normalization mode", op=name)  # fmt: skip
    if norm == "ortho":
        return 1 / math.sqrt(count)
    return 1 / count if (norm == "backward") == inverse else 1.0


def _scale(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1 else ROWS["mul"].call(x, factor)


def _axes(name: str, x: Tensor, s: Any, dim: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions to transform and their sizes, -1 in ``s`` standing for the own one."""
    shape = tuple(x._h.shape)
    if isinstance(s, int):
        s = (s,)
    if dim is None:
        count = len(shape) if s is None else len(s)
        if count > len(shape):
            raise OpError(f"{name}: expected at most {len(shape)} sizes, got {s}; Got shape with "
                          f"{count} values but input tensor only has {len(shape)} dimensions",
)  # fmt: skip
        dims = tuple(range(len(shape) - count, len(shape)))
    else:
        dims = wrap_dims(name, dim, len(shape))
        if not shape and dims:
            raise OpError(f"{name}: expected a tensor of at least 1 dimension, got a 0-d one")
    if s is not None and len(s) != len(dims):
        raise OpError(f"{name}: expected as many sizes as dims, got {tuple(s)} and {dims}; When "
                      "given, dim and shape arguments must have the same length", op=name,
)  # fmt: skip
    sizes = tuple(shape[d] if s is None or s[i] == -1 else s[i] for i, d in enumerate(dims))
    for size in sizes:
        if size < 1:
            raise OpError(f"{name}: expected at least 1 data point, got {size}; Invalid number of "
                          f"data points ({size}) specified", op=name)  # fmt: skip
    return dims, sizes


def _resize(x: Tensor, dims: tuple[int, ...], sizes: tuple[int, ...]) -> Tensor:
    """Cut dimensions, or fill them up with zeros."""
    F = tensor_kernels(x._device)
    for d, size in zip(dims, sizes, strict=True):
        have = x._h.shape[d]
        if have > size:
            x = F.index(x, (*(slice(None),) * d, slice(0, size)))
        elif have < size:
            missing = list(x._h.shape)
            missing[d] = size - have
            x = F.concat([x, F.zeros(tuple(missing), x._dtype)], d)
    return x


def _c2c(name: str, x: Tensor, s: Any, dim: Any, norm: Any, inverse: bool, out: Any) -> Tensor:
    """Complex to complex, over several dimensions."""
    x = _check(name, x)
    x = slow.cast(x, x._dtype.to_complex())
    dims, sizes = _axes(name, x, s, dim)
    factor = _factor(name, norm, math.prod(sizes), inverse)
    if not dims:
        return finish(name, ROWS["clone"].call(x), out)
    x = _resize(x, dims, sizes)
    found = ROWS["fft_backward" if inverse else "fft_forward"].call(x, dims)
    return finish(name, _scale(found, factor), out)


def _r2c(
    name: str, x: Tensor, s: Any, dim: Any, norm: Any, out: Any, hermitian: bool = False
) -> Tensor:
    """Real to half of a complex spectrum; ``hermitian`` is the inverse with conjugation."""
    x = _check(name, x, real=True)
    dims, sizes = _axes(name, x, s, dim)
    if not dims:
        raise OpError(f"{name}: expected at least one dimension to transform, got none; must "
                      "transform at least one axis", op=name)  # fmt: skip
    factor = _factor(name, norm, math.prod(sizes), hermitian)
    found = ROWS["rfft_forward"].call(_resize(x, dims, sizes), dims)
    found = ROWS["conj"].call(found) if hermitian else found
    return finish(name, _scale(found, factor), out)


def _c2r(
    name: str, x: Tensor, s: Any, dim: Any, norm: Any, out: Any, hermitian: bool = False
) -> Tensor:
    """Half of a complex spectrum to real; ``hermitian`` is the forward transform."""
    x = _check(name, x)
    x = slow.cast(x, x._dtype.to_complex())
    last_given = None if s is None else (s if isinstance(s, int) else s[-1] if len(s) else None)
    dims, sizes = _axes(name, x, s, dim)
    if not dims:
        raise OpError(f"{name}: expected at least one dimension to transform, got none; must "
                      "transform at least one axis", op=name)  # fmt: skip
    size = sizes[-1] if last_given not in (None, -1) else 2 * (x._h.shape[dims[-1]] - 1)
    if size < 1:
        raise OpError(f"{name}: expected at least 1 data point, got {size}; Invalid number of data "
                      f"points ({size}) specified", op=name)  # fmt: skip
    factor = _factor(name, norm, math.prod(sizes[:-1]) * size, not hermitian)
    x = _resize(x, dims, (*sizes[:-1], size // 2 + 1))
    x = ROWS["conj"].call(x) if hermitian else x
    found = ROWS["rfft_backward"].call(x, dims, size)
    return finish(name, _scale(found, factor), out)


_N = tuple[int, ...] | list[int] | int | None


# --- one dimension -------------------------------------------------------------------------------


@function(namespace="fft", dtypes=TYPES, ref=lambda np, *args: np.fft.fft(*args),
          samples=lambda t: [(t(5),), (t(2, 4), 3), (t(2, 4), 6, 0, "ortho")])  # fmt: skip
def fft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The discrete Fourier transform along ``dim``.

    Args:
        input: any shape, real or complex; float32 gives complex64.
        n: cut ``dim``, or fill it up with zeros, to this size first.
        dim: the dimension.
        norm: ``"backward"`` (no scale, the default), ``"forward"`` (``1/n``) or ``"ortho"``
            (``1/sqrt(n)``).

    Raises:
        RuntimeError: ``n`` is less than 1, or the norm is unknown.
    """
    return _c2c("fft.fft", input, n, dim, norm, False, out)


@function(namespace="fft", dtypes=TYPES, ref=lambda np, *args: np.fft.ifft(*args),
          samples=lambda t: [(t(5),), (t(2, 4), 3), (t(2, 4), 6, 0, "ortho")])  # fmt: skip
def ifft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`fft`; ``"backward"`` scales by ``1/n``."""
    return _c2c("fft.ifft", input, n, dim, norm, True, out)


@function(namespace="fft", dtypes=REAL, ref=lambda np, *args: np.fft.rfft(*args),
          samples=lambda t: [(t(5),), (t(2, 4), 3), (t(2, 4), 6, 0, "ortho")])  # fmt: skip
def rfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The first ``n // 2 + 1`` frequencies of a real input: the others mirror them."""
    return _r2c("fft.rfft", input, n, dim, norm, out)


@function(namespace="fft", dtypes=_COMPLEX, ref=lambda np, *args: np.fft.irfft(*args),
          samples=lambda t: [(t(5),), (t(2, 4), 5), (t(4, 3), 6, 0, "ortho")])  # fmt: skip
def irfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`rfft`; ``n`` is the size of the real result, by default even."""
    return _c2r("fft.irfft", input, n, dim, norm, out)


@function(namespace="fft", dtypes=_COMPLEX, ref=lambda np, *args: np.fft.hfft(*args),
          samples=lambda t: [(t(5),), (t(2, 4), 5), (t(4, 3), 6, 0, "ortho")])  # fmt: skip
def hfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The real spectrum of a signal of which half is given, the rest being its mirror image."""
    return _c2r("fft.hfft", input, n, dim, norm, out, hermitian=True)


@function(namespace="fft", dtypes=REAL, ref=lambda np, *args: np.fft.ihfft(*args),
          samples=lambda t: [(t(5),), (t(2, 4), 3), (t(2, 4), 6, 0, "ortho")])  # fmt: skip
def ihfft(
    input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The inverse of :func:`hfft`."""
    return _r2c("fft.ihfft", input, n, dim, norm, out, hermitian=True)


# --- several dimensions --------------------------------------------------------------------------


def _many(t: Any) -> list[Any]:
    return [(t(3, 4),), (t(2, 3, 4), (2, 5), (0, 2)), (t(3, 4), None, (0, 1), "ortho")]


def _documented(plain: Any, default: Any, name: str, what: str) -> Any:
    """``<name>(input, s, dim, norm)`` with a default ``dim``."""

    def call(
        input: Tensor, s: _N = None, dim: Any = default, norm: str | None = None, *,
        out: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        return plain(input, s, dim, norm, out)

    call.__name__ = call.__qualname__ = name
    over = "the last two dimensions" if default is not None else "all dimensions, or the last of s"
    call.__doc__ = f"{what} over ``dim``: by default {over}; see the one-dimensional form."
    return call


def _c2c_all(
    name: str, inverse: bool, x: Tensor, s: Any, dim: Any, norm: Any, out: Any
) -> Tensor:  # fmt: skip
    return _c2c(name, x, s, dim, norm, inverse, out)


def _variants() -> None:
    kinds = {
        "fft": (TYPES, lambda *a: _c2c_all("fft.fftn", False, *a), "The Fourier transform"),
        "ifft": (TYPES, lambda *a: _c2c_all("fft.ifftn", True, *a),
                 "The inverse Fourier transform"),
        "rfft": (REAL, lambda *a: _r2c("fft.rfftn", *a), "The transform of real numbers"),
        "irfft": (_COMPLEX, lambda *a: _c2r("fft.irfftn", *a), "The inverse transform to reals"),
        "hfft": (_COMPLEX, lambda *a: _hermitian(*a), "The transform of a Hermitian signal"),
        "ihfft": (REAL, lambda *a: _inverse_hermitian(*a), "The inverse to a Hermitian signal"),
    }  # fmt: skip
    for name, (types, plain, what) in kinds.items():
        for suffix, default in (("2", (-2, -1)), ("n", None)):
            full = name + suffix
            function(name=full, namespace="fft", dtypes=types, samples=_many)(
                _documented(plain, default, full, what)
            )


def _split(s: Any, dims: tuple[int, ...]) -> tuple[Any, Any]:
    return (None, None) if s is None else (tuple(s)[:-1], tuple(s)[-1])


def _hermitian(x: Tensor, s: Any, dim: Any, norm: Any, out: Any) -> Tensor:
    """Forward over all but the last dimension, then the real transform of the last."""
    name = "fft.hfftn"
    x = _check(name, x)
    dims, _ = _axes(name, x, s, dim)
    if not dims:
        raise OpError(f"{name}: expected at least one dimension to transform, got none; must "
                      "transform at least one axis", op=name)  # fmt: skip
    first, last = _split(s, dims)
    if len(dims) > 1:
        x = _c2c(name, x, first, dims[:-1], norm, False, None)
    return _c2r(name, x, last, dims[-1], norm, out, hermitian=True)


def _inverse_hermitian(x: Tensor, s: Any, dim: Any, norm: Any, out: Any) -> Tensor:
    name = "fft.ihfftn"
    x = _check(name, x, real=True)
    dims, _ = _axes(name, x, s, dim)
    if not dims:
        raise OpError(f"{name}: expected at least one dimension to transform, got none; must "
                      "transform at least one axis", op=name)  # fmt: skip
    first, last = _split(s, dims)
    x = _r2c(name, x, last, dims[-1], norm, None, hermitian=True)
    if len(dims) > 1:
        x = _c2c(name, x, first, dims[:-1], norm, True, None)
    return finish(name, x, out)


_variants()

# --- order and frequencies -----------------------------------------------------------------------


def _shift(name: str, input: Tensor, dim: Any, up: bool) -> Tensor:
    shape = tuple(input._h.shape)
    dims = tuple(range(len(shape))) if dim is None else wrap_dims(name, dim, len(shape))
    if not shape or not dims:
        return ROWS["clone"].call(input)
    shifts = tuple(shape[d] // 2 if up else -(shape[d] // 2) for d in dims)
    return ROWS["roll"].call(input, shifts, dims)


@function(namespace="fft", dtypes="bool int float complex",
          ref=lambda np, x, dim=None: np.fft.fftshift(x, dim),
          samples=lambda t: [(t(5),), (t(2, 4), 1), (t(2, 3), (0, 1))])  # fmt: skip
def fftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Reorder frequencies so that zero stands in the middle of ``dim`` (default: all)."""
    return _shift("fft.fftshift", input, dim, True)


@function(namespace="fft", dtypes="bool int float complex",
          ref=lambda np, x, dim=None: np.fft.ifftshift(x, dim),
          samples=lambda t: [(t(5),), (t(2, 4), 1), (t(2, 3), (0, 1))])  # fmt: skip
def ifftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Undo :func:`fftshift`."""
    return _shift("fft.ifftshift", input, dim, False)


def _frequencies(
    name: str, n: int, d: float, first: int, count: int, dtype: Any, device: Any, out: Any
) -> Tensor:
    dtype = dtypes.default_float() if dtype is None else dtype
    if not dtype.is_inexact:
        raise OpError(f"{name}: expected a floating point or complex dtype, got {dtype}", op=name)
    steps = arange(first, first + count, dtype=dtypes.float64, device=device)
    return finish(name, slow.cast(_scale(steps, 1 / (n * d)), dtype), out)


@function(namespace="fft", dtypes="float32", ref="numpy.fft.fftfreq",
          samples=lambda t: [(5, {"device": t.device}), (4, 0.5, {"device": t.device})],
)  # fmt: skip
def fftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of :func:`fft`'s results for ``n`` samples ``d`` apart, from zero up."""
    name = "fft.fftfreq"
    found = _frequencies(name, n, d, -(n // 2), n, dtype, device, None)
    found = ifftshift(found, 0)
    return finish(name, found.requires_grad_() if requires_grad else found, out)


@function(namespace="fft", dtypes="float32", ref="numpy.fft.rfftfreq",
          samples=lambda t: [(5, {"device": t.device}), (4, 0.5, {"device": t.device})],
)  # fmt: skip
def rfftfreq(
    n: int, d: float = 1.0, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The frequencies of :func:`rfft`'s results for ``n`` samples ``d`` apart."""
    name = "fft.rfftfreq"
    found = _frequencies(name, n, d, 0, n // 2 + 1, dtype, device, None)
    return finish(name, found.requires_grad_() if requires_grad else found, out)

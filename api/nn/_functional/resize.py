"""Images and volumes at other sizes: ``interpolate``.

Resizing is done dimension by dimension: every output position has a few taps, elements of the
input with weights. The positions are worked out on the host, in Python.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpValueError
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, require, widened
from .adaptive import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Taps = list[list[tuple[int, float]]]  # per output position: (input position, weight)

_LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
_MODES = ("nearest", "nearest-exact", "area", "bicubic", *_LINEAR)


def _wrong(rule: str, got: Any) -> OpValueError:
    return OpValueError(f"interpolate: expected {rule}, got {got}", op="interpolate")


# --- taps ----------------------------------------------------------------------------------------


def _single(x: float) -> float:
    """Rounded to float32, in which PyTorch works out the nearest positions."""
    return float(struct.unpack("f", struct.pack("f", x))[0])


def _nearest(n: int, out: int, step: float, exact: bool) -> Taps:
    scale, half = _single(step), 0.5 if exact else 0.0
    return [[(min(int(_single((i + half) * scale)), n - 1), 1.0)] for i in range(out)]


def _sources(n: int, out: int, step: float, align: bool) -> list[float]:
    """Where in the input each output position lies."""
    if align:
        scale = (n - 1) / (out - 1) if out > 1 else 0.0
        return [i * scale for i in range(out)]
    return [step * (i + 0.5) - 0.5 for i in range(out)]


def _linear(n: int, out: int, step: float, align: bool) -> Taps:
    taps = []
    for source in _sources(n, out, step, align):
        source = max(source, 0.0)
        low = min(int(source), n - 1)
        part = min(source - low, 1.0)
        taps.append([(low, 1 - part), (min(low + 1, n - 1), part)])
    return taps


def _cubic_weight(x: float, a: float) -> float:
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def _cubic(n: int, out: int, step: float, align: bool) -> Taps:
    taps = []
    for source in _sources(n, out, step, align):
        low = math.floor(source)
        part = source - low
        taps.append(
            [(min(max(low + k, 0), n - 1), _cubic_weight(part - k, -0.75)) for k in (-1, 0, 1, 2)]
        )
    return taps


def _smoothed(n: int, out: int, step: float, align: bool, cubic: bool) -> Taps:
    """Wide filters that leave nothing out when shrinking (``antialias``)."""
    if align:
        step = (n - 1) / (out - 1) if out > 1 else 0.0
    wide = max(step, 1.0)
    reach = (2.0 if cubic else 1.0) * wide
    taps = []
    for i in range(out):
        centre = step * (i + 0.5)
        first, end = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), n)
        places = [(j - centre + 0.5) / wide for j in range(first, end)]
        weights = [_cubic_weight(x, -0.5) if cubic else max(1 - abs(x), 0.0) for x in places]
        total = sum(weights) or 1.0
        taps.append([(first + k, weight / total) for k, weight in enumerate(weights)])
    return taps


def _apply(x: Tensor, dim: int, taps: Taps) -> Tensor:
    """Weighted sums of elements along one dimension."""
    width = max(map(len, taps))
    padded = [row + [(row[0][0], 0.0)] * (width - len(row)) for row in taps]
    total = None
    for k in range(width):
        index = tp.tensor([row[k][0] for row in padded], device=x._device)
        part = ROWS["index_select"].call(x, dim, index._h)
        if width == 1:
            return part
        weight = tp.tensor([row[k][1] for row in padded], dtype=x._dtype, device=x._device)
        part = part * weight.reshape(-1, *(1,) * (len(x._h.shape) - dim - 1))
        total = part if total is None else total + part
    return total  # type: ignore[return-value]  # there is a tap


def _repeated(x: Tensor, dim: int, times: int) -> Tensor:
    """Every element along a dimension ``times`` times: nearest, by a whole factor."""
    shape = tuple(x._h.shape)
    grown = (*shape[: dim + 1], times, *shape[dim + 1 :])
    wide = x.unsqueeze(dim + 1).expand(grown)
    return wide.reshape(*shape[:dim], shape[dim] * times, *shape[dim + 1 :])


# --- sizes ----------------------------------------------------------------------------------------


def _target(
    size: tuple[int, ...], wanted: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], list[float]]:
    """The output's spatial size, and the step in the input per output position."""
    rank = len(size)
    if (wanted is None) == (scale_factor is None):
        raise _wrong("either size or scale_factor", "both" if wanted is not None else "neither")
    given = wanted if wanted is not None else scale_factor
    many = isinstance(given, Sequence)
    if many and len(given) != rank:
        raise _wrong(f"one number per spatial dimension, {rank}", given)
    values = tuple(given) if many else (given,) * rank
    if wanted is not None:
        if recompute:
            raise _wrong("recompute_scale_factor with scale_factor only", "size")
        out = tuple(int(v) for v in values)
        factors = None
    else:
        out = tuple(math.floor(n * float(f)) for n, f in zip(size, values, strict=True))
        factors = None if recompute else values
    require(min(out, default=1) > 0 and min(size, default=1) > 0, "interpolate",
            "input and output sizes greater than 0", (size, out))  # fmt: skip
    if factors is not None:
        return out, [1.0 / f for f in factors]
    return out, [n / o for n, o in zip(size, out, strict=True)]


def _check_mode(mode: str, rank: int, align: bool | None, antialias: bool) -> None:
    if mode not in _MODES:
        raise NotImplementedError(f"interpolate: expected a mode of {_MODES}, got {mode!r}")
    if align is not None and mode in ("nearest", "area", "nearest-exact"):
        raise _wrong("align_corners for linear, bilinear, bicubic and trilinear", mode)
    if antialias and not (mode in ("bilinear", "bicubic") and rank == 2):
        raise _wrong("antialias with bilinear or bicubic images", mode)
    wanted = _LINEAR.get(mode, 2 if mode == "bicubic" else rank)
    if not 1 <= rank <= 3 or wanted != rank:
        raise NotImplementedError(
            f"interpolate: expected an input of {wanted + 2} dimensions for mode {mode!r}, got "
            f"{rank + 2}"
        )


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(1, 2, 4), 7), (t(1, 2, 3, 4), None, 2.0), (t(1, 2, 3, 4), (5, 3), None, "bilinear"),
        (t(1, 1, 4, 4), None, 1.5, "bicubic"), (t(1, 2, 3, 4), 2, None, "area"),
        (t(1, 1, 4, 5), (6, 3), {"mode": "bilinear", "align_corners": True}),
        (t(1, 1, 6, 5), (3, 2), {"mode": "bilinear", "antialias": True}),
    ],
)  # fmt: skip
def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Resize the spatial dimensions.

    Args:
        input: shape ``(N, C, *size)`` with one, two or three spatial dimensions.
        size: the output's spatial size; or
        scale_factor: the output's size over the input's.
        mode: "nearest", "nearest-exact", "linear" (one dimension), "bilinear" or "bicubic" (two),
            "trilinear" (three), or "area" (adaptive mean).
        align_corners: whether the centres of the corner elements, rather than their outer
            corners, stay where they are; not for the nearest modes and "area".
        recompute_scale_factor: derive the scale from the rounded output size.
        antialias: smooth while shrinking; for "bilinear" and "bicubic".

    Raises:
        ValueError: the arguments contradict each other.
        NotImplementedError: the mode does not take the number of dimensions.

    Example:
        >>> tp.nn.functional.interpolate(tp.tensor([[[1.0, 2.0]]]), scale_factor=2).tolist()
        [[[1.0, 1.0, 2.0, 2.0]]]
    """
    is_tensor("interpolate", "input", input)
    spatial = tuple(input._h.shape[2:])
    _check_mode(mode, len(spatial), align_corners, antialias)
    out, steps = _target(spatial, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return pools[len(out) - 1](input, out)
    if mode.startswith("nearest"):
        return _resized(input, out, steps, mode == "nearest-exact", None)
    taps, align = _filter(mode, antialias), bool(align_corners)
    if input._dtype is tp.uint8:
        return _of_bytes(input, out, steps, taps, align)
    require(input._dtype.is_floating_point, "interpolate", "a floating-point input", input._dtype)
    (wide,) = widened(input)
    return _resized(wide, out, steps, False, taps, align).to(input._dtype)


def _of_bytes(
    input: Tensor, out: tuple[int, ...], steps: list[float], taps: Any, align: bool
) -> Tensor:
    """uint8 images: the width first, then the height, each in whole numbers, as PyTorch does."""
    found = input.to(tp.float64)
    for axis in reversed(range(len(out))):
        dim = axis + 2
        if out[axis] != input._h.shape[dim] or steps[axis] != 1.0:
            rows = taps(input._h.shape[dim], out[axis], steps[axis], align)
            whole, unit = _whole_weights(rows)
            found = ((_apply(found, dim, whole) + unit / 2) / unit).floor().clamp(0, 255)
    return found.to(tp.uint8)


def _whole_weights(taps: Taps) -> tuple[Taps, float]:
    """Weights as multiples of ``1 / unit``, the finest power of two that fits 16 bits."""
    merged = []
    for row in taps:
        sums: dict[int, float] = {}
        for place, weight in row:
            sums[place] = sums.get(place, 0.0) + weight
        merged.append(sums)
    largest = max(max(sums.values()) for sums in merged)
    bits = 0
    while bits < 22 and int(0.5 + largest * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    unit = float(1 << bits)

    def whole(weight: float) -> float:
        return float(int(weight * unit + math.copysign(0.5, weight)))

    return [[(place, whole(w)) for place, w in sums.items()] for sums in merged], unit


def _filter(mode: str, antialias: bool) -> Callable[..., Taps]:
    cubic = mode == "bicubic"
    if antialias:
        return lambda n, out, step, align: _smoothed(n, out, step, align, cubic)
    return _cubic if cubic else _linear


def _resized(
    x: Tensor, out: tuple[int, ...], steps: list[float], exact: bool,
    taps: Callable[..., Taps] | None, align: bool = False,
) -> Tensor:  # fmt: skip
    found = x
    for axis, (count, step) in enumerate(zip(out, steps, strict=True)):
        dim, n = axis + 2, x._h.shape[axis + 2]
        if taps is None and count % n == 0 and step == n / count:
            found = found if count == n else _repeated(found, dim, count // n)
        elif taps is None:
            found = _apply(found, dim, _nearest(n, count, step, exact))
        elif count != n or step != 1.0:
            found = _apply(found, dim, taps(n, count, step, align))
    return found.clone() if found is x else found


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The deprecated name of :func:`interpolate`."""
    warnings.warn("upsample is deprecated; use interpolate", UserWarning, stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The deprecated name of :func:`interpolate` with mode "nearest"."""
    warnings.warn("upsample_nearest is deprecated; use interpolate", UserWarning, stacklevel=2)
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The deprecated name of :func:`interpolate` with mode "bilinear" and aligned corners."""
    warnings.warn("upsample_bilinear is deprecated; use interpolate", UserWarning, stacklevel=2)
    return interpolate(input, size, scale_factor, "bilinear", True)

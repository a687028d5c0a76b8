"""From random words to random values: the formulas of Note [Random numbers] in ``random.py``.

A sampler is called as ``sampler(d, *params)`` with a :class:`Words` and gives ``d.number`` values
in one dimension, not yet in the type asked for. Those of the four common distributions use only
``d.xp`` and run on any array library; the others are for NumPy arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .device import Device
from .dtypes import DType, bfloat16, float16, float32, float64
from .errors import OpError

__all__ = ["SAMPLERS", "Sampler", "Words", "open_unit", "unit"]

_MASK64 = (1 << 64) - 1
_MASK32 = (1 << 32) - 1
_LARGEST_EXACT_RATE = 2.0**50


class Words(NamedTuple):
    """Random words and what to make of them."""

    xp: Any
    """NumPy, or the array API namespace of the library that ``words`` belongs to."""

    words: Any
    """uint64, one dimension."""

    number: int
    """How many values to make."""

    dtype: DType
    """Their type."""

    native: Any
    """The same type as ``xp`` calls it."""


class Sampler(NamedTuple):
    """How values are made from words.

    ``bits`` is what one value takes (0: 64 for float64, else 32), ``pairs`` whether values come
    in pairs, ``anywhere`` whether the sampler is written for any array library, ``whole``
    whether the values depend on each other, so that they must be made together.
    """

    convert: Callable[..., Any]
    bits: int
    pairs: bool = False
    anywhere: bool = False
    whole: bool = False

    def width(self, dtype: DType) -> int:
        """How many bits one value takes."""
        return self.bits or (64 if dtype is float64 else 32)

    def size(self, count: int, dtype: DType) -> int:
        """How many words ``count`` values take."""
        if self.pairs:
            count += count % 2
        return (count * self.width(dtype) + 63) // 64


def _halves(d: Words) -> Any:
    """Two 32-bit values from each word, the low half first."""
    if d.xp is np:
        return d.words.astype("<u8", copy=False).view("<u4")[: d.number]
    low, high = d.words & _MASK32, d.words >> 32
    return d.xp.reshape(d.xp.stack([low, high], axis=-1), (-1,))[: d.number]


_FRACTION = {float16: (21, -11), bfloat16: (24, -8), float32: (8, -24)}


def unit(d: Words) -> Any:
    """Uniform in [0, 1): float64 for float64, float32 for all smaller types."""
    xp = d.xp
    if d.dtype is float64:
        return xp.astype(d.words[: d.number] >> 11, xp.float64) * 2.0**-53
    shift, exponent = _FRACTION[d.dtype]
    return xp.astype(_halves(d) >> shift, xp.float32) * 2.0**exponent


def open_unit(words: np.ndarray) -> np.ndarray:
    """Uniform in (0, 1), float64."""
    return ((words >> 12).astype(np.float64) + 0.5) * 2.0**-52


def _uniform(d: Words, low: float, high: float) -> Any:
    xp = d.xp
    if (low, high) == (0.0, 1.0):
        return unit(d)
    fine = unit(d) if d.dtype is float64 else xp.astype(_halves(d), xp.float64) * 2.0**-32
    values = xp.astype(fine * (high - low) + low, d.native)
    # A value just below ``high`` may have been rounded up to it.
    top = float(np.asarray(high, dtype=d.dtype.numpy))
    return xp.where(values == top, xp.full_like(values, low), values)


def _box_muller(xp: Any, words: Any, dtype: DType) -> Any:
    if dtype is float64:
        u = xp.astype((words[0::2] >> 11) + 1, xp.float64) * 2.0**-53
        v = xp.astype(words[1::2] >> 11, xp.float64) * 2.0**-53
    else:
        u = xp.astype((words & _MASK32) + 1, xp.float64) * 2.0**-32
        v = xp.astype(words >> 32, xp.float64) * 2.0**-32
    # cos and sin of 2 pi v, both from the tangent of half the angle: NumPy is six times faster so.
    radius, tangent = xp.sqrt(xp.log(u) * -2.0), xp.tan(v * math.pi)
    scale = 2.0 / (tangent * tangent + 1.0)
    pairs = xp.stack([radius * (scale - 1.0), radius * (tangent * scale)], axis=-1)
    return xp.reshape(pairs, (-1,))


def _normal(d: Words, mean: float, std: float) -> Any:
    return (_box_muller(d.xp, d.words, d.dtype) * std + mean)[: d.number]


def _integers(d: Words, low: int, high: int) -> Any:
    span, words, xp = high - low, d.words[: d.number], d.xp
    value = ((words >> 32) * span + (((words & _MASK32) * span) >> 32)) >> 32
    return _shifted(xp, value, low, high)


def _wide_integers(d: Words, low: int, high: int) -> Any:
    value = _scaled(d.words[1::2], d.words[0::2], high - low)
    return _shifted(np, value, low, high)


def _shifted(xp: Any, value: Any, low: int, high: int) -> Any:
    if high > 1 << 63:
        return value + low
    shift = xp.full_like(value, low & _MASK64)  # made where ``value`` is, not on the host
    return xp.astype(value + shift, xp.int64)  # wraps in two's complement, as it should


def _product(words: np.ndarray, span: int) -> tuple[np.ndarray, np.ndarray]:
    """High and low 64 bits of ``words * span``."""
    w1, w0, s1, s0 = words >> 32, words & _MASK32, span >> 32, span & _MASK32
    middle = w1 * s0 + ((w0 * s0) >> 32)
    carry = (middle & _MASK32) + w0 * s1
    return w1 * s1 + (middle >> 32) + (carry >> 32), words * span


def _scaled(high: np.ndarray, low: np.ndarray, span: int) -> np.ndarray:
    """``floor((high * 2**64 + low) * span / 2**128)``."""
    if span == 1 << 64:
        return high
    top, bottom = _product(high, span)
    carry, _ = _product(low, span)
    found: np.ndarray = top + (bottom + carry < bottom)
    return found


def _bernoulli(d: Words, p: Any) -> Any:
    xp, halves = d.xp, _halves(d)
    if isinstance(p, float):
        _check(0.0 <= p <= 1.0, "bernoulli", "probabilities in [0, 1]", p)
        return halves < math.ceil(p * 2.0**32)
    wide = xp.astype(xp.reshape(p, (-1,)), xp.float64)
    _check(bool(xp.all((wide >= 0) & (wide <= 1))), "bernoulli", "probabilities in [0, 1]", wide)
    return xp.astype(halves, xp.float64) * 2.0**-32 < wide


def _exponential(d: Words, rate: float) -> Any:
    return np.log(open_unit(d.words)) / -rate


def _cauchy(d: Words, median: float, sigma: float) -> Any:
    return median + sigma * np.tan(math.pi * (open_unit(d.words) - 0.5))


def _geometric(d: Words, p: float) -> Any:
    return np.maximum(np.ceil(np.log(open_unit(d.words)) / math.log1p(-p)), 1.0)


def _log_normal(d: Words, mean: float, std: float) -> Any:
    values = _box_muller(np, d.words, float64)[: d.number]
    return np.exp(values * std + mean)


def _poisson(d: Words, rates: np.ndarray) -> Any:
    """The smallest ``k`` with ``P(X <= k) > u``: a normal guess, then steps of one.

    The distribution function is the regularised upper incomplete gamma function of ``k + 1``.
    """
    special = Device("cpu").F  # its handles are NumPy arrays
    rate = rates.reshape(-1).astype(np.float64)
    holds = bool(np.all((rate >= 0) & (rate < np.inf)))
    _check(holds, "poisson", "rates that are finite and not negative", rate)
    u = open_unit(d.words)
    z = special.ndtri(u)
    k = np.maximum(np.floor(rate + np.sqrt(rate) * z + (z * z - 1.0) / 6.0), 0.0)

    def move(step: float, wrong: Callable[..., np.ndarray]) -> None:
        # Beyond the limit neighbours are no longer distinct enough to step through.
        left = np.flatnonzero((rate <= _LARGEST_EXACT_RATE) & wrong(k, u, rate))
        while left.size:
            k[left] += step
            left = left[wrong(k[left], u[left], rate[left])]

    move(1.0, lambda k, u, rate: special.igammac(k + 1.0, rate) <= u)
    move(-1.0, lambda k, u, rate: (k > 0) & (special.igammac(np.maximum(k, 1.0), rate) > u))
    return k


def _permutation(d: Words) -> Any:
    # With the index in the low bits all values differ, so that every way of sorting agrees.
    low = (1 << max(d.number - 1, 0).bit_length()) - 1
    keys = d.words & (_MASK64 ^ low) | np.arange(d.number, dtype=np.uint64)
    keys.sort()
    return keys & low


def _check(holds: bool, name: str, rule: str, got: Any) -> None:
    if holds:
        return
    if not isinstance(got, float):
        flat = [float(x) for x in got]
        bad = [x for x in flat if not x >= 0 or x == math.inf or (name == "bernoulli" and x > 1)]
        got = bad[0]
    raise OpError(f"{name}: expected {rule}, got {got}; check the values passed in", op=name)


SAMPLERS = {
    "uniform": Sampler(_uniform, 0, anywhere=True),
    "normal": Sampler(_normal, 0, pairs=True, anywhere=True),
    "integers": Sampler(_integers, 64, anywhere=True),
    "wide_integers": Sampler(_wide_integers, 128),
    "bernoulli": Sampler(_bernoulli, 32, anywhere=True),
    "exponential": Sampler(_exponential, 64),
    "cauchy": Sampler(_cauchy, 64),
    "geometric": Sampler(_geometric, 64),
    "log_normal": Sampler(_log_normal, 64, pairs=True),
    "poisson": Sampler(_poisson, 64),
    "permutation": Sampler(_permutation, 64, whole=True),
}

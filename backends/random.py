"""Random numbers: one counter-based generator, with identical numbers on every device.

Note [Random numbers]
The bits are those of Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", 2011), laid out as NumPy's ``Philox`` bit generator gives them. The whole rule:

* A seed ``s`` gives the key ``(s mod 2**64, 0)``; the counter starts at 0.
* A draw takes ``n`` 64-bit words: ``np.random.Philox(key=key, counter=counter).random_raw(n)``.
  Four words are one block, one step of the counter. The next draw starts at the next whole
  block, ``counter + ceil(n / 4)``. So the state is ``(key, counter)`` and nothing else.
* A *32-bit* draw takes two values from each word, the low half first; a *64-bit* draw one; a
  *128-bit* draw takes two words, the low one first. Value ``i`` depends on the key, the counter
  and ``i`` alone, but for permutations: a short draw is the beginning of a long one.
* ``uniform`` keeps the top bits that the type can hold and scales by a power of two, so it never
  gives 1: float64 ``(w >> 11) * 2**-53``; from 32-bit values float32 ``(h >> 8) * 2**-24``,
  float16 ``(h >> 21) * 2**-11``, bfloat16 ``(h >> 24) * 2**-8``. For other bounds it is
  ``low + u * (high - low)`` in float64, with that ``u`` for float64 and ``h * 2**-32`` for smaller
  types; what rounds up to the upper bound becomes the lower one.
* ``open uniform``, from 64 bits: ``((w >> 12) + 0.5) * 2**-52``, never 0 and never 1.
* ``normal`` is Box-Muller in float64, then a cast. A pair of values ``a, b`` gives
  ``r (c - 1), r t c`` with ``r = sqrt(-2 log u)``, ``t = tan(pi v)``, ``c = 2 / (1 + t t)``; these
  are ``r cos(2 pi v), r sin(2 pi v)``. For float64 ``a, b`` are words,
  ``u = ((a >> 11) + 1) * 2**-53``, ``v = (b >> 11) * 2**-53``; otherwise they are the halves of
  one word, ``u = (a + 1) * 2**-32``, ``v = b * 2**-32``.
* ``integers`` in ``[low, high)``: ``low + floor(w * span / 2**64)`` for ``span = high - low`` up to
  ``2**32``, from 128-bit values otherwise. No value's probability is off by more than one
  part in ``2**32`` of itself (``2**64`` for the large spans).
* ``bernoulli`` is ``h * 2**-32 < p`` on 32-bit values: 0 never and 1 always succeeds.
* Complex types draw real and imaginary parts in turn.
* A permutation of ``n`` sorts 64-bit values whose low bits, as many as ``n - 1`` has, are replaced
  by the index, and gives those low bits.

Where a backend makes the same words itself (its ``random_bits``), the four common samplers run on
its device, but for normals in float64; the numbers are identical, except that normals may differ by
one unit in the last place. All else is computed on the host and copied.
"""

from __future__ import annotations

import math
import threading
from contextlib import nullcontext
from typing import Any

import numpy as np

from .dtypes import DType, float64, int64
from .errors import OpError
from .samplers import SAMPLERS, Sampler, Words, open_unit, unit

__all__ = ["STATE_BYTES", "Stream", "draw", "multinomial", "raw_bits"]

_MASK64 = (1 << 64) - 1
_CHUNK = 1 << 15  # values made at a time: all that is needed for them stays in the cache

STATE_BYTES = 32
"""Size of :meth:`Stream.save`: key and counter, two little-endian 64-bit words each."""


_local = threading.local()


def _engine() -> tuple[Any, Any]:
    """A Philox object and its state, one per thread: setting it is faster than making one.

    Made when first needed, because NumPy too loads its random numbers late.
    """
    try:
        found: tuple[Any, Any] = _local.engine
    except AttributeError:
        philox = np.random.Philox(key=[0, 0])
        found = _local.engine = (philox, philox.state)
    return found


def raw_bits(key: tuple[int, int], counter: int, n: int) -> np.ndarray:
    """``n`` uint64 words, the output of Philox4x64-10 from the block after ``counter``.

    Args:
        key: two 64-bit integers.
        counter: below ``2**128``.
        n: how many words; ``ceil(n / 4)`` blocks are used up.

    Example:
        >>> raw_bits((0, 0), 0, 2) == np.random.Philox(key=[0, 0]).random_raw(2)
        array([ True,  True])
    """
    philox, state = _engine()
    inner = state["state"]
    inner["key"][0], inner["key"][1] = key
    inner["counter"][0], inner["counter"][1] = counter & _MASK64, counter >> 64
    state["buffer_pos"] = 4  # nothing left over from an earlier draw
    philox.state = state
    words: np.ndarray = philox.random_raw(n)
    return words


class Stream:
    """A place in one sequence of random words; safe to share between threads."""

    __slots__ = ("_lock", "counter", "key")

    def __init__(self, seed: int) -> None:
        self.key: tuple[int, int] = (seed & _MASK64, 0)
        self.counter = 0
        self._lock = threading.Lock()

    def advance(self, words: int) -> int:
        """Reserve the blocks for ``words`` words, and return the counter they start from."""
        with self._lock:
            start = self.counter
            self.counter = (start + (words + 3) // 4) & ((1 << 128) - 1)
        return start

    def reset(self, seed: int) -> None:
        """Start again, from a seed."""
        with self._lock:
            self.key, self.counter = (seed & _MASK64, 0), 0

    def save(self) -> np.ndarray:
        """Key and counter as :data:`STATE_BYTES` bytes (uint8)."""
        with self._lock:
            words = [*self.key, self.counter & _MASK64, self.counter >> 64]
        return np.array(words, dtype="<u8").view(np.uint8)

    def restore(self, state: np.ndarray) -> None:
        """Undo what was drawn since :meth:`save` gave ``state``.

        Raises:
            RuntimeError: ``state`` is something else.
        """
        if state.dtype != np.uint8 or state.shape != (STATE_BYTES,):
            raise OpError(
                f"set_state: expected a uint8 tensor of shape ({STATE_BYTES},), got "
                f"{state.dtype} {state.shape}; pass what get_state() returned",
                op="set_state",
            )
        words = [int(word) for word in np.ascontiguousarray(state).view("<u8")]
        with self._lock:
            self.key, self.counter = (words[0], words[1]), words[2] | words[3] << 64


def draw(
    device: Any, stream: Stream, name: str, shape: tuple[int, ...], dtype: DType, *params: Any
) -> Any:
    """A new handle on ``device`` with random values, and the stream moved on.

    Args:
        device: a :class:`Device`.
        stream: where the bits come from.
        name: ``"uniform"`` (low, high), ``"normal"`` (mean, std), ``"integers"`` (low, high),
            ``"bernoulli"`` (p), ``"exponential"`` (rate), ``"cauchy"`` (median, sigma),
            ``"geometric"`` (p), ``"log_normal"`` (mean, std), ``"poisson"`` (rates) or
            ``"permutation"``.
        shape: the result's shape.
        dtype: the result's type.
        *params: numbers, in the order above; for bernoulli and poisson handles of that shape.

    Raises:
        RuntimeError: a probability or rate is out of range.
    """
    if dtype.is_complex:
        return _draw_complex(device, stream, name, shape, dtype, *params)
    if name == "integers" and params[1] - params[0] > 1 << 32:
        name = "wide_integers"
    sampler, count = SAMPLERS[name], math.prod(shape)
    n = sampler.size(count, dtype)
    counter = stream.advance(n)
    backend = device.backend
    # A cast to float32 hides how logarithm and tangent were rounded; float64 would show it.
    anywhere = sampler.anywhere and not (name == "normal" and dtype is float64)
    words = backend.random_bits(n, stream.key, counter, device.index) if anywhere else None
    if words is not None:
        with backend.enter(device.index) or nullcontext():
            return _on_device(backend, name)(words, shape, dtype, params)
    params = tuple(backend.to_host(x) if hasattr(x, "shape") else x for x in params)
    with np.errstate(all="ignore"):  # a wide distribution may overflow a narrow type
        host = _on_host(sampler, stream.key, counter, count, dtype, params).reshape(shape)
    return backend.adopt(host) if backend.owns(host) else backend.from_host(host, device.index)


def _on_device(backend: Any, name: str) -> Any:
    """The sampler as a kernel of a backend, ``kernel(words, shape, dtype, params)``."""
    try:
        return _samplers[backend, name]
    except KeyError:
        pass  # the first such draw
    xp, convert = backend.namespace, SAMPLERS[name].convert

    def kernel(words: Any, shape: tuple[int, ...], dtype: DType, params: tuple[Any, ...]) -> Any:
        native = backend.native_dtype(dtype)
        values = convert(Words(xp, words, math.prod(shape), dtype, native), *params)
        return xp.reshape(xp.astype(values, native), shape)

    return _samplers.setdefault((backend, name), backend.lift(kernel))


_samplers: dict[tuple[Any, str], Any] = {}


def _on_host(
    sampler: Sampler, key: tuple[int, int], counter: int, count: int, dtype: DType, params: Any
) -> np.ndarray:
    """The values in one dimension, made chunk by chunk."""
    if count <= _CHUNK or sampler.whole:
        words = raw_bits(key, counter, sampler.size(count, dtype))
        found = sampler.convert(Words(np, words, count, dtype, dtype.numpy), *params)
        values: np.ndarray = found.astype(dtype.numpy, copy=False)
        return values
    out = np.empty(count, dtype=dtype.numpy)
    flat = [x.reshape(-1) if hasattr(x, "shape") else x for x in params]
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        first = start * sampler.width(dtype) // 64  # whole blocks lie before each chunk
        words = raw_bits(key, counter + first // 4, sampler.size(stop - start, dtype))
        some = [x[start:stop] if hasattr(x, "shape") else x for x in flat]
        piece = Words(np, words, stop - start, dtype, dtype.numpy)
        out[start:stop] = sampler.convert(piece, *some)
    return out


def _draw_complex(
    device: Any, stream: Stream, name: str, shape: tuple[int, ...], dtype: DType, *params: Any
) -> Any:
    host = _Host()
    parts = draw(host, stream, name, (*shape, 2), dtype.to_real(), *params)
    return device.backend.from_host(parts.view(dtype.numpy).reshape(shape), device.index)


class _Host:
    """Stands for a device whose handles are NumPy arrays."""

    index = 0

    @property
    def backend(self) -> _Host:
        return self

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> None:
        return None

    def owns(self, array: np.ndarray) -> bool:
        return False

    def from_host(self, array: np.ndarray, index: int) -> np.ndarray:
        return array


def multinomial(probs: np.ndarray, count: int, replacement: bool, stream: Stream) -> np.ndarray:
    """Indices drawn with the probabilities in each row: ``(..., n)`` to ``(..., count)``, int64.

    With replacement (and for a single draw) by inverting the cumulative sums, from one 53-bit
    uniform number per index; without by an exponential race, whose winners in order are a draw
    one by one. An entry of probability zero is never drawn.

    Raises:
        RuntimeError: a row has a negative, infinite or nan entry, or too few positive ones.
    """
    rows = probs.astype(np.float64).reshape(-1, probs.shape[-1])
    _check_rows(rows, count, replacement)
    if replacement or count == 1:
        shape, total = (len(rows), count), len(rows) * count
    else:
        shape, total = rows.shape, rows.size
    words = raw_bits(stream.key, stream.advance(total), total)
    if replacement or count == 1:
        sums = np.cumsum(rows / rows.max(axis=-1, keepdims=True, initial=0.0), axis=-1)
        # A uniform number below 1 times the total stays below the total, also when rounded.
        at = unit(Words(np, words, total, float64, float64.numpy)).reshape(shape) * sums[:, -1:]
        found = [np.searchsorted(s, x, side="right") for s, x in zip(sums, at, strict=True)]
        chosen = np.array(found, dtype=np.int64)
    else:
        with np.errstate(divide="ignore", over="ignore"):
            race = -np.log(open_unit(words)).reshape(shape) / rows
        race = np.where(rows > 0, np.minimum(race, np.finfo(np.float64).max), np.inf)
        chosen = np.argsort(race, axis=-1, kind="stable")[:, :count]
    return chosen.reshape(*probs.shape[:-1], count).astype(int64.numpy)


def _check_rows(rows: np.ndarray, count: int, replacement: bool) -> None:
    if not np.all((rows >= 0) & (rows < np.inf)):
        raise OpError(
            "multinomial: expected probabilities that are finite and not negative, got inf, nan "
            "or an element < 0; apply softmax or clamp first",
            op="multinomial",
        )
    positive = np.count_nonzero(rows, axis=-1).min(initial=rows.shape[-1])
    needed = 1 if replacement else count
    if positive < needed:
        raise OpError(
            f"multinomial: expected at least {needed} positive probabilities in each row, got "
            f"{positive}; draw fewer, or pass replacement=True",
            op="multinomial",
        )

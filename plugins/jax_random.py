"""Philox4x64-10 in 64-bit integer operations: the words of ``tensorplug.backends.random``.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

__all__ = ["arguments", "philox"]

_MASK32 = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_FACTORS = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_BUMPS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B))
_ROUNDS = 10


def arguments(key: tuple[int, int], counter: int) -> tuple[np.ndarray, np.ndarray]:
    """Key and counter as inputs of :func:`philox`, two 64-bit words each, the low one first."""
    mask = (1 << 64) - 1
    return np.array(key, np.uint64), np.array([counter & mask, counter >> 64], np.uint64)


def _multiply(x: Any, factor: np.uint64) -> tuple[Any, Any]:
    """High and low 64 bits of a product."""
    x1, x0, f1, f0 = x >> _HALF, x & _MASK32, factor >> _HALF, factor & _MASK32
    middle = x1 * f0 + ((x0 * f0) >> _HALF)
    carry = (middle & _MASK32) + x0 * f1
    return x1 * f1 + (middle >> _HALF) + (carry >> _HALF), x * factor


def philox(key: Any, counter: Any, n: int) -> Any:
    """``n`` words (uint64) from the block after ``counter``; traced by JAX."""
    first = jnp.arange(1, (n + 3) // 4 + 1, dtype=np.uint64)
    c0 = counter[0] + first
    carry = (c0 < first).astype(np.uint64)
    c1 = counter[1] + carry
    c2 = (c1 < carry).astype(np.uint64)
    c3 = jnp.zeros_like(c0)
    k0, k1 = key[0], key[1]
    for _ in range(_ROUNDS):
        high0, low0 = _multiply(c0, _FACTORS[0])
        high1, low1 = _multiply(c2, _FACTORS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + _BUMPS[0], k1 + _BUMPS[1]
    return jnp.stack([c0, c1, c2, c3], axis=-1).reshape(-1)[:n]

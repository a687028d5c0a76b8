"""Recurrent layers for JAX: the steps as one ``scan``, which compiles in the time of a single step.

Formulas and arguments are those of ``autograd/ops/recurrent.py``. Sequences of uneven lengths are
padded, and keep their state through the padding. The way back is JAX's own derivative.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..backends.base import Kernel

__all__ = ["kernels"]

Sizes = tuple[int, ...]


def _product(x: Any, weight: Any, bias: Any = None) -> Any:
    found = jnp.matmul(x, weight.T, precision=lax.Precision.HIGHEST)
    return found if bias is None else found + bias


def _cell(mode: str, a: Any, b: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """The next state before the projection, and the next cell."""
    if mode == "lstm":
        i, f, g, o = jnp.split(a + b, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c
    if mode == "gru":
        (ar, az, an), (br, bz, bn) = (jnp.split(x, 3, axis=-1) for x in (a, b))
        n = jnp.tanh(an + jax.nn.sigmoid(ar + br) * bn)
        return n + jax.nn.sigmoid(az + bz) * (h - n), c
    return jnp.tanh(a + b) if mode == "tanh" else jax.nn.relu(a + b), c


def _run(values: tuple[Any, ...], mode: str, sizes: Sizes, backwards: bool) -> tuple[Any, Any, Any]:
    """Outputs, last states and, or None, last cells."""
    x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr = values
    there = np.arange(sizes[0]) < np.asarray(sizes)[:, None]  # which steps a sequence has
    even, steps = bool(there.all()), np.nonzero(there)
    gates = _product(x, w_ih, b_ih)
    if even:
        gates = gates.reshape(*there.shape, gates.shape[1])
    else:
        gates = jnp.zeros((*there.shape, gates.shape[1]), gates.dtype).at[steps].set(gates)

    def step(state: tuple[Any, Any], given: tuple[Any, Any]) -> tuple[Any, Any]:
        h, c = state
        a, keep = given
        new, cell = _cell(mode, a, _product(h, w_hh, b_hh), h, c)
        if w_hr is not None:
            new = _product(new, w_hr)
        if not even:
            new = jnp.where(keep, new, h)
            cell = None if c is None else jnp.where(keep, cell, c)
        return (new, cell), new

    (h, c), outs = lax.scan(step, (h0, c0), (gates, jnp.asarray(there[..., None])),
                            reverse=backwards)  # fmt: skip
    return outs.reshape(x.shape[0], outs.shape[-1]) if even else outs[steps], h, c


def _wide(x: Any) -> Any:
    return x.astype(jnp.float32) if x is not None and x.dtype.itemsize == 2 else x


def _narrow(values: Any, dtype: Any) -> tuple[Any, ...]:
    return tuple(None if x is None else x.astype(dtype) for x in values)


def _recurrent(*args: Any) -> tuple[Any, ...]:
    *values, mode, sizes, backwards = args
    found = _run(tuple(map(_wide, values)), mode, sizes, backwards)
    return *_narrow(found, values[0].dtype), jnp.zeros((0,), values[0].dtype)


def _recurrent_back(*args: Any) -> tuple[Any, ...]:
    *values, mode, sizes, backwards, needs = args
    given, inputs = values[:3], tuple(map(_wide, values[3:11]))
    wanted = [k for k, need in enumerate(needs) if need]

    def run(*chosen: Any) -> tuple[Any, ...]:
        filled = list(inputs)
        for k, value in zip(wanted, chosen, strict=True):
            filled[k] = value
        return _run(tuple(filled), mode, sizes, backwards)

    outs, pull = jax.vjp(run, *(inputs[k] for k in wanted))
    grads = (
        None if out is None else jnp.zeros_like(out) if g is None else _wide(g)
        for out, g in zip(outs, given, strict=True)
    )
    found: list[Any] = [None] * 8
    for k, grad in zip(wanted, pull(tuple(grads)), strict=True):
        found[k] = grad
    return _narrow(found, values[3].dtype)


def kernels() -> dict[str, Kernel]:
    """All kernels of this file."""
    return {"recurrent": _recurrent, "recurrent_back": _recurrent_back}

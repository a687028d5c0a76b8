"""The CTC loss for JAX: the steps as one ``scan``, which compiles in the time of a single step.

Formula and arguments are those of ``autograd/ops/ctc.py``. The way back is JAX's own derivative.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import logsumexp

from ..backends.base import Kernel

__all__ = ["kernels"]

_LOW = -1e30


def _loss(x: Any, alive: Any, skip: Any, first: Any, last: Any, path: Any) -> Any:
    emitted = jnp.maximum(jnp.take_along_axis(x, path, 2), _LOW)

    def step(alpha: Any, given: tuple[Any, Any]) -> tuple[Any, None]:
        emit, live = given
        wide = jnp.pad(alpha, ((0, 0), (2, 0)), constant_values=_LOW)
        moves = jnp.stack([alpha, wide[:, 1:-1], wide[:, :-2] + skip])
        return (logsumexp(moves, 0) + emit) * live + alpha * (1 - live), None

    start = first + emitted[0] * alive[0]
    alpha, _ = lax.scan(step, start, (emitted[1:], alive[1:]))
    return -logsumexp(alpha + last, 1)


def _back(g: Any, x: Any, *rest: Any) -> Any:
    return jax.vjp(lambda x: _loss(x, *rest), x)[1](g)[0]


def kernels() -> dict[str, Kernel]:
    """All kernels of this file."""
    return {"ctc_loss": _loss, "ctc_loss_back": _back}

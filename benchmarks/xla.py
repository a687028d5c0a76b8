"""The JAX plugin: its cost over the same call of jax.numpy, memory, and eager training steps."""

from __future__ import annotations

import importlib.util
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.demo.models import MODELS

from .measure import OURS, Group, Row, attempt, interleaved, statements

__all__ = ["dispatch", "donation", "steps"]

# name, our program, the program of jax.numpy
CALLS = [
    ("add", "x + y", "jnp.add(x, y)"),
    ("mul by a number", "x * 2.0", "x * 2.0"),
    ("exp", "x.exp()", "jnp.exp(x)"),
    ("maximum", "tp.maximum(x, y)", "jnp.maximum(x, y)"),
    ("where", "tp.where(x > 0, x, y)", "jnp.where(x > 0, x, y)"),
    ("sum", "a.sum(1)", "jnp.sum(a, 1)"),
    ("matmul 8x8", "a @ b", "jnp.matmul(a, b)"),
    ("softmax", "a.softmax(1)", "jax.nn.softmax(a, 1)"),
    ("concatenate", "tp.cat([x, y])", "jnp.concatenate([x, y])"),
    ("row + x", "a[2] + x", "a[2] + x"),
    ("transpose + a", "a.t() + a", "a.T + a"),
    ("reshape + 1", "a.reshape(64) + 1", "a.reshape(64) + 1"),
    ("zeros", "tp.zeros(8, device=device)", "jnp.zeros(8, jnp.float32)"),
]


def dispatch() -> Group:
    """Eight elements on xla:0, against the same call of jax.numpy."""
    title = "xla:0, eager, 8 elements"
    if not importlib.util.find_spec("jax"):
        return Group(title, [Row("jax", error="not installed")], to="jax")
    import jax
    import jax.numpy as jnp

    device = tp.device("xla:0")
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.random(shape, np.float32)
        for name, shape in {"x": 8, "y": 8, "a": (8, 8), "b": (8, 8)}.items()
    }
    ours = {name: tp.tensor(array, device=device) for name, array in arrays.items()}
    theirs = {name: jnp.asarray(array) for name, array in arrays.items()}
    rows = [
        statements(
            name,
            {
                "jax": (their_code, {**theirs, "jnp": jnp, "jax": jax}),
                OURS: (code, {**ours, "tp": tp, "device": device}),
            },
            repeats=25,
        )
        for name, code, their_code in CALLS
    ]
    return Group(title, rows, to="jax", target=1.2)


def donation() -> Group:
    """One row of 400 MB written in place: the memory is used again, or copied."""

    def measure() -> dict[str, float]:
        x = tp.zeros(10_000, 10_000, device="xla:0")
        row = tp.ones(10_000, device="xla:0")
        backend: Any = x.device.backend

        def write() -> None:
            x[5000] = row
            tp.synchronize("xla:0")

        def copying() -> None:
            held = backend.native(x._h)  # somebody looks at the old values
            write()
            del held

        timers = {OURS: timeit.Timer(write), "held by others": timeit.Timer(copying)}
        return interleaved(timers, repeats=5)

    title = "xla:0, one row of 10000 x 10000 written in place"
    return Group(title, [attempt("x[5000] = row", measure)], to="held by others")


def _step(name: str, device: str) -> Callable[[], None]:
    with tp.device(device):
        model = MODELS[name]()
    optimizer = tp.optim.Adam(model.parameters())
    rng = np.random.default_rng(0)
    x = tp.tensor(rng.random((64, 1, 8, 8), np.float32), device=device)
    y = tp.tensor(rng.integers(0, 10, 64), device=device)

    def run() -> None:
        optimizer.zero_grad()
        tp.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        tp.synchronize(device)

    return run


def steps() -> Group:
    """Eager training steps of the demo's models at batch 64, xla:0 against cpu."""

    def measure(name: str) -> dict[str, float]:
        timers = {"cpu": timeit.Timer(_step(name, "cpu")), OURS: timeit.Timer(_step(name, "xla:0"))}
        return interleaved(timers, repeats=10)

    rows = [
        attempt(f"{name} of the demo, Adam", lambda name=name: measure(name)) for name in MODELS
    ]
    return Group("eager training step on xla:0, batch 64", rows, to="cpu")

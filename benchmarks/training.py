"""Whole training steps: forward, loss, backward and optimizer, the same program in both."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import numpy as np

from .libraries import libraries
from .measure import Group, Row, attempt, interleaved

__all__ = ["cnn", "lstm", "mlp", "step", "tiny", "training", "transformer"]

BATCH = 64


def mlp(m: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """A model, its optimizer, and the shape of one input."""
    nn = m.nn
    model = nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))
    return model, m.optim.SGD(model.parameters(), lr=0.01), (784,)


def tiny(m: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """As :func:`mlp`: all overhead."""
    nn = m.nn
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    return model, m.optim.SGD(model.parameters(), lr=0.01), (8,)


def cnn(m: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """As :func:`mlp`: LeNet."""
    nn = m.nn
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 10),
    )
    return model, m.optim.Adam(model.parameters()), (1, 28, 28)


def _sequences(m: Any, body: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Ten logits from the last of 32 states, which ``body`` makes of vectors of 64 numbers."""

    class Model(m.nn.Module):  # type: ignore[misc, name-defined]  # of either library
        def __init__(self) -> None:
            super().__init__()
            self.body, self.out = body, m.nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            states = self.body(x)
            states = states[0] if isinstance(states, tuple) else states
            return self.out(states[:, -1])

    model = Model()
    return model, m.optim.Adam(model.parameters()), (32, 64)


def lstm(m: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """As :func:`mlp`: one recurrent layer."""
    return _sequences(m, m.nn.LSTM(64, 64, batch_first=True))


def transformer(m: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """As :func:`mlp`: two encoder layers."""
    layer = m.nn.TransformerEncoderLayer(64, 4, 256, dropout=0.0, batch_first=True)
    return _sequences(m, m.nn.TransformerEncoder(layer, 2))


def step(
    m: Any, build: Callable[[Any], tuple[Any, Any, tuple[int, ...]]], batch: int = BATCH
) -> Callable[[], None]:
    """A training step of a model of library ``m``, on random data."""
    model, optimizer, shape = build(m)
    rng = np.random.default_rng(0)
    x = m.tensor(rng.random((batch, *shape), np.float32))
    loss, target = m.nn.functional.cross_entropy, m.tensor(rng.integers(0, 10, batch))
    if model(x).shape[-1] == 1:
        loss, target = m.nn.functional.mse_loss, m.tensor(rng.random((batch, 1), np.float32))

    def run() -> None:
        optimizer.zero_grad()
        loss(model(x), target).backward()
        optimizer.step()

    return run


def _row(name: str, build: Callable[[Any], tuple[Any, Any, tuple[int, ...]]]) -> Row:
    def measure() -> dict[str, float]:
        timers = {library: timeit.Timer(step(m, build)) for library, m in libraries().items()}
        return interleaved(timers, repeats=25)

    return attempt(name, measure)


def training() -> Group:
    """One optimizer step at batch 64."""
    rows = [
        _row("MLP 784-500-10, SGD", mlp),
        _row("MLP 8-16-1, SGD", tiny),
        _row("CNN (LeNet) 1x28x28, Adam", cnn),
        _row("LSTM 64, 32 steps, Adam", lstm),
        _row("transformer 2 x 64, 32 steps", transformer),
    ]
    return Group("training step, batch 64", rows)

"""The demo's training loop: all that a user of the library writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tensorplug as tp
from tensorplug import nn, optim
from tensorplug.autograd.tensor import Tensor
from tensorplug.utils.data import DataLoader, Dataset

from .models import MODELS

__all__ = ["Run", "predict", "train"]

LEARNING_RATE = 5e-3
"""Of the first epoch; it falls in a straight line towards zero."""


@dataclass
class Run:
    """What one training on one device came to."""

    device: str
    model: nn.Module
    steps: int = 0
    """In one epoch."""
    losses: list[float] = field(default_factory=list)
    """The loss of every step."""
    epochs: list[float] = field(default_factory=list)
    """The mean training loss of every epoch."""
    accuracies: list[float] = field(default_factory=list)
    """The part of the test images recognised after every epoch."""
    seconds: float = 0.0
    """Spent on training, without testing."""
    interrupted: bool = False

    @property
    def accuracy(self) -> float:
        """After the last complete epoch; 0 before the first."""
        return self.accuracies[-1] if self.accuracies else 0.0


def train(
    name: str,
    device: str,
    epochs: int,
    seed: int,
    data: tuple[Dataset[Any], Dataset[Any]],
    on_epoch: Callable[[Run], None],
) -> Run:
    """Train a model of :data:`MODELS` on ``device``; Ctrl-C ends it early, with what there is.

    Args:
        name: the model.
        device: where it is trained; the numbers drawn are the same everywhere.
        epochs: how often to go through the training part.
        seed: of initial weights, order of images, and dropout.
        data: the training and the test part.
        on_epoch: called after every epoch.
    """
    # Each device counts its own random numbers, from the same seed. So that the run is the same
    # everywhere, what runs on the CPU in any case, the order of the images, has its own numbers.
    tp.manual_seed(seed)
    order = tp.Generator().manual_seed(seed)
    loader = DataLoader(data[0], batch_size=64, shuffle=True, generator=order)
    with tp.device(device):
        model = MODELS[name]()
    run = Run(device, model, len(loader))
    optimizer = optim.Adam(run.model.parameters(), lr=LEARNING_RATE)
    every = len(data[1])  # type: ignore[arg-type]  # sized
    test = next(iter(DataLoader(data[1], batch_size=every, generator=order)))
    try:
        for epoch in range(epochs):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - epoch / epochs)
            _epoch(run, loader, optimizer)
            guess = predict(run.model, test[0], device).argmax(1)
            run.accuracies.append((guess == test[1]).float().mean().item())
            on_epoch(run)
    except KeyboardInterrupt:
        run.interrupted = True
    return run


def _epoch(run: Run, loader: DataLoader, optimizer: optim.Optimizer) -> None:
    run.model.train()
    losses: list[Tensor] = []
    start = time.perf_counter()
    try:
        for images, digits in loader:
            optimizer.zero_grad()
            scores = run.model(images.to(run.device))
            loss = nn.functional.cross_entropy(scores, digits.to(run.device))
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    finally:  # reading a loss waits for the device: so all at once, here
        run.losses += tp.stack(losses).tolist() if losses else []
        run.seconds += time.perf_counter() - start
    run.epochs.append(sum(run.losses[-len(losses) :]) / len(losses))


def predict(model: nn.Module, images: Tensor, device: str) -> Tensor:
    """Each digit's probability for each image, shape ``(images, 10)``, on the CPU."""
    model.eval()
    with tp.no_grad():
        return model(images.to(device)).softmax(1).to("cpu")

"""The demo's two models, for images of shape ``(batch, 1, 8, 8)``."""

from __future__ import annotations

from collections.abc import Callable

from tensorplug import nn

__all__ = ["MODELS", "cnn", "mlp"]


def cnn() -> nn.Module:
    """Two convolutions, the first with pooling, then a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 4 * 4, 10),
    )


def mlp() -> nn.Module:
    """Three linear layers."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 256),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(256, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


MODELS: dict[str, Callable[[], nn.Module]] = {"cnn": cnn, "mlp": mlp}
"""The models by their names on the command line."""

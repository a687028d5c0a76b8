"""The demo's two models, for images of shape ``(batch, 1, 8, 8)``."""

from __future__ import annotations

from collections.abc import Callable

from tensorplug import nn

__all__ = ["MODELS", "cnn", "mlp"]


def cnn() -> nn.Module:
    """Two rounds of convolution, ReLU and pooling, then two linear layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 2 * 2, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def mlp() -> nn.Module:
    """Three linear layers."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 128),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


MODELS: dict[str, Callable[[], nn.Module]] = {"cnn": cnn, "mlp": mlp}
"""The models by their names on the command line."""

"""Errors that name the layer; made only after an operation has failed."""

from __future__ import annotations

from typing import Any

from tensorplug.backends.errors import OpError

__all__ = ["wrong_input"]


def wrong_input(layer: str, expected: str, input: Any) -> OpError:
    """``Linear(3, 4): expected input of shape (*, 3), got (2, 5)``, to be raised."""
    got = tuple(input.shape) if hasattr(input, "shape") else type(input).__name__
    return OpError(
        f"{layer}: expected input of shape {expected}, got {got}",
        op=layer.partition("(")[0],
        expected=expected,
        got=got,
    )

"""Errors that name the layer; made only after an operation has failed."""

from __future__ import annotations

from typing import Any

__all__ = ["wrong_input"]


def wrong_input(layer: str, expected: str, input: Any) -> RuntimeError:
    """``Linear(3, 4): expected input of shape (*, 3), got (2, 5)``, to be raised."""
    got = tuple(input.shape) if hasattr(input, "shape") else type(input).__name__
    return RuntimeError(f"{layer}: expected input of shape {expected}, got {got}")

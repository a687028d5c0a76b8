"""Collects what becomes a Tensor method without being an op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .autograd.tensor import Tensor

__all__ = ["METHODS", "attach", "method"]

METHODS: dict[str, Any] = {}
"""Methods and properties by name, until :func:`attach` puts them on Tensor."""


def method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function a Tensor method of the same name."""
    METHODS[function.__name__] = function
    return function


def attach() -> None:
    """Put everything collected on Tensor."""
    for name, value in METHODS.items():
        setattr(Tensor, name, value)

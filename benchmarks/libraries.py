"""The libraries compared: torch where it is installed, and ours. Both take the same programs."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from typing import Any

from .measure import OURS

__all__ = ["libraries"]


@cache
def libraries() -> dict[str, Any]:
    """The modules with PyTorch's names, torch first and on one thread."""
    found: dict[str, Any] = {}
    if importlib.util.find_spec("torch"):
        found["torch"] = importlib.import_module("torch")
        found["torch"].set_num_threads(1)
    found[OURS] = importlib.import_module(OURS)
    return found

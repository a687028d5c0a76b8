"""Where the suite keeps what the next run shall know: in the user's folder for caches."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CURRENT", "cache_folder"]

CURRENT = [""]
"""The device of the running test."""


def cache_folder() -> Path:
    """The suite's folder among the user's caches."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tensorplug" / "conformance"

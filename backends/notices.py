"""Warnings that point at the user's line, however deep in the library they arise."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

__all__ = ["warn"]

_PASSED = ("tensorplug", "contextlib")
"""Packages whose frames are no user's; ``with plugins(...):`` comes through contextlib."""


def warn(text: str) -> None:
    """Issue a RuntimeWarning, placed at the innermost line that is not tensorplug's own."""
    # Python 3.12 has warnings.warn(skip_file_prefixes=...) for this; 3.11 has not.
    frame = sys._getframe(1)
    while _is_passed(frame) and frame.f_back is not None:
        frame = frame.f_back
    warnings.warn_explicit(
        text,
        RuntimeWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=str(frame.f_globals.get("__name__", "unknown")),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _is_passed(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in _PASSED

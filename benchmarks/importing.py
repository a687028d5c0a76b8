"""How long ``import tensorplug`` takes once NumPy is there, in fresh processes."""

from __future__ import annotations

import subprocess
import sys

from .libraries import libraries
from .measure import OURS, Group, attempt

__all__ = ["import_time"]

LIMIT = 0.150  # seconds over NumPy's own import
_PROGRAM = (
    "import numpy, time; start = time.perf_counter(); import {name}; "
    "print(time.perf_counter() - start)"
)


def _seconds(name: str) -> float:
    command = [sys.executable, "-c", _PROGRAM.format(name=name)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _measure() -> dict[str, float]:
    best = {name: min(_seconds(name) for _ in range(5)) for name in libraries()}
    return {"limit": LIMIT, **{name: best[name] for name in best if name != OURS}, OURS: best[OURS]}


def import_time() -> Group:
    """Best of five processes."""
    row = attempt("import", _measure)
    return Group("import time over NumPy's (limit 150 ms)", [row], to="limit", target=1.0)

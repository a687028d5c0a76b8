"""How long ``import tensorplug`` takes once NumPy is there, in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .libraries import libraries
from .measure import OURS, Group, attempt

__all__ = ["import_time", "plugin_time"]

LIMIT = 0.150  # seconds over NumPy's own import
PLUGINS = 20
_PROGRAM = (
    "import numpy, time; start = time.perf_counter(); import {name}; {then}; "
    "print(time.perf_counter() - start)"
)


def _seconds(name: str, then: str = "pass", folder: str = "") -> float:
    command = [sys.executable, "-c", _PROGRAM.format(name=name, then=then)]
    env = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return float(done.stdout)


def _measure() -> dict[str, float]:
    best = {name: min(_seconds(name) for _ in range(5)) for name in libraries()}
    return {"limit": LIMIT, **{name: best[name] for name in best if name != OURS}, OURS: best[OURS]}


def import_time() -> Group:
    """Best of five processes."""
    row = attempt("import", _measure)
    return Group("import time over NumPy's (limit 150 ms)", [row], to="limit", target=1.0)


def _install(folder: str) -> None:
    """Plugins for devices that nobody asks for, each of which would sleep when imported."""
    for number in range(PLUGINS):
        Path(folder, f"slow{number}.py").write_text("import time; time.sleep(2)", "utf-8")
        info = Path(folder, f"slow_{number}-1.0.dist-info")
        info.mkdir()
        facts = f"Metadata-Version: 2.1\nName: slow-{number}\nVersion: 1.0\n"
        (info / "METADATA").write_text(facts, "utf-8")
        point = f"[tensorplug.devices]\nslow{number} = slow{number}\n"
        (info / "entry_points.txt").write_text(point, "utf-8")


def plugin_time() -> Group:
    """Best of nine processes each, in turns, without and with other plugins installed."""
    title = f"import with {PLUGINS} slow plugins installed, beside none"
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as full:
        _install(full)

        def measure(then: str) -> dict[str, float]:
            found: dict[str, list[float]] = {"none": [], OURS: []}
            for _ in range(9):
                found["none"].append(_seconds(OURS, then, empty))
                found[OURS].append(_seconds(OURS, then, full))
            return {name: min(times) for name, times in found.items()}

        rows = [
            attempt("import", lambda: measure("pass")),
            attempt("import, first tensor", lambda: measure("tensorplug.ones(3)")),
        ]
    return Group(title, rows, to="none")

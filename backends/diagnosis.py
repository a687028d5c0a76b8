"""What works and what does not among the installed plugins, each tried in a process of its own.

So a plugin that crashes the interpreter, never comes back, or leaves by itself is one row of the
report, and the others are tried all the same.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import choosing
from .contract import nearest
from .discovery import Catalogue, Point
from .errors import OpValueError, PluginError
from .hookspecs import DEVICES
from .listing import shadowed
from .plugging import current
from .registry import Registry
from .sources import Claim, Source
from .switches import ENVIRONMENT

__all__ = ["Diagnosis", "doctor"]

BAD = ("conflict", "crashed", "failed", "hangs", "incompatible")
"""The states of plugins that somebody has to repair, upgrade or turn off."""

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])['path']; import tensorplug; "
    "from tensorplug.backends.probe import main; main()"
)
_PLACE = re.compile(r'^  File "(.+)", line (\d+)', re.MULTILINE)


@dataclass(frozen=True)
class Diagnosis:
    """One device type of one installed plugin; what ``tensorplug doctor`` prints.

    ``device`` is empty for plugins of kernels and operations, and where a plugin failed before it
    could name its types. ``state`` is a state of :class:`DeviceInfo`, or ``"crashed"`` or
    ``"hangs"``. ``api`` is the version of the contract that the plugin is written for, if it said,
    or the lowest and the highest; ``milliseconds`` is what it took to import the plugin and to load
    its backend.
    """

    device: str
    state: str
    source: Source
    api: int | tuple[int, int] | None = None
    milliseconds: float | None = None
    reason: str = ""

    @property
    def bad(self) -> bool:
        """Whether somebody has to do something; a library that is not installed is fine."""
        return self.state in BAD


LONGEST = 24 * 60 * 60.0
"""The longest time, in seconds, that a plugin may be given."""


def doctor(timeout: float = 20.0, names: Sequence[str] = ()) -> list[Diagnosis]:
    """Try every installed plugin by itself, each in a new process; sorted by device.

    Args:
        timeout: the seconds after which a plugin counts as hanging; at most a day.
        names: only these plugins, by device type, entry point or distribution; all if empty.

    Raises:
        OpValueError: ``timeout`` is not above 0 or longer than a day, or no plugin has a name.

    Example:
        >>> from tensorplug.backends import plugins
        >>> with plugins(disable="tensorplug", off=True):  # nothing is left to try
        ...     {row.state for row in doctor()}
        {'turned off'}
    """
    if not 0 < timeout <= LONGEST:
        raise OpValueError(
            f"doctor: expected a timeout above 0 seconds and of at most {LONGEST:.0f}, a day, got "
            f"{timeout!r}",
            op="doctor",
            got=timeout,
        )
    registry = current()
    rows: list[Diagnosis] = []
    for position, point in _chosen(Catalogue(), names):
        off = registry.turned_off(point.source)
        if off is None:
            rows.extend(_probed(point, position, timeout))
        else:
            name = _type(point) or point.source.name
            rows.append(
                Diagnosis(_type(point), "turned off", point.source, reason=str(off.error(name)))
            )
    rows = [_compared(registry, row, rows) for row in rows]
    return sorted(rows, key=lambda row: (not row.device, row.device, row.source))


def _chosen(catalogue: Catalogue, names: Sequence[str]) -> list[tuple[int, Point]]:
    """The points that are meant by any of the names, with their positions.

    All points of their device types are taken too: what they mean for each other is in the rows.
    """
    points = list(enumerate(catalogue.points))
    if not names:
        return points
    for name in names:
        if not any(point.source.is_called(name) for _, point in points):
            known = {name for _, p in points for name in (p.source.name, p.source.distribution)}
            raise OpValueError(
                f"doctor: expected device types or the names of installed plugins, got {name!r}"
                f"{nearest(name, known)}",
                op="doctor",
                expected=sorted(known),
                got=name,
            )
    meant = [point for _, point in points if any(map(point.source.is_called, names))]
    types = {point.type for point in meant if point.source.group == DEVICES}
    return [
        (position, point) for position, point in points if point in meant or _type(point) in types
    ]


def _type(point: Point) -> str:
    return point.type if point.source.group == DEVICES else ""


# --- one plugin -----------------------------------------------------------------------------------


def _probed(point: Point, position: int, timeout: float) -> Iterator[Diagnosis]:
    """The rows of one entry point, from a process of its own."""
    with tempfile.TemporaryDirectory(prefix="tensorplug-") as folder:
        answer, errors = Path(folder, "answer"), Path(folder, "errors")
        answer.touch()
        request = {
            "path": sys.path,
            "position": position,
            "answer": str(answer),
            # Shortly before the time is up the process tells where it is.
            "until": time.time() + 0.8 * timeout,
        }
        status = _run(json.dumps(request), errors, timeout)
        lines = [json.loads(line) for line in answer.read_text("utf-8").splitlines()]
        output = errors.read_text("utf-8", "replace")
    said: dict[str, Any] = lines[-1] if lines else {"doing": "starting Python"}
    if "rows" in said:
        for row in said["rows"]:
            api = tuple(row["api"]) if isinstance(row["api"], list) else row["api"]
            yield Diagnosis(
                row["device"], row["state"], point.source, api, row["milliseconds"],
                row.get("reason", ""),
            )  # fmt: skip
    else:
        state, what = _ended(status, timeout)
        place = _PLACE.search(output) if state in ("crashed", "hangs") else None
        where = f"; it was at line {place[2]} of {place[1]}" if place else _last(output)
        reason = (
            f"{_type(point) or point.source.name}: expected a plugin that can be used, but the "
            f"process {what} while {said['doing']}{where}\n  {point.source}; "
            f"{point.source.how_to_turn_off()}"
        )
        yield Diagnosis(_type(point), state, point.source, reason=reason)


def _run(request: str, errors: Path, timeout: float) -> int | None:
    """The status of the process, None where it had to be ended."""
    env = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    command = [sys.executable, "-P", "-X", "faulthandler", "-c", _PROGRAM, request]
    with errors.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process and of those that it has started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # it has ended, with all of its group
            pass
    else:
        process.kill()
    process.wait()


def _ended(status: int | None, timeout: float) -> tuple[str, str]:
    """The state of a plugin that gave no answer, and what became of its process."""
    if status is None:
        return "hangs", f"did not end within {timeout:g} s"
    if status >= 0:
        return "failed", f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    # Python ends itself by SIGINT after a KeyboardInterrupt.
    return "failed" if status == -signal.SIGINT else "crashed", f"was ended by {name}"


def _last(output: str) -> str:
    lines = output.strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""


# --- all plugins ----------------------------------------------------------------------------------


def _compared(registry: Registry, row: Diagnosis, rows: list[Diagnosis]) -> Diagnosis:
    """The row, with what the other plugins for its type mean for it."""
    if row.bad or row.state == "turned off" or not row.device:
        return row
    rivals = [
        other.source for other in rows if other.device == row.device and other.state != "turned off"
    ]
    offers: dict[Source, Claim | None] = dict.fromkeys(rivals)
    try:
        chosen = choosing.choose(row.device, row.device, offers, registry.wanted(row.device))
    except PluginError as error:
        return replace(row, state="conflict", reason=str(error))
    if chosen == row.source:
        return row
    return replace(row, state="shadowed", reason=shadowed(row.device, row.source, chosen))

"""``tensorplug doctor``: try every installed plugin, each in a process of its own."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from .backends.diagnosis import Diagnosis, doctor

__all__ = ["add_arguments", "run"]

_STYLES = {"available": "green", "turned off": "", "not installed": "", "no device": ""}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tensorplug doctor``."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME",
        help="only these, by device type, entry point or distribution (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=20.0, metavar="SECONDS",
        help="how long a plugin may take (default: 20, at most a day)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print a list for programs")


def run(args: argparse.Namespace) -> int:
    """Print what works and what does not; 1 if some plugin should be repaired or turned off.

    Raises:
        OpValueError: the timeout is not above 0 or longer than a day, or no plugin has a name.
    """
    rows = doctor(args.timeout, args.names)
    if args.json:
        sys.stdout.write(json.dumps([_record(row) for row in rows], indent=2) + "\n")
    else:
        _print_table(rows)
    return int(any(row.bad for row in rows))


def _record(row: Diagnosis) -> dict[str, Any]:
    return {
        "device": row.device,
        "distribution": row.source.distribution,
        "version": row.source.version,
        "api": row.api,
        "state": row.state,
        "milliseconds": row.milliseconds,
        "reason": row.reason,
        "entry_point": row.source.name,
        "group": row.source.group,
        "bad": row.bad,
    }


def _print_table(rows: list[Diagnosis]) -> None:
    # Imported here: rich is not needed for anything else, and takes longer than tensorplug.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("device", "distribution", "version", "api", "state", "load time"):
        right = title in ("api", "load time")
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for row in rows:
        style = _STYLES.get(row.state, "red" if row.bad else "yellow")
        time = "" if row.milliseconds is None else f"{row.milliseconds:.0f} ms"
        versions = row.api if isinstance(row.api, tuple) else (row.api,)
        cells = (row.source.version, "" if row.api is None else " to ".join(map(str, versions)))
        name = row.device or str(row.source).partition(" of ")[0]
        table.add_row(
            Text(name), Text(row.source.distribution), *map(Text, cells),
            Text(row.state, style=style), Text(time),
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:
        # A pipe has no width; wide enough for every cell, so that nothing is cut.
        console.width = 400
    console.print(table)
    for row in rows:
        if row.reason:
            console.print(Text(f"\n{row.reason}"), soft_wrap=True)

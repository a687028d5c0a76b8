"""The command ``tensorplug``: ``devices``, ``doctor``, ``demo``, ``conformance``, ``new-backend``.

A subcommand is a module with ``add_arguments(parser)`` and ``run(args) -> int``, imported only
when it is chosen; ``devices`` is here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any, NamedTuple

from ._version import __version__
from .backends import DeviceInfo, TensorplugError, devices

__all__ = ["main"]


class Command(NamedTuple):
    """A subcommand: what it does in a line, its module, and the extra that the module needs."""

    summary: str
    module: str
    extra: str = ""


COMMANDS = {
    "devices": Command("list the devices, and why others are not available", __name__),
    "doctor": Command(
        "try every plugin in a process of its own, with a limit of time", "tensorplug.doctor"
    ),
    "demo": Command("train a small model and show what happened", "tensorplug.demo.cli"),
    "conformance": Command(
        "check a device against the conformance suite", "tensorplug.conformance.cli", "conformance"
    ),
    "new-backend": Command(
        "write a plugin for an array library, to start from", "tensorplug.new_backend.cli"
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0 if all is well, 1 after an error, 2 for misuse.

    Example:
        >>> main(["devices", "--json"])  # doctest: +ELLIPSIS +NORMALIZE_WHITESPACE
        [...]
        0
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        args = _parser(words).parse_args(words)
        return int(args.run(args))
    except TensorplugError as error:
        sys.stderr.write(f"tensorplug: {error}\n")
        return 1


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """A parser in which only the chosen subcommand knows its arguments."""
    parser = argparse.ArgumentParser(
        prog="tensorplug", description="PyTorch-shaped tensors over any array library."
    )
    parser.add_argument("--version", action="version", version=f"tensorplug {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    chosen = next((word for word in words if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=command.summary, description=f"{command.summary[0].upper()}"
            f"{command.summary[1:]}.",
        )  # fmt: skip
        if name == chosen:
            module = _import(name, command)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def _import(name: str, command: Command) -> Any:
    """The module of a subcommand.

    Raises:
        TensorplugError: it needs a library that is not installed.
    """
    try:
        return import_module(command.module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not command.extra or missing.partition(".")[0] == "tensorplug":
            raise
        raise TensorplugError(
            f"{name}: expected the module {missing}, but it is not installed; "
            f"pip install 'tensorplug[{command.extra}]'",
            op=name,
        ) from error


# --- tensorplug devices ---------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tensorplug devices``."""
    parser.add_argument("--json", action="store_true", help="print a list for programs")


def run(args: argparse.Namespace) -> int:
    """Print the devices of all installed plugins, those that do not work included."""
    rows = devices()
    if args.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    else:
        _print_table(rows)
    return 0


def _print_table(rows: list[DeviceInfo]) -> None:
    # Imported here: rich is not needed for anything else, and takes longer than tensorplug.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("device", "state", "plugin", "array library", "memory"):
        table.add_column(title, no_wrap=title in ("device", "state"), overflow="fold")
    for row in rows:
        # Text, because plain strings are searched for markup such as [cuda12].
        style = "green" if row.available else "red"
        state = Text(row.state, style=style)
        cells = (_plugin(row), f"{row.library} {row.library_version}".strip(), _memory(row.memory))
        table.add_row(Text(row.device or "?"), state, *map(Text, cells))
    console = Console()
    if not console.is_terminal:
        # A pipe has no width; wide enough for every cell, so that nothing is cut.
        console.width = 400
    console.print(table)
    for row in rows:
        if row.reason:
            head = f"\n{row.device}: " if row.available else "\n"
            console.print(Text(head + row.reason), soft_wrap=True)


def _plugin(row: DeviceInfo) -> str:
    if not row.distribution:
        return f"{row.plugin} (this process)"
    return f"{row.distribution} {row.version} ({row.plugin})"


def _memory(memory: dict[str, int]) -> str:
    """``"3.1 of 16.0 GiB free"``, from whatever figures are known."""
    gib = {name: f"{size / 2**30:.1f}" for name, size in memory.items()}
    if "free" in gib and "total" in gib:
        return f"{gib['free']} of {gib['total']} GiB free"
    return ", ".join(f"{size} GiB {name}" for name, size in gib.items())

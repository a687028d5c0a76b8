"""Explain parity name by name: ``python -m tests.parity add nn.functional.relu``.

Without names: the whole tier's table. ``--missing`` needs neither torch nor much time.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from . import tiers
from .table import THRESHOLD, percentage, table, verdict


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.write_docs:
        from .differences import write_document

        _say(f"wrote {write_document()}")
        return 0
    names = options.names or tiers.names(options.tier)
    if options.missing:
        return _missing(names, options)
    if options.aliases:
        return _missing(_aliases(names, options.tier), options)
    results = _check(names, options)
    if not options.names:
        _say(table(results))
    _say(verdict(results, options.tier))
    _write(options.json, results)
    return int(percentage(results) < (100.0 if options.names else THRESHOLD))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="dotted names, such as nn.functional.relu")
    add("--device", default="cpu", help="where tensorplug's tensors live")
    add("--subject", default="tensorplug", help="module compared: tensorplug, torch")
    add("--tier", type=int, default=1, choices=(1, 2, 3))
    add("--all-samples", action="store_true", help="no limit on samples per dtype")
    add("--findings", type=int, default=10, help="findings printed per name")
    add("--json", type=Path, help="write the results to this file")
    add("--missing", action="store_true", help="list the names that do not exist, fast")
    add("--aliases", action="store_true", help="list the database's aliases that do not exist")
    add("--write-docs", action="store_true", help="rewrite docs/differences.md")
    return parser


def _missing(names: list[str], options: argparse.Namespace) -> int:
    from .subject import Subject

    subject = Subject(options.subject, options.device)
    absent = [name for name in names if subject.lookup(name) is None]
    _say("\n".join(absent))
    _say(f"{len(absent)} of {len(names)} names are missing")
    _write(options.json, absent)
    return int(bool(absent))


def _aliases(names: list[str], tier: int) -> list[str]:
    from .database import entries

    found = [a.name for name in names for entry in entries(name, tier) for a in entry.aliases]
    return list(dict.fromkeys(found))


def _check(names: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    # torch and its database take seconds to import, which --missing need not wait for.
    from .check import Limits, check_name
    from .subject import Subject

    subject = Subject(options.subject, options.device)
    limits = Limits.all_samples() if options.all_samples else Limits()
    results = []
    for name in names:
        result = check_name(name, subject, options.tier, limits)
        results.append(result.summary())
        if options.names:
            _say(f"{name}: {result.status}, {result.compared} compared")
            for finding in result.findings[: options.findings]:
                _say(f"  {finding}".replace("\n", "\n  "))
            if result.excused:
                _say("  known: " + "\n  known: ".join(result.excused))
    return results


def _write(path: Path | None, value: Any) -> None:
    if path is not None:
        path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

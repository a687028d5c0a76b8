"""Run all benchmarks and print times and ratios; ``--only`` picks one, ``--json`` keeps them."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from . import array_api, eager, graph, importing, memory, training, xla
from .libraries import libraries
from .measure import OURS, Group, Row

GROUPS = {
    "arrayapi": array_api.array_api,
    "lookup": eager.lookup,
    "small": eager.small,
    "recording": eager.small_recording,
    "chain": graph.chain,
    "large": eager.large,
    "nodes": graph.backward_per_node,
    "training": training.training,
    "memory": memory.memory,
    "xla": xla.dispatch,
    "xla-memory": xla.donation,
    "xla-training": xla.steps,
    "import": importing.import_time,
    "import-plugins": importing.plugin_time,
}


_UNITS = {
    "s": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)),
    "B": (("MB", 1e6), ("kB", 1e3), ("B", 1.0)),
}


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    name, scale = next((u for u in _UNITS[unit] if value >= u[1]), _UNITS[unit][-1])
    return f"{value / scale:.2f} {name}" if name != "ns" else f"{value / scale:.0f} ns"


def _line(row: Row, columns: list[str], ratios: list[str], unit: str) -> str:
    if row.error:
        return f"  {row.name:<28} {row.error}"
    times = "".join(f"{_amount(row.seconds.get(column), unit):>12}" for column in columns)
    found = [row.ratio(to) for to in ratios]
    return f"  {row.name:<28}{times}" + "".join(f"{r:>12.2f}" if r else " " * 12 for r in found)


def _text(group: Group) -> str:
    columns = list(dict.fromkeys(name for row in group.rows for name in row.seconds))
    ratios = [column for column in columns if column != OURS]
    head = "".join(f"{name:>12}" for name in columns) + "".join(f"{'/ ' + to:>12}" for to in ratios)
    lines = [group.title, f"  {'':<28}{head}"]
    lines += [_line(row, columns, ratios, group.unit) for row in group.rows]
    figure = group.figure()
    if figure is not None:
        kind = "worst" if group.each else "geometric mean"
        text = f"  {kind} of {OURS} / {group.to}: {figure:.2f}"
        failed = sum(bool(row.error) for row in group.rows)
        if group.target is not None:
            verdict = "met" if figure <= group.target else "MISSED"
            verdict = f"open, {failed} rows failed" if failed else verdict
            text += f" (target <= {group.target:.2f}: {verdict})"
        lines.append(text)
    excess = group.excess()
    if group.bar is not None and excess is not None:
        verdict = "met" if excess <= group.bar else "MISSED"
        lines.append(
            f"  worst of {OURS} - {group.to}: {_nanoseconds(excess)} "
            f"(bar <= {_nanoseconds(group.bar)}: {verdict})"
        )
    return "\n".join(lines) + "\n"


def _nanoseconds(seconds: float) -> str:
    return f"{seconds * 1e9:.0f} ns"


def _record(group: Group) -> dict[str, object]:
    rows = [{"name": r.name, "seconds": r.seconds, "error": r.error} for r in group.rows]
    return {
        "title": group.title,
        "rows": rows,
        "compared_to": group.to,
        "figure": group.figure(),
        "target": group.target,
        "excess": group.excess(),
        "bar": group.bar,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 1 when something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=GROUPS, action="append", help="may be given again")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    options = parser.parse_args(arguments)
    versions = {name: module.__version__ for name, module in libraries().items()}
    print(f"Python {platform.python_version()}, one thread, " + str(versions) + "\n", flush=True)
    groups = {}
    for name in options.only or GROUPS:
        groups[name] = GROUPS[name]()
        print(_text(groups[name]), flush=True)
    if options.json:
        record = {"versions": versions, "groups": {n: _record(g) for n, g in groups.items()}}
        options.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return int(any(row.error for group in groups.values() for row in group.rows))


if __name__ == "__main__":
    sys.exit(main())

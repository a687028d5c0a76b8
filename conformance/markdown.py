"""The report as a short page of Markdown, for a release's notes or a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tensorplug.conformance import LEVELS
from tensorplug.conformance.told import partial

__all__ = ["render"]

FIRST = 20
"""So many causes are listed for each device."""


def render(report: Mapping[str, Any]) -> str:
    """The page of a report: versions, levels and counts by device, and causes of failures."""
    suite = report["suite"]
    lines = [
        f"# tensorplug conformance {suite['version']}", "",
        f"Made {report['time']} with tensorplug {report['tensorplug']}, suite {suite['version']} "
        f"({suite['hash']}), profile {report['profile']}, seed {report['seed']}, "
        f"Python {report['python']}, {report['platform']}{_drivers(report)}.", "",
        *[f"{line[0].upper()}{line[1:]}.\n" for line in partial(report)],
        *_levels(report), "", *_counts(report),
    ]  # fmt: skip
    results = {result["test"]: result for result in report["results"]}
    for device in report["devices"]:
        lines += ["", *_causes(device, report["about"][device]["first"], results)]
    return "\n".join(lines) + "\n"


def _drivers(report: Mapping[str, Any]) -> str:
    return "".join(f", driver {name} {text}" for name, text in report["drivers"].items())


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def _levels(report: Mapping[str, Any]) -> list[str]:
    head = ["device", "hardware", "array library", "plugin"]
    head += [f"L{number} {name}" for number, name in enumerate(LEVELS)]
    rows = []
    for device in report["devices"]:
        about = report["about"][device]
        rows.append([
            _code(device), _text(about["hardware"]),
            _text(f"{about['library']} {about['library_version']}"),
            _text(f"{about['plugin']} {about['plugin_version']}"),
            *(about["levels"][f"L{number}"] for number in range(len(LEVELS))),
        ])  # fmt: skip
    return _table([*head, "reached"], [
        [*row, report["about"][device]["reached"] or "none"]
        for row, device in zip(rows, report["devices"], strict=True)
    ])  # fmt: skip


def _counts(report: Mapping[str, Any]) -> list[str]:
    names = ("passed", "on the host", "not supported", "failed", "error", "excluded", "skipped")
    rows = []
    for device in (*report["devices"], ""):
        found = Counter(report["counts"].get(device, {}))
        if device or found:
            title = _code(device) if device else "without a device"
            rows.append([title, *(f"{found[name]:,}" for name in names)])
    return _table(["tests", *names], rows)


def _causes(device: str, first: list[Any], results: Mapping[str, Any]) -> list[str]:
    if not first:
        return [f"Nothing failed on {_code(device)}."]
    lines = [f"## {_code(device)}: repair first", ""]
    for number, cause in enumerate(first[:FIRST], 1):
        result = results[cause["test"]]
        more = f" ({cause['blocks']} more follow from it)" if cause["blocks"] else ""
        problem = result.get("problem") or result["outcome"]
        lines.append(f"{number}. {result['level']} {_code(cause['test'])}{more}: {_text(problem)}")
    if len(first) > FIRST:
        lines.append(f"\nAnd {len(first) - FIRST} more.")
    return lines


def _text(text: str) -> str:
    """Words on one line, in which nothing is taken for Markdown or HTML."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    for sign in "|*_`[":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def _code(text: str) -> str:
    """A name as it stands, in a table too."""
    ticks = "``" if "`" in text else "`"
    return f"{ticks}{text}{ticks}".replace("|", "\\|")

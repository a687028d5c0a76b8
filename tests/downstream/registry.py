"""The registry of results: a small entry for each report of a whole run, and a table of them all.

An entry is what a report says without its single results, with the report's digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorplug.conformance import LEVELS
from tensorplug.conformance.report import complete, counts, verify

__all__ = ["RESULTS", "add", "entries", "table"]

RESULTS = Path(__file__).parent / "results"

_KEPT = ("suite", "tensorplug", "python", "platform", "time", "profile", "seed", "digest")
_SIGNS = {"fails": "**fails**", "partly run": "in part", "not run": ""}


def add(report: Mapping[str, Any], name: str, folder: Path = RESULTS) -> Path:
    """Take a report into the registry under a name, in place of an older one.

    Raises:
        ValueError: it is edited, partial, or about several devices.
    """
    faults = verify(report)
    if len(report.get("devices", ())) != 1:
        faults.append(f"devices: expected one, got {report.get('devices')}; report each by itself")
    if faults:
        raise ValueError(f"registry: {name}: " + "; ".join(faults))
    (device,) = report["devices"]
    results = complete(report["results"])
    lost = [result for result in results if result["outcome"] in ("failed", "error")]
    entry = {
        "device": device,
        **{field: report[field] for field in _KEPT},
        **report["about"][device],
        "counts": counts(results).get(device, {}),
        "failures": [{"test": r["test"], "problem": r["problem"]} for r in lost],
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
    return path


def entries(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """All entries by name."""
    return {p.stem: json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("*.json"))}


def table(folder: Path = RESULTS) -> str:
    """The page of support, in Markdown."""
    head = ["device", "library", "plugin", "suite", *(f"L{n}" for n in range(len(LEVELS)))]
    head += ["passed", "failed", "not supported"]
    rows = [head, ["---"] * len(head)]
    for entry in entries(folder).values():
        found = entry["counts"]
        rows.append([
            f"`{entry['device']}`", f"{entry['library']} {entry['library_version']}",
            f"{entry['plugin']} {entry['plugin_version']}",
            f"{entry['suite']['version']} ({entry['suite']['hash'][:6]}), {entry['time'][:10]}",
            *(_SIGNS.get(level, level) for level in entry["levels"].values()),
            f"{found.get('passed', 0):,}",
            f"{found.get('failed', 0) + found.get('error', 0):,}",
            f"{found.get('not supported', 0):,}",
        ])  # fmt: skip
    return _HEAD + "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


_HEAD = """# What which device supports

Written by `make downstream` from `tests/downstream/results/`, one entry for each report of a whole
run of the conformance suite. To add a device, make a report of one device and send what
`python -m downstream add` makes of it by pull request; it takes none that is edited or partial. To
have your plugin tried with every version of tensorplug, add it to `tests/downstream/plugins.toml`.

"""

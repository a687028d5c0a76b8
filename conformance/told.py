"""What all forms of the report say in the same words: how it is partial, and with what result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["outcome", "partial", "selection"]


def selection(chosen: Mapping[str, Any]) -> str:
    """The options that chose tests, as they would be typed: ``--op softmax, --op exp, --lf``."""
    found = []
    for name, value in chosen.items():
        values = value if isinstance(value, list) else [value]
        found += [name if one is True else f"{name} {one}" for one in values]
    return ", ".join(found)


def partial(report: Mapping[str, Any]) -> list[str]:
    """Why the run of a report reaches no level, a line for each reason; empty when it may."""
    lines = []
    if report["selection"]:
        lines.append(f"only a part was run ({selection(report['selection'])})")
    ran = len({result["test"] for result in report["results"]})
    if report["stopped"]:
        lines.append(f"the run was stopped after {ran} of {report['chosen']} tests")
    elif ran < report["chosen"] and not report["selection"]:
        lines.append(f"of {report['chosen']} tests only {ran} were run")
    if report["assume_all"]:
        lines.append("what is not declared was tried, too (--suggest)")
    return [f"{line}: no level is reached that way" for line in lines]


def outcome(report: Mapping[str, Any], device: str) -> tuple[str, str]:
    """The result on a device, and its colour: only where a level is reached, it passes."""
    found, reached = Counter(report["counts"].get(device, {})), report["about"][device]["reached"]
    if found["failed"] + found["error"] + found["skipped"]:
        return f"fails {reached}".strip(), "red"
    if reached:
        return f"passes {reached}", "green"
    return ("no failure" if found["passed"] + found["on the host"] else "not run"), ""

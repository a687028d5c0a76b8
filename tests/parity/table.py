"""The parity run's table and its last line, from the names' results as plain dictionaries."""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["THRESHOLD", "percentage", "table", "verdict"]

# A tier below this many per cent fails the run.
THRESHOLD = 95.0


def percentage(results: list[dict[str, Any]]) -> float:
    """Names that agree, in per cent of the names compared."""
    agreeing = sum(result["status"] == "agree" for result in results)
    return 100.0 * agreeing / len(results) if results else 0.0


def table(results: list[dict[str, Any]]) -> str:
    """One line per name: status, comparisons made, and what disagrees first."""
    width = max(len(result["name"]) for result in results)
    lines = []
    for result in results:
        status, count = result["status"], result["compared"]
        excused = f", {len(result['excused'])} known differences" if result["excused"] else ""
        lines.append(f"{result['name']:<{width}}  {status:<7}  {count:>5} compared{excused}")
        if result["first"]:
            lines.append("    " + result["first"].replace("\n", "\n    "))
    return "\n".join(lines)


def verdict(results: list[dict[str, Any]], tier: int) -> str:
    """``parity: 300 of 339 tier 1 names agree (88.5 %)`` and what the others do."""
    counts = Counter(result["status"] for result in results)
    text = (
        f"parity: {counts['agree']} of {len(results)} tier {tier} names agree "
        f"({percentage(results):.1f} %)"
    )
    rest = [f"{counts[status]} {status}" for status in ("differ", "missing") if counts[status]]
    return text + (f"; {', '.join(rest)}" if rest else "")

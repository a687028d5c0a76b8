"""The fault matrix as JSON and as Markdown."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorplug as tp
from tensorplug.conformance import budget

from .base import SEEDED
from .outcome import Outcome

__all__ = ["as_json", "rates", "record", "rewrite", "said", "table"]

BEGIN, END = "<!-- fault matrix: begin -->", "<!-- fault matrix: end -->"


def rates(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures that are published."""
    seeded = [o for o in outcomes if o.id[0] in SEEDED]
    killed = [o for o in seeded if o.failures]
    flagged = [o.id for o in outcomes if o.id[0] == "K" and (o.failures or o.error)]
    levels = Counter(level for o in killed for level in {_level(t) for t in o.functions})
    return {
        "faults": len(seeded),
        "killed": len(killed),
        "survived": [o.id for o in seeded if not o.failures],
        "twice": None
        if any(o.stopped and len(o.functions) < 2 for o in killed)
        else sum(len(o.functions) > 1 for o in killed),
        "pointed": sum(o.points for o in killed),
        "variations": sum(o.id[0] == "K" for o in outcomes),
        "flagged": flagged,
        "levels": dict(sorted(levels.items())),
    }


def as_json(outcomes: Sequence[Outcome], mode: str) -> str:
    """The matrix: for each fault the tests that found it."""
    found = {
        "tensorplug": tp.__version__,
        "mode": mode,
        "rates": rates(outcomes),
        "faults": [o.as_dict() for o in outcomes],
    }
    return json.dumps(found, indent=1)


def _level(test: str) -> str:
    found = re.match(r"test_(l\d)_", test)
    return found[1].upper() if found else "other"


def share(count: int, of: int) -> str:
    """A count and its share of all."""
    return f"{count} of {of} ({100 * count / max(of, 1):.1f} %)"


def said(numbers: dict[str, Any]) -> list[str]:
    """The figures in words."""
    faults, killed = numbers["faults"], numbers["killed"]
    lines = [
        f"- Faults found: **{share(killed, faults)}**.",
        f"- The first failure names the function or the rule: {share(numbers['pointed'], killed)}.",
        f"- Allowed variations flagged: **{len(numbers['flagged'])} of {numbers['variations']}**.",
    ]
    if numbers["twice"] is None:
        return [*lines, "- Each run stopped at the first failure, so tests are not counted."]
    lines.append(f"- Found by two or more tests: {share(numbers['twice'], killed)}.")
    levels = ", ".join(f"{level} {count}" for level, count in numbers["levels"].items())
    return [*lines, f"- Faults that each level alone finds: {levels}."]


def table(outcomes: Sequence[Outcome]) -> str:
    """Figures and one row for each fault."""
    lines = [*said(rates(outcomes)), ""]
    lines += ["| | what is wrong | area | tests | named | the first test that fails |"]
    lines += ["|---|---|---|--:|:-:|---|"]
    for o in sorted(outcomes, key=_order):
        if o.id == "clean":
            continue
        first = o.functions[0].replace(".py::", ", ") if o.failures else "-"
        count = f"{len(o.functions)}{'+' * o.stopped}" if o.failures else "0"
        named = "yes" if o.points else "no" if o.failures else "-"
        lines.append(f"| {o.id} | {o.says} | {o.area} | {count} | {named} | {first} |")
    return "\n".join(lines)


def _order(outcome: Outcome) -> tuple[int, int]:
    number = re.sub(r"\D", "", outcome.id)
    return f"{SEEDED}Kc".index(outcome.id[0]), int(number or 0)


def rewrite(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Put the table between the two marks of a document.

    Raises:
        ValueError: the marks are not there.
    """
    text = path.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path}: expected the lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{table(outcomes)}\n{END}{after}", encoding="utf-8")


def record(outcomes: Sequence[Outcome]) -> None:
    """Note for each fault the first test that found it, for quick runs; and for each test how many
    it finds and how long a case takes, for runs with a budget.
    """
    path = Path(__file__).with_name("found_by.json")
    killed = [o for o in outcomes if o.failures and o.id[0] in SEEDED]
    found = json.loads(path.read_text("utf-8"))
    found |= {o.id: o.functions[0] for o in killed}
    path.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", encoding="utf-8")
    clean = next((o for o in outcomes if o.id == "clean"), None)
    if clean is None:
        return
    counts = Counter(test for o in killed for test in o.functions)
    finds = {
        test: [counts[test], round(sum(times) / len(times), 4)]
        for test, times in sorted(clean.times.items())
    }
    path = Path(budget.__file__).parent / "data" / "finds.json"
    lines = ",\n".join(f"{json.dumps(test)}: {json.dumps(row)}" for test, row in finds.items())
    path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")

"""What the suite said about one faulty device."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .base import Fault

__all__ = ["Outcome", "plain", "points", "read", "stated"]


@dataclass
class Outcome:
    """What the suite said about one device."""

    id: str
    says: str
    area: str
    ran: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    """Failed tests, in the order of the report: test and message."""

    seconds: float = 0.0
    """What the tests took up to the first failure, or all of them."""

    total: float = 0.0
    cpu: float = 0.0
    """Processor time of the whole process, the collection of the tests too."""

    points: bool = False
    """Whether the first failure names the function or the rule."""

    stopped: bool = False
    """Whether more tests might have failed, had the run gone on."""

    error: str = ""
    """Why there is no report."""

    times: dict[str, list[float]] = field(default_factory=dict)
    """By test without its parameters: seconds of its cases."""

    @property
    def functions(self) -> list[str]:
        """The failed tests without their parameters, each once."""
        return list(dict.fromkeys(plain(f["test"]) for f in self.failures))

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file; messages in short."""
        found = asdict(self)
        del found["times"]
        found["failures"] = [f["test"] for f in self.failures]
        found["first"] = self.failures[0]["message"][:600] if self.failures else ""
        return found | {"killed": bool(self.failures), "tests": self.functions}


def plain(test: str) -> str:
    """``file.py::test[case-device]`` without the parameters."""
    return test.partition("[")[0]


def read(fault: Fault, folder: Path, stage: str = "near", found: Outcome | None = None) -> Outcome:
    """What a finished process has left, added to what an earlier one had."""
    outcome = found or Outcome(fault.id, fault.says, fault.area)
    try:
        report = json.loads((folder / f"{fault.type}.{stage}.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        log = folder / f"{fault.type}.log"
        tail = log.read_text("utf-8", "replace")[-1500:] if log.exists() else ""
        outcome.error = f"{error}\n{tail}"
        return outcome
    failures = []
    for result in report["results"]:
        outcome.ran += 1
        outcome.total += result["seconds"]
        outcome.times.setdefault(plain(result["test"]), []).append(result["seconds"])
        if not (outcome.failures or failures):
            outcome.seconds += result["seconds"]
        if result["outcome"] in ("failed", "error"):
            failures.append({"test": result["test"], "message": stated(result)})
    # What the report says to repair first comes first.
    causes = [cause["test"] for cause in report["about"][f"{fault.type}:0"]["first"]]
    failures.sort(key=lambda failure: failure["test"] not in causes[:1])
    outcome.failures += failures
    outcome.points = bool(outcome.failures) and points(fault, outcome.failures[0])
    return outcome


def stated(result: dict[str, Any]) -> str:
    """What the report says of a failure, without the source around it."""
    lines = [line for line in result.get("message", "").splitlines() if line.startswith("E ")]
    return "\n".join([result.get("call", ""), result.get("problem", ""), *lines]).strip()


def points(fault: Fault, failure: dict[str, Any]) -> bool:
    """Whether a test's name, or what is stated, has one of the words that the fault expects."""
    text = f"{failure['test']} {failure['message']}".replace(f"{fault.type}:", " ")
    heard = re.split(r"[^A-Za-z0-9]+", text) + re.split(r"[^A-Za-z0-9_]+", text)
    return bool({_stem(word) for word in heard} & {_stem(word) for word in fault.names})


def _stem(word: str) -> str:
    return word.rstrip("s").lower()

"""Run the unmodified suite on faulty devices: one process for each, forked after the imports."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .base import Fault
from .catalogue import CLEAN

__all__ = ["Outcome", "run", "words"]

SUITE = "tensorplug.conformance"

STATEFUL = ("layout", "views", "in-place", "overlap", "indexing", "transfer", "clean")
TRAINING = ("gradients", "accuracy", "borders", "random", "clean")

ONLY_FOR = {
    "test_l3_machine.py": STATEFUL,
    "test_l2_indexing.py": STATEFUL,
    "test_l4_training.py": TRAINING,
    "test_every_function_says_how_to_call_it": (),
}
"""Files, and tests, that take long and have no cases: the areas for which they are worth it."""


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
    points: bool = False
    """Whether the first failure names the function or the rule."""

    error: str = ""
    """Why there is no report."""

    @property
    def functions(self) -> list[str]:
        """The failed tests without their parameters, each once."""
        return list(dict.fromkeys(plain(f["test"]) for f in self.failures))

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file; messages in short."""
        found = asdict(self)
        found["failures"] = [f["test"] for f in self.failures]
        found["first"] = self.failures[0]["message"][:600] if self.failures else ""
        return found | {"killed": bool(self.failures), "tests": self.functions}


def plain(test: str) -> str:
    """``file.py::test[case-device]`` without the parameters."""
    return test.partition("[")[0]


class Chosen:
    """A pytest plugin that leaves out long tests of other areas."""

    def __init__(self, fault: Fault, quick: bool) -> None:
        self.fault, self.quick = fault, quick

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect."""
        out = [item for item in items if not self._wanted(item)]
        if out:
            config.hook.pytest_deselected(items=out)
            items[:] = [item for item in items if self._wanted(item)]

    def _wanted(self, item: pytest.Item) -> bool:
        name = item.name.partition("[")[0]
        for key in (item.path.name, name):
            areas = ONLY_FOR.get(key)
            if areas is not None and self.fault.area not in areas:
                return False
        return True


def words(fault: Fault, report: Path, quick: bool, full: bool) -> list[str]:
    """pytest's command line."""
    found = ["-p", "no:cacheprovider", "-q", "--import-mode=importlib", "--tb=short"]
    found += ["--pyargs", SUITE, f"--device={fault.type}:0", f"--report={report}"]
    if not full:
        found += [f"--function={name}" for name in fault.functions or ("add",)]
    return found + (["-x"] if quick else [])


def run(
    faults: Iterable[Fault], folder: Path, workers: int = 2, quick: bool = False,
    full: bool = False,
) -> Iterator[Outcome]:  # fmt: skip
    """The outcomes, as they come in."""
    warm_up(folder)
    waiting, running = list(faults)[::-1], dict[int, Fault]()
    while waiting or running:
        while waiting and len(running) < workers:
            fault = waiting.pop()
            running[_fork(fault, folder, quick, full)] = fault
        process, _ = os.wait()
        if process in running:
            fault = running.pop(process)
            yield read(fault, folder)


def warm_up(folder: Path) -> None:
    """Import the suite, so that forked processes have it."""
    report = folder / "warm.json"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main([*words(CLEAN, report, False, False), "--collect-only"])
    if code != 0:
        raise RuntimeError(f"the suite could not be collected:\n{said.getvalue()[-3000:]}")


def _fork(fault: Fault, folder: Path, quick: bool, full: bool) -> int:
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 3
    try:
        output = os.open(folder / f"{fault.type}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if fault.patch is not None:
            fault.patch(fault.type)
        report = folder / f"{fault.type}.json"
        report.unlink(missing_ok=True)
        chosen = [] if full else [Chosen(fault, quick)]
        code = int(pytest.main(words(fault, report, quick, full), plugins=chosen))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def read(fault: Fault, folder: Path) -> Outcome:
    """What a finished process has left."""
    outcome = Outcome(fault.id, fault.says, fault.area)
    try:
        report = json.loads((folder / f"{fault.type}.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        log = folder / f"{fault.type}.log"
        tail = log.read_text("utf-8", "replace")[-1500:] if log.exists() else ""
        outcome.error = f"{error}\n{tail}"
        return outcome
    for result in report["results"]:
        outcome.ran += 1
        outcome.total += result["seconds"]
        if not outcome.failures:
            outcome.seconds += result["seconds"]
        if result["outcome"] in ("failed", "error"):
            outcome.failures.append({"test": result["test"], "message": result["message"]})
    outcome.seconds, outcome.total = round(outcome.seconds, 3), round(outcome.total, 3)
    outcome.points = bool(outcome.failures) and points(fault, outcome.failures[0])
    return outcome


def points(fault: Fault, failure: dict[str, Any]) -> bool:
    """Whether a test's name, or what it says, has one of the words that the fault expects.

    Of a message only the lines that state the failure count, not the source around them.
    """
    stated = [line for line in failure["message"].splitlines() if line.startswith("E ")]
    text = " ".join([failure["test"], *stated]).replace(f"{fault.type}:", " ")
    heard = set(re.split(r"[^A-Za-z0-9]+", text)) | set(re.split(r"[^A-Za-z0-9_]+", text))
    return bool(heard & set(fault.names))


def timed(outcomes: Iterator[Outcome]) -> tuple[list[Outcome], float]:
    """All outcomes, and the seconds that they took together."""
    began = time.perf_counter()
    found = list(outcomes)
    return found, time.perf_counter() - began

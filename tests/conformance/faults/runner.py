"""Run the unmodified suite on faulty devices: one process for each, forked after the imports."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from .base import Fault
from .catalogue import CLEAN
from .outcome import Outcome, plain, read

__all__ = ["run", "words"]

SUITE = "tensorplug.conformance"

LONG = ("test_l3_machine.py", "test_basic_indices")
"""Files, and tests, that try much in a loop."""

STORES = ("l0", "l1", "l3")
NEAR = {
    "layout": STORES, "views": STORES, "in-place": STORES, "overlap": STORES, "casts": STORES,
    "transfer": STORES, "dlpack": STORES, "serialization": STORES, "gradients": ("l4_g", "l4_t"),
    "random": ("l4_r", "l4_s"), "threads": ("l0", "l5"), "memory": ("l0", "l5"),
    "async": ("l0", "l1", "l5"), "capabilities": ("l0", "l2", "l5"),
}  # fmt: skip
"""Beginnings of the files whose tests without cases are tried first, by area; else those of L2.

The rest, and what takes long, is run where no two tests have found a fault."""

NEVER = (
    "test_every_function_says_how_to_call_it",
    "test_numbers_beyond_the_largest_type_are_refused",
)
"""Tests of the suite itself that use no device."""

ENOUGH = 5
"""When so many tests have found a fault, the others are not run; ``full`` goes on."""


KNOWN: dict[str, str] = json.loads(Path(__file__).with_name("found_by.json").read_text("utf-8"))
"""A test that has found each fault before: quick runs try it first, ``--record`` notes it."""


class Chosen:
    """A pytest plugin that keeps the tests that are near a fault, or all others.

    It also stops the run when enough tests have failed.
    """

    def __init__(self, fault: Fault, stage: str) -> None:
        self.stage = stage
        self.known = KNOWN.get(fault.id, "").rpartition("::")[2]
        self.files = tuple(f"test_{start}" for start in NEAR.get(fault.area, ("l2",)))
        self.failed: set[str] = set()
        self.session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Remember what to stop."""
        self.session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the tests that failed, each once for all its parameters."""
        if report.failed:
            self.failed.add(plain(report.nodeid))
            if len(self.failed) >= ENOUGH and self.session is not None:
                self.session.shouldfail = "enough tests failed"

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect."""
        out = [item for item in items if not self._wanted(item)]
        if out:
            config.hook.pytest_deselected(items=out)
            items[:] = [item for item in items if self._wanted(item)]

    def _wanted(self, item: pytest.Item) -> bool:
        file, name = item.path.name, item.name.partition("[")[0]
        if name in NEVER or self.stage == "known":
            return name == self.known
        call = getattr(item, "callspec", None)
        near = (call is not None and "case" in call.params) or file.startswith(self.files)
        return (near and not (file in LONG or name in LONG)) is (self.stage == "near")


def words(fault: Fault, report: Path, mode: str, stage: str = "near") -> list[str]:
    """The command line for pytest."""
    suite = f"{SUITE}.{KNOWN[fault.id].partition('.')[0]}" if stage == "known" else SUITE
    found = ["-p", "no:cacheprovider", "-q", "--import-mode=importlib", "--tb=short"]
    found += ["--pyargs", suite, f"--device={fault.type}:0", f"--report={report}"]
    if mode == "full":
        return found
    found += [f"--function={name}" for name in fault.functions or ("add",)]
    return [*found, "-x"] if mode == "quick" else found


def run(
    faults: Iterable[Fault], folder: Path, workers: int = 2, mode: str = "usual"
) -> Iterator[Outcome]:
    """The outcomes, as they come in.

    ``mode`` is ``"quick"`` (up to the first failure), ``"usual"`` or ``"full"`` (the whole suite).
    """
    warm_up(folder)
    waiting = [(fault, _first_stage(fault, mode)) for fault in faults][::-1]
    running: dict[int, tuple[Fault, str]] = {}
    started: dict[str, Outcome] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            fault, stage = waiting.pop()
            running[_fork(fault, folder, mode, stage)] = (fault, stage)
        process, _, usage = os.wait4(-1, 0)
        if process not in running:
            continue
        fault, stage = running.pop(process)
        outcome = read(fault, folder, stage, started.pop(fault.id, None))
        outcome.stopped = mode != "full" and len(outcome.functions) >= _enough(mode)
        outcome.cpu += round(usage.ru_utime + usage.ru_stime, 2)
        after = _next_stage(fault, mode, stage, outcome)
        if after is None:
            yield outcome
        else:
            started[fault.id] = outcome
            waiting.append((fault, after))


def _enough(mode: str) -> int:
    return 1 if mode == "quick" else ENOUGH


def _first_stage(fault: Fault, mode: str) -> str:
    return "known" if mode == "quick" and fault.id in KNOWN else "near"


def _next_stage(fault: Fault, mode: str, stage: str, outcome: Outcome) -> str | None:
    """What to run next: nothing when enough tests have failed, or all have run."""
    wanted = 2 if mode == "usual" else 1
    if mode == "full" or stage == "rest" or len(outcome.functions) >= wanted:
        return None
    if stage == "known":
        outcome.error = ""  # the test may have gone
        return "near"
    allowed = fault.id[0] == "K"  # nothing is expected to fail: the rest takes long
    return None if mode == "quick" and allowed else "rest"


def warm_up(folder: Path) -> None:
    """Import the suite, so that forked processes have it."""
    report = folder / "warm.json"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main([*words(CLEAN, report, "usual"), "--collect-only"])
    if code != 0:
        raise RuntimeError(f"the suite could not be collected:\n{said.getvalue()[-3000:]}")


def _fork(fault: Fault, folder: Path, mode: str, stage: str) -> int:
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
        report = folder / f"{fault.type}.{stage}.json"
        report.unlink(missing_ok=True)
        plugins = [] if mode == "full" else [Chosen(fault, stage)]
        code = int(pytest.main(words(fault, report, mode, stage), plugins=plugins))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

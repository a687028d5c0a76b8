"""What the command prints: progress while the suite runs, then levels and what to repair first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tensorplug.conformance import LEVELS
from tensorplug.conformance.report import complete
from tensorplug.conformance.told import outcome, partial

__all__ = ["Display", "print_summary"]

FIRST = 5
"""How many causes are printed in full; the report has all."""

_STYLES = {"passes": "green", "fails": "red"}  # of levels


class Display:
    """A pytest plugin in place of pytest's own output: a bar while the suite runs."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose
        self.console = Console()
        if not self.console.is_terminal:
            self.console.width = 400  # a pipe has no width, and nothing should be cut
        self.total = self.done = self.failed = 0
        self.level = ""
        self.bar: Progress | None = None
        self.task: Any = None

    # --- pytest's hooks ---------------------------------------------------------------------------
    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Silence pytest's own report; its options stay."""
        config.pluginmanager.unregister(name="terminalreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the bar, once it is known how much there is to do."""
        self._start(len(session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """The same, where workers collect."""
        self._start(len(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Say what cannot even be collected."""
        if report.failed:
            self.console.print(Text(report.longreprtext, style="red"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test; name it where asked."""
        if report.when != "call" and report.outcome == "passed":
            return
        self.done += 1
        self.failed += report.failed
        name = report.nodeid.rpartition("/")[2]
        if self.verbose:
            self.console.print(f"{report.outcome:8} {name}", markup=False, highlight=False)
        if self.bar is not None:
            level = name.partition("_l")[2][:1]
            title = f"L{level} {LEVELS[int(level)]}" if level.isdigit() else ""
            self.bar.update(self.task, completed=self.done, failed=self.failed, description=title)

    def pytest_sessionfinish(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _start(self, total: int) -> None:
        self.total = total
        if self.bar is None and self.console.is_terminal:
            self.bar = Progress(
                TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("[red]{task.fields[failed]} failed"), TimeElapsedColumn(),
                console=self.console, transient=True,
            )  # fmt: skip
            self.task = self.bar.add_task("", total=total, failed=0)
            self.bar.start()


def print_summary(report: Mapping[str, Any], limit: int = FIRST) -> None:
    """Print a table of levels by device, then what to repair first on each."""
    console = Console()
    if not console.is_terminal:
        console.width = 400
    results = {result["test"]: result for result in complete(report["results"])}
    console.print(_table(report))
    general = report["counts"].get("", {})
    if general:
        listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(general.items()))
        console.print(Text(f"tests without a device: {listed}"))
    for line in partial(report):
        console.print(Text(line))
    _print_candidates(console, results)
    for device in report["devices"]:
        _print_first(console, device, report["about"][device]["first"], results, limit)


def _table(report: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = ("passed", "failed", "not supported")
    for title in ("device", "array library", *numbers, *LEVELS, "result"):
        table.add_column(title, justify="right" if title in numbers else "left")
    for device in report["devices"]:
        about, found = report["about"][device], Counter(report["counts"].get(device, {}))
        failed = found["failed"] + found["error"] + found["skipped"]
        passed = found["passed"] + found["on the host"]
        verdict, colour = outcome(report, device)
        levels = [Text(v, style=_STYLES.get(v, "dim")) for v in about["levels"].values()]
        table.add_row(
            Text(device), Text(f"{about['library']} {about['library_version']}"), str(passed),
            str(failed), str(found["not supported"]), *levels, Text(verdict, style=colour),
        )  # fmt: skip
    return table


def _print_candidates(console: Console, results: Mapping[str, Mapping[str, Any]]) -> None:
    new = [r for r in results.values() if r["candidate"]]
    bad = sum(r["outcome"] in ("failed", "error") for r in new)
    if new:
        console.print(Text(f"candidates, which do not count yet: {len(new)} run, {bad} failed"))


def _print_first(
    console: Console, device: str, first: list[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, Any]], limit: int,
) -> None:  # fmt: skip
    if not first:
        return
    console.print(Text(f"\n{device}: repair first", style="bold"))
    for number, cause in enumerate(first[:limit], 1):
        result = results[cause["test"]]
        blocks = f" ({cause['blocks']} more follow from it)" if cause["blocks"] else ""
        console.print(Text(f"{number}. {result['level']} {cause['test']}{blocks}", style="red"))
        for text in _lines(result):
            console.print(Text(f"   {text}"), soft_wrap=True)
    if len(first) > limit:
        console.print(Text(f"... and {len(first) - limit} more; --json or --html has all of them"))


def _lines(result: Mapping[str, Any]) -> list[str]:
    lines = [result["call"], result["problem"]]
    if result["kernel"]:
        others = [name for name in result["kernels"] if f"{name!r}" not in result["kernel"]]
        used = f"; kernels used: {', '.join(others[:8])}" if others else ""
        lines.append(f"computed by {result['kernel']}{used}")
    if result["expected_from"]:
        lines.append(f"expected value from {result['expected_from']}")
    rule = result["name"].removeprefix("test_").replace("_", " ")
    lines.append(f"rule: {rule} (docs/conformance-rules.md, level {result['level']})")
    code = result["reproduce"].splitlines()
    lines += ["to see it again:", *(f"    {line}" for line in code)] if code else []
    return [line for line in lines if line]

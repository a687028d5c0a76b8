"""Options of the parity run, and its table and verdict at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import tiers
from .table import THRESHOLD, percentage, table, verdict

_results = pytest.StashKey[list[dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "comparison with PyTorch")
    group.addoption("--device", default="cpu", help="where tensorplug's tensors live")
    group.addoption("--subject", default="tensorplug", help="module compared: tensorplug, torch")
    group.addoption("--tier", type=int, default=1, help="which names: 1, 2 or 3")
    group.addoption("--all-samples", action="store_true", help="no limit on samples per dtype")
    group.addoption("--few-samples", action="store_true", help="for devices that compile")
    group.addoption("--parity-json", help="write every name's result to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_results] = []
    config.pluginmanager.register(_Collector(config), "parity-collector")


class _Collector:
    """Gathers the names' results where pytest reports, that is in xdist's controller too."""

    def __init__(self, config: pytest.Config) -> None:
        self.results = config.stash[_results]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            found = (json.loads(text) for key, text in report.user_properties if key == "parity")
            self.results.extend(found)


def _whole_run(config: pytest.Config) -> bool:
    """Whether every name of the tier was compared, so that a percentage means something."""
    return len(config.stash[_results]) == len(tiers.names(config.getoption("--tier", 1)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole run passes at the threshold: single names that differ are shown, not fatal."""
    results = session.config.stash[_results]
    disagreeing = sum(result["status"] != "agree" for result in results)
    only_names = session.testsfailed == disagreeing
    if _whole_run(session.config) and only_names and percentage(results) >= THRESHOLD:
        session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    results = sorted(config.stash[_results], key=lambda result: result["name"])
    if not results:
        return
    tier = config.getoption("--tier", 1)
    terminalreporter.section(f"parity with PyTorch, tier {tier}")
    terminalreporter.write_line(table(results))
    terminalreporter.write_line(verdict(results, tier))
    path = config.getoption("--parity-json", None)
    if path:
        Path(path).write_text(json.dumps(results, indent=1), encoding="utf-8")

"""The suite's pytest plugin: devices, cases and the report.

Loaded only when ``tensorplug.conformance`` is on pytest's command line.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import tensorplug as tp

from tensorplug.conformance.samples import Case, cases

_PROFILE = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick")
hypothesis.settings.register_profile("quick", max_examples=15, deadline=None, derandomize=True)
hypothesis.settings.register_profile("thorough", max_examples=200, deadline=None, derandomize=True)
hypothesis.settings.load_profile(_PROFILE)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--device`` and ``--report``."""
    group = parser.getgroup("tensorplug conformance")
    group.addoption(
        "--device", action="append", metavar="NAME",
        help="a device to test, such as strict:0; repeat for several (default: cpu)",
    )  # fmt: skip
    group.addoption("--report", metavar="FILE", help="write the results as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse unknown devices before anything runs."""
    for name in devices(config):
        try:
            tp.device(name)
        except RuntimeError as error:
            raise pytest.UsageError(f"--device {name}: {error}") from error


def devices(config: pytest.Config) -> list[str]:
    """The devices under test."""
    return config.getoption("--device") or ["cpu"]


def supported(case: Case, device: str) -> bool:
    """Whether the device declares the case's dtype; an undeclared one has a test of its own."""
    found = tp.device(device)
    return bool(found.backend.supports_dtype(case.dtype, found.index))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise over devices, and over functions and dtypes where a test asks for ``case``."""
    names = devices(metafunc.config)
    if "case" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("cases")
        chosen = list(marker.args[0]() if marker and marker.args else cases())
        pairs = [(case, name) for name in names for case in chosen if supported(case, name)]
        ids = [f"{case!r}-{name}" for case, name in pairs]
        metafunc.parametrize(("case", "device"), pairs, ids=ids)
    elif "device" in metafunc.fixturenames:
        metafunc.parametrize("device", names)


# --- report --------------------------------------------------------------------------------------



def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember each result; called on the controlling process under xdist."""
    if report.when == "call" or report.outcome != "passed":
        _COLLECTED.append(
            {
                "test": report.nodeid.rpartition("/")[2],
                "outcome": report.outcome,
                "seconds": round(report.duration, 4),
                "message": "" if report.passed else report.longreprtext[-2000:],
            }
        )


_COLLECTED: list[dict[str, Any]] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the JSON report."""
    path = session.config.getoption("--report")
    if path is None or hasattr(session.config, "workerinput"):
        return
    counts: dict[str, int] = {}
    for result in _COLLECTED:
        counts[result["outcome"]] = counts.get(result["outcome"], 0) + 1
    summary = {
        "tensorplug": tp.__version__,
        "devices": devices(session.config),
        "profile": _PROFILE,
        "counts": counts,
        "results": _COLLECTED,
    }
    Path(path).write_text(json.dumps(summary, indent=1), encoding="utf-8")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order of the files: what others build on comes first."""
    items.sort(key=lambda item: item.nodeid.rpartition("/")[2].partition("::")[0])

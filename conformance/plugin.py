"""The suite's pytest plugin: devices, cases and the report.

Loaded only when ``tensorplug.conformance`` is on pytest's command line.
"""

from __future__ import annotations

import difflib
import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.conformance import PROFILES, SHARES
from tensorplug.conformance.samples import Case, cases, supports

for _name, _count in PROFILES.items():
    hypothesis.settings.register_profile(
        f"tensorplug-{_name}", max_examples=_count, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(hypothesis.HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    group = parser.getgroup("tensorplug conformance")
    group.addoption(
        "--device", action="append", metavar="NAME",
        help="a device to test, such as strict:0; repeat for several (default: cpu)",
    )  # fmt: skip
    group.addoption(
        "--function", action="append", metavar="NAME",
        help="only cases of this function, such as linalg.svd; repeat for several",
    )  # fmt: skip
    group.addoption("--report", metavar="FILE", help="write the results as JSON")
    group.addoption(
        "--profile", choices=sorted(PROFILES), default=None,
        help="how much to try (default: $TENSORPLUG_TEST_PROFILE, else quick)",
    )  # fmt: skip


def profile_of(config: pytest.Config) -> str:
    """``quick``, ``thorough`` or ``exhaustive``."""
    return config.getoption("--profile") or os.environ.get("TENSORPLUG_TEST_PROFILE", "quick")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse unknown devices before anything runs."""
    config.addinivalue_line(
        "markers", "cases(make=function): the cases to try, as made by function()"
    )
    hypothesis.settings.load_profile(f"tensorplug-{profile_of(config)}")
    for name in devices(config):
        try:
            tp.device(name)
        except RuntimeError as error:
            raise pytest.UsageError(f"--device {name}: {error}") from error
    _check_functions(config.getoption("--function") or [])
    config.pluginmanager.register(Report(config), "tensorplug-report")


def _check_functions(names: list[str]) -> None:
    """Refuse names that no case has, with the nearest that one has."""
    known = {public.qualname for public in FUNCTIONS.values()}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise pytest.UsageError(
                f"--function: expected the name of a function, got {name}{hint}"
            )


def devices(config: pytest.Config) -> list[str]:
    """The devices under test."""
    return [str(name) for name in config.getoption("--device") or ["cpu"]]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise over devices, and over functions and dtypes where a test asks for ``case``."""
    names = devices(metafunc.config)
    if "case" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("cases")
        every = list(marker.kwargs["make"]() if marker else cases())
        only = metafunc.config.getoption("--function")
        if only:
            every = [case for case in every if case.public.qualname in only]
        pairs = [
            (case, name)
            for name in names
            for case in (every if only else _share(metafunc, name, every))
            if supports(name, case.dtype)
        ]
        ids = [f"{case!r}-{name}" for case, name in pairs]
        metafunc.parametrize(("case", "device"), pairs, ids=ids)
    elif "device" in metafunc.fixturenames:
        metafunc.parametrize("device", names)


def _share(metafunc: pytest.Metafunc, device: str, chosen: list[Case]) -> list[Case]:
    """The cases to try on a device: few of them where each costs a compilation; see ``SHARES``.

    Which ones depends on the test and the device, so that a few devices see much together.
    """
    shares = SHARES[profile_of(metafunc.config)]
    if not tp.device(device).backend.compiles:
        return chosen
    salt = f"{metafunc.function.__name__} {device}"
    return [case for case in chosen if zlib.crc32(f"{case!r} {salt}".encode()) % shares == 0]


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether to take the time for more."""
    return profile_of(request.config) != "quick"


def _has_no_case(item: pytest.Item) -> bool:
    """Whether a test was left without anything to try: pytest keeps it, to be skipped."""
    parameters = getattr(item, "callspec", None)
    return parameters is not None and any(
        type(value).__name__ == "NotSetType" for value in parameters.params.values()
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the order of the files, as what others build on comes first; note the devices."""
    empty = [item for item in items if _has_no_case(item)]
    if empty:
        config.hook.pytest_deselected(items=empty)
    kept = [item for item in items if not _has_no_case(item)]
    items[:] = sorted(kept, key=lambda item: item.path.name)
    for item in items:
        item.user_properties.append(("file", item.path.name))
        parameters = getattr(item, "callspec", None)
        device = parameters.params.get("device") if parameters is not None else None
        if device is not None:
            item.user_properties.append(("device", device))


# --- report --------------------------------------------------------------------------------------


class Report:
    """Collects results, on the controlling process under xdist, and writes them as JSON."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember each result."""
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.partition("::")[2]
            properties = dict(report.user_properties)
            self.results.append(
                {
                    "test": f"{properties['file']}::{name}",
                    "device": properties.get("device"),
                    "outcome": report.outcome,
                    "seconds": round(report.duration, 4),
                    "message": "" if report.passed else report.longreprtext[-4000:],
                }
            )

    def counts(self) -> dict[str, dict[str, int]]:
        """How many tests passed, failed, ... on each device; "" for those without a device."""
        found: dict[str, Counter[str]] = {}
        for result in self.results:
            found.setdefault(result["device"] or "", Counter())[result["outcome"]] += 1
        return {device: dict(counter) for device, counter in found.items()}

    def summary(self) -> dict[str, Any]:
        """What the JSON file holds."""
        return {
            "tensorplug": tp.__version__,
            "devices": devices(self.config),
            "profile": profile_of(self.config),
            "counts": self.counts(),
            "results": self.results,
        }

    def pytest_sessionfinish(self) -> None:
        """Write the file that ``--report`` names."""
        path = self.config.getoption("--report")
        if path is not None and not hasattr(self.config, "workerinput"):
            Path(path).write_text(json.dumps(self.summary(), indent=1), encoding="utf-8")

"""The suite's pytest plugin: devices, cases, what a device must declare, and the report.

Loaded only when ``tensorplug.conformance`` is on pytest's command line.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.backends import CAPABILITIES
from tensorplug.conformance import SHARES, badge, page
from tensorplug.conformance.budget import Budget, by_worth
from tensorplug.conformance.failures import facts as facts_of
from tensorplug.conformance.levels import is_candidate, level_of
from tensorplug.conformance.options import (
    CURRENT,
    add_options,
    configure,
    devices,
    profile_of,
    run_of,
    selected,
)
from tensorplug.conformance.reference import LAST, kernel_of
from tensorplug.conformance.report import EMPTY, counts, document
from tensorplug.conformance.samples import Case, cases, supports

UNDECLARED = "not supported: "
"""How the reason of a test begins that was not run, because the device does not declare enough."""

_FACTS = "tensorplug"
"""The user property of a test that holds what the report says of it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Refuse unknown devices before anything runs."""
    config.addinivalue_line(
        "markers", "cases(make=function): the cases to try, as made by function()"
    )
    config.addinivalue_line(
        "markers", "needs(capability, ...): run only on devices that declare all of them"
    )
    config.addinivalue_line(
        "markers", "shared: only some of them are tried where each costs compilations, or --share"
    )
    config.addinivalue_line("markers", "exhaustive: run only in the profile of that name")
    configure(config)
    config.pluginmanager.register(Report(config), "tensorplug-report")
    budget = config.getoption("--budget")
    if budget and getattr(config.option, "dist", "no") in ("no", None):  # else each worker's own
        config.pluginmanager.register(Budget(budget))


# --- which tests ---------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise over devices, and over functions and dtypes where a test asks for ``case``."""
    names = devices(metafunc.config)
    if "case" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("cases")
        every = list(marker.kwargs["make"]() if marker else cases())
        only = metafunc.config.getoption("--function") or metafunc.config.getoption("--op")
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
    compiles = tp.device(device).backend.compiles
    shares = SHARES[profile_of(metafunc.config)] if compiles else 1
    shares *= metafunc.config.getoption("--share")
    if shares == 1:
        return chosen
    salt = f"{metafunc.function.__name__} {device}"
    return [case for case in chosen if zlib.crc32(f"{case!r} {salt}".encode()) % shares == 0]


@pytest.fixture
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether to take the time for more."""
    return profile_of(request.config) != "quick"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the order of the files, as what others build on comes first; note what each test is."""
    wanted = selected(config)
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        facts = _collected(item)
        item.user_properties.append((_FACTS, facts))
        chosen = wanted(facts) and not _has_no_case(item) and _is_affordable(config, item, facts)
        (kept if chosen else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = sorted(kept, key=lambda item: item.path.name)
    if config.getoption("--budget"):
        names = [_known(item)["test"].partition("[")[0] for item in items]
        items[:] = [items[place] for place in by_worth(names)]


def _is_affordable(config: pytest.Config, item: pytest.Item, facts: dict[str, Any]) -> bool:
    """Of tests marked ``shared``, a few are tried where each costs compilations, or by --share; and
    those marked ``exhaustive`` in that profile only.
    """
    if item.get_closest_marker("exhaustive") and profile_of(config) != "exhaustive":
        return False
    shared = item.get_closest_marker("shared") is not None and "case" not in _parameters(item)
    if not shared or facts["device"] is None:
        return True
    shares = int(config.getoption("--share"))
    if tp.device(facts["device"]).backend.compiles:
        shares *= max(SHARES[profile_of(config)] // 4, 1)
    return zlib.crc32(facts["test"].encode()) % shares == 0


def _has_no_case(item: pytest.Item) -> bool:
    """Whether a test was left without anything to try: pytest keeps it, to be skipped."""
    return any(type(value).__name__ == "NotSetType" for value in _parameters(item).values())


def _parameters(item: pytest.Item) -> dict[str, Any]:
    call = getattr(item, "callspec", None)
    return call.params if call is not None else {}


def _collected(item: pytest.Item) -> dict[str, Any]:
    """What is known of a test before it runs; see :mod:`tensorplug.conformance.report`."""
    file, parameters = item.path.name, _parameters(item)
    device, case = parameters.get("device"), parameters.get("case")
    found: dict[str, Any] = {
        "test": f"{file}::{item.name}", "file": file, "name": getattr(item, "originalname", ""),
        "level": f"L{level_of(file)}", "device": device if isinstance(device, str) else None,
        "needs": [name for marker in item.iter_markers("needs") for name in marker.args],
    }  # fmt: skip
    if isinstance(case, Case):
        row = case.public.row
        found |= {"function": case.public.qualname, "dtype": case.dtype.name}
        found["needs"] += [row.needs] if row is not None and row.needs else []
    else:  # a test that is tried for some functions, or capabilities, by name
        words = [value for value in parameters.values() if isinstance(value, str)]
        named = [word for word in words if word in FUNCTIONS]
        found["function"] = named[0] if len(named) == 1 else None
        found["needs"] += [word for word in words if word in CAPABILITIES]
    found["candidate"] = is_candidate(f"{file}::{found['name']}", found["function"])
    return {**EMPTY, **found}


# --- running one ---------------------------------------------------------------------------------


def _known(item: pytest.Item) -> dict[str, Any]:
    found: Any = dict(item.user_properties)[_FACTS]
    return cast("dict[str, Any]", found)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out a test that needs what its device does not declare."""
    facts = _known(item)
    CURRENT[0] = facts["device"] or ""
    LAST.clear()
    if facts["device"] is None:
        return
    asked = [name for marker in item.iter_markers("needs") for name in marker.args]
    missing = [name for name in asked if name not in tp.device(facts["device"]).capabilities]
    if missing:
        pytest.skip(f"{UNDECLARED}{facts['device']} does not declare {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what its author needs; a refusal as documented is no failure."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    facts = _known(item)
    if report.failed and isinstance(error, tp.backends.CapabilityError):
        where = error.device or facts["device"]
        if where == facts["device"] and error.capability not in tp.device(where).capabilities:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), 0, f"{UNDECLARED}{error}")
    if report.failed:
        _explain(facts, error)
    elif report.when == "call" and facts["function"] and LAST and _falls_back(facts["device"]):
        facts["kernel"] = kernel_of(LAST[0].case.public, LAST[0].device)
    return report


def _falls_back(device: str) -> bool:
    return tp.device(device).backend.host_fallback


def _explain(facts: dict[str, Any], error: BaseException | None) -> None:
    text = str(error).partition("\n")[0] or type(error).__name__
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    facts["problem"] = f"{kind}{text}"[:400]
    if facts["function"] in FUNCTIONS and facts["device"]:
        facts["kernel"] = kernel_of(FUNCTIONS[facts["function"]], facts["device"])
    if LAST and (LAST[0].device == facts["device"] or facts["device"] is None):
        told = LAST[0].problem
        try:
            found = facts_of(LAST[0])
        except Exception as again:  # noqa: BLE001 - a device may be too broken to be asked
            found = {"call": f"{LAST[0].name}, whose arguments cannot be read: {again}"}
        facts |= {name: value for name, value in found.items() if value}
        facts["problem"] = (found.get("problem") or told) if told else facts["problem"]
    if facts["device"] and not facts["reproduce"]:
        facts["reproduce"] = (
            f"python -m tensorplug conformance --device {facts['device']} -k {facts['name']}"
        )


# --- report --------------------------------------------------------------------------------------


class Report:
    """Collects results, on the controlling process under xdist, and writes what is asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results: list[dict[str, Any]] = []
        self.document: dict[str, Any] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember each result."""
        if report.when != "call" and report.outcome == "passed":
            return
        facts: Any = dict(report.user_properties)[_FACTS]
        self.results.append(
            {
                **facts,
                "outcome": _outcome(report, facts),
                "seconds": round(report.duration, 4),
                "message": "" if report.passed else _text(report)[-4000:],
            }
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """How many tests passed, failed, ... on each device; "" for those without a device."""
        return counts(self.results)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the files that the options name."""
        if hasattr(self.config, "workerinput"):
            return
        stopped = bool(session.shouldstop or session.shouldfail)
        run = {**run_of(self.config), "stopped": stopped}
        self.document = document(self.results, devices(self.config), run)
        for option, write in _FILES.items():
            path = self.config.getoption(option)
            if path is not None:
                Path(path).write_text(write(self.document), encoding="utf-8")


def _outcome(report: pytest.TestReport, facts: dict[str, Any]) -> str:
    if report.skipped:
        return "not supported" if UNDECLARED in _text(report) else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "on the host" if facts["kernel"].startswith("the host") else "passed"


def _text(report: pytest.TestReport) -> str:
    found = report.longrepr
    return str(found[2]) if isinstance(found, tuple) else report.longreprtext


_FILES = {
    "--report": lambda document: json.dumps(document, indent=1),
    "--html": page.render,
    "--badge": badge.render,
}

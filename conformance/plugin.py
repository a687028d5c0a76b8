"""The suite's pytest plugin: devices, cases, what a device must declare, and the report.

Loaded only when ``tensorplug.conformance`` is on pytest's command line.
"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Generator
from typing import Any, cast

import pytest

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.backends import CAPABILITIES
from tensorplug.backends.dtypes import ALL, DType
from tensorplug.conformance import SHARES, errors, exclusions, outputs
from tensorplug.conformance.budget import Budget, by_worth
from tensorplug.conformance.compared import measure
from tensorplug.conformance.failures import command
from tensorplug.conformance.failures import facts as facts_of
from tensorplug.conformance.kept import CURRENT
from tensorplug.conformance.levels import is_candidate, level_of
from tensorplug.conformance.options import (
    add_options,
    configure,
    devices,
    profile_of,
    remarks,
    run_of,
    selected,
)
from tensorplug.conformance.reference import LAST, kernel_of
from tensorplug.conformance.report import EMPTY, counts, document
from tensorplug.conformance.samples import Case, cases, supports
from tensorplug.conformance.selection import asked
from tensorplug.conformance.tally import TALLY, Tally, has_no_case, parameters

UNDECLARED = "not supported: "
"""How the reason of a test begins that was not run, because the device does not declare enough."""

TYPES = frozenset(dtype.name for dtype in ALL)

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
    exclusions.of(config)  # a malformed file is refused before anything runs
    if not hasattr(config, "workerinput"):
        outputs.check(config)
    config.stash[TALLY] = Tally()
    config.pluginmanager.register(config.stash[TALLY], "tensorplug-tally")
    config.pluginmanager.register(Report(config), "tensorplug-report")
    budget = config.getoption("--budget")
    if budget and getattr(config.option, "dist", "no") in ("no", None):  # else each worker's own
        config.pluginmanager.register(Budget(budget))


# --- which tests ---------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Make the tests, all of which stay, without looking through them for garbage again and again.

    Nor are they looked through at each test afterwards, which takes longer than a short run itself.
    """
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
    try:
        return (yield)
    finally:
        gc.set_threshold(*usual)
        gc.freeze()


def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> list[Any] | None:
    """Leave out what is not asked for before anything is made of it."""
    return [] if asked(collector.config).leaves_out(name, obj) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise over devices, and over functions and dtypes where a test asks for ``case``."""
    names = devices(metafunc.config)
    if "case" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("cases")
        about = asked(metafunc.config)
        every = about.made_by(marker.kwargs["make"] if marker else cases)
        pairs = []
        for name in names:
            fit = [case for case in every if supports(name, case.dtype)]
            tried = _share(metafunc, name, fit) if about.cases is None else fit
            test = f"{metafunc.definition.path.name}::{metafunc.function.__name__}"
            metafunc.config.stash[TALLY].add(test, name, len(fit) - len(tried))
            pairs += [(case, name) for case in tried]
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
        chosen = wanted(facts) and not has_no_case(item) and _is_affordable(config, item, facts)
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
    shared = item.get_closest_marker("shared") is not None and "case" not in parameters(item)
    if not shared or facts["device"] is None:
        return True
    shares = int(config.getoption("--share"))
    if tp.device(facts["device"]).backend.compiles:
        shares *= max(SHARES[profile_of(config)] // 4, 1)
    return zlib.crc32(facts["test"].encode()) % shares == 0


def _collected(item: pytest.Item) -> dict[str, Any]:
    """What is known of a test before it runs; see :mod:`tensorplug.conformance.report`."""
    file, given = item.path.name, parameters(item)
    device, case = given.get("device"), given.get("case")
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
        words = [value for value in given.values() if isinstance(value, str)]
        words += [value.name for value in given.values() if isinstance(value, DType)]
        named = [word for word in words if word in FUNCTIONS]
        found["function"] = named[0] if len(named) == 1 else None
        found["needs"] += [word for word in words if word in CAPABILITIES or word in TYPES]
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
    measure(f"{facts['file']}::{facts['name']}" in errors.MEASURED)
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
    if report.when == "call":
        facts["errors"] = errors.found()
        measure(False)
    if report.failed:
        _explain(facts, error)
    elif report.when == "call" and facts["function"] and LAST and _falls_back(facts["device"]):
        facts["kernel"] = kernel_of(LAST[0].case.public, LAST[0].device)
    exclusions.apply(exclusions.of(item.config).get(facts["test"]), report, facts)
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
        facts["reproduce"] = command(facts)


# --- report --------------------------------------------------------------------------------------


class Report:
    """Collects results, on the controlling process under xdist, and writes what is asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results: list[dict[str, Any]] = []
        self.errors: errors.Errors = {}
        self.document: dict[str, Any] = {}
        self.unwritten: list[str] = []
        """Which files could not be written, in words."""
        self.complaints: list[str] = []
        """What is wrong with the file of exclusions."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember each result."""
        if report.when != "call" and report.outcome == "passed":
            return
        facts: Any = dict(report.user_properties).get(_FACTS) or _of_a_crash(report.nodeid)
        measured = facts.get("errors")
        if measured is not None and report.when == "call":
            errors.add(self.errors, facts["device"], facts["function"], facts["dtype"], measured)
        # Nothing is taken out of the facts themselves: a worker of xdist has yet to send them.
        facts = {name: value for name, value in facts.items() if name != "errors"}
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

    def pytest_report_header(self) -> list[str]:
        """What is remarkable of a report that is replayed."""
        return remarks(self.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the files that the options name."""
        if hasattr(self.config, "workerinput"):
            return
        ended = exitstatus in (0, 1, pytest.ExitCode.NO_TESTS_COLLECTED)
        tally = self.config.stash[TALLY]
        run = {
            **run_of(self.config),
            "stopped": not ended or bool(session.shouldstop or session.shouldfail),
            "chosen": tally.chosen,
            "expected": tally.expected,
            "errors": self.errors,
        }
        entries = exclusions.of(self.config)
        every = asked(self.config).everything
        self.complaints = exclusions.complaints(
            entries, self.results, tally.expected if every else {}
        )
        if self.complaints and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        run |= {"exclude": {"entries": len(entries), "wrong": self.complaints}} if entries else {}
        self.document = document(self.results, devices(self.config), run)
        self.unwritten = outputs.write(self.config, self.document)
        if self.unwritten and ended:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which files could not be written, and what is wrong with exclusions."""
        for line in (*self.complaints, *self.unwritten):
            terminalreporter.write_line(f"ERROR: {line}", red=True)


def _of_a_crash(nodeid: str) -> dict[str, Any]:
    """What is known of a test that has taken a worker process down with it."""
    path, _, name = nodeid.partition("::")
    file = path.rpartition("/")[2]
    return {
        **EMPTY, "test": f"{file}::{name}", "file": file, "name": name.partition("[")[0],
        "level": f"L{level_of(file)}", "candidate": False,
    }  # fmt: skip


def _outcome(report: pytest.TestReport, facts: dict[str, Any]) -> str:
    if report.skipped and _text(report).startswith(exclusions.EXCLUDED):
        return "excluded"
    if report.skipped:
        return "not supported" if UNDECLARED in _text(report) else "skipped"
    if report.failed:
        return "failed" if report.when == "call" else "error"
    return "on the host" if facts["kernel"].startswith("the host") else "passed"


def _text(report: pytest.TestReport) -> str:
    found = report.longrepr
    return str(found[2]) if isinstance(found, tuple) else report.longreprtext

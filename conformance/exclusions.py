"""``--exclude FILE``: failures that the author of a backend knows of, each with its reason.

The file is TOML::

    [[exclude]]
    id = "test_l2_forward.py::test_inf_nan_and_zero[remainder-float64-acme:0]"
    reason = "the library rounds towards zero"
    link = "https://example.org/acme/issues/12"
    expires = 2027-06-30  # or "2027.1", a version of the suite

The tests run all the same. One that fails is reported as ``excluded``, with the reason; one that
passes has to leave the file, so that no entry outlives its failure.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tensorplug.conformance import SUITE_VERSION
from tensorplug.conformance.levels import FOLDER, tests_of

__all__ = ["EXCLUDED", "Exclusion", "apply", "complaints", "lines_of", "of", "read"]

EXCLUDED = "excluded: "
"""How the message of a failure begins that was known."""

_FIELDS = ("id", "reason", "link", "expires")
_VERSION = re.compile(r"\d{4}\.\d+")


class Exclusion(NamedTuple):
    """An entry of the file."""

    id: str
    """The test, exactly as reports call it."""
    reason: str
    link: str
    expires: str
    """The first day, or version of the suite, for which the entry holds no longer."""

    @property
    def expired(self) -> bool:
        """Whether the entry holds no longer."""
        if _VERSION.fullmatch(self.expires):
            return _numbers(self.expires) <= _numbers(SUITE_VERSION)
        today = datetime.datetime.now(datetime.UTC).date()
        return datetime.date.fromisoformat(self.expires) <= today

    def __str__(self) -> str:
        return f"{self.reason} ({self.link})"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


# --- reading -------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Exclusion]:
    """The entries of a file, by test.

    Raises:
        pytest.UsageError: there is no such file, or it has another form.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise _wrong(path, f"a file that can be read, got: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no text
        raise _wrong(path, f"TOML, got: {error}") from error
    tables = found.get("exclude", [])
    if set(found) - {"exclude"} or not isinstance(tables, list):
        raise _wrong(path, f"tables called [[exclude]] alone, got {', '.join(found)}")
    entries: dict[str, Exclusion] = {}
    for number, table in enumerate(tables, 1):
        entry = _entry(path, number, table)
        if entry.id in entries:
            raise _wrong(path, f"each test once, got two entries for {entry.id}")
        entries[entry.id] = entry
    return entries


def _entry(path: Path, number: int, table: Any) -> Exclusion:
    where = f"entry {number}"
    if not isinstance(table, dict):
        raise _wrong(path, f"a table [[exclude]] as {where}, got {table!r}")
    where += f" ({table['id']})" if isinstance(table.get("id"), str) else ""
    if isinstance(table.get("expires"), datetime.date):
        table = {**table, "expires": table["expires"].isoformat()[:10]}
    for name in _FIELDS:
        value = table.get(name)
        if not isinstance(value, str) or not value.strip():
            got = f"{value!r}" if name in table else "none"
            raise _wrong(path, f"{where} to have a text as {name}, got {got}")
    if set(table) - set(_FIELDS):
        more = ", ".join(sorted(set(table) - set(_FIELDS)))
        raise _wrong(path, f"{where} to have {', '.join(_FIELDS)} and no more, got also {more}")
    if not _VERSION.fullmatch(table["expires"]) and not _is_date(table["expires"]):
        got = f"got {table['expires']!r}"
        raise _wrong(
            path, f"{where} to expire on a date or with a version such as {SUITE_VERSION!r}, {got}"
        )
    return Exclusion(**table)


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _wrong(path: Path, expected: str) -> pytest.UsageError:
    line = " ".join(f"--exclude: {path}: expected {expected}".split())
    return pytest.UsageError(f"{line}; see docs/conformance.md")


_READ = pytest.StashKey[dict[str, Exclusion]]()


def of(config: pytest.Config) -> dict[str, Exclusion]:
    """The entries of the file that the options name, by test."""
    if _READ not in config.stash:
        name = config.getoption("--exclude")
        config.stash[_READ] = read(Path(name)) if name is not None else {}
    return config.stash[_READ]


# --- what becomes of a test -----------------------------------------------------------------------


def apply(entry: Exclusion | None, report: pytest.TestReport, facts: dict[str, Any]) -> None:
    """Turn a known failure into an exclusion, and a pass that should be none into a failure."""
    if entry is None or entry.expired:
        return
    if report.failed:
        report.outcome = "skipped"
        report.longrepr = (facts["file"], 0, f"{EXCLUDED}{entry}\n\n{report.longreprtext}")
    elif report.when == "call" and report.passed:
        report.outcome = "failed"
        facts["problem"] = report.longrepr = (
            f"expected a failure, as --exclude says, got a pass; take the entry away: {entry}"
        )


def complaints(
    entries: Mapping[str, Exclusion], results: Sequence[Mapping[str, Any]],
    expected: Mapping[str, Mapping[str, int]],
) -> list[str]:  # fmt: skip
    """What is wrong with entries besides tests that pass: they have expired, or there is no test.

    ``expected`` says by device how many cases a test has; of one that was not run whole, a case
    that is missing may be one that was left out.
    """
    ran = {result["test"] for result in results}
    count = Counter(test.partition("[")[0] for test in ran)
    found = []
    for entry in entries.values():
        function, bracket, _ = entry.id.partition("[")
        cases = sum(tests.get(function, 0) for tests in expected.values())
        whole = 0 < cases <= count[function]
        if entry.expired:
            found.append(f"--exclude: {entry.id} has expired ({entry.expires}): {entry}")
        elif entry.id not in ran and (
            not _is_function(function) or whole or (count[function] and not bracket)
        ):
            found.append(
                "--exclude: expected the whole id of a test of these devices, as reports have it, "
                f"got {entry.id}"
            )
    return found


def _is_function(name: str) -> bool:
    file, _, function = name.partition("::")
    path = FOLDER / file
    known = path.parent == FOLDER and path.name.startswith("test_l") and path.is_file()
    return known and function in [test.name for test in tests_of(path)]


def lines_of(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """The excluded failures of a report, with their reasons."""
    mine = [result for result in results if result["outcome"] == "excluded"]
    lines = [f"{len(mine)} excluded failures: their levels are not reached"] if mine else []
    for result in mine:
        reason = result["message"].partition("\n")[0].removeprefix(EXCLUDED)
        lines.append(f"   {result['level']} {result['test']}: {reason}")
    return lines

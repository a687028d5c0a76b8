"""The report of a run: one JSON document, from which everything else is made.

``data/report.schema.json`` describes all fields. ``results`` holds one entry per test and device::

    {"test": "test_l2_forward.py::test_values[exp-float32-acme:0]", "file": "test_l2_forward.py",
     "name": "test_values", "level": "L2", "device": "acme:0", "function": "exp",
     "dtype": "float32", "outcome": "failed", "seconds": 0.01, "candidate": false, "needs": [],
     "message": "...", "problem": "expected 1.0 at (0,), got 2.0", "call": "exp(...)",
     "kernel": "kernel 'exp' of acme", "kernels": ["exp"], "reproduce": "import ...",
     "blocked_by": ""}

``outcome`` is ``passed``, ``failed``, ``error`` (the test could not start), ``not supported``
(the device does not declare what it needs, and said so), ``on the host`` (passed by fallback),
``excluded`` (failed, as ``--exclude`` says) or ``skipped``. A field that has the value in
:data:`EMPTY` is left out of the file.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import tensorplug as tp
from tensorplug.backends.plugging import current
from tensorplug.conformance import SUITE_VERSION
from tensorplug.conformance.assumed import declared
from tensorplug.conformance.causes import causes
from tensorplug.conformance.levels import FOLDER, frozen, level_of, missing, reached, verdicts
from tensorplug.conformance.schema import misfit
from tensorplug.conformance.told import selection
from tensorplug.conformance.versions import drivers, libraries, versions

__all__ = [
    "EMPTY", "FAILED", "SCHEMA", "complete", "counts", "digest", "document", "peculiar", "read",
    "replayable", "suite_hash", "verify",
]  # fmt: skip

SCHEMA = 1
"""Grows when a field changes its meaning or goes; new fields may come without notice."""

EMPTY: dict[str, Any] = {
    "device": None, "function": None, "dtype": None, "needs": [], "message": "", "problem": "",
    "call": "", "expected_from": "", "kernel": "", "kernels": [], "reproduce": "", "blocked_by": "",
}  # fmt: skip
"""What a result has unless it says otherwise."""

FAILED = ("failed", "error")
"""The outcomes that ``--replay`` repeats."""


@cache
def suite_hash() -> str:
    """A hash of the suite's own files: two reports with one hash come from the same suite."""
    found = hashlib.sha256()
    for file in sorted([*FOLDER.glob("*.py"), *FOLDER.glob("data/*.json")]):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:16]


def counts(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """How many tests passed, failed, ... on each device; "" for those without a device."""
    found: dict[str, Counter[str]] = {}
    for result in results:
        found.setdefault(result["device"] or "", Counter())[result["outcome"]] += 1
    return {device: dict(counter) for device, counter in found.items()}


def document(
    results: Sequence[dict[str, Any]], devices: Sequence[str], run: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole report; ``run`` says how it was made (profile, seed, what was left out),
    and what it measured.
    """
    whole = _is_whole(run, results)
    summaries, blocked = {}, dict[str, str]()
    for device in devices:
        found = causes(results, device)
        for cause in found:
            for result in cause.blocked:
                blocked[result["test"]] = cause.failure["test"]
        levels = verdicts(results, device, whole, run["expected"])
        first = [{"test": c.failure["test"], "blocks": len(c.blocked)} for c in found]
        summaries[device] = {
            **_describe(device), "levels": levels, "reached": reached(levels), "first": first,
        }  # fmt: skip
    made = {
        "schema": SCHEMA,
        "suite": {"version": SUITE_VERSION, "hash": suite_hash()},
        "tensorplug": tp.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": versions({"numpy", "scipy", "ml_dtypes", "pytest", "hypothesis"}),
        "drivers": drivers(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **run,
        "devices": list(devices),
        "about": summaries,
        "counts": counts(results),
        "results": [
            _without_empty({**r, "blocked_by": blocked.get(r["test"], "")}) for r in results
        ],
    }
    return {**made, "digest": digest(made)}


def _is_whole(run: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no test was left out on purpose, and all those chosen have run."""
    ran = len({result["test"] for result in results})
    return not (run["selection"] or run["stopped"] or run["assume_all"]) and ran == run["chosen"]


def _without_empty(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in result.items() if name not in EMPTY or value != EMPTY[name]
    }


def complete(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The results of a report with the fields that are empty."""
    return [{**EMPTY, **result} for result in results]


def _describe(device: str) -> dict[str, Any]:
    """The device under test: library, plugin, contract version, capabilities."""
    where = tp.device(device)
    claim = current().load(where.type).claim
    source = claim.source
    return {
        "library": where.backend.name,
        "library_version": where.backend.version(),
        "libraries": libraries(where.backend),
        "hardware": where.backend.device_name(where.index),
        "plugin": source.distribution or source.name,
        "plugin_version": source.version,
        "contract": claim.spec.api,
        "capabilities": sorted(declared(device)),
    }


def digest(report: Mapping[str, Any]) -> str:
    """A checksum of everything else in a report."""
    plain = {name: value for name, value in report.items() if name != "digest"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def verify(report: Mapping[str, Any]) -> list[str]:
    """Why a report proves nothing: edited, partial, or of another suite; empty when it does.

    The checksum notices changes by hand, not forgery by somebody who computes it anew.
    """
    if report.get("schema") != SCHEMA:
        return [f"schema: expected {SCHEMA}, got {report.get('schema')}; make the report again"]
    fault = misfit(report)
    if fault is not None:
        return [f"{fault}; make the report again"]
    faults = []
    if report["digest"] != digest(report):
        faults.append("digest: expected the checksum of the contents, got another: it was edited")
    suite = report["suite"]
    try:
        frozen(suite["version"])
    except FileNotFoundError:
        faults.append(f"suite: expected a known version, got {suite['version']}")
    if suite["version"] == SUITE_VERSION and suite["hash"] != suite_hash():
        faults.append(f"suite: expected the hash {suite_hash()}, got {suite['hash']}")
    if report["selection"]:
        chosen = selection(report["selection"])
        faults.append(f"selection: expected all tests, got only those of {chosen}")
    if report["stopped"]:
        faults.append("stopped: expected a run to its end, got one that was stopped")
    if report["assume_all"]:
        faults.append("assume_all: expected what the devices declare, got a run that tried more")
    return faults + _contradictions(report)


def _contradictions(report: Mapping[str, Any]) -> list[str]:
    """What a report says that its results do not."""
    results, faults = complete(report["results"]), []
    ran = len({result["test"] for result in results})
    if ran != report["chosen"]:
        faults.append(f"chosen: expected results of {report['chosen']} tests, got {ran}")
    if report["counts"] != counts(results):
        faults.append("counts: expected those of the results, got others")
    for device in report["devices"]:
        about = report["about"].get(device)
        if about is None:
            faults.append(f"about: expected {device} as in devices, got no such name")
            continue
        whole = _is_whole(report, results)
        levels = verdicts(results, device, whole, report["expected"])
        if (levels, reached(levels)) != (about["levels"], about["reached"]):
            faults.append(f"levels: expected {levels} for {device}, got others")
        if not report["selection"]:
            faults += _lacks(report, results, device)
    return faults


def _lacks(
    report: Mapping[str, Any], results: Sequence[Mapping[str, Any]], device: str
) -> list[str]:
    """A line that names the first test of which cases are missing, of the levels asked for."""
    top = report["level"] or "L9"
    expected = report["expected"]
    known = {**expected.get("", {}), **expected.get(device, {})}
    tests = [test for test in known if f"L{level_of(test)}" <= top]
    lost = missing(results, device, expected, tests)
    if not lost:
        return []
    test, (wanted, got) = next(iter(lost.items()))
    more = f", and fewer of {len(lost) - 1} other tests" if len(lost) > 1 else ""
    cases = "1 case" if wanted == 1 else f"{wanted} cases"
    return [f"expected: {cases} of {test} on {device}, got {got}{more}"]


def read(path: Path) -> dict[str, Any]:
    """A report from a file.

    Raises:
        TensorplugError: there is no such file, or it is no report.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise tp.backends.TensorplugError(
            f"conformance: expected a report that --json wrote, got {path}: {error}",
            op="conformance",
        ) from error
    if not isinstance(found, dict) or "results" not in found:
        raise tp.backends.TensorplugError(
            f"conformance: expected a report that --json wrote, got another file: {path}",
            op="conformance",
        )
    return found


def replayable(path: Path) -> dict[str, Any]:
    """A report from a file that ``--replay`` can repeat.

    Raises:
        TensorplugError: there is no such file, or it has not the form of a report.
    """
    found = read(path)
    fault = misfit(found)
    if fault is not None:
        raise tp.backends.TensorplugError(
            f"conformance: expected a report that --json wrote, got {path}: {fault}",
            op="conformance",
        )
    return found


def peculiar(report: Mapping[str, Any], path: str) -> list[str]:
    """What to say before a report is replayed; nothing where there is none."""
    lines = []
    if report and report["digest"] != digest(report):
        lines.append(f"{path} was edited after it was written; it is replayed as it is")
    if report and not any(result["outcome"] in FAILED for result in report["results"]):
        lines.append(f"nothing failed in {path}: there is nothing to repeat")
    return lines

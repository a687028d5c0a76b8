"""The suite finds seeded faults, and nothing wrong where there is no fault."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

FAULTS = (
    "f01", "f02", "f03", "f04", "f05", "f06", "f10", "f12", "f13", "f17", "f18", "f19", "f20",
    "f28", "f41", "f42",
)  # fmt: skip

FUNCTIONS = ("sum", "remainder", "exp", "sin", "maximum", "relu", "clone", "add", "flip")
"""Enough for these faults; all functions would take minutes on so many devices."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One run of the suite over the clean backend and all the faulty ones."""
    folder = tmp_path_factory.mktemp("empty")
    words = ["-p", "faulty", "-p", "no:cacheprovider", "-q", "--pyargs", "tensorplug.conformance"]
    words += [f"--device={name}:0" for name in ("clean", *FAULTS)]
    words += [f"--function={name}" for name in FUNCTIONS]
    words += [f"--report={folder / 'report.json'}", "--import-mode=importlib", "--tb=line"]
    words += ["-k", "not random and not programs and not training"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *_path()])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    report = json.loads((folder / "report.json").read_text("utf-8"))
    found: list[dict[str, Any]] = report["results"]
    return found


def _path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def failed(results: list[dict[str, Any]], device: str) -> list[str]:
    return [
        result["test"].replace(f"{device}:0", "device")
        for result in results
        if result["device"] == f"{device}:0" and result["outcome"] != "passed"
    ]


def test_the_clean_backend_passes(results: list[dict[str, Any]]) -> None:
    assert failed(results, "clean") == []
    assert sum(result["device"] == "clean:0" for result in results) > 200


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(results: list[dict[str, Any]], fault: str) -> None:
    clean = failed(results, "clean")
    assert [test for test in failed(results, fault) if test not in clean]


def test_failures_say_what_was_called_and_what_came(results: list[dict[str, Any]]) -> None:
    [message] = [
        result["message"]
        for result in results
        if result["test"].endswith("test_signs_and_overflow_of_integers[remainder-int64-f17:0]")
    ]
    for part in ("remainder(<int64 tensor", "on f17:0", "expected", "got", "NumPy", "computed by"):
        assert part in message


def test_one_fault_does_not_fail_everything(results: list[dict[str, Any]]) -> None:
    ran = sum(result["device"] == "f17:0" for result in results)
    assert len(failed(results, "f17")) < ran / 10

"""What a report measures: errors in units in the last place, versions, drivers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance import errors, levels
from tensorplug.conformance.checks import problem
from tensorplug.conformance.compared import COMPARED, measure
from tensorplug.conformance.page import render
from tensorplug.conformance.reference import compare
from tensorplug.conformance.versions import drivers, libraries

ULP = 2.0**-23  # of float32 at 1


@pytest.fixture
def measuring() -> Iterator[None]:
    measure(True)
    yield
    measure(False)


def counts() -> list[int]:
    found = errors.found()
    assert found is not None
    listed: list[int] = found["counts"]
    return listed


@pytest.mark.usefixtures("measuring")
def test_errors_are_counted_in_classes_that_include_their_ends() -> None:
    got = tp.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], dtype=tp.float32)
    off = np.array([0.0, 0.5, 0.75, 1.0, 2.0, 4.0, 5.0])
    assert compare(got, 1.0 + off * ULP, tp.float32) is None
    assert errors.found() == {
        "counts": [1, 1, 2, 1, 1, 1], "allowed": {"rtol": 2e-5, "atol": 2e-5},
    }  # fmt: skip
    assert problem(got[:1], np.array([1.0 + ULP]), dtype=tp.float32, ulps=2) is None
    assert counts() == [1, 1, 3, 1, 1, 1]
    assert errors.found()["allowed"] == {"rtol": 2e-5, "atol": 2e-5, "ulps": 2}


@pytest.mark.usefixtures("measuring")
def test_wrong_and_not_finite_results_are_counted_too() -> None:
    inf, nan = np.inf, np.nan
    got = tp.tensor([inf, nan, -inf, nan, 3.0], dtype=tp.float64)
    assert compare(got, np.array([inf, nan, inf, 1.0, inf]), tp.float64) is not None
    assert counts() == [2, 0, 0, 0, 0, 3]


@pytest.mark.usefixtures("measuring")
def test_complex_errors_are_measured_by_the_size() -> None:
    got = tp.tensor([3 + 4j, complex("inf+nanj"), 0j], dtype=tp.complex64)
    want = np.array([3 + (4 + 2.0**-21) * 1j, complex("inf+nanj"), 0j])  # 1 ULP of 5
    assert compare(got, want, tp.complex64) is None
    assert counts() == [2, 0, 1, 0, 0, 0]


@pytest.mark.usefixtures("measuring")
def test_whole_numbers_have_no_error() -> None:
    assert compare(tp.tensor([1, 2]), np.array([1, 2]), tp.int64) is None
    assert compare(tp.tensor([True]), np.array([True]), tp.bool) is None
    assert errors.found() is None


def test_nothing_is_kept_unless_it_is_measured() -> None:
    assert compare(tp.ones(2), np.ones(2), tp.float32) is None
    assert COMPARED == []


def test_the_errors_of_a_function_add_up() -> None:
    found: errors.Errors = {}
    one = {"counts": [1, 0, 0, 0, 0, 2], "allowed": {"rtol": 1.0, "ulps": 1.0}}
    errors.add(found, "cpu", "exp", "float32", one)
    errors.add(found, "cpu", "exp", "float32", {"counts": [1] * 6, "allowed": {"ulps": 4.0}})
    assert found["cpu"]["exp"]["float32"] == {
        "counts": [2, 1, 1, 1, 1, 3], "allowed": {"rtol": 1.0, "ulps": 4.0},
    }  # fmt: skip
    assert one["counts"] == [1, 0, 0, 0, 0, 2]


def test_the_measured_tests_exist() -> None:
    for test in errors.MEASURED:
        file, _, name = test.partition("::")
        assert name in [found.name for found in levels.tests_of(levels.FOLDER / file)]


# --- in a report ---------------------------------------------------------------------------------


def report(folder: Path, *words: str) -> dict[str, Any]:
    words = ("-m", "tensorplug", "conformance", *words, "--json", "r.json")
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "r.json").read_text("utf-8"))
    return found


@pytest.mark.slow
def test_a_report_has_the_errors_of_each_function_and_type(tmp_path: Path) -> None:
    words = ("--op", "exp", "--op", "argmax", "--level", "L2")
    found = report(tmp_path, *words)
    assert set(found["errors"]) == {"cpu"}
    assert set(found["errors"]["cpu"]) == {"exp"}  # argmax gives whole numbers
    narrow = found["errors"]["cpu"]["exp"]["float16"]
    assert len(narrow["counts"]) == len(errors.BOUNDS) + 1
    assert sum(narrow["counts"]) > 300  # over the whole domain
    assert narrow["allowed"] == {"rtol": 8e-3, "atol": 4e-3, "ulps": 2.0}
    assert not any("errors" in result for result in found["results"])
    assert '"errors":{"cpu":{"exp":' in render(found)
    pytest.importorskip("xdist")
    assert report(tmp_path, *words, "-n", "2")["errors"] == found["errors"]


# --- versions ------------------------------------------------------------------------------------


def test_versions_of_what_a_device_is_made_of() -> None:
    assert libraries(tp.device("cpu").backend) == {"numpy": np.__version__}
    found = libraries(tp.device("xla:0").backend)
    assert {"jax", "jaxlib", "numpy", "scipy"} <= set(found)
    assert found["numpy"] == np.__version__


def test_a_backend_without_a_namespace_is_known_by_its_module() -> None:
    assert libraries(object()) == {}


def test_drivers_are_those_that_the_system_tells(tmp_path: Path) -> None:
    assert drivers(tmp_path) == {}
    (tmp_path / "nvidia").mkdir()
    (tmp_path / "nvidia" / "version").write_text("580.95.05\n", "utf-8")
    assert drivers(tmp_path) == {"nvidia": "580.95.05"}

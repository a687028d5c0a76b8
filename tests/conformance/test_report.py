"""The report: what it says of a failure, levels, causes, verification, replay, suggestions."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tensorplug.conformance import SUITE_VERSION, levels
from tensorplug.conformance.badge import render
from tensorplug.conformance.causes import causes
from tensorplug.conformance.levels import FOLDER, OF_FUNCTIONS, frozen, reached, verdicts
from tensorplug.conformance.report import complete, digest, verify

PLUGIN = '''
"""A device whose remainder is wrong, whose mean is made of a wrong sum, and that has no fft."""

import sys

import numpy as np

from tensorplug.backends import DEFAULT_CAPABILITIES, BackendSpec, hookimpl, register
from tensorplug.plugins.numpy import NumpyBackend


class Wrong(NumpyBackend):
    name = "wrong"
    shares_host_memory = False
    capabilities = DEFAULT_CAPABILITIES - {"fft"}

    def __init__(self):
        super().__init__()
        total = self._kernels["sum"]
        self._kernels = {
            **self._kernels,
            "remainder": lambda x, y: np.asarray(np.fmod(x, y)),
            "sum": lambda x, dims, keepdim: np.asarray(total(x, dims, keepdim) + x.dtype.type(1)),
        }
        self._into = {}

    def owns(self, array):
        return False


class Lacking(NumpyBackend):
    name = "lacking"
    shares_host_memory = False
    capabilities = DEFAULT_CAPABILITIES - {"fft"}

    def owns(self, array):
        return False


class Plugin:
    @hookimpl
    def tensorplug_backends(self):
        return [
            BackendSpec("wrong", "wrong_plugin:Wrong"),
            BackendSpec("lacking", "wrong_plugin:Lacking"),
        ]


register(Plugin(), name="wrong")
'''


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )


def conformance(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process that knows the wrong device."""
    code = (
        "import sys; sys.path.insert(0, '.'); import wrong_plugin; "
        "from tensorplug.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return python(folder, "-c", code, "conformance", *words)


class Run:
    """A run of the suite over the wrong device: its folder, its output, its report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "wrong_plugin.py").write_text(PLUGIN, "utf-8")
        ops = ("remainder", "sum", "mean", "add", "fft.fft")
        self.done = conformance(
            folder, "--device", "wrong:0", *(f"--op={name}" for name in ops), "--json", "r.json",
            "--junit", "r.xml", "--html", "r.html", "--badge", "r.svg",
        )  # fmt: skip
        assert self.done.returncode == 1, self.done.stdout + self.done.stderr
        self.report = json.loads((folder / "r.json").read_text("utf-8"))
        self.results = complete(self.report["results"])

    def failed(self, function: str) -> list[dict[str, Any]]:
        return [r for r in self.results if r["function"] == function and r["outcome"] == "failed"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("report"))


# --- what it says of a failure -------------------------------------------------------------------


def test_a_failure_says_what_a_backend_author_needs(run: Run) -> None:
    first = next(r for r in run.failed("remainder") if r["name"] == "test_inf_nan_and_zero")
    assert first["level"] == "L2"
    assert first["kernel"] == "kernel 'remainder' of wrong"
    assert "remainder" in first["kernels"]
    assert first["expected_from"] == "NumPy or SciPy in float64"
    assert first["problem"].startswith("expected ")
    assert ", got " in first["problem"]
    assert first["call"].startswith("remainder(")


def test_three_lines_show_it_again(run: Run) -> None:
    shown = [r for r in run.failed("remainder") + run.failed("sum") if r["call"]]
    forward = [r for r in shown if r["file"] == "test_l2_forward.py"][:4]
    assert len(forward) == 4
    for result in forward:
        lines = result["reproduce"].splitlines()
        assert len(lines) == 3
        done = python(run.folder, "-c", "import wrong_plugin\n" + result["reproduce"])
        assert done.returncode == 0, done.stderr
        printed = done.stdout.replace("tensor(", "").split(",")[0].strip("[] \n()")
        told = result["problem"].partition("got ")[2].partition(";")[0]
        if " at ()" in result["problem"]:
            assert float(printed.rstrip(".")) == pytest.approx(float(told), rel=1e-3)


def test_an_elementwise_failure_is_shrunk_to_one_element(run: Run) -> None:
    result = next(r for r in run.failed("remainder") if r["name"] == "test_inf_nan_and_zero")
    assert result["reproduce"].count("tp.tensor(") == 2
    assert " at ()" in result["problem"]


def test_causes_come_first_and_what_follows_is_blocked(run: Run) -> None:
    first = [entry["test"] for entry in run.report["about"]["wrong:0"]["first"]]
    functions = [next(r for r in run.results if r["test"] == test)["function"] for test in first]
    assert functions[:2] == ["remainder", "sum"] or functions[:2] == ["sum", "remainder"]
    means = run.failed("mean")
    assert means
    blockers = {r["test"]: r["function"] for r in run.results}
    assert all(blockers[r["blocked_by"]] in ("sum", "mean") for r in means if r["blocked_by"])


def test_what_is_not_declared_counts_as_not_supported(run: Run) -> None:
    transforms = [r for r in run.results if r["function"] == "fft.fft"]
    assert {r["outcome"] for r in transforms} <= {"not supported", "passed"}
    refused = [r for r in transforms if r["outcome"] == "not supported"]
    assert refused
    assert all("does not declare" in r["message"] for r in refused)


def test_the_summary_names_the_first_cause(run: Run) -> None:
    text = run.done.stdout
    assert "wrong:0: repair first" in text
    assert "computed by kernel 'remainder' of wrong" in text
    assert "to see it again:" in text
    assert (
        "only a part was run (--op remainder, --op sum, --op mean, --op add, --op fft.fft)" in text
    )
    [row] = [line for line in text.splitlines() if line.startswith("wrong:0 ")]
    assert row.rstrip().endswith("fails")


def test_junit_and_badge(run: Run) -> None:
    suites = ET.parse(run.folder / "r.xml").getroot()
    cases = list(suites.iter("testcase"))
    assert len(cases) == len(run.results)
    assert sum(case.find("failure") is not None for case in cases) == sum(
        r["outcome"] == "failed" for r in run.results
    )
    badge = ET.parse(run.folder / "r.svg").getroot()
    assert f"tensorplug {SUITE_VERSION}: wrong:0 no level" in badge.attrib["aria-label"]


def test_a_badge_says_which_level_is_reached() -> None:
    about = {"a:0": {"reached": "L4"}, "b:0": {"reached": "L1"}}
    report = {"suite": {"version": "2026.1"}, "devices": list(about), "about": about}
    found = ET.fromstring(render(report)).attrib["aria-label"]
    assert found == "tensorplug 2026.1: a:0 L4 trains, b:0 L1 stores"


def test_a_report_can_be_replayed(run: Run) -> None:
    done = conformance(run.folder, "--replay", "r.json", "--json", "again.json")
    assert done.returncode == 1, done.stdout + done.stderr
    again = json.loads((run.folder / "again.json").read_text("utf-8"))
    assert again["devices"] == ["wrong:0"]
    wanted = {r["test"] for r in run.results if r["outcome"] in ("failed", "error")}
    assert {r["test"] for r in again["results"]} == wanted


@pytest.mark.parametrize("name", ["none.json", "text.json", "other.json"])
def test_a_file_that_is_no_report_is_refused(run: Run, name: str) -> None:
    (run.folder / "text.json").write_text("not json", "utf-8")
    (run.folder / "other.json").write_text("[1]", "utf-8")
    for option in ("--replay", "--verify"):
        done = conformance(run.folder, option, name)
        assert done.returncode == 2
        assert done.stderr.startswith("tensorplug: conformance: expected a report")
        assert name in done.stderr


def test_a_seed_gives_other_values_and_is_told(run: Run) -> None:
    words = ("--device", "wrong:0", "--op", "sum", "--dtype", "float64", "--level", "l2")
    done = conformance(run.folder, *words, "--seed", "7", "--json", "seed.json")
    assert done.returncode == 1, done.stderr
    seeded = json.loads((run.folder / "seed.json").read_text("utf-8"))
    assert (seeded["seed"], seeded["level"]) == (7, "L2")
    result = next(r for r in complete(seeded["results"]) if "sample(" in r["reproduce"])
    assert "seed=7)" in result["reproduce"]
    usual = next(r for r in run.results if r["test"] == result["test"])
    assert usual["call"] != result["call"]


@pytest.mark.slow
def test_what_a_device_could_declare_is_suggested(run: Run) -> None:
    words = ("--device", "lacking:0", "--op", "fft.fft", "--op", "linalg.inv", "--suggest")
    done = conformance(run.folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lacking:0 (lacking) could declare:" in done.stdout
    assert "capabilities = DEFAULT_CAPABILITIES\n" in done.stdout
    types = done.stdout.partition("for supports_dtype: ")[2].partition("\n")[0]
    assert {"float32", "float64", "complex64", "complex128"} <= set(types.split(", "))
    done = conformance(run.folder, "--device", "wrong:0", "--op", "remainder", "--suggest")
    types = done.stdout.partition("for supports_dtype: ")[2].partition("\n")[0]
    assert "float64" not in types.split(", ")  # remainder fails with it
    assert "uint8" in types.split(", ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--op", "softmaxx"), "--op: expected the name of a function, got softmaxx; did you mean"),
        (("--dtype", "float65"), "expected the name of a type, got float65; did you mean float6"),
        (("--level", "L9"), "--level: expected one of L0, L1, L2, L3, L4, L5, got L9"),
    ],
)
def test_wrong_options_are_misuse(tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    done = python(tmp_path, "-m", "tensorplug", "conformance", *words)
    assert done.returncode == 2
    assert text in done.stderr


# --- levels --------------------------------------------------------------------------------------


def result(test: str, outcome: str = "passed", **more: Any) -> dict[str, Any]:
    file, _, name = test.partition("::")
    found = {"test": test, "file": file, "name": name, "level": f"L{file[6]}", "device": "x:0"}
    return complete([{**found, "outcome": outcome, "candidate": False, **more}])[0]


def every(level: str) -> list[dict[str, Any]]:
    return [result(test.removesuffix(OF_FUNCTIONS)) for test in frozen()["tests"][level]]


def planned(results: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """What is expected where these are all tests."""
    return {"x:0": {r["test"]: 1 for r in results}}


def test_a_level_needs_all_of_its_list() -> None:
    whole = every("L0") + every("L1")
    there = planned(whole)
    found = verdicts(whole, "x:0", True, there)
    assert (found["L0"], found["L1"], found["L2"]) == ("passes", "passes", "not run")
    assert reached(found) == "L1"
    assert verdicts(whole, "x:0", False, there)["L0"] == "partly run"
    less = [r for r in whole if r["name"] != "test_it_computes"]
    assert verdicts(less, "x:0", True, there)["L0"] == "partly run"
    assert verdicts(less, "x:0", True, planned(less))["L0"] == "partly run"  # not even collected
    assert reached(verdicts(less, "x:0", True, there)) == ""
    more = {"x:0": {**there["x:0"], less[0]["test"]: 2}}
    assert verdicts(whole, "x:0", True, more)["L0"] == "partly run"  # one case of two
    none = {"x:0": {**there["x:0"], "test_l0_loading.py::test_it_computes": 0}}
    assert verdicts(less, "x:0", True, none)["L0"] == "passes"  # there was no case to try


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [("failed", "fails"), ("error", "fails"), ("skipped", "fails"), ("not supported", "passes")],
)
def test_only_what_is_not_supported_may_be_left_out(outcome: str, verdict: str) -> None:
    whole = every("L0")
    whole[0]["outcome"] = outcome
    assert verdicts(whole, "x:0", True, planned(whole))["L0"] == verdict


def test_candidates_do_not_count() -> None:
    whole = [*every("L0"), result("test_l0_new.py::test_new", "failed", candidate=True)]
    assert verdicts(whole, "x:0", True, planned(whole))["L0"] == "passes"


def test_the_frozen_list_names_tests_that_exist() -> None:
    there = {
        f"{file.name}::{t.name}"
        for file in FOLDER.glob("test_l*.py")
        for t in levels.tests_of(file)
    }
    listed = {test for tests in frozen()["tests"].values() for test in tests}
    gone = {test.removesuffix(OF_FUNCTIONS) for test in listed} - there
    assert not gone, f"a frozen list may not lose tests, but these are gone: {sorted(gone)}"


def test_the_next_list_names_functions_and_methods() -> None:
    listed = levels._current()["functions"]
    assert {"exp", "linalg.svd", "Tensor.__getitem__", "Tensor.item"} <= set(listed)
    assert listed == sorted(set(listed))


# --- causes --------------------------------------------------------------------------------------


def test_without_a_foundation_everything_is_blocked() -> None:
    base = result("test_l1_storage.py::test_values_survive_the_way_there_and_back", "failed")
    other = result("test_l2_forward.py::test_x", "failed", function="exp", dtype="float32")
    [cause] = causes([other, base], "x:0")
    assert cause.failure is base
    assert cause.blocked == [other]


def test_a_gradient_is_blocked_by_its_op_and_a_composition_by_its_parts() -> None:
    op = result("test_l2_forward.py::test_x", "failed", function="exp", dtype="float32")
    grad = result("test_l4_gradients.py::test_g", "failed", function="exp", dtype="float64")
    whole = result("test_l2_forward.py::test_x", "failed", function="nn.functional.silu",
                   dtype="float32", kernels=["silu", "exp"])  # fmt: skip
    free = result("test_l2_rules.py::test_r", "failed")
    found = causes([whole, grad, op, free], "x:0")
    assert [c.failure["function"] for c in found] == ["exp", None]
    assert found[0].blocked == [whole, grad]


# --- verification --------------------------------------------------------------------------------


def test_an_edited_or_partial_report_proves_nothing(run: Run) -> None:
    assert any(fault.startswith("selection: ") for fault in verify(run.report))
    edited = json.loads(json.dumps(run.report))
    edited["results"][0]["outcome"] = (
        "passed" if edited["results"][0]["outcome"] != "passed" else "failed"
    )
    faults = verify(edited)
    assert any(fault.startswith("digest: ") for fault in faults)
    assert any(fault.startswith("counts: ") for fault in faults)
    other = {**run.report, "suite": {**run.report["suite"], "hash": "0"}}
    other["digest"] = digest(other)
    assert any(fault.startswith("suite: expected the hash") for fault in verify(other))
    assert verify({"schema": 99}) == ["schema: expected 1, got 99; make the report again"]


def test_verify_says_why_and_exits_with_one(run: Run) -> None:
    done = conformance(run.folder, "--verify", "r.json")
    assert done.returncode == 1
    assert "selection: expected all tests, got only those of" in done.stdout

"""The suite as a tool: the command, the options, the report, and what it covers."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.backends import CAPABILITIES
from tensorplug.conformance import budget, rules
from tensorplug.conformance.rules import is_negative

ROOT = Path(__file__).resolve().parent.parent.parent
SUITE = "tensorplug.conformance"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, as a user would."""
    env = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "tensorplug", "conformance", *words)


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The ids of all tests for cpu."""
    words = ("-m", "pytest", "--pyargs", SUITE, "--collect-only", "-q", "-p", "no:cacheprovider")
    done = run(ROOT / "docs", *words, "--import-mode=importlib")
    assert done.returncode == 0, done.stdout[-2000:]
    return [line for line in done.stdout.splitlines() if "::" in line]


# --- what it covers ------------------------------------------------------------------------------


def test_every_function_is_compared_with_its_reference(collected: list[str]) -> None:
    tested = {
        line.split("[")[1].split("-")[0]
        for line in collected
        if "::test_values_types_and_devices[" in line
    }
    assert {name for name, public in FUNCTIONS.items() if not public.random} <= tested


def test_many_tests_are_negative(collected: list[str]) -> None:
    negative = set()
    for file in (ROOT / "conformance").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                negative |= {node.name} if is_negative(node) else set()
    counts = Counter(line.split("::")[1].split("[")[0] for line in collected)
    share = sum(counts[name] for name in negative) / sum(counts.values())
    assert share >= 0.15, f"expected 15 % of the tests to be negative, got {share:.0%}"


def test_of_shared_tests_few_are_tried_where_each_costs_compilations() -> None:
    words = ("-m", "pytest", "--pyargs", SUITE, "--collect-only", "-q", "-p", "no:cacheprovider")
    words = (*words, "--import-mode=importlib", "-k", "l2_windows")
    found = {}
    for device in ("cpu", "xla:0"):
        done = run(ROOT / "docs", *words, "--device", device, "--profile", "quick")
        found[device] = sum("::" in line for line in done.stdout.splitlines())
    assert 0 < found["xla:0"] < found["cpu"] / 4, found


def test_the_page_of_rules_is_that_of_the_suite() -> None:
    written = (ROOT / "docs" / "conformance-rules.md").read_text("utf-8")
    assert written == rules.page(), "docs/conformance-rules.md is stale: run `make rules`"


# --- the command ---------------------------------------------------------------------------------


def test_the_command_sums_up_each_device_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = command(tmp_path, "--device", "cpu", "--function", "sum", "-k", "values_types")
    assert done.returncode == 0, done.stdout + done.stderr
    [row] = [line for line in done.stdout.splitlines() if line.startswith("cpu")]
    assert row.split()[1] == "numpy"
    assert row.rstrip().endswith("no failure")
    assert list(tmp_path.iterdir()) == []


def test_the_report_lists_every_test(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    done = command(
        tmp_path, "--function", "exp", "-k", "values_types or printing", "--json", str(file)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(file.read_text("utf-8"))
    profile = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick")
    assert (report["devices"], report["profile"]) == (["cpu"], profile)
    assert report["counts"]["cpu"]["passed"] == sum(r["device"] == "cpu" for r in report["results"])
    names = {result["test"] for result in report["results"]}
    assert "test_l2_forward.py::test_values_types_and_devices[exp-float32-cpu]" in names
    assert all(result["outcome"] == "passed" for result in report["results"])


@pytest.mark.slow
def test_workers_give_the_same_report(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    for file, words in (("one.json", ()), ("two.json", ("-n", "2"))):
        done = command(tmp_path, "--function", "mul", "--report", file, "-k", "mul", *words)
        assert done.returncode == 0, done.stdout + done.stderr
    one, two = (
        {r["test"]: r["outcome"] for r in json.loads((tmp_path / f).read_text("utf-8"))["results"]}
        for f in ("one.json", "two.json")
    )
    assert one == two
    assert len(one) > 20


@pytest.mark.parametrize("name", ["nosuch:0", "cpu:7"])
def test_an_unknown_device_is_an_error(tmp_path: Path, name: str) -> None:
    done = command(tmp_path, "--device", name)
    assert done.returncode == 2
    assert done.stderr.startswith("tensorplug: ")
    assert name.split(":")[0] in done.stderr
    plain = run(tmp_path, "-m", "pytest", "--pyargs", SUITE, "--device", name)
    assert plain.returncode == 4
    assert f"--device {name}" in plain.stderr


def test_an_expression_that_selects_nothing_is_misuse(tmp_path: Path) -> None:
    assert command(tmp_path, "-k", "nothing_is_called_so").returncode == 2


def test_one_line_of_pytest_is_enough(tmp_path: Path) -> None:
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", SUITE, "-k", "printing")
    done = run(tmp_path, *words)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_tests_without_a_case_are_left_out_of_the_report(tmp_path: Path) -> None:
    # No dtype of "equal" has a gradient, so some tests have nothing to try.
    done = command(tmp_path, "--function", "equal", "--json", "report.json", "-k", "equal or NOT")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert set(report["counts"]) <= {"cpu", ""}
    # Some names have "not" in them, such as "another"; one of those needs streams.
    assert {result["outcome"] for result in report["results"]} <= {"passed", "not supported"}


def test_an_unknown_function_is_misuse_and_the_nearest_is_named(tmp_path: Path) -> None:
    done = command(tmp_path, "--function", "softmaxx")
    assert done.returncode == 2
    assert "expected the name of a function, got softmaxx; did you mean" in done.stderr
    assert "softmax" in done.stderr.partition("did you mean")[2]


def test_the_page_lists_every_capability_as_it_is() -> None:
    text = (ROOT / "docs" / "conformance.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (declared|not declared) \| (.*) \|$", text, re.MULTILINE)
    found = {name: (told == "declared", summary.replace("`", "")) for name, told, summary in rows}
    assert found == {name: (fact.default, fact.summary) for name, fact in CAPABILITIES.items()}


# --- a part of it ---------------------------------------------------------------------------------


def test_what_finds_most_in_least_time_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"rich": (6, 0.1), "long": (6, 2.0), "many": (6, 0.1), "poor": (0, 0.1)}
    monkeypatch.setattr(budget, "finds", lambda: known)
    names = ["poor", "long", "many", "many", "many", "rich", "new"]
    order = [names[place] for place in budget.by_worth(names)]
    assert order == ["rich", "many", "many", "many", "long", "new", "poor"]


def test_a_budget_ends_the_run_and_reaches_no_level(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = command(tmp_path, "--level", "L1", "--budget", "0.5", "--json", str(report))
    assert done.returncode == 0, done.stdout[-2000:]
    assert "only a part was run (--budget 0.5): no level is reached that way" in done.stdout
    found = json.loads(report.read_text("utf-8"))["results"]
    assert 5 < len(found) < 800
    assert {r["outcome"] for r in found} <= {"passed", "not supported"}


@pytest.mark.slow
def test_a_share_is_the_same_part_every_time(tmp_path: Path) -> None:
    words = ("-m", "pytest", "--pyargs", SUITE, "--collect-only", "-q", "-p", "no:cacheprovider")
    words = (*words, "--import-mode=importlib", "--level=L1")
    parts = [run(ROOT / "docs", *words, f"--share={n}").stdout.split() for n in (1, 8, 8)]
    assert parts[1][:-8] == parts[2][:-8]
    whole, part = (sum("::" in word for word in found) for found in parts[:2])
    assert 0 < part < whole


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--budget=0", "--budget: expected a number of seconds above 0, got 0"),
        ("--budget=nan", "--budget: expected a number of seconds above 0, got nan"),
        ("--budget=inf", "--budget: expected a number of seconds above 0, got inf"),
        ("--share=0", "--share: expected 1 or more, got 0"),
    ],
)
def test_a_part_must_be_something(tmp_path: Path, word: str, text: str) -> None:
    done = run(tmp_path, "-m", "pytest", "--pyargs", SUITE, "-p", "no:cacheprovider", word)
    assert done.returncode == 4
    assert text in done.stderr

"""What a report proves: interrupted, partial, assumed, damaged and replayed ones; its files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tensorplug.conformance import markdown, plugin
from tensorplug.conformance.report import digest, verify
from tensorplug.conformance.schema import misfit, schema

SUITE = "tensorplug.conformance"
LOADING = f"{SUITE}.test_l0_loading"


def python(folder: Path, *words: str, hooks: str = "") -> subprocess.CompletedProcess[str]:
    """Python in a folder, where every pytest has some hooks more."""
    (folder / "hooks.py").write_text("import pytest\n" + hooks, "utf-8")
    env = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    env |= {"PYTHONPATH": str(folder), "PYTEST_PLUGINS": "hooks"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def command(folder: Path, *words: str, hooks: str = "") -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "tensorplug", "conformance", *words, hooks=hooks)


def plain(folder: Path, *words: str, hooks: str = "") -> dict[str, Any]:
    """The report of a run by pytest itself."""
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *words, "--report", "plain.json")
    done = python(folder, *words, hooks=hooks)
    assert done.returncode == 0, done.stdout + done.stderr
    return load(folder / "plain.json")


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def signed(report: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A report with other fields, and the checksum that fits."""
    changed = {**report, **changes}
    return {**changed, "digest": digest(changed)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a whole run of level L0 on cpu has left its files."""
    path = tmp_path_factory.mktemp("whole")
    forms = ("--json", "new/r.json", "--markdown", "r.md", "--html", "r.html", "--badge", "r.svg")
    done = command(path, "--level", "L0", *forms)
    assert done.returncode == 0, done.stdout + done.stderr
    return path


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, Any]:
    return load(folder / "new" / "r.json")


@pytest.fixture(scope="module")
def assumed(folder: Path) -> tuple[dict[str, Any], str]:
    """A run of what a device does not declare, and what it printed."""
    done = command(folder, "--level=L0", "--device=loopback32:0", "--suggest", "--json=s.json")
    assert done.returncode == 1, done.stdout + done.stderr
    return load(folder / "s.json"), done.stdout


# --- a run that is not whole ---------------------------------------------------------------------


def test_a_whole_run_says_how_many_tests_there_are(whole: dict[str, Any]) -> None:
    assert verify(whole) == []
    assert whole["about"]["cpu"]["reached"] == "L0"
    assert whole["chosen"] == len(whole["results"])
    types = whole["expected"]["cpu"]["test_l0_capabilities.py::test_a_type_works_or_raises"]
    assert types == sum(r["name"] == "test_a_type_works_or_raises" for r in whole["results"])


INTERRUPT = """
def pytest_runtest_setup(item, done=[]):
    done.append(item)
    if len(done) == 12:
        raise KeyboardInterrupt
"""


def test_an_interrupted_run_is_not_whole(tmp_path: Path) -> None:
    done = command(tmp_path, "--level", "L0", "--json", "r.json", hooks=INTERRUPT)
    assert done.returncode == 2
    report = load(tmp_path / "r.json")
    assert (report["stopped"], len(report["results"])) == (True, 11)
    told = f"the run was stopped after 11 of {report['chosen']} tests: no level is reached that way"
    assert told in done.stdout
    faults = verify(report)
    assert "stopped: expected a run to its end, got one that was stopped" in faults
    assert f"chosen: expected results of {report['chosen']} tests, got 11" in faults
    assert report["about"]["cpu"]["reached"] == ""
    again = command(tmp_path, "--verify", "r.json")
    assert again.returncode == 1
    assert "a whole run" not in again.stdout


TYPES = "test_l0_capabilities.py::test_a_type_works_or_raises"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "option"),
    [
        ((SUITE, "--deselect", f"{TYPES}[cpu-float64]"), f"--deselect {TYPES}[cpu-float64]"),
        ((LOADING,), f"arguments {LOADING}"),
        ((SUITE, "--ignore-glob", "*/test_l0_c*.py"), "--ignore-glob *test_l0_c*.py"),
    ],
)
def test_what_was_chosen_by_options_of_pytest_is_not_whole(
    tmp_path: Path, words: tuple[str, ...], option: str
) -> None:
    root = Path(plugin.__file__).parent
    report = plain(tmp_path, "--pyargs", *words, "--level", "L0", "--rootdir", str(root))
    [fault] = [fault for fault in verify(report) if fault.startswith("selection: ")]
    name, _, value = option.partition(" ")
    assert fault.startswith(f"selection: expected all tests, got only those of {name} ")
    assert value.rpartition("*")[2] in fault
    assert report["about"]["cpu"]["levels"]["L0"] == "partly run"


LOSE = """
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "works_or_raises[cpu-float64" not in item.name]
"""


@pytest.mark.slow
def test_a_test_that_got_lost_is_missed(tmp_path: Path) -> None:
    report = plain(tmp_path, "--pyargs", SUITE, "--level", "L0", hooks=LOSE)
    wanted = report["expected"]["cpu"][TYPES]
    assert verify(report) == [f"expected: {wanted} cases of {TYPES} on cpu, got {wanted - 1}"]
    assert report["about"]["cpu"]["levels"]["L0"] == "partly run"


@pytest.mark.slow
def test_workers_count_too(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    done = command(tmp_path, "--level", "L0", "-n", "2", "--json", "r.json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = load(tmp_path / "r.json")
    assert verify(report) == []
    assert report["chosen"] == len(report["results"])


def test_a_test_that_takes_its_worker_down_is_an_error() -> None:
    found = plugin._of_a_crash("test_l5_memory.py::test_many[cpu-a/b]")
    assert (found["file"], found["name"], found["level"]) == (
        "test_l5_memory.py",
        "test_many",
        "L5",
    )


def test_of_a_function_no_case_may_be_missing(whole: dict[str, Any]) -> None:
    expected = {"": {}, "cpu": {**whole["expected"]["cpu"], TYPES: 99}}
    assert any(
        "expected: 99 cases of" in fault for fault in verify({**whole, "expected": expected})
    )


# --- a run of what is not declared ---------------------------------------------------------------


def test_an_assumed_run_proves_nothing(assumed: tuple[dict[str, Any], str]) -> None:
    report, said = assumed
    text = "assume_all: expected what the devices declare, got a run that tried more"
    assert text in verify(report)
    assert "what is not declared was tried, too (--suggest): no level is reached that way" in said
    assert "float64" not in report["about"]["loopback32:0"]["capabilities"]


def test_what_was_not_tried_stays_as_it_is_declared(assumed: tuple[dict[str, Any], str]) -> None:
    report, said = assumed
    types = said.partition("for supports_dtype: ")[2].partition("\n")[0].split(", ")
    declared = report["about"]["loopback32:0"]["capabilities"]
    assert {"int16", "uint16", "uint32", "uint64", "float32"} <= set(types) <= set(declared)
    assert "float64" not in said.partition("not tried")[2]  # it was, and failed
    kept = said.partition("not tried in this run, so as declared: ")[2].partition("\n")[0]
    assert "async" in kept.split(", ")
    other = said.partition("not tried in this run, and not declared: ")[2].partition("\n")[0]
    assert "pinned_memory" in other.split(", ")
    assert not set(other.split(", ")) & set(declared)


@pytest.mark.slow
def test_a_failure_of_an_assumed_run_is_there_again(
    assumed: tuple[dict[str, Any], str], folder: Path
) -> None:
    failed = {r["test"] for r in assumed[0]["results"] if r["outcome"] == "failed"}
    done = command(folder, "--replay", "s.json", "--json", "again.json")
    assert done.returncode == 1, done.stdout + done.stderr
    again = load(folder / "again.json")
    assert again["assume_all"] is True
    assert {r["test"] for r in again["results"] if r["outcome"] == "failed"} == failed
    first = next(r for r in assumed[0]["results"] if r["outcome"] == "failed")
    words = first["reproduce"].split()
    assert words[-1] == "--suggest"
    done = python(folder, *words[1:])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "repair first" in done.stdout


# --- files that are no reports, or others --------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"suite": None}, "report.suite: expected object, got None"),
        ({"results": {}}, "report.results: expected array, got object"),
        ({"results": [1, 2]}, "report.results[0]: expected object, got 1"),
        ({"results": [{"test": "a"}]}, "report.results[0]: expected the field 'file', got none"),
        ({"about": {}}, "about: expected cpu as in devices, got no such name"),
        ({"chosen": True}, "report.chosen: expected integer, got True"),
        ({"chosen": -1}, "report.chosen: expected 0 or more, got -1"),
        ({"level": "L9"}, "report.level: expected one of '', 'L0', 'L1', 'L2', 'L3', 'L4', 'L5', "),
        ({"counts": {"cpu": {"passed": 1.5}}}, "report.counts.cpu.passed: expected integer, got"),
        ({"schema": 2}, "schema: expected 1, got 2"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(whole: dict[str, Any], change: Any, text: str) -> None:
    assert any(fault.startswith(text) for fault in verify(signed(whole, **change)))


def test_a_report_without_a_field_is_no_report(whole: dict[str, Any], folder: Path) -> None:
    assert misfit(whole) is None
    for name in whole:
        less = {field: value for field, value in whole.items() if field != name}
        assert misfit(less) == f"report: expected the field {name!r}, got none"
    (folder / "less.json").write_text('{"schema": 1, "results": []}', "utf-8")
    done = command(folder, "--verify", "less.json")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "report: expected the field 'suite', got none; make the report again\n"


def test_what_does_not_fit_is_not_replayed(folder: Path) -> None:
    (folder / "odd.json").write_text('{"schema": 1, "results": [1, 2]}', "utf-8")
    text = "expected a report that --json wrote, got odd.json: report: expected the field 'suite'"
    done = command(folder, "--replay", "odd.json")
    assert done.returncode == 2
    assert done.stderr.startswith(f"tensorplug: conformance: {text}")
    done = python(folder, "-m", "pytest", "--pyargs", SUITE, "--replay", "odd.json")
    assert done.returncode == 4
    assert f"--replay: conformance: {text}" in done.stderr


def test_a_report_without_a_failure_is_not_replayed(folder: Path) -> None:
    done = command(folder, "--replay", "new/r.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing failed in new/r.json: there is nothing to repeat\n"


@pytest.mark.slow
def test_an_edited_report_is_replayed_with_a_remark(
    assumed: tuple[dict[str, Any], str], folder: Path
) -> None:
    failed = [r for r in assumed[0]["results"] if r["outcome"] == "failed"][:1]
    (folder / "edited.json").write_text(json.dumps({**assumed[0], "results": failed}), "utf-8")
    told = "edited.json was edited after it was written; it is replayed as it is"
    done = command(folder, "--replay", "edited.json")
    assert done.returncode == 1
    assert done.stdout.startswith(told)
    done = python(folder, "-m", "pytest", "--pyargs", SUITE, "--replay", "edited.json")
    assert told in done.stdout
    assert "1 failed" in done.stdout


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "name"),
    [("--json", "."), ("--html", "file/r"), ("--badge", "."), ("--markdown", "file/r"),
     ("--junit", "file/r")],
)  # fmt: skip
def test_files_that_cannot_be_written_are_refused_at_once(
    tmp_path: Path, option: str, name: str
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    done = command(tmp_path, option, name)
    assert done.returncode == 2
    text = f": expected a file that can be written, got {name}"
    assert text in done.stderr.replace(f"{tmp_path}/", "")
    assert "Traceback" not in done.stderr


LOSE_FOLDER = """
import pathlib, shutil
def pytest_runtest_setup(item):
    if pathlib.Path("out").exists():
        shutil.rmtree("out")
"""


@pytest.mark.slow
def test_the_summary_is_printed_though_a_file_is_lost(tmp_path: Path) -> None:
    words = ("-k", "l0_loading", "--json", "out/r.json")
    done = command(tmp_path, *words, hooks=LOSE_FOLDER)
    assert done.returncode == 2
    assert "cpu     numpy" in done.stdout
    assert "--report: out/r.json could not be written: No such file or directory" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    words = ("-m", "pytest", "-p", "no:cacheprovider", "--pyargs", LOADING, "--report=out/r.json")
    done = python(tmp_path, *words, hooks=LOSE_FOLDER)
    assert done.returncode == 4
    assert "ERROR: --report: out/r.json could not be written" in done.stdout


WORDS = {
    "$schema", "title", "description", "type", "required", "properties", "additionalProperties",
    "items", "enum", "const", "minimum", "$ref", "$defs",
}  # fmt: skip


def test_the_schema_says_nothing_that_is_not_checked() -> None:
    def walk(rule: Any) -> None:
        assert set(rule) <= WORDS
        for some in (rule.get("properties", {}), rule.get("$defs", {})):
            for inner in some.values():
                walk(inner)
        for name in ("additionalProperties", "items"):
            if name in rule:
                walk(rule[name])

    walk(schema())
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_real_reports_fit(
    whole: dict[str, Any], assumed: tuple[dict[str, Any], str], folder: Path
) -> None:
    for report in (whole, assumed[0]):
        assert misfit(report) is None
        assert set(report) == set(schema()["properties"])
        fields = {name for result in report["results"] for name in result}
        assert fields <= set(schema()["$defs"]["result"]["properties"])
        about = {name for found in report["about"].values() for name in found}
        assert about == set(schema()["$defs"]["about"]["properties"])


def test_markdown_is_short_and_says_what_matters(whole: dict[str, Any], folder: Path) -> None:
    text = (folder / "r.md").read_text("utf-8")
    assert text == markdown.render(whole)
    assert text.startswith("# tensorplug conformance 2026.1\n")
    for part in (whole["time"], whole["suite"]["hash"], whole["python"], whole["platform"]):
        assert part in text
    version = whole["about"]["cpu"]["library_version"]
    hardware = whole["about"]["cpu"]["hardware"]
    assert f"| `cpu` | {hardware} | numpy {version} | tensorplug " in text
    assert "| passes | not run | not run | not run | not run | not run | L0 |" in text
    assert f"| `cpu` | {whole['counts']['cpu']['passed']} | 0 | 1 | 0 | 0 | 0 |" in text
    assert text.endswith("Nothing failed on `cpu`.\n")


def test_markdown_lists_causes_and_no_value_breaks_out(assumed: tuple[dict[str, Any], str]) -> None:
    report, _ = assumed
    cause = report["about"]["loopback32:0"]["first"][0]
    named = next(r for r in report["results"] if r["test"] == cause["test"])
    results = [{**r, "problem": "a | *b* <c>\nd"} if r is named else r for r in report["results"]]
    text = markdown.render({**report, "results": results})
    assert "What is not declared was tried, too (--suggest): no level is reached that way." in text
    more = f" ({cause['blocks']} more follow from it)" if cause["blocks"] else ""
    assert f"1. L0 `{named['test']}`{more}: a \\| \\*b\\* &lt;c> d\n" in text
    assert text.count("\n1. ") == 1

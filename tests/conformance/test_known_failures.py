"""What failed before: it runs first, or is excluded with a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tensorplug.conformance.exclusions import Exclusion, complaints, read
from tensorplug.conformance.schema import misfit

from .test_selection import environment

PLUGIN = """
from tensorplug.backends import BackendSpec, hookimpl, register
from tensorplug.plugins.numpy import NumpyBackend


class Wrong(NumpyBackend):
    name = "wrong"
    shares_host_memory = False

    def __init__(self):
        super().__init__()
        self._kernels = {**self._kernels, "expm1": lambda x: x + x.dtype.type(9)}
        self._into = {}

    def owns(self, array):
        return False


class Plugin:
    @hookimpl
    def tensorplug_backends(self):
        return [BackendSpec("wrong", "wrong_plugin:Wrong")]


register(Plugin(), name="wrong")
"""

START = (
    "import sys; sys.path.insert(0, '.'); import wrong_plugin; "
    "from tensorplug.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "work"
    found.mkdir()
    (found / "wrong_plugin.py").write_text(PLUGIN, "utf-8")
    return found


def conformance(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process that knows a device which is wrong about expm1, and right else."""
    return subprocess.run(
        [sys.executable, "-c", START, "conformance", "--device", "wrong:0", *words],
        cwd=folder, env=environment(XDG_CACHE_HOME=str(folder.parent / "cache")),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


FEW = ("--op", "tp.expm1", "--op", "tp.exp", "--dtype", "float32", "-k", "test_l2")


def order(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    """Outcomes and tests as they were named with --verbose."""
    lines = [line.split() for line in done.stdout.splitlines() if line.count("::") == 1]
    return [(words[0], words[1]) for words in lines if words[0] in ("passed", "failed", "skipped")]


# --- failures first -------------------------------------------------------------------------------


def test_what_failed_last_time_runs_first(folder: Path) -> None:
    first = order(conformance(folder, *FEW, "-v"))
    failed = [test for outcome, test in first if outcome == "failed"]
    assert 0 < len(failed) < len(first)
    assert first[0][0] == "passed"
    done = conformance(folder, *FEW, "-v", "--failed-first")
    assert done.returncode == 1
    again = [test for _, test in order(done)]
    assert again == failed + [test for _, test in first if test not in failed]
    assert sorted(file.name for file in folder.iterdir()) == ["__pycache__", "wrong_plugin.py"]
    assert (folder.parent / "cache" / "tensorplug" / "conformance" / "pytest").is_dir()


# --- exclusions -----------------------------------------------------------------------------------

ENTRY = {
    "id": "test_l2_forward.py::test_values_types_and_devices[expm1-float32-wrong:0]",
    "reason": "nine is added",
    "link": "https://example.org/1",
    "expires": "2999.1",
}


def write(folder: Path, *entries: dict[str, str]) -> tuple[str, str]:
    """A file of exclusions, as the words that name it."""
    tables = [
        "\n".join(["[[exclude]]", *(f"{name} = {value!r}" for name, value in entry.items())])
        for entry in entries
    ]
    (folder / "known.toml").write_text("\n\n".join(tables) + "\n", "utf-8")
    return "--exclude", "known.toml"


def failed(folder: Path) -> list[str]:
    """The ids of the tests that fail on the device."""
    conformance(folder, *FEW, "--json", "first.json")
    results = json.loads((folder / "first.json").read_text("utf-8"))["results"]
    return [r["test"] for r in results if r["outcome"] == "failed"]


def test_known_failures_are_reported_with_their_reasons(folder: Path) -> None:
    entries = [{**ENTRY, "id": test} for test in failed(folder)]
    assert ENTRY in entries
    done = conformance(folder, *FEW, *write(folder, *entries), "--json", "r.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(entries)} excluded failures: their levels are not reached" in done.stdout
    assert f"L2 {ENTRY['id']}: nine is added (https://example.org/1)" in done.stdout
    report = json.loads((folder / "r.json").read_text("utf-8"))
    assert misfit(report) is None
    assert report["counts"]["wrong:0"]["excluded"] == len(entries)
    assert report["counts"]["wrong:0"]["passed"] > 0
    assert report["about"]["wrong:0"]["levels"]["L2"] == "excluded"
    [result] = [r for r in report["results"] if r["test"] == ENTRY["id"]]
    assert result["outcome"] == "excluded"
    assert result["message"].startswith("excluded: nine is added (https://example.org/1)\n")
    assert "expected" in result["problem"]
    assert result["call"].startswith("expm1(")


def test_an_excluded_test_that_passes_fails(folder: Path) -> None:
    test = ENTRY["id"].replace("expm1", "exp")
    only = ("--op", "tp.exp", "--dtype", "float32", "-k", "values_types")
    done = conformance(folder, *only, *write(folder, {**ENTRY, "id": test}))
    assert done.returncode == 1
    assert (
        "expected a failure, as --exclude says, got a pass; take the entry away: nine is added "
        "(https://example.org/1)"
    ) in done.stdout


@pytest.mark.parametrize("expires", ["2026.1", "2026-01-01"])
def test_an_expired_entry_excludes_nothing(folder: Path, expires: str) -> None:
    only = ("--op", "tp.expm1", "--dtype", "float32", "-k", "values_types")
    done = conformance(folder, *only, *write(folder, {**ENTRY, "expires": expires}))
    assert done.returncode == 1
    assert f"--exclude: {ENTRY['id']} has expired ({expires}): nine is added" in done.stdout
    assert "excluded failures" not in done.stdout
    assert "wrong:0: repair first" in done.stdout


@pytest.mark.parametrize(
    "test",
    [
        "test_l1_printing.py::test_nothing",
        "test_l1_printing.py",
        "test_l1_printing.py::test_*",
        "../conformance/test_l1_printing.py::test_numbers",
        "expm1",
    ],
)
def test_an_unknown_test_fails_the_run(test: str) -> None:
    found = complaints({test: Exclusion(**{**ENTRY, "id": test})}, [], {})
    assert found == [
        "--exclude: expected the whole id of a test of these devices, as reports have it, got "
        f"{test}"
    ]


def test_a_case_is_unknown_where_all_cases_were_run() -> None:
    test = ENTRY["id"].partition("[")[0]
    results = [{"test": f"{test}[exp-float32-cpu]"}]

    def said(name: str, cases: int) -> list[str]:
        entry = Exclusion(**{**ENTRY, "id": name})
        return complaints({name: entry}, results, {"cpu": {test: cases}} if cases else {})

    assert said(f"{test}[exp-float32-cpu]", 1) == []
    assert len(said(f"{test}[exp-float99-cpu]", 1)) == 1
    assert said(f"{test}[sin-float32-cpu]", 2) == []  # it may have been left out
    assert said(f"{test}[sin-float32-cpu]", 0) == []
    assert len(said(test, 2)) == 1  # no test, but a part of the name of some
    assert said("test_l4_random.py::test_a_seed_gives_the_same_numbers", 1) != []
    assert said("test_l1_storage.py::test_strides_and_offsets_of_views[cpu]", 1) != []


def test_an_unknown_test_and_exit_status(folder: Path) -> None:
    words = ("--op", "tp.exp", "--dtype", "float32", "-k", "values_types")
    unknown = "test_l2_forward.py::test_values"
    done = conformance(folder, *words, *write(folder, {**ENTRY, "id": unknown}))
    assert done.returncode == 1
    assert f"as reports have it, got {unknown}" in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[exclude", "expected TOML, got: "),
        ("[[excluded]]\nid = 'x'", "expected tables called [[exclude]] alone, got excluded"),
        ("exclude = 3", "expected tables called [[exclude]] alone, got exclude"),
        ("exclude = [3]", "expected a table [[exclude]] as entry 1, got 3"),
        ("reason", "entry 1 (a::b) to have a text as reason, got none"),
        ("link", "entry 1 (a::b) to have a text as link, got none"),
        ("expires", "entry 1 (a::b) to have a text as expires, got none"),
        ("id", "entry 1 to have a text as id, got none"),
        ("reason = ' '", "entry 1 (a::b) to have a text as reason, got ' '"),
        ("expires = 2027.1", "entry 1 (a::b) to have a text as expires, got 2027.1"),
        ("expires = 'soon'", "entry 1 (a::b) to expire on a date or with a version such as "),
        ("more = 1", "entry 1 (a::b) to have id, reason, link, expires and no more, got also more"),
        ("twice", "expected each test once, got two entries for a::b"),
    ],
)
def test_a_malformed_file_is_refused_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    fields = {"id": "'a::b'", "reason": "'r'", "link": "'l'", "expires": "2027-01-01"}
    name, _, value = text.partition(" = ")
    if name in (*fields, "more"):
        given = {**fields, name: value}
        text = "[[exclude]]\n" + "\n".join(f"{n} = {v}" for n, v in given.items() if v)
    elif text == "twice":
        table = "\n".join(["[[exclude]]", *(f"{n} = {v}" for n, v in fields.items())])
        text = f"{table}\n{table}"
    path = tmp_path / "known.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(pytest.UsageError) as caught:
        read(path)
    line = str(caught.value)
    assert line.startswith(f"--exclude: {path}: expected ")
    assert told in line
    assert "\n" not in line


def test_a_date_of_toml_and_a_date_as_text(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    for date in ("2027-01-01", "'2027-01-01'"):
        path.write_text(f"[[exclude]]\nid='a'\nreason='r'\nlink='l'\nexpires={date}\n", "utf-8")
        assert read(path) == {"a": Exclusion("a", "r", "l", "2027-01-01")}


def test_a_missing_file_of_exclusions_is_misuse(folder: Path) -> None:
    done = conformance(folder, "--exclude", "nowhere.toml", "-k", "printing")
    assert done.returncode == 2
    assert "--exclude: nowhere.toml: expected a file that can be read, got: No such" in done.stderr
    assert done.stderr.count("\n") <= 2

"""Plugins are installed, tried and entered in the registry; the table says what the entries say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tensorplug.conformance.report import digest

from . import __main__ as downstream
from .registry import add, entries, table

STRICT = {
    "requirement": "tests/thirdparty/tensorplug-strict", "device": "strict:0", "level": "L0",
    "gate": "blocking",
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A real one, by a plugin in an environment of its own."""
    return downstream.try_plugin("strict", STRICT, tmp_path_factory.mktemp("downstream"), [])


def test_a_plugin_is_installed_and_tried(report: dict[str, Any]) -> None:
    about = report["about"]["strict:0"]
    assert (about["plugin"], about["reached"]) == ("tensorplug-strict", "L0")


def test_an_entry_says_what_the_report_says(report: dict[str, Any], tmp_path: Path) -> None:
    add(report, "strict", tmp_path)
    (entry,) = entries(tmp_path).values()
    assert entry["digest"] == report["digest"]
    assert entry["levels"]["L0"] == "passes"
    assert entry["failures"] == []
    row = table(tmp_path).splitlines()[-1]
    assert row.startswith("| `strict:0` | array_api_strict ")
    assert "| tensorplug-strict 0.1.0 |" in row
    assert row.count("passes") == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"counts": {}}, "it was edited"),
        ({"stopped": True}, "expected a run to its end"),
        ({"selection": {"--op": ["exp"]}}, "expected all tests"),
        ({"devices": ["strict:0", "cpu"]}, "devices: expected one, got"),
    ],
)
def test_other_reports_are_refused(
    report: dict[str, Any], tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    changed = {**report, **change}
    if "devices" in change:
        changed["about"] = dict.fromkeys(change["devices"], report["about"]["strict:0"])
    changed["digest"] = report["digest"] if "counts" in change else digest(changed)
    with pytest.raises(ValueError, match=text):
        add(changed, "strict", tmp_path)
    assert not entries(tmp_path)


@pytest.mark.parametrize(("gate", "status"), [("blocking", 1), ("advisory", 0), ("silent", 0)])
def test_gates(
    report: dict[str, Any], tmp_path: Path, gate: str, status: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The plugin has lost L1: it fails the run, is a warning, or only a line."""
    plugin = {**STRICT, "level": "L1", "gate": gate}
    monkeypatch.setattr(downstream, "plugins", lambda: {"strict": plugin})
    monkeypatch.setattr(downstream, "try_plugin", lambda *_: report)
    assert downstream.watch([], [], tmp_path) == status
    said = capsys.readouterr().out
    assert f"strict ({gate}): expected L1, reached L0" in said
    assert ("warning: strict has lost L1" in said) == (gate == "advisory")
    assert bool(entries(tmp_path)) == (gate != "silent")


def test_unknown_plugins_and_files_are_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"schema": 0}), encoding="utf-8")
    for words, text in (
        (["watch", "strct"], "expected one of cpu, loopback, strict"),
        (["add", str(tmp_path / "other.json"), "other"], "registry: other: schema: expected 1"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "downstream", *words],
            cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        assert text in done.stderr
        assert "Traceback" not in done.stderr


def test_the_table_is_that_of_the_entries() -> None:
    assert downstream.PAGE.read_text("utf-8") == table(), "run `python -m downstream table`"


def test_registered_plugins_are_well_formed() -> None:
    for name, plugin in downstream.plugins().items():
        assert plugin["level"] in {f"L{n}" for n in range(6)}, name
        local = downstream.ROOT / plugin["requirement"]
        assert not plugin["requirement"].startswith("tests/") or local.is_dir(), name

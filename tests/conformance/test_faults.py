"""The suite finds every seeded fault, says where it is, and flags nothing that is allowed.

The faults are in ``faults/``. Here the first forty are run, each up to the first failure; ``make
faults`` tries all of them and makes the whole matrix; CI runs all of them up to the first failure,
and everything that is allowed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def ids(part: str) -> list[str]:
    """The ids in the catalogue's files, which are not imported here: that would declare devices."""
    text = "".join(path.read_text("utf-8") for path in sorted((HERE / "faults").glob("*.py")))
    return sorted(re.findall(rf'fault\(\s*"({part}\d+)"', text))


FORTY = [f"F{number:02d}" for number in range(1, 41)]
ALLOWED = ["K01", "K06", "K11"]  # others take half a minute


def run(folder: Path, *words: str) -> dict[str, dict[str, Any]]:
    """The outcomes of some devices by id."""
    path = [str(HERE), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    done = subprocess.run(
        [sys.executable, "-m", "faults", f"--json={folder / 'matrix.json'}", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads((folder / "matrix.json").read_text("utf-8"))
    return {outcome["id"]: outcome for outcome in found["faults"]}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The faults, each up to the first failure, and what is allowed."""
    return run(tmp_path_factory.mktemp("quick"), "--quick", *FORTY, *ALLOWED)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A fault with all tests of its functions."""
    return run(tmp_path_factory.mktemp("one"), "F17")["F17"]


def test_the_catalogue_is_as_large_as_it_says() -> None:
    assert len(ids("F")) >= 85
    assert len(ids("R")) == 19
    assert len(ids("S")) == 24
    assert len(ids("T")) == len(ids("U")) == 30
    assert len(ids("K")) == 13
    assert set(FORTY) <= set(ids("F"))


@pytest.mark.parametrize("fault", FORTY)
def test_a_fault_is_found(quick: dict[str, dict[str, Any]], fault: str) -> None:
    outcome = quick[fault]
    assert not outcome["error"], outcome["error"]
    assert outcome["killed"], f"{outcome['says']}: no test of the suite fails"


@pytest.mark.parametrize("variation", ALLOWED)
def test_what_is_allowed_passes(quick: dict[str, dict[str, Any]], variation: str) -> None:
    outcome = quick[variation]
    assert not outcome["error"], outcome["error"]
    assert outcome["failures"] == [], f"{outcome['says']}: {outcome['first']}"
    assert outcome["ran"] > 200


def test_the_first_failure_points_to_the_cause(quick: dict[str, dict[str, Any]]) -> None:
    killed = [o for o in quick.values() if o["killed"]]
    lost = {o["id"]: o["failures"][0] for o in killed if not o["points"]}
    assert len(lost) <= len(killed) / 5, lost


def test_nine_of_ten_first_failures_of_the_whole_matrix_point_to_the_cause() -> None:
    text = (ROOT / "docs" / "conformance-faults.md").read_text("utf-8")
    found = re.search(r"names the function or the rule: (\d+) of (\d+)", text)
    assert found is not None
    assert int(found[1]) >= 0.9 * int(found[2])


def test_failures_say_what_was_called_and_what_came(one: dict[str, Any]) -> None:
    for part in ("remainder(", "on f17:0", "expected", "got", "computed by"):
        assert part in one["first"]


def test_one_fault_does_not_fail_everything(one: dict[str, Any]) -> None:
    assert len(one["failures"]) < one["ran"] / 10


def test_the_document_lists_every_fault() -> None:
    text = (ROOT / "docs" / "conformance-faults.md").read_text("utf-8")
    listed = set(re.findall(r"^\| ([FRSTUK]\d+) \|", text, re.MULTILINE))
    every = {*ids("F"), *ids("R"), *ids("S"), *ids("T"), *ids("U"), *ids("K")}
    assert listed == every, f"run `make faults WRITE=1`: {sorted(listed ^ every)}"

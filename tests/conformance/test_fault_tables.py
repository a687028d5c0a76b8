"""The fault matrix counts what it says it counts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import faults.tables

    return faults.tables


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import faults.outcome

    return faults.outcome


def made(outcome: Any, id: str, *tests: str, points: bool = False) -> Any:
    failures = [{"test": test, "message": "E   wrong"} for test in tests]
    return outcome.Outcome(id, f"what {id} is", "views", failures=failures, points=points)


def test_rates(tables: Any, outcome: Any) -> None:
    found = [
        made(outcome, "F01", "test_l1_a.py::test_one[x]", "test_l1_a.py::test_one[y]", points=True),
        made(outcome, "F02", "test_l1_a.py::test_one[x]", "test_l2_b.py::test_two[x]"),
        made(outcome, "R01"),
        made(outcome, "K01"),
        made(outcome, "K02", "test_l1_a.py::test_one[x]"),
        made(outcome, "clean"),
    ]
    assert tables.rates(found) == {
        "faults": 3, "killed": 2, "survived": ["R01"], "twice": 1, "pointed": 1, "variations": 2,
        "flagged": ["K02"], "levels": {"L1": 2, "L2": 1},
    }  # fmt: skip
    text = "\n".join(tables.said(tables.rates(found)))
    for part in ("**2 of 3 (66.7 %)**", "1 of 2 (50.0 %)", "**1 of 2**", "L1 2, L2 1"):
        assert part in text


def test_tests_are_not_counted_where_runs_stopped_at_the_first_failure(
    tables: Any, outcome: Any
) -> None:
    one = made(outcome, "F01", "test_l1_a.py::test_one[x]")
    one.stopped = True
    assert tables.rates([one])["twice"] is None
    assert "stopped at the first failure" in "\n".join(tables.said(tables.rates([one])))
    assert "| views | 1+ |" in tables.table([one])


def test_the_table_replaces_what_is_between_the_marks(
    tables: Any, outcome: Any, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n", encoding="utf-8")
    tables.rewrite(page, [made(outcome, "F01", "test_l1_a.py::test_one[x]"), made(outcome, "R01")])
    text = page.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| F01 | what F01 is | views | 1 | no | test_l1_a, test_one |" in text
    assert "| R01 | what R01 is | views | 0 | - | - |" in text


def test_a_page_without_marks_is_refused(tables: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="expected the lines <!-- fault matrix: begin -->"):
        tables.rewrite(page, [])


@pytest.mark.parametrize(
    ("test", "message", "points"),
    [
        ("test_l2_a.py::test_values[add-float32-f01:0]", "E   wrong", True),
        ("test_l2_a.py::test_sums[f01:0]", "E   wrong", True),
        ("test_l2_a.py::test_values[sub-float32-f01:0]", "    add(x, y)\nE   wrong", False),
        ("test_l2_a.py::test_values[sub-float32-f01:0]", "E   add(x): expected 1", True),
        ("test_l2_a.py::test_addition[f01:0]", "E   added", False),
    ],
)
def test_only_what_states_the_failure_counts(
    outcome: Any, test: str, message: str, points: bool
) -> None:
    fault: Any = SimpleNamespace(type="f01", names=("add", "sum"))
    failure = {"test": test, "message": outcome.stated({"message": message})}
    assert outcome.points(fault, failure) is points


def test_a_process_without_a_report_is_an_error(outcome: Any, tmp_path: Path) -> None:
    fault: Any = SimpleNamespace(type="f01", id="F01", says="", area="", names=())
    (tmp_path / "f01.log").write_text("Segmentation fault", encoding="utf-8")
    assert "Segmentation fault" in outcome.read(fault, tmp_path).error

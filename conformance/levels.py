"""Levels, and the frozen lists of what a backend must pass to reach them.

A list is named by year and number (:data:`SUITE_VERSION`) and never changes afterwards: tests and
functions that came later are *candidates*, which are reported and do not count, until the next
list takes them in. ``python -m tensorplug.conformance.levels`` writes the list of this version.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.conformance import LEVELS, SUITE_VERSION
from tensorplug.conformance.recorded_calls import recorded_names

__all__ = ["frozen", "is_candidate", "level_of", "missing", "reached", "tests_of", "verdicts"]

FOLDER = Path(__file__).parent
_FILE = re.compile(r"test_l(\d)_")

OF_FUNCTIONS = "[case]"
"""After the name of a test that is run for each function and type."""


def level_of(file: str) -> int:
    """The level of a file of the suite: 3 for ``test_l3_views.py``."""
    found = _FILE.match(file)
    if found is None:
        raise ValueError(f"conformance: expected a file called test_l<level>_..., got {file}")
    return int(found[1])


def tests_of(file: Path) -> list[ast.FunctionDef]:
    """The test functions of a file, read without importing it."""
    tree = ast.parse(file.read_text("utf-8"))
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@cache
def frozen(version: str = SUITE_VERSION) -> Mapping[str, Any]:
    """The list of a version: ``tests`` by level (``"L0"``), as ``file::function``; ``functions``.

    Raises:
        FileNotFoundError: there is no such version.
    """
    text = (FOLDER / "data" / f"{version}.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


@cache
def _listed() -> tuple[frozenset[str], frozenset[str]]:
    found = frozen()
    names = (test for level in found["tests"].values() for test in level)
    tests = frozenset(name.removesuffix(OF_FUNCTIONS) for name in names)
    return tests, frozenset(found["functions"])


def is_candidate(test: str, function: str | None) -> bool:
    """Whether a test, as ``file::function``, or the function it tries, came after the list."""
    tests, functions = _listed()
    return test not in tests or (function is not None and function not in functions)


_WEAKER = {"on the host": {"on the host"}, "excluded": {"on the host", "excluded"}}
"""Levels that are not reached, although nothing fails, by the outcomes that there are."""


def verdicts(
    results: Sequence[Mapping[str, Any]], device: str, whole: bool,
    expected: Mapping[str, Mapping[str, int]],
) -> dict[str, str]:  # fmt: skip
    """What became of each level on a device: ``passes``, ``fails``, ``on the host`` (by fallback,
    in part), ``excluded`` (known failures, in part), ``partly run``, ``not run``.

    A level passes when every case of every test that must pass was run there and passed, or needs a
    capability that the device does not declare. ``whole`` says that nothing was left out on
    purpose, ``expected`` how many cases there are, by device and test.
    """
    found = {}
    for number in range(len(LEVELS)):
        level = f"L{number}"
        mine = [r for r in results if r["level"] == level and r["device"] in (device, None)]
        counted = [r for r in mine if not r["candidate"]]
        bad = {r["outcome"] for r in counted} - {"passed", "not supported"}
        if bad:
            found[level] = next((word for word in _WEAKER if bad <= _WEAKER[word]), "fails")
        elif not mine:
            found[level] = "not run"
        elif not whole or missing(mine, device, expected, _needed(level)):
            found[level] = "partly run"
        else:
            found[level] = "passes"
    return found


def _needed(level: str) -> list[str]:
    return [test.removesuffix(OF_FUNCTIONS) for test in frozen()["tests"].get(level, [])]


def missing(
    results: Sequence[Mapping[str, Any]], device: str, expected: Mapping[str, Mapping[str, int]],
    tests: Iterable[str],
) -> dict[str, tuple[int, int]]:  # fmt: skip
    """Of some tests, as ``file::function``, those that were not run whole: cases expected and run.

    There is no case of a function where no type fits; of a test that was not even collected, one
    is expected.
    """
    there = {r["test"]: r for r in results if r["device"] in (device, None)}
    ran = Counter(f"{r['file']}::{r['name']}" for r in there.values())
    mine, general = expected.get(device, {}), expected.get("", {})
    found = {}
    for test in tests:
        known = test in mine or test in general
        wanted = mine.get(test, 0) + general.get(test, 0) if known else 1
        if ran[test] < wanted:
            found[test] = (wanted, ran[test])
    return found


def reached(found: Mapping[str, str]) -> str:
    """The highest level up to which all pass, ``""`` if not even L0 does."""
    last = ""
    for level, verdict in found.items():
        if verdict != "passes":
            break
        last = level
    return last


def _name_of(decorator: ast.expr) -> str:
    """``shared`` for ``@pytest.mark.shared``."""
    return decorator.attr if isinstance(decorator, ast.Attribute) else ""


def _current() -> dict[str, Any]:
    tests: dict[str, list[str]] = {f"L{number}": [] for number in range(len(LEVELS))}
    for file in sorted(FOLDER.glob("test_l*.py")):
        for test in tests_of(file):
            if "exhaustive" in map(_name_of, test.decorator_list):
                continue
            arguments = [argument.arg for argument in test.args.args]
            suffix = OF_FUNCTIONS if "case" in arguments else ""
            tests[f"L{level_of(file.name)}"].append(f"{file.name}::{test.name}{suffix}")
    # Methods are tried by their recorded calls alone: they are in no table of functions.
    functions = sorted({*FUNCTIONS, *recorded_names()})
    return {"version": SUITE_VERSION, "tests": tests, "functions": functions}


def main() -> None:
    """Write the list of this version, from the suite as it is."""
    path = FOLDER / "data" / f"{SUITE_VERSION}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(_current(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

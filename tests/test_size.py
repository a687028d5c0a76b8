"""House limits: files that can be read in one go, functions that fit a screen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = (
    "api",
    "autograd",
    "backends",
    "benchmarks",
    "conformance",
    "examples",
    "plugins",
    "tests",
)

FILE_LINES = 400
FUNCTION_LINES = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _length(function: Function) -> int:
    """Count a function's lines from its `def`; its docstring is free, so that none is cut short."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def check(source: str, path: str) -> list[str]:
    """Return what is too long in one file."""
    problems = []
    lines = len(source.splitlines())
    if lines > FILE_LINES:
        problems.append(f"{path}: expected at most {FILE_LINES} lines, got {lines}; split it")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function) and _length(node) > FUNCTION_LINES:
            problems.append(
                f"{path}:{node.lineno}: expected functions of at most {FUNCTION_LINES} lines, "
                f"got {node.name} with {_length(node)}; split it"
            )
    return problems


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_and_functions_are_short(folder: str) -> None:
    problems = [
        problem
        for file in sorted((ROOT / folder).rglob("*.py"))
        for problem in check(file.read_text("utf-8"), file.relative_to(ROOT).as_posix())
    ]
    assert not problems, "\n".join(problems)


def _function(lines: int, docstring: str = "") -> str:
    return "def f():\n" + docstring + "    x = 1\n" * (lines - 1)


def test_checker_counts_lines() -> None:
    assert check(_function(FUNCTION_LINES), "a.py") == []
    assert check(_function(FUNCTION_LINES, '    """One.\n\n    Two.\n    """\n'), "a.py") == []
    assert check("x = 1\n" * FILE_LINES, "a.py") == []
    (problem,) = check(_function(FUNCTION_LINES + 1), "a.py")
    assert problem.startswith("a.py:1: ")
    assert "at most 40 lines, got f with 41" in problem
    (problem,) = check("x = 1\n" * (FILE_LINES + 1), "a.py")
    assert "at most 400 lines, got 401" in problem

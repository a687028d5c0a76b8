"""The page of rules: every test of the suite is a rule, and says which by its name.

``python -m tensorplug.conformance.rules docs/conformance-rules.md`` writes the page; one of the
project's tests compares it with the suite, so that no rule is without a test, and no test without
a rule.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tensorplug.conformance import LEVELS, SUITE_VERSION
from tensorplug.conformance.levels import FOLDER, level_of, tests_of

__all__ = ["is_negative", "page"]


def is_negative(test: ast.FunctionDef) -> bool:
    """Whether a test is about what must be refused."""
    names = (getattr(n, "attr", None) or getattr(n, "id", None) for n in ast.walk(test))
    return any(name in ("raises", "refused", "refuses") for name in names)


def page() -> str:
    """The page, in Markdown."""
    lines = [
        "# What the conformance suite checks",
        "",
        f"Suite {SUITE_VERSION}. Written from the suite by `make rules`. A failure names its rule "
        "by the name of the test. *Functions*: the rule is tried for every function and type that "
        "it concerns. *Refused*: the rule says, also, what must raise an error.",
    ]
    for number, name in enumerate(LEVELS):
        files = [f for f in sorted(FOLDER.glob("test_l*.py")) if level_of(f.name) == number]
        lines += ["", f"## L{number} {name}"]
        for file in files:
            lines += ["", *_section(file)]
    return "\n".join(lines) + "\n"


def _section(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text("utf-8"))
    told = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    yield f"### `{file.name}`"
    yield ""
    yield " ".join(told.split())
    yield ""
    yield "| rule | tried for | needs |"
    yield "|---|---|---|"
    whole = _needs(tree.body)
    for test in tests_of(file):
        kinds = ["functions"] * ("case" in [argument.arg for argument in test.args.args])
        kinds += ["refused"] * is_negative(test)
        needs = [*whole, *_needs(test.decorator_list)]
        title = test.name.removeprefix("test_").replace("_", " ")
        yield f"| {title} | {', '.join(kinds)} | {', '.join(needs)} |"


def _needs(nodes: list[ast.stmt] | list[ast.expr]) -> list[str]:
    """The capabilities in ``needs(...)`` markers among decorators, or in ``pytestmark``."""
    found = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "needs":
                found += [a.value for a in call.args if isinstance(a, ast.Constant)]
    return [str(name) for name in found]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")

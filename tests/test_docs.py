"""Examples are code: those in docstrings and those in the README run as they stand."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tensorplug as tp

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "api": "tensorplug",
    "autograd": "tensorplug.autograd",
    "backends": "tensorplug.backends",
    "plugins": "tensorplug.plugins",
}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
# What every example may use without importing it, as readers do in a session of their own.
NAMES = {"tp": tp, "nn": tp.nn, "F": tp.nn.functional}


def _modules_with_examples() -> list[str]:
    names = []
    for folder, package in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            if ">>> " in file.read_text("utf-8"):
                names.append(".".join([package, *(part for part in parts if part != "__init__")]))
    return names


@pytest.mark.parametrize("name", _modules_with_examples())
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, extraglobs=NAMES, optionflags=FLAGS)
    assert not failed, f"{name}: {failed} of {tried} examples failed; see the captured output"


def test_readme_examples(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "loss 0.0000 on cpu\n"


def test_examples_in_pages(tmp_path: Path) -> None:
    names = NAMES | {"path": str(tmp_path / "file")}
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = re.sub(r"^```.*$", "", page.read_text("utf-8"), flags=re.MULTILINE)
        examples = doctest.DocTestParser().get_doctest(text, dict(names), page.name, None, 0)
        assert doctest.DocTestRunner(optionflags=FLAGS).run(examples).failed == 0, page.name


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", "examples/README.md", "docs/write-a-backend.md"],
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        file = (ROOT / page).parent / (target or Path(page).name)
        assert file.exists(), f"{page}: {target} does not exist"
        titles = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}

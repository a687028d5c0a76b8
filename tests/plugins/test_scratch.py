"""A backend written from nothing: few members, and everything else on the host until it is written.

Of the suite a part is run here, up to the level at which copies to the host are counted.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from .test_distributions import FOLDER, conformance, install

MOST = 35
"""The members that a backend from nothing may have to write."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("scratch"), "tensorplug-scratch")


def test_few_members_are_needed() -> None:
    code = (FOLDER / "tensorplug-scratch/tensorplug_scratch/backend.py").read_text("utf-8")
    (backend,) = (
        node for node in ast.parse(code).body
        if isinstance(node, ast.ClassDef) and node.name == "ScratchBackend"
    )  # fmt: skip
    names = [node.name for node in backend.body if isinstance(node, ast.FunctionDef)]
    public = [name for name in names if not name.startswith("_")]
    assert 20 < len(public) <= MOST, public


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--level", "L1"), id="L0-L1"),
        pytest.param(("--level", "L4", "--share", "32"), id="L2-L4", marks=pytest.mark.slow),
    ],
)
def test_what_is_not_written_runs_on_the_host(
    installed: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    code, results = conformance(installed, tmp_path, "--device", "scratch:0", *words)
    outcomes = [result["outcome"] for result in results]
    failed = [r["test"] for r in results if r["outcome"] in ("failed", "error")]
    assert (code, failed) == (0, [])
    assert outcomes.count("on the host") > 50
    assert outcomes.count("passed") > 500

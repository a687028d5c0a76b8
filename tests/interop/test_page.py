"""The examples of docs/interop.md run as they stand."""

from __future__ import annotations

import doctest
from pathlib import Path

import tensorplug as tp

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interop.md"


def test_examples() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, globs={"tp": tp})
    assert (failed, tried > 8) == (0, True)

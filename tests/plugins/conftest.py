"""Devices for the tests of the shipped plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import tensorplug as tp


@pytest.fixture(autouse=True)
def _loaded() -> None:
    tp.device("xla:0")


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run a program in a fresh interpreter; the result is what it printed."""

    def run(program: str, **environment: str) -> str:
        found = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **environment},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr[-3000:]
        return found.stdout

    return run

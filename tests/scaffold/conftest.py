"""A user's environment: a virtual environment of its own in which tensorplug is installed already.

Everything that the developer's environment has can be imported; what is installed goes into the
new one. pip is told that there is no index, so nothing is downloaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


class Place:
    """A folder with an environment in which commands run as a user types them."""

    def __init__(self, folder: Path) -> None:
        self.environment = folder / "environment"
        self.folder = folder / "work"
        self.folder.mkdir()
        words = [sys.executable, "-m", "venv", "--without-pip", str(self.environment)]
        subprocess.run(words, check=True)
        paths = {"base": str(self.environment), "platbase": str(self.environment)}
        site = Path(sysconfig.get_path("purelib", "venv", vars=paths))
        ours = sysconfig.get_path("purelib")
        # A plain path would not do: the .pth files of editable installations are to be followed.
        (site / "developer.pth").write_text(f"import site; site.addsitedir({ours!r})\n", "utf-8")
        for name, module in (("pip", "pip"), ("tensorplug", "tensorplug"), ("ruff", "ruff")):
            script = self.environment / "bin" / name
            script.write_text(f'#!/bin/sh\nexec python -m {module} "$@"\n', "utf-8")
            script.chmod(0o755)

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in the work folder; its two outputs are one text."""
        kept = ("PYTEST", "TENSORPLUG", "PYTHON")
        env = {name: value for name, value in os.environ.items() if not name.startswith(kept)}
        env |= {
            "PATH": f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # which means: without isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            **variables,
        }
        return subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=env, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def ok(self, command: str, **variables: str) -> str:
        """Run a command that must succeed; its output."""
        done = self.run(command, **variables)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("user"))

"""Plugins as users install them: real distributions in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from tensorplug.backends import isolated
from tensorplug.backends.registry import Registry


class Site:
    """A folder on the import path with distributions, as pip would have installed them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self,
        distribution: str,
        points: str,
        source: str,
        *,
        group: str = "tensorplug.devices",
        version: str = "1.2",
        requires: str = "",
        **others: str,
    ) -> None:
        """Install a distribution of one module, with entry points such as ``"name = module"``.

        ``others`` are entry points of more groups, such as ``kernels="numpy = module"``.
        """
        module = points.split("=")[1].split("\n")[0].partition(":")[0].strip()
        (self.folder / f"{module}.py").write_text(source, "utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        metadata += f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(metadata, "utf-8")
        groups = {group: points, **{f"tensorplug.{name}": text for name, text in others.items()}}
        text = "".join(f"[{name}]\n{points}\n" for name, points in groups.items())
        (info / "entry_points.txt").write_text(text, "utf-8")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run Python with warnings as errors, in the folder's environment."""
        env = {name: value for name, value in os.environ.items() if "TENSORPLUG" not in name}
        env |= {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, code: str, **variables: str) -> Any:
        """Run code that assigns a JSON value to ``answer``; return that value."""
        done = self.run("-c", f"{code}\nimport json\nprint(json.dumps(answer))", **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Site]:
    """Makes sites that live as long as the module's tests."""
    return lambda: Site(tmp_path_factory.mktemp("site"))


def shipped_points() -> list[EntryPoint]:
    """The entry points of tensorplug itself, without other plugins that may be installed."""
    return [
        point
        for point in entry_points(group="tensorplug.devices")
        if point.dist is not None and point.dist.name == "tensorplug"
    ]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A fresh registry with only the shipped plugin."""
    switches = ("DISABLE_PLUGINS", "ONLY_PLUGINS", "NO_PLUGINS", "STRICT_PLUGINS")
    for name in (*switches, "PREFER", "DEFAULT_DEVICE"):
        monkeypatch.delenv(f"TENSORPLUG_{name}", raising=False)
    with isolated(shipped_points()) as fresh:
        yield fresh

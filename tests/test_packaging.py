"""What is built is what is in the tree: the package list, the wheel, and no path of one machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest

import tensorplug

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "api": "tensorplug",
    "autograd": "tensorplug.autograd",
    "backends": "tensorplug.backends",
    "conformance": "tensorplug.conformance",
    "plugins": "tensorplug.plugins",
}
# A folder that is installed under a name of its own, not under its parent's.
ELSEWHERE = {"conformance/entry": "tensorplug_pytest"}
SHIPPED = re.compile(r"(\.pyi?|py\.typed)$|/data/[^/]+$")


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _packages_in_tree() -> dict[str, str]:
    """Map each folder that has an __init__.py to the package it should be installed as."""
    found = {}
    for root, package in FOLDERS.items():
        for init in (ROOT / root).rglob("__init__.py"):
            folder = init.parent.relative_to(ROOT)
            name = ".".join([package, *folder.parts[1:]])
            found[folder.as_posix()] = ELSEWHERE.get(folder.as_posix(), name)
    return found


def _mapped(package: str, package_dir: dict[str, str]) -> str:
    """Return the folder that setuptools takes a package from: the nearest mapped parent's."""
    parent, _, name = package.rpartition(".")
    if package in package_dir:
        return package_dir[package]
    return f"{_mapped(parent, package_dir)}/{name}"


def test_package_list_equals_the_tree() -> None:
    settings = _project()["tool"]["setuptools"]
    listed = {_mapped(name, settings["package-dir"]): name for name in settings["packages"]}
    assert listed == _packages_in_tree()
    assert settings["packages"] == sorted(settings["packages"])


def test_version_is_stated_once() -> None:
    assert version("tensorplug") == tensorplug.__version__
    assert "version" in _project()["project"]["dynamic"]


def test_entry_points_are_installed() -> None:
    wanted = _project()["project"]
    (script,) = entry_points(group="console_scripts", name="tensorplug")
    assert script.value == wanted["scripts"]["tensorplug"]
    assert callable(script.load())
    types = wanted["entry-points"]["tensorplug.devices"]
    for name in types:
        (shipped,) = (
            point
            for point in entry_points(group="tensorplug.devices", name=name)
            if point.dist is not None and point.dist.name == "tensorplug"
        )
        assert shipped.value == "tensorplug.plugins"
    specs = shipped.load().tensorplug_backends()
    assert sorted(types) == sorted(type for spec in specs for type in spec.types)
    (suite,) = entry_points(group="pytest11", name="tensorplug_conformance")
    assert suite.load().__name__ == "tensorplug_pytest"


def test_pytest_entry_point_does_not_import_the_library(tmp_path: Path) -> None:
    code = "import sys, tensorplug_pytest; print('tensorplug' in sys.modules)"
    assert _python("-c", code, cwd=tmp_path).strip() == "False"


def _python(*args: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={"PATH": "", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy: nothing is left in the tree, and nothing stale is used."""
    copy = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    name = _python("-c", build, cwd=copy).strip().splitlines()[-1]
    return copy / name


def test_wheel_holds_every_shipped_file(wheel: Path) -> None:
    expected = {
        f"{package.replace('.', '/')}/{file.relative_to(ROOT / folder).as_posix()}"
        for folder, package in _packages_in_tree().items()
        for pattern in ("*", "data/*")
        for file in (ROOT / folder).glob(pattern)
        if file.is_file() and SHIPPED.search(file.as_posix())
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert "tensorplug/py.typed" in held


def test_wheel_imports_from_another_place(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import tensorplug, tensorplug.plugins; print(tensorplug.__file__)"
    printed = _python("-c", code, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert Path(printed.strip()) == tmp_path / "site" / "tensorplug" / "__init__.py"


# The folders of some machine's users or mounts at the start of a path; not part of an URL.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|home|root|Users|mnt)/\w|\b[A-Z]:\\\w")
TEXT = {".cfg", ".json", ".md", ".py", ".pyi", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
NOT_OURS = {"build", "dist", "demo-output", "htmlcov", "__pycache__"}


def _is_ours(folder: str) -> bool:
    hidden = folder.startswith(".") and folder not in {".ci", ".github"}
    return not (hidden or folder in NOT_OURS or folder.endswith(".egg-info"))


def _text_files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(filter(_is_ours, folders))
        # In a linked work tree .git is a file, and says where the repository is.
        kept = (name for name in sorted(names) if Path(name).suffix in TEXT and name != ".git")
        yield from (Path(folder, name) for name in kept)


def test_no_file_names_a_path_of_this_machine() -> None:
    problems = []
    for file in _text_files():
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if MACHINE_PATH.search(line) or str(ROOT) in line:
                problems.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("see /" + "home/ann/x", True),
        ("'/" + "work/x'", True),
        ("D:" + "\\data", True),
        ("https://host/home/x", False),
        ("a/work/b", False),
        ("/usr/bin/env", False),
    ],
)
def test_machine_path_pattern(line: str, is_one: bool) -> None:
    assert bool(MACHINE_PATH.search(line)) is is_one

"""What the command writes, really installed and really run; the whole suite in thorough runs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tensorplug.new_backend.package import render, write

from .conftest import Place
from .test_new_backend import BARE, LIBRARIES

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("autograd", "backends", "conformance", "plugins")

THOROUGH = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick") != "quick"


def test_a_package_is_installed_and_passes_its_own_tests(place: Place) -> None:
    said = place.ok("tensorplug new-backend own --library array_api_strict --into plugins/own")
    assert "pip install -e ./plugins/own\n" in said
    place.ok("pip install -e ./plugins/own")
    said = place.ok("python -W error -m pytest -q plugins/own/tests -k 'not conformance'")
    assert "2 passed, 1 deselected" in said
    names = {found.name for found in distributions()}
    assert "tensorplug-own" not in names  # it is in the user's environment, not in ours


def test_a_library_whose_arrays_cannot_be_written_to(place: Place) -> None:
    (place.folder / "still").mkdir()
    (place.folder / "still" / "bare_arrays.py").write_text(BARE, "utf-8")
    path = str(place.folder / "still")
    said = place.ok("tensorplug new-backend still_life --library bare_arrays", PYTHONPATH=path)
    assert "it has no fft and no linalg, so these are not declared\n" in said
    place.ok("pip install --no-deps ./still_life", PYTHONPATH=path)
    program = (
        "import tensorplug as tp; x = tp.zeros(2, 3, device='still_life:0'); y = x.T[1:]; y += 2; "
        "print(x.tolist(), 'fft' in x.device.capabilities, x.device.backend.dtypes(0)[0])"
    )
    said = place.ok(f'python -W error -c "{program}"', PYTHONPATH=path)
    assert said == "[[0.0, 2.0, 2.0], [0.0, 2.0, 2.0]] False tensorplug.bool\n"


# The suite takes a minute for each library, mypy half of it: quick runs try one function of one.
@pytest.mark.parametrize("name", ["strict", "numpy"] if THOROUGH else ["strict"])
def test_level_2_is_reached_without_a_change(place: Place, name: str) -> None:
    library, device = LIBRARIES[name].module, f"new_{name}"
    place.ok(f"tensorplug new-backend {device} --library {library}")
    place.ok(f"pip install -e ./{device}")
    few = "" if THOROUGH else "--op nn.functional.silu"
    said = place.ok(f"tensorplug conformance --device {device}:0 --level L2 {few}")
    assert ("passes L2" if THOROUGH else "no failure") in said, said


def _types(folder: Path) -> Path:
    """A folder in which mypy finds the package under its name."""
    tree = folder / "types" / "tensorplug"
    tree.mkdir(parents=True)
    for source in [*(ROOT / "api").iterdir(), *(ROOT / package for package in PACKAGES)]:
        (tree / source.name).symlink_to(source)
    return tree.parent


if THOROUGH:

    @pytest.mark.parametrize("name", ["strict", "numpy", "torch", "jax", "dask"])
    def test_mypy_finds_nothing(
        tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str
    ) -> None:
        write(tmp_path, render(name, LIBRARIES[name]))
        cache = tmp_path_factory.getbasetemp() / "mypy-cache"
        words = ["--strict", "--follow-imports=silent", f"--cache-dir={cache}"]
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *words, f"tensorplug_{name}", "tests"], cwd=tmp_path,
            capture_output=True, text=True, check=False,
            env={**os.environ, "MYPYPATH": str(_types(tmp_path))},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout

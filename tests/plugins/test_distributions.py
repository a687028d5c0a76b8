"""Plugins in distributions of their own: installed by pip into a folder, then tested by the suite.

They are copied first, so that building leaves nothing in the tree.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.autograd.registry import ROWS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "thirdparty"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")


def python(*words: str, path: Path | None = None, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


def install(folder: Path, *names: str, before: str = "", after: str = "") -> Path:
    """The folder into which distributions are installed, with one change in their code."""
    for name in names:
        ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
        copy = shutil.copytree(FOLDER / name, folder / name, ignore=ignored)
        for file in copy.glob("*.py"):
            code = file.read_text("utf-8")
            assert before in code
            file.write_text(code.replace(before, after) if before else code, encoding="utf-8")
    target = folder / "installed"
    done = python(
        *PIP, "--no-build-isolation", "--target", str(target),
        *(str(folder / name) for name in names), cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def conformance(target: Path, cwd: Path, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status of the suite's command, and its results."""
    done = python(
        "-m", "tensorplug", "conformance", "--json", "report.json", *words, path=target, cwd=cwd
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads((cwd / "report.json").read_text("utf-8"))
    return done.returncode, report["results"]


def test_an_op_and_kernels_of_other_distributions_are_tested(tmp_path: Path) -> None:
    target = install(tmp_path, "tensorplug-new-op", "tensorplug-fast-kernels")
    code, results = conformance(
        target, tmp_path, "-k", "values_types or derivative or kernels_equal or methods_equal",
        "--function", "lambertw", "--function", "logsumexp",
        "--function", "nn.functional.hardswish",
    )  # fmt: skip
    assert code == 0, [result for result in results if result["outcome"] == "failed"]
    tested = {result["test"].partition("::")[2] for result in results}
    for name in ("lambertw-bfloat16", "lambertw-int64", "logsumexp-float16"):
        assert f"test_values_types_and_devices[{name}-cpu]" in tested
    assert any(name.startswith("test_methods_equal_functions[lambertw") for name in tested)
    assert len([name for name in tested if "lambertw-float64" in name]) > 1  # derivatives too


def test_a_wrong_kernel_is_caught_and_its_distribution_named(tmp_path: Path) -> None:
    target = install(tmp_path, "tensorplug-fast-kernels", before="out /= 6", after="out /= 5")
    code, results = conformance(target, tmp_path, "-k", "kernels_equal", "--function", "exp")
    assert code == 1
    (failed,) = (result for result in results if result["outcome"] == "failed")
    assert "computed by: kernel 'hardswish' of kernel plugin 'numpy'" in failed["message"]
    assert "tensorplug-fast-kernels 0.1.0" in failed["message"]


class Faster:
    @tp.backends.hookimpl
    def tensorplug_kernels(self, backend: str) -> dict[str, Any]:
        return {"exp": lambda x: x} if backend == "numpy" else {}


def test_whose_kernel_it_is() -> None:
    with tp.backends.isolated():
        tp.device("cpu")
        assert tp.backends.provider("numpy", "exp") == ""
        tp.backends.register(Faster(), name="faster")
        text = "plugin 'faster' registered in this process"
        assert tp.backends.provider("numpy", "exp").endswith(text)
        assert tp.backends.provider("numpy", "sin") == tp.backends.provider("nosuch", "exp") == ""
        tp.backends.unregister("faster")
        assert tp.backends.provider("numpy", "exp") == ""


def test_an_op_runs_as_a_composition_where_asked() -> None:
    x = tp.tensor([-1.0, 2.0])
    kernel = ROWS["silu"].kernels[x.device]
    with x.device.F.composing("silu"):
        assert ROWS["silu"].kernels[x.device] is not kernel
        composed = tp.nn.functional.silu(x)
    assert ROWS["silu"].kernels[x.device] is kernel
    assert tp.allclose(composed, tp.nn.functional.silu(x))
    text = "exp on cpu: expected an op with a generic form, but it has none"
    with pytest.raises(tp.backends.KernelNotFound, match=text), x.device.F.composing("exp"):
        pass


# --- size ----------------------------------------------------------------------------------------


def code_lines(file: Path) -> int:
    """Lines that are neither empty, nor a comment, nor part of a docstring."""
    text = file.read_text("utf-8")
    lines = {i for i, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"}
    for node in ast.walk(ast.parse(text)) if file.suffix == ".py" else ():
        holds = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if holds and ast.get_docstring(node) is not None:
            first = node.body[0]
            lines -= set(range(first.lineno, (first.end_lineno or 0) + 1))
    return len(lines)


@pytest.mark.parametrize(("name", "limit"), [("tensorplug-strict", 40), ("tensorplug-torch", 40)])
def test_a_whole_plugin_is_small_with_its_packaging(name: str, limit: int) -> None:
    files = [FOLDER / name / "pyproject.toml", *(FOLDER / name).glob("tensorplug_*/*.py")]
    assert len(files) == 3
    counted = {file.name: code_lines(file) for file in files}
    assert sum(counted.values()) <= limit, counted

"""``tensorplug new-backend``: what it writes for which library, and what it refuses."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tensorplug import cli as commands
from tensorplug.backends import TensorplugError
from tensorplug.backends.probing import NEEDED, namespace_of, probe
from tensorplug.new_backend import cli, library
from tensorplug.new_backend.library import Library, inspect
from tensorplug.new_backend.package import class_name, render

# What the probe says of libraries that need not be installed here.
STRICT = Library("array_api_strict", "array_api_strict", "array-api-strict", typed=True, warns=True)
LIBRARIES = {
    "strict": STRICT,
    "numpy": Library("numpy", "array_api_compat.numpy", "numpy", typed=True, warns=True),
    "torch": Library(
        "torch", "array_api_compat.torch", "torch", typed=True, skipped=("meta",),
        states_version=False,
    ),
    "jax": Library(
        "jax", "jax.numpy", "jax", typed=True, skipped=("None",), states_version=False,
        writable=False, at=True,
    ),
    "dask": Library(
        "dask.array", "array_api_compat.dask.array", "dask", typed=True, warns=True,
        skipped=("DASK_DEVICE",), states_version=False,
    ),
    "bare": Library(
        "zebra", "zebra", "zebra", inspects=False, writable=False, lacks=("fft", "linalg")
    ),
    "unknown": Library("missing", "missing", "missing", problem="No module named 'missing'"),
}  # fmt: skip


def _ruff(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "ruff", *words, "--isolated", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _write(folder: Path, name: str, found: Library) -> dict[str, str]:
    texts = render(name, found)
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return texts


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIBRARIES)
def test_the_code_is_tidy_for_every_kind_of_library(name: str, tmp_path: Path) -> None:
    texts = _write(tmp_path, name, LIBRARIES[name])
    assert not [path for path, text in texts.items() if "$" in text and "$ " not in text]
    assert not [path for path, text in texts.items() if "#?" in text]
    _ruff(tmp_path, "format", "--check")
    _ruff(tmp_path, "check", "--select", "E,F,W,I,UP,B,BLE,C4,D1,D2,D3,D4,PIE,PT,PTH,RET,RUF,SIM,N",
          "--ignore", "D103,D203,D213,D401")  # fmt: skip


def _code_lines(path: str, text: str) -> int:
    """How many lines are neither empty nor comments nor docstrings."""
    lines = text.splitlines()
    counted = {n for n, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#"}
    if path.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                counted -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(counted)


def test_a_backend_takes_forty_lines() -> None:
    """Packaging, hooks and backend, with an example of a kernel and of its gradient's."""
    texts = render("acme", STRICT)
    code = ("pyproject.toml", "tensorplug_acme/__init__.py", "tensorplug_acme/backend.py")
    assert sum(_code_lines(path, texts[path]) for path in code) <= 40


def test_a_long_name_does_not_make_lines_too_long(tmp_path: Path) -> None:
    _write(tmp_path, "x" * 12, STRICT)
    _ruff(tmp_path, "format", "--check")
    _ruff(tmp_path, "check", "--select", "E,W")


def test_every_file_of_a_distribution_is_there() -> None:
    texts = render("acme_two", STRICT)
    assert sorted(texts) == [
        ".github/workflows/conformance.yml", ".gitignore", "LICENSE", "README.md",
        "conformance.svg", "pyproject.toml", "tensorplug_acme_two/__init__.py",
        "tensorplug_acme_two/backend.py", "tensorplug_acme_two/py.typed", "tests/test_acme_two.py",
    ]  # fmt: skip
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["name"] == "tensorplug-acme-two"
    assert project["dependencies"] == ["tensorplug", "array-api-strict"]
    assert project["entry-points"]["tensorplug.devices"] == {"acme_two": "tensorplug_acme_two"}
    assert "class AcmeTwoBackend(ArrayAPIBackend):" in texts["tensorplug_acme_two/backend.py"]
    workflow = texts[".github/workflows/conformance.yml"]
    assert "tensorplug conformance --device acme_two:0" in workflow
    assert 'TENSORPLUG_STRICT_PLUGINS: "1"' in workflow
    assert class_name("acme_two") == "AcmeTwoBackend"


def test_only_public_names_are_imported() -> None:
    for found in LIBRARIES.values():
        for path, text in render("acme", found).items():
            for line in re.findall(r"^ *(?:from|import) +tensorplug.*$", text, re.MULTILINE):
                assert line in (
                    "from tensorplug.backends import BackendSpec, hookimpl",
                    "from tensorplug.backends import DEFAULT_CAPABILITIES, ArrayAPIBackend, Kernel",
                    "import tensorplug as tp",
                ), path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("numpy", "xp: Any = array_api_compat.numpy"),
        ("numpy", "    soft_errors = (RuntimeWarning,)"),
        ("torch", '        return [xp.device("cpu"), *cuda]'),
        ("torch", '        return version("torch")'),
        ("jax", "import jax.numpy as xp"),
        ("jax", "        return array.at[index].set(value)"),
        ("jax", "        return [device for device in listed if str(device) not in empty]"),
        ("jax", "    compiles = True"),
        ("dask", '        empty = ("DASK_DEVICE",)  # these hold no values'),
        ("bare", '    capabilities = DEFAULT_CAPABILITIES - {"fft", "linalg"}'),
        ("bare", "        return [array_api_compat.device(xp.zeros(()))]"),
        ("bare", "        host[index] = self.to_host(self.adopt(value))"),
        ("bare", "import zebra as xp  # type: ignore[import-untyped, unused-ignore]"),
    ],
)
def test_what_a_library_needs_is_there(name: str, line: str) -> None:
    text = render("acme", LIBRARIES[name])["tensorplug_acme/backend.py"]
    assert line in text.splitlines()


# --- what is found out ---------------------------------------------------------------------------


def test_namespaces() -> None:
    names = ("numpy", "torch", "cupy", "dask", "dask.array", "jax", "jax.numpy", "other.thing")
    assert [namespace_of(name) for name in names] == [
        "array_api_compat.numpy", "array_api_compat.torch", "array_api_compat.cupy",
        "array_api_compat.dask.array", "array_api_compat.dask.array", "jax.numpy", "jax.numpy",
        "other.thing",
    ]  # fmt: skip


def test_probing_numpy() -> None:
    facts = probe("numpy")
    assert facts.pop("version")
    assert facts == {
        "distribution": "numpy", "states_version": True, "missing": [], "lacks": [],
        "typed": True, "inspects": True, "devices": ["cpu"], "skipped": [], "writable": True,
        "at": False, "warns": True,
    }  # fmt: skip


BARE = """
import numpy as np

def _still(array):
    array.flags.writeable = False
    return array

def __getattr__(name):
    if name.startswith("__") or name in ("fft", "linalg"):
        raise AttributeError(name)
    return getattr(np, name)

def _stilled(name):
    function = getattr(np, name)
    return lambda *args, **kwargs: _still(function(*args, **kwargs))

asarray, zeros, full, empty = map(_stilled, ("asarray", "zeros", "full", "empty"))
"""


@pytest.fixture
def library_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which ``inspect`` finds modules."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_a_library_with_little(library_on_path: Path) -> None:
    (library_on_path / "bare_arrays.py").write_text(BARE, "utf-8")
    found = inspect("bare_arrays")
    assert not found.problem
    assert (found.lacks, found.inspects, found.writable, found.at) == (
        ("fft", "linalg"), False, False, False,
    )  # fmt: skip
    assert (found.distribution, found.typed, found.states_version) == ("bare-arrays", False, False)


def test_a_library_that_prints(library_on_path: Path) -> None:
    source = "from numpy import *\nfrom numpy import __array_namespace_info__\nprint('hello')\n"
    (library_on_path / "loud.py").write_text(source, "utf-8")
    found = inspect("loud")
    assert (found.devices, found.problem) == (("cpu",), "")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raise ValueError('no licence')", "ValueError: no licence"),
        ("import os\nos._exit(3)", "it ended with exit status 3"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            f"importing it ended the process with signal {int(signal.SIGKILL)}",
        ),
        ("import time\ntime.sleep(60)", "importing it took more than 4 seconds"),
    ],
)
def test_a_library_that_cannot_be_imported(
    source: str, problem: str, library_on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "sleep" in source:
        monkeypatch.setattr(library, "SECONDS", 4)
    (library_on_path / "broken_arrays.py").write_text(source, "utf-8")
    found = inspect("broken_arrays")
    assert found.problem == problem
    assert found.distribution == "broken-arrays"


@pytest.mark.parametrize("module", ["", "1x", "a-b", "a..b", "a b", ".a"])
def test_no_module(module: str) -> None:
    with pytest.raises(TensorplugError) as caught:
        inspect(module)
    assert str(caught.value) == (
        "new-backend: expected --library to be a module that can be imported, such as torch or "
        f"jax.numpy, got {module!r}"
    )


def test_a_module_without_arrays() -> None:
    with pytest.raises(TensorplugError) as caught:
        inspect("json")
    needed = ", ".join(NEEDED)
    assert str(caught.value) == (
        f"new-backend: expected --library to have the array API functions {needed}, got json, "
        f"which lacks {needed}; name the module that has them (jax.numpy and not jaxlib), or "
        "subclass tensorplug.backends.Backend"
    )


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Acme", "; acme would do"),
        ("my-gpu", "; my_gpu would do"),
        ("3d", "; d would do"),
        ("a__b", "; a_b would do"),
        ("_a", "; a would do"),
        ("a_", "; a would do"),
        ("a:0", "; a would do"),
        ("x" * 33, f"; {'x' * 32} would do"),
        ("", ""),
        ("7", ""),
    ],
)
def test_names_that_are_none(name: str, hint: str) -> None:
    with pytest.raises(TensorplugError) as caught:
        cli.check_name(name)
    assert str(caught.value) == (
        "new-backend: expected a device type of lower-case letters, digits and single underscores "
        f"that begins with a letter, at most 32 characters, got {name!r}{hint}"
    )
    assert (caught.value.op, caught.value.got) == ("new-backend", name)


@pytest.mark.parametrize("name", ["cpu", "cuda", "gpu", "loopback", "tpu", "xla"])
def test_names_of_our_own(name: str) -> None:
    with pytest.raises(TensorplugError) as caught:
        cli.check_name(name)
    assert str(caught.value) == (
        f"new-backend: expected a device type of your own, got {name!r}, which is one of "
        f"tensorplug's; choose another name, such as my_{name}"
    )


def test_a_name_that_is_taken() -> None:
    with pytest.raises(TensorplugError) as caught:
        cli.check_name("strict")
    assert str(caught.value) == (
        "new-backend: expected a device type that is not taken, got 'strict', which the installed "
        "tensorplug-strict provides; choose another name, or pip uninstall tensorplug-strict"
    )


def test_nothing_is_written_over(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / name).touch()
    for folder, text in (
        (tmp_path, f"a folder that is new or empty, got {tmp_path}, which has a, b, c, ..."),
        (tmp_path / "a", f"a folder, got {tmp_path / 'a'}, but {tmp_path / 'a'} is a file"),
        (tmp_path / "a" / "x", f"a folder, got {tmp_path / 'a/x'}, but {tmp_path / 'a'} is a file"),
    ):
        with pytest.raises(TensorplugError) as caught:
            cli.check_folder(folder)
        assert str(caught.value) == f"new-backend: expected {text}; name another one with --into"
    cli.check_folder(tmp_path / "new" / "folder")
    (tmp_path / "empty").mkdir()
    cli.check_folder(tmp_path / "empty")


# --- what is said --------------------------------------------------------------------------------


def test_the_report() -> None:
    found = replace(STRICT, version="2.6", devices=("a", "b"))
    assert cli.report("acme", Path("plugins/acme"), found, ["LICENSE"]) == (
        "wrote plugins/acme/\n  LICENSE\n\n"
        "array-api-strict 2.6 as array_api_strict: 2 devices\n\n"
        "next:\n  pip install -e ./plugins/acme\n"
        "  tensorplug conformance --device acme:0 --level L2\n"
        "and then read plugins/acme/tensorplug_acme/backend.py\n"
    )


def test_the_report_says_what_a_library_lacks() -> None:
    text = cli.report("acme", Path("acme"), LIBRARIES["bare"], [])
    assert "zebra as zebra: it does not list its devices; one is used\n" in text
    assert "it has no fft and no linalg, so these are not declared\n" in text
    torch = replace(LIBRARIES["torch"], version="2.13.0", devices=("cpu",))
    text = cli.report("acme", Path("acme"), torch, [])
    assert "torch 2.13.0 as array_api_compat.torch: 1 device, without meta\n" in text


def test_a_library_that_is_not_there_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["new-backend", "acme", "--library", "no_such_lib", "--into", str(tmp_path / "acme")]
    assert commands.main(words) == 0
    assert (
        "warning: no_such_lib could not be tried here, so the backend is written for a library "
        "like NumPy:\n  ModuleNotFoundError: No module named 'no_such_lib'\n"
        "  install it first (pip install no-such-lib); then write the package again, or fill in "
        "what the library needs\n"
    ) in capsys.readouterr().out
    assert (tmp_path / "acme" / "tensorplug_acme" / "backend.py").exists()
    assert commands.main(words) == 1
    assert "expected a folder that is new or empty" in capsys.readouterr().err


def test_what_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["acme"])
    assert "--library" in capsys.readouterr().err


def test_what_the_system_has_against_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    for folder, reason in (("/proc/acme", "No such file or directory"), ("x" * 300, "too long")):
        words = ["new-backend", "acme", "--library", "array_api_strict", "--into", folder]
        assert commands.main(words) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("tensorplug: new-backend: expected a folder that can be written to")
        assert f"{reason}; name another one with --into" in line
        assert len(line) < 250
    with pytest.raises(TensorplugError) as caught:
        cli.check_name("x" * 300)
    assert len(str(caught.value)) < 300


def test_the_command_to_install_can_be_pasted(tmp_path: Path) -> None:
    text = cli.report("acme", tmp_path / "a b" / "c'd", inspect("array_api_strict"), [])
    (line,) = (line for line in text.splitlines() if "pip install -e" in line)
    assert shlex.split(line)[-1] == str(tmp_path / "a b" / "c'd")

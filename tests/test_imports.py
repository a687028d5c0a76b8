"""The import table, enforced: who may import whom, and what `import tensorplug` must not load.

    plugins -> backends <- autograd <- api <- conformance, tests

The rules are data (``RULES``); the rest of this file reads the syntax trees and applies them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Folder at the root -> the package it is installed as.
PACKAGES = {
    "api": "tensorplug",
    "autograd": "tensorplug.autograd",
    "backends": "tensorplug.backends",
    "conformance": "tensorplug.conformance",
    "plugins": "tensorplug.plugins",
}


class Rule(NamedTuple):
    """What one folder may import."""

    ours: tuple[str, ...]
    """Folders of ours, besides itself."""
    theirs: tuple[str, ...]
    """Top-level modules of other distributions, wherever they are imported."""
    lazily: tuple[str, ...] = ()
    """The same, but only inside a function: they must not load with `import tensorplug`."""


RULES = {
    "backends": Rule((), ("array_api_compat", "ml_dtypes", "numpy", "pluggy")),
    "plugins": Rule(("backends",), ("array_api_compat", "ml_dtypes", "numpy")),
    "autograd": Rule(("backends",), (), ("opt_einsum",)),
    "api": Rule(
        ("autograd", "backends"),
        ("ml_dtypes",),
        ("graphviz", "matplotlib", "opt_einsum", "rich", "safetensors", "tensorboardX"),
    ),
    "conformance": Rule(("api", "autograd", "backends"), ("hypothesis", "numpy", "pytest")),
}

# The array library of each shipped plugin, and what the command draws with.
OWN_LIBRARY = {
    "conformance/summary.py": ("rich",),
    **{
        f"plugins/cupy{part}.py": ("cupy", "cupyx", "cupy_backends")
        for part in (
            "",
            "_array",
            "_blas",
            "_elementwise",
            "_faults",
            "_index",
            "_launch",
            "_memory",
            "_nn",
            "_optim",
            "_order",
            "_special",
            "_streams",
        )
    },
    **{
        f"plugins/jax{part}.py": ("jax", "jaxlib")
        for part in ("", "_ctc", "_kernels", "_program", "_random", "_recurrent", "_views")
    },
}
OWN_LIBRARY_LAZILY = {
    f"plugins/{name}.py": ("scipy",) for name in ("numpy", "numpy_linalg", "numpy_special")
}

# Shipped plugins that simulate devices with the kernels of another.
BUILT_ON = {"loopback": "numpy"}

# The files of api/ where host arrays enter and leave; all others go through kernels.
NUMPY_IN_API = (
    "api/_creation.py",
    "api/_foreign.py",
    "api/_repr.py",
    "api/serialization/",
    "api/trainer/_random.py",
    "api/utils/",
)

# What conformance may know of the engine: the rows that it tests.
ENGINE_FOR_CONFORMANCE = ("tensorplug.autograd.registry",)


class Import(NamedTuple):
    """One imported name, with where and how it is imported."""

    target: str
    """Full dotted name: module, or module and name."""
    line: int
    in_function: bool
    typing_only: bool
    relative: bool = False


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """Return the full name of the module that a (perhaps relative) import names."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def _imports(
    tree: ast.AST, module: str, is_package: bool, in_function: bool = False, typing: bool = False
) -> Iterator[Import]:
    """Yield every import below `tree`, the literal ones of importlib and __import__ included."""
    for node in ast.iter_child_nodes(tree):
        inside = in_function or isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, inside, typing)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, inside, typing, node.level > 0)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            if node.args and isinstance(node.args[0], ast.Constant):
                yield Import(str(node.args[0].value), node.lineno, inside, typing)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            for child in node.body:
                yield from _imports(ast.Module([child], []), module, is_package, inside, True)
            for child in node.orelse:
                yield from _imports(ast.Module([child], []), module, is_package, inside, typing)
            continue
        yield from _imports(node, module, is_package, inside, typing)


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")


def _folder_of(target: str) -> str | None:
    """Return the folder of ours that `target` lies in, or None for another distribution."""
    for folder, package in sorted(PACKAGES.items(), key=lambda item: -len(item[1])):
        if target == package or target.startswith(f"{package}."):
            return folder
    return None


def _theirs_allowed(path: str, folder: str, found: Import) -> bool:
    top = found.target.split(".")[0]
    if top in sys.stdlib_module_names or top in RULES[folder].theirs:
        return True
    lazily = RULES[folder].lazily + OWN_LIBRARY_LAZILY.get(path, ())
    if found.in_function and top in lazily:
        return True
    if folder == "api" and top == "numpy":
        return path.startswith(NUMPY_IN_API)
    return top in OWN_LIBRARY.get(path, ())


def _conformance_problem(path: str, found: Import, target_folder: str) -> str | None:
    if found.relative and Path(path).name.startswith(("__init__", "conftest", "test_")):
        # pytest names a checkout's test modules conformance.test_x: a second package.
        return "write it in full: a relative import here would load the module twice"
    if target_folder == "autograd" and not found.target.startswith(ENGINE_FOR_CONFORMANCE):
        return f"of the engine only {', '.join(ENGINE_FOR_CONFORMANCE)} may be used here"
    private = [part for part in found.target.split(".") if part.startswith("_")]
    if private and target_folder != "conformance" and not private[0].startswith("__"):
        return f"{private[0]} is private; the suite must work with public names only"
    return None


def _problem(path: str, folder: str, found: Import) -> str | None:
    """Say what is wrong with one import, or return None."""
    target_folder = _folder_of(found.target)
    if target_folder is None:
        if found.typing_only or _theirs_allowed(path, folder, found):
            return None
        return "not among the libraries this file may import (or not at module level)"
    if found.in_function:
        return "our own modules are imported at the top of the file only"
    if found.typing_only:
        return None
    if folder == "conformance":
        problem = _conformance_problem(path, found, target_folder)
        if problem:
            return problem
    if folder == "plugins" and target_folder == "plugins":
        return _foreign_plugin(path, found)
    if target_folder == folder or target_folder in RULES[folder].ours:
        return None
    return f"{folder}/ must not import {target_folder}/"


def _foreign_plugin(path: str, found: Import) -> str | None:
    """Refuse one shipped plugin's use of another; a plugin that is a package may use its own."""
    parts = Path(path).parts
    name = Path(parts[1]).stem.split("_")[0]
    allowed = tuple(f"tensorplug.plugins.{own}" for own in (name, BUILT_ON.get(name, name)))
    if parts[1] == "__init__.py" or found.target.startswith(allowed):
        return None
    return "a plugin must not import another plugin's file"


def check(source: str, path: str) -> list[str]:
    """Return the problems of one file, each as 'path:line: target: reason'."""
    relative = Path(path)
    folder = relative.parts[0]
    is_package = relative.name == "__init__.py"
    names = relative.parts[1:-1] if is_package else (*relative.parts[1:-1], relative.stem)
    module = ".".join([PACKAGES[folder], *names])
    return [
        f"{path}:{found.line}: {found.target}: {problem}"
        for found in _imports(ast.parse(source), module, is_package)
        if (problem := _problem(path, folder, found))
    ]


@pytest.mark.parametrize("folder", sorted(PACKAGES))
def test_folder_imports_only_what_the_table_allows(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder}/: expected Python files, got none"
    problems = [
        problem
        for file in files
        for problem in check(file.read_text("utf-8"), file.relative_to(ROOT).as_posix())
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("path", "source", "reason"),
    [
        ("backends/base.py", "from tensorplug.autograd import node", "must not import autograd/"),
        ("backends/base.py", "import tensorplug as tp", "must not import api/"),
        ("backends/base.py", "from tensorplug import plugins", "must not import plugins/"),
        ("backends/base.py", "def f():\n    from .device import Device", "top of the file"),
        ("backends/base.py", "def f():\n    import scipy", "not among the libraries"),
        ("autograd/node.py", "import numpy as np", "not among the libraries"),
        ("autograd/ops/shape.py", "from ... import nn", "must not import api/"),
        ("api/nn/linear.py", "import numpy", "not among the libraries"),
        ("api/cli.py", "import rich", "not among the libraries"),
        ("api/cli.py", "import tensorplug.conformance", "must not import conformance/"),
        ("api/device.py", "import_module('tensorplug.plugins.numpy')", "must not import plugins/"),
        ("plugins/numpy.py", "import jax", "not among the libraries"),
        ("plugins/jax.py", "from .numpy import NumpyBackend", "another plugin's file"),
        ("plugins/loopback.py", "from .jax import JaxBackend", "another plugin's file"),
        ("conformance/samples.py", "from tensorplug.autograd.engine import run", "of the engine"),
        ("conformance/samples.py", "from tensorplug.backends._x import y", "is private"),
        ("conformance/test_grad.py", "from .samples import cases", "write it in full"),
    ],
)
def test_checker_finds_each_kind_of_violation(path: str, source: str, reason: str) -> None:
    problems = check(source, path)
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}:")
    assert reason in problems[0]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("backends/base.py", "import numpy\nfrom .dtypes import DType"),
        ("plugins/numpy.py", "from tensorplug.backends import Backend\ndef f():\n    import scipy"),
        ("plugins/jax.py", "import jax.numpy as jnp"),
        ("plugins/loopback.py", "from .numpy import NumpyBackend"),
        ("autograd/node.py", "if TYPE_CHECKING:\n    import numpy\n    import tensorplug"),
        ("autograd/ops/shape.py", "from ..registry import op\nimport tensorplug.backends"),
        ("api/utils/data/collate.py", "import numpy as np"),
        ("api/cli.py", "def f():\n    import rich"),
        (
            "conformance/samples.py",
            "import tensorplug\nfrom tensorplug.autograd.registry import op",
        ),
    ],
)
def test_checker_accepts_what_the_table_allows(path: str, source: str) -> None:
    assert check(source, path) == []


def test_nothing_imports_our_folders_by_their_folder_names() -> None:
    problems = []
    for file in sorted(ROOT.rglob("*.py")):
        path = file.relative_to(ROOT)
        if path.parts[0] not in {*PACKAGES, "tests", "benchmarks", "examples"}:
            continue
        for found in _imports(ast.parse(file.read_text("utf-8")), "", False):
            if found.target.split(".")[0] in PACKAGES and not found.relative:
                problems.append(f"{path}:{found.line}: {found.target}: import tensorplug.* instead")
    assert not problems, "\n".join(problems)


HEAVY = (
    "cupy", "graphviz", "jax", "matplotlib", "opt_einsum", "rich", "safetensors", "scipy",
    "tensorboardX", "torch",
)  # fmt: skip


def test_import_loads_nothing_heavy_no_plugin_and_does_not_warn(tmp_path: Path) -> None:
    code = (
        "import sys, tensorplug\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules],\n"
        "      [m for m in sys.modules if m.startswith('tensorplug.plugins')])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "[] []"

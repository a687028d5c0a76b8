"""Mutants of the NumPy backend: one operator, comparison or constant of a kernel changed at a time.

A mutant is the syntax tree of one module with one change. Its process executes the changed module
anew, then all that are made from it, and gives the suite a device ``mutant:0`` made of those.
"""

from __future__ import annotations

import ast
import copy
import importlib
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tensorplug.backends import BackendSpec, hookimpl, register

from .base import Clean, Fault, fault

__all__ = ["CHAIN", "Mutant", "install", "mutants", "sample"]

CHAIN = (
    "backends.strided_index", "backends.strided", "backends.strided_order",
    "backends.strided_math", "backends.strided_kernels", "backends.strided_activation",
    "backends.strided_attention", "backends.strided_conv", "backends.strided_norm",
    "backends.strided_pool", "backends.strided_recurrent", "backends.strided_nn",
    "backends.strided_linalg", "backends.strided_fft", "plugins.numpy_linalg",
    "plugins.numpy_math", "plugins.numpy_special", "plugins.numpy",
)  # fmt: skip
"""The modules of the NumPy backend, each after those that it imports."""

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot,
    ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """The ``number``-th possible change of a module."""

    module: str
    number: int
    line: int
    says: str

    @property
    def id(self) -> str:
        """As in ``strided_math:17``."""
        return f"{self.module.rpartition('.')[2]}:{self.number}"

    def fault(self, functions: str) -> Fault:
        """As a row of the catalogue, for the public functions that reach the line."""
        return fault("mutant", f"{self.id} line {self.line}: {self.says}", "clean", Clean,
                     functions, patch=lambda type_: install(self))  # fmt: skip


def source(module: str) -> Path:
    """The file of a module of ours."""
    return Path(str(importlib.import_module(f"tensorplug.{module}").__file__))


def mutants(module: str) -> list[Mutant]:
    """Every possible change of one module."""
    tree = ast.parse(source(module).read_text("utf-8"))
    return [Mutant(module, n, line, says) for n, (line, says, _) in enumerate(_changes(tree))]


def sample(count: int, seed: int) -> list[Mutant]:
    """Some of all mutants, always the same for a seed."""
    every = [mutant for module in CHAIN for mutant in mutants(module)]
    return random.Random(seed).sample(every, count)


def _changes(tree: ast.Module) -> Iterator[tuple[int, str, Any]]:
    """Line, description and a function that makes the change in the tree."""
    for node in _inside_functions(tree):
        if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)):
            other = _SWAPS.get(type(node.op))
            if other is not None:
                yield node.lineno, _arrow(node.op, other), _setter(node, "op", other())
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            other = _SWAPS.get(type(node.ops[0]))
            if other is not None:
                yield node.lineno, _arrow(node.ops[0], other), _setter(node, "ops", [other()])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            yield node.lineno, f"{type(node.op).__name__} dropped", _setter(node, "op", ast.UAdd())
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            value = not node.value if type(node.value) is bool else node.value + 1
            says = f"{node.value} -> {value}"
            yield node.lineno, says, _setter(node, "value", value)


def _inside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs in functions, in the order of the source, without their signatures."""
    for outer in ast.walk(tree):
        for inner in ast.iter_child_nodes(outer):
            inner.parent = outer  # type: ignore[attr-defined]  # a note of ours
    for node in ast.walk(tree):
        up: Any = node
        while up is not None and not isinstance(up, (ast.FunctionDef, ast.arguments, ast.Lambda)):
            up = getattr(up, "parent", None)
        if isinstance(up, (ast.FunctionDef, ast.Lambda)) and up is not node:
            yield node


def _arrow(was: ast.AST, now: type[ast.AST]) -> str:
    return f"{type(was).__name__} -> {now.__name__}"


def _setter(node: ast.AST, name: str, value: Any) -> Any:
    return lambda: setattr(node, name, value)


def changed(mutant: Mutant) -> ast.Module:
    """The syntax tree of a module with its change made."""
    tree = ast.parse(source(mutant.module).read_text("utf-8"))
    for number, (_, _, change) in enumerate(_changes(tree)):
        if number == mutant.number:
            change()
            return ast.fix_missing_locations(copy.copy(tree))
    raise LookupError(f"{mutant.id}: expected fewer than {number + 1}")


def install(mutant: Mutant | None) -> None:
    """Execute the modules of the backend anew, one of them with its change, in this process."""
    for name in CHAIN:
        full = f"tensorplug.{name}"
        old = sys.modules[full]
        tree = (
            changed(mutant)
            if mutant is not None and mutant.module == name
            else ast.parse(source(name).read_text("utf-8"))
        )
        module = ModuleType(full)
        module.__dict__.update(__file__=old.__file__, __package__=full.rpartition(".")[0],
                               __spec__=old.__spec__)  # fmt: skip
        sys.modules[full] = module
        setattr(sys.modules[full.rpartition(".")[0]], full.rpartition(".")[2], module)
        exec(compile(tree, str(old.__file__), "exec"), module.__dict__)
    base = sys.modules["tensorplug.plugins.numpy"].NumpyBackend

    class Backend(base):  # type: ignore[valid-type, misc]  # a class made anew
        shares_host_memory = False

        def owns(self, array: Any) -> bool:
            return False

        def devices(self) -> list[str]:
            return ["a", "b"]

    globals()["Backend"] = Backend


class Plugin:
    """Declares the device type, whose backend :func:`install` makes."""

    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        """One device type."""
        return [BackendSpec("mutant", f"{__name__}:Backend")]


register(Plugin(), name="mutants")

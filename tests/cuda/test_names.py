"""Every name of CuPy that the plugin and the shared kernels use exists, with the keywords used."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cupy
import cupyx.scipy.special
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = sorted([*ROOT.glob("backends/strided*.py"), *ROOT.glob("plugins/cupy*.py")])

# What `xp` has in place of CuPy's: see plugins/cupy_array.py.
OURS = {
    "errstate",  # asked for before it is used
    "maximum.reduce", "minimum.reduce", "logical_and.reduce", "logical_or.reduce",
    "maximum.accumulate",
}  # fmt: skip


def _chain(node: ast.expr) -> list[str]:
    """``["xp", "add", "reduce"]`` of ``xp.add.reduce`` and of ``self.xp.add.reduce``."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    parts.reverse()
    return parts[1:] if parts[:1] == ["self"] else parts


def _uses(tree: ast.AST) -> Iterator[tuple[list[str], list[str]]]:
    """The names after ``xp`` or a module of CuPy's, and the keywords of a call."""
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            chain = _chain(node)
            if chain[:1] and chain[0] in ("xp", "cupy", "cupyx", "special") and len(chain) > 1:
                call = called.get(id(node))
                words = [word.arg for word in call.keywords if word.arg] if call else []
                yield chain, words


def _parameters(function: Any) -> list[str] | None:
    """The parameters, from the signature or from Cython's line in the docstring."""
    if isinstance(function, cupy.ufunc):
        return ["out", "dtype", "casting"]
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        line = (getattr(function, "__doc__", None) or "").split("\n")[0]
        found = re.match(r"\w+(?:\.\w+)*\((.*)\)", line)
        return re.findall(r"(\w+)\s*(?:=|,|$)", found[1]) if found else None


@pytest.mark.skipif(hasattr(cupy.cuda, "COUNT"), reason="the stand-in knows the names by heart")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_names_and_keywords(file: Path) -> None:
    roots = {"xp": cupy, "cupy": cupy, "cupyx": cupyx, "special": cupyx.scipy.special}
    problems = []
    for chain, words in _uses(ast.parse(file.read_text())):
        if ".".join(chain[1:]) in OURS:
            continue
        found: Any = roots[chain[0]]
        for part in chain[1:]:
            here = found
            found = getattr(here, part, None)
            if found is None:
                if isinstance(here, (ModuleType, type, cupy.ufunc)):
                    problems.append(f"{'.'.join(chain)}: no {part}")
                break
        known = None if found is None or isinstance(found, type) else _parameters(found)
        if known and not {"kwargs", "args"} & set(known):
            problems += [f"{'.'.join(chain)}: no {word}=" for word in set(words) - set(known)]
    assert not problems, "\n".join(sorted(set(problems)))


@pytest.mark.skipif(hasattr(cupy.cuda, "COUNT"), reason="it is what is compared with")
def test_the_stand_in_has_the_names_of_this_cupy() -> None:
    import json

    text = (ROOT / "tests/plugins/cupy_stand_in/cupy/names.json").read_text()
    assert set(json.loads(text)["functions"]) <= set(dir(cupy))
    assert set(json.loads(text)["ndarray"]) <= set(dir(cupy.ndarray))


@pytest.mark.skipif(hasattr(cupy.cuda, "COUNT"), reason="it compiles with g++")
@pytest.mark.parametrize("name", ["random", "rows", "index", "pool", "optim"])
@pytest.mark.parametrize("kind", ["float float", "double double", "half_t float", "bfloat float"])
def test_kernels_compile(name: str, kind: str) -> None:
    from cupy_backends.cuda.libs import nvrtc

    held, wide = kind.split()
    data = ROOT / "plugins/data"
    text = "\n".join((data / f"{part}.cu").read_text() for part in ("common", name))
    for arch in ("80", "90"):
        program = nvrtc.createProgram(text, "kernels.cu", (), ())
        options = ("--std=c++17", f"-DHELD={held}", f"-DWIDE={wide}", f"-arch=compute_{arch}")
        nvrtc.compileProgram(program, options)
        assert nvrtc.getPTX(program)

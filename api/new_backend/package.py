"""The files of a new plugin: templates with a few words and lines exchanged.

In a template ``$word`` is replaced; the lines from ``#? fact`` to ``#?`` are kept where the fact is
true of the library, or where it is not if the line reads ``#? not fact``.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Template

from tensorplug.backends import API_VERSION

from .library import Library

__all__ = ["class_name", "package_name", "render", "write"]

PATHS = {
    "pyproject.toml": "pyproject.txt",
    "README.md": "readme.txt",
    "LICENSE": "license.txt",
    ".gitignore": "gitignore.txt",
    ".github/workflows/conformance.yml": "workflow.txt",
    "conformance.svg": "badge.txt",
    "$package/__init__.py": "hooks.txt",
    "$package/backend.py": "backend.txt",
    "$package/py.typed": "typed.txt",
    "tests/test_$type.py": "tests.txt",
}
"""Which template each file is made of."""


def package_name(name: str) -> str:
    """The package of the plugin for a device type."""
    return f"tensorplug_{name}"


def class_name(name: str) -> str:
    """The class of its backend.

    Example:
        >>> class_name("acme_cpu")
        'AcmeCpuBackend'
    """
    return "".join(part.capitalize() for part in name.split("_")) + "Backend"


def render(name: str, library: Library) -> dict[str, str]:
    """The text of every file by its path in the plugin's folder, for a device type ``name``."""
    words, facts = _words(name, library), _facts(library)
    return {
        Template(path).substitute(words): Template(_chosen(template, facts)).substitute(words)
        for path, template in PATHS.items()
    }


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write the files into a folder that is made where it does not exist."""
    for path, text in texts.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _words(name: str, library: Library) -> dict[str, str]:
    """What the templates' words stand for."""
    untyped = "" if library.typed else "  # type: ignore[import-untyped, unused-ignore]"
    alias = "" if _is_wrapped(library) else " as xp"
    imports = {f"import {library.namespace}{alias}{untyped}"}
    if library.warns:
        imports |= {"import numpy as np"}
    if not library.inspects:
        imports |= {"import array_api_compat"}
    if library.namespace == "jax.numpy":
        imports |= {"import jax"}
    taken = "{" + ", ".join(f'"{item}"' for item in library.lacks) + "}"
    return {
        "type": name,
        "package": package_name(name),
        "project": package_name(name).replace("_", "-"),
        "class_name": class_name(name),
        "module": library.module,
        "namespace": library.namespace,
        "contract": str(API_VERSION),
        "top": library.module.partition(".")[0],
        "distribution": library.distribution,
        "imports": "\n".join(sorted(imports)),
        "lacks": f" - {taken}" if library.lacks else "",
        "skipped": repr(library.skipped).replace("'", '"'),
    }


def _is_wrapped(library: Library) -> bool:
    """Whether the functions are those of array-api-compat."""
    return library.namespace.startswith("array_api_compat.")


def _facts(library: Library) -> dict[str, bool]:
    """What the templates ask about the library."""
    torch, jax = (library.namespace == name for name in ("array_api_compat.torch", "jax.numpy"))
    return {
        "torch": torch,
        "jax": jax,
        "wrapped": _is_wrapped(library),
        "skips": bool(library.skipped) and not torch,
        "lists": library.inspects and not library.skipped and not torch,
        "inspects": library.inspects,
        "warns": library.warns,
        "writable": library.writable,
        "at": not library.writable and library.at,
        "frozen": not library.writable and not library.at,
        "states_version": library.states_version,
    }


def _chosen(template: str, facts: dict[str, bool]) -> str:
    """The lines of a template that apply."""
    text = (files(__package__) / "data" / template).read_text(encoding="utf-8")
    return "".join(_kept(text, facts))


def _kept(text: str, facts: dict[str, bool]) -> Iterator[str]:
    keep = True
    for line in text.splitlines(keepends=True):
        if line.startswith("#?"):
            *no, fact = line[2:].split() or [""]
            keep = not fact or facts[fact] is not bool(no)
        elif keep:
            yield line

"""What a device is made of: the array library, what that one needs, and drivers of the machine."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path
from typing import Any

__all__ = ["drivers", "libraries", "versions"]

_DRIVERS = ("nvidia", "amdgpu", "xe", "i915")
"""Kernel modules of Linux that tell their version."""


def versions(names: set[str]) -> dict[str, str]:
    """The versions of distributions, of those that are installed."""
    found = {}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def libraries(backend: Any) -> dict[str, str]:
    """The versions of a backend's array library and of what it asks for, extras included."""
    name = getattr(getattr(backend, "namespace", None), "__name__", type(backend).__module__)
    parts = name.removeprefix("array_api_compat.").split(".")
    names = set(_distributions().get(parts[0], ()))
    for distribution in tuple(names):
        for line in requires(distribution) or ():
            asked = re.match(r"[\w.-]+", line)
            names |= {asked[0]} if asked is not None else set()
    return versions(names)


@cache
def _distributions() -> dict[str, list[str]]:
    return {name: list(found) for name, found in packages_distributions().items()}


def drivers(folder: Path = Path("/sys/module")) -> dict[str, str]:
    """The versions of the drivers that the system has loaded; empty where it does not tell."""
    found = {}
    for name in _DRIVERS:
        try:
            found[name] = (folder / name / "version").read_text("utf-8").strip()
        except OSError:
            continue
    return found

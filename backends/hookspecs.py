"""What a plugin implements: three hooks, and the description of a backend.

A plugin describes, it does not act. It is a module (or an instance) with functions marked by
:data:`hookimpl`, found through an entry point; no hook is ever called while computing. A whole
plugin::

    # acme_plugin/__init__.py; in pyproject.toml: [project.entry-points."tensorplug.devices"]
    #                                             acme = "acme_plugin"
    from tensorplug.backends import BackendSpec, hookimpl

    @hookimpl
    def tensorplug_backends():
        return [BackendSpec("acme", "acme_plugin.backend:AcmeBackend", requires="acme")]

Each hook has a group of entry points, whose names say when the module is needed:

* ``tensorplug.devices``, for :func:`tensorplug_backends`: the name is the device type. The module
  is imported when that type is asked for; a module with several types has an entry point for each.
* ``tensorplug.kernels``, for :func:`tensorplug_kernels`: the name is a backend's, such as
  ``numpy``. The module is imported when that backend is loaded.
* ``tensorplug.ops``, for :func:`tensorplug_ops`: imported when the first device is used.

The described module must not import its array library: ``acme_plugin.backend`` is imported after
it has turned out that the library is there. Plugins for version 1 of the contract have a single
entry point of any name in the group ``tensorplug``, and are imported when the first device is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pluggy

from .base import Kernel
from .errors import OpValueError

__all__ = [
    "API_VERSION",
    "DEVICES",
    "GROUPS",
    "KERNELS",
    "OLDEST_API_VERSION",
    "OPS",
    "PROJECT",
    "BackendSpec",
    "hookimpl",
    "tensorplug_backends",
    "tensorplug_kernels",
    "tensorplug_ops",
]

PROJECT = "tensorplug"
"""The prefix of every hook, and the group of entry points of contract version 1."""

DEVICES = "tensorplug.devices"
KERNELS = "tensorplug.kernels"
OPS = "tensorplug.ops"

GROUPS = {DEVICES: "tensorplug_backends", KERNELS: "tensorplug_kernels", OPS: "tensorplug_ops"}
"""The groups of entry points since contract version 2, and the hook that each is for."""

API_VERSION = 2
"""The version of the plugin contract; grows when a plugin would have to change."""

OLDEST_API_VERSION = 1
"""The oldest contract that is still served."""

Function = TypeVar("Function", bound=Callable[..., Any])

_specify = cast(Callable[[Function], Function], pluggy.HookspecMarker(PROJECT))

hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of the hook of the same name."""

_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_CLASS_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_MODULE = re.compile(r"[A-Za-z_][\w.]*")


@dataclass(frozen=True, init=False)
class BackendSpec:
    """One backend, described without importing its array library.

    Args:
        types: the device type, or several that the same class serves, each with an instance of
            its own; lower-case letters, digits and underscores.
        backend: the class to load when such a device is first named, ``"package.module:Class"``.
        requires: the array libraries it needs, as import names.
        install: the command that provides them, shown when one is missing.
        indexed: whether the devices print as ``"cuda:0"``; false for ``"cpu"``.
        options: keyword arguments for the class, to tell apart types that share it.
        api: the version of the plugin contract that the plugin was written for, or the lowest and
            the highest that it serves, ``(1, 2)``; None for that of its entry point's group. The
            attribute is the version that is used, and ``serves`` is the pair, if there is one.

    Raises:
        OpValueError: listing everything that is wrong with the description.

    Example:
        >>> BackendSpec("acme", "acme_plugin.backend:AcmeBackend", requires="acme").types
        ('acme',)
    """

    types: tuple[str, ...]
    backend: str
    requires: tuple[str, ...]
    install: str
    indexed: bool
    options: Mapping[str, Any]
    api: int | None
    serves: tuple[int, int] | None = field(init=False)

    def __init__(
        self,
        types: str | Sequence[str],
        backend: str,
        *,
        requires: str | Sequence[str] = (),
        install: str = "",
        indexed: bool = True,
        options: Mapping[str, Any] | None = None,
        api: int | tuple[int, int] | None = None,
    ) -> None:
        values = {
            "types": _names(types),
            "backend": backend,
            "requires": _names(requires),
            "install": install,
            "indexed": indexed,
            "options": {} if options is None else options,
            "api": api,
        }
        faults = _faults(values)
        if faults:
            raise OpValueError(f"BackendSpec({types!r}): " + "; ".join(faults), op="BackendSpec")
        values["serves"] = serves = api if isinstance(api, tuple) else None
        if serves:
            values["api"] = min(serves[1], API_VERSION)
        for name, value in values.items():
            object.__setattr__(self, name, value)


def _names(value: Any) -> Any:
    """One name or several, as a tuple; anything else as it is, for :func:`_faults` to refuse."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _all_match(pattern: re.Pattern[str], names: Any) -> bool:
    return isinstance(names, tuple) and all(
        isinstance(name, str) and pattern.fullmatch(name) for name in names
    )


def _is_version(api: Any) -> bool:
    if isinstance(api, tuple):
        return len(api) == 2 and all(type(end) is int for end in api) and api[0] <= api[1]
    return type(api) is int or api is None


def _faults(values: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a description, as ``expected ..., got ...``."""
    types, backend = values["types"], values["backend"]
    checks = [
        (
            _all_match(_TYPE, types) and types and len(set(types)) == len(types),
            "types",
            "different lower-case device types such as 'acme'",
        ),
        (
            isinstance(backend, str) and _CLASS_PATH.fullmatch(backend),
            "backend",
            "'package.module:Class'",
        ),
        (_all_match(_MODULE, values["requires"]), "requires", "import names"),
        (isinstance(values["install"], str), "install", "a command as text"),
        (isinstance(values["indexed"], bool), "indexed", "True or False"),
        (isinstance(values["options"], Mapping), "options", "a mapping of keyword arguments"),
        (
            _is_version(values["api"]),
            "api",
            "a whole number, or the lowest and the highest as a tuple",
        ),
    ]
    return [
        f"{name}: expected {rule}, got {values[name]!r}" for good, name, rule in checks if not good
    ]


@_specify
def tensorplug_backends() -> list[BackendSpec]:
    """The backends that the plugin provides, as a list of :class:`BackendSpec`."""
    return []


@_specify
def tensorplug_ops() -> list[Callable[[], None] | str]:
    """What declares the plugin's own operations: functions to call, or modules to import."""
    return []


@_specify
def tensorplug_kernels(backend: str) -> Mapping[str, Kernel]:
    """More kernels by op name, for the backend of this name (``Backend.name``).

    They go before the backend's own, and take and give library arrays like them. Called when the
    backend is loaded, and again when plugins have come or gone.
    """
    return {}

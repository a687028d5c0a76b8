"""Finding plugins and admitting them one by one, so that a bad one never breaks another.

pluggy's own loader stops at the first plugin that raises, skips checks until asked, and drops the
second of two plugins with one name; hence the loop here. Each plugin passes the same steps
(:data:`STEPS`); what goes wrong in one of them becomes a :class:`PluginFailure`, the plugin is
taken out again, and the failure is raised when somebody asks for its device.
"""

from __future__ import annotations

import inspect
import os
import re
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy

from . import hookspecs
from .contract import hook_faults, kind, nearest
from .errors import DeviceError, OpTypeError, PluginError
from .hookspecs import API_VERSION, OLDEST_API_VERSION, PROJECT, BackendSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["DISABLE", "PREFER", "Claim", "PluginFailure", "Plugins", "Source"]

DISABLE = "TENSORPLUG_DISABLE_PLUGINS"
"""Names of entry points or distributions to leave out, separated by commas."""

PREFER = "TENSORPLUG_PREFER"
"""Which plugin wins a device type: ``acme=acme-plugin,other=another-plugin``."""


@dataclass(frozen=True, order=True)
class Source:
    """Where a plugin comes from; ``distribution`` is empty when registered in this process."""

    distribution: str
    name: str
    version: str = ""

    def __str__(self) -> str:
        if not self.distribution:
            return f"plugin {self.name!r} registered in this process"
        return f"plugin {self.name!r} of {self.distribution} {self.version}".rstrip()

    @property
    def key(self) -> str:
        """A name that no other plugin has."""
        return f"{_normal(self.distribution)}:{self.name}"

    def is_called(self, name: str) -> bool:
        """Whether a user means this plugin: by its entry point or by its distribution."""
        return _normal(name) in (_normal(self.name), _normal(self.distribution))

    def how_to_turn_off(self) -> str:
        """What to do to go on without this plugin."""
        if not self.distribution:
            return f"to go without it, call tensorplug.backends.unregister({self.name!r})"
        return f"to go without it, set {DISABLE}={self.name}"


@dataclass(frozen=True)
class PluginFailure:
    """Why a plugin, or one of its devices, cannot be used; see :class:`PluginError`."""

    source: Source
    phase: str
    problem: str
    cause: BaseException | None = None
    types: tuple[str, ...] = ()

    def concerns(self, type: str) -> bool:
        """Whether a request for this device type fails because of this failure."""
        if self.types:
            return type in self.types
        names = (_normal(self.source.name), _normal(self.source.distribution))
        return _normal(type) in names or _normal(f"{PROJECT}-{type}") in names

    def error(self, asked: str) -> PluginError:
        """The error for a request for ``asked``; raise it ``from failure.cause``."""
        advice = "" if self.phase in _OWN_ADVICE else f"; {self.source.how_to_turn_off()}"
        return PluginError(
            f"{asked}: {self.problem}\n  {self.source}, phase {self.phase!r}{advice}",
            op=asked,
            distribution=self.source.distribution,
            version=self.source.version,
            entry_point=self.source.name,
            phase=self.phase,
            cause=self.cause,
        )


# Failures whose text already says what to do; turning the plugin off would not help.
_OWN_ADVICE = ("conflict", "disabled", "hardware", "library")


@dataclass(frozen=True)
class Claim:
    """One plugin's offer to provide one device type."""

    type: str
    spec: BackendSpec
    source: Source
    preferred: bool = False


class _Refused(Exception):
    """A fault that we found ourselves, with the device types it concerns if they are known."""

    def __init__(self, phase: str, problem: str, types: tuple[str, ...] = ()) -> None:
        super().__init__(problem)
        self.phase = phase
        self.types = types


class Plugins:
    """The plugins of one registry: those admitted, what they offer, and those that failed."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.sources: dict[str, Source] = {}
        self.claims: dict[str, list[Claim]] = {}
        self.failures: list[PluginFailure] = []
        self.wanted: dict[str, str] = {}
        self.declared_ops = False

    def requiring(self, library: str) -> list[str]:
        """The device types whose plugins require an array library, by its import name."""
        return [
            type
            for type, claims in list(self.claims.items())
            if any(library in claim.spec.requires for claim in claims)
        ]

    # --- finding ------------------------------------------------------------------------------
    def discover(self, points: Iterable[EntryPoint]) -> None:
        """Admit the plugins of these entry points, in sorted order, whatever they do.

        Raises:
            DeviceError: an environment variable is malformed.
        """
        found = sorted(((_source(point), point) for point in points), key=lambda pair: pair[0])
        sources = [source for source, _ in found]
        disabled = [name.strip() for name in os.environ.get(DISABLE, "").split(",")]
        disabled = [name for name in disabled if name]
        self.wanted = _preferences(os.environ.get(PREFER, ""))
        _warn_unknown(DISABLE, disabled, sources)
        _warn_unknown(PREFER, self.wanted.values(), sources)
        for source, point in found:
            if any(source.is_called(name) for name in disabled):
                problem = f"expected a plugin that is turned on, but {DISABLE} turns it off"
                self.failures.append(PluginFailure(source, "disabled", problem))
                continue
            failure = self.add(source, point.load)
            if failure is not None:
                self.failures.append(failure)

    def add(
        self, source: Source, load: Callable[[], Any], preferred: bool = False
    ) -> PluginFailure | None:
        """Admit one plugin, or say why not; then nothing of it stays behind."""
        phase = "import"
        types: tuple[str, ...] = ()
        try:
            plugin = load()
            phase = "hooks"
            self._register(plugin, source)
            phase = "describe"
            specs = self._describe(source)
            types = tuple(type for spec in specs for type in spec.types)
            phase = "ops"
            self._declare_ops(source)
        except _Refused as refused:
            self.remove(source)
            return PluginFailure(source, refused.phase, str(refused), None, refused.types or types)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - reported when asked for
            self.remove(source)
            return PluginFailure(source, phase, f"{_RULES[phase]}, got {say(error)}", error, types)
        for spec in specs:
            for type in spec.types:
                self.claims.setdefault(type, []).append(Claim(type, spec, source, preferred))
        return None

    def remove(self, source: Source) -> list[str]:
        """Take a plugin out; return the device types that it offered."""
        if self.manager.has_plugin(source.key):
            self.manager.unregister(name=source.key)
        self.sources.pop(source.key, None)
        self.failures = [failure for failure in self.failures if failure.source != source]
        types = [
            type for type, claims in self.claims.items() if any(c.source == source for c in claims)
        ]
        for type in types:
            self.claims[type] = [c for c in self.claims[type] if c.source != source]
            if not self.claims[type]:
                del self.claims[type]
        return types

    # --- the steps ----------------------------------------------------------------------------
    def _register(self, plugin: Any, source: Source) -> None:
        problems = list(hook_faults(plugin))
        if problems:
            raise _Refused("hooks", "; ".join(problems))
        if self.manager.is_registered(plugin):
            twin = self.manager.get_name(plugin)
            raise _Refused("hooks", f"expected a plugin of its own, got the one of {twin!r} again")
        self.manager.register(plugin, source.key)
        self.sources[source.key] = source
        if not self.manager.get_hookcallers(plugin):
            raise _Refused("hooks", f"expected hooks that pluggy can see, got {kind(plugin)}")

    def call(self, source: Source, hook: str, **arguments: Any) -> Any:
        """Call one plugin's hook; None when it does not implement it."""
        others = [
            plugin
            for name, plugin in self.manager.list_name_plugin()
            if name != source.key and plugin is not None
        ]
        results = self.manager.subset_hook_caller(hook, others)(**arguments)
        return results[0] if results else None

    def _describe(self, source: Source) -> list[BackendSpec]:
        specs = self.call(source, "tensorplug_backends")
        if specs is None:
            return []
        if not isinstance(specs, (list, tuple)):
            raise _Refused("describe", f"expected a list of BackendSpec, got {kind(specs)}")
        strange = [kind(spec) for spec in specs if not isinstance(spec, BackendSpec)]
        if strange:
            raise _Refused("describe", f"expected a list of BackendSpec, got {strange} in it")
        types = [type for spec in specs for type in spec.types]
        twice = sorted({type for type in types if types.count(type) > 1})
        if twice:
            raise _Refused("describe", f"expected each type once, got {twice} twice", tuple(types))
        for spec in specs:
            _check_version(spec)
        return list(specs)

    def _declare_ops(self, source: Source) -> None:
        ops = self.call(source, "tensorplug_ops")
        if ops is None:
            return
        if not isinstance(ops, (list, tuple)):
            raise _Refused("ops", f"expected a list of functions and modules, got {kind(ops)}")
        for declare in ops:
            if isinstance(declare, str):
                import_module(declare)
            elif callable(declare):
                declare()
            else:
                raise _Refused("ops", f"expected functions and module names, got {declare!r}")
            self.declared_ops = True


_RULES = {
    "import": "expected a plugin that can be imported",
    "hooks": "expected hooks that can be registered",
    "describe": "expected tensorplug_backends() to describe its backends",
    "ops": "expected tensorplug_ops() to declare its operations",
}


def _check_version(spec: BackendSpec) -> None:
    if OLDEST_API_VERSION <= spec.api <= API_VERSION:
        return
    older = spec.api < OLDEST_API_VERSION
    advice = "upgrade the plugin" if older else f"upgrade {PROJECT}"
    raise _Refused(
        "version",
        f"expected a plugin for contract version {OLDEST_API_VERSION} to {API_VERSION}, got one "
        f"for version {spec.api}; {advice}",
        spec.types,
    )


def say(error: BaseException) -> str:
    """An exception in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _source(point: EntryPoint) -> Source:
    """The origin of an entry point; damaged metadata may lack the name or the version."""
    if point.dist is None:
        return Source("an unknown distribution", point.name)
    facts = point.dist.metadata.json
    name = facts.get("name", "an unknown distribution")
    return Source(str(name), point.name, str(facts.get("version", "")))


def _preferences(text: str) -> dict[str, str]:
    wanted = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        type, equals, name = (part.strip() for part in pair.partition("="))
        if not (type and equals and name):
            raise DeviceError(
                f"{PREFER}: expected pairs such as acme=acme-plugin, got {pair!r}; set it to "
                "type=distribution, several separated by commas",
                op=PREFER,
                got=pair,
            )
        wanted[type.lower()] = name
    return wanted


def _warn_unknown(variable: str, names: Collection[str], sources: list[Source]) -> None:
    known = {name for source in sources for name in (source.name, source.distribution)}
    for name in names:
        if not any(source.is_called(name) for source in sources):
            warnings.warn(
                f"{variable}: expected the names of installed plugins, got {name!r}"
                f"{nearest(name, known)}",
                RuntimeWarning,
                stacklevel=2,
            )


def in_process_source(plugin: Any, name: str | None) -> Source:
    """The origin of a plugin that is registered by a call.

    Raises:
        OpTypeError: ``name`` is not text.
    """
    if name is None:
        default = plugin if inspect.ismodule(plugin) else type(plugin)
        name = default.__name__
    if not isinstance(name, str) or not name:
        raise OpTypeError(f"register: expected a name as text, got {name!r}", op="register")
    return Source("", name)

"""Admitting plugins one by one, so that a bad one never breaks another.

pluggy's own loader stops at the first plugin that raises, skips checks until asked, and drops the
second of two plugins with one name; hence the steps here. What goes wrong in one of them becomes a
:class:`PluginFailure`, the plugin is taken out again, and the failure is raised when somebody asks
for its device.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pluggy

from . import hookspecs
from .contract import hook_faults, kind
from .discovery import Point
from .errors import OpTypeError
from .hookspecs import (
    API_VERSION,
    DEVICES,
    GROUPS,
    OLDEST_API_VERSION,
    PROJECT,
    BackendSpec,
)
from .sources import Claim, PluginFailure, Source, say

__all__ = ["Plugins", "in_process_source", "process_key"]


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
        self.tried: dict[str, PluginFailure | None] = {}
        self.remarks: list[PluginFailure] = []
        self.declared_ops = False

    @property
    def failures(self) -> list[PluginFailure]:
        """All that went wrong so far."""
        return [*filter(None, self.tried.values()), *self.remarks]

    def requiring(self, library: str) -> list[str]:
        """The device types whose plugins require an array library, by its import name."""
        return [
            type
            for type, claims in list(self.claims.items())
            if any(library in claim.spec.requires for claim in claims)
        ]

    # --- one plugin ---------------------------------------------------------------------------
    def admit(self, point: Point, siblings: Sequence[Point]) -> PluginFailure | None:
        """Import an installed plugin, unless that was tried before, and say what is wrong.

        ``siblings`` are all entry points of the plugin, ``point`` included. A plugin that was
        interrupted (``KeyboardInterrupt``) counts as not tried.
        """
        if point.key not in self.tried:
            self.tried[point.key] = self._add(point.key, point.source, point.load, siblings)
        failure = self.tried[point.key]
        return None if failure is None else replace(failure, source=point.source)

    def add(self, source: Source, plugin: Any, preferred: bool) -> PluginFailure | None:
        """Admit a plugin of this process, or say why not; then nothing of it stays behind."""
        return self._add(process_key(source.name), source, lambda: plugin, (), preferred)

    def _add(
        self,
        key: str,
        source: Source,
        load: Callable[[], Any],
        points: Sequence[Point],
        preferred: bool = False,
    ) -> PluginFailure | None:
        phase = "import"
        types = tuple(point.type for point in points if point.source.group == DEVICES)
        try:
            plugin = load()
            phase = "hooks"
            self._register(plugin, key, source, points)
            phase = "describe"
            specs = self._describe(key, source)
            types = tuple(type for spec in specs for type in spec.types)
            phase = "ops"
            self._declare_ops(key)
        except _Refused as refused:
            self.remove(key)
            return PluginFailure(source, refused.phase, str(refused), None, refused.types or types)
        except KeyboardInterrupt:
            self.remove(key)
            raise
        except BaseException as error:  # noqa: BLE001 - reported when asked for
            self.remove(key)
            return PluginFailure(source, phase, f"{_RULES[phase]}, got {say(error)}", error, types)
        self._accept(specs, source, points, preferred)
        return None

    def _accept(
        self, specs: list[BackendSpec], source: Source, points: Sequence[Point], preferred: bool
    ) -> None:
        """Write down what a plugin offers."""
        own = {point.type: point.source for point in points if point.source.group == DEVICES}
        announced = source.group in GROUPS
        for failure in _unmatched(specs, source, own) if announced else ():
            self.note(failure)
        for spec in specs:
            for type in spec.types:
                if type in own or not announced:
                    claim = Claim(type, spec, own.get(type, source), preferred)
                    self.claims.setdefault(type, []).append(claim)

    def remove(self, key: str) -> list[str]:
        """Take a plugin out; return the device types that it offered."""
        if self.manager.has_plugin(key):
            self.manager.unregister(name=key)
        source = self.sources.pop(key, None)
        self.remarks = [remark for remark in self.remarks if remark.source != source]
        types = [] if source is None else self.types_of(source)
        for type in types:
            self.claims[type] = [c for c in self.claims[type] if c.source != source]
            if not self.claims[type]:
                del self.claims[type]
        return types

    def types_of(self, source: Source) -> list[str]:
        """The device types that a plugin offers."""
        return [t for t, found in self.claims.items() if any(c.source == source for c in found)]

    def note(self, failure: PluginFailure) -> None:
        """Remember what a plugin does wrong beside the steps here, once."""
        known = [(old.source, old.problem) for old in self.remarks]
        if (failure.source, failure.problem) not in known:
            self.remarks.append(failure)

    # --- the steps ----------------------------------------------------------------------------
    def _register(self, plugin: Any, key: str, source: Source, points: Sequence[Point]) -> None:
        problems = list(hook_faults(plugin))
        if problems:
            raise _Refused("hooks", "; ".join(problems))
        if self.manager.is_registered(plugin):
            twin = self.manager.get_name(plugin)
            raise _Refused("hooks", f"expected a plugin of its own, got the one of {twin!r} again")
        self.manager.register(plugin, key)
        self.sources[key] = source
        callers = self.manager.get_hookcallers(plugin) or []
        if not callers:
            raise _Refused("hooks", f"expected hooks that pluggy can see, got {kind(plugin)}")
        if points and source.group != PROJECT:
            _check_groups({caller.name for caller in callers}, points)

    def call(self, key: str, hook: str, **arguments: Any) -> Any:
        """Call one plugin's hook; None when it does not implement it."""
        others = [
            plugin
            for name, plugin in self.manager.list_name_plugin()
            if name != key and plugin is not None
        ]
        results = self.manager.subset_hook_caller(hook, others)(**arguments)
        return results[0] if results else None

    def _describe(self, key: str, source: Source) -> list[BackendSpec]:
        specs = self.call(key, "tensorplug_backends")
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
        default = 1 if source.group == PROJECT else API_VERSION
        return [spec if spec.api is not None else replace(spec, api=default) for spec in specs]

    def _declare_ops(self, key: str) -> None:
        ops = self.call(key, "tensorplug_ops")
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
    """Refuse a plugin that serves none of our versions of the contract."""
    if spec.api is None:
        return
    lowest, highest = spec.serves or (spec.api, spec.api)
    if lowest <= API_VERSION and highest >= OLDEST_API_VERSION:
        return
    advice = "upgrade the plugin" if highest < OLDEST_API_VERSION else f"upgrade {PROJECT}"
    what = f"version {lowest}" if lowest == highest else f"versions {lowest} to {highest}"
    raise _Refused(
        "version",
        f"expected a plugin for contract version {OLDEST_API_VERSION} to {API_VERSION}, got one "
        f"for {what}; {advice}",
        spec.types,
    )


def _check_groups(hooks: set[str], points: Sequence[Point]) -> None:
    """Each hook has an entry point that says when the plugin is needed, and the reverse."""
    groups = {point.source.group for point in points}
    value = points[0].entry.value
    for group, hook in GROUPS.items():
        if group in groups and hook not in hooks:
            raise _Refused(
                "hooks",
                f"expected the hook {hook} for the entry point in {group}, got only "
                f"{', '.join(sorted(hooks))} in {value}",
            )
        if hook in hooks and group not in groups:
            raise _Refused(
                "hooks",
                f"expected an entry point in {group} for the hook {hook} of {value}, got none, so "
                f"nobody would know when to call it; add one to pyproject.toml",
            )


def _unmatched(
    specs: Sequence[BackendSpec], source: Source, own: Mapping[str, Source]
) -> Iterator[PluginFailure]:
    """Device types that are described or announced, but not both; the plugin's others work.

    ``own`` maps the announced types to the entry points that announce them.
    """
    types = sorted(type for spec in specs for type in spec.types)
    for type in own:
        if type not in types:
            problem = (
                f"expected tensorplug_backends() to describe the device type {type!r} of the entry "
                f"point, got {', '.join(types) or 'no type'}; call the entry point like the type"
            )
            yield PluginFailure(own[type], "announce", problem, None, (type,))
    for type in types:
        if type not in own:
            problem = (
                f"expected an entry point in {DEVICES} for each device type, got none for "
                f"{type!r}; add {type} = ... to pyproject.toml, and install again"
            )
            yield PluginFailure(source, "announce", problem, None, (type,))


def process_key(name: str) -> str:
    """What a plugin of this process is called in :class:`Plugins`."""
    return f":{name}"


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

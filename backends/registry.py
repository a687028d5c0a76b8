"""Device types and the backends behind them.

Nothing is loaded on import. The first device that is asked for reads what the installed
distributions announce; the plugin of a device type is imported when that type is first named, and
then its backend's module, with the array library. No plugin is known to this module by name: the
shipped ones come through the same entry points.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import choosing, contract, host
from .admission import Plugins, in_process_source, process_key
from .base import Backend, Kernel
from .discovery import Catalogue, Point
from .errors import DeviceError
from .hookspecs import PROJECT
from .loading import load_backend, whose
from .sources import Claim, PluginFailure, Source, say
from .switches import Switches, from_environment

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Loaded", "Registry"]


@dataclass(frozen=True)
class Loaded:
    """One device type in use: its backend, how many devices it has, and its kernels."""

    backend: Backend
    claim: Claim
    count: int
    kernels: dict[str, Kernel]
    """Those of other plugins and of the backend itself, in this order of precedence."""


class Registry:
    """All state of the plugin machinery; there is one, except inside ``isolated()``.

    ``interned`` holds the Device objects by what they were asked for, ``default`` the default
    device: both belong to :mod:`tensorplug.backends.device`.
    """

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self.plugins = Plugins()
        self.loaded: dict[str, Loaded] = {}
        self.providers: dict[tuple[str, str], Source] = {}  # of kernels, by backend and op
        self.interned: dict[Any, Any] = {}
        self.default: Any = None
        self.switches: list[Switches] = []
        self._entry_points = entry_points
        self._catalogue: Catalogue | None = None
        self._libraries: set[str] = set()
        self._busy: list[str] = []
        self._settled = False
        self._lock = threading.RLock()

    # --- what there is ------------------------------------------------------------------------
    @property
    def catalogue(self) -> Catalogue:
        """What is installed; read once, without importing any plugin.

        Raises:
            DeviceError: an environment variable is malformed.
        """
        with self._lock:
            if self._catalogue is None:
                switches = from_environment()
                found = Catalogue(self._entry_points)
                switches.check(found.sources)
                self.switches.insert(0, switches)
                self._catalogue = found
            return self._catalogue

    @property
    def strict(self) -> bool:
        """Whether a plugin that does not work is an error for everybody; the innermost word."""
        return next((s.strict for s in reversed(self.switches) if s.strict is not None), False)

    def turned_off(self, source: Source) -> PluginFailure | None:
        """Why a plugin may not be used, if some switch turns it off."""
        _ = self.catalogue  # the environment is read with it
        return next(filter(None, (s.failure(source) for s in self.switches)), None)

    def wanted(self, type: str) -> str | None:
        """The plugin that the environment prefers for a type."""
        _ = self.catalogue
        return self.switches[0].wanted.get(type)

    def points(self) -> list[Point]:
        """The entry points of plugins that are turned on, in order."""
        return [point for point in self.catalogue.points if self._on(point)]

    def types(self) -> list[str]:
        """All device types that are offered, sorted, whether they work or not."""
        announced = {point.type for point in self.catalogue.devices()}
        candidates = sorted(announced | set(self.plugins.claims))
        return [type for type in candidates if self.offers(type)]

    def offers(self, type: str) -> dict[Source, Claim | None]:
        """Who offers a type, in order; without a claim where the plugin is not imported yet."""
        found: dict[Source, Claim | None] = {
            point.source: None for point in self.catalogue.devices(type)
        }
        found |= {claim.source: claim for claim in self.plugins.claims.get(type, [])}
        return {source: found[source] for source in found if self.turned_off(source) is None}

    def _on(self, point: Point) -> bool:
        return self.turned_off(point.source) is None

    # --- looking up ---------------------------------------------------------------------------
    def load(self, type: str, asked: str | None = None) -> Loaded:
        """The backend of a device type, imported and checked if this is its first use.

        Raises:
            PluginError: the type's plugin or backend does not work, or two plugins claim it.
            DeviceError: no installed plugin provides the type.
        """
        try:
            return self.loaded[type]
        except KeyError:
            pass
        asked = asked or type
        with self._lock, self._working_on(type):
            self.discover()
            loaded = self.open(self.claim(self.choose(type, asked), type, asked), asked)
            self._tell()
            return self.loaded.setdefault(type, loaded)

    @contextmanager
    def _working_on(self, what: str) -> Iterator[None]:
        """Refuse a plugin that asks for devices while it is itself being read."""
        if what in self._busy or "plugins" in self._busy:
            raise DeviceError(
                f"{what}: expected plugins to use no device while they are loaded, got a request "
                f"for {what!r} meanwhile; describe the backend only, compute later",
                op=what,
            )
        self._busy.append(what)
        try:
            yield
        finally:
            self._busy.pop()

    def discover(self) -> None:
        """Admit what is needed whatever device is used; where strict, everything.

        Raises:
            PluginError: in strict mode, what is wrong with the first plugin that does not work.
        """
        if self._settled:
            return
        with self._lock:
            general = [point for point in self.catalogue.general() if self._on(point)]
            if any(point.key not in self.plugins.tried for point in general):
                with self._working_on("plugins"):
                    for point in general:
                        self._admit(point)
            if self.strict:
                self._insist()
            self._settled = True
        self._tell()

    def admit_all(self) -> None:
        """Import every plugin that is turned on; their array libraries stay out."""
        for point in self.points():
            self._admit_apart(point)
        self._tell()

    def types_for(self, library: str) -> list[str]:
        """The device types for arrays of a library, by its import name."""
        if library not in self._libraries:
            for point in self.catalogue.requiring(library):
                if self._on(point):
                    self._admit_apart(point)
            self._libraries.add(library)
        return self.plugins.requiring(library)

    def _admit_apart(self, point: Point) -> None:
        """Admit a plugin without a request for its device, unless it is just being read."""
        with self._lock:
            if point.type not in self._busy:
                with self._working_on(point.type):
                    self._admit(point)

    def _admit(self, point: Point) -> PluginFailure | None:
        return self.plugins.admit(point, self.catalogue.siblings(point))

    def _insist(self) -> None:
        """Raise the first failure there is."""
        self.admit_all()
        for failure in self.failures():
            raise failure.error(failure.source.name) from failure.cause
        for type in self.types():
            self.choose(type, type)

    def _tell(self) -> None:
        declared, self.plugins.declared_ops = self.plugins.declared_ops, False
        if declared:
            host.notify()

    def failures(self) -> list[PluginFailure]:
        """What went wrong so far with plugins that are turned on."""
        return [f for f in self.plugins.failures if self.turned_off(f.source) is None]

    def switched_off(self) -> list[PluginFailure]:
        """The installed plugins that may not be used, and what turns them off."""
        return list(filter(None, (self.turned_off(s) for s in self.catalogue.sources)))

    def choose(self, type: str, asked: str) -> Source:
        """The plugin that provides a type, found without importing any for it.

        Raises:
            DeviceError: no plugin provides it, or several do and nothing chooses.
        """
        offers = self.offers(type)
        if offers:
            return choosing.choose(type, asked, offers, self.wanted(type))
        failures = [*self.switched_off(), *self.failures()]
        raise choosing.unknown(type, asked, self.types(), failures)

    def claim(self, source: Source, type: str, asked: str) -> Claim:
        """What a plugin says about a type that it offers; imports the plugin if need be.

        Raises:
            PluginError: the plugin does not work.
        """
        claim = self.offers(type)[source]
        if claim is None:
            failure = self.failure(source, type)
            if failure is not None:
                raise failure.error(asked) from failure.cause
            (claim,) = (c for c in self.plugins.claims[type] if c.source == source)
        return claim

    def failure(self, source: Source, type: str) -> PluginFailure | None:
        """What is wrong with the plugin that announces a type; imports it if need be."""
        (point,) = (point for point in self.catalogue.devices(type) if point.source == source)
        found = self._admit(point)
        remarks = (r for r in self.plugins.remarks if r.source == source and type in r.types)
        return found or next(remarks, None)

    def open(self, claim: Claim, asked: str) -> Loaded:
        """The backend that a plugin describes, imported and checked, whether it is chosen or not.

        Raises:
            PluginError: it cannot be used.
        """
        with whose(claim, asked):
            backend, count = load_backend(claim.spec, host.kernel_names(), *host.tensors())
        return Loaded(backend, claim, count, self._kernels(backend))

    # --- kernels of plugins -------------------------------------------------------------------
    def _kernels(self, backend: Backend) -> dict[str, Kernel]:
        """The backend's kernels with those of plugins; a plugin with bad ones is left out."""
        extra: dict[str, Kernel] = {}
        self.providers = {key: s for key, s in self.providers.items() if key[0] != backend.name}
        for source, key in sorted(self._kernel_plugins(backend.name)):
            found = self.kernels_of(source, key, backend.name, extra)
            if isinstance(found, PluginFailure):
                self.plugins.note(found)
                if self.strict:
                    raise found.error(source.name) from found.cause
            else:
                extra.update(found)
                self.providers |= {(backend.name, name): source for name in found}
        return {**backend.kernels(), **extra}

    def kernels_of(
        self, source: Source, key: str, backend: str, taken: Collection[str] = ()
    ) -> Mapping[str, Kernel] | PluginFailure:
        """One plugin's kernels for a backend, by its name, or what is wrong with them."""
        cause = None
        try:
            found = self.plugins.call(key, "tensorplug_kernels", backend=backend)
            found = {} if found is None else found
            faults = contract.kernel_faults(found, host.kernel_names())
            faults += [f"{name!r}: another plugin gives it too" for name in found if name in taken]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - listed by devices()
            cause, faults, found = error, [f"expected kernels, got {say(error)}"], {}
        if faults:
            problem = f"tensorplug_kernels({backend!r}): {'; '.join(faults)}"
            return PluginFailure(source, "kernels", problem, cause)
        return found

    def _kernel_plugins(self, backend: str) -> Iterator[tuple[Source, str]]:
        """The plugins to ask for kernels, and what they are called."""
        for point in self.catalogue.kernels(backend):
            if self._on(point) and self._admit(point) is None:
                yield point.source, point.key
        for key, source in self.plugins.sources.items():
            if source.group in ("", PROJECT) and self.turned_off(source) is None:
                yield source, key

    def _refresh_kernels(self) -> None:
        """Give devices in use the kernels of a plugin that came, or went, after them."""
        for loaded in self.loaded.values():
            fresh = self._kernels(loaded.backend)
            if fresh != loaded.kernels:
                loaded.kernels.clear()
                loaded.kernels.update(fresh)
        for device in set(self.interned.values()):
            device.drop_kernels()

    # --- changing -----------------------------------------------------------------------------
    def register(self, plugin: Any, name: str | None, prefer: bool) -> None:
        """See :func:`tensorplug.backends.register`."""
        source = in_process_source(plugin, name)
        key = process_key(source.name)
        with self._lock:
            self.discover()
            if key in self.plugins.sources:
                problem = f"expected a new name, got {source.name!r} again; unregister it first"
                raise PluginFailure(source, "conflict", problem).error("register")
            failure = self.plugins.add(source, plugin, prefer)
            if failure is not None:
                raise failure.error("register") from failure.cause
            mine = self.plugins.types_of(source)
            for type in [] if prefer else mine:
                offers = list(self.offers(type))
                if len(offers) > 1 or type in choosing.RESERVED:
                    self.plugins.remove(key)
                    raise choosing.conflict(type, offers).error("register")
            self._forget(mine)
            self._refresh_kernels()
        self._tell()

    def unregister(self, name: str) -> None:
        """See :func:`tensorplug.backends.unregister`."""
        with self._lock:
            key = process_key(in_process_source(None, name).name)
            if key not in self.plugins.sources:
                names = sorted(s.name for s in self.plugins.sources.values() if not s.distribution)
                raise DeviceError(
                    f"unregister: expected the name of a plugin registered in this process "
                    f"({', '.join(names) or 'there is none'}), got {name!r}",
                    op="unregister",
                    got=name,
                )
            self._forget(self.plugins.remove(key))
            self._refresh_kernels()

    def _forget(self, types: Collection[str]) -> dict[Any, Any]:
        """Drop what is loaded for some types, and return the devices that were in use.

        Such Device objects keep their backend.
        """
        for type in types:
            self.loaded.pop(type, None)
        gone = {key: device for key, device in self.interned.items() if device.type in types}
        for key in gone:
            del self.interned[key]
        if self.default is not None and self.default.type in types:
            self.default = None
        return gone

    @contextmanager
    def switched(self, switches: Switches) -> Iterator[None]:
        """Plugins by these switches too, for a block; see :func:`tensorplug.backends.plugins`."""
        with self._lock:
            switches.check(self.catalogue.sources)
            before, default = dict(self.loaded), self.default
            self.switches.append(switches)
            self._settled = False
            hidden = [t for t, used in before.items() if self.turned_off(used.claim.source)]
            gone = self._forget(hidden)
        try:
            self._refresh_kernels()
            if switches.strict:
                self.discover()
            yield
        finally:
            with self._lock:
                self.switches.remove(switches)
                self._settled = False
                self._libraries.clear()
                self._forget(hidden)
                self.loaded |= {type: before[type] for type in hidden}
                self.interned |= gone
                if default is not None and default.type in hidden:
                    self.default = default
                self._refresh_kernels()

"""Device types and the backends behind them.

Nothing is loaded on import. The first device that is asked for reads the entry points once and
admits every plugin's description; a backend's module, and with it the array library, is imported
when one of its device types is first named. No plugin is known to this module by name: the shipped
ones come through the same entry points.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import contract
from .base import Backend, Kernel
from .discovery import PREFER, Claim, PluginFailure, Plugins, in_process_source, say
from .errors import DeviceError
from .hookspecs import PROJECT
from .loading import Unusable, load_backend

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "Loaded", "Registry", "current", "isolated", "kernels", "register", "resolve",
    "set_kernel_names", "set_tensor", "subscribe", "unregister",
]  # fmt: skip

EXTRAS = {
    "cuda": "pip install 'tensorplug[cuda12]' (or [cuda13]) provides cuda",
    "gpu": "NVIDIA GPUs are called 'cuda' (pip install 'tensorplug[cuda12]')",
}
"""What to do for a well-known device type that no installed plugin provides."""


@dataclass(frozen=True)
class Loaded:
    """One device type in use: its backend, how many devices it has, and its kernels."""

    backend: Backend
    claim: Claim
    count: int
    kernels: dict[str, Kernel]
    """Those of other plugins and of the backend itself, in this order of precedence."""


class Registry:
    """All state of the plugin machinery; there is one, except inside :func:`isolated`.

    ``interned`` holds the Device objects by what they were asked for, ``default`` the default
    device: both belong to :mod:`tensorplug.backends.device`.
    """

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self.plugins = Plugins()
        self.loaded: dict[str, Loaded] = {}
        self.interned: dict[Any, Any] = {}
        self.default: Any = None
        self._entry_points = entry_points
        self._discovered = False
        self._busy: list[str] = []
        self._lock = threading.RLock()

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
            claim = self.choose(type, asked)
            try:
                loaded = self._load(claim)
            except Unusable as error:
                failure = PluginFailure(claim.source, error.phase, str(error), error.cause)
                raise failure.error(asked) from error.cause
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
        """Read the entry points, once."""
        with self._lock:
            if self._discovered:
                return
            with self._working_on("plugins"):
                plugins = Plugins()
                plugins.discover(_points() if self._entry_points is None else self._entry_points)
            # Only now: after a KeyboardInterrupt the next request starts from the beginning.
            self.plugins, self._discovered = plugins, True
        if self.plugins.declared_ops:
            _notify()

    def choose(self, type: str, asked: str) -> Claim:
        """The plugin that provides a type.

        In this order: preferred by argument, by environment, the shipped one, the only one.

        Raises:
            DeviceError: no plugin provides it, or several do and nothing chooses.
        """
        claims = self.plugins.claims.get(type, [])
        if not claims:
            raise self._unknown(type, asked)
        preferred = [claim for claim in claims if claim.preferred]
        if preferred:
            return preferred[-1]
        wanted = self.plugins.wanted.get(type)
        named = [claim for claim in claims if wanted and claim.source.is_called(wanted)]
        shipped = [claim for claim in claims if claim.source.distribution == PROJECT]
        for candidates in (named, shipped if not wanted else [], claims if not wanted else []):
            if len(candidates) == 1:
                return candidates[0]
        raise _conflict(claims, wanted).error(asked)

    def _unknown(self, type: str, asked: str) -> Exception:
        """The error for a type that nobody provides; a failed plugin's own error if one would."""
        for failure in self.plugins.failures:
            if failure.concerns(type):
                error = failure.error(asked)
                error.__cause__ = failure.cause
                return error
        known = sorted(self.plugins.claims)
        hint = contract.nearest(type, [*known, *EXTRAS]) or "; install a plugin that provides it"
        if type in EXTRAS:
            hint = f"; {EXTRAS[type]}"
        failed = [
            f"\n  {failure.source} is not available: {failure.problem}"
            for failure in self.plugins.failures
        ]
        return DeviceError(
            f"device: expected one of the installed types {', '.join(known) or '(none)'}, "
            f"got {asked!r}{hint}{''.join(failed)}",
            op="device",
            expected=known,
            got=asked,
        )

    def _load(self, claim: Claim) -> Loaded:
        backend, count = load_backend(claim.spec, _kernel_names(), *_tensors)
        return Loaded(backend, claim, count, self._kernels(backend))

    def _kernels(self, backend: Backend) -> dict[str, Kernel]:
        """The backend's kernels with those of plugins; a plugin with bad ones is left out."""
        extra: dict[str, Kernel] = {}
        for source in sorted(self.plugins.sources.values()):
            cause, faults = None, []
            try:
                found = self.plugins.call(source, "tensorplug_kernels", backend=backend.name)
                found = {} if found is None else found
                faults = contract.kernel_faults(found, _kernel_names())
                faults += [
                    f"{name!r}: another plugin gives it too" for name in found if name in extra
                ]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - listed by devices()
                cause, faults, found = error, [f"expected kernels, got {say(error)}"], {}
            if faults:
                problem = f"tensorplug_kernels({backend.name!r}): {'; '.join(faults)}"
                self._note(PluginFailure(source, "kernels", problem, cause))
            else:
                extra.update(found)
        return {**backend.kernels(), **extra}

    def _note(self, failure: PluginFailure) -> None:
        known = [(old.source, old.problem) for old in self.plugins.failures]
        if (failure.source, failure.problem) not in known:
            self.plugins.failures.append(failure)

    # --- changing -----------------------------------------------------------------------------
    def register(self, plugin: Any, name: str | None, prefer: bool) -> None:
        """See :func:`register`."""
        source = in_process_source(plugin, name)
        with self._lock:
            self.discover()
            if source.key in self.plugins.sources:
                problem = f"expected a new name, got {source.name!r} again; unregister it first"
                raise PluginFailure(source, "conflict", problem).error("register")
            declared, self.plugins.declared_ops = self.plugins.declared_ops, False
            failure = self.plugins.add(source, lambda: plugin, prefer)
            ops, self.plugins.declared_ops = self.plugins.declared_ops, declared
            if failure is not None:
                raise failure.error("register") from failure.cause
            mine = [t for t, found in self.plugins.claims.items() if found[-1].source == source]
            taken = [type for type in mine if len(self.plugins.claims[type]) > 1]
            if taken and not prefer:
                error = _conflict(self.plugins.claims[taken[0]], None).error("register")
                self.plugins.remove(source)
                raise error
            self._forget(mine)
            self._refresh_kernels()
        if ops:
            _notify()

    def unregister(self, name: str) -> None:
        """See :func:`unregister`."""
        with self._lock:
            source = in_process_source(None, name)
            if source.key not in self.plugins.sources:
                names = sorted(s.name for s in self.plugins.sources.values() if not s.distribution)
                raise DeviceError(
                    f"unregister: expected the name of a plugin registered in this process "
                    f"({', '.join(names) or 'there is none'}), got {name!r}",
                    op="unregister",
                    got=name,
                )
            self._forget(self.plugins.remove(source))
            self._refresh_kernels()

    def _forget(self, types: Collection[str]) -> None:
        """Drop what is loaded for some types; Device objects in use keep their backend."""
        for type in types:
            self.loaded.pop(type, None)
        stale = [key for key, device in self.interned.items() if device.type in types]
        for key in stale:
            del self.interned[key]
        if self.default is not None and self.default.type in types:
            self.default = None

    def _refresh_kernels(self) -> None:
        """Give devices in use the kernels of a plugin that came, or went, after them."""
        for loaded in self.loaded.values():
            fresh = self._kernels(loaded.backend)
            if fresh != loaded.kernels:
                loaded.kernels.clear()
                loaded.kernels.update(fresh)
        for device in set(self.interned.values()):
            device.drop_kernels()


def _points() -> Iterable[EntryPoint]:
    """The installed plugins' entry points (reading them all takes some milliseconds)."""
    # Imported here because it costs more than the rest of the plugin machinery together.
    from importlib.metadata import entry_points

    return entry_points(group=PROJECT)


def _conflict(claims: list[Claim], wanted: str | None) -> PluginFailure:
    type = claims[0].type
    names = " and ".join(str(claim.source) for claim in claims)
    if wanted:
        problem = f"{PREFER} expected one of these plugins for {type}: {names}; got {wanted!r}"
    else:
        choices = [claim.source.distribution for claim in claims if claim.source.distribution]
        advice = f"set {PREFER}={type}={choices[0]}, or " if choices else ""
        problem = (
            f"expected one plugin for the device type {type}, got {names}; {advice}"
            "call tensorplug.backends.register(plugin, prefer=True)"
        )
    return PluginFailure(claims[-1].source, "conflict", problem, None, (type,))


# --- the one registry, and what other layers install ----------------------------------------------

_current = [Registry()]
_installed_names: list[Callable[[], Collection[str]]] = []
_listeners: list[Callable[[], None]] = []
_tensors: list[tuple[type, Callable[[Any], Any]]] = []


def current() -> Registry:
    """The registry in use."""
    return _current[-1]


def set_kernel_names(names: Callable[[], Collection[str]]) -> None:
    """Say which kernels exist, so that misspelt ones in a backend are refused.

    ``names`` is called whenever a backend is loaded, because plugins may declare more.
    """
    _installed_names[:] = [names]


def _kernel_names() -> Collection[str] | None:
    return _installed_names[0]() if _installed_names else None


def set_tensor(tensor: type, build: Callable[[Any], Any]) -> None:
    """Say what :meth:`Backend.introduce` is called with, for backends loaded from now on."""
    _tensors[:] = [(tensor, build)]


def subscribe(listener: Callable[[], None]) -> None:
    """Call ``listener`` whenever a plugin has declared operations of its own.

    It runs while devices are being looked up, so it must not ask for one.
    """
    _listeners.append(listener)


def _notify() -> None:
    for listener in _listeners:
        listener()


def resolve(type: str) -> Backend:
    """The backend behind a device type, loaded on first use.

    Args:
        type: for example ``"cpu"``; without an index, in any case.

    Raises:
        PluginError: the type's plugin does not work, with its name, phase and cause.
        DeviceError: no installed plugin provides the type.

    Example:
        >>> resolve("cpu").name
        'numpy'
    """
    return current().load(type.lower()).backend


def kernels(type: str) -> Mapping[str, Kernel]:
    """The fast kernels of a device type by op name: those of plugins, then the backend's own."""
    return current().load(type.lower()).kernels


def register(plugin: Any, *, name: str | None = None, prefer: bool = False) -> None:
    """Add a plugin without packaging it: in a notebook, a test, or a program of your own.

    Args:
        plugin: a module, or an instance of a class, with hooks marked by ``hookimpl``.
        name: how to call it in messages and in :func:`unregister`; by default the module's or
            the class's name.
        prefer: use it for its device types even where other plugins provide them too.

    Raises:
        PluginError: the plugin is not valid, or it provides a type that another one provides.

    Example:
        >>> from tensorplug.backends import BackendSpec, hookimpl
        >>> class Plugin:
        ...     @hookimpl
        ...     def tensorplug_backends(self):
        ...         return [BackendSpec("acme", "acme.backend:AcmeBackend")]
        >>> register(Plugin(), name="acme")
        >>> unregister("acme")
    """
    current().register(plugin, name, prefer)


def unregister(name: str) -> None:
    """Take out a plugin that :func:`register` added; its devices become unknown again.

    Raises:
        DeviceError: no such plugin was registered in this process.
    """
    current().unregister(name)


@contextmanager
def isolated(entry_points: Iterable[EntryPoint] | None = None) -> Iterator[Registry]:
    """A fresh registry for the block, for tests: nothing loaded, registered or interned.

    Args:
        entry_points: what to find instead of the installed plugins.

    Devices from inside and from outside the block are different devices.
    """
    registry = Registry(None if entry_points is None else list(entry_points))
    _current.append(registry)
    try:
        yield registry
    finally:
        _current.remove(registry)

"""The one registry in use, and what programs and tests do with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .base import Backend, Kernel
from .registry import Registry
from .switches import given

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "current", "isolated", "kernels", "plugins", "provider", "register", "resolve", "unregister",
]  # fmt: skip

_current = [Registry()]


def current() -> Registry:
    """The registry in use."""
    return _current[-1]


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


def provider(backend: str, kernel: str) -> str:
    """The plugin that gave a backend one of its kernels, with its distribution and version; empty
    if it is the backend's own, or if there is none.

    Example:
        >>> provider("numpy", "matmul")
        ''
    """
    source = current().providers.get((backend, kernel))
    return "" if source is None else str(source)


def register(plugin: Any, *, name: str | None = None, prefer: bool = False) -> None:
    """Add a plugin without packaging it: in a notebook, a test, or a program of your own.

    Args:
        plugin: a module, or an instance of a class, with hooks marked by ``hookimpl``.
        name: how to call it in messages and in :func:`unregister`; by default the module's or
            the class's name.
        prefer: use it for its device types even where other plugins provide them too, and for
            the names of shipped devices.

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
def plugins(
    *,
    disable: str | Sequence[str] = (),
    only: str | Sequence[str] | None = None,
    off: bool = False,
    strict: bool | None = None,
) -> Iterator[None]:
    """Choose for a block which installed plugins may be used, in all threads.

    Args:
        disable: plugins to leave out, by the names of their entry points or distributions, as a
            list or separated by commas; shipped ones too.
        only: leave out all others; those that ship stay.
        off: leave out all but those that ship.
        strict: import every plugin at once, and raise when one does not work, or when two claim
            one device type; False to go on without it, None for what holds outside.

    The environment variables ``TENSORPLUG_DISABLE_PLUGINS``, ``TENSORPLUG_ONLY_PLUGINS``,
    ``TENSORPLUG_NO_PLUGINS=1`` and ``TENSORPLUG_STRICT_PLUGINS=1`` say the same for the whole
    process. What one of them leaves out stays out in the block. Devices that were in use stay the
    same objects. Plugins that the program has registered itself are not concerned.

    Raises:
        PluginError: in strict mode, what is wrong with a plugin.
        OpTypeError: an argument of another type.

    Example:
        >>> with plugins(off=True):
        ...     resolve("cpu").name
        'numpy'
    """
    with current().switched(given(disable, only, off, strict)):
        yield


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

"""What the engine tells the plugin machinery: the names of kernels, its tensors, its listeners."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

__all__ = [
    "forget", "kernel_names", "notify", "set_forget", "set_kernel_names", "set_tensor", "subscribe",
    "tensors",
]  # fmt: skip

_installed_names: list[Callable[[], Collection[str]]] = []
_forgetters: list[Callable[[Any], None]] = []
_listeners: list[Callable[[], None]] = []
_tensors: list[tuple[type, Callable[[Any], Any]]] = []


def set_kernel_names(names: Callable[[], Collection[str]]) -> None:
    """Say which kernels exist, so that misspelt ones in a backend are refused.

    ``names`` is called whenever a backend is loaded, because plugins may declare more.
    """
    _installed_names[:] = [names]


def kernel_names() -> Collection[str] | None:
    """The kernels that exist, or None while nobody has said."""
    return _installed_names[0]() if _installed_names else None


def set_forget(forgetter: Callable[[Any], None]) -> None:
    """Say what is called with a device whose kernels have changed."""
    _forgetters[:] = [forgetter]


def forget(device: Any) -> None:
    """Tell the engine to look up the kernels of a device anew."""
    for forgetter in _forgetters:
        forgetter(device)


def set_tensor(tensor: type, build: Callable[[Any], Any]) -> None:
    """Say what :meth:`Backend.introduce` is called with, for backends loaded from now on."""
    _tensors[:] = [(tensor, build)]


def tensors() -> list[tuple[type, Callable[[Any], Any]]]:
    """What backends are introduced to."""
    return list(_tensors)


def subscribe(listener: Callable[[], None]) -> None:
    """Call ``listener`` whenever a plugin has declared operations of its own.

    It runs while devices are being looked up, so it must not ask for one.
    """
    _listeners.append(listener)


def notify() -> None:
    """Tell the listeners that there are new operations."""
    for listener in _listeners:
        listener()

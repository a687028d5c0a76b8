"""Running on the host what a device has no kernel for: who allows it, and how often it happens.

It is off unless the backend's class says ``host_fallback = True``, or a block allows it::

    with tensorplug.backends.allow_fallback():
        loss.backward()
    tensorplug.backends.fallbacks()  # {'lgamma': 2}
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from .notices import warn

if TYPE_CHECKING:
    from .device import Device

__all__ = ["allow_fallback", "allowed", "fallbacks", "note"]

_allowed: ContextVar[bool] = ContextVar("tensorplug_fallback", default=False)
_counts: dict[str, int] = {}
_warned: WeakKeyDictionary[Device, set[str]] = WeakKeyDictionary()
_lock = threading.Lock()


@contextmanager
def allow_fallback() -> Iterator[None]:
    """Run on the host, inside the block, what a device has no kernel for.

    The arguments are copied to the host and the results back, which is slow; each operation says
    so once for each device, and :func:`fallbacks` counts. It holds for the current context: one
    thread, or one asynchronous task. Backends with ``host_fallback = True`` need no block. What
    a device does not declare as a capability raises CapabilityError all the same, and so does a
    view without a kernel: a copy would not alias.

    Example:
        >>> import tensorplug as tp
        >>> with allow_fallback():
        ...     tp.ones(2).sinh().tolist()  # cpu has a kernel: nothing changes
        [1.175201177597046, 1.175201177597046]
    """
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


def fallbacks() -> dict[str, int]:
    """How often each operation ran on the host for want of a kernel, in this process.

    Example:
        >>> before = fallbacks()
        >>> before == fallbacks()  # a copy: it does not count on
        True
    """
    with _lock:
        return dict(_counts)


def allowed(device: Device) -> bool:
    """Whether an operation without a kernel may run on the host now."""
    return device.backend.host_fallback or _allowed.get()


def note(op: str, device: Device) -> None:
    """Count one call, and warn of the first on this device."""
    known = _warned.setdefault(device, set())
    if op not in known:
        warn(
            f"{op} on {device} runs on the host: {device.backend.name} has no kernel for it; "
            "tensorplug.backends.fallbacks() counts such calls"
        )
        known.add(op)  # afterwards, so that a warning made an error is raised each time
    with _lock:
        _counts[op] = _counts.get(op, 0) + 1

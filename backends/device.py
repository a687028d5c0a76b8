"""Devices: ``"type[:index]"``, one object for each.

``Device("cuda:0") is Device("CUDA", 0)``, so the engine compares devices with ``is``.
"""

from __future__ import annotations

import functools
import operator
import os
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, final

from . import host
from .capabilities import capabilities_of
from .errors import DeviceError, OpTypeError
from .loading import try_device, whose
from .plugging import current, resolve

if TYPE_CHECKING:
    from .base import Backend

__all__ = [
    "Device", "for_array", "get_default_device", "resolve", "set_default_device", "synchronize",
]  # fmt: skip

DEFAULT = "TENSORPLUG_DEFAULT_DEVICE"
"""The device of new tensors when the program does not say; ``cpu`` if unset."""

P = ParamSpec("P")
R = TypeVar("R")

_TEXT = re.compile(r"([a-z][a-z0-9_]*)(?::(0|[1-9][0-9]*))?")


@final
class Device:
    """Where a tensor lives and is computed with.

    Args:
        type: ``"cpu"``, ``"cuda:1"``, ... in any case, or a device, which is returned as it is.
        index: the index, if ``type`` does not say; 0 by default.

    ``type`` and ``index`` say which device it is, ``backend`` is the array library's adaptor,
    ``F`` its kernels and ``capabilities`` the names of what it can do. As a context manager, and as
    a decorator, a device is the default for new tensors.

    Raises:
        DeviceError: there is no such device; the text says which there are, or what to install.
        PluginError: the device's plugin does not work.
        OpTypeError: ``type`` is not text, or ``index`` not a whole number.

    Differs from torch: ``"cuda"`` means ``"cuda:0"``, and a device must exist when it is named.

    Example:
        >>> Device("cpu") is Device("CPU:0")
        True
        >>> Device("cpu")
        device(type='cpu')
        >>> with Device("cpu"):
        ...     str(get_default_device())
        'cpu'
    """

    __slots__ = ("F", "__weakref__", "_text", "backend", "capabilities", "index", "type")

    kernel_factory: ClassVar[Callable[[Device], Any] | None] = None
    """Makes ``F``; the engine installs it."""

    F: Any
    capabilities: frozenset[str]
    _text: str
    backend: Backend
    index: int
    type: str

    def __new__(cls, type: str | Device, index: int | None = None) -> Device:
        if isinstance(type, Device):
            if index is not None:
                raise _wrong_type(f"no index beside the device {str(type)!r}", index)
            return type
        if not isinstance(type, str):
            raise _wrong_type("text such as 'cpu' or 'cuda:0', or a device", type)
        if index is not None:
            return _intern(type, index)
        interned = current().interned
        try:
            return interned[type]
        except KeyError:
            device = interned[type] = _intern(type, None)
            return device

    def __getattr__(self, name: str) -> Any:
        # Only reached while the slot is empty; afterwards `device.F` is a plain slot read.
        if name == "capabilities":
            self.capabilities = capabilities_of(self.backend, self.index)
            return self.capabilities
        if name != "F":
            raise AttributeError(f"a device has no attribute {name!r}")
        if Device.kernel_factory is None:
            raise DeviceError("device: expected the engine for its kernels; import tensorplug")
        self.F = Device.kernel_factory(self)
        return self.F

    def drop_kernels(self) -> None:
        """Forget the resolved kernels, because a plugin has added or removed some."""
        host.forget(self)
        try:
            del self.F
        except AttributeError:  # never used so far
            return

    def __repr__(self) -> str:
        index = f", index={self.index}" if ":" in self._text else ""
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[Any, ...]:
        return (Device, (self.type, self.index))

    def __copy__(self) -> Device:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Device:
        return self

    def __enter__(self) -> Device:
        _stack.set((*_stack.get(), self))
        return self

    def __exit__(self, *exception: object) -> None:
        _stack.set(_stack.get()[:-1])

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """As a decorator: the default for new tensors while ``function`` runs."""

        @functools.wraps(function)
        def inside(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return inside


def _wrong_type(rule: str, got: Any) -> OpTypeError:
    return OpTypeError(
        f"device: expected {rule}, got {got!r} of type {type(got).__name__}", op="device", got=got
    )


def _intern(text: str, index: Any) -> Device:
    """The device object that a text, or a type and an index, stand for."""
    match = _TEXT.fullmatch(text.lower())
    if match is None:
        raise DeviceError(
            f"device: expected 'type' or 'type:index', got {text!r}; write for example 'cuda:0'",
            op="device",
            got=text,
        )
    type, digits = match.groups()
    if index is not None:
        if digits is not None:
            raise DeviceError(
                f"device: expected the index once, got {text!r} and {index!r}; drop one of them",
                op="device",
                got=(text, index),
            )
        digits = _as_index(index)
    number = int(digits or 0)
    registry = current()
    loaded = registry.load(type, text if index is None else f"{type}:{number}")
    if not 0 <= number < loaded.count:
        raise _wrong_index(type, number, loaded.count, loaded.claim.spec.indexed)
    known = registry.interned.get((type, number))
    if known is not None:
        return known  # asked for in another way
    with whose(loaded.claim, f"{type}:{number}"):
        try_device(loaded.backend, number)
    device = object.__new__(Device)
    device.type = type
    device.index = number
    device.backend = loaded.backend
    device._text = _print(type, number, loaded.claim.spec.indexed)
    # setdefault: two threads that name a new device at once must get the same object.
    return registry.interned.setdefault((type, number), device)


def _as_index(index: Any) -> int:
    if isinstance(index, bool):
        raise _wrong_type("a whole number as the index", index)
    try:
        return operator.index(index)
    except TypeError:
        raise _wrong_type("a whole number as the index", index) from None


def _print(type: str, index: int, indexed: bool) -> str:
    return f"{type}:{index}" if indexed or index else type


def _wrong_index(type: str, index: int, count: int, indexed: bool) -> DeviceError:
    there = [_print(type, i, indexed) for i in range(min(count, 8))] + ["..."] * (count > 8)
    bound = f"an index below {count}" if index >= 0 else "an index of at least 0"
    return DeviceError(
        f"{type}:{index}: expected {bound}, got {index}; there "
        f"{'is' if count == 1 else 'are'} {', '.join(there)}",
        op="device",
        expected=count,
        got=index,
    )


def for_array(array: Any) -> Device | None:
    """The device that a foreign array lives on, or None if no backend knows it.

    Loads a backend only for an array of a library that its plugin requires by name: whether it
    was in use before makes no difference, and the library is there already.
    """
    registry = current()
    registry.discover()
    library = type(array).__module__.partition(".")[0]
    # A copy: a backend may be loaded by another thread meanwhile.
    for name in [*registry.loaded, *registry.types_for(library)]:
        try:
            backend = registry.load(name).backend
        except DeviceError:
            continue  # another plugin may do; it is said when the device is asked for
        if backend.owns(array):
            return Device(name, backend.device_of(array))
    return None


# --- the default device -------------------------------------------------------------------------

_stack: ContextVar[tuple[Device, ...]] = ContextVar("tensorplug_device", default=())


def get_default_device() -> Device:
    """The device of new tensors: of the innermost ``with device:`` block, or the one set by
    :func:`set_default_device`, or by ``TENSORPLUG_DEFAULT_DEVICE``, or ``cpu``.

    Raises:
        DeviceError: the environment variable names no usable device.
    """
    stack = _stack.get()
    if stack:
        return stack[-1]
    registry = current()
    if registry.default is None:
        registry.default = _initial_default()
    return registry.default


def set_default_device(device: str | Device | None) -> None:
    """Set the device of new tensors in all threads; None goes back to the initial one.

    Raises:
        DeviceError: there is no such device.

    Example:
        >>> set_default_device("cpu")
    """
    current().default = None if device is None else Device(device)


def _initial_default() -> Device:
    text = os.environ.get(DEFAULT)
    if not text:
        return Device("cpu")
    try:
        return Device(text)
    except DeviceError as error:
        raise DeviceError(
            f"{DEFAULT}: expected a device that can be used, got {text!r}; change or unset the "
            f"variable\n  {error}",
            op=DEFAULT,
            got=text,
        ) from error


def synchronize(device: Device | str | None = None) -> None:
    """Wait until all work on a device is done; errors of that work are raised here.

    Some devices (``xla``, ``cuda``) return from an operation before its result is there, so a
    clock must not be read without this. Reading values (``item()``, printing, ``cpu()``) waits too.

    Args:
        device: the default device where None.

    Example:
        >>> synchronize("cpu")
    """
    found = get_default_device() if device is None else Device(device)
    found.backend.synchronize(found.index)

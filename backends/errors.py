"""The errors that tensorplug raises.

All share :class:`TensorplugError` and each is also the builtin that PyTorch raises in its place,
so ``except RuntimeError`` and ``except IndexError`` keep working. Texts read
``<op>: expected <rule>, got <value>; <what to do>``.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "CapabilityError",
    "DeviceError",
    "KernelNotFound",
    "OpBufferError",
    "OpError",
    "OpIndexError",
    "OpTypeError",
    "OpValueError",
    "OutOfMemoryError",
    "PluginError",
    "TensorplugError",
    "ValuesError",
]


class TensorplugError(Exception):
    """The base of all our errors.

    ``op`` is the operation, layer or function that complains; ``expected`` and ``got`` are the
    two values that differ, where there are such values.

    Example:
        >>> error = OpError("mul: expected ...", op="mul", expected=(2, 3), got=(4, 3))
        >>> error.op, error.got
        ('mul', (4, 3))
    """

    def __init__(
        self, message: str, *, op: str | None = None, expected: Any = None, got: Any = None
    ) -> None:
        super().__init__(message)
        self.op = op
        self.expected = expected
        self.got = got


class DeviceError(TensorplugError, RuntimeError):
    """A device that does not exist, cannot be used, or does not match another."""


class PluginError(DeviceError):
    """A plugin that cannot be used: why, whose it is, and how to do without it.

    ``phase`` is where it failed: ``"import"``, ``"hooks"``, ``"describe"``, ``"announce"`` (its
    description and its entry points differ), ``"version"``, ``"ops"``, ``"kernels"``,
    ``"conflict"``, ``"disabled"``, ``"library"``, ``"load"``, ``"contract"`` or ``"hardware"``.
    ``cause`` is the plugin's own exception, if it raised one;
    it is chained too. ``distribution`` is empty for a plugin registered in this process.
    """

    def __init__(
        self,
        message: str,
        *,
        distribution: str = "",
        version: str = "",
        entry_point: str = "",
        phase: str = "",
        cause: BaseException | None = None,
        **values: Any,
    ) -> None:
        super().__init__(message, **values)
        self.distribution = distribution
        self.version = version
        self.entry_point = entry_point
        self.phase = phase
        self.cause = cause


class OpError(TensorplugError, RuntimeError):
    """An operation that cannot be done with these values."""


class ValuesError(OpError):
    """The values of a tensor are asked for while there are none yet: a program is being traced.

    Raised by backends; who knows the operation sets ``op``.
    """

    def __str__(self) -> str:
        text = super().__str__()
        return f"{self.op}: {text}" if self.op else text


class OpBufferError(TensorplugError, BufferError):
    """Memory that cannot be handed from one library to another."""


class OpTypeError(TensorplugError, TypeError):
    """An argument of the wrong Python type or dtype."""


class OpIndexError(TensorplugError, IndexError):
    """A dimension or an index out of range."""


class OpValueError(TensorplugError, ValueError):
    """An argument of the right type with a wrong value."""


class OutOfMemoryError(TensorplugError, RuntimeError, MemoryError):
    """A device without enough memory for a result; what was there before stays as it was.

    ``expected`` and ``got`` are sizes in bytes: what is free, and what was asked for.
    """


class KernelNotFound(TensorplugError, NotImplementedError):
    """An operation for which the device has no kernel, with what was tried."""


class CapabilityError(TensorplugError, NotImplementedError, TypeError):
    """An operation, or a type, that a device does not declare to have.

    ``device`` and ``capability`` are names, ``"dask:0"`` and ``"fft"``; a type is a capability by
    its own name, ``"float64"``. :mod:`tensorplug.backends.capabilities` lists them.
    """

    def __init__(
        self, message: str, *, device: str = "", capability: str = "", **values: Any
    ) -> None:
        super().__init__(message, **values)
        self.device = device
        self.capability = capability

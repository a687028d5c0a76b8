"""How tests steer loopback devices: failures, delays and limits, each for the time of a block.

All of it holds for every thread of the process, until the block is left.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from ..backends.device import Device
from ..backends.errors import DeviceError, OpValueError
from ..backends.layout import Layout, extent

__all__ = ["Fault", "delay", "failing", "failure", "limit", "out_of_memory_at", "peek", "seconds"]

Rule = TypeVar("Rule")
Where = Device | str | int | None
"""A loopback device, its name, its index among ``loopback:0, loopback:1, ...``, or None for all."""

_lock = threading.Lock()
_faults: list[Fault] = []
_delays: list[tuple[str | None, float]] = []
_limits: list[tuple[str | None, int]] = []


class Fault:
    """What :func:`failing` lets fail; ``fired`` counts how often it has done so."""

    def __init__(
        self, op: str | None, device: str | None, error: Any, after: int, times: int | None,
        queued: bool,
    ) -> None:  # fmt: skip
        self.op = op
        self.device = device
        self.error = error
        self.after = after
        self.times = times
        self.queued = queued
        self.seen = 0
        self.fired = 0

    def strike(self, op: str, device: str) -> BaseException | None:
        """The error for an operation that starts now, if this is one that shall fail."""
        if self.op not in (None, op) or self.device not in (None, device):
            return None
        with _lock:
            self.seen += 1
            if self.seen <= self.after or self.fired == self.times:
                return None
            self.fired += 1
        if isinstance(self.error, BaseException):
            return self.error
        made: BaseException = self.error(f"{op} on {device}")
        return made


@contextmanager
def _active(rules: list[Rule], rule: Rule) -> Iterator[Rule]:
    """Apply one more rule while the block runs."""
    with _lock:
        rules.append(rule)
    try:
        yield rule
    finally:
        with _lock:  # by identity: an outer block may have an equal one
            rules[:] = [other for other in rules if other is not rule]


def _name(function: str, device: Where) -> str | None:
    """The name of a loopback device, None for all of them.

    Raises:
        DeviceError: it is another device.
    """
    if device is None:
        return None
    found = Device(f"loopback:{device}" if isinstance(device, int) else device)
    if found.type not in ("loopback", "loopback32"):
        raise DeviceError(
            f"{function}: expected a loopback device, got {found}; only loopback devices can be "
            "told how to behave",
            op=function,
            got=str(found),
        )
    return str(found)


@contextmanager
def failing(
    op: str | None = None, *, device: Where = None, error: Any = RuntimeError, after: int = 0,
    times: int | None = None, queued: bool = False,
) -> Iterator[Fault]:  # fmt: skip
    """Let operations fail inside a ``with`` block.

    Args:
        op: the operation, by the name that errors use (``"add"``, ``"matmul"``, ``"conv"``), or a
            step of the device: ``"from_host"``, ``"to_host"``, ``"copy"`` (between devices),
            ``"full"``, ``"empty"``, ``"cast"``, ``"clone"``, ``"assign"``, ``"put"``. None for
            any of them.
        device: where: a device, its name, or its index among ``loopback:0, ...``; None for all.
        error: an exception, or its class: the cause of the RuntimeError that is raised. A
            MemoryError, one of our own errors, or a KeyboardInterrupt is raised as it is.
        after: how many such operations succeed first.
        times: how often it fails, then no more; None for always.
        queued: the operation returns, and its work fails later, in the device's queue: its memory
            keeps garbage, and who waits next for the device gets the error.

    The block's value counts in ``fired`` how often an operation has failed. Everything else goes on
    as usual, and after the block that operation, too. An operation that is composed of others can
    be named as well as its parts.

    Example:
        >>> from tensorplug.plugins import loopback
        >>> x = tp.ones(2, device="loopback:1")
        >>> with loopback.failing("add", device=1, error=OSError("link down")) as fault:
        ...     y = x * 3
        ...     try:
        ...         y + 1
        ...     except RuntimeError as error:
        ...         print(error)
        add: expected loopback:1 to work, got OSError: link down; loopback.failing() asks for it
        >>> fault.fired, (y + 1).tolist()
        (1, [4.0, 4.0])
    """
    fault = Fault(op, _name("failing", device), error, after, times, queued)
    with _active(_faults, fault):
        yield fault


@contextmanager
def delay(ms: float, *, device: Where = None) -> Iterator[None]:
    """Let the queue take ``ms`` milliseconds for each operation inside a ``with`` block.

    The operations return at once all the same; who reads values waits for them. Devices work side
    by side: ten operations on each of two devices take as long as ten.

    Raises:
        ValueError: ``ms`` is negative.

    Example:
        >>> from tensorplug.plugins import loopback
        >>> with loopback.delay(20):
        ...     x = tp.ones(2, device="loopback:0") + 1
        ...     before = loopback.peek(x)
        >>> before.tolist(), x.tolist()
        ([nan, nan], [2.0, 2.0])
    """
    if ms < 0:
        raise OpValueError(f"delay: expected milliseconds of at least 0, got {ms}", op="delay")
    with _active(_delays, (_name("delay", device), ms / 1000)):
        yield


@contextmanager
def out_of_memory_at(nbytes: int, *, device: Where = None) -> Iterator[None]:
    """Let devices have ``nbytes`` bytes of memory inside a ``with`` block.

    Memory that is in use already counts, so ``0`` lets every allocation fail.

    Raises:
        ValueError: ``nbytes`` is negative.

    Example:
        >>> from tensorplug.plugins import loopback
        >>> with loopback.out_of_memory_at(1000, device="loopback:2"):
        ...     small = tp.zeros(100, device="loopback:2")
        ...     try:
        ...         tp.zeros(200, device="loopback:2")
        ...     except MemoryError as error:
        ...         print(str(error).partition(";")[0])
        full: expected at most 600 bytes on loopback:2 (400 of 1000 are in use), got 800
    """
    if nbytes < 0:
        raise OpValueError(
            f"out_of_memory_at: expected a size of at least 0 bytes, got {nbytes}",
            op="out_of_memory_at",
        )
    with _active(_limits, (_name("out_of_memory_at", device), nbytes)):
        yield


def peek(tensor: Any) -> np.ndarray:
    """What lies in a device's memory at this moment, where a tensor's values are or will be.

    No code may read a device like this; it shows what reading without waiting would give. Memory
    is filled with ones in every bit (nan, -1, 255) until the queue has done its work.

    Example:
        >>> from tensorplug.plugins import loopback
        >>> x = tp.arange(3, device="loopback:0") * 2
        >>> tp.synchronize("loopback:0")
        >>> loopback.peek(x)
        array([0, 2, 4])
    """
    dtype = tensor.dtype.numpy
    shape, strides = tuple(tensor.shape), tuple(tensor.stride())
    used = extent(Layout(shape, strides, 0))
    size = dtype.itemsize
    start = tensor.data_ptr() + used.start * size
    memory = ctypes.string_at(start, len(used) * size)
    steps = tuple(stride * size for stride in strides)
    found = np.ndarray(shape, dtype, memory, -used.start * size, steps)
    return found.copy()


# --- what devices ask -----------------------------------------------------------------------------


def failure(op: str, device: str, composed: bool) -> tuple[BaseException, bool] | None:
    """The error for an operation that starts now, and whether it is for the queue.

    Compositions count only where they are named, as each of their parts counts too.
    """
    for fault in _faults:
        if composed and fault.op is None:
            continue
        error = fault.strike(op, device)
        if error is not None:
            return error, fault.queued
    return None


def seconds(device: str, otherwise: float) -> float:
    """How long an operation takes on a device, by the innermost block that says so."""
    for where, found in reversed(_delays):
        if where in (None, device):
            return found
    return otherwise


def limit(device: str, otherwise: int) -> int:
    """How many bytes a device has, by the innermost block that says so."""
    for where, found in reversed(_limits):
        if where in (None, device):
            return found
    return otherwise

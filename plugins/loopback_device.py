"""One loopback device: memory of its own, and a queue that a thread of its own works off.

Note [What is simulated]
A kernel needs shapes, and reports wrong arguments, at once; so NumPy computes it in the call, into
a buffer that only kernels see (``Memory.buffer``). The device's memory (``Memory.nbytes`` bytes at
``Memory.address``) is another piece, full of garbage until the queue's thread has copied the
values there. All that leaves the device is read from its memory: to the host, to other devices, by
``data_ptr()``. So whoever reads without waiting reads garbage, as on an accelerator.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..backends.errors import DeviceError, OpError, OutOfMemoryError, TensorplugError
from ..backends.storage import Operators
from . import loopback_control as control

if TYPE_CHECKING:
    from .loopback import LoopbackBackend

__all__ = ["Array", "Chip", "Memory", "Task"]

GARBAGE = 0xFF
"""What every byte of new memory holds: nan, -1 or 255."""

_forks: list[bool] = []
"""One for each fork that led to this process, which has none of the threads from before."""

if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=lambda: _forks.append(True))


class Memory:
    """A piece of a device's memory, the storage of one or more arrays.

    ``buffer`` is the array that kernels compute with; ``error`` is why the values never arrived.
    """

    __slots__ = ("_data", "_size", "buffer", "chip", "error")

    def __init__(self, chip: Chip, buffer: np.ndarray, op: str) -> None:
        """Allocate as much as ``buffer`` takes, for the result of ``op``.

        Raises:
            OutOfMemoryError: the device has not that much left.
        """
        self.chip = chip
        self.buffer = buffer
        self._size = 0
        chip.allocate(op, buffer.nbytes)
        self._size = buffer.nbytes
        self.error: tuple[str, BaseException] | None = None
        self._data = np.full(buffer.nbytes, GARBAGE, np.uint8)

    def __del__(self) -> None:
        self.chip.freed.append(self._size)

    @property
    def backend(self) -> LoopbackBackend:
        """The backend whose kernels the operators of arrays stand for."""
        return self.chip.backend

    @property
    def address(self) -> int:
        """Where the device's memory is."""
        return int(self._data.__array_interface__["data"][0])

    def at(self, values: np.ndarray) -> np.ndarray:
        """The place in the device's memory of a part of the buffer."""
        if not values.size:  # what lies nowhere may have an address beyond the end
            return np.empty(values.shape, values.dtype)
        offset = _address(values) - _address(self.buffer)
        return np.ndarray(values.shape, values.dtype, self._data, offset, values.strides)


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


class Array(Operators):
    """An array on a loopback device; ``cell`` is its memory, ``values`` a view of the buffer.

    It has a shape and Python's operators. NumPy cannot read it: it is not in the host's memory.
    """

    __slots__ = ("cell", "values")

    cell: Memory

    def __init__(self, memory: Memory, values: np.ndarray) -> None:
        self.cell = memory
        self.values = values

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.values.ndim

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's number for devices that it does not know, and the index."""
        return 12, self.cell.chip.index

    def __repr__(self) -> str:
        return f"<{self.values.dtype} {self.shape} on {self.cell.chip}>"


class Task(NamedTuple):
    """Work for a queue: to put the results of an operation into the device's memory."""

    op: str
    results: Sequence[Array]
    sources: Sequence[Memory]
    seconds: float
    error: BaseException | None

    def run(self) -> tuple[str, BaseException] | None:
        """Do it; the result is the operation that failed here, and why.

        Results that were computed from what never arrived do not arrive either.
        """
        if self.seconds:
            time.sleep(self.seconds)
        failed = (self.op, self.error) if self.error is not None else None
        inherited = next((source.error for source in self.sources if source.error), None)
        for array in self.results:
            if failed or inherited:
                array.cell.error = failed or inherited
            else:
                np.copyto(array.cell.at(array.values), array.values)
        return failed


# Of C, and so whole when an interrupt or a finalizer comes in between.
Queue = SimpleQueue[Task | threading.Event | None]


def _work(queue: Queue, errors: deque[tuple[str, BaseException]]) -> None:
    """What a device's thread does until None comes; an event is set once all before it is done."""
    while (task := queue.get()) is not None:
        if isinstance(task, threading.Event):
            task.set()
            continue
        try:
            failed = task.run()
        except Exception as error:  # noqa: BLE001 - raised where somebody waits
            failed = (task.op, error)
        if failed is not None:
            errors.append(failed)
        del task, failed  # memory is free before anybody hears that the work is done


class Chip:
    """One loopback device: its name, its memory, its queue."""

    def __init__(self, backend: LoopbackBackend, index: int, total: int, seconds: float) -> None:
        self.backend = backend
        self.index = index
        self.name = f"{backend.name}:{index}"
        self.freed: deque[int] = deque()  # appended to whenever a piece of memory dies
        self._total = total
        self._seconds = seconds
        self._allocated = 0
        self._lock = threading.Lock()
        self._errors: deque[tuple[str, BaseException]] = deque()
        self._queue: Queue | None = None
        self._started_after = 0  # forks

    def __repr__(self) -> str:
        return self.name

    # --- memory -----
    @property
    def total(self) -> int:
        """How many bytes there are."""
        return control.limit(self.name, self._total)

    def allocated(self) -> int:
        """How many bytes are in use."""
        with self._lock:
            self._sweep()
            return self._allocated

    def _sweep(self) -> None:
        """Take off what was freed. Memory dies at any moment, also of a thread that holds the lock,
        so it only leaves a note, which needs no lock.
        """
        while self.freed:
            self._allocated -= self.freed.popleft()

    def allocate(self, op: str, nbytes: int, really: bool = True) -> None:
        """Count memory as used, or only see whether there is enough of it.

        Raises:
            OutOfMemoryError: there is not.
        """
        if self._fits(nbytes, really):
            return
        self.drain()  # what queued work holds will be free
        if self._fits(nbytes, really):
            return
        used, total = self.allocated(), self.total
        raise OutOfMemoryError(
            f"{op}: expected at most {max(total - used, 0)} bytes on {self} ({used} of {total} are "
            f"in use), got {nbytes}; drop tensors that are no longer needed, or set "
            "TENSORPLUG_LOOPBACK_MEMORY to more bytes",
            op=op,
            expected=max(total - used, 0),
            got=nbytes,
        )

    def _fits(self, nbytes: int, really: bool) -> bool:
        with self._lock:
            self._sweep()
            fits = self._allocated + nbytes <= self.total
            if fits and really:
                self._allocated += nbytes
        return fits

    # --- queue -----
    def begin(self, op: str, composed: bool = False, queues: bool = True) -> BaseException | None:
        """Start an operation; the result is the error that its queued work shall end with.

        ``composed`` says that it consists of others, ``queues`` that there will be queued work.

        Raises:
            OpError: ``loopback.failing()`` asks for an error; it is the cause. Errors of ours, want
                of memory and what ends a program are raised as they are.
            DeviceError: this is a forked child.
        """
        self._check_process(op)
        found = control.failure(op, self.name, composed)
        if found is None:
            return None
        error, queued = found
        if queued and queues:
            return error
        if isinstance(error, (TensorplugError, MemoryError)) or not isinstance(error, Exception):
            raise error
        text = f"{op}: expected {self} to work, got {type(error).__name__}: {error}"
        raise OpError(f"{text}; loopback.failing() asks for it", op=op) from error

    def send(
        self, op: str, results: Sequence[Array], sources: Sequence[Memory] = (),
        error: BaseException | None = None,
    ) -> None:  # fmt: skip
        """Queue the work after an operation: its results reach the device's memory."""
        task = Task(op, results, sources, control.seconds(self.name, self._seconds), error)
        self._running().put(task)

    def _running(self) -> Queue:
        """The queue, with its thread, which starts when first needed and ends with the device."""
        queue = self._queue
        if queue is None:
            with self._lock:
                queue = self._queue
                if queue is None:
                    queue = SimpleQueue()
                    thread = threading.Thread(
                        target=_work, args=(queue, self._errors), name=self.name, daemon=True
                    )
                    thread.start()
                    weakref.finalize(self, queue.put, None)
                    self._started_after = len(_forks)
                    self._queue = queue
        return queue

    def _check_process(self, op: str) -> None:
        if self._queue is not None and self._started_after != len(_forks):
            raise DeviceError(
                f"{op}: expected {self} to be used in the process that started its queue, got a "
                "forked child, which has no thread for it; start processes by 'spawn'",
                op=op,
            )

    def drain(self) -> None:
        """Wait until the queue is empty, whatever has failed in it.

        Raises:
            DeviceError: this is a forked child.
        """
        self._check_process("synchronize")
        if self._queue is not None:
            done = threading.Event()
            self._queue.put(done)
            done.wait()

    def wait(self) -> None:
        """Wait until the queue is empty.

        Raises:
            OpError: work in it has failed since somebody waited last.
        """
        self.drain()
        try:
            failed = self._errors.popleft()
        except IndexError:
            return
        self._errors.clear()  # the first says what went wrong; tensors without values say so later
        raise self.failed(failed)

    def read(self, array: Array) -> np.ndarray:
        """A copy of an array's values, from the device's memory, when all work is done.

        Raises:
            OpError: work in the queue has failed, or the values never arrived.
        """
        self.wait()
        if array.cell.error is not None:
            raise self.failed(array.cell.error)
        return array.cell.at(array.values).copy()

    def failed(self, what: tuple[str, BaseException]) -> OpError:
        """The error for queued work that has failed."""
        op, cause = what
        error = OpError(
            f"{op}: expected the work queued on {self} to succeed, got {type(cause).__name__} "
            f"after the call, so its result has no values: {cause}",
            op=op,
        )
        error.__cause__ = cause
        return error

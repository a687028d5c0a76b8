"""Faults of queues and of memory of a device's own, on the simulated accelerator ``loopback``."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from tensorplug.plugins.loopback import LoopbackBackend

from .base import fault

__all__ = ["FAULTS", "Queued"]


class Queued(LoopbackBackend):
    """No fault: operations return at once, and take a moment in the device's queue."""

    delay = 0.0005

    def __init__(self) -> None:
        super().__init__("queued")
        for chip in self._chips:
            chip._seconds = self.delay


class ReadsAtOnce(Queued):
    """But for the first value of each device, which is read when the device is first named."""

    delay = 0.002

    def __init__(self) -> None:
        super().__init__()
        self.named: set[int] = set()

    def to_host(self, handle: Any) -> Any:
        index = handle.cell.chip.index
        if index not in self.named:
            self.named.add(index)
            return super().to_host(handle)
        return handle.cell.at(handle.values).copy()


class CopiesAtOnce(Queued):
    delay = 0.002

    def receive(self, array: Any, device: int, copy: bool) -> Any:
        if not hasattr(array, "cell"):
            return super().receive(array, device, copy)
        return self.from_host(array.cell.at(array.values).copy(), device)


class WritesStay(Queued):
    """What is written in place is seen by kernels, but never reaches the device's memory."""

    def assign(self, handle: Any, value: Any) -> None:
        value = value.values if hasattr(value, "values") else value
        self._numpy.assign(handle.values, value)


class _Nowhere(deque[int]):
    """Notes of freed memory that nobody reads."""

    def append(self, item: int) -> None:
        return


class NeverFrees(Queued):
    def __init__(self) -> None:
        super().__init__()
        for chip in self._chips:
            chip.freed = _Nowhere()


class KeepsOperands(Queued):
    """Products keep their operands for a gradient that nobody asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def lift(self, kernel: Any, numbers: bool = False, name: str = "") -> Any:
        lifted = super().lift(kernel, numbers, name)

        def run(*args: Any, **kwargs: Any) -> Any:
            self.kept.append(args)
            return lifted(*args, **kwargs)

        return run if name in ("matmul", "mul") else lifted


class FirstDevice(Queued):
    """The figures of device 0, whatever device is asked for."""

    def memory(self, device: int) -> dict[str, int]:
        return super().memory(0)


class CountsTwice(Queued):
    """A write in place takes memory for a moment, and never gives it back."""

    def assign(self, handle: Any, value: Any) -> None:
        super().assign(handle, value)
        chip = handle.cell.chip
        chip.allocate("assign", handle.values.nbytes)


class SwallowsErrors(Queued):
    """An index out of range is noticed when nobody listens any more: zeros come back."""

    def lift(self, kernel: Any, numbers: bool = False, name: str = "") -> Any:
        def quiet(*args: Any, **kwargs: Any) -> Any:
            try:
                return kernel(*args, **kwargs)
            except IndexError:
                return np.zeros_like(args[0])

        return super().lift(quiet, numbers, name)


FAULTS = (
    fault("F35", "memory is never given back", "memory", NeverFrees, "add",
          "memory allocated leak free freed baseline bytes"),
    fault("F36", "reading does not wait for the queue", "async", ReadsAtOnce, "add",
          "wait waits queue async synchronize order survive there back value values"),
    fault("F153", "copies between devices do not wait for the source", "async", CopiesAtOnce,
          "add", "wait waits queue async synchronize copy copies device devices to transfer"),
    fault("F154", "what is written in place never reaches the device's memory", "async",
          WritesStay, "add", "in_place place write writes written setitem fill copy_"),
    fault("F155", "products keep their operands", "memory", KeepsOperands, "mul matmul",
          "memory allocated leak free freed baseline bytes"),
    fault("F156", "memory figures are those of the first device", "memory", FirstDevice, "add",
          "memory allocated device devices free"),
    fault("F157", "writes in place leak", "memory", CountsTwice, "add",
          "memory allocated leak free freed baseline bytes in_place"),
    fault("F158", "errors in the queue are swallowed", "async", SwallowsErrors,
          "gather index_select", "index range error out"),
)  # fmt: skip

"""Queues of work on a device, and events in them: what a backend with streams provides.

A backend that declares the capability ``streams`` gives out subclasses of these two, from
:meth:`Backend.stream`, :meth:`Backend.current_stream` and :meth:`Backend.event`.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

__all__ = ["Event", "Stream"]


class Event:
    """A point in a stream's work, recorded by :meth:`Stream.record`."""

    def query(self) -> bool:
        """Whether all work before the point is done."""
        raise NotImplementedError

    def synchronize(self) -> None:
        """Wait until all work before the point is done."""
        raise NotImplementedError

    def elapsed(self, later: Event) -> float:
        """Milliseconds from this point to a later one, both with timing and both done."""
        raise NotImplementedError


class Stream:
    """Work that is done in order; as a context manager, where new work goes."""

    device: int
    """The index of the device."""

    @property
    def address(self) -> int:
        """The library's own number for the stream, which DLPack and others exchange."""
        raise NotImplementedError

    def query(self) -> bool:
        """Whether all work is done."""
        raise NotImplementedError

    def synchronize(self) -> None:
        """Wait until all work is done."""
        raise NotImplementedError

    def record(self, event: Any) -> None:
        """Put an event after the work so far."""
        raise NotImplementedError

    def wait(self, event: Any) -> None:
        """Hold all later work back until the event has happened."""
        raise NotImplementedError

    def __enter__(self) -> Stream:
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

"""Streams and events, over what a device's backend provides."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .._cuda_state import get
from ..backends.capabilities import require
from ..backends.device import Device

__all__ = ["Event", "Stream", "current_stream", "stream"]


class Event:
    """A point in the work of a device.

    Args:
        enable_timing: whether :meth:`elapsed_time` will be asked.
        blocking, interprocess: accepted for compatibility; they change nothing.

    Made for the device that it is first recorded on.
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        self._timing = enable_timing
        self._event: Any = None

    def _on(self, device: Device) -> Any:
        if self._event is None:
            require(device, "streams", "Event")
            self._event = device.backend.event(self._timing)
        return self._event

    def record(self, stream: Stream | None = None) -> None:
        """Put the event after all work of a stream so far (default: the current stream)."""
        stream = stream or current_stream()
        stream._stream.record(self._on(stream.device))

    def wait(self, stream: Stream | None = None) -> None:
        """Hold later work of a stream back until the event has happened."""
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        """Whether all work before the event is done."""
        return self._event is None or bool(self._event.query())

    def synchronize(self) -> None:
        """Wait until all work before the event is done."""
        if self._event is not None:
            self._event.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between two events that were recorded with timing.

        Raises:
            RuntimeError: one of them was not recorded, or has no timing.
        """
        for event in (self, end_event):
            if event._event is None or not event._timing:
                raise RuntimeError(
                    "Event.elapsed_time: expected two recorded events with enable_timing=True, got "
                    f"{self!r} and {end_event!r}"
                )
        return float(self._event.elapsed(end_event._event))

    def __repr__(self) -> str:
        done = "not recorded" if self._event is None else "recorded"
        return f"<Event, {'with' if self._timing else 'without'} timing, {done}>"


class Stream:
    """Work of a device that is done in order, beside that of other streams.

    Args:
        device: an index, a name, or a device; the current one by default.
        priority: lower numbers go first.

    Memory of a tensor that is freed is used again by work of the stream that the tensor was made
    in: keep tensors alive until other streams that use them are done.

    Raises:
        CapabilityError: the device's backend has no streams.
    """

    def __init__(self, device: Any = None, priority: int = 0, _stream: Any = None) -> None:
        self.device = get(device)
        require(self.device, "streams", "Stream")
        backend, index = self.device.backend, self.device.index
        self._stream = backend.stream(index, priority) if _stream is None else _stream

    @property
    def cuda_stream(self) -> int:
        """The library's number for the stream."""
        return int(self._stream.address)

    def query(self) -> bool:
        """Whether all work is done."""
        return bool(self._stream.query())

    def synchronize(self) -> None:
        """Wait until all work is done."""
        self._stream.synchronize()

    def wait_event(self, event: Event) -> None:
        """Hold later work back until the event has happened."""
        if event._event is not None:
            self._stream.wait(event._event)

    def wait_stream(self, stream: Stream) -> None:
        """Hold later work back until all work of another stream so far is done."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """Put an event, a new one by default, after the work so far."""
        event = event or Event()
        event.record(self)
        return event

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Stream)
            and other.device is self.device
            and other.cuda_stream == self.cuda_stream
        )

    def __hash__(self) -> int:
        return hash((self.device, self.cuda_stream))

    def __repr__(self) -> str:
        return f"<Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


def current_stream(device: Any = None) -> Stream:
    """The stream that new work on a device goes to."""
    found = get(device)
    require(found, "streams", "current_stream")
    return Stream(found, 0, found.backend.current_stream(found.index))


def stream(stream: Stream | None) -> AbstractContextManager[Any]:
    """A ``with`` block in which new work on the stream's device goes to it; None is no stream."""
    return nullcontext() if stream is None else stream._stream

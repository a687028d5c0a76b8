"""CuPy's streams and events, as the contract has them."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import cupy

from ..backends.streams import Event, Stream

__all__ = ["CupyEvent", "CupyStream"]


class CupyEvent(Event):
    """An event of CuPy's; its memory is made with the first record, on the stream's device."""

    def __init__(self, timing: bool) -> None:
        self._timing = timing
        self._event: Any = None

    def made(self) -> Any:
        """CuPy's own object, for the current device."""
        if self._event is None:
            self._event = cupy.cuda.Event(disable_timing=not self._timing)
        return self._event

    def query(self) -> bool:
        return self._event is None or bool(self._event.done)

    def synchronize(self) -> None:
        if self._event is not None:
            self._event.synchronize()

    def elapsed(self, later: Event) -> float:
        assert isinstance(later, CupyEvent)
        return float(cupy.cuda.get_elapsed_time(self.made(), later.made()))


class CupyStream(Stream):
    """A stream of CuPy's."""

    def __init__(self, native: Any, device: int) -> None:
        self.native, self.device = native, device

    @property
    def address(self) -> int:
        return int(self.native.ptr)

    def query(self) -> bool:
        return bool(self.native.done)

    def synchronize(self) -> None:
        self.native.synchronize()

    def record(self, event: Any) -> None:
        with cupy.cuda.Device(self.device):
            self.native.record(event.made())

    def wait(self, event: Any) -> None:
        with cupy.cuda.Device(self.device):
            self.native.wait_event(event.made())

    def __enter__(self) -> CupyStream:
        with cupy.cuda.Device(self.device):
            self.native.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.native.__exit__(kind, error, trace)

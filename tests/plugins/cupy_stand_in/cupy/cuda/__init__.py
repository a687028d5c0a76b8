"""Devices, memory and streams of the stand-in: two GPUs in the memory of the host."""

from __future__ import annotations

import ctypes
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

COUNT = SimpleNamespace(devices=2, to_device=0, to_host=0, waits=0, room=1 << 33)
"""What tests look at, and set: transfers so far, waits, and bytes on each device."""

_local = threading.local()


def current() -> int:
    return getattr(_local, "device", 0)


# --- memory -----------------------------------------------------------------------------------


class OutOfMemoryError(MemoryError):
    pass


memory = SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
_used = [0, 0, 0, 0]


class BaseMemory:
    ptr = 0
    size = 0
    device_id = 0


class _Block(BaseMemory):
    """Memory of its own, in pages of 512 bytes as CuPy's pool gives them out."""

    def __init__(self, size: int) -> None:
        self.device_id = current()
        self.size = -(-size // 512) * 512
        if _used[self.device_id] + self.size > COUNT.room:
            raise OutOfMemoryError(size)
        _used[self.device_id] += self.size
        # Never zeros, so that nobody may rely on them.
        self._bytes = np.full(self.size + 64, 0xA5, np.uint8)
        address = self._bytes.ctypes.data
        self.ptr = address + -address % 64

    def __del__(self) -> None:
        if hasattr(self, "_bytes"):
            _used[self.device_id] -= self.size


class UnownedMemory(BaseMemory):
    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1) -> None:
        assert type(ptr) is int and type(size) is int and device_id >= 0
        self.ptr, self.size, self._owner, self.device_id = ptr, size, owner, device_id


class MemoryPointer:
    def __init__(self, mem: BaseMemory, offset: int) -> None:
        assert isinstance(mem, BaseMemory)
        assert mem.ptr != 0 or offset == 0
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, mem.device_id


class MemoryPool:
    def malloc(self, size: int) -> MemoryPointer:
        block = BaseMemory()
        block.device_id = current()
        return MemoryPointer(_Block(size) if size else block, 0)

    def used_bytes(self) -> int:
        return _used[current()]

    def total_bytes(self) -> int:
        return _used[current()]

    def free_bytes(self) -> int:
        return 0

    def free_all_blocks(self) -> None:
        pass


POOL = MemoryPool()
_allocator: list[Any] = [POOL.malloc]


def get_allocator() -> Any:
    return _allocator[0]


def set_allocator(allocator: Any) -> None:
    _allocator[0] = allocator


def alloc(size: int) -> MemoryPointer:
    return _allocator[0](size)


_pinned: dict[int, int] = {}


def alloc_pinned_memory(size: int) -> Any:
    """A buffer with an address, as CuPy's is."""
    kind = type("PinnedMemory", (ctypes.Array,), {"_type_": ctypes.c_ubyte, "_length_": size})
    found = kind()
    found.ptr = ctypes.addressof(found)
    _pinned[found.ptr] = size
    return found


class _PinnedPool:
    def free_all_blocks(self) -> None:
        pass


PINNED_POOL = _PinnedPool()


# --- devices ----------------------------------------------------------------------------------


class Device:
    def __init__(self, device: int) -> None:
        self.id = device

    def __enter__(self) -> Device:
        _stack().append(current())
        _local.device = self.id
        return self

    def __exit__(self, *error: Any) -> None:
        _local.device = _stack().pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def synchronize(self) -> None:
        COUNT.waits += 1


def _stack() -> list[int]:
    if not hasattr(_local, "stack"):
        _local.stack = []
    return _local.stack


device = ModuleType("cupy.cuda.device")
device.Device, device.get_cublas_handle = Device, lambda: 1  # type: ignore[attr-defined]
sys.modules["cupy.cuda.device"] = device


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


_failure: list[CUDARuntimeError] = []


def fail(error: CUDARuntimeError | None) -> None:
    """Have the next question for the number of devices fail."""
    _failure[:] = [error] if error else []


def _count() -> int:
    if _failure:
        raise _failure[0]
    return COUNT.devices


def _attributes(pointer: int) -> Any:
    inside = any(start <= pointer < start + size for start, size in _pinned.items())
    return SimpleNamespace(type=1 if inside else 0, device=0)


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    cudaErrorInsufficientDriver=35,
    getDeviceCount=_count,
    getDevice=current,
    getDeviceProperties=lambda index: {"name": b"Stand-in for a GPU"},
    driverGetVersion=lambda: 13020,
    runtimeGetVersion=lambda: 13020,
    memGetInfo=lambda: (COUNT.room - _used[current()], COUNT.room),
    pointerGetAttributes=_attributes,
)


# --- streams ----------------------------------------------------------------------------------


class Event:
    _ticks = [0.0]

    def __init__(
        self, block: bool = False, disable_timing: bool = False, interprocess: bool = False
    ) -> None:
        self.done, self.time, self.timing = True, -1.0, not disable_timing

    def synchronize(self) -> None:
        COUNT.waits += 1


def get_elapsed_time(start: Event, end: Event) -> float:
    assert start.timing and end.timing and start.time >= 0
    return end.time - start.time


class Stream:
    _numbers = [0]

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False,
        priority: int | None = None,
    ) -> None:  # fmt: skip
        Stream._numbers[0] += 1
        self.ptr = 0 if null else Stream._numbers[0] * 16
        self.device_id, self.done = current(), True

    def synchronize(self) -> None:
        COUNT.waits += 1

    def record(self, event: Event | None = None) -> Event:
        event = event or Event()
        Event._ticks[0] += 1
        event.time = Event._ticks[0]
        return event

    def wait_event(self, event: Event) -> None:
        assert event.time >= 0

    def __enter__(self) -> Stream:
        _streams(self.device_id).append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _streams(self.device_id).pop()


def _streams(index: int) -> list[Stream]:
    if not hasattr(_local, "streams"):
        _local.streams = {}
    if index not in _local.streams:
        with Device(index):
            _local.streams[index] = [Stream(null=True)]
    return _local.streams[index]


def get_current_stream(device_id: int = -1) -> Stream:
    return _streams(current() if device_id < 0 else device_id)[-1]

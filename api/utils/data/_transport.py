"""Batches from a worker process to the main one.

A batch is pickled, but the memory of its tensors and arrays is kept apart. Small batches travel
through the connection. For large ones the worker fills a file that exists in memory only and sends
its descriptor; the main process maps it, and the tensors look at the map. Such a file has no name:
whoever dies, and however, the system frees it with the last process that uses it.
"""

from __future__ import annotations

import io
import os
import pickle
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor, edge

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["receive", "send"]

LARGE = 1 << 19
"""Bytes from which a file in memory is faster than the connection (measured on Linux)."""

MOST_MAPS = 256
"""How many batches may be kept as maps, each of which holds a descriptor; more are copied."""

_ALIGNED = 64
_has_files = hasattr(os, "memfd_create")  # Linux
_maps: weakref.WeakSet[Any] = weakref.WeakSet()


class _Pickler(pickle.Pickler):
    """Keeps memory out of the pickle; tensors travel as plain memory and say their device."""

    def __init__(self, file: io.BytesIO, keep: Callable[[pickle.PickleBuffer], Any]) -> None:
        super().__init__(file, protocol=5, buffer_callback=keep)

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, Tensor):
            return NotImplemented
        array = np.ascontiguousarray(obj._device.backend.to_host(obj._h))
        if not array.flags.writeable:  # as the tensor at the other end is to be
            array = array.copy()
        memory = pickle.PickleBuffer(array.reshape(-1).view(np.uint8).data)
        flags = edge(obj) is not None, obj._is_parameter
        return _tensor, (memory, obj._dtype, tuple(obj._h.shape), obj._device, *flags)


def _tensor(
    memory: Any, dtype: tp.dtype, shape: tuple[int, ...], device: tp.device, track: bool, flag: bool
) -> Tensor:
    if 0 in shape:  # np.frombuffer refuses to be empty
        out = tp.empty(shape, dtype=dtype, device=device)
    else:
        out = tp.from_numpy(np.frombuffer(memory, dtype.numpy).reshape(shape)).to(device)
    if flag:
        out._is_parameter = True
    return out.requires_grad_() if track else out


def send(connection: Connection, label: Any, value: Any) -> None:
    """Send a value with a label.

    Raises:
        Exception: what pickling it raised; nothing was sent then.
    """
    file, kept = io.BytesIO(), list[pickle.PickleBuffer]()
    _Pickler(file, kept.append).dump((label, value))
    views = [buffer.raw() for buffer in kept]
    sizes = [view.nbytes for view in views]
    if not _has_files or sum(sizes) < LARGE:
        connection.send((file.getvalue(), [bytearray(view) for view in views]))
        return
    from multiprocessing.reduction import send_handle

    descriptor = os.memfd_create("tensorplug batch")
    try:
        for view in views:
            _write(descriptor, view)
        connection.send((file.getvalue(), sizes))
        send_handle(connection, descriptor, None)
    finally:
        os.close(descriptor)


def _write(descriptor: int, view: memoryview) -> None:
    """Write all of a view, and go on to where the next may begin."""
    padding = -view.nbytes % _ALIGNED
    while view.nbytes:
        view = view[os.write(descriptor, view) :]
    os.write(descriptor, bytes(padding))


def receive(connection: Connection) -> tuple[Any, Any]:
    """The label and the value of what :func:`send` sent.

    Raises:
        EOFError, OSError: the other side is gone.
    """
    content, kept = connection.recv()
    if kept and isinstance(kept[0], int):
        kept = _mapped(connection, kept)
    return pickle.loads(content, buffers=kept)


def _mapped(connection: Connection, sizes: list[int]) -> list[memoryview]:
    import mmap
    from multiprocessing.reduction import recv_handle

    descriptor = recv_handle(connection)
    try:
        if len(_maps) < MOST_MAPS:
            _maps.add(memory := mmap.mmap(descriptor, 0))
            whole = memoryview(memory)
        else:
            whole = memoryview(bytearray(os.fstat(descriptor).st_size))
            with open(descriptor, "rb", closefd=False) as file:
                file.seek(0)
                file.readinto(whole)
    finally:
        os.close(descriptor)
    views, start = [], 0
    for size in sizes:
        views.append(whole[start : start + size])
        start += size + -size % _ALIGNED
    return views

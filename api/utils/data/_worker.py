"""What a worker process does: read the batches that it is asked for, and send them."""

from __future__ import annotations

import os
import queue
import random
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import tensorplug as tp

from ._fetch import Exhausted, Reader, reader
from ._transport import send

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["END", "FAILED", "READ", "RESUME", "Job", "WorkerInfo", "get_worker_info", "work"]

READ, END, FAILED = "read", "end", "failed"
"""What became of a task: a batch, no more samples, an exception."""

RESUME = "resume"
"""Sent in place of a task: another pass over the dataset begins."""


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this process is.

    ``id`` counts from 0 to ``num_workers - 1``, ``seed`` is what its random numbers started from,
    and ``dataset`` is its own copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: list[WorkerInfo] = []


def get_worker_info() -> WorkerInfo | None:
    """Which worker of a :class:`DataLoader` this process is; None in the main process.

    An :class:`IterableDataset` uses it to give each worker a part of the samples.

    Example:
        >>> class Count(tp.utils.data.IterableDataset):
        ...     def __iter__(self):
        ...         info = tp.utils.data.get_worker_info()
        ...         return iter(range(info.id, 6, info.num_workers) if info else range(6))
        >>> [batch.tolist() for batch in tp.utils.data.DataLoader(Count(), batch_size=4)]
        [[0, 1, 2, 3], [4, 5]]
    """
    return _info[0] if _info else None


@dataclass(frozen=True)
class Job:
    """All that a worker is told when it starts."""

    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool
    drop_last: bool
    count: int
    base_seed: int
    init: Callable[[int], Any] | None

    def reader(self) -> Reader:
        """The batches of one pass."""
        return reader(self.dataset, self.collate, self.batched, self.drop_last)

    def begin(self, number: int) -> Reader:
        """Make this process the worker of that number."""
        seed = self.base_seed + number
        random.seed(seed)
        tp.manual_seed(seed)
        # NumPy takes 32 bits: mixed, so that neighbouring workers have nothing in common.
        np.random.seed(np.random.SeedSequence((self.base_seed, number)).generate_state(4))
        _info[:] = [WorkerInfo(number, self.count, seed, self.dataset)]
        if self.init is not None:
            self.init(number)
        return self.reader()


def work(job: Job, number: int, connection: Connection) -> None:
    """The life of a worker: it ends when it is told to, or when the main process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    # Samples are put together in host memory, whatever the main process computes with.
    with tp.device("cpu"):
        read, failure = _tried(lambda: job.begin(number), number)
        while (task := tasks.get()) is not None:
            if task == RESUME:
                read, failure = _tried(job.reader, number)
                continue
            label, index = task
            try:
                send(connection, *_result(label, index, read, failure, number))
            except (BrokenPipeError, ConnectionResetError):
                return
            except Exception as error:  # the batch cannot be pickled
                send(connection, (label, FAILED), _described(error, number))


def _listen(connection: Connection, tasks: queue.SimpleQueue[Any]) -> None:
    """Take tasks as they come, so that the main process never waits to send one."""
    from multiprocessing import connection as connections
    from multiprocessing import parent_process

    parent = parent_process()
    watched: list[Any] = [connection] if parent is None else [connection, parent.sentinel]
    try:
        while True:
            if connection not in connections.wait(watched):
                raise EOFError
            task = connection.recv()
            if task is None:  # what was asked for before is no longer wanted
                while not tasks.empty():
                    tasks.get()
            tasks.put(task)
            if task is None:
                return
    except (EOFError, OSError):  # the main process was killed: nobody is left to serve
        os._exit(1)


def _tried(begin: Callable[[], Reader], number: int) -> tuple[Reader | None, Any]:
    try:
        return begin(), None
    except Exception as error:  # told with the first batch that is asked for
        return None, _described(error, number)


def _result(label: int, index: Any, read: Reader | None, failure: Any, number: int) -> Any:
    if read is None:
        return (label, FAILED), failure
    try:
        return (label, READ), read(index)
    except Exhausted:
        return (label, END), None
    except Exception as error:
        return (label, FAILED), _described(error, number)


def _described(error: Exception, number: int) -> tuple[bytes | None, str]:
    """An exception to send: itself if it can be pickled and read back, and its traceback."""
    import pickle

    text = "".join(traceback.format_exception(error)).rstrip()
    where = f"raised in worker {number} (process {os.getpid()})"
    try:
        content = pickle.dumps(error)
        pickle.loads(content)
    except Exception:  # classes of the user's may do anything
        return None, f"{where}:\n{text}"
    return content, f"{where}:\n{text}"

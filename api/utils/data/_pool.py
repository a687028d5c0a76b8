"""The worker processes of a loader, seen from the main process."""

from __future__ import annotations

import os
import pickle
import signal
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tensorplug.backends.plugging import current

from ._transport import receive
from ._worker import END, FAILED, READ, RESUME, Job, work

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

__all__ = ["Passes", "WorkerTraceback", "start_method"]

DIED = "died"
"""What became of a task whose worker is gone."""

PATIENCE = 2.0
"""Seconds that workers get to finish what they are at, before they are terminated."""


class WorkerTraceback(Exception):
    """The traceback of an exception in its worker; the cause of the one in the main process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def start_method(given: Any) -> BaseContext:
    """The multiprocessing context of new workers.

    Without one given it is the interpreter's default, except that a process whose devices would not
    survive a fork does not fork.

    Raises:
        ValueError: there is no such start method.
        TypeError: it is neither a name nor a context.
    """
    import multiprocessing as mp

    methods = mp.get_all_start_methods()  # the first one is the default
    if given is None:
        method = mp.get_start_method(allow_none=True) or methods[0]
        forks = all(loaded.backend.survives_fork for loaded in list(current().loaded.values()))
        return mp.get_context(method if forks or method != "fork" else "forkserver")
    if isinstance(given, str):
        if given not in methods:
            raise ValueError(
                f"DataLoader: expected multiprocessing_context to be one of {methods}, got "
                f"{given!r}"
            )
        return mp.get_context(given)
    if not isinstance(given, mp.context.BaseContext):
        raise TypeError(
            "DataLoader: expected multiprocessing_context to be a start method or a context, got "
            f"{type(given).__name__}; pass for example 'spawn'"
        )
    return given


class _Worker:
    """One process and the connection to it."""

    def __init__(self, context: BaseContext, job: Job, number: int) -> None:
        self.number, self.tasks, self.active = number, 0, True
        self.death: RuntimeError | None = None
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(  # type: ignore[attr-defined]  # all have it
            target=work, args=(job, number, theirs), daemon=True, name=f"DataLoader-{number}"
        )
        try:
            self.process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                "DataLoader: expected a dataset, collate_fn and worker_init_fn that can be "
                f"pickled, which the start method {context.get_start_method()!r} needs, got: "
                f"{error}; define them at the top of a module"
            ) from error
        finally:
            theirs.close()

    def put(self, task: Any) -> None:
        """Send a task; a worker that is gone is noticed when its answer is due."""
        try:
            self.connection.send(task)
        except OSError:
            return

    def died(self) -> RuntimeError:
        """Note that the worker is gone, and why: an error to raise when its batch is due."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
            hint = "; perhaps memory ran out" if code == -signal.SIGKILL else ""
        else:
            how = f"exited with code {code}"
            hint = (
                "; see what it printed. A program that starts workers by 'spawn' or 'forkserver' "
                "must guard its start with: if __name__ == '__main__'"
            )
        self.death = RuntimeError(
            f"DataLoader: expected a batch from worker {self.number}, got none: the process "
            f"{self.process.pid} exited unexpectedly, it {how}{hint}"
        )
        return self.death


class Passes:
    """An iterator over the batches that worker processes read; :meth:`begin` starts a pass.

    Tasks go to the workers in turn and batches come back in the order of the tasks, so that what
    is seen does not depend on timing. ``in_order=False`` gives both up for speed.
    """

    def __init__(
        self, context: BaseContext, job: Job, prefetch: int, timeout: float, in_order: bool,
        persistent: bool,
    ) -> None:  # fmt: skip
        self._job, self._prefetch, self._timeout = job, prefetch, timeout or None
        self._in_order, self._persistent = in_order, persistent
        self._workers: list[_Worker] = []
        self._stop = weakref.finalize(self, _stop, self._workers, os.getpid())
        self._last = 0
        self._turn = 0
        try:
            for number in range(job.count):
                self._workers.append(_Worker(context, job, number))
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether the processes have been stopped."""
        return not self._stop.alive

    def close(self) -> None:
        """Stop the processes."""
        self._stop()

    def begin(self, indices: Iterable[Any], again: bool) -> Passes:
        """Start to read the batches of one pass; what is left of the one before is dropped."""
        self._indices = iter(indices)
        self._asked: deque[int] = deque()  # tasks without a batch that was handed out
        self._owner: dict[int, _Worker] = {}
        self._arrived: dict[int, tuple[str, Any]] = {}
        for worker in self._workers:
            worker.active, worker.tasks = True, 0
            if again:
                worker.put(RESUME)
        self._turn = 0
        for _ in range(self._prefetch * len(self._workers)):
            self._ask()
        return self

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            while self._asked and not self.closed:
                label = self._next_label()
                kind, value = self._arrived.pop(label)
                self._asked.remove(label)
                worker = self._owner.pop(label)
                worker.tasks -= 1
                if kind == DIED:
                    raise value
                if kind == FAILED:
                    raise _rebuilt(*value)
                worker.active = worker.active and kind != END
                self._ask()
                if kind == READ:
                    return value
        except BaseException:  # Ctrl-C, too
            self.close()
            raise
        if not self._persistent:
            self.close()
        raise StopIteration

    def _ask(self) -> None:
        """Give the next task to a worker."""
        active = [worker for worker in self._workers if worker.active]
        if not active:
            return
        try:
            index = next(self._indices)
        except StopIteration:
            return
        if self._in_order:
            worker = min(active, key=lambda w: (w.number - self._turn) % len(self._workers))
            self._turn = worker.number + 1
        else:
            worker = min(active, key=lambda w: w.tasks)
        self._last += 1
        self._asked.append(self._last)
        self._owner[self._last] = worker
        worker.tasks += 1
        if worker.death is not None:
            self._arrived[self._last] = DIED, worker.death
        worker.put((self._last, index))

    def _next_label(self) -> int:
        """The task whose batch is handed out next; waits until it is there."""
        while True:
            if self._in_order:
                if self._asked[0] in self._arrived:
                    return self._asked[0]
            elif self._arrived:
                return next(iter(self._arrived))
            self._receive()

    def _receive(self) -> None:
        from multiprocessing.connection import wait

        workers: dict[Any, _Worker] = {}
        for worker in self._workers:
            if worker.death is None:
                workers |= {worker.connection: worker, worker.process.sentinel: worker}
        ready = wait(list(workers), self._timeout)
        if not ready:
            raise RuntimeError(
                f"DataLoader: expected a batch within the timeout of {self._timeout} seconds, got "
                "none; the workers were stopped"
            )
        # What a worker sent before it died comes first.
        answers = [workers[one] for one in ready if workers[one].connection is one]
        if not answers:
            self._bury(workers[ready[0]])
        for worker in answers:
            try:
                (label, kind), value = receive(worker.connection)
            except (EOFError, OSError):
                self._bury(worker)
                continue
            if label in self._owner:  # else it belongs to a pass that was abandoned
                self._arrived[label] = kind, value

    def _bury(self, worker: _Worker) -> None:
        """Let what a dead worker was asked for fail in its turn, after the batches before it."""
        death = worker.died()
        for label, owner in self._owner.items():
            if owner is worker and label not in self._arrived:
                self._arrived[label] = DIED, death


def _rebuilt(content: bytes | None, text: str) -> Exception:
    """The exception that was raised in a worker, with its traceback there as the cause."""
    error: Any = None if content is None else pickle.loads(content)
    if error is None or isinstance(error, StopIteration):  # which would end the loop in silence
        error = RuntimeError(f"DataLoader: expected a batch, got an exception, {text}")
    error.__cause__ = WorkerTraceback(text)
    return error


def _stop(workers: list[_Worker], owner: int) -> None:
    """Stop processes: ask them, take what they still send, and end those that do not listen."""
    if os.getpid() != owner:  # a fork of the process that owns them
        return
    from multiprocessing.connection import wait

    for worker in workers:
        worker.put(None)
    deadline = time.monotonic() + PATIENCE
    connections = {worker.connection for worker in workers}
    running = {worker.process.sentinel for worker in workers}
    while running and (left := deadline - time.monotonic()) > 0:
        for one in wait([*connections, *running], left):
            if one in running:
                running.discard(one)
                continue
            try:
                receive(one)  # type: ignore[arg-type]  # no sockets are waited for
            except Exception:  # at its end, or a batch that cannot be read any more
                connections.discard(one)
    for worker in workers:
        for end in (worker.process.terminate, worker.process.kill):
            if worker.process.is_alive():
                end()
                worker.process.join(PATIENCE)
        worker.process.join()
        worker.connection.close()
        worker.process.close()
    workers.clear()

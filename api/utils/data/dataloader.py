"""The loader: batches of a dataset, in order or at random, read here or by worker processes."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorplug as tp

from ._fetch import Exhausted, reader
from ._pool import Passes, start_method
from ._worker import Job
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader"]

_FIXED = frozenset(
    {"batch_sampler", "batch_size", "dataset", "drop_last", "persistent_workers", "sampler"}
)


class DataLoader:
    """Iterate over a dataset in batches, which this process or worker processes read.

    Args:
        dataset: samples by number (``__getitem__``, ``__len__``), or an :class:`IterableDataset`.
        batch_size: samples per batch; None gives single samples, not collated.
        shuffle: visit the samples in a new random order each time.
        sampler: the order, any iterable of numbers, instead of ``shuffle``.
        batch_sampler: batches of numbers, instead of the four arguments around it.
        num_workers: how many processes read; 0 for this one alone. Each has a copy of the dataset.
        collate_fn: makes a batch from a list of samples; see :func:`default_collate`.
        pin_memory, pin_memory_device: accepted for compatibility; they change nothing.
        drop_last: leave out a last batch that is smaller.
        timeout: seconds to wait for a batch from the workers; 0 waits forever.
        worker_init_fn: called in each worker with its number, before it reads.
        multiprocessing_context: ``"fork"``, ``"forkserver"``, ``"spawn"`` or a context: how workers
            start. None is Python's default (``"fork"`` on Linux before Python 3.14, which needs no
            pickling), but never ``"fork"`` once a device is in use whose library has threads, such
            as ``xla``.
        generator: where a random order, and the seeds of the workers, come from.
        prefetch_factor: batches that each worker reads in advance; 2 by default.
        persistent_workers: keep the workers from one pass to the next.
        in_order: False hands batches out as they arrive, not in their order.

    Worker ``i`` seeds the generators of tensorplug, NumPy and ``random`` with a number drawn from
    ``generator`` plus ``i``, so one seed gives the same batches again. Batches are put together on
    the ``cpu``; a tensor on another device comes back there through host memory. An exception in a
    worker is raised here, caused by its traceback there; a worker that dies is an error, too.

    Raises:
        ValueError, TypeError: arguments contradict each other, or are of the wrong kind.

    Differs from torch: after an error the workers are stopped, and the loop cannot go on.

    Example:
        >>> data = tp.utils.data.TensorDataset(tp.arange(5))
        >>> [batch[0].tolist() for batch in tp.utils.data.DataLoader(data, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_dataset(dataset, batch_size)
        self.dataset, self.generator = dataset, generator
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.worker_init_fn, self.in_order = worker_init_fn, in_order
        self._set_workers(
            num_workers, timeout=timeout, multiprocessing_context=multiprocessing_context,
            prefetch_factor=prefetch_factor, persistent_workers=persistent_workers,
        )  # fmt: skip
        self._by_number = not isinstance(dataset, IterableDataset)
        self._check_order(bool(shuffle), sampler, batch_sampler)
        if batch_sampler is not None:
            _refuse_with_batch_sampler(batch_size != 1, shuffle, sampler is not None, drop_last)
            batch_size = None
        self._choose_order(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        batched = self.batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self._passes: Passes | None = None
        self._promised: int | None = None  # what len() said of a stream
        self._settled = True

    def _set_workers(
        self, count: int, *, timeout: float, multiprocessing_context: Any,
        prefetch_factor: int | None, persistent_workers: bool,
    ) -> None:  # fmt: skip
        settings = {
            "timeout": timeout, "multiprocessing_context": multiprocessing_context,
            "prefetch_factor": prefetch_factor, "persistent_workers": persistent_workers,
        }  # fmt: skip
        if count < 0:
            raise ValueError(f"DataLoader: expected num_workers of at least 0, got {count}")
        if timeout < 0:
            raise ValueError(f"DataLoader: expected a timeout of at least 0 seconds, got {timeout}")
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"DataLoader: expected prefetch_factor above 0, got {prefetch_factor}")
        given = [name for name, value in settings.items() if value]
        if given and not count:
            raise ValueError(
                f"DataLoader: expected num_workers above 0 with {', '.join(given)}, got 0; they "
                "are about worker processes"
            )
        if multiprocessing_context is not None:
            multiprocessing_context = start_method(multiprocessing_context)
        self.num_workers, self.timeout = count, timeout
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = 2 if count and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and getattr(self, "_settled", False):
            raise ValueError(
                f"DataLoader: expected {name} to stay as it was made, got {value!r}; make another "
                "loader"
            )
        super().__setattr__(name, value)

    def _check_order(self, shuffle: bool, sampler: Any, batch_sampler: Any) -> None:
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: expected either sampler or shuffle, got both")
        if not self._by_number and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError(
                "DataLoader: expected no shuffle, sampler or batch_sampler for an "
                "IterableDataset, whose order is its own, got one"
            )

    def _choose_order(
        self,
        batch_size: int | None,
        shuffle: bool,
        sampler: Any,
        batch_sampler: Any,
        drop_last: bool,
    ) -> None:
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: expected a batch_size with drop_last=True, got None")
        if sampler is None:
            if not self._by_number:
                sampler = itertools.repeat(None)  # nothing to choose: the order is the dataset's
            elif shuffle:
                sampler = RandomSampler(self.dataset, generator=self.generator)
            else:
                sampler = SequentialSampler(self.dataset)
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler

    def __iter__(self) -> Iterator[Any]:
        # Drawn also where it is not needed: the order must not depend on the number of workers.
        seed = int(tp.randint(0, 2**63 - 1, (), generator=self.generator, device="cpu").item())
        indices: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        batches = self._pass(indices, seed)
        return batches if self._promised is None else _counted(batches, self._promised)

    def _pass(self, indices: Iterable[Any], seed: int) -> Iterator[Any]:
        """The batches of one pass, whoever reads them."""
        if not self.num_workers:
            return self._read(indices)
        passes, again = self._passes, True
        if passes is None or passes.closed:
            passes, again = self._start(seed), False
        if self.persistent_workers:
            self._passes = passes
        return passes.begin(indices, again)

    def _read(self, indices: Iterable[Any]) -> Iterator[Any]:
        """The batches of one pass, read by this process."""
        batched = self.batch_sampler is not None
        read = reader(self.dataset, self.collate_fn, batched, self.drop_last)
        for index in indices:
            try:
                batch = read(index)
            except Exhausted:
                return
            yield batch

    def _start(self, seed: int) -> Passes:
        """New worker processes."""
        batched = self.batch_sampler is not None
        job = Job(
            self.dataset, self.collate_fn, batched, self.drop_last, self.num_workers, seed,
            self.worker_init_fn,
        )  # fmt: skip
        context = start_method(self.multiprocessing_context)
        prefetch = self.prefetch_factor or 2
        return Passes(context, job, prefetch, self.timeout, self.in_order, self.persistent_workers)

    def __len__(self) -> int:
        """How many batches one pass yields (samples when ``batch_size`` is None)."""
        if not self._by_number:
            count = len(self.dataset)
            if self.batch_size is not None:
                rest = 0 if self.drop_last else self.batch_size - 1
                count = (count + rest) // self.batch_size
            self._promised = count
            return count
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)


def _counted(batches: Iterator[Any], promised: int) -> Iterator[Any]:
    """Warn when a stream is longer than its length said."""
    for count, batch in enumerate(batches, 1):
        if count > promised:
            warnings.warn(
                f"DataLoader: expected {promised} batches, which follow from the length of the "
                f"IterableDataset, got number {count}; with workers, each must read "
                "a part of its own, see get_worker_info",
                stacklevel=2,
            )
        yield batch


def _refuse_with_batch_sampler(*others: Any) -> None:
    names = ("batch_size", "shuffle", "sampler", "drop_last")
    given = [name for name, other in zip(names, others, strict=True) if other]
    if given:
        raise ValueError(
            f"DataLoader: expected batch_sampler alone, got it together with {', '.join(given)}"
        )


def _check_dataset(dataset: Any, batch_size: Any) -> None:
    if not isinstance(dataset, IterableDataset) and not hasattr(dataset, "__getitem__"):
        raise TypeError(
            "DataLoader: expected a dataset with __getitem__ and __len__, or an IterableDataset, "
            f"got {type(dataset).__name__}; wrap tensors in a TensorDataset"
        )
    whole = isinstance(batch_size, int) and not isinstance(batch_size, bool)
    if batch_size is not None and (not whole or batch_size < 1):
        raise ValueError(
            f"DataLoader: expected a batch_size of at least 1, got {batch_size!r}; use None for "
            "single items"
        )

"""The loader: batches of a dataset, in order or at random."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a dataset in batches, in this process.

    Args:
        dataset: samples by number (``__getitem__``, ``__len__``), or an :class:`IterableDataset`.
        batch_size: samples per batch; None gives single samples, not collated.
        shuffle: visit the samples in a new random order each time.
        sampler: the order, any iterable of numbers, instead of ``shuffle``.
        batch_sampler: batches of numbers, instead of the four arguments around it.
        num_workers: 0; samples are read by the iterating process.
        collate_fn: makes a batch from a list of samples; see :func:`default_collate`.
        pin_memory, pin_memory_device: accepted for compatibility; they change nothing.
        drop_last: leave out a last batch that is smaller.
        timeout, worker_init_fn, multiprocessing_context, prefetch_factor, persistent_workers:
            about worker processes; only their defaults are allowed.
        generator: where a random order comes from.

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
    ) -> None:
        _check_dataset(dataset, batch_size)
        _refuse_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.timeout, self.worker_init_fn = timeout, worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor, self.persistent_workers = prefetch_factor, persistent_workers
        self.generator = generator
        self._by_number = not isinstance(dataset, IterableDataset)
        self._check_order(bool(shuffle), sampler, batch_sampler)
        if batch_sampler is not None:
            _refuse_with_batch_sampler(batch_size != 1, shuffle, sampler is not None, drop_last)
            batch_size = None
        self._choose_order(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        batched = self.batch_sampler is not None or batch_size is not None
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)

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
        if batch_sampler is None and batch_size is not None and self._by_number:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler

    def __iter__(self) -> Iterator[Any]:
        if not self._by_number:
            return self._stream()
        if self.batch_sampler is None:
            return (self.collate_fn(self.dataset[index]) for index in self.sampler)
        return self._batches()

    def _batches(self) -> Iterator[Any]:
        dataset, collate = self.dataset, self.collate_fn
        whole = getattr(dataset, "__getitems__", None)
        for indices in self.batch_sampler or ():
            if whole is not None:
                yield collate(whole(indices))
            else:
                yield collate([dataset[index] for index in indices])

    def _stream(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def __len__(self) -> int:
        """How many batches one pass yields (samples when ``batch_size`` is None)."""
        if not self._by_number:
            count = len(self.dataset)
            if self.batch_size is None:
                return count
            rest = 0 if self.drop_last else self.batch_size - 1
            return (count + rest) // self.batch_size
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)


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


def _refuse_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(f"DataLoader: expected num_workers of at least 0, got {num_workers}")
    if num_workers > 0:
        raise NotImplementedError(
            f"DataLoader: expected num_workers=0, got {num_workers}; "
            "worker processes are not there yet, samples are read by the iterating process"
        )
    if timeout != 0 or prefetch_factor is not None or persistent_workers:
        raise ValueError(
            "DataLoader: expected no timeout, prefetch_factor or persistent_workers without "
            "workers, got one of them"
        )

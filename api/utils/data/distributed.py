"""Splitting a dataset among processes that train together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any

import tensorplug as tp

from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """The part of a dataset that one of several processes reads.

    All processes shuffle alike, from ``seed`` and the epoch, and take every ``num_replicas``-th
    sample. Where the samples do not divide evenly, some come twice, or the last are left out.

    Args:
        dataset: what to split.
        num_replicas: how many processes there are.
        rank: which of them this one is, from 0.
        shuffle: whether to visit the samples in random order.
        seed: where the order comes from, the same in all processes.
        drop_last: leave samples out instead of repeating some.

    Raises:
        RuntimeError: ``num_replicas`` or ``rank`` is missing.
        ValueError: ``rank`` is not below ``num_replicas``.

    Differs from torch: both numbers must be given, as there is no process group to ask.

    Example:
        >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                f"DistributedSampler: expected num_replicas and rank, got {num_replicas} and "
                f"{rank}; there is no process group that knows them"
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"DistributedSampler: expected a rank from 0 to {num_replicas - 1}, got {rank}"
            )
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        self.epoch = 0
        count = len(dataset)
        if drop_last:
            self.num_samples = count // num_replicas
        else:
            self.num_samples = math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Choose the random order of the next pass: call it before each, with another number."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        count = len(self.dataset)
        order = list(range(count))
        if self.shuffle:
            generator = tp.Generator().manual_seed(self.seed + self.epoch)
            order = tp.randperm(count, generator=generator, device="cpu").tolist()
        places = range(self.rank, self.total_size, self.num_replicas)
        return iter([order[place % count] for place in places])

    def __len__(self) -> int:
        return self.num_samples

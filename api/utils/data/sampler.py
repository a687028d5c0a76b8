"""Samplers: in which order a loader visits a dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import tensorplug as tp

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)


def _permutation(count: int, generator: Any) -> list[int]:
    # Always on the host: the numbers are needed there, whatever the default device is.
    return tp.randperm(count, generator=generator, device="cpu").tolist()


class Sampler(Generic[T_co]):
    """Numbers of samples (or lists of them): a subclass defines ``__iter__`` and ``__len__``."""

    def __init__(self, data_source: Sized | None = None) -> None:
        super().__init__()

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__}: expected an __iter__ method, got none; define it"
        )


class SequentialSampler(Sampler[int]):
    """From the first sample to the last.

    Example:
        >>> list(tp.utils.data.SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """In random order, a new one each time.

    Args:
        data_source: the dataset.
        replacement: draw each sample anew from all of them, so that some come twice.
        num_samples: how many to draw; as many as there are when None.
        generator: where the order comes from; the global one when None.

    Example:
        >>> sorted(tp.utils.data.RandomSampler("abc"))
        [0, 1, 2]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: expected a bool as replacement, got {replacement!r}")
        if num_samples is not None and (not isinstance(num_samples, int) or num_samples < 1):
            raise ValueError(
                f"RandomSampler: expected num_samples of at least 1, got {num_samples}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self.generator = generator
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many samples one pass draws."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        size, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            drawn = tp.randint(size, (wanted,), generator=self.generator, device="cpu")
            yield from drawn.tolist()
            return
        while wanted > 0:
            yield from _permutation(size, self.generator)[:wanted]
            wanted -= size

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given numbers in random order.

    Example:
        >>> sorted(tp.utils.data.SubsetRandomSampler([5, 7]))
        [5, 7]
    """

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in _permutation(len(self.indices), self.generator):
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Numbers from 0 to ``len(weights) - 1``, each drawn in proportion to its weight.

    Args:
        weights: not negative; they need not add up to one.
        num_samples: how many to draw.
        replacement: whether a number may come again.
        generator: where the draws come from.

    Example:
        >>> list(tp.utils.data.WeightedRandomSampler([0.0, 1.0], 3))
        [1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples < 1:
            raise ValueError(
                f"WeightedRandomSampler: expected num_samples of at least 1, got {num_samples!r}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"WeightedRandomSampler: expected a bool as replacement, got {replacement!r}"
            )
        self.weights = tp.as_tensor(weights, dtype=tp.float64, device="cpu")
        if self.weights.ndim != 1:
            raise ValueError(
                "WeightedRandomSampler: expected a row of weights, "
                f"got shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = tp.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Another sampler's numbers in lists of ``batch_size``.

    Args:
        sampler: any iterable of numbers.
        batch_size: the lists' length.
        drop_last: leave out a last list that is shorter.

    Example:
        >>> list(tp.utils.data.BatchSampler(range(5), 2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f"BatchSampler: expected a batch_size of at least 1, got {batch_size!r}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: expected a bool as drop_last, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        while batch := list(itertools.islice(numbers, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]  # asked only of sized samplers
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

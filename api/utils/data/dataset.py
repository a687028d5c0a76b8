"""Datasets: samples by number, or one after the other."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "TensorRows",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by number: a subclass defines ``__getitem__`` and, nearly always, ``__len__``.

    It may define ``__getitems__(indices)``, which gets a whole batch at once.

    Example:
        >>> class Squares(tp.utils.data.Dataset):
        ...     def __len__(self):
        ...         return 10
        ...     def __getitem__(self, index):
        ...         return index * index
        >>> Squares()[3], len(Squares() + Squares())
        (9, 20)
    """

    def __getitem__(self, index: int) -> T_co:
        raise NotImplementedError(
            f"{type(self).__name__}: expected a __getitem__ method, got none; define it"
        )

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Samples one after the other: a subclass defines ``__iter__``.

    Example:
        >>> class Count(tp.utils.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter(range(4))
        >>> [batch.tolist() for batch in tp.utils.data.DataLoader(Count(), batch_size=3)]
        [[0, 1, 2], [3]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__}: expected an __iter__ method, got none; define it"
        )

    def __add__(self, other: Dataset[Any]) -> Any:
        return ChainDataset([self, other])


class ChainDataset(IterableDataset[Any]):
    """The samples of several :class:`IterableDataset`, one after the other.

    Example:
        >>> class Count(tp.utils.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter(range(2))
        >>> list(tp.utils.data.ChainDataset([Count(), Count()]))
        [0, 1, 0, 1]
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        sizes: list[int] = [len(dataset) for dataset in self._checked()]  # type: ignore[arg-type]  # by contract
        return sum(sizes)

    def _checked(self) -> Iterator[IterableDataset[Any]]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    "ChainDataset: expected datasets of the class IterableDataset, got "
                    f"{type(dataset).__name__}; use a ConcatDataset"
                )
            yield dataset


class TensorRows(Sequence[tuple[Tensor, ...]]):
    """A batch of samples of a :class:`TensorDataset`: looks like a list of tuples.

    It holds the batch as whole tensors, which collating returns without taking it apart.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: tuple[Tensor, ...]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return int(self.columns[0].shape[0])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return TensorRows(tuple(column[index] for column in self.columns))
        if not -len(self) <= index < len(self):
            raise IndexError(f"batch: expected an index below {len(self)}, got {index}")
        return tuple(column[index] for column in self.columns)


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are the rows of tensors.

    Args:
        *tensors: all with the same first dimension.

    Example:
        >>> data = tp.utils.data.TensorDataset(tp.zeros(5, 2), tp.arange(5))
        >>> data[3][1].item()
        3
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors or any(tensor.ndim == 0 for tensor in tensors):
            raise ValueError("TensorDataset: expected tensors of at least one dimension, got none")
        sizes = [tensor.shape[0] for tensor in tensors]
        if len(set(sizes)) > 1:
            raise ValueError(f"TensorDataset: expected equal first dimensions, got {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> TensorRows:
        """The samples of a batch, read with one look-up per tensor."""
        rows: dict[Any, Tensor] = {}  # the index, once per device
        columns = []
        for tensor in self.tensors:
            device = tensor.device
            if device not in rows:
                rows[device] = tp.tensor(indices, dtype=tp.int64, device=device)
            columns.append(tensor[rows[device]])
        return TensorRows(tuple(columns))

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class ConcatDataset(Dataset[T_co]):
    """Several datasets, one after the other.

    Example:
        >>> data = tp.utils.data.ConcatDataset([["a", "b"], ["c"]])
        >>> len(data), data[2], data[-3]
        (3, 'c', 'a')
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one dataset, got none")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise TypeError(
                    "ConcatDataset: expected datasets with samples by number, "
                    f"got the IterableDataset {type(dataset).__name__}"
                )
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))  # type: ignore[arg-type]  # by contract

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: expected an index below {size}, got {index}")
        index %= size
        which = bisect.bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]


class StackDataset(Dataset[Any]):
    """Datasets side by side: a sample is a tuple, or a dict, of one sample of each.

    Args:
        *args: datasets of equal length, for samples that are tuples.
        **kwargs: datasets by name instead, for samples that are dicts.

    Raises:
        ValueError: both are given, or neither, or the lengths differ.

    Example:
        >>> tp.utils.data.StackDataset("ab", [1, 2])[1]
        ('b', 2)
        >>> tp.utils.data.StackDataset(letter="ab", number=[1, 2])[0]
        {'letter': 'a', 'number': 1}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            given = "both" if args else "none"
            raise ValueError(f"StackDataset: expected datasets, or datasets by name, got {given}")
        self.datasets = kwargs or args
        sizes = [len(dataset) for dataset in (kwargs.values() or args)]
        if len(set(sizes)) > 1:
            raise ValueError(f"StackDataset: expected datasets of equal length, got {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The samples of a batch, which each dataset reads at once if it can."""
        if isinstance(self.datasets, dict):
            columns = [_several(dataset, indices) for dataset in self.datasets.values()]
            return [
                dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)
            ]
        columns = [_several(dataset, indices) for dataset in self.datasets]
        return list(zip(*columns, strict=True))

    def __len__(self) -> int:
        return self._length


def _several(dataset: Any, indices: Sequence[int]) -> Any:
    """Samples of a dataset, read at once if it can."""
    fetch = getattr(dataset, "__getitems__", None)
    found = [dataset[index] for index in indices] if fetch is None else fetch(indices)
    if len(found) != len(indices):
        raise ValueError(
            f"{type(dataset).__name__}: expected {len(indices)} samples from __getitems__, got "
            f"{len(found)}"
        )
    return found


class Subset(Dataset[T_co]):
    """Some samples of a dataset, in the order of ``indices``.

    Example:
        >>> tp.utils.data.Subset(["a", "b", "c"], [2, 0])[0]
        'c'
    """

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[index]  # the dataset decides
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """The samples of a batch, read by the dataset at once if it can."""
        if type(self).__getitem__ is not Subset.__getitem__:  # a subclass changes the samples
            return [self[index] for index in indices]
        return _several(self.dataset, [self.indices[index] for index in indices])

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset[Any], lengths: Sequence[int | float], generator: Any = None
) -> list[Subset[Any]]:
    """Split a dataset at random into parts without overlap.

    Args:
        dataset: what to split.
        lengths: the sizes, which add up to ``len(dataset)``, or fractions which add up to 1;
            what rounding leaves over goes to the first parts, one each.
        generator: where the random order comes from.

    Raises:
        ValueError: the lengths do not add up.

    Example:
        >>> parts = tp.utils.data.random_split(range(10), [0.7, 0.3])
        >>> [len(part) for part in parts]
        [7, 3]
    """
    total = len(dataset)  # type: ignore[arg-type]  # by contract
    sizes = [int(size) for size in lengths]
    if math.isclose(sum(lengths), 1) and all(0 <= size <= 1 for size in lengths) and total != 1:
        sizes = [math.floor(total * size) for size in lengths]
        for extra in range(total - sum(sizes)):
            sizes[extra % len(sizes)] += 1
    if sum(sizes) != total:
        raise ValueError(
            f"random_split: expected lengths that add up to {total} or to 1, got {list(lengths)}"
        )
    for index, size in enumerate(sizes):
        if not size:
            warnings.warn(
                f"random_split: expected lengths above 0, got 0 at {index}; that part is empty",
                stacklevel=2,
            )
    order = tp.randperm(total, generator=generator, device="cpu").tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - n : end]) for end, n in zip(ends, sizes, strict=True)]

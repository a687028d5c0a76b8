"""Datasets, samplers, collating and the loader."""

from __future__ import annotations

import itertools
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.utils import data as D


class Squares(D.Dataset[int]):
    """0, 1, 4, 9, ..."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> int:
        return index * index


class Count(D.IterableDataset[int]):
    """0, 1, 2, ..."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.size))


def _lists(loader: Any) -> list[Any]:
    return [batch.tolist() for batch in loader]


# --- datasets ------------------------------------------------------------------------------------


def test_tensor_dataset() -> None:
    data = D.TensorDataset(tp.arange(6).reshape(3, 2), tp.arange(3))
    assert len(data) == 3
    assert [part.tolist() for part in data[1]] == [[2, 3], 1]
    rows = data.__getitems__([2, 0])
    assert len(rows) == 2
    assert [part.tolist() for part in rows[0]] == [[4, 5], 2]
    assert [column.tolist() for column in rows.columns] == [[[4, 5], [0, 1]], [2, 0]]
    assert len(rows[1:]) == 1
    assert len(list(rows)) == 2
    with pytest.raises(IndexError, match=r"batch: expected an index below 2, got 2"):
        rows[2]
    with pytest.raises(ValueError, match=r"TensorDataset: expected equal .*, got \[3, 2\]"):
        D.TensorDataset(tp.zeros(3), tp.zeros(2))
    with pytest.raises(ValueError, match=r"TensorDataset: expected tensors of at least one"):
        D.TensorDataset(tp.zeros(()))


def test_concatenation() -> None:
    data = Squares(3) + Squares(2)
    assert isinstance(data, D.ConcatDataset)
    assert [data[index] for index in range(5)] == [0, 1, 4, 0, 1]
    assert data[-1] == 1
    assert data.cumulative_sizes == [3, 5]
    with pytest.raises(IndexError, match=r"ConcatDataset: expected an index below 5, got 5"):
        data[5]
    with pytest.raises(ValueError, match=r"expected at least one dataset"):
        D.ConcatDataset([])
    with pytest.raises(TypeError, match=r"got the IterableDataset Count"):
        D.ConcatDataset([Count(3)])


def test_subset() -> None:
    part = D.Subset(Squares(9), [8, 3])
    assert (len(part), part[0], part[1]) == (2, 64, 9)
    assert part.__getitems__([1, 0]) == [9, 64]
    table = D.Subset(D.TensorDataset(tp.arange(9)), [8, 3, 5])
    (column,) = table.__getitems__([2, 0]).columns
    assert column.tolist() == [5, 8]

    class Negative(D.Subset[int]):
        def __getitem__(self, index: Any) -> int:
            return -super().__getitem__(index)

    assert Negative(Squares(9), [8, 3]).__getitems__([0, 1]) == [-64, -9]


def test_random_split() -> None:
    generator = tp.Generator().manual_seed(1)
    parts = D.random_split(Squares(10), [7, 3], generator=generator)
    assert [len(part) for part in parts] == [7, 3]
    assert sorted(index for part in parts for index in part.indices) == list(range(10))
    again = D.random_split(Squares(10), [7, 3], generator=tp.Generator().manual_seed(1))
    assert parts[0].indices == again[0].indices
    assert [len(part) for part in D.random_split(Squares(10), [0.35, 0.35, 0.3])] == [4, 3, 3]
    with pytest.raises(ValueError, match=r"expected lengths that add up to 10 .*, got \[7, 4\]"):
        D.random_split(Squares(10), [7, 4])

    with pytest.warns(UserWarning, match=r"random_split: expected lengths above 0, got 0 at 1"):
        D.random_split(Squares(3), [3, 0])


def test_chain() -> None:
    chain = Count(2) + Count(3)
    assert isinstance(chain, D.ChainDataset)
    assert (list(chain), len(chain)) == ([0, 1, 0, 1, 2], 5)
    with pytest.raises(TypeError, match=r"of the class IterableDataset, got Squares; use a Concat"):
        list(D.ChainDataset([Squares(2)]))


def test_stack() -> None:
    rows = D.TensorDataset(tp.arange(4))
    pairs = D.StackDataset(Squares(4), rows)
    assert len(pairs) == 4
    assert (pairs[2][0], pairs[2][1][0].item()) == (4, 2)
    assert [(square, row[0].item()) for square, row in pairs.__getitems__([3, 1])] == [
        (9, 3),
        (1, 1),
    ]
    named = D.StackDataset(square=Squares(4), text="abcd")
    assert named[1] == {"square": 1, "text": "b"}
    (batch,) = D.DataLoader(named, batch_size=4)
    assert (batch["square"].tolist(), batch["text"]) == ([0, 1, 4, 9], list("abcd"))
    with pytest.raises(ValueError, match=r"datasets of equal length, got \[4, 3\]"):
        D.StackDataset(Squares(4), Squares(3))
    with pytest.raises(ValueError, match=r"or datasets by name, got none"):
        D.StackDataset()
    with pytest.raises(ValueError, match=r"or datasets by name, got both"):
        D.StackDataset(Squares(4), a=Squares(4))

    class Short(Squares):
        def __getitems__(self, indices: list[int]) -> list[int]:
            return [0]

    for short in (D.StackDataset(Short(4)), D.Subset(Short(4), [0, 1])):
        with pytest.raises(ValueError, match=r"Short: expected 2 samples from .*, got 1"):
            short.__getitems__([0, 1])


def test_unfinished_classes_say_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match=r"Dataset: expected a __getitem__ method"):
        D.Dataset()[0]
    with pytest.raises(NotImplementedError, match=r"IterableDataset: expected an __iter__ method"):
        iter(D.IterableDataset())
    with pytest.raises(NotImplementedError, match=r"Sampler: expected an __iter__ method"):
        iter(D.Sampler())


# --- samplers ------------------------------------------------------------------------------------


def test_random_sampler() -> None:
    tp.manual_seed(0)
    sampler = D.RandomSampler(range(50))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    tp.manual_seed(0)
    assert list(sampler) == first
    longer = D.RandomSampler(range(3), num_samples=7)
    assert len(longer) == len(list(longer)) == 7
    drawn = list(D.RandomSampler(range(3), replacement=True, num_samples=40))
    assert set(drawn) == {0, 1, 2}
    with pytest.raises(ValueError, match=r"num_samples of at least 1, got 0"):
        D.RandomSampler(range(3), num_samples=0)
    with pytest.raises(TypeError, match=r"a bool as replacement, got 1"):
        D.RandomSampler(range(3), replacement=1)  # type: ignore[arg-type]


def test_other_samplers() -> None:
    assert list(D.SequentialSampler("abc")) == [0, 1, 2]
    assert sorted(D.SubsetRandomSampler([4, 7, 9])) == [4, 7, 9]
    assert len(D.SubsetRandomSampler([4, 7, 9])) == 3
    tp.manual_seed(0)
    weighted = D.WeightedRandomSampler([0.0, 3.0, 1.0], 400)
    drawn = list(weighted)
    assert len(weighted) == len(drawn) == 400
    assert drawn.count(0) == 0
    assert drawn.count(1) == pytest.approx(300, abs=40)
    assert sorted(D.WeightedRandomSampler([1.0, 2.0], 2, replacement=False)) == [0, 1]
    assert len(D.BatchSampler(range(7), 3, True)) == 2
    assert len(D.BatchSampler(range(7), 3, False)) == 3
    assert list(D.BatchSampler(range(7), 3, True)) == [[0, 1, 2], [3, 4, 5]]


def test_distributed_sampler() -> None:
    theirs = pytest.importorskip("torch").utils.data.DistributedSampler
    for count, replicas, drop in ((10, 3, False), (10, 3, True), (2, 5, False), (9, 3, True)):
        parts = [
            D.DistributedSampler(range(count), replicas, rank, shuffle=False, drop_last=drop)
            for rank in range(replicas)
        ]
        for rank, part in enumerate(parts):
            other = theirs(range(count), replicas, rank, shuffle=False, drop_last=drop)
            assert (list(part), len(part)) == (list(other), len(other))
    parts = [D.distributed.DistributedSampler(range(9), 3, rank, seed=1) for rank in range(3)]
    first = [list(part) for part in parts]
    assert sorted(itertools.chain(*first)) == list(range(9))
    parts[0].set_epoch(1)
    assert list(parts[0]) != first[0]
    with pytest.raises(RuntimeError, match=r"expected num_replicas and rank, got 3 and None"):
        D.DistributedSampler(range(9), 3)
    with pytest.raises(ValueError, match=r"expected a rank from 0 to 2, got 3"):
        D.DistributedSampler(range(9), 3, 3)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: D.WeightedRandomSampler([1.0], 0), "num_samples of at least 1, got 0"),
        (lambda: D.WeightedRandomSampler([1.0], 1, 1), "a bool as replacement, got 1"),
        (lambda: D.WeightedRandomSampler([[1.0]], 1), r"a row of weights, got shape \(1, 1\)"),
        (lambda: D.BatchSampler([], 0, True), "a batch_size of at least 1, got 0"),
        (lambda: D.BatchSampler([], 1, 1), "a bool as drop_last, got 1"),
    ],
)
def test_sampler_errors(make: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()


# --- collating -----------------------------------------------------------------------------------

Point = namedtuple("Point", ["x", "y"])


def test_collate_values() -> None:
    assert D.default_collate([1, 2]).dtype is tp.int64
    assert D.default_collate([1.0, 2.0]).dtype is tp.float64
    assert D.default_collate([True, False]).dtype is tp.bool
    assert D.default_collate([tp.zeros(2), tp.ones(2)]).tolist() == [[0.0, 0.0], [1.0, 1.0]]
    arrays = D.default_collate([np.zeros(2, np.float32), np.ones(2, np.float32)])
    assert (arrays.dtype, arrays.shape) == (tp.float32, (2, 2))
    assert D.default_collate([np.int32(1), np.int32(2)]).dtype is tp.int32
    assert D.default_collate(["a", "b"]) == ["a", "b"]


def test_collate_containers() -> None:
    points = D.default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(points, Point)
    assert points.x.tolist() == [1, 3]
    pairs = D.default_collate([(1, "a"), (2, "b")])
    assert type(pairs) is list
    assert pairs[1] == ("a", "b")
    assert D.default_collate([[1, [2]], [3, [4]]])[1][0].tolist() == [2, 4]
    named = D.default_collate([OrderedDict(k=1), OrderedDict(k=2)])
    assert isinstance(named, OrderedDict)
    assert named["k"].tolist() == [1, 2]
    assert [part.tolist() for part in D.default_collate([range(2), range(2)])] == [[0, 0], [1, 1]]
    counted = D.default_collate([defaultdict(list, k=1), defaultdict(list, k=2)])
    assert counted["k"].tolist() == [1, 2]
    assert counted["new"] == []


def test_collate_errors() -> None:
    with pytest.raises(TypeError, match=r"default_collate: expected tensors, .* got object"):
        D.default_collate([object()])
    with pytest.raises(RuntimeError, match=r"equal length, got lengths \[1, 2\]"):
        D.default_collate([[1], [1, 2]])


def test_convert() -> None:
    converted = D.default_convert({"a": [np.ones(1), "t"], "b": Point(np.float32(1), 3)})
    assert isinstance(converted["a"][0], tp.Tensor)
    assert converted["a"][1] == "t"
    assert isinstance(converted["b"].x, tp.Tensor)
    assert converted["b"].y == 3
    assert D.default_convert((1, "t")) == [1, "t"]
    words = np.array(["x"])
    assert D.default_convert(words) is words


# --- the loader ----------------------------------------------------------------------------------


def test_batches_in_order() -> None:
    loader = D.DataLoader(Squares(5), batch_size=2)
    assert _lists(loader) == [[0, 1], [4, 9], [16]]
    assert _lists(loader) == [[0, 1], [4, 9], [16]]
    assert len(loader) == 3
    dropping = D.DataLoader(Squares(5), batch_size=2, drop_last=True)
    assert (_lists(dropping), len(dropping)) == ([[0, 1], [4, 9]], 2)
    single = D.DataLoader(Squares(3), batch_size=None)
    assert (list(single), len(single)) == ([0, 1, 4], 3)
    assert list(D.DataLoader(Squares(3), batch_size=2, collate_fn=sum)) == [1, 4]
    assert [len(batch) for batch in D.DataLoader([1, 2, 3], batch_size=2)] == [2, 1]


def test_whole_batches_of_tensors() -> None:
    data = D.TensorDataset(tp.arange(10).reshape(5, 2), tp.arange(5))
    batches = list(D.DataLoader(data, batch_size=3))
    assert type(batches[0]) is list
    assert batches[1][0].tolist() == [[6, 7], [8, 9]]
    assert batches[1][1].tolist() == [3, 4]
    by_hand = D.DataLoader(data, batch_size=3, collate_fn=lambda rows: [y.item() for _, y in rows])
    assert list(by_hand) == [[0, 1, 2], [3, 4]]


def test_shuffling() -> None:
    loader = D.DataLoader(
        Squares(20), batch_size=20, shuffle=True, generator=tp.Generator().manual_seed(3)
    )
    (first,), (second,) = _lists(loader), _lists(loader)
    assert sorted(first) == sorted(second) == [index * index for index in range(20)]
    assert first != second


def test_own_samplers() -> None:
    assert _lists(D.DataLoader(Squares(5), 2, sampler=[4, 2, 0])) == [[16, 4], [0]]
    loader = D.DataLoader(Squares(5), batch_sampler=[[1], [2, 3]])
    assert (_lists(loader), len(loader), loader.batch_size) == ([[1], [4, 9]], 2, None)


def test_streams() -> None:
    loader = D.DataLoader(Count(5), batch_size=2)
    assert (_lists(loader), len(loader)) == ([[0, 1], [2, 3], [4]], 3)
    loader = D.DataLoader(Count(5), batch_size=2, drop_last=True)
    assert (_lists(loader), len(loader)) == ([[0, 1], [2, 3]], 2)
    loader = D.DataLoader(Count(3), batch_size=None)
    assert (list(loader), len(loader)) == ([0, 1, 2], 3)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"num_workers": -1}, ValueError, "expected num_workers of at least 0, got -1"),
        ({"prefetch_factor": 2}, ValueError, "num_workers above 0 with prefetch_factor, got 0"),
        ({"timeout": 2}, ValueError, "num_workers above 0 with timeout, got 0"),
        ({"persistent_workers": True}, ValueError, "above 0 with persistent_workers, got 0"),
        ({"timeout": -1, "num_workers": 1}, ValueError, "at least 0 seconds, got -1"),
        ({"prefetch_factor": 0, "num_workers": 1}, ValueError, "prefetch_factor above 0, got 0"),
        (
            {"multiprocessing_context": "thread", "num_workers": 1},
            ValueError,
            r"multiprocessing_context to be one of \['fork', .*\], got 'thread'",
        ),
        (
            {"multiprocessing_context": 3, "num_workers": 1},
            TypeError,
            "a start method or a context, got int; pass for example 'spawn'",
        ),
        ({"sampler": [1], "shuffle": True}, ValueError, "either sampler or shuffle, got both"),
        ({"batch_sampler": [[1]], "batch_size": 2}, ValueError, "together with batch_size"),
        ({"batch_sampler": [[1]], "drop_last": True}, ValueError, "together with drop_last"),
        ({"batch_size": None, "drop_last": True}, ValueError, "a batch_size with drop_last=True"),
        ({"batch_size": 0}, ValueError, "batch_size of at least 1, got 0"),
    ],
)
def test_loader_errors(settings: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        D.DataLoader(Squares(5), **settings)


def test_settled_loaders_do_not_change() -> None:
    loader = D.DataLoader(Squares(5), batch_size=2)
    with pytest.raises(ValueError, match=r"expected batch_size to stay as it was made, got 3"):
        loader.batch_size = 3
    loader.timeout = 0


def test_order_does_not_depend_on_workers() -> None:
    orders = []
    for workers in (0, 1):
        tp.manual_seed(3)
        loader = D.DataLoader(Squares(20), 5, shuffle=True, num_workers=workers,
                              multiprocessing_context="fork" if workers else None)  # fmt: skip
        orders.append(_lists(loader))
    assert orders[0] == orders[1]


def test_streams_longer_than_they_say() -> None:
    class More(Count):
        def __len__(self) -> int:
            return 2

    loader = D.DataLoader(More(5), batch_size=2)
    assert len(list(loader)) == 3  # nobody has asked for the length
    assert len(loader) == 1
    text = r"expected 1 batches, .* IterableDataset, got number 2; with workers"
    with pytest.warns(UserWarning, match=text):
        next(itertools.islice(loader, 1, None))


def test_streams_have_their_own_order() -> None:
    with pytest.raises(ValueError, match=r"no shuffle, sampler or batch_sampler for an Iterable"):
        D.DataLoader(Count(5), shuffle=True)

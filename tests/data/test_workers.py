"""Loaders whose batches are read by worker processes: real ones, in every test."""

from __future__ import annotations

import gc
import multiprocessing as mp
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.plugging import isolated
from tensorplug.utils import data as D
from tensorplug.utils.data import _pool, _transport


class Calls(D.Dataset[Any]):
    """A dataset whose samples are what a function returns."""

    def __init__(self, function: Any, size: int = 4) -> None:
        self.function, self.size = function, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        return self.function(index)


class Count(D.IterableDataset[int]):
    """Whole numbers: each worker's own part of them."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[int]:
        info = D.get_worker_info()
        assert info is not None
        return iter(range(info.id, self.size, info.num_workers))


def _loader(dataset: Any, workers: int = 2, **settings: Any) -> D.DataLoader:
    settings = {"multiprocessing_context": "fork", "batch_size": 2} | settings
    return D.DataLoader(dataset, num_workers=workers, **settings)


@pytest.fixture(scope="module", autouse=True)
def _running() -> None:
    """Python's own helpers of other start methods run as long as the program."""
    forkserver.ensure_running()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Processes and descriptors are gone after each test."""
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    gc.collect()
    assert not mp.active_children()
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


# --- what arrives --------------------------------------------------------------------------------


def test_batches_are_those_of_one_process() -> None:
    data = Calls(lambda i: {"x": tp.full((2,), float(i)), "y": i, "name": f"n{i}"}, 7)
    expected = list(D.DataLoader(data, batch_size=2))
    got = list(_loader(data, 3))
    assert len(got) == 4
    for ours, plain in zip(got, expected, strict=True):
        assert ours["x"].equal(plain["x"])
        assert ours["y"].tolist() == plain["y"].tolist()
        assert ours["name"] == plain["name"]
    assert [x for x in _loader(Calls(lambda i: i), batch_size=None)] == [0, 1, 2, 3]  # noqa: C416
    assert len(list(_loader(Calls(lambda i: i, 2), 3))) == 1  # more workers than batches
    columns = _loader(D.TensorDataset(tp.arange(4), tp.ones(4)), batch_sampler=[[3, 1], [0]],
                      batch_size=1)  # fmt: skip
    assert [batch[0].tolist() for batch in columns] == [[3, 1], [0]]


@pytest.mark.parametrize("size", [10, _transport.LARGE])
def test_tensors_of_all_kinds_cross(size: int) -> None:
    def sample(index: int) -> Any:
        parameter = tp.nn.Parameter(tp.ones(2, 2))
        big = tp.arange(size, dtype=tp.uint8)
        return [
            big, tp.ones(3).to(tp.bfloat16), tp.zeros(0, 2), tp.tensor(5), parameter, parameter,
            tp.ones(2, requires_grad=True), tp.arange(6).reshape(2, 3).t(), tp.zeros(1).expand(3),
            np.full(size, 7, np.int16), tp.tensor(1j, dtype=tp.complex128), "text",
        ]  # fmt: skip

    (found,) = _loader(Calls(sample, 1), 1, batch_size=None, collate_fn=lambda x: x)
    for ours, plain in zip(found, sample(0), strict=True):
        assert type(ours) is type(plain)
        if isinstance(ours, tp.Tensor):
            assert (ours.dtype, ours.shape) == (plain.dtype, plain.shape)
            assert ours.tolist() == plain.tolist()
            assert ours.requires_grad is plain.requires_grad
    assert found[9].tolist() == [7] * size
    assert isinstance(found[4], tp.nn.Parameter)
    assert found[4] is found[5]
    found[0][0] = 9  # writable, and nobody else's
    found[9][0] = 9
    assert found[8].add_(1).tolist() == [1.0, 1.0, 1.0]
    assert found[0].untyped_storage().nbytes() == size


@pytest.mark.parametrize("maps", [2, 256])
def test_large_batches_leave_nothing_behind(maps: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(_transport, "MOST_MAPS", maps)

    def mapped() -> int:
        return Path("/proc/self/maps").read_text("utf-8").count("tensorplug batch")

    kept = list(_loader(Calls(lambda i: tp.full((300_000,), float(i)), 4), batch_size=1))
    assert mapped() == min(maps, 4)
    assert [batch.shape for batch in kept] == [(1, 300_000)] * 4
    assert [batch.mean().item() for batch in kept] == [0.0, 1.0, 2.0, 3.0]
    del kept
    gc.collect()
    assert mapped() == 0


def test_devices_cross_through_host_memory() -> None:
    pytest.importorskip("array_api_strict")
    data = Calls(lambda i: tp.full((2,), float(i), device="strict:0"), 2)
    (batch,) = _loader(data)
    assert (str(batch.device), batch.tolist()) == ("strict:0", [[0.0, 0.0], [1.0, 1.0]])
    with tp.device("strict:0"):  # workers put samples together on the cpu
        (batch,) = _loader(Calls(lambda i: float(i), 2))
    assert str(batch.device) == "cpu"


# --- streams -------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"drop_last": True}, {"batch_size": None}])
def test_streams_end_one_by_one(settings: Any) -> None:
    torch = pytest.importorskip("torch")

    class Uneven(torch.utils.data.IterableDataset):  # type: ignore[misc,name-defined]
        def __iter__(self) -> Iterator[int]:
            info = torch.utils.data.get_worker_info() or D.get_worker_info()
            return iter(range(100 * info.id, 100 * info.id + 6 * info.id + 1))

    class Ours(D.IterableDataset[int]):
        __iter__ = Uneven.__iter__

    settings = {"batch_size": 2, "num_workers": 2, "multiprocessing_context": "fork"} | settings
    theirs = [x.tolist() if hasattr(x, "tolist") else x
              for x in torch.utils.data.DataLoader(Uneven(), **settings)]  # fmt: skip
    ours = [x.tolist() if hasattr(x, "tolist") else x for x in D.DataLoader(Ours(), **settings)]
    assert ours == theirs
    assert D.get_worker_info() is None


def test_persistent_streams_begin_anew() -> None:
    loader = _loader(Count(5), persistent_workers=True)
    for _ in range(2):
        assert [x.tolist() for x in loader] == [[0, 2], [1, 3], [4]]


# --- seeds ---------------------------------------------------------------------------------------


def _drawn(index: int) -> list[Any]:
    info = D.get_worker_info()
    assert info is not None
    return [info.seed, tp.rand(()).item(), np.random.rand(), random.random(), info.id]


def test_workers_draw_reproducible_numbers() -> None:
    def once(seed: int) -> list[Any]:
        generator = tp.Generator().manual_seed(seed)
        return list(_loader(Calls(_drawn), batch_size=None, generator=generator))

    first = once(1)
    assert first == once(1)
    other = once(2)
    for left, right in zip(first, other, strict=True):
        assert not set(left[:4]) & set(right[:4])
    one, two = first[:2]
    assert [one[4], two[4], two[0] - one[0]] == [0, 1, 1]
    assert not set(one[:4]) & set(two[:4])
    tp.manual_seed(5)
    seeds = [_loader(Calls(lambda i: D.get_worker_info().seed, 1), 1, batch_size=None)  # type: ignore[union-attr]
             for _ in range(2)]  # fmt: skip
    assert list(seeds[0]) != list(seeds[1])  # another base seed for each pass


def test_worker_init_fn() -> None:
    marks: list[int] = []
    loader = _loader(Calls(lambda i: marks[0]), worker_init_fn=lambda i: marks.append(i + 10))
    assert [x.tolist() for x in loader] == [[10, 10], [11, 11]]
    assert not marks

    def fail(number: int) -> None:
        raise LookupError(f"worker {number} lacks something")

    with pytest.raises(LookupError, match="worker 0 lacks something"):
        list(_loader(Calls(lambda i: i), worker_init_fn=fail))


# --- failures ------------------------------------------------------------------------------------


class Custom(Exception):
    """Carries a value."""

    def __init__(self, value: int, other: int) -> None:
        super().__init__(f"value {value}")
        self.value, self.other = value, other

    def __reduce__(self) -> Any:
        return Custom, (self.value, self.other)


def _raise(error: BaseException) -> Any:
    raise error


def test_exceptions_keep_their_type_and_traceback() -> None:
    with pytest.raises(Custom, match="value 3") as caught:
        list(_loader(Calls(lambda i: _raise(Custom(3, 4)) if i == 2 else i)))
    assert (caught.value.value, caught.value.other) == (3, 4)
    cause = caught.value.__cause__
    assert isinstance(cause, _pool.WorkerTraceback)
    assert "raised in worker 1 (process" in str(cause)
    assert "in _raise\n    raise error" in str(cause)


def test_exceptions_that_do_not_cross_are_told() -> None:
    class Local(Exception):
        pass

    text = r"expected a batch, got an exception, raised in worker 0 .*\n(.*\n)*.*Local: mine"
    with pytest.raises(RuntimeError, match=text):
        list(_loader(Calls(lambda i: _raise(Local("mine")))))
    with pytest.raises(RuntimeError, match=r"got an exception.*\n(.*\n)*StopIteration"):
        list(_loader(Calls(lambda i: _raise(StopIteration()))))
    with pytest.raises(AttributeError, match="local object"):  # of pickle, about the batch
        list(_loader(Calls(lambda i: lambda: None), collate_fn=lambda batch: batch))


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (lambda: os._exit(3), "exited with code 3; see what it printed"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL; perhaps memory"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "was killed by SIGTERM"),
        (lambda: sys.exit(4), "exited with code 4"),
    ],
)
def test_workers_that_die_are_named(end: Any, text: str) -> None:
    got: list[Any] = []
    expected = rf"a batch from worker 1, got none: the process \d+ exited unexpectedly, it {text}"
    with pytest.raises(RuntimeError, match=expected):
        got.extend(_loader(Calls(lambda i: end() if i == 3 else i)))
    assert [batch.tolist() for batch in got] == [[0, 1]]


def test_timeout(monkeypatch: Any) -> None:
    monkeypatch.setattr(_pool, "PATIENCE", 0.1)
    loader = _loader(Calls(lambda i: time.sleep(60), 2), 1, timeout=0.2)
    with pytest.raises(RuntimeError, match=r"within the timeout of 0.2 seconds, got none"):
        next(iter(loader))


def test_abandoned_loops_end_their_workers(monkeypatch: Any) -> None:
    monkeypatch.setattr(_pool, "PATIENCE", 20)
    loader = _loader(Calls(lambda i: tp.full((300_000,), float(i)), 40))
    iterator = iter(loader)
    next(iterator)
    children = mp.active_children()
    assert len(children) == 2
    start = time.monotonic()
    del iterator
    assert not mp.active_children()
    assert time.monotonic() - start < _pool.PATIENCE
    for _ in loader:
        break
    with pytest.raises(AttributeError, match="nonsense"):
        [batch.nonsense for batch in loader]
    monkeypatch.setattr(_pool, "PATIENCE", 0.1)
    next(iter(_loader(Calls(lambda i: time.sleep(60) if i else i), batch_size=1)))  # terminated


# --- settings ------------------------------------------------------------------------------------


def test_persistent_workers_stay() -> None:
    loader = _loader(Calls(lambda i: os.getpid(), 8), persistent_workers=True)
    first = {pid for batch in loader for pid in batch.tolist()}
    assert len(first) == 2
    abandoned = iter(loader)
    next(abandoned)
    assert {pid for batch in loader for pid in batch.tolist()} == first
    assert len(list(loader)) == 4
    passing = _loader(Calls(lambda i: os.getpid(), 8))
    pids = [{pid for batch in passing for pid in batch.tolist()} for _ in range(2)]
    assert not pids[0] & pids[1]
    broken = _loader(Calls(lambda i: _raise(Custom(1, 2)) if i else i), persistent_workers=True)
    for _ in range(2):  # new workers after a failure
        with pytest.raises(Custom):
            list(broken)


def test_out_of_order(tmp_path: Path) -> None:
    def sample(index: int) -> int:
        """The first one waits for three others, which only the other worker can read."""
        if index:
            (tmp_path / str(index)).touch()
        end = time.monotonic() + 20
        while not index and len(list(tmp_path.iterdir())) < 3 and time.monotonic() < end:
            time.sleep(0.01)
        return index

    found = [x.item() for x in _loader(Calls(sample, 6), batch_size=1, in_order=False)]
    assert found[0] != 0
    assert sorted(found) == [0, 1, 2, 3, 4, 5]


def test_prefetching_is_limited(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def sample(index: int) -> int:
        with log.open("a") as file:
            file.write("x")
        return index

    iterator = iter(_loader(Calls(sample, 50), batch_size=1, prefetch_factor=3))
    next(iterator)
    end = time.monotonic() + 5
    while log.stat().st_size < 7 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.05)
    assert log.stat().st_size == 7  # three for each worker, and one for the batch that was taken


def test_start_methods() -> None:
    data = D.TensorDataset(tp.arange(6.0))
    for method in ("spawn", mp.get_context("forkserver")):
        loader = _loader(data, 1, batch_size=3, multiprocessing_context=method)
        assert [batch[0].tolist() for batch in loader] == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    text = r"can be pickled, which the start method 'spawn' needs, got: .*lambda.*; define them at"
    with pytest.raises(TypeError, match=text):
        iter(_loader(Calls(lambda i: i), multiprocessing_context="spawn"))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="fork is no default there")
def test_no_fork_with_devices_that_do_not_survive_it() -> None:
    pytest.importorskip("array_api_strict")
    with isolated():
        tp.device("cpu")
        assert _pool.start_method(None).get_start_method() == "fork"
        tp.device("strict:0")
        assert _pool.start_method(None).get_start_method() == "forkserver"

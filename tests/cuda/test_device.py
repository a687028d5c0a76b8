"""What concerns the device itself: checks, transfers, streams, memory, other libraries."""

from __future__ import annotations

from contextlib import contextmanager

import cupy
import numpy as np
import pytest

import tensorplug as tp
from tensorplug.nn import functional as F

STAND_IN = hasattr(cupy.cuda, "COUNT")


@contextmanager
def no_transfers():
    """Whoever copies between host and device, or waits, in this block fails the test.

    On a GPU CuPy refuses to wait; copies to the device are counted by the stand-in only.
    """
    if STAND_IN:
        count = cupy.cuda.COUNT
        before = (count.to_device, count.to_host, count.waits)
        yield
        assert (count.to_device, count.to_host, count.waits) == before
    else:
        import cupyx

        with cupyx.allow_synchronize(False):
            yield


def _train(x, target, layers, optimizer) -> None:
    optimizer.zero_grad()
    loss = F.cross_entropy(layers(x), target)
    loss.backward()
    optimizer.step()


@pytest.mark.parametrize("make", [tp.optim.SGD, tp.optim.Adam, tp.optim.AdamW])
def test_a_training_step_neither_copies_nor_waits(device: str, make) -> None:
    layers = tp.nn.Sequential(
        tp.nn.Conv2d(1, 4, 3, padding=1), tp.nn.BatchNorm2d(4), tp.nn.ReLU(), tp.nn.MaxPool2d(2),
        tp.nn.Flatten(), tp.nn.Linear(64, 16), tp.nn.LayerNorm(16), tp.nn.GELU(),
        tp.nn.Dropout(0.2), tp.nn.Linear(16, 10),
    ).to(device)  # fmt: skip
    x, target = tp.randn(5, 1, 8, 8, device=device), tp.randint(0, 10, (5,), device=device)
    optimizer = make(layers.parameters(), lr=0.01)
    _train(x, target, layers, optimizer)  # compiles
    with no_transfers():
        _train(x, target, layers, optimizer)


@pytest.mark.parametrize("work", [
    lambda x, i: x[i], lambda x, i: x.gather(0, i), lambda x, i: x.index_select(0, i),
    lambda x, i: x.scatter_add(0, i, x), lambda x, i: x.index_add(0, i, x),
    lambda x, i: x.clone().index_put_((i,), x), lambda x, i: i // (i + 1), lambda x, i: i % (i + 1),
    lambda x, i: x.topk(2).values, lambda x, i: x.median(), lambda x, i: x.sort().values,
    lambda x, i: tp.rand(5, device=x.device), lambda x, i: tp.randint(-3, 9, (5,), device=x.device),
    lambda x, i: tp.zeros(3, dtype=tp.int32, device=x.device) + 5, lambda x, i: x.cummax(0).values,
    lambda x, i: x.bfloat16() * 2.5, lambda x, i: tp.where(x > 0, x, 0.0), lambda x, i: i**i,
    lambda x, i: x.clamp_(0.1).masked_fill_(x > 1, 7.0), lambda x, i: tp.searchsorted(x, x),
])  # fmt: skip
def test_operations_neither_copy_nor_wait(device: str, work) -> None:
    x, index = tp.rand(6, device=device), tp.arange(6, device=device)
    work(x, index)  # compiles
    with no_transfers():
        work(x, index)


@pytest.mark.parametrize(("work", "match"), [
    (lambda x, i: x[i], "expected an index from 0 to 2, got 7; index 7 is out of bounds"),
    (lambda x, i: x.gather(0, i), "expected an index from 0 to 2, got 7"),
    (lambda x, i: x.index_select(0, i), "got 7; index 7 is out of bounds for dimension 0"),
    (lambda x, i: x.scatter_add(0, i, x), "expected an index from 0 to 2, got 7"),
    (lambda x, i: F.embedding(i, x[:, None]), "expected numbers from 0 to 2, got 7; index out of"),
    (lambda x, i: F.nll_loss(x.expand(3, 3), i), "expected numbers from 0 to 2, got 7; Target is"),
])  # fmt: skip
def test_a_bad_index_is_reported_when_somebody_waits(device: str, work, match: str) -> None:
    x, index = tp.rand(3, device=device), tp.tensor([0, 7, 1], device=device)
    found = work(x, index)
    with pytest.raises(IndexError, match=match + ".*TENSORPLUG_CUDA_BLOCKING=1"):
        found.cpu()
    assert x.cpu().shape == (3,)  # reported once; nothing else was touched
    work(x, index)
    with pytest.raises(IndexError, match=match):
        tp.cuda.synchronize(device)


def test_a_division_by_zero_too(device: str) -> None:
    found = tp.arange(3, device=device) // tp.zeros(3, dtype=tp.int64, device=device)
    with pytest.raises(ZeroDivisionError, match="expected a divisor other than 0, got 0"):
        found.cpu()


def test_pinned_memory(device: str) -> None:
    plain = tp.arange(6.0).reshape(2, 3)
    pinned = plain.pin_memory()
    assert pinned.is_pinned()
    assert not plain.is_pinned()
    assert tp.equal(pinned.to(device, non_blocking=True).cpu(), plain)
    with pytest.raises(
        RuntimeError, match=f"pin_memory: expected .* on the cpu, got one on {device}"
    ):
        plain.to(device).pin_memory()


def test_streams_and_events(device: str) -> None:
    stream = tp.cuda.Stream(device)
    before, after = (tp.cuda.Event(enable_timing=True) for _ in range(2))
    with tp.cuda.stream(stream):
        assert tp.cuda.current_stream(device) == stream
        before.record(stream)
        x = tp.ones(1000, device=device) * 2
        after.record(stream)
    assert tp.cuda.current_stream(device) != stream
    tp.cuda.current_stream(device).wait_stream(stream)
    stream.synchronize()
    assert stream.query()
    assert before.elapsed_time(after) >= 0
    assert x.sum().item() == 2000
    with pytest.raises(RuntimeError, match=r"Event.elapsed_time: expected two recorded events"):
        before.elapsed_time(tp.cuda.Event())


def test_memory_is_counted(device: str) -> None:
    tp.cuda.reset_peak_memory_stats(device)
    before = tp.cuda.memory_allocated(device)
    x = tp.zeros(1 << 18, device=device)
    assert tp.cuda.memory_allocated(device) - before == x.nbytes
    del x
    assert tp.cuda.memory_allocated(device) == before
    assert tp.cuda.max_memory_allocated(device) >= before + (1 << 20)
    assert tp.cuda.memory_reserved(device) >= before
    free, total = tp.cuda.mem_get_info(device)
    assert 0 < free <= total
    tp.cuda.empty_cache()
    assert tp.cuda.get_device_name(device)


def test_no_memory_left_is_said_with_sizes(device: str) -> None:
    x = tp.ones(4, device=device)
    free, _ = tp.cuda.mem_get_info(device)
    with pytest.raises(tp.cuda.OutOfMemoryError, match=f"{device}: expected room for .* MiB, but"):
        tp.empty(2 * free, dtype=tp.uint8, device=device)
    with pytest.raises(
        tp.cuda.OutOfMemoryError, match=f"{device}: expected room for {2**65} bytes"
    ):
        tp.empty(2**62, 8, dtype=tp.uint8, device=device)
    assert x.tolist() == [1, 1, 1, 1]


def test_the_current_device() -> None:
    last = tp.cuda.device_count() - 1
    assert tp.cuda.current_device() == 0
    with tp.cuda.device(last):
        assert tp.ones(2).cuda().device == tp.device("cuda", last)
        assert tp.cuda.current_device() == last
    assert tp.ones(2).cuda().device == tp.device("cuda:0")
    with pytest.raises(RuntimeError, match="cuda:99: expected an index below"):
        tp.cuda.set_device(99)


def test_work_of_every_device_stays_there(device: str) -> None:
    x = tp.rand(3, 4, device=device, requires_grad=True)
    with tp.no_grad():
        x += 1
    ((x @ x.T).exp().log().sum() * x.mean()).backward()
    native = tp.device(device).backend.native(x.grad._h)
    assert native.device.id == tp.device(device).index
    assert cupy.cuda.runtime.getDevice() == 0


def test_cupy_shares_memory(device: str) -> None:
    x = tp.zeros(3, device=device)
    array = cupy.asarray(x) if not STAND_IN else tp.device(device).backend.native(x._h)
    with cupy.cuda.Device(tp.device(device).index):
        array += 1
        y = tp.asarray(array)
    assert y.data_ptr() == x.data_ptr() == x.__cuda_array_interface__["data"][0]
    assert x.tolist() == [1, 1, 1]
    assert not hasattr(tp.zeros(3), "__cuda_array_interface__")
    with pytest.raises(RuntimeError, match="expected a tensor without history"):
        x.requires_grad_().__cuda_array_interface__  # noqa: B018


def test_values_of_numpy_arrays_of_any_layout(device: str) -> None:
    for array in (np.arange(6).reshape(2, 3).T, np.zeros((0, 3)), np.float32(2), np.ones(4)[::2]):
        assert (tp.tensor(array, device=device).cpu().numpy() == array).all()

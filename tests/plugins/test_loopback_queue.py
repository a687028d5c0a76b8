"""The queue of a loopback device: work is done later, by another thread, and in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.plugins import loopback

LONG = 300
"""Milliseconds in which a test has surely looked at what is not there yet."""


def test_reading_without_waiting_gives_garbage_and_reading_waits() -> None:
    x = tp.ones(3, device="loopback:0")
    tp.synchronize("loopback:0")
    with loopback.delay(LONG):
        y = x + 1
        z = tp.arange(3, device="loopback:0")
        early = loopback.peek(y), loopback.peek(z)
    assert np.isnan(early[0]).all()
    assert early[1].tolist() == [-1, -1, -1]
    assert y.tolist() == [2, 2, 2]
    assert loopback.peek(y).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(), lambda x: x.tolist()[0], lambda x: float(x[0]),
        lambda x: x.cpu()[0].item(), lambda x: x.numpy(force=True)[0],
        lambda x: bool(x[0] == 2) + 1, lambda x: x.to("loopback:1")[0].item(),
        lambda x: int(repr(x)[8]),
    ],
)  # fmt: skip
def test_every_way_to_read_waits(read: object) -> None:
    with loopback.delay(20):
        x = tp.ones(1, device="loopback:0") + 1
        assert read(x) == 2


def test_synchronize_waits_for_one_device() -> None:
    with loopback.delay(LONG, device=1):
        x = tp.ones(2, device="loopback:0") + 1
        y = tp.ones(2, device="loopback:1") + 1
        tp.synchronize("loopback:0")
        first = loopback.peek(x).tolist(), np.isnan(loopback.peek(y)).all()
        tp.synchronize("loopback:1")
    assert first == ([2, 2], True)
    assert loopback.peek(y).tolist() == [2, 2]


def test_writes_in_place_are_queued_and_views_see_them() -> None:
    x = tp.zeros(2, 3, device="loopback:0")
    column = x[:, 1]
    tp.synchronize("loopback:0")
    with loopback.delay(LONG):
        column.add_(5)
        x[0] = 7
        x[tp.tensor([1], device="loopback:0")] = 2
        early = loopback.peek(x).tolist()
    assert early == [[0, 0, 0], [0, 0, 0]]
    assert (x.tolist(), column.tolist()) == ([[7, 7, 7], [2, 2, 2]], [7, 2])


def test_operations_return_at_once_and_devices_work_side_by_side() -> None:
    names = [f"loopback:{i}" for i in range(4)]
    start = time.perf_counter()
    with loopback.delay(50):
        tensors = [tp.ones(2, device=name) for name in names]
        for _ in range(5):
            tensors = [x * 2 for x in tensors]
    dispatched = time.perf_counter() - start
    values = [x.tolist() for x in tensors]
    whole = time.perf_counter() - start
    assert values == [[32, 32]] * 4
    assert dispatched < 0.3 <= whole < 1.2  # one after the other it would be four times 0.3


def test_an_error_of_queued_work_is_raised_where_somebody_waits() -> None:
    x = tp.ones(2, device="loopback:0")
    with loopback.failing("mul", queued=True, error=OSError("lost")) as fault:
        y = x * 3
        z = y + 1
        text = "mul: expected the work queued on loopback:0 to succeed, got OSError after .*: lost"
        with pytest.raises(RuntimeError, match=text) as caught:
            tp.synchronize("loopback:0")
    assert (fault.fired, caught.value.op) == (1, "mul")
    assert isinstance(caught.value.__cause__, OSError)
    tp.synchronize("loopback:0")  # said once
    assert np.isnan(loopback.peek(y)).all()
    for lost in (y, z, z[0]):  # what was computed from it has no values either
        with pytest.raises(RuntimeError, match="mul: expected the work queued"):
            lost.tolist()
    assert (x * 3).tolist() == [3, 3]


def test_the_first_of_several_errors_is_raised_and_the_others_stay_with_their_tensors() -> None:
    x = tp.ones(2, device="loopback:0")
    with loopback.failing("exp", queued=True), loopback.failing("log", queued=True):
        y, z = tp.exp(x), tp.log(x)
    with pytest.raises(RuntimeError, match="exp: expected the work"):
        x.tolist()
    assert x.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="exp: expected the work"):
        y.tolist()
    with pytest.raises(RuntimeError, match="log: expected the work"):
        z.to("loopback:1")


def test_what_breaks_in_the_queue_itself_is_raised_too(monkeypatch: pytest.MonkeyPatch) -> None:
    x = tp.ones(2, device="loopback:0")
    tp.synchronize("loopback:0")
    monkeypatch.setattr("tensorplug.plugins.loopback_device.Memory.at", None)
    y = x + 1
    with pytest.raises(RuntimeError, match=r"add: expected the work queued .* got TypeError"):
        tp.synchronize("loopback:0")
    monkeypatch.undo()
    assert (x + 1).tolist() == [2, 2]
    del y


def test_threads_share_devices() -> None:
    shared = tp.arange(64.0, device="loopback:0").reshape(8, 8) / 64
    expected = (shared.cpu() @ shared.cpu()).tanh().sum().item()
    found: list[float] = []

    def work(index: int) -> None:
        for _ in range(25):
            here = shared if index % 2 else shared.to(f"loopback:{index % 4}")
            found.append((here @ here).tanh().sum().item())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    assert found == pytest.approx([expected] * 200)


def test_a_forked_child_says_that_it_has_no_queue(run_python: Callable[..., str]) -> None:
    program = (
        "import os, warnings, tensorplug as tp\n"
        "warnings.simplefilter('ignore')  # about forks in a process with threads\n"
        "x = tp.ones(2, device='loopback:0')\n"
        "tp.synchronize('loopback:0')\n"
        "if os.fork():\n"
        "    os.wait()\n"
        "    print(x.tolist())\n"
        "else:\n"
        "    for use in (lambda: x + 1, x.tolist, lambda: tp.synchronize('loopback:0')):\n"
        "        try:\n"
        "            use()\n"
        "        except RuntimeError as error:\n"
        "            print(error)\n"
        "    print((tp.ones(2, device='loopback:1') + 1).tolist(), flush=True)\n"
        "    os._exit(0)\n"
    )
    lines = run_python(program).splitlines()
    text = "expected loopback:0 to be used in the process that started its queue, got a forked"
    assert [line.partition(f": {text}")[0] for line in lines] == [
        "add", "to_host", "synchronize", "[2.0, 2.0]", "[1.0, 1.0]",
    ]  # fmt: skip


def test_a_negative_delay_is_refused() -> None:
    with pytest.raises(ValueError, match="delay: expected milliseconds of at least 0, got -1"):
        loopback.delay(-1).__enter__()

"""Streams, events and pinned memory, where a device declares them: order, waiting, and values."""

from __future__ import annotations

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import SIDE, busy


def total(x: tp.Tensor) -> float:
    return float(x.sum().item()) / SIDE**2


# --- streams --------------------------------------------------------------------------------------


@pytest.mark.needs("streams")
def test_new_work_goes_to_the_stream_of_the_block(device: str) -> None:
    before = tp.cuda.current_stream(device)
    one, two = tp.cuda.Stream(device), tp.cuda.Stream(device)
    assert one != two, f"{device}: two streams are one: {one}"
    assert str(one.device) == device
    with tp.cuda.stream(one):
        assert tp.cuda.current_stream(device) == one
        with tp.cuda.stream(two):
            assert tp.cuda.current_stream(device) == two
            x = busy(device, 2.0)
        assert tp.cuda.current_stream(device) == one
    assert tp.cuda.current_stream(device) == before, f"{device}: a block left its stream behind"
    two.synchronize()
    assert two.query(), f"{device}: a stream has work left after it was waited for"
    assert total(x) == 2.0
    with pytest.raises(ZeroDivisionError), tp.cuda.stream(one):
        raise ZeroDivisionError
    assert tp.cuda.current_stream(device) == before, f"{device}: an error left a stream behind"


@pytest.mark.needs("streams")
def test_a_stream_waits_for_another(device: str) -> None:
    one, two = tp.cuda.Stream(device), tp.cuda.Stream(device)
    main = tp.cuda.current_stream(device)
    for number in range(1, 6):
        source = busy(device, float(number))
        one.wait_stream(main)
        with tp.cuda.stream(one):
            x = source * 2
        two.wait_stream(one)
        with tp.cuda.stream(two):
            y = x + busy(device, 1.0)
        main.wait_stream(two)
        got = total(y)
        assert got == 2.0 * number + 1.0, f"{device}: {number} * 2 + 1 over three streams: {got}"


@pytest.mark.needs("streams")
def test_events_are_points_in_a_stream(device: str) -> None:
    stream = tp.cuda.Stream(device)
    start, end = tp.cuda.Event(enable_timing=True), tp.cuda.Event(enable_timing=True)
    assert end.query(), "an event that was not recorded has nothing to wait for"
    stream.wait_stream(tp.cuda.current_stream(device))
    with tp.cuda.stream(stream):
        start.record()
        x = busy(device, 3.0)
        end.record()
    end.synchronize()
    done = start.query(), end.query()
    assert done == (True, True), f"{device}: events are open after they were waited for: {done}"
    assert start.elapsed_time(end) >= 0, f"{device}: time runs backwards between two events"
    tp.cuda.current_stream(device).wait_event(end)
    assert total(x * 2) == 6.0
    plain = stream.record_event()
    plain.synchronize()
    with pytest.raises(RuntimeError, match="elapsed_time"):
        plain.elapsed_time(end)


@pytest.mark.needs("streams")
def test_synchronize_waits_for_every_stream(device: str) -> None:
    found, events = tp.device(device), []
    for number in range(4):
        with tp.cuda.stream(tp.cuda.Stream(device)):
            busy(device, float(number))
            events.append(tp.cuda.current_stream(device).record_event())
    found.backend.synchronize(found.index)
    left = sum(not event.query() for event in events)
    assert not left, f"{device}: {left} of 4 streams had work left after synchronize()"


# --- pinned memory --------------------------------------------------------------------------------


@pytest.mark.needs("pinned_memory")
def test_pinned_memory_has_the_values_and_is_apart(device: str) -> None:
    for a in (np.arange(12.0).reshape(3, 4), np.arange(6), np.zeros((0, 2)), np.array(True)):
        x = tp.tensor(a)
        pinned = x.pin_memory(device)
        kind = pinned.dtype, tuple(pinned.shape), pinned.device.type
        assert kind == (x.dtype, a.shape, "cpu"), f"pin_memory for {device}: {kind}"
        assert pinned.tolist() == a.tolist()
        if a.size:
            assert pinned.is_pinned(device), f"{device}: what pin_memory gave is not pinned"
        assert not x.is_pinned(device), f"{device}: memory that nobody pinned is"
        pinned.fill_(0)
        assert x.tolist() == a.tolist(), f"pin_memory for {device} shares memory"


@pytest.mark.needs("pinned_memory")
def test_copies_from_pinned_memory_arrive(device: str) -> None:
    found = tp.device(device)
    for size in (5, 100_000):
        a = np.arange(size, dtype=np.float32)
        pinned = tp.from_numpy(a).pin_memory(device)
        for part in (slice(None), slice(1, None), slice(None, None, 2)):
            x = pinned[part].to(device, non_blocking=True)
            y = tp.empty_like(x).copy_(pinned[part], non_blocking=True)
            found.backend.synchronize(found.index)
            for got in (x, y):
                same = np.array_equal(got.cpu().numpy(), a[part])
                assert same, f"{part} of {size} pinned elements to {device}"


@pytest.mark.needs("pinned_memory")
def test_only_memory_of_the_host_is_pinned(device: str) -> None:
    x = tp.ones(2, device=device)
    if device != "cpu":
        with pytest.raises(RuntimeError, match="pin_memory"):
            x.pin_memory(device)
        assert not x.is_pinned(device)
    assert x.tolist() == [1.0, 1.0]

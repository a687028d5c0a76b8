"""Loopback devices: memory of their own, what they count, what they refuse, what they equal."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends import CapabilityError, OutOfMemoryError
from tensorplug.plugins import loopback
from tensorplug.plugins.loopback_device import Array, Memory

MIB = 1 << 20


def allocated(device: str = "loopback:0") -> int:
    """Bytes in use on a device."""
    found = tp.device(device)
    return int(found.backend.memory(found.index)["allocated"])


# --- memory of its own ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"),
    [("cpu", "loopback:0"), ("loopback:0", "cpu"), ("loopback:0", "loopback:1"),
     ("loopback:0", "loopback32:0"), ("loopback32:3", "loopback:3"), ("loopback:2", "xla:0")],
)  # fmt: skip
def test_devices_share_no_memory(source: str, target: str) -> None:
    x = tp.tensor([[1.0, 2.0], [3.0, 4.0]], device=source)
    for view in (x, x.t(), x[1], x[:, ::-1]):
        y = view.to(target)
        before = y.tolist()
        assert (str(y.device), before) == (target, view.tolist())
        view.mul_(2)
        assert y.tolist() == before
        y.fill_(9)
        assert view.tolist() != y.tolist()


def test_the_host_gets_copies() -> None:
    a = np.ones(3)
    x = tp.tensor(a, device="loopback:0")
    host = x.numpy(force=True)
    host[0] = a[1] = 5
    assert x.tolist() == [1, 1, 1]
    with pytest.raises(TypeError, match="loopback:0"):
        x.numpy()


def test_an_address_is_one_in_the_memory_of_the_device() -> None:
    x, y = tp.arange(6.0, device="loopback:0"), tp.arange(6.0, device="loopback:1")
    assert x[2:].data_ptr() - x.data_ptr() == 8
    assert x.data_ptr() != y.data_ptr()
    tp.synchronize("loopback:0")
    assert loopback.peek(x[1::2]).tolist() == [1, 3, 5]
    assert loopback.peek(x.reshape(2, 3).t()[::-1]).tolist() == [[2, 5], [1, 4], [0, 3]]
    assert loopback.peek(x[:0]).shape == (0,)


def test_dlpack_is_refused_as_other_libraries_cannot_reach_the_memory() -> None:
    x = tp.ones(2, device="loopback:1")
    for take in (np.from_dlpack, lambda x: x.__dlpack__()):
        with pytest.raises(CapabilityError, match=r"loopback:1.*dlpack_export"):
            take(x)
    assert x.__dlpack_device__() == (12, 1)
    made = tp.from_dlpack(np.ones(2), device="loopback:1")
    assert (str(made.device), made.tolist()) == ("loopback:1", [1, 1])
    with pytest.raises(BufferError, match="loopback has memory of its own"):
        tp.from_dlpack(np.ones(2), device="loopback:1", copy=False)
    with pytest.raises(BufferError, match="a tensor on loopback:1"):
        tp.from_dlpack(x, device="loopback:0", copy=False)


def test_mixed_devices_are_refused() -> None:
    x, y = tp.ones(2, device="loopback:0"), tp.ones(2, device="loopback:1")
    with pytest.raises(RuntimeError, match="add: expected one device, got loopback:0 and loopback"):
        x + y
    with pytest.raises(RuntimeError, match="expected one device"):
        x += tp.ones(2)
    with pytest.raises(
        RuntimeError, match="add: expected arrays on one device, got loopback:0 and"
    ):
        tp.device("loopback:0").F.add(x._h, y._h)  # a fault of the engine
    assert (x + y.to(x.device)).tolist() == [2, 2]


def test_numpy_functions_do_not_see_into_an_array() -> None:
    handle = tp.ones(2, device="loopback:0")._h
    assert repr(handle) == "<float32 (2,) on loopback:0>"
    with pytest.raises(TypeError):
        np.add(handle, 1)
    with pytest.raises(TypeError, match="expected an operation of the backend"):
        bool(handle)


# --- accounting -----------------------------------------------------------------------------------


def test_memory_counts_until_the_last_handle_goes() -> None:
    gc.collect()
    before, other = allocated(), allocated("loopback:1")
    x = tp.zeros(1000, device="loopback:0")
    view = x[10:].reshape(-1, 10).t()
    assert allocated() - before == 4000
    y = view + 1
    assert allocated() - before == 4000 + 3960
    del x, y
    assert allocated() - before == 4000
    assert view.sum().item() == 0
    del view
    assert (allocated() - before, allocated("loopback:1") - other) == (0, 0)


def test_figures_add_up() -> None:
    backend = tp.device("loopback:2").backend
    found = backend.memory(2)
    assert found["total"] == 4 << 30
    assert found["free"] == found["total"] - found["allocated"]


def test_training_leaves_nothing_behind() -> None:
    def step() -> None:
        y = tp.tanh(tp.rand(8, 16, device="loopback:0") @ weight)
        y.square().mean().backward()
        with tp.no_grad():
            weight.sub_(weight.grad)
        weight.grad = None

    weight = tp.rand(16, 4, device="loopback:0", requires_grad=True)
    step()
    gc.collect()
    before = allocated()
    for _ in range(20):
        step()
    assert allocated() == before


def test_results_of_one_kernel_may_share_memory_and_count_it_once() -> None:
    backend = tp.device("loopback:0").backend
    halves = backend.lift(lambda x: np.split(x * 2, 2), name="halves")
    x = tp.arange(4.0, device="loopback:0")
    before = allocated()
    low, high = halves(x._h)
    assert allocated() - before == 16
    assert low.cell is high.cell
    assert [backend.to_host(part).tolist() for part in (low, high)] == [[0, 2], [4, 6]]


# --- running out of memory ------------------------------------------------------------------------


def test_too_much_memory_is_refused_and_all_else_goes_on() -> None:
    x = tp.ones(100, device="loopback:3")
    used = allocated("loopback:3")
    free = 2 * MIB + 4096
    text = (
        rf"full: expected at most {free} bytes on loopback:3 \({used} of {used + free} are in use"
    )
    with loopback.out_of_memory_at(used + free, device="loopback:3"):
        with pytest.raises(OutOfMemoryError, match=rf"{text}\), got {4 * MIB}; drop") as caught:
            tp.zeros(MIB, device="loopback:3")
        assert (caught.value.op, caught.value.got) == ("full", 4 * MIB)
        assert isinstance(caught.value, MemoryError)
        assert isinstance(caught.value, RuntimeError)
        y = tp.zeros(MIB // 4, device="loopback:3")
        z = y + 0  # not yet full
        with pytest.raises(MemoryError, match=r"exp: expected at most .* bytes on loopback:3"):
            tp.exp(y)
        with pytest.raises(MemoryError, match="from_host: expected at most"):
            tp.ones(MIB).to("loopback:3")
        with pytest.raises(MemoryError, match="copy: expected at most"):
            tp.ones(MIB, device="loopback:0").to("loopback:3")
        assert (x + 1).sum().item() == 200
        del z
        assert tp.exp(y).sum().item() == MIB // 4
        assert tp.zeros(MIB, device="loopback:2").sum().item() == 0
    assert tp.zeros(MIB, device="loopback:3").sum().item() == 0


def test_in_place_without_room_for_the_result_changes_nothing() -> None:
    x = tp.ones(1000, device="loopback:3")
    with loopback.out_of_memory_at(0), pytest.raises(MemoryError, match="mul: expected at most 0"):
        x.mul_(3)
    assert x.sum().item() == 1000


def test_memory_of_queued_work_is_waited_for() -> None:
    x = tp.ones(1000, device="loopback:3")
    tp.synchronize("loopback:3")
    room = allocated("loopback:3") + 9000
    with loopback.out_of_memory_at(room), loopback.delay(5):
        for _ in range(6):
            x = x + 1  # the old one is still needed by the queue
    assert x[0].item() == 7


def test_a_limit_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="out_of_memory_at: expected a size of at least 0 bytes, "
                       "got -1"), loopback.out_of_memory_at(-1):  # fmt: skip
        pass


# --- the same values ------------------------------------------------------------------------------


def test_random_numbers_are_those_of_cpu() -> None:
    for draw in (tp.rand, tp.randn):
        drawn = []
        for device in ("cpu", "loopback:0", "loopback32:1"):
            tp.manual_seed(3)
            drawn.append(draw(50, device=device).tolist())
        assert drawn[0] == drawn[1] == drawn[2]


def test_training_is_that_of_cpu() -> None:
    def train(device: str) -> list[float]:
        tp.manual_seed(0)
        model = tp.nn.Sequential(tp.nn.Linear(6, 8), tp.nn.Tanh(), tp.nn.Linear(8, 1)).to(device)
        optimizer = tp.optim.Adam(model.parameters(), lr=0.05)
        x = tp.rand(32, 6).to(device)  # each device has a stream of its own
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    expected = train("cpu")
    assert train("loopback:1") == pytest.approx(expected, rel=1e-5)
    assert train("loopback32:0") == pytest.approx(expected, rel=1e-5)


# --- devices without float64 ----------------------------------------------------------------------


def test_loopback32_has_no_float64() -> None:
    device = tp.device("loopback32:0")
    assert not {"float64", "complex128"} & device.capabilities
    assert {"float32", "complex64", "int64", "bfloat16"} <= device.capabilities
    x = tp.ones(2, device=device)
    for make in (
        lambda: tp.ones(2, dtype=tp.float64, device=device),
        lambda: tp.ones(2, dtype=tp.float64).to(device),
        lambda: x.to(tp.float64),
        lambda: x.double(),
    ):
        with pytest.raises(CapabilityError, match=r"loopback32:0: expected a type .* got float64"):
            make()
    assert (x / 3).dtype is tp.float32
    with pytest.raises(
        RuntimeError, match=r"wide: expected a result of a type that loopback32:0 has, got .*64"
    ):
        tp.device("loopback32:0").backend.lift(lambda x: x.astype(np.float64), name="wide")(x._h)


# --- settings -------------------------------------------------------------------------------------


def test_the_environment_sets_number_memory_and_delay(run_python: Callable[..., str]) -> None:
    program = (
        "import tensorplug as tp, time\n"
        "start = time.perf_counter()\n"
        "x = tp.zeros(10, device='loopback:5') + 1\n"
        "x.tolist()\n"
        "backend = tp.device('loopback32:5').backend\n"
        "print(len(backend.devices()), backend.memory(5)['total'])\n"
        "print(time.perf_counter() - start > 0.06)\n"
    )
    printed = run_python(
        program, TENSORPLUG_LOOPBACK_DEVICES="6", TENSORPLUG_LOOPBACK_MEMORY="12345",
        TENSORPLUG_LOOPBACK_DELAY="30.5",
    )  # fmt: skip
    assert printed.split() == ["6", "12345", "True"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("DEVICES", "0", "a whole number of at least 1, got '0'"),
        ("DEVICES", "two", "a whole number of at least 1, got 'two'"),
        ("MEMORY", "1.5", "a whole number of at least 0, got '1.5'"),
        ("DELAY", "-1", "a number of at least 0, got '-1'"),
    ],
)
def test_wrong_settings_are_named(
    name: str, value: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TENSORPLUG_LOOPBACK_{name}", value)
    with pytest.raises(ValueError, match=f"TENSORPLUG_LOOPBACK_{name}: expected {text}; change or"):
        loopback.LoopbackBackend()


def test_a_device_that_goes_takes_its_thread_with_it() -> None:
    backend = loopback.LoopbackBackend("gone")
    backend.full((2,), 1, tp.float32, 0)
    backend.synchronize(0)
    chip = backend.devices()[0]
    thread = next(t for t in threading.enumerate() if t.name == "gone:0")
    del backend, chip
    gc.collect()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_only_the_public_names_are_needed() -> None:
    assert set(loopback.__all__) == {
        "Fault", "LoopbackBackend", "delay", "failing", "out_of_memory_at", "peek",
    }  # fmt: skip
    assert {Array.__module__, Memory.__module__} == {"tensorplug.plugins.loopback_device"}

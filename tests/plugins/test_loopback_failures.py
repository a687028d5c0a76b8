"""Failures on request: which operation, where, when, with what; and that all goes on afterwards."""

from __future__ import annotations

import threading

import pytest

import tensorplug as tp
from tensorplug.backends import DeviceError
from tensorplug.plugins import loopback


@pytest.fixture
def x() -> tp.Tensor:
    return tp.ones(2, device="loopback:1")


def test_the_named_operation_fails_on_the_named_device(x: tp.Tensor) -> None:
    other = x.to("loopback:0")
    for where in (1, "loopback:1", tp.device("loopback:1")):
        with loopback.failing("add", device=where) as fault:
            text = "add: expected loopback:1 to work, got RuntimeError: add on loopback:1; loopb"
            with pytest.raises(RuntimeError, match=text):
                x + 1
            assert (x * 2).tolist() == [2, 2]
            assert (other + 1).tolist() == [2, 2]
        assert fault.fired == 1
        assert (x + 1).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (RuntimeError, RuntimeError, "exp: expected loopback:1 to work, got RuntimeError: exp on"),
        (OSError("link down"), RuntimeError, "exp: expected .*, got OSError: link down; loopback"),
        (MemoryError("full"), MemoryError, "^full$"),
        (DeviceError, DeviceError, "^exp on loopback:1$"),
        (KeyboardInterrupt, KeyboardInterrupt, "^exp on loopback:1$"),
    ],
)
def test_with_the_error_that_was_asked_for(
    error: object, kind: type[BaseException], text: str, x: tp.Tensor
) -> None:
    with loopback.failing("exp", error=error), pytest.raises(kind, match=text):
        tp.exp(x)
    assert tp.exp(x * 0).tolist() == [1, 1]


def test_after_some_and_some_times(x: tp.Tensor) -> None:
    with loopback.failing(after=2, times=1) as fault:
        y = x + 1
        y = y * 2
        with pytest.raises(RuntimeError, match="sub: expected loopback:1 to work"):
            y - 1
        assert (y - 1).tolist() == [3, 3]
    assert (fault.fired, fault.op) == (1, None)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("from_host", lambda x: tp.ones(2).to(x.device)),
        ("to_host", lambda x: x.cpu()),
        ("to_host", lambda x: x.sum().item()),
        ("copy", lambda x: x.to("loopback:2").to("loopback:1")),
        ("full", lambda x: tp.zeros(2, device=x.device)),
        ("empty", lambda x: tp.empty(2, device=x.device)),
        ("cast", lambda x: x.long()),
        ("clone", lambda x: x.clone()),
        ("assign", lambda x: x.zero_()),
        ("put", lambda x: x.__setitem__(tp.tensor([0], device=x.device), x[:1])),
        ("sum", lambda x: x.sum()),
        ("mul", lambda x: x.mul_(3)),
    ],
)
def test_steps_of_the_device_and_writes(name: str, call: object, x: tp.Tensor) -> None:
    with (
        loopback.failing(name, device=1),
        pytest.raises(RuntimeError, match=f"{name}_?: expected loopback:1 to work"),
    ):
        call(x)
    assert x.tolist() == [1, 1]  # a write that failed has changed nothing
    call(x)


def test_reading_with_queued_failures_fails_at_once(x: tp.Tensor) -> None:
    with (
        loopback.failing("to_host", queued=True),
        pytest.raises(RuntimeError, match="to_host: expected loopback:1 to work"),
    ):
        x.tolist()


def test_a_composition_can_be_named_as_well_as_its_parts(x: tp.Tensor) -> None:
    assert not x.device.F.has("xlogy")
    for name in ("xlogy", "log"):
        text = f"{name}: expected loopback:1 to work"
        with loopback.failing(name), pytest.raises(RuntimeError, match=text):
            tp.xlogy(x, x)
    with loopback.failing("xlogy", queued=True) as fault:
        y = tp.xlogy(x, x)
    with pytest.raises(RuntimeError, match="xlogy: expected the work queued"):
        y.tolist()
    assert fault.fired == 1
    assert tp.xlogy(x, x).tolist() == [0, 0]


def test_a_backward_pass_may_fail_and_be_repeated() -> None:
    w = tp.ones(3, device="loopback:0", requires_grad=True)
    loss = (w * 2).exp().sum()
    with loopback.failing("mul", times=1), pytest.raises(RuntimeError, match="loopback:0"):
        loss.backward(retain_graph=True)
    w.grad = None
    loss.backward()
    assert w.grad.tolist() == pytest.approx([2 * 7.389056] * 3)


def test_blocks_restore_in_any_case(x: tp.Tensor) -> None:
    with pytest.raises(KeyError), loopback.failing("add"), loopback.delay(1):
        raise KeyError
    with loopback.failing("add"):
        with loopback.failing("add"):
            pass
        with pytest.raises(RuntimeError, match="add: expected"):
            x + 1
    assert (x + 1).tolist() == [2, 2]
    with loopback.out_of_memory_at(0), loopback.out_of_memory_at(1 << 30):
        assert (x + 1).tolist() == [2, 2]


def test_failures_are_those_of_all_threads(x: tp.Tensor) -> None:
    failed: list[str] = []

    def work() -> None:
        try:
            x + 1
        except RuntimeError as error:
            failed.append(str(error))

    with loopback.failing("add", times=2):
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(failed) == 2


def test_other_devices_cannot_be_told() -> None:
    text = "failing: expected a loopback device, got cpu; only loopback devices can be told"
    with pytest.raises(DeviceError, match=text):
        loopback.failing("add", device="cpu").__enter__()
    with pytest.raises(DeviceError, match="delay: expected a loopback device, got xla:0"):
        loopback.delay(1, device="xla:0").__enter__()


# --- several devices ------------------------------------------------------------------------------


class DataParallel:
    """One model, a replica on each device; a step repeats what a device failed to do."""

    def __init__(self, devices: list[str]) -> None:
        self.devices = devices
        self.weight = tp.linspace(-1, 1, 6).to(devices[0]).requires_grad_()
        self.retries = 0

    def part(self, device: str, x: tp.Tensor, y: tp.Tensor) -> tp.Tensor:
        """The sum of squared errors on one device, back on the first."""
        replica = self.weight.to(device)
        loss = (x.to(device) @ replica - y.to(device)).square().sum()
        return loss.to(self.devices[0])

    def step(self, x: tp.Tensor, y: tp.Tensor) -> float:
        """One step of gradient descent over all rows."""
        losses = []
        for device, a, b in zip(self.devices, x.chunk(len(self.devices)),
                                y.chunk(len(self.devices)), strict=True):  # fmt: skip
            try:
                losses.append(self.part(device, a, b))
            except RuntimeError:
                self.retries += 1
                losses.append(self.part(device, a, b))
        loss = tp.stack(losses).sum() / len(x)
        loss.backward()
        with tp.no_grad():
            self.weight -= 0.1 * self.weight.grad
        self.weight.grad = None
        return loss.item()


def _train(devices: list[str]) -> tuple[list[float], DataParallel]:
    tp.manual_seed(1)
    x = tp.rand(64, 6)
    y = x @ tp.arange(6.0)
    model = DataParallel(devices)
    return [model.step(x, y) for _ in range(8)], model


def test_data_parallel_training_equals_that_of_one_device() -> None:
    expected, _ = _train(["cpu"])
    found, model = _train([f"loopback:{i}" for i in range(4)])
    assert found == pytest.approx(expected, rel=1e-5)
    assert found[-1] < found[0] / 2
    assert str(model.weight.device) == "loopback:0"


def test_data_parallel_training_survives_failures_and_slow_devices() -> None:
    expected, _ = _train(["cpu"])
    with (
        loopback.failing("square", device=2, after=3, times=1),
        loopback.failing("from_host", device=3, after=5, times=1, error=OSError("link down")),
        loopback.delay(2, device=1),
    ):
        found, model = _train([f"loopback:{i}" for i in range(4)])
    assert found == pytest.approx(expected, rel=1e-5)
    assert model.retries == 2

"""Programs that use several devices of one type: models in parts, streams, files, loaders."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import tensorplug as tp
from tensorplug import nn
from tensorplug.plugins import loopback
from tensorplug.utils.data import DataLoader

FIRST, SECOND = "loopback:0", "loopback:1"


class InParts(nn.Module):
    """A model whose layers are on two devices."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8).to(first), nn.Linear(8, 2).to(second)
        self.where = second

    def forward(self, x: tp.Tensor) -> tp.Tensor:
        return self.second(tp.tanh(self.first(x)).to(self.where))


def _trained(first: str, second: str, kind: type[tp.optim.Optimizer]) -> list[float]:
    tp.manual_seed(0)
    model = InParts(first, second)
    optimizer = kind(model.parameters(), lr=0.05)
    x, losses = tp.rand(16, 4), []
    for _ in range(4):
        optimizer.zero_grad()
        loss = (model(x.to(first)) - 1).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", [tp.optim.SGD, tp.optim.AdamW, tp.optim.RMSprop])
def test_a_model_in_parts_learns_as_on_one_device(kind: type[tp.optim.Optimizer]) -> None:
    expected = _trained("cpu", "cpu", kind)
    assert _trained(FIRST, SECOND, kind) == pytest.approx(expected, rel=1e-5)
    with loopback.delay(1, device=1):
        assert _trained(SECOND, FIRST, kind) == pytest.approx(expected, rel=1e-5)


def test_gradients_meet_on_the_device_of_the_leaf() -> None:
    w = tp.ones(3, device=FIRST, requires_grad=True)
    parts = [(w.to(f"loopback:{i}") * i).sum().to(SECOND) for i in range(4)]
    tp.stack(parts).sum().backward()
    assert (str(w.grad.device), w.grad.tolist()) == (FIRST, [6.0, 6.0, 6.0])
    (again,) = tp.autograd.grad((w.to(SECOND) ** 3).sum(), w, create_graph=True)
    assert (str(again.device), again.tolist()) == (FIRST, [3.0, 3.0, 3.0])
    again.sum().backward()
    assert w.grad.tolist() == [12.0, 12.0, 12.0]


def test_each_device_has_a_stream_of_random_numbers() -> None:
    tp.manual_seed(4)
    expected = [tp.rand(3).tolist() for _ in range(2)]
    tp.manual_seed(4)
    mixed = [tp.rand(3, device=name).tolist() for name in (FIRST, SECOND, SECOND, FIRST)]
    assert mixed == [expected[0], expected[0], expected[1], expected[1]]


def test_files_move_between_devices(tmp_path: Path) -> None:
    path = tmp_path / "x"
    base = tp.arange(6.0, device=FIRST)
    tp.save({"a": base, "b": base[2:4], "c": tp.ones(1, device=SECOND)}, path)
    loaded = tp.load(path)
    assert [str(x.device) for x in loaded.values()] == [FIRST, FIRST, SECOND]
    loaded["a"][2] = 9
    assert loaded["b"].tolist() == [9, 3]
    swapped = tp.load(path, {FIRST: SECOND, SECOND: FIRST})
    assert [str(x.device) for x in swapped.values()] == [SECOND, SECOND, FIRST]


def test_threads_have_devices_of_their_own() -> None:
    found: dict[str, str] = {}
    gate = threading.Barrier(4)

    def work(name: str) -> None:
        with tp.device(name):
            gate.wait()
            x = tp.ones(2) + tp.zeros(2)
            gate.wait()
            found[name] = str(x.device)

    names = [f"loopback:{i}" for i in range(4)]
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: name for name in names}
    assert str(tp.ones(1).device) == "cpu"


def test_batches_of_a_loader_spread_over_devices() -> None:
    data = [(tp.full((3,), float(i)), i) for i in range(8)]
    sums = [
        (x.to(f"loopback:{number}").sum() + y.to(f"loopback:{number}").sum()).item()
        for number, (x, y) in enumerate(DataLoader(data, batch_size=2))
    ]
    assert sums == [4.0, 20.0, 36.0, 52.0]


def test_every_operation_refuses_two_devices() -> None:
    x, y = tp.ones(2, 2, device=FIRST), tp.ones(2, 2, device=SECOND)
    for call in (
        lambda: x @ y, lambda: tp.cat([x, y]), lambda: tp.where(x > 0, x, y), lambda: x.lerp(x, y),
        lambda: x.copy_(x).add_(y), lambda: tp.add(x, x, out=y), lambda: nn.functional.linear(x, y),
        lambda: x.index_select(0, tp.tensor([0], device=SECOND)), lambda: x.__setitem__(0, y[1]),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=f"{FIRST}.*{SECOND}|{SECOND}.*{FIRST}"):
            call()
    x.copy_(y)  # copies are what it is for
    assert x.tolist() == [[1, 1], [1, 1]]

"""A small model learns on the device as it does on cpu."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorplug as tp

STEPS = 5


def data(device: str) -> tuple[tp.Tensor, tp.Tensor]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(16, 6)).astype(np.float32)
    labels = (inputs[:, 0] > inputs[:, 1]).astype(np.int64) + (inputs[:, 2] > 0)
    return tp.tensor(inputs, device=device), tp.tensor(labels, device=device)


def mlp() -> Any:
    nn = tp.nn
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def convolutions() -> Any:
    nn = tp.nn
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.GELU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


OPTIMIZERS = {
    "SGD": lambda parameters: tp.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: tp.optim.Adam(parameters, lr=0.01),
}


def losses(device: str, make: Any, optimizer: str) -> list[float]:
    tp.manual_seed(0)
    model = make().to(device)
    inputs, labels = data(device)
    step = OPTIMIZERS[optimizer](model.parameters())
    criterion = tp.nn.CrossEntropyLoss()
    found = []
    for _ in range(STEPS):
        step.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        step.step()
        found.append(loss.item())
    for parameter in model.parameters():
        assert str(parameter.device) == device
        assert str(parameter.grad.device) == device
    return found


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [mlp, convolutions])
def test_the_loss_falls_as_on_cpu(device: str, make: Any, optimizer: str) -> None:
    want, got = losses("cpu", make, optimizer), losses(device, make, optimizer)
    assert np.allclose(got, want, rtol=1e-5, atol=0), f"expected {want}, got {got}"
    assert got[-1] < got[0]


def test_training_twice_gives_the_same_bits(device: str) -> None:
    assert losses(device, mlp, "Adam") == losses(device, mlp, "Adam")


def test_a_model_moves_with_its_state(device: str) -> None:
    tp.manual_seed(0)
    model = mlp()
    want = model(data("cpu")[0])
    moved = model.to(device)
    assert moved is model
    got = moved(data(device)[0])
    assert str(got.device) == device
    assert np.allclose(got.detach().cpu().numpy(), want.detach().numpy(), rtol=1e-5, atol=1e-6)
    other = mlp()
    other.load_state_dict(moved.state_dict())
    assert np.allclose(other(data("cpu")[0]).tolist(), want.tolist(), rtol=1e-5, atol=1e-6)


def test_a_model_refuses_inputs_of_another_device(device: str) -> None:
    if device == "cpu":
        return
    model = mlp().to(device)
    with pytest.raises(RuntimeError, match="cpu"):
        model(data("cpu")[0])

"""Averages of models against PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn
from tensorplug.optim import swa_utils

torch = pytest.importorskip("torch")


def _model(lib: Any) -> Any:
    model = lib.nn.Linear(2, 1, dtype=lib.float64)
    model.register_buffer("scale", lib.ones(2, dtype=lib.float64))
    model.register_buffer("count", lib.tensor(3))
    return model


def _averaged(lib: Any, case: str) -> Any:
    utils = lib.optim.swa_utils
    settings: dict[str, dict[str, Any]] = {
        "mean": {},
        "mean of buffers": {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
        "one by one": {"avg_fn": utils.get_swa_avg_fn()},
        "exponential": {"avg_fn": utils.get_ema_avg_fn(0.9)},
        "exponential of lists": {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.75)},
    }
    return utils.AveragedModel(_model(lib), **settings[case])


@pytest.mark.parametrize("case", [
    "mean", "mean of buffers", "one by one", "exponential", "exponential of lists",
])  # fmt: skip
def test_averages_equal_torch(case: str) -> None:
    results = []
    for lib in (tp, torch):
        model, averaged = _model(lib), _averaged(lib, case)
        for step in range(4):
            with lib.no_grad():
                model.weight.copy_(lib.tensor([[1.0 + step, 2.0**step]]))
                model.bias.fill_(step)
                model.scale.mul_(2)
                model.count += 1
            averaged.update_parameters(model)
        assert averaged.n_averaged.item() == 4
        x = lib.ones(1, 2, dtype=lib.float64)
        state = {key: value.tolist() for key, value in averaged.state_dict().items()}
        results.append((averaged(x).item(), state))
    assert list(results[0][1]) == list(results[1][1])
    assert results[0][0] == pytest.approx(results[1][0])
    for key, value in results[1][1].items():
        assert tp.tensor(results[0][1][key]).allclose(tp.tensor(value)), key


def test_buffers_can_be_averaged() -> None:
    model = _model(tp)
    model.count = model.count.double()
    averaged = swa_utils.AveragedModel(model, device="cpu", use_buffers=True)
    for value in (1.0, 2.0, 6.0):
        model.scale.fill_(value)
        averaged.update_parameters(model)
    assert averaged.module.scale.tolist() == [3.0, 3.0]


def test_statistics_are_computed_anew() -> None:
    results = []
    for lib in (tp, torch):
        model = lib.nn.Sequential(lib.nn.BatchNorm1d(2), lib.nn.InstanceNorm1d(2)).eval()
        data = [lib.full((3, 2, 2), value) * lib.arange(2.0) for value in (1.0, 2.0, 6.0)]
        lib.optim.swa_utils.update_bn([(x, None) for x in data], model, device="cpu")
        norm = model[0]
        assert norm.momentum == 0.1
        assert not model.training
        results.append([*norm.running_mean.tolist(), *norm.running_var.tolist()])
    assert results[0] == pytest.approx(results[1])
    plain = nn.Linear(1, 1)
    swa_utils.update_bn(iter(()), plain)  # nothing to do
    assert plain.training


def test_errors() -> None:
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match=r"expected decay from 0 to 1, got 1.5"):
            make(1.5)
    with pytest.raises(AssertionError, match="one of avg_fn and multi_avg_fn, got both"):
        swa_utils.AveragedModel(
            nn.Linear(1, 1),
            avg_fn=swa_utils.get_swa_avg_fn(),
            multi_avg_fn=swa_utils.get_swa_multi_avg_fn(),
        )

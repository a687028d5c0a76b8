"""The table of a model's layers: shapes, counts, bytes, and that the model is left as it was."""

from __future__ import annotations

from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn


class Two(nn.Module):
    """Two inputs, a tied weight, a buffer, a layer used twice and one never."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.again = self.second
        self.drop = nn.Dropout(0.5)
        self.unused = nn.Linear(2, 1)
        self.register_buffer("seen", tp.zeros(4, dtype=tp.int64))
        self.modes: list[bool] = []

    def forward(self, x: tp.Tensor, y: tp.Tensor, scale: float = 1.0) -> dict[str, Any]:
        self.modes.append(self.training)
        assert not tp.is_grad_enabled()
        hidden = self.second(self.first(self.drop(x)))
        return {"sum": self.second(hidden) + y, "parts": (hidden, scale)}


def _row(table: Any, name: str) -> Any:
    return next(row for row in table.rows if row.name == name)


def test_rows_and_totals() -> None:
    model = Two()
    model.unused.requires_grad_(False)
    table = tp.summary(model, [tp.ones(5, 3), (5, 3)], quiet=True)
    assert [row.name for row in table.rows] == ["", "first", "second", "drop", "unused"]
    top = table.rows[0]
    assert (top.kind, top.input_shape) == ("Two", ((5, 3), (5, 3)))
    assert top.output_shape == {"sum": (5, 3), "parts": ((5, 3), "float")}
    assert (top.parameters, top.bytes) == (0, 4 * 8)
    assert (_row(table, "first").parameters, _row(table, "second").parameters) == (9, 3)
    unused = _row(table, "unused")
    assert (unused.input_shape, unused.output_shape) == (None, None)
    assert (unused.parameters, unused.trainable) == (3, 0)
    assert (table.total_parameters, table.trainable_parameters) == (15, 12)
    assert table.total_parameters == sum(p.numel() for p in model.parameters())
    assert table.total_bytes == 15 * 4 + 32
    assert repr(table) == "<ModelSummary: 5 modules, 15 parameters>"


def test_the_model_is_left_as_it_was() -> None:
    model = Two().train()
    model.second.eval()
    model.first.register_forward_hook(lambda *_: None)
    state = tp.get_rng_state()
    tp.summary(model, {"x": (2, 3), "y": tp.ones(3), "scale": tp.ones(())}, quiet=True)
    assert model.modes == [False]
    assert [model.training, model.first.training, model.second.training] == [True, True, False]
    counts = [len(module._forward_hooks) for module in model.modules()]
    assert counts == [0, 1, 0, 0, 0]
    assert (tp.get_rng_state() == state).all()
    with pytest.raises(RuntimeError):
        tp.summary(model, [(2, 4), (2, 3)], quiet=True)
    assert model.training
    assert sum(len(module._forward_hooks) for module in model.modules()) == 1


def test_type_and_device_of_a_shape() -> None:
    model = nn.Linear(3, 2, device="strict:0", dtype=tp.float64)
    table = tp.summary(model, (4, 3), quiet=True)
    assert (table.rows[0].output_shape, table.total_bytes) == ((4, 2), 64)
    assert tp.summary(nn.Flatten(), (4, 3, 2), quiet=True).rows[0].output_shape == (4, 6)


class Lazy(nn.Module):
    """A layer that makes its weight when it sees the first input."""

    def forward(self, x: tp.Tensor) -> tp.Tensor:
        if not hasattr(self, "weight"):
            self.weight = nn.Parameter(tp.zeros(2, x.shape[-1]))
        return x @ self.weight.T


def test_lazy_layers_are_counted_after_the_call() -> None:
    table = tp.summary(nn.Sequential(Lazy()), tp.ones(4, 3), quiet=True)
    assert (table.total_parameters, table.rows[1].output_shape) == (6, (4, 2))


def test_without_input(capsys: pytest.CaptureFixture[str]) -> None:
    table = tp.summary(nn.Sequential(nn.Linear(1000, 2), nn.ReLU()))
    assert table.rows[1].input_shape is None
    printed = capsys.readouterr().out
    assert printed == f"{table}\n"
    assert "parameters 2,002 (trainable 2,002, frozen 0), 7.82 KiB with buffers" in printed


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 2)), nn.ReLU())
    model[0][0].bias.requires_grad_(False)
    tp.summary(model, (4, 3))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["layer", "class", "input", "output", "parameters", "trainable"]
    assert lines[4].split() == ["0", "Linear", "(4,", "3)", "(4,", "2)", "8", "6"]
    assert lines[5].split() == ["1", "ReLU", "(4,", "2)", "(4,", "2)", "-", "-"]
    assert lines[4].startswith(" " * 5 + "0 ")  # below the inner container


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="summary: expected a Module, got int"):
        tp.summary(3)
    with pytest.raises(TypeError, match=r"a shape \(a tuple of ints\), .* got float"):
        tp.summary(nn.ReLU(), 3.5)

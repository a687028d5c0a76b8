"""The examples are PyTorch programs: with its import lines they give the same loss curves."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tensorplug as tp

FOLDER = Path(__file__).resolve().parents[2] / "examples"


def _program(name: str, library: str) -> ModuleType:
    """An example as a module, whose import lines name ``library``."""
    lines = (FOLDER / f"{name}.py").read_text("utf-8").splitlines(keepends=True)
    lines = [
        line.replace("tensorplug", library) if line.startswith(("import ", "from ")) else line
        for line in lines
    ]
    module = ModuleType(f"{name}_on_{library}")
    exec(compile("".join(lines), f"{name}.py", "exec"), module.__dict__)
    return module


@pytest.fixture(autouse=True)
def _script_folder(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    yield
    sys.modules.pop("example_data", None)


def _both(name: str, make: Any, batches: Any, train: Any) -> tuple[list[float], list[float]]:
    """The loss curves here and with PyTorch, from the same weights and batches."""
    torch = pytest.importorskip("torch")
    tp.manual_seed(1)
    here, there = _program(name, "tensorplug"), _program(name, "torch")
    ours, theirs = make(here), make(there)
    theirs.load_state_dict(
        {key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()}
    )
    arrays = batches(np.random.default_rng(0))
    return (
        train(here, ours, [[tp.tensor(part) for part in batch] for batch in arrays]),
        train(there, theirs, [[torch.tensor(part) for part in batch] for batch in arrays]),
    )


def test_autoencoder() -> None:
    ours, theirs = _both(
        "autoencoder",
        lambda program: program.Autoencoder(),
        lambda rng: [[rng.random((16, 784), np.float32)] for _ in range(10)],
        lambda program, model, batches: program.train(model, batches, batches[:2], 4, "cpu"),
    )
    assert len(ours[0]) == 40
    assert ours[0] == pytest.approx(theirs[0], rel=1e-4)
    assert ours[1] == pytest.approx(theirs[1], rel=1e-4)  # of validation
    assert ours[0][-1] < 0.5 * ours[0][0]


def test_cnn() -> None:
    def make(program: ModuleType) -> Any:
        model = program.Net()
        model.dropout.p = 0.0  # the libraries draw other random numbers
        return model

    def batches(rng: np.random.Generator) -> Any:
        labels = [rng.integers(0, 10, 32) for _ in range(10)]
        noise = rng.random((10, 32, 1, 8, 8), np.float32)
        return [
            [x + y.reshape(-1, 1, 1, 1) / 10, y] for x, y in zip(noise.copy(), labels, strict=True)
        ]

    ours, theirs = _both(
        "cnn",
        make,
        lambda rng: [[x.astype(np.float32), y] for x, y in batches(rng)],
        lambda program, model, data: program.train(model, data, 3, "cpu"),
    )
    assert len(ours) == 30
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert ours[-1] < ours[0]


def test_gpt() -> None:
    def batches(rng: np.random.Generator) -> Any:
        rows = (np.arange(17) + rng.integers(0, 20, (30, 8, 1))) % 20
        return [[row[:, :-1], row[:, 1:]] for row in rows]

    ours, theirs = _both(
        "gpt",
        lambda program: program.GPT(20, 16, width=32),
        batches,
        lambda program, model, data: program.train(model, data, "cpu"),
    )
    assert len(ours) == 30
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert ours[-1] < 0.5 * ours[0]


def test_char_lstm() -> None:
    ours, theirs = _both(
        "char_lstm",
        lambda program: program.CharLSTM(12, 24),
        lambda rng: [[np.tile(rng.permutation(12), (4, 20))]],
        lambda program, model, data: program.train(model, data[0][0], 30, 12, "cpu"),
    )
    assert len(ours) == 30
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert ours[-1] < 0.5 * ours[0]

"""The trainer's callbacks and loggers."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn, trainer
from tensorplug.trainer import CSVLogger, EarlyStopping, ModelCheckpoint, ProgressBar, Steps


def _line(lr: float = 0.1) -> Steps:
    """Learns ``y = 2 x + 1``."""
    linear = nn.Linear(1, 1)

    def error(module: nn.Module, batch: Any) -> Any:
        return nn.functional.mse_loss(module(batch[0]), batch[1])

    return Steps(linear, error, tp.optim.SGD(linear.parameters(), lr=lr), error)


def _data() -> list[tuple[tp.Tensor, tp.Tensor]]:
    return [(x, 2 * x + 1) for x in tp.linspace(-1, 1, 12).reshape(3, 4, 1)]


# --- callbacks ------------------------------------------------------------------------------------


def _epochs_with_losses(losses: list[float], *callbacks: Any, **settings: Any) -> tp.Trainer:
    """A training whose validation loss is given for each epoch."""
    values = iter(losses)
    linear = nn.Linear(1, 1)
    steps = Steps(
        linear,
        lambda module, batch: module(batch).sum(),
        tp.optim.SGD(linear.parameters(), lr=0.1),
        validation_step=lambda module, batch: next(values),
    )
    run = tp.Trainer(max_epochs=len(losses), callbacks=callbacks, **settings)
    run.fit(steps, [tp.ones(1, 1)], [tp.ones(1, 1)])
    return run


@pytest.mark.parametrize(
    ("losses", "settings", "epochs"),
    [
        ([5, 4, 3, 2, 1], {}, 5),
        ([5, 4, 4, 4, 1], {"patience": 2}, 4),
        ([5, 4.9, 4.8, 4.7, 1], {"patience": 2, "min_delta": 0.5}, 3),
        ([1, 2, 1, 0, 3], {"patience": 2, "mode": "max"}, 4),
        ([math.nan, 2, math.nan, math.nan, 1], {"patience": 2}, 4),
    ],
)
def test_early_stopping(losses: list[float], settings: dict[str, Any], epochs: int) -> None:
    stop = EarlyStopping("val_loss", **settings)
    run = _epochs_with_losses(losses, stop)
    assert run.epoch == epochs
    assert stop.stopped_epoch == (None if epochs == 5 else epochs)
    again = EarlyStopping("val_loss")
    again.load_state_dict(stop.state_dict())
    assert (again.wait_count, again.stopped_epoch) == (stop.wait_count, stop.stopped_epoch)


def test_best_checkpoints_are_kept(tmp_path: Path) -> None:
    keep = ModelCheckpoint(
        tmp_path / "new", "{epoch}-{val_loss:.1f}", monitor="val_loss", save_top_k=2, save_last=True
    )
    assert keep.newest() is None
    assert keep.best_model_path is None
    assert keep.best_model_score is None
    run = _epochs_with_losses([3, 1, 4, 2, 5], keep)
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["2-1.0.ckpt", "4-2.0.ckpt", "last.ckpt"]
    assert keep.best_model_path == tmp_path / "new" / "2-1.0.ckpt"
    assert keep.best_model_score == 1
    assert keep.newest() == tmp_path / "new" / "last.ckpt"
    assert tp.load(keep.newest())["progress"]["epoch"] == run.epoch == 5


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["epoch=3-step=9"]),
        ({"save_top_k": -1, "every_n_epochs": 2}, ["epoch=2-step=6"]),
        ({"save_top_k": 2, "every_n_train_steps": 2}, ["epoch=2-step=8", "epoch=1-step=6"]),
        ({"save_top_k": 0}, []),
        ({"save_top_k": 0, "every_n_train_steps": 4, "save_last": True}, ["last"]),
        ({"filename": "same", "save_top_k": 2}, ["same"]),
    ],
)
def test_when_checkpoints_are_saved(
    tmp_path: Path, settings: dict[str, Any], names: list[str]
) -> None:
    keep = ModelCheckpoint(tmp_path, **settings)
    tp.Trainer(max_epochs=3, callbacks=[keep]).fit(_line(), _data())
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(names)
    if names == ["last"]:
        assert tp.load(tmp_path / "last.ckpt")["progress"]["step"] == 9


def test_learning_rates_are_logged(tmp_path: Path) -> None:
    monitor = trainer.LearningRateMonitor()
    run = tp.Trainer(max_epochs=1, callbacks=[monitor])
    run.fit(_line(lr=0.5), _data())
    assert run.metrics["lr"] == 0.5
    a, b = nn.Parameter(tp.ones(1)), nn.Parameter(tp.ones(1))
    groups = [{"params": [a], "lr": 0.25}, {"params": [b], "lr": 0.75}]
    module = nn.ParameterList([a, b])
    steps = Steps(module, lambda m, _: (m[0] * m[1]).sum(), tp.optim.SGD(groups, lr=1.0))
    run.fit(steps, [0])
    assert (run.metrics["lr-0"], run.metrics["lr-1"]) == (0.25, 0.75)


def test_progress_bar() -> None:
    from rich.console import Console

    out = io.StringIO()
    bar = ProgressBar(["val_loss"], Console(file=out, width=100, force_terminal=True))
    _epochs_with_losses([3, 1.5], bar)
    assert "epoch 1  val_loss 3\n" in out.getvalue()
    assert "epoch 2  val_loss 1.5\n" in out.getvalue()
    assert "1/1" in out.getvalue()

    def stop(module: nn.Module, batch: Any) -> Any:
        raise KeyboardInterrupt

    steps = Steps(nn.Linear(1, 1), stop, lambda m: tp.optim.SGD(m.parameters(), lr=0.1))
    with pytest.raises(KeyboardInterrupt):
        tp.Trainer(max_epochs=1, callbacks=[bar]).fit(steps, _data())
    assert bar._progress is None


# --- loggers --------------------------------------------------------------------------------------


def test_csv_rows(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path / "logs" / "metrics.csv")
    run = tp.Trainer(max_epochs=2, logger=logger, log_every_n_steps=2)
    run.fit(_line(), _data(), _data())
    rows = logger.read()
    assert [(row["step"], row["epoch"]) for row in rows] == [
        ("2", "0"), ("3", "0"), ("4", "1"), ("6", "1"), ("6", "1"),
    ]  # fmt: skip
    assert float(rows[-1]["val_loss"]) == run.metrics["val_loss"]
    assert rows[0]["val_loss"] == ""
    again = CSVLogger(logger.path)
    again.load_state_dict({"rows": 3})
    assert again.read() == rows[:3]
    again.log({"train_loss": 1.0}, 9, 9)
    assert len(again.read()) == 4
    fresh = CSVLogger(tmp_path / "fresh.csv")
    fresh.load_state_dict({"rows": 3})
    assert fresh.read() == []


def test_summary_writer_as_logger(tmp_path: Path) -> None:
    writer = tp.utils.tensorboard.SummaryWriter(tmp_path)
    run = tp.Trainer(max_epochs=1, logger=[writer, CSVLogger(tmp_path / "metrics.csv")])
    run.fit(_line(), _data(), _data())
    writer.close()
    (file,) = tmp_path.glob("events.out.*")
    content = file.read_bytes()
    assert content.count(b"train_loss") == 4  # three steps, and the mean
    assert b"val_loss" in content
    run.save_checkpoint(tmp_path / "now.ckpt")
    run.fit(_line(), _data(), ckpt_path=tmp_path / "now.ckpt")
    assert run.step == 3  # everything had been done

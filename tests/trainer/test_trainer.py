"""The trainer's loops, callbacks, loggers and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tensorplug as tp
from tensorplug import nn, trainer
from tensorplug.trainer import EarlyStopping, ModelCheckpoint, Steps
from tensorplug.utils.data import DataLoader, TensorDataset


class Line(nn.Module):
    """Learns ``y = 2 x + 1``."""

    def __init__(self, lr: float = 0.1, **more: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.lr, self.more = lr, more
        self.modes: list[bool] = []

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.modes.append(self.training)
        return nn.functional.mse_loss(self.layer(batch[0]), batch[1])

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        assert not tp.is_grad_enabled()
        self.modes.append(self.training)
        error = self.layer(batch[0]) - batch[1]
        return {"loss": (error**2).mean(), "val_worst": error.abs().max().item()}

    def predict_step(self, batch: Any, batch_idx: int) -> Any:
        assert not tp.is_grad_enabled()
        return batch_idx, self.layer(batch[0])

    def configure_optimizers(self) -> Any:
        optimizer = tp.optim.SGD(self.parameters(), lr=self.lr)
        scheduler = self.more.get("scheduler")
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {**self.more, "scheduler": scheduler}}


def _data(size: int = 12, batch: int = 4, **options: Any) -> DataLoader:
    x = tp.linspace(-1, 1, size).reshape(-1, 1)
    return DataLoader(TensorDataset(x, 2 * x + 1), batch_size=batch, **options)


class Recorder(trainer.Callback):
    """Writes down what was called, and where."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int, int]] = []

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("on_"):
            return super().__getattribute__(name)
        return lambda t, *_: self.calls.append((name[3:], t.epoch, t.batch, t.step))


def test_a_loop_by_hand_gives_the_same() -> None:
    tp.manual_seed(0)
    model = Line()
    by_hand = nn.Linear(1, 1)
    by_hand.load_state_dict(model.layer.state_dict())
    optimizer = tp.optim.SGD(by_hand.parameters(), lr=0.1)
    for _ in range(3):
        for x, y in _data():
            optimizer.zero_grad()
            nn.functional.mse_loss(by_hand(x), y).backward()
            optimizer.step()
    run = tp.Trainer(max_epochs=3)
    run.fit(model, _data())
    assert (run.epoch, run.step, run.batches) == (3, 9, 3)
    assert model.layer.weight.item() == by_hand.weight.item()
    assert model.layer.weight.grad is None
    assert run.model is model


def test_order_of_calls() -> None:
    recorder = Recorder()
    run = tp.Trainer(max_epochs=1, callbacks=[recorder], accumulate_grad_batches=2)
    run.fit(Line(), _data(), _data())
    assert recorder.calls == [
        ("fit_start", 0, 0, 0),
        ("train_epoch_start", 0, 0, 0),
        ("train_batch_end", 0, 1, 0),
        ("train_batch_end", 0, 2, 0),
        ("log", 0, 2, 1),
        ("train_step_end", 0, 2, 1),
        ("train_batch_end", 0, 3, 1),
        ("log", 0, 3, 2),  # what was left over
        ("train_step_end", 0, 3, 2),
        ("log", 0, 3, 2),  # means of the epoch, and validation
        ("train_epoch_end", 1, 0, 2),
        ("fit_end", 1, 0, 2),
    ]


def test_means_are_weighted_by_batch_size() -> None:
    model, loader = Line(lr=0.0), _data(size=10)
    run = tp.Trainer(max_epochs=1)
    run.fit(model, loader, loader)
    x, y = loader.dataset.tensors
    error = (model.layer(x) - y).detach()
    assert run.metrics["train_loss_epoch"] == pytest.approx((error**2).mean().item(), rel=1e-6)
    assert run.metrics["val_loss"] == pytest.approx(run.metrics["train_loss_epoch"], rel=1e-6)
    worst = [error[at : at + 4].abs().max().item() for at in (0, 4, 8)]
    assert run.metrics["val_worst"] == pytest.approx(
        (4 * worst[0] + 4 * worst[1] + 2 * worst[2]) / 10
    )
    assert run.metrics["train_loss"] == pytest.approx((error[8:] ** 2).mean().item(), rel=1e-6)


def test_modes_are_those_that_the_user_set() -> None:
    model = Line()
    model.layer.eval()
    tp.Trainer(max_epochs=1).fit(model, _data(), _data())
    assert model.modes == [True] * 3 + [False] * 3
    assert (model.training, model.layer.training) == (True, False)


def test_accumulation_is_one_large_batch() -> None:
    tp.manual_seed(0)
    one, many = Line(), Line()
    many.load_state_dict(one.state_dict())
    tp.Trainer(max_epochs=2).fit(one, _data(batch=12))
    tp.Trainer(max_epochs=2, accumulate_grad_batches=3).fit(many, _data(batch=4))
    assert many.layer.weight.item() == pytest.approx(one.layer.weight.item(), rel=1e-6)


def test_max_steps_and_limits() -> None:
    run = tp.Trainer(max_steps=5, limit_train_batches=2, limit_val_batches=1)
    model = Line()
    run.fit(model, _data(), _data())
    assert (run.step, run.epoch, run.batch, run.batches) == (5, 2, 1, 2)
    assert model.modes.count(False) == 2
    run = tp.Trainer(max_steps=3, max_epochs=9)
    run.fit(Line(), iter(list(_data())))  # a plain iterator has no length
    assert (run.step, run.epoch, run.batch, run.batches) == (3, 0, 3, None)
    run = tp.Trainer(max_steps=3)
    run.fit(Line(), _data())  # just the end of an epoch
    assert (run.step, run.epoch, run.batch) == (3, 1, 0)


class Pair(NamedTuple):
    """A batch of a class of its own."""

    x: tp.Tensor
    more: dict[str, Any]


def test_batches_and_model_are_moved() -> None:
    seen: list[Any] = []

    def step(module: nn.Module, batch: Any) -> Any:
        seen.append((batch.x.device, batch.more["y"][0].device, module.weight.device))
        assert batch.more["name"] == "a"
        return nn.functional.mse_loss(module(batch.x), batch.more["y"][0])

    steps = Steps(nn.Linear(1, 1), step, lambda m: tp.optim.SGD(m.parameters(), lr=0.1))
    run = tp.Trainer(max_epochs=1, device="strict:0")
    run.fit(steps, [Pair(tp.ones(2, 1), {"y": [tp.ones(2, 1)], "name": "a"})])
    assert [str(device) for device in seen[0]] == ["strict:0"] * 3


def test_validate_and_predict() -> None:
    model = Line()
    run = tp.Trainer(max_epochs=30)
    run.fit(model, _data())
    assert run.validate(model, _data())["val_loss"] == run.metrics["val_loss"] < 0.01
    found = run.predict(model, _data())
    assert [index for index, _ in found] == [0, 1, 2]
    assert found[2][1].shape == (4, 1)
    plain = run.predict(nn.Identity(), [tp.ones(2), tp.zeros(2)])
    assert plain[0].tolist() == [1, 1]
    named = Steps(nn.Identity(), predict_step=lambda module, batch: batch * 2)
    assert run.predict(named, [tp.ones(1)])[0].tolist() == [2]
    assert run.predict(Steps(nn.Identity()), [tp.ones(1)])[0].tolist() == [1]
    assert model.training


# --- optimizers and schedulers --------------------------------------------------------------------


class Schedule:
    """Counts its steps."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def step(self, *metric: float) -> None:
        self.told.append(metric)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [(), ()]),
        ({"interval": "step"}, [()] * 6),
        ({"monitor": "val_worst"}, 2),
    ],
)
def test_schedules(settings: dict[str, Any], expected: Any) -> None:
    schedule = Schedule()
    run = tp.Trainer(max_epochs=2)
    run.fit(Line(scheduler=schedule, **settings), _data(), _data())
    assert run.scheduler is schedule
    if isinstance(expected, list):
        assert schedule.told == expected
    else:
        assert len(schedule.told) == expected
        assert schedule.told[-1] == (run.metrics["val_worst"],)


def test_forms_of_configure_optimizers() -> None:
    linear, schedule = nn.Linear(1, 1), Schedule()
    optimizer = tp.optim.SGD(linear.parameters(), lr=0.1)

    def fit(given: Any) -> tp.Trainer:
        def step(module: nn.Module, batch: Any) -> tp.Tensor:
            return module(batch).sum()

        run = tp.Trainer(max_epochs=1)
        run.fit(Steps(linear, step, given), [tp.ones(1, 1)])
        return run

    assert fit(optimizer).optimizer is optimizer
    assert fit((optimizer, schedule)).scheduler is schedule
    assert fit(([optimizer], [schedule])).scheduler is schedule
    assert fit({"optimizer": optimizer, "lr_scheduler": schedule}).scheduler is schedule
    assert len(schedule.told) == 3
    with pytest.raises(TypeError, match=r"\(optimizer, scheduler\) or .*, got NoneType"):
        fit(None)
    with pytest.raises(TypeError, match="interval to be 'epoch' or 'step', got 'day'"):
        fit({"optimizer": optimizer, "lr_scheduler": {"interval": "day"}})
    with pytest.raises(KeyError, match=r"metric 'val_loss' for the scheduler, got only: train_"):
        fit(
            {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}
        )


# --- resuming -------------------------------------------------------------------------------------


def test_resume_takes_everything_back(tmp_path: Path) -> None:
    def run(epochs: int, path: Path | None) -> tuple[tp.Trainer, Line]:
        model = Line()
        found = tp.Trainer(max_epochs=epochs, callbacks=[EarlyStopping("val_loss", patience=50)])
        found.fit(model, _data(shuffle=True), _data(), ckpt_path=path)
        return found, model

    tp.manual_seed(0)
    start = tp.get_rng_state()
    whole, expected = run(4, None)
    tp.set_rng_state(start)
    half, _ = run(2, None)
    half.save_checkpoint(tmp_path / "deeper" / "half.ckpt")
    tp.manual_seed(5)
    rest, model = run(4, tmp_path / "deeper" / "half.ckpt")
    assert (rest.step, rest.epoch) == (12, 4)
    assert rest.metrics == whole.metrics
    assert model.layer.weight.item() == expected.layer.weight.item()
    assert rest.callbacks[0].best_score == whole.callbacks[0].best_score


def test_what_cannot_be_resumed(tmp_path: Path) -> None:
    run = tp.Trainer(max_epochs=1)
    run.fit(Line(), _data())
    run.save_checkpoint(tmp_path / "a.ckpt")
    tp.save({"weight": tp.ones(1)}, tmp_path / "b.ckpt")
    with pytest.raises(ValueError, match=r"a checkpoint of a Trainer, got '.*b\.ckpt'"):
        run.fit(Line(), _data(), ckpt_path=tmp_path / "b.ckpt")
    other = tp.Trainer(max_epochs=1, callbacks=[trainer.Callback()])
    with pytest.raises(ValueError, match=r"expected a checkpoint with 1 callbacks, got 0 in "):
        other.fit(Line(), _data(), ckpt_path=tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="expected a ModelCheckpoint among the callbacks"):
        other.fit(Line(), _data(), ckpt_path="last")


# --- wrong use ------------------------------------------------------------------------------------


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match="'norm' or 'value', got 'mean'"):
        tp.Trainer(gradient_clip_algorithm="mean")
    with pytest.raises(ValueError, match="accumulate_grad_batches of at least 1, got 0"):
        tp.Trainer(accumulate_grad_batches=0)
    with pytest.raises(ValueError, match="expected max_epochs or max_steps, got neither"):
        tp.Trainer().fit(Line(), _data())
    with pytest.raises(TypeError, match="a SummaryWriter or a list of these, got str"):
        tp.Trainer(logger="metrics.csv")
    with pytest.raises(ValueError, match="EarlyStopping: expected mode 'min' or 'max', got 'up'"):
        EarlyStopping("val_loss", mode="up")
    with pytest.raises(ValueError, match="ModelCheckpoint: expected mode 'min' or 'max'"):
        ModelCheckpoint("x", mode="up")


def test_wrong_models() -> None:
    run = tp.Trainer(max_epochs=1)
    with pytest.raises(TypeError, match=r"Steps around one, got int"):
        run.fit(3, _data())
    with pytest.raises(TypeError, match=r"Steps around one, got str"):
        run.fit(Steps("x"), _data())
    with pytest.raises(TypeError, match="expected Linear to have a method configure_optimizers"):
        run.fit(nn.Linear(1, 1), _data())
    with pytest.raises(TypeError, match="expected Linear to have a method validation_step"):
        run.validate(Steps(nn.Linear(1, 1)), _data())
    with pytest.raises(ValueError, match="at least one batch to validate with"):
        run.validate(Line(), [])
    with pytest.raises(ValueError, match="at least one batch to train on"):
        run.fit(Line(), [])
    with pytest.raises(KeyError, match="EarlyStopping: expected a metric 'x', got only: train_"):
        tp.Trainer(max_epochs=1, callbacks=[EarlyStopping("x")]).fit(Line(), _data())


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (3.0, r"a loss or a dict with 'loss', got 3\.0"),
        ({"error": tp.ones(())}, r"a loss or a dict with 'loss', got a dict with \['error'\]"),
        ({"loss": tp.ones(()), "all": tp.ones(3)}, r"one element, got Tensor of shape \(3,\) for"),
        ({"loss": tp.ones(()), "name": "a"}, "one element, got str for 'name'"),
    ],
)
def test_wrong_results_of_a_step(found: Any, message: str) -> None:
    steps = Steps(
        nn.Linear(1, 1), lambda module, batch: found, lambda m: tp.optim.SGD(m.parameters(), lr=0.1)
    )
    with pytest.raises(TypeError, match=message):
        tp.Trainer(max_epochs=1).fit(steps, _data())


def test_random_states_of_all_devices() -> None:
    tp.manual_seed(3)
    tp.rand(2, device="strict:1")
    states = tp.random.get_rng_state_all()
    expected = [tp.rand(2, device=device).tolist() for device in ("cpu", "strict:1")]
    tp.manual_seed(4)
    tp.random.set_rng_state_all(states)
    assert [tp.rand(2, device=device).tolist() for device in ("cpu", "strict:1")] == expected


@pytest.mark.parametrize(("algorithm", "clipped"), [("norm", [0.3, 0.4]), ("value", [0.5, 0.5])])
def test_clipping(algorithm: str, clipped: list[float]) -> None:
    module = nn.ParameterList([nn.Parameter(tp.zeros(2))])
    steps = Steps(
        module,
        lambda m, batch: (m[0] * batch).sum(),  # its gradient is the batch
        tp.optim.SGD(module.parameters(), lr=1.0),
    )
    tp.Trainer(max_epochs=1, gradient_clip_val=0.5, gradient_clip_algorithm=algorithm).fit(
        steps, [tp.tensor([3.0, 4.0])]
    )
    assert (-module[0]).tolist() == pytest.approx(clipped, rel=1e-5)

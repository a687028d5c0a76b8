"""What runs at set points of a training: the base class, early stopping, learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._trainer import Trainer

__all__ = ["Callback", "EarlyStopping", "LearningRateMonitor", "better", "monitored"]


class Callback:
    """Override what you need; every method does nothing here.

    The trainer tells where it is: ``trainer.epoch``, ``trainer.step``, ``trainer.metrics``.
    """

    def on_fit_start(self, trainer: Trainer) -> None:
        """Everything is ready, a checkpoint loaded."""

    def on_train_epoch_start(self, trainer: Trainer) -> None:
        """Before the first batch of an epoch."""

    def on_train_batch_end(self, trainer: Trainer) -> None:
        """After every batch."""

    def on_log(self, trainer: Trainer, row: dict[str, float]) -> None:
        """Before metrics are written to the loggers; more may be put into ``row``."""

    def on_train_step_end(self, trainer: Trainer) -> None:
        """After every step of the optimizer, which may take several batches."""

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        """After an epoch and its validation, when ``trainer.epoch`` counts it as done."""

    def on_exception(self, trainer: Trainer, exception: BaseException) -> None:
        """The training ends with an exception, KeyboardInterrupt for example."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """The training has ended as planned."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep of this callback."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take back :meth:`state_dict`."""


def monitored(who: str, monitor: str, trainer: Trainer) -> float:
    """The metric that a callback looks at.

    Raises:
        KeyError: there is none of that name.
    """
    if monitor not in trainer.metrics:
        have = ", ".join(sorted(trainer.metrics)) or "none"
        raise KeyError(f"{who}: expected a metric {monitor!r}, got only: {have}")
    return trainer.metrics[monitor]


def better(mode: str, score: float, other: float, margin: float = 0.0) -> bool:
    """Whether a score beats another by more than ``margin``; nan never does."""
    if math.isnan(other):
        return not math.isnan(score)
    return score < other - margin if mode == "min" else score > other + margin


def check_mode(who: str, mode: str) -> str:
    """The mode, which must be "min" or "max"."""
    if mode not in ("min", "max"):
        raise ValueError(f"{who}: expected mode 'min' or 'max', got {mode!r}")
    return mode


class EarlyStopping(Callback):
    """Ends the training when a metric no longer gets better.

    Args:
        monitor: the metric, for example "val_loss".
        min_delta: a change counts as better only beyond this.
        patience: so many epochs without a better value end the training.
        mode: whether "min" or "max" is better.

    Example:
        >>> stop = tp.trainer.EarlyStopping("val_loss", patience=2)
        >>> trainer = tp.Trainer(max_epochs=100, callbacks=[stop])
    """

    def __init__(
        self, monitor: str, min_delta: float = 0.0, patience: int = 3, mode: str = "min"
    ) -> None:
        self.monitor, self.min_delta, self.patience = monitor, min_delta, patience
        self.mode = check_mode("EarlyStopping", mode)
        self.best_score = math.nan
        self.wait_count = 0
        self.stopped_epoch: int | None = None

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        score = monitored("EarlyStopping", self.monitor, trainer)
        if better(self.mode, score, self.best_score, abs(self.min_delta)):
            self.best_score, self.wait_count = score, 0
            return
        self.wait_count += 1
        if self.wait_count >= self.patience:
            trainer.should_stop = True
            self.stopped_epoch = trainer.epoch

    def state_dict(self) -> dict[str, Any]:
        return {
            "best_score": self.best_score,
            "wait_count": self.wait_count,
            "stopped_epoch": self.stopped_epoch,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.best_score = state_dict["best_score"]
        self.wait_count = state_dict["wait_count"]
        self.stopped_epoch = state_dict["stopped_epoch"]


class LearningRateMonitor(Callback):
    """Logs the learning rate of each step: ``lr``, or ``lr-0``, ``lr-1``, ... of several groups."""

    def on_log(self, trainer: Trainer, row: dict[str, float]) -> None:
        groups = trainer.optimizer.param_groups
        for number, group in enumerate(groups):
            name = "lr" if len(groups) == 1 else f"lr-{number}"
            row[name] = float(group["lr"])

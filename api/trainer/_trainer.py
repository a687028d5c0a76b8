"""The training loop."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorplug as tp

from . import _random, _state
from ._callbacks import Callback
from ._checkpoint import ModelCheckpoint
from ._loggers import loggers_of
from ._meter import Meter
from ._steps import Optimization, Steps, count, loss_of, moved, optimization, steps_of

__all__ = ["Trainer"]


class Trainer:
    """Trains, validates and predicts: the loops around a model's steps.

    A checkpoint holds everything that a run depends on: model, optimizer, scheduler, callbacks,
    generators of random numbers and the place in the data. A run that was killed and goes on
    from its last checkpoint gives the same numbers as one that was not.

    Args:
        max_epochs: how often to go through the training data.
        max_steps: how many steps of the optimizer to take at most.
        device: where the model and the batches are moved to.
        callbacks: what else runs, see :class:`Callback`; those that save checkpoints run last.
        logger: a :class:`CSVLogger`, a ``SummaryWriter``, or a list of these.
        accumulate_grad_batches: a step of the optimizer takes the mean gradient of so many batches.
        gradient_clip_val: clip gradients to this; no clipping when None.
        gradient_clip_algorithm: "norm" of all gradients together, or "value" of each element.
        check_val_every_n_epoch: validate after so many epochs.
        log_every_n_steps: write metrics after so many steps; each time waits for the device.
        limit_train_batches, limit_val_batches: use only so many batches of each pass.

    Attributes:
        epoch: epochs done.
        batch: batches done in the current epoch; 0 between epochs.
        batches: batches in an epoch, None where the loader does not say.
        step: steps of the optimizer done.
        metrics: the latest value of every metric. What a training step returns is called
            "train_loss" and so on, its mean over an epoch "train_loss_epoch", and that of
            validation "val_loss"; names that start so already are kept.
        should_stop: a callback may set it; the training then ends after the epoch.
        optimizer, scheduler: from ``configure_optimizers``.

    Example:
        >>> class Line(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer = nn.Linear(1, 1)
        ...     def training_step(self, batch, batch_idx):
        ...         x, y = batch
        ...         return F.mse_loss(self.layer(x), y)
        ...     def configure_optimizers(self):
        ...         return tp.optim.SGD(self.parameters(), lr=0.1)
        >>> x = tp.rand(32, 1)
        >>> data = tp.utils.data.TensorDataset(x, 2 * x + 1)
        >>> trainer = tp.Trainer(max_epochs=100)
        >>> trainer.fit(Line(), tp.utils.data.DataLoader(data, batch_size=8, shuffle=True))
        >>> trainer.step, trainer.metrics["train_loss"] < 0.01
        (400, True)
    """

    _steps: Steps
    _optimization: Optimization

    def __init__(
        self,
        *,
        max_epochs: int | None = None,
        max_steps: int | None = None,
        device: Any = "cpu",
        callbacks: Iterable[Callback] = (),
        logger: Any = None,
        accumulate_grad_batches: int = 1,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str = "norm",
        check_val_every_n_epoch: int = 1,
        log_every_n_steps: int = 1,
        limit_train_batches: int | None = None,
        limit_val_batches: int | None = None,
    ) -> None:
        _check(accumulate_grad_batches, gradient_clip_algorithm)
        self.max_epochs, self.max_steps = max_epochs, max_steps
        self.device = tp.device(device)
        # Stable: others keep their order. A checkpoint must see what they came to.
        self.callbacks = sorted(callbacks, key=lambda c: isinstance(c, ModelCheckpoint))
        self.loggers = loggers_of(logger)
        self.accumulate_grad_batches = accumulate_grad_batches
        self.gradient_clip_val = gradient_clip_val
        self.gradient_clip_algorithm = gradient_clip_algorithm
        self.check_val_every_n_epoch = check_val_every_n_epoch
        self.log_every_n_steps = log_every_n_steps
        self.limit_train_batches, self.limit_val_batches = limit_train_batches, limit_val_batches
        self.epoch = self.batch = self.step = 0
        self.batches: int | None = None
        self.metrics: dict[str, float] = {}
        self.should_stop = False
        self.loaders: list[Any] = []
        self.epoch_start: dict[str, Any] = {}
        self.epoch_meter, self._step_meter = Meter(), Meter()

    @property
    def model(self) -> Any:
        """The module that is trained."""
        return self._steps.module

    @property
    def optimizer(self) -> Any:
        """The optimizer, from ``configure_optimizers``."""
        return self._optimization.optimizer

    @property
    def scheduler(self) -> Any:
        """The scheduler of the learning rate, or None."""
        return self._optimization.scheduler

    # --- fit ------------------------------------------------------------------------------------
    def fit(
        self,
        model: Any,
        train_dataloaders: Any,
        val_dataloaders: Any = None,
        *,
        ckpt_path: str | os.PathLike[str] | None = None,
    ) -> None:
        """Train until ``max_epochs`` or ``max_steps`` is reached, or a callback stops it.

        Args:
            model: a Module with ``training_step(batch, batch_idx)``, which returns the loss or a
                dict with "loss" and more to log; ``configure_optimizers()``, which returns an
                optimizer, ``(optimizer, scheduler)`` or a dict with "optimizer" and
                "lr_scheduler" (a scheduler, or a dict with "scheduler", "interval" "epoch" or
                "step", and "monitor"); and maybe ``validation_step`` and ``predict_step``. Or
                :class:`Steps`, a module with plain functions. Its parts keep their train or eval
                mode; only validation changes it, for a while.
            train_dataloaders: an iterable of batches, mostly a DataLoader.
            val_dataloaders: the same for validation.
            ckpt_path: a checkpoint to go on from; "last" finds the newest one that this
                trainer's ModelCheckpoint has saved, and starts from nothing if there is none.

        Raises:
            ValueError: neither ``max_epochs`` nor ``max_steps`` is given, or there are no batches.
            TypeError: the model lacks a step, or a step returned something else.
        """
        if self.max_epochs is None and self.max_steps is None:
            raise ValueError("Trainer.fit: expected max_epochs or max_steps, got neither")
        self._steps = steps_of(model)
        self.loaders = [train_dataloaders, val_dataloaders]
        self.epoch = self.batch = self.step = 0
        self.metrics, self.should_stop = {}, False
        self.batches = _length(train_dataloaders, self.limit_train_batches)
        self.model.to(self.device)
        self._optimization = optimization(self._steps.configure_optimizers())
        self.optimizer.zero_grad()
        middle = self._start(ckpt_path)
        self._tell("on_fit_start")
        try:
            while not self._done():
                self._train_epoch(middle)
                middle = None
        except BaseException as error:
            self._tell("on_exception", error)
            raise
        else:
            self._tell("on_fit_end")
        finally:
            for logger in self.loggers:
                logger.close()

    def _tell(self, name: str, *details: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, name)(self, *details)

    def _done(self) -> bool:
        return (
            self.should_stop
            or (self.max_epochs is not None and self.epoch >= self.max_epochs)
            or self._enough_steps()
        )

    def _enough_steps(self) -> bool:
        return self.max_steps is not None and self.step >= self.max_steps

    def _train_epoch(self, middle: Mapping[str, Any] | None) -> None:
        """One epoch; ``middle`` holds the random states of a checkpoint within it."""
        batches = self._begin_epoch(middle)
        self._step_meter.clear()
        pending = 0
        for batch in batches:
            self._train_batch(batch)
            pending += 1
            self.batch += 1
            self._tell("on_train_batch_end")
            if pending == self.accumulate_grad_batches:
                self._optimizer_step()
                pending = 0
                if self._enough_steps() and self.batch != self.batches:
                    return  # within the epoch: a checkpoint of now can go on from here
        if not self.batch:
            raise ValueError("Trainer.fit: expected at least one batch to train on, got none")
        if pending:
            self._optimizer_step()
        self._end_epoch()

    def _begin_epoch(self, middle: Mapping[str, Any] | None) -> Iterator[Any]:
        """The batches of the epoch that are still to come.

        Random orders are drawn as an epoch begins. To find its place in one again, a resumed run
        goes back to the random states of the beginning, reads what was read before, and then
        takes over those of the checkpoint.
        """
        if middle is None:
            self.epoch_start = _random.capture(self.loaders)
            self.epoch_meter.clear()
            self._tell("on_train_epoch_start")
        else:
            _random.restore(self.epoch_start, self.loaders)
        batches = itertools.islice(self.loaders[0], self.limit_train_batches)
        if middle is not None:
            for _ in range(self.batch):
                next(batches)
            _random.restore(middle, self.loaders)
        return batches

    def _train_batch(self, batch: Any) -> None:
        batch = moved(batch, self.device)
        loss, metrics = loss_of(self._steps.call("training_step", batch, self.batch))
        self._step_meter.add(metrics)
        self.epoch_meter.add(metrics, count(batch))
        if self.accumulate_grad_batches > 1:
            loss = loss / self.accumulate_grad_batches
        loss.backward()

    def _optimizer_step(self) -> None:
        self._clip()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        if self.step % self.log_every_n_steps == 0:
            self._log(self._step_meter.means("train_"))
        self._step_meter.clear()
        if self._optimization.interval == "step":
            self._schedule()
        self._tell("on_train_step_end")

    def _clip(self) -> None:
        if self.gradient_clip_val is None:
            return
        if self.gradient_clip_algorithm == "norm":
            tp.nn.utils.clip_grad_norm_(self.model.parameters(), self.gradient_clip_val)
        else:
            tp.nn.utils.clip_grad_value_(self.model.parameters(), self.gradient_clip_val)

    def _schedule(self) -> None:
        _, scheduler, _, monitor = self._optimization
        if scheduler is None:
            return
        if monitor is None:
            scheduler.step()
        elif monitor in self.metrics:
            scheduler.step(self.metrics[monitor])
        else:
            have = ", ".join(sorted(self.metrics)) or "none"
            raise KeyError(
                f"Trainer: expected a metric {monitor!r} for the scheduler, got only: {have}"
            )

    def _end_epoch(self) -> None:
        row = self.epoch_meter.means("train_", "_epoch")
        if self.loaders[1] is not None and (self.epoch + 1) % self.check_val_every_n_epoch == 0:
            row |= self._evaluate(self.loaders[1])
        self._log(row)
        if self._optimization.interval == "epoch":
            self._schedule()
        self.epoch += 1
        self.batch = 0
        self._tell("on_train_epoch_end")

    def _log(self, row: dict[str, float]) -> None:
        self._tell("on_log", row)
        self.metrics.update(row)
        for logger in self.loggers:
            logger.log(row, self.step, self.epoch)

    # --- validate, predict ----------------------------------------------------------------------
    def validate(self, model: Any, dataloaders: Any) -> dict[str, float]:
        """The means of what ``validation_step`` returns over all batches, without gradients.

        Raises:
            TypeError: there is no such step, or it returned no numbers.
            ValueError: there are no batches.
        """
        self._steps = steps_of(model)
        self.model.to(self.device)
        found = self._evaluate(dataloaders)
        self.metrics.update(found)
        return found

    def _evaluate(self, loader: Any) -> dict[str, float]:
        meter = Meter()
        with self._evaluation():
            for index, batch in enumerate(itertools.islice(loader, self.limit_val_batches)):
                found = self._steps.call("validation_step", moved(batch, self.device), index)
                meter.add(found if isinstance(found, Mapping) else {"loss": found}, count(batch))
        if not meter.sums:
            raise ValueError("Trainer: expected at least one batch to validate with, got none")
        return meter.means("val_")

    def predict(self, model: Any, dataloaders: Any) -> list[Any]:
        """What ``predict_step``, or the model itself, returns for each batch; no gradients."""
        self._steps = steps_of(model)
        self.model.to(self.device)
        with self._evaluation():
            return [
                self._steps.call("predict_step", moved(batch, self.device), index)
                for index, batch in enumerate(dataloaders)
            ]

    @contextmanager
    def _evaluation(self) -> Iterator[None]:
        """No gradients, and the model in evaluation mode; each part gets its own mode back."""
        modes = {module: module.training for module in self.model.modules()}
        self.model.eval()
        try:
            with tp.no_grad():
                yield
        finally:
            for module, mode in modes.items():
                module.training = mode

    # --- checkpoints ----------------------------------------------------------------------------
    def save_checkpoint(self, filepath: str | os.PathLike[str]) -> None:
        """Write everything that the run depends on to a file; gradients are not saved."""
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        tp.save(_state.state_of(self), filepath)

    def _start(self, ckpt_path: Any) -> Mapping[str, Any] | None:
        """Load a checkpoint; return its random states if it lies within an epoch."""
        path = self._newest() if ckpt_path == "last" else ckpt_path
        if path is None:
            for logger in self.loggers:
                logger.start()
            return None
        saved = tp.load(path, map_location="cpu")
        _state.load_state(self, saved, os.fspath(path))
        return saved["random"] if self.batch else None

    def _newest(self) -> Path | None:
        keepers = [c for c in self.callbacks if isinstance(c, ModelCheckpoint)]
        if not keepers:
            raise ValueError(
                "Trainer.fit: expected a ModelCheckpoint among the callbacks for "
                "ckpt_path='last', got none; name the file"
            )
        found = [path for keeper in keepers if (path := keeper.newest()) is not None]
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def _check(accumulate_grad_batches: int, gradient_clip_algorithm: str) -> None:
    if gradient_clip_algorithm not in ("norm", "value"):
        raise ValueError(
            "Trainer: expected gradient_clip_algorithm 'norm' or 'value', "
            f"got {gradient_clip_algorithm!r}"
        )
    if accumulate_grad_batches < 1:
        raise ValueError(
            "Trainer: expected accumulate_grad_batches of at least 1, "
            f"got {accumulate_grad_batches}"
        )


def _length(loader: Any, limit: int | None) -> int | None:
    length = len(loader) if hasattr(loader, "__len__") else None
    return length if limit is None else min(limit, length or limit)

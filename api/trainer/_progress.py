"""A bar in the terminal that shows how far a training is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._callbacks import Callback

if TYPE_CHECKING:
    from rich.console import Console

    from ._trainer import Trainer

__all__ = ["ProgressBar"]


class ProgressBar(Callback):
    """A bar for the batches of each epoch, with the latest metrics.

    Args:
        metrics: the names of those to show; all when None.
        console: rich's console to write to; the standard output when None.
    """

    def __init__(self, metrics: list[str] | None = None, console: Console | None = None) -> None:
        self.metrics = metrics
        self._console = console
        self._progress: Any = None
        self._task: Any = None

    def on_fit_start(self, trainer: Trainer) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("{task.fields[state]}"), console=self._console,
        )  # fmt: skip
        self._progress.start()

    def on_train_epoch_start(self, trainer: Trainer) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(
            f"epoch {trainer.epoch + 1}", total=trainer.batches, state=""
        )

    def on_train_batch_end(self, trainer: Trainer) -> None:
        self._show(trainer)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        self._show(trainer)
        line = f"epoch {trainer.epoch}  {self._state(trainer)}"
        self._progress.console.print(line, highlight=False, markup=False)

    def _show(self, trainer: Trainer) -> None:
        if self._task is None:  # resumed within an epoch
            self.on_train_epoch_start(trainer)
        completed = trainer.batch or trainer.batches
        self._progress.update(self._task, completed=completed, state=self._state(trainer))

    def _state(self, trainer: Trainer) -> str:
        names = trainer.metrics if self.metrics is None else self.metrics
        shown = {name: trainer.metrics[name] for name in names if name in trainer.metrics}
        return "  ".join(f"{name} {value:.4g}" for name, value in shown.items())

    def on_exception(self, trainer: Trainer, exception: BaseException) -> None:
        self.on_fit_end(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress = self._task = None

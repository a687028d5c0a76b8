"""Saves checkpoints while training, and keeps the best ones."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._callbacks import Callback, better, check_mode, monitored

if TYPE_CHECKING:
    from ._trainer import Trainer

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(Callback):
    """Saves checkpoints to a folder, every so often, and removes those that are not the best.

    Args:
        dirpath: the folder; made when it does not exist.
        filename: without the ending; ``{epoch}`` (epochs done), ``{step}`` and the names of
            metrics in braces are filled in.
        monitor: the metric that says which ones are the best; the newest ones when None.
        mode: whether "min" or "max" is better.
        save_top_k: how many are kept; -1 for all.
        save_last: also keep a copy of the newest one as ``last.ckpt``, and one of the end.
        every_n_train_steps: save after so many steps of the optimizer, not after epochs.
        every_n_epochs: save after so many epochs.

    Attributes:
        best_model_path: the file with the best value, None before the first.
        best_model_score: that value.

    Example:
        >>> keep = tp.trainer.ModelCheckpoint("checkpoints", monitor="val_loss", save_top_k=2)
        >>> trainer = tp.Trainer(max_epochs=10, callbacks=[keep])
    """

    def __init__(
        self,
        dirpath: str | os.PathLike[str],
        filename: str = "epoch={epoch}-step={step}",
        monitor: str | None = None,
        mode: str = "min",
        save_top_k: int = 1,
        save_last: bool = False,
        every_n_train_steps: int | None = None,
        every_n_epochs: int = 1,
    ) -> None:
        self.dirpath = Path(dirpath)
        self.filename = filename
        self.monitor = monitor
        self.mode = check_mode("ModelCheckpoint", mode)
        self.save_top_k, self.save_last = save_top_k, save_last
        self.every_n_train_steps, self.every_n_epochs = every_n_train_steps, every_n_epochs
        self._kept: list[tuple[float, str]] = []  # the best one first
        self._saved_step = -1

    @property
    def best_model_path(self) -> Path | None:
        """The file with the best value, None before the first."""
        return Path(self._kept[0][1]) if self._kept else None

    @property
    def best_model_score(self) -> float | None:
        """The value that the best file was saved with; its step where nothing is monitored."""
        return self._kept[0][0] if self._kept else None

    def newest(self) -> Path | None:
        """The checkpoint in the folder that was written last, by whichever run."""
        files = [(file.stat().st_mtime_ns, file) for file in self.dirpath.glob("*.ckpt")]
        return max(files)[1] if files else None

    def on_train_step_end(self, trainer: Trainer) -> None:
        if self.every_n_train_steps and trainer.step % self.every_n_train_steps == 0:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer) -> None:
        if not self.every_n_train_steps and trainer.epoch % self.every_n_epochs == 0:
            self._save(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.save_last and self._saved_step != trainer.step:
            trainer.save_checkpoint(self.dirpath / "last.ckpt")

    def _save(self, trainer: Trainer) -> None:
        score = float(trainer.step)
        if self.monitor is not None:
            score = monitored("ModelCheckpoint", self.monitor, trainer)
        names = {**trainer.metrics, "epoch": trainer.epoch, "step": trainer.step}
        path = self.dirpath / f"{self.filename.format_map(names)}.ckpt"
        mode = "max" if self.monitor is None else self.mode
        self._kept = [entry for entry in self._kept if entry[1] != str(path)]
        place = sum(not better(mode, score, other) for other, _ in self._kept)
        self._kept.insert(place, (score, str(path)))
        keep = len(self._kept) if self.save_top_k < 0 else self.save_top_k
        gone, self._kept = self._kept[keep:], self._kept[:keep]
        self._saved_step = trainer.step
        if (score, str(path)) in self._kept:
            trainer.save_checkpoint(path)
        if self.save_last:
            trainer.save_checkpoint(self.dirpath / "last.ckpt")
        for _, file in gone:  # only now: at any moment there is a whole one
            Path(file).unlink(missing_ok=True)

    def state_dict(self) -> dict[str, Any]:
        return {"kept": [list(entry) for entry in self._kept], "saved_step": self._saved_step}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._kept = [(score, path) for score, path in state_dict["kept"]]
        self._saved_step = state_dict["saved_step"]

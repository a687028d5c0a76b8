"""Where a trainer writes its metrics."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorplug.utils.tensorboard import SummaryWriter

__all__ = ["CSVLogger", "loggers_of"]


class CSVLogger:
    """A table of metrics in a CSV file, a row per step or epoch.

    Every row is in the file when the next step begins. A resumed run cuts off the rows after the
    checkpoint, so that the file of an interrupted run ends up like that of an uninterrupted one.

    Args:
        path: the file; a folder that does not exist is made.

    Example:
        >>> import tempfile, pathlib
        >>> folder = tempfile.TemporaryDirectory()
        >>> logger = tp.trainer.CSVLogger(pathlib.Path(folder.name) / "metrics.csv")
        >>> logger.start()
        >>> logger.log({"train_loss": 0.5}, step=1, epoch=0)
        >>> logger.path.read_text().split()
        ['step,epoch,train_loss', '1,0,0.5']
        >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._columns: list[str] = []
        self._rows = 0

    def start(self) -> None:
        """Begin an empty file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._rows, self._columns = 0, ["step", "epoch"]
        self._write([])

    def log(self, metrics: Mapping[str, float], step: int, epoch: int) -> None:
        """Add a row; columns that are new come last."""
        row = {"step": step, "epoch": epoch, **metrics}
        new = [name for name in row if name not in self._columns]
        if new:
            rows = self.read()
            self._columns += new
            self._write(rows)
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._text([row]))
        self._rows += 1

    def read(self) -> list[dict[str, str]]:
        """All rows, as texts."""
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def state_dict(self) -> dict[str, Any]:
        """How many rows there are, to be saved."""
        return {"rows": self._rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to the file as it was; rows written later are cut off."""
        if not self.path.exists():
            self.start()
            return
        with self.path.open(encoding="utf-8", newline="") as file:
            self._columns = next(csv.reader(file), ["step", "epoch"])
        rows = self.read()[: state["rows"]]
        self._rows = len(rows)
        self._write(rows)

    def close(self) -> None:
        """Nothing is left to do: every row is written at once."""

    def _write(self, rows: list[dict[str, str]]) -> None:
        """Replace the file; it is never there in part."""
        partial = self.path.with_name(f"{self.path.name}.partial")
        header = dict(zip(self._columns, self._columns, strict=True))
        partial.write_text(self._text([header, *rows]), encoding="utf-8", newline="")
        partial.replace(self.path)

    def _text(self, rows: list[Any]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self._columns, lineterminator="\n").writerows(rows)
        return text.getvalue()


class _Board:
    """A SummaryWriter with the methods of a logger."""

    def __init__(self, writer: SummaryWriter) -> None:
        self.writer = writer

    def start(self) -> None:
        """A writer is ready when it is made."""

    def log(self, metrics: Mapping[str, float], step: int, epoch: int) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Event files only grow; TensorBoard shows what was written last for a step."""

    def close(self) -> None:
        self.writer.flush()


def loggers_of(given: Any) -> list[Any]:
    """The loggers that a user gave: none, one or several.

    Raises:
        TypeError: something else.
    """
    if given is None:
        return []
    found = []
    for one in given if isinstance(given, (list, tuple)) else [given]:
        logger = _Board(one) if isinstance(one, SummaryWriter) else one
        if not all(hasattr(logger, name) for name in ("start", "log", "state_dict", "close")):
            raise TypeError(
                "Trainer: expected as logger a CSVLogger, a SummaryWriter or a list of these, "
                f"got {type(one).__name__}"
            )
        found.append(logger)
    return found

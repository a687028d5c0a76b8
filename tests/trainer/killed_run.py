"""A training that test_resume.py starts as a process of its own, and kills.

Usage: ``killed_run.py FOLDER DEVICE WORKERS STEP``; it kills itself after STEP steps (0: never),
and WORKERS processes read its data. Everything that may disturb a resumed curve is in it: dropout,
a random order with and without a generator of its own, random numbers of Python and NumPy in the
data set, a running optimizer, a schedule, accumulation.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug import nn
from tensorplug.utils.data import DataLoader, Dataset


class Noisy(Dataset[Any]):
    """Points on a line, with noise that three generators draw anew each time."""

    def __len__(self) -> int:
        return 22

    def __getitem__(self, index: int) -> Any:
        noise = random.random() + np.random.rand() + tp.rand(()).item()
        return tp.tensor([index / 22.0, noise]), tp.tensor([2.0 * index])


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        loss = nn.functional.mse_loss(self.body(x), y)
        return {"loss": loss, "size": len(x)}

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        x, y = batch
        return nn.functional.mse_loss(self.body(x), y) + tp.rand(()).item()

    def configure_optimizers(self) -> Any:
        optimizer = tp.optim.Adam(self.parameters(), lr=0.05)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": tp.optim.lr_scheduler.StepLR(optimizer, 4),
                "interval": "step",
            },
        }


class Killer(tp.trainer.Callback):
    """Ends this process at once, as a power cut would, after a number of steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_step_end(self, trainer: tp.Trainer) -> None:
        if trainer.step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: str, device: str, workers: int, step: int) -> None:
    tp.manual_seed(step)  # a resumed run must not depend on what it was seeded with
    random.seed(step)
    np.random.seed(step)
    if not list(Path(folder).glob("*.ckpt")):
        tp.manual_seed(7)
        random.seed(7)
        np.random.seed(7)
    with tp.device(device):
        model = Model()
    data = Noisy()
    order = tp.Generator().manual_seed(3)
    trainer = tp.Trainer(
        max_epochs=4,
        device=device,
        accumulate_grad_batches=2,
        callbacks=[
            Killer(step),
            tp.trainer.ModelCheckpoint(folder, every_n_train_steps=3),
            tp.trainer.LearningRateMonitor(),
        ],
        logger=tp.trainer.CSVLogger(Path(folder) / "metrics.csv"),
    )
    trainer.fit(
        model,
        DataLoader(data, batch_size=4, shuffle=True, generator=order, num_workers=workers),
        DataLoader(data, batch_size=8, shuffle=True),
        ckpt_path="last",
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

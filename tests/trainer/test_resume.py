"""A run that is killed and resumed gives the numbers of one that was not, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed_run.py")


def _run(folder: Path, device: str, workers: int, step: int) -> int:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), str(folder), device, str(workers), str(step)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize(
    ("device", "workers", "kills"),
    [("cpu", 2, (5, 9)), ("strict:0", 0, (7,))],
)
def test_killed_and_resumed(
    tmp_path: Path, device: str, workers: int, kills: tuple[int, ...]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert _run(whole, device, workers, 0) == 0
    for step in kills:  # 3 steps an epoch: within one, at its end, and right after a checkpoint
        assert _run(broken, device, workers, step) == -signal.SIGKILL
    assert _run(broken, device, workers, 0) == 0
    expected = (whole / "metrics.csv").read_text("utf-8")
    assert expected.count("\n") == 1 + 4 * 3 + 4
    assert expected.splitlines()[0] == (
        "step,epoch,train_loss,train_size,lr,train_loss_epoch,train_size_epoch,val_loss"
    )
    assert (broken / "metrics.csv").read_text("utf-8") == expected

"""Worker processes end with their program, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = r"""
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the shell ignores it
import tensorplug as tp

class Slow(tp.utils.data.Dataset):
    def __len__(self):
        return 100
    def __getitem__(self, index):
        if index < 2:
            os.write(1, b"pid %d\n" % os.getpid())  # at once: the workers write side by side
        else:
            time.sleep(float(sys.argv[1]))
        return index

loader = iter(tp.utils.data.DataLoader(Slow(), num_workers=2, multiprocessing_context="fork"))
next(loader), next(loader)
print("ready", flush=True)
if sys.argv[2] == "wait":
    list(loader)
"""


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "State:\tZ" in Path(f"/proc/{pid}/status").read_text("utf-8")


@pytest.mark.parametrize(
    ("how", "signal_", "code"),
    [
        ("wait", signal.SIGINT, -signal.SIGINT),
        ("wait", signal.SIGKILL, -signal.SIGKILL),
        ("end", None, 0),
    ],
)
def test_workers_end_with_the_program(how: str, signal_: int | None, code: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, "0.5", how],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert child.stdout is not None
    pids = []
    while (line := child.stdout.readline()).startswith("pid"):
        pids.append(int(line.split()[1]))
    assert (len(pids), line) == (2, "ready\n")
    if signal_ == signal.SIGINT:
        os.killpg(child.pid, signal_)  # as the terminal does
    elif signal_:
        child.send_signal(signal_)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == code, errors
    if signal_ == signal.SIGINT:
        assert errors.count("Traceback") == 1, errors  # the main process's own
        assert errors.rstrip().endswith("KeyboardInterrupt")
    else:
        assert not errors
    end = time.monotonic() + 10
    while not all(map(_gone, pids)):
        assert time.monotonic() < end
        time.sleep(0.02)

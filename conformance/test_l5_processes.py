"""What happens to the process: it forks, and interrupts arrive in the middle of a computation."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import tensorplug as tp

PATIENCE = 60.0
"""Seconds after which a forked child is taken to hang."""


# --- forks ----------------------------------------------------------------------------------------


def in_a_child(work: Callable[[], Any]) -> str:
    """The text of what ``work`` gives in a forked child, or of its error."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Of threads, also those of pytest and of libraries that other devices use.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        try:
            text = repr(work())
        except BaseException:  # noqa: BLE001  the parent fails with it
            text = traceback.format_exc()
        os.write(writer, text.encode()[:60_000])
        os._exit(0)
    os.close(writer)
    try:
        if not select.select([reader], [], [], PATIENCE)[0]:
            os.kill(child, signal.SIGKILL)
            return f"nothing in {PATIENCE:.0f} s"
        return os.read(reader, 60_000).decode() or "nothing: the child has died"
    finally:
        os.close(reader)
        os.waitpid(child, 0)


def some_work(device: str, x: tp.Tensor) -> Any:
    """Kernels of several kinds, with a tensor from before and with new ones."""
    y = (x.T @ x).sum(0)
    leaf = tp.ones(3, device=device, requires_grad=True)
    (leaf * 3).exp().log().sum().backward()
    assert leaf.grad is not None
    x[0] = 5.0
    return y.tolist(), leaf.grad.round().tolist(), x.sum().item()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.needs("survives_fork")
def test_forked_children_compute(device: str) -> None:
    """And write to memory of their own: the parent's tensors stay as they were."""
    x = tp.arange(6.0, device=device).view(2, 3)
    got = in_a_child(lambda: some_work(device, x))
    assert x.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], f"a child on {device} wrote to {x}"
    want = repr(some_work(device, x))
    assert got == want, f"a forked child on {device}: expected {want}, got {got}"


# --- interrupts -----------------------------------------------------------------------------------


class Interrupted(BaseException):
    """Raised by the handler of a signal, as KeyboardInterrupt is."""


def interrupt(work: Callable[[], object], seconds: float) -> None:
    """Do something again and again, until an interrupt arrives in the middle of it."""
    arrived: list[bool] = []

    def handle(*_: object) -> None:
        arrived.append(True)
        raise Interrupted

    before = signal.signal(signal.SIGINT, handle)
    timer = threading.Timer(seconds, signal.raise_signal, (signal.SIGINT,))
    try:
        timer.start()
        while not arrived:
            work()
    except Interrupted:
        assert arrived
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


LOOPS: dict[str, Callable[[tp.Tensor], object]] = {
    "computing": lambda x: (x @ x).sum(0) + x[1:].T.reshape(-1)[0],
    "writing": lambda x: x.add_(1),
    "training": lambda x: ((x.detach().clone().requires_grad_() * 2) ** 2).sum().backward(),
    "moving": lambda x: x.cpu().to(x.device),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_an_interrupt_leaves_everything_usable(
    device: str, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole values, gradients as before it, and the next computations right."""
    # Where it arrives in a finalizer, Python reports it there and goes on.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    for step in range(12):
        x = tp.full((5, 5), 3.0, device=device)
        interrupt(partial(LOOPS[loop], x), 0.0003 * (step + 1))
        text = f"interrupted while {loop} on {device}"
        assert tp.is_grad_enabled(), f"{text}: grad mode is lost"
        assert len({*x.view(-1).tolist()}) == 1, f"{text}: half of it is written: {x}"
        leaf = tp.full((2, 2), 2.0, device=device, requires_grad=True)
        (leaf @ leaf).sum().backward()
        assert leaf.grad is not None
        got = (leaf @ leaf).tolist(), leaf.grad.tolist()
        want = [[8.0, 8.0], [8.0, 8.0]]
        assert got == (want, want), f"{text}: afterwards expected {want} twice, got {got}"

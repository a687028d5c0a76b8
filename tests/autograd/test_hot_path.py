"""Guards the hot path by counting Python frames per op; timings belong into benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.backends import hookimpl, register, unregister
from tensorplug.backends.plugging import current


def frames(call: Callable[[], Any]) -> list[str]:
    """The names of the Python functions that run inside ``call``, which is warmed up first."""
    call()
    names: list[str] = []

    def profile(frame: Any, event: str, arg: object) -> None:
        if event == "call":
            names.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return names[1:]  # without the lambda itself


x, y, m = tp.ones(8), tp.ones(8), tp.ones(3, 3)
p = tp.ones(8, requires_grad=True)

CASES: dict[str, tuple[Callable[[], Any], int]] = {
    # name: (call, frames allowed: the op, its kernel; recording adds one)
    "add": (lambda: x + y, 2),
    "mul": (lambda: x * y, 2),
    "mul by a number": (lambda: x * 2.0, 3),
    "exp": (lambda: tp.exp(x), 2),
    "exp as a method": (lambda: x.exp(), 2),
    "sum": (lambda: x.sum(), 3),
    "matmul": (lambda: m @ m, 2),
    "slice": (lambda: x[2:4], 3),
    "view": (lambda: x.view(2, 4), 4),
    "add, recorded": (lambda: p + y, 3),
    "mul, recorded": (lambda: p * y, 3),
    "exp, recorded": (lambda: p.exp(), 3),
    "sum, recorded": (lambda: p.sum(), 4),
    "add in place": (lambda: x.add_(y), 5),
}


@pytest.mark.parametrize("name", CASES)
def test_frames_per_op(name: str) -> None:
    call, allowed = CASES[name]
    found = frames(call)
    assert len(found) <= allowed, f"{name}: expected at most {allowed} frames, got {found}"


def test_no_hook_calls_in_ops() -> None:
    """Plugins' hooks run at registration, never in an op."""
    names = [name for case, _ in CASES.values() for name in frames(case)]
    assert not [name for name in names if "hook" in name or name == "_hookexec"]


class Plugin:
    @hookimpl
    def tensorplug_kernels(self, backend: str) -> dict[str, Any]:
        return {}


def test_a_thousand_ops_forward_and_backward_call_no_hook() -> None:
    calls: list[str] = []
    undo = current().plugins.manager.add_hookcall_monitoring(
        lambda name, *details: calls.append(name), lambda *details: None
    )
    try:
        for _ in range(250):
            (p * x + y).exp().sum().backward()  # four ops, and as many derivatives
        p.grad = None
        assert calls == []
        register(Plugin(), name="watched")  # the monitor does see hooks
        unregister("watched")
    finally:
        undo()
    assert "tensorplug_kernels" in calls

"""What a backend's author needs to know of a failed call: inputs, kernels, code to repeat it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.registry import ROWS
from tensorplug.conformance.assumed import is_assumed
from tensorplug.conformance.reference import Call, compare, expected, kernel_of
from tensorplug.conformance.samples import SEED, Sample, describe

__all__ = ["code", "command", "facts", "kernels_used"]

_PLACE = re.compile(r" at \(([\d, ]*)\)")


def facts(call: Call) -> dict[str, Any]:
    """The call as text, which kernels ran, and three lines that make it again."""
    compiles = tp.device(call.device).backend.compiles
    found = {
        "call": f"{call.name}({call.sample!r})",
        "expected_from": call.source,
        "kernel": kernel_of(call.case.public, call.device),
        "kernels": [] if compiles else kernels_used(call.device, lambda: _repeat(call)),
    }
    smaller = _smallest(call)
    problem = call.problem if smaller is None else smaller[1]
    sample = call.sample if smaller is None else smaller[0]
    return {**found, "problem": problem, "reproduce": code(call, sample, problem)}


def _repeat(call: Call) -> None:
    """The call once more, with copies of its arguments."""
    fresh = call.sample.map(lambda x: x.detach().clone())
    gradient = call.how == "gradient"
    if gradient:
        fresh = fresh.map(lambda x: x.requires_grad_() if x.dtype.is_inexact else x)
    with tp.device(call.device):
        found = call.case.public.call(*fresh.args, **fresh.kwargs)
        if gradient and isinstance(found, tp.Tensor) and found.requires_grad:
            found.sum().backward()


def code(call: Call, sample: Sample, problem: str) -> str:
    """Three lines that make a call again, wherever the suite and the plugin are installed."""
    name, dtype, device = call.case.public.qualname, call.case.dtype.name, call.device
    first = "import tensorplug as tp"
    if is_assumed(device):
        first += f"; from tensorplug.conformance.assumed import assume; assume({device!r})"
    if sample.number >= 0:
        seed = f", seed={SEED[0]}" if SEED[0] else ""
        seed += ", grad=True" if call.how == "gradient" else ""
        first += "; from tensorplug.conformance.samples import sample"
        made = f"sample({name!r}, {dtype!r}, {sample.number}, {device!r}{seed})"
    else:
        args = "".join(f"{describe(arg, device)}, " for arg in sample.args)
        items = [f"{key!r}: {describe(value, device)}" for key, value in sample.kwargs.items()]
        made = f"({args}), {{{', '.join(items)}}}"
    called = f"tp.{call.name}(*args, **kwargs)"
    if call.how == "gradient":
        called = f"tp.autograd.gradcheck(lambda *x: tp.{call.name}(*x, **kwargs), args)"
    remark = f"  # {' '.join(problem.split())[:160]}" if problem else ""
    return f"{first}\nargs, kwargs = {made}\nprint({called}){remark}"


def command(known: Mapping[str, Any]) -> str:
    """The command that runs a test again with those like it, from what is known of the test."""
    words = ["python -m tensorplug conformance --device", known["device"], "-k", known["name"]]
    words += [f"--op {known['function']}"] if known["function"] else []
    words += [f"--dtype {known['dtype']}"] if known["dtype"] else []
    words += [f"--seed {SEED[0]}"] if SEED[0] else []
    words += ["--suggest"] if is_assumed(known["device"]) else []
    return " ".join(words)


def _smallest(call: Call) -> tuple[Sample, str] | None:
    """For an elementwise function, the arguments of one element that is wrong by itself."""
    row, at = call.case.public.row, _PLACE.search(call.problem)
    plain = row is not None and row.family.name in ("UNARY", "BINARY", "COMPARE")
    if at is None or not plain or call.name != call.case.public.qualname:
        return None
    place = tuple(int(part) for part in at[1].split(",") if part.strip())
    with contextlib.suppress(Exception):  # a broken device may not even be able to index
        there = call.sample.map(lambda x: x.detach().cpu())
        whole = np.broadcast_shapes(*(tuple(x.shape) for x in there.tensors()))
        one = there.map(lambda x: x.expand(whole)[place].clone())._replace(number=-1)
        mine = one.map(lambda x: x.to(call.device))
        want, _ = expected(call.case.public, one)
        problem = compare(call.case.public.call(*mine.args, **mine.kwargs), want, call.case.dtype)
        if problem is not None:
            return mine, problem
    return None


def kernels_used(device: str, run: Callable[[], Any]) -> list[str]:
    """The names of the op rows whose kernels ``run`` uses on a device, in order of first use."""
    where = tp.device(device)
    real = where.F
    used: list[str] = []

    def resolve(self: Any, name: str) -> Any:
        if name in ROWS:
            used.append(name)
        return type(real).__getattr__(self, name)

    recorder: Any = type("Recorder", (type(real),), {"__getattr__": resolve})
    tables = [row.kernels for row in ROWS.values()]
    saved = [table.pop(where, None) for table in tables]
    where.F = recorder(where)
    try:
        with contextlib.suppress(Exception):  # it failed before; which kernels is what we ask
            run()
    finally:
        where.F = real
        for table, kernel in zip(tables, saved, strict=True):
            table.pop(where, None)
            if kernel is not None:
                table[where] = kernel
    return list(dict.fromkeys(used))

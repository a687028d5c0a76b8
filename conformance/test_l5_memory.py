"""Memory comes back: after results are dropped, views, graphs, copies, errors; and nothing grows
with the number of steps.
"""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.conformance.samples import other_devices

pytestmark = pytest.mark.shared

COUNT = 1 << 18
ROUNDS = 24
NBYTES = 4 * COUNT
"""Of one tensor: what leaks in every round is soon more than an allocator keeps for itself."""

SPARE = 12 * NBYTES


def used(device: str) -> int:
    """Bytes in use: as the device tells, where it does, else those of the process."""
    found = tp.device(device)
    found.backend.synchronize(found.index)
    if "memory_stats" in found.capabilities:
        return int(found.backend.memory(found.index)["allocated"])
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return tracemalloc.get_traced_memory()[0]  # NumPy counts its memory here


def growth(device: str, work: Callable[[], Any], rounds: int = ROUNDS) -> int:
    """How many bytes more are in use after some rounds: what leaks does so every time, what an
    allocator keeps for itself, now and then.
    """
    grown = 0
    for _ in range(6):
        before = used(device)
        for _ in range(rounds):
            work()
        grown = used(device) - before
        if grown < SPARE:
            break
        gc.collect()  # takes longer than the rest
        grown = used(device) - before
    return grown


def _failing(x: tp.Tensor) -> None:
    try:
        (x + 1).view(3, 5)
    except RuntimeError:
        return
    raise AssertionError("expected an error")


def _trained(x: tp.Tensor) -> None:
    w = x.detach().requires_grad_()
    ((w * 2).sigmoid() * w).sum().backward()


def _graph(x: tp.Tensor) -> None:
    w = x.detach().requires_grad_()
    y = (w * 2).sigmoid() * w
    y.retain_grad()


def _saved(x: tp.Tensor) -> None:
    file = io.BytesIO()
    tp.save({"x": x}, file)
    file.seek(0)
    tp.load(file)


def _masked(x: tp.Tensor) -> None:
    x[x > 0.5] = 1.0


def _cycle(x: tp.Tensor) -> None:
    ring: list[Any] = [x + 1]
    ring.append(ring)


def _hooked(x: tp.Tensor) -> None:
    w = x.detach().requires_grad_()
    y = w * 2
    y.register_hook(lambda g: g * 2)
    y.sum().backward()


WAYS: dict[str, Callable[[tp.Tensor], Any]] = {
    "results": lambda x: (x + 1) * x,
    "reductions": lambda x: (x * 2).sum(),
    "other types": lambda x: x.to(tp.int32).to(tp.float32),
    "comparisons": lambda x: tp.where(x > 0, x, -x),
    "clones": lambda x: x.clone().add_(1),
    "views of results": lambda x: (x + 1)[5:].view(-1)[::2],
    "a view kept of a chain": lambda x: (x + 1).view(1024, -1).T[0].clone(),
    "contiguous": lambda x: x.view(512, 512).T.contiguous(),
    "cat": lambda x: tp.cat([x, x]),
    "new tensors": lambda x: tp.ones(COUNT, device=x.device) + tp.zeros_like(x),
    "host and back": lambda x: x.cpu().to(x.device),
    "lists": lambda x: tp.tensor(x[:9].tolist(), device=x.device),
    "writes": lambda x: x[7:].copy_(x[:-7]),
    "masks": _masked,
    "out=": lambda x: tp.add(x, x, out=tp.empty(0, device=x.device)),
    "random": lambda x: tp.rand(COUNT, device=x.device),
    "gradients": _trained,
    "graphs that are dropped": _graph,
    "hooks": _hooked,
    "errors": _failing,
    "cycles": _cycle,
    "deep copies": copy.deepcopy,
    "pickles": lambda x: pickle.loads(pickle.dumps(x)),
    "files": _saved,
}


@pytest.mark.parametrize("way", WAYS)
def test_memory_comes_back(device: str, way: str) -> None:
    x = tp.full((COUNT,), 0.25, device=device)
    WAYS[way](x)
    grown = growth(device, lambda: WAYS[way](x))
    assert grown < SPARE, (
        f"{way} on {device}: {grown} bytes more are in use after {ROUNDS} rounds with tensors "
        f"of {NBYTES} bytes"
    )
    assert x.shape == (COUNT,)


@pytest.mark.needs("dlpack_export", "dlpack_import")
def test_memory_comes_back_from_an_exchange(device: str) -> None:
    def work() -> None:
        x = tp.full((COUNT,), 3.0, device=device)
        y = tp.from_dlpack(x)
        del x
        capsule = y.__dlpack__()  # never taken
        assert y[5].item() == 3, f"from_dlpack on {device} lost its memory"
        del y, capsule

    grown = growth(device, work)
    assert grown < SPARE, f"DLPack on {device}: {grown} bytes more after {ROUNDS} rounds"


def _round_trip(x: tp.Tensor, one: str, other: str) -> None:
    x.to(one).to(other)


def test_memory_comes_back_from_copies_between_devices(device: str) -> None:
    for other in other_devices(device):
        x = tp.full((COUNT,), 0.5, device=other)
        for name in (device, other):
            grown = growth(name, partial(_round_trip, x, device, other))
            assert grown < SPARE, f"{other} to {device} and back: {grown} bytes more on {name}"


# --- many small steps -----------------------------------------------------------------------------


def _step(device: str, number: int) -> float:
    """Values and numbers are new in every step, shapes are not."""
    x = tp.tensor([float(number), 1.0, 2.0], device=device, requires_grad=True)
    y = (x * number + 1.5).view(3, 1)[1:]
    loss = (y @ y.T).sum() / 7
    loss.backward()
    assert x.grad is not None
    with tp.no_grad():
        x[0] = number
        x.sub_(x.grad * 0.1)
    z = tp.cat([x.detach(), tp.full((1,), float(number), device=device)])
    return float(z[tp.tensor([0, 3], device=device)].sum().item())


def test_nothing_grows_with_the_number_of_steps(device: str, thorough: bool) -> None:
    steps = 1000 if thorough else 200
    for number in range(60):
        _step(device, number)
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(60, 90):
            _step(device, number)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(90, 90 + steps):
            _step(device, number)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000, f"{device}: {grown} bytes more are in use after {steps} small steps"


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.needs("memory_stats")
def test_memory_is_counted_by_storage(device: str) -> None:
    """Views count nothing, and keep all of their storage."""
    start = used(device)
    x = tp.full((COUNT,), 1.0, device=device)
    one = used(device) - start
    assert NBYTES <= one <= NBYTES + 4096, f"{device}: {one} bytes for a tensor of {NBYTES}"
    views = [x[1:], x.view(2, -1).T, x.expand(5, COUNT), x.detach(), x[3]]
    assert used(device) - start == one, f"{device}: views are counted"
    last = views[-1]
    del x, views
    assert used(device) - start == one, f"{device}: a view does not keep its storage"
    assert last.item() == 1.0
    del last
    assert used(device) == start, f"{device}: {used(device) - start} bytes are left"


@pytest.mark.needs("memory_stats")
def test_memory_of_a_graph_comes_back_with_it(device: str) -> None:
    w = tp.full((COUNT,), 1.0, device=device, requires_grad=True)
    start = used(device)
    loss = ((w * 2).exp() * w).sum()
    assert used(device) - start >= NBYTES, f"{device}: a graph that keeps nothing"
    loss.backward()
    left = used(device) - start
    assert left <= NBYTES + 4096, f"{device}: {left} bytes after the backward pass, beside .grad"
    w.grad = None
    del loss
    assert used(device) - start == 0, f"{device}: {used(device) - start} bytes are left"


# --- too much -------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused_and_takes_nothing(device: str) -> None:
    x = tp.full((COUNT,), 1.0, device=device)
    before = used(device)
    for _ in range(2):
        with pytest.raises((RuntimeError, MemoryError, ValueError, OverflowError)):
            tp.full((1 << 52,), 1.0, device=device).cpu()
        with pytest.raises((RuntimeError, MemoryError, ValueError, OverflowError)):
            x.expand(1 << 40, COUNT).clone().cpu()
    grown = used(device) - before
    assert grown < SPARE, f"{device}: {grown} bytes more after tensors that do not fit"
    assert float((x + 1).sum().item()) == 2.0 * COUNT, f"{device} is unusable afterwards"


@pytest.mark.needs("memory_stats")
def test_a_device_that_counts_says_that_it_is_full(device: str) -> None:
    """With the one class for that, whose sizes a program can ask for."""
    found = tp.device(device)
    total = found.backend.memory(found.index).get("total")
    if total is None:
        pytest.fail(f"{device}: expected Backend.memory() to say the total, as it counts")
    before = used(device)
    for make in (lambda: tp.full((16 * total,), 1.0, device=device),
                 lambda: tp.zeros(16 * total, device=device)):  # fmt: skip
        with pytest.raises(tp.cuda.OutOfMemoryError) as caught:
            make()
        assert isinstance(caught.value, MemoryError)
        assert caught.value.got >= total, f"{device}: {caught.value.got} bytes were asked for"
    assert used(device) <= before, f"{device}: what did not fit has taken memory"


def test_a_call_that_fails_takes_nothing(device: str) -> None:
    x = tp.full((COUNT,), 1.0, device=device)

    def work() -> None:
        with pytest.raises((RuntimeError, ValueError)):
            tp.cat([x + 1, x.view(2, -1)])
        with pytest.raises((RuntimeError, ValueError)):
            (x * 2) @ (x[1:] * 2)

    grown = growth(device, work)
    assert grown < SPARE, f"{device}: {grown} bytes more after calls that failed"

"""Work that is still queued: every read waits for it, nothing overtakes anything, and memory is not
given to others before those who use it are done.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import SIDE, busy, error_of
from tensorplug.conformance.samples import other_devices

pytestmark = pytest.mark.shared


def _saved(x: tp.Tensor) -> Any:
    file = io.BytesIO()
    tp.save(x, file)
    file.seek(0)
    return tp.load(file).sum().item()


def _through(x: tp.Tensor) -> Any:
    return tp.from_dlpack(x).sum().item()


READS: dict[str, tuple[Callable[[tp.Tensor], Any], Any]] = {
    "item": (lambda x: x[3, 5].item(), 3.0),
    "item of a sum": (lambda x: x.sum().item(), 3.0 * SIDE * SIDE),
    "tolist": (lambda x: x[-1].tolist(), [3.0] * SIDE),
    "float": (lambda x: float(x[0, 0]), 3.0),
    "int": (lambda x: int(x[0, 0]), 3),
    "bool": (lambda x: bool(x[0, 0] == 3), True),
    "cpu": (lambda x: float(x.cpu().numpy().mean()), 3.0),
    "numpy": (lambda x: float(x.numpy(force=True).min()), 3.0),
    "view to the host": (lambda x: float(x.T[::2, ::-1].cpu().numpy().max()), 3.0),
    "to a type": (lambda x: x.to(tp.int64)[1, 1].item(), 3),
    "to cpu and type": (lambda x: x.to("cpu", tp.int64).sum().item(), 3 * SIDE * SIDE),
    "print": (lambda x: "3." in repr(x), True),
    "format": (lambda x: f"{x[0, 0].item():.1f}", "3.0"),
    "equal": (lambda x: tp.equal(x, tp.full_like(x, 3.0)), True),
    "allclose": (lambda x: tp.allclose(x, tp.full_like(x, 3.0)), True),
    "contains": (lambda x: 3.0 in x, True),
    "iterate": (lambda x: [row[0].item() for row in x[:2]], [3.0, 3.0]),
    "mask": (lambda x: len(x[x > 2.5]), SIDE * SIDE),
    "nonzero": (lambda x: len(tp.nonzero(x > 2.5)), SIDE * SIDE),
    "unique": (lambda x: tp.unique(x).tolist(), [3.0]),
    "an index": (lambda x: tp.arange(9, device=x.device)[x[0, :2].to(tp.int64)].tolist(), [3, 3]),
    "a size": (lambda x: list(tp.zeros(int(x[0, 0].item()), device=x.device).shape), [3]),
    "pickle": (lambda x: pickle.loads(pickle.dumps(x)).sum().item(), 3.0 * SIDE * SIDE),
    "deepcopy": (lambda x: copy.deepcopy(x).sum().item(), 3.0 * SIDE * SIDE),
    "save": (_saved, 3.0 * SIDE * SIDE),
    "storage": (lambda x: x.storage()[7], 3.0),
}


@pytest.mark.parametrize("way", READS)
def test_a_read_waits_for_what_is_queued(device: str, way: str) -> None:
    read, want = READS[way]
    for x in (busy(device, 3.0), busy(device, 3.0).T):
        got = read(x)
        assert got == want, f"{way} right after slow operations on {device}: {want!r} != {got!r}"


@pytest.mark.needs("dlpack_export", "dlpack_import")
def test_an_exchange_waits_for_what_is_queued(device: str) -> None:
    got = _through(busy(device, 3.0))
    assert got == 3.0 * SIDE * SIDE, f"from_dlpack on {device}: expected 3s, got a sum of {got}"


def test_a_copy_to_another_device_waits(device: str) -> None:
    for other in other_devices(device):
        got = busy(device, 2.0).to(other)
        assert got.sum().item() == 2.0 * SIDE * SIDE, f"{device} to {other}: copied too early"
        target = tp.zeros((SIDE, SIDE), device=other)
        target.copy_(busy(device, 5.0))
        assert target.sum().item() == 5.0 * SIDE * SIDE, f"{device} to {other}: copied too early"
        back = (busy(other, 4.0).to(device) * 2)[::-1]
        assert back.sum().item() == 8.0 * SIDE * SIDE, f"{other} to {device}: copied too early"


# --- order ----------------------------------------------------------------------------------------


def test_a_write_does_not_overtake_a_read(device: str) -> None:
    """What was computed before a tensor is overwritten has its old values."""
    x = busy(device, 3.0)
    total, double, part, turned = x.sum(), x * 2, x[1:3].clone(), x.T.clone()
    x.fill_(0)
    y = busy(device, 7.0)
    x.copy_(y)
    y.zero_()
    got = total.item(), double[0, 0].item(), part[1, 1].item(), turned[5, 5].item(), x[1, 2].item()
    want = 3.0 * SIDE * SIDE, 6.0, 3.0, 3.0, 7.0
    assert got == want, f"reads before writes on {device}: expected {want}, got {got}"


def test_writes_keep_their_order(device: str) -> None:
    x = busy(device, 0.0)
    view = x.T[2]
    for step in range(30):
        x.mul_(2) if step % 3 else x.add_(1)
        view.add_(1)
    a = np.zeros((SIDE, SIDE))
    for step in range(30):
        a = a * 2 if step % 3 else a + 1
        a[:, 2] += 1
    assert x.tolist() == a.tolist(), f"30 writes in a row on {device}: expected {a[0, :4]}, got {x}"


def test_memory_is_kept_for_as_long_as_it_is_used(device: str) -> None:
    """Arguments may be dropped at once; new tensors do not get their memory too early."""
    results = []
    for number in range(12):
        x = busy(device, float(number))
        y = x + x
        del x
        results.append(y.sum())
        junk = tp.full((SIDE, SIDE), -99.0, device=device)
        del y, junk
    got = [float(r.item()) for r in results]
    want = [2.0 * number * SIDE * SIDE for number in range(12)]
    assert got == want, f"sums of dropped tensors on {device}: expected {want}, got {got}"


def test_the_source_on_the_host_may_change_at_once(device: str) -> None:
    a = np.full((300, 400), 3.0, np.float32)
    for make in (lambda: tp.tensor(a, device=device),
                 lambda: tp.tensor(a.T, device=device),
                 lambda: tp.tensor(a[::2, 1::2], device=device),
                 lambda: busy(device).new_tensor(a)):  # fmt: skip
        a[...] = 3.0
        x = make()
        y = x + 1
        a[...] = -1.0
        got = float(x.min().item()), float(x.max().item()), float(y.max().item())
        assert got == (3.0, 3.0, 4.0), (
            f"a tensor made of an array on {device} changed with it: {got}"
        )


def test_a_tensor_on_the_host_may_change_at_once(device: str) -> None:
    if device == "cpu":
        return
    for source in (tp.full((300, 400), 3.0), tp.full((400, 300), 3.0).T):
        x = source.to(device)
        target = tp.zeros((300, 400), device=device)
        target.copy_(source)
        source.fill_(-1.0)
        got = float(x.min().item()), float(target.min().item())
        assert got == (3.0, 3.0), f"a copy on {device} changed with its source: {got}"
        source.fill_(3.0)


def test_synchronize_may_be_called_at_any_time(device: str) -> None:
    found = tp.device(device)
    found.backend.synchronize(found.index)
    x = busy(device, 3.0)
    found.backend.synchronize(found.index)
    found.backend.synchronize(found.index)
    assert x.sum().item() == 3.0 * SIDE * SIDE


def test_gradients_wait_for_what_is_queued(device: str) -> None:
    w = busy(device, 2.0).detach().requires_grad_()
    loss = (w @ busy(device, 1.0)).sum()
    loss.backward()
    assert w.grad is not None
    with tp.no_grad():
        w.sub_(w.grad / SIDE)
    got = float(w.grad[0, 0].item()), float(w[3, 3].item()), float(loss.item())
    want = float(SIDE), 1.0, 2.0 * SIDE**3
    assert got == want, f"a step right after slow operations on {device}: {want} != {got}"


# --- errors ---------------------------------------------------------------------------------------

LATE: dict[str, Callable[[tp.Tensor, tp.Tensor], Any]] = {
    "x[i]": lambda x, i: x[i],
    "index_select": lambda x, i: tp.index_select(x, 0, i),
    "gather": lambda x, i: tp.gather(x, 0, i[:, None]),
    "take": tp.take,
    "x[i] = 1": lambda x, i: x.__setitem__(i, 1.0),
    "index_add_": lambda x, i: x.index_add_(0, i, tp.ones(2, SIDE, device=x.device)),
    "index_copy_": lambda x, i: x.index_copy_(0, i, tp.ones(2, SIDE, device=x.device)),
    "embedding": lambda x, i: tp.nn.functional.embedding(i, x),
}


@pytest.mark.parametrize("op", LATE)
def test_values_that_are_wrong_raise_at_the_latest_when_they_are_read(device: str, op: str) -> None:
    """Even where they come out of a queue; what was there before is untouched."""
    x = busy(device, 1.0)
    index = (busy(device, 0.0)[0, :2] + tp.tensor([0.0, 1e6], device=device)).to(tp.int64)
    found: list[Any] = []
    told = error_of(lambda: found.append(LATE[op](x, index)))
    if told is not None:
        name = "index" if op.startswith("x[") else op.rstrip("_")
        assert name in str(told), f"{op} on {device}: expected its name in {told!r}"
    else:  # who reads need not know which of the operations before was wrong
        told = error_of((x if found[0] is None else found[0]).cpu)
    assert isinstance(told, (IndexError, RuntimeError)), f"{op} on {device}: got {told!r}"
    assert x.sum().item() == SIDE * SIDE, f"{op} on {device}: {told!r}, but wrote"
    assert index[0].item() == 0, f"{op} on {device} changed the index"
    assert busy(device, 2.0).sum().item() == 2 * SIDE * SIDE, f"{op}: {device} is unusable"


@pytest.mark.needs("async")
@pytest.mark.parametrize("op", ["x[i]", "gather", "embedding"])
def test_synchronize_leaves_no_error_for_later(device: str, op: str) -> None:
    """It waits for all that was asked for: what was wrong with it has been raised by then."""
    found, index = tp.device(device), busy(device, 1e6)[0, :2].to(tp.int64)

    def call_and_wait() -> None:
        LATE[op](busy(device, 1.0), index)
        found.backend.synchronize(found.index)

    with pytest.raises((IndexError, RuntimeError)):
        call_and_wait()
    found.backend.synchronize(found.index)
    assert busy(device, 2.0).sum().item() == 2 * SIDE * SIDE, f"{op}: {device} is unusable"

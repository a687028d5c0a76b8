"""Sizes beyond 2**15 and 2**16, counts beyond 2**24, and views beyond 2**32 elements that take no
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import few

pytestmark = pytest.mark.shared

LONG = 70_001
"""More than 2**16, and odd."""


def ramp() -> np.ndarray:
    return np.arange(LONG)


OPS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "x + x": (lambda x: x + x, lambda a: a + a),
    "sum": (lambda x: x.sum(), lambda a: a.sum()),
    "max": (lambda x: x.max(), lambda a: a.max()),
    "argmax": (lambda x: x.argmax(), lambda a: np.asarray(a.argmax())),
    "argmin": (lambda x: (-x).argmin(), lambda a: np.asarray((-a).argmin())),
    "cumsum": (lambda x: x.cumsum(0), lambda a: a.cumsum()),
    "flip": (lambda x: x.flip(0), lambda a: a[::-1]),
    "roll": (lambda x: tp.roll(x, 66_000, 0), lambda a: np.roll(a, 66_000)),
    "cat": (lambda x: tp.cat([x, x]), lambda a: np.concatenate([a, a])),
    "where": (lambda x: tp.where(x > 65_535, x, -x), lambda a: np.where(a > 65_535, a, -a)),
    "nonzero": (lambda x: tp.nonzero(x > 69_000), lambda a: np.argwhere(a > 69_000)),
    "mask": (lambda x: x[x > 65_535], lambda a: a[a > 65_535]),
    "sort": (lambda x: tp.sort(-x).values, lambda a: np.sort(-a)),
    "argsort": (lambda x: tp.argsort(-x), lambda a: np.argsort(-a, kind="stable")),
    "topk": (lambda x: tp.topk(x, 3).indices, lambda a: np.array([70_000, 69_999, 69_998])),
    "gather": (lambda x: x[x.flip(0)[:9]], lambda a: a[a[::-1][:9]]),
    "scatter": (lambda x: tp.zeros_like(x).scatter_(0, x.flip(0), x), lambda a: a[::-1]),
    "index_add": (
        lambda x: tp.zeros_like(x).index_add_(0, x[65_530:], x[65_530:]),
        lambda a: np.where(a >= 65_530, a, 0),
    ),
    "unique": (lambda x: tp.unique(x // 2), lambda a: np.unique(a // 2)),
    "searchsorted": (
        lambda x: tp.searchsorted(x, x[-5:]), lambda a: np.searchsorted(a, a[-5:])),
    "slice": (lambda x: x[65_530:][::-3], lambda a: a[65_530:][::-3]),
    "columns": (lambda x: x.view(-1, 1).T.contiguous(), lambda a: a.reshape(1, -1)),
    "split": (lambda x: tp.split(x, 66_000)[1], lambda a: a[66_000:]),
    "repeat": (lambda x: x[-2:].repeat(40_000)[65_530:65_540], lambda a: np.tile(a[-2:], 5)),
    "diff": (lambda x: tp.diff(x), lambda a: np.diff(a)),
    "bincount": (lambda x: tp.bincount(x)[65_530:], lambda a: np.ones(LONG - 65_530, np.int64)),
}  # fmt: skip


@pytest.mark.parametrize("op", OPS)
def test_positions_beyond_16_bits(device: str, op: str) -> None:
    mine, model = OPS[op]
    a = ramp()
    got, want = mine(tp.tensor(a, device=device)).cpu().numpy(), model(a)
    text = f"{op} of arange({LONG}) on {device}"
    assert got.shape == want.shape, f"{text}: expected shape {want.shape}, got {got.shape}"
    wrong = np.argwhere(got != want)
    assert not len(wrong), (
        f"{text}: expected {want[tuple(wrong[0])]} at {tuple(wrong[0])}, got {got[tuple(wrong[0])]}"
    )


def test_many_rows_and_many_columns(device: str, thorough: bool) -> None:
    for shape in few(device, [(LONG, 3), (3, LONG)], thorough, one_of=2):
        a = (np.arange(3 * LONG) % 101).reshape(shape).astype(np.float32)
        x = tp.tensor(a, device=device)
        for text, got, want in (
            ("sum(0)", x.sum(0), a.astype(np.float64).sum(0)),
            ("sum(1)", x.sum(1), a.astype(np.float64).sum(1)),
            ("amax(0)", x.amax(0), a.max(0)), ("argmax(1)", x.argmax(1), a.argmax(1)),
            ("T + 1", x.T + 1, a.T + 1), ("x[:, ::-1]", x[:, ::-1].contiguous(), a[:, ::-1]),
            ("x @ ones", x.T @ tp.ones(shape[0], 1, device=device),
             a.T.astype(np.float64).sum(1, keepdims=True)),
        ):  # fmt: skip
            ours = got.cpu().numpy()
            same = np.array_equal(ours, want)  # no sum is beyond 2**24
            assert same, f"{text} of {shape} on {device}: expected {want}, got {ours}"


def test_counts_beyond_24_bits(device: str) -> None:
    """More ones than float32 can count one by one, in a view of a few of them."""
    rows, columns = 1 << 12, (1 << 12) + 5
    wide = tp.ones(columns, device=device).expand(rows, columns)
    total = float(wide.sum(1).sum().item())
    assert total == rows * columns, f"sum of {rows * columns} ones on {device}: got {total}"
    truths = tp.ones(columns, dtype=tp.bool, device=device).expand(rows, columns)
    got = truths.sum(0).sum().item()
    assert got == rows * columns, f"count of {rows * columns} truths on {device}: got {got}"


def test_views_beyond_32_bits(device: str) -> None:
    side = 70_001
    x = tp.tensor([5.0], device=device).expand(side, side)
    assert x.numel() == side * side, f"numel of {side} x {side} on {device}: got {x.numel()}"
    assert (x.nbytes, x.stride()) == (4 * side * side, (0, 0)), (
        f"{device}: {x.nbytes}, {x.stride()}"
    )
    assert x.untyped_storage().nbytes() < 10_000, f"expand on {device} took memory"
    row = tp.arange(side, device=device).expand(side, side)
    got = row[65_537, 65_539].item(), row[-1, -1].item(), row[66_000:, 69_000][3].item()
    assert got == (65_539, side - 1, 69_000), f"elements of {side} x {side} on {device}: got {got}"
    assert row.T[-2:, -2:].tolist() == [[side - 2] * 2, [side - 1] * 2]
    assert row[::35_000, ::35_000].tolist() == [[0, 35_000, 70_000]] * 3


@pytest.mark.exhaustive
def test_elements_beyond_31_bits(device: str) -> None:
    """Real memory, in single bytes; their sum is taken over eight."""
    size = 2**31 + 7
    places = [0, 2**31 - 1, 2**31, size - 1]
    x = tp.zeros(size, dtype=tp.int8, device=device)
    for value, place in enumerate(places, 1):
        x[place] = value
    for text, got, want in (
        ("elements", [x[place].item() for place in places], [1, 2, 3, 4]),
        ("the end", x[2**31 - 2 :].tolist(), [0, 2, 3, 0, 0, 0, 0, 0, 4]),
        ("sum", x.sum(dtype=tp.int64).item(), 10),
        ("argmax", x.argmax().item(), size - 1),
        ("amax", x.amax().item(), 4),
        ("nonzero", tp.nonzero(x).view(-1).tolist(), places),
        ("index_select", x[tp.tensor(places, device=device)].tolist(), [1, 2, 3, 4]),
        ("flip", x.flip(0)[[0, 6, 7, -1]].tolist(), [4, 3, 2, 1]),
        ("steps", x[:: 2**30].tolist(), [1, 0, 3]),
        ("roll", x.roll(1)[[0, 1, 2**31]].tolist(), [4, 1, 2]),
    ):
        assert got == want, f"{text} of {size} elements on {device}: expected {want}, got {got}"
    x.add_(1)
    x[tp.tensor(places[2:], device=device)] = 9
    assert x[2**31 - 1 :].tolist() == [3, 9, 1, 1, 1, 1, 1, 9], f"writes beyond 2**31 on {device}"


def test_offsets_beyond_16_bits(device: str) -> None:
    a = (np.arange(300 * 301) % 251).astype(np.uint8).reshape(300, 301)
    x = tp.tensor(a, device=device)
    view, part = x[260:, 200:].T[::-2], a[260:, 200:].T[::-2]
    assert (view.storage_offset(), view.stride()) == (260 * 301 + 300, (-2, 301)), view.stride()
    assert np.array_equal(view.cpu().numpy(), part)
    view.add_(1)
    part += 1
    assert np.array_equal(x.cpu().numpy(), a), f"a write at offset {260 * 301} on {device}"


@pytest.mark.parametrize("size", [2**62, 2**63, 2**40])
def test_what_no_memory_holds_is_refused(device: str, size: int) -> None:
    for shape in ((size,), (size, 8), (2**31, size)):
        with pytest.raises((RuntimeError, MemoryError, ValueError, OverflowError, TypeError)):
            tp.empty(shape, dtype=tp.float64, device=device).fill_(1.0).cpu()
    assert tp.ones(3, device=device).sum().item() == 3, f"{device} is unusable after {size}"


def test_positions_beyond_are_refused(device: str) -> None:
    x = tp.zeros(LONG, device=device)
    for at in (LONG, -LONG - 1, 2**31, 2**32, 2**32 + 1, -(2**32)):
        with pytest.raises(IndexError):
            x[at]
        with pytest.raises((IndexError, RuntimeError)):
            x[tp.tensor([at], device=device)] = 1.0
    assert not x.any().item(), f"an index out of range on {device} wrote"

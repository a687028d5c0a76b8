"""Picking, placing and joining by position: every dimension, repeats, casts, and far indices.

Expected values are NumPy's, or loops over it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import call, check, f32, f64, few, floats_of, i64, on, refuses
from tensorplug.conformance.reference import array_of
from tensorplug.conformance.samples import supports

pytestmark = pytest.mark.shared


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape)


def indices(shape: tuple[int, ...], stop: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, stop, shape)


DIMS = [0, 1, 2, -1, -3]


@pytest.mark.parametrize("dim", DIMS)
def test_gather_along_each_dimension(device: str, dim: int) -> None:
    x = data(4, 5, 3)
    shape = [4, 5, 3]
    shape[dim] = 6
    at = indices(tuple(shape), x.shape[dim])
    want = np.take_along_axis(x, at, dim)
    check(device, "gather", x, dim, at, want=want)
    check(device, "take_along_dim", x, at, dim, want=want)
    some = at[:2, :3, :2]  # the index may be smaller: the rest of x is left out
    part = x[tuple(slice(None) if d == dim % 3 else slice(n) for d, n in enumerate(some.shape))]
    check(device, "gather", x, dim, some, want=np.take_along_axis(part, some, dim))
    view = tp.tensor(x, device=device).transpose(0, 2)
    flat = indices((3, 5, 4), view.shape[dim], seed=1)
    check(
        device, "gather", view, dim, flat, want=np.take_along_axis(x.transpose(2, 1, 0), flat, dim)
    )


def place(x: np.ndarray, dim: int, at: np.ndarray, source: Any, how: str) -> np.ndarray:
    """Scatter and its kin, one element after the other."""
    out = x.astype(np.float64)
    for here in np.ndindex(*at.shape):
        there = list(here)
        there[dim] = int(at[here])
        old, new = out[tuple(there)], source[here] if isinstance(source, np.ndarray) else source
        out[tuple(there)] = {"set": new, "sum": old + new, "prod": old * new,
                             "amax": max(old, new), "amin": min(old, new)}[how]  # fmt: skip
    return out


@pytest.mark.parametrize("dim", DIMS)
def test_scatter_along_each_dimension(device: str, dim: int) -> None:
    x, source = data(4, 5, 3), data(4, 5, 3, seed=1)
    order = np.argsort(data(4, 5, 3, seed=2), dim)  # no place twice
    check(device, "scatter", x, dim, order, source, want=place(x, dim, order, source, "set"))
    check(device, "scatter", x, dim, order, 7.0, want=place(x, dim, order, 7.0, "set"))
    at = indices((3, 4, 2), min(x.shape[dim], 3), seed=3)
    for how in ("sum", "prod", "amax", "amin"):
        want = place(x, dim, at, source, how)
        check(device, "scatter_reduce", x, dim, at, source, how, want=want, rtol=1e-13)
    want = place(x, dim, at, source, "sum")
    check(device, "scatter_add", x, dim, at, source, want=want, rtol=1e-13)


def test_reduced_places_without_what_was_there(device: str) -> None:
    x, at, source = f64([10, 20, 30, 40]), i64([0, 0, 2, 2, 2]), f64([1, 2, 3, 4, 8])
    for how, want in (("sum", [3, 20, 15, 40]), ("prod", [2, 20, 96, 40]),
                      ("mean", [1.5, 20, 5, 40]), ("amax", [2, 20, 8, 40]),
                      ("amin", [1, 20, 3, 40])):  # fmt: skip
        args = (x, 0, at, source, how)
        check(device, "scatter_reduce", *args, include_self=False, want=f64(want))
        if how != "sum":
            check(device, "index_reduce", *args, include_self=False, want=f64(want))
    mean = f64([13 / 3, 20, 45 / 4, 40])
    check(device, "scatter_reduce", x, 0, at, source, "mean", want=mean, rtol=1e-14)


FOLDED: dict[str, Callable[[list[float]], float]] = {
    "sum": sum, "prod": math.prod, "amax": max, "amin": min,
}  # fmt: skip


def test_reduced_places_of_every_type_and_sign(device: str, thorough: bool) -> None:
    """What was at a place counts where it is asked to, and nothing else does: no 0 or 1."""
    kinds = (tp.int64, tp.int8, tp.int16, tp.int32, tp.uint8, *floats_of(device, thorough))
    at = i64([0, 0, 2, 2, 2])
    for dtype, sign in itertools.product(kinds, (1, -1)):
        if not supports(device, dtype) or (sign < 0 and dtype is tp.uint8):
            continue
        x, source = (sign * np.array(v, np.float64) for v in ([3, 20, 4, 40], [6, 5, 2, 3, 2]))
        for how, included in itertools.product(("sum", "prod", "amax", "amin"), (True, False)):
            want = x.copy()
            for place in (0, 2):
                parts = source[at == place]
                want[place] = FOLDED[how]([x[place], *parts] if included else list(parts))
            args = x.astype(dtype.numpy), 0, at, source.astype(dtype.numpy), how
            for name in ("scatter_reduce", "index_reduce")[: 1 if how == "sum" else 2]:
                check(device, name, *args, include_self=included, want=want.astype(dtype.numpy))


@pytest.mark.parametrize("dim", [0, 1, -1, 2])
def test_slices_by_index(device: str, dim: int) -> None:
    x = data(4, 5, 3)
    at = i64([2, 0, 2])
    check(device, "index_select", x, dim, at, want=np.take(x, at, dim))
    source = np.take(data(4, 5, 3, seed=1), [0, 1, 2], dim)
    moved, parts = np.moveaxis(x.copy(), dim, 0), np.moveaxis(source, dim, 0)
    added = moved.copy()
    np.add.at(added, at, parts * 2)
    check(device, "index_add", x, dim, at, source, alpha=2, want=np.moveaxis(added, 0, dim),
          rtol=1e-14)  # fmt: skip
    copied = moved.copy()
    copied[at[:2]] = parts[:2]
    there = np.take(source, [0, 1], dim)
    check(device, "index_copy", x, dim, at[:2], there, want=np.moveaxis(copied, 0, dim))
    filled = moved.copy()
    filled[at] = -1
    check(device, "index_fill", x, dim, at, -1.0, want=np.moveaxis(filled, 0, dim))
    check(device, "index_select", x, dim, i64([]), want=np.take(x, i64([]), dim))


def test_places_in_the_flattened(device: str) -> None:
    x = data(3, 4)
    at = i64([[0, -1], [5, 5]])
    check(device, "take", x, at, want=x.reshape(-1)[at])
    want = x.copy()
    np.add.at(want.reshape(-1), [1, 1, -1], [1.0, 2.0, 4.0])
    check(device, "put", x, i64([1, 1, -1]), f64([1, 2, 4]), accumulate=True, want=want, rtol=1e-14)
    mask = x > 0
    check(device, "masked_select", x, mask, want=x[mask])
    check(device, "masked_select", x, mask[0], want=x[:, mask[0]].reshape(-1))
    check(device, "masked_fill", x, mask[:, :1], 9.0, want=np.where(mask[:, :1], 9.0, x))
    source = np.arange(12.0)
    want = x.copy()
    want[mask] = source[: mask.sum()]
    check(device, "masked_scatter", x, mask, source, want=want)
    found = call(device, "nonzero", mask)
    assert found.tolist() == np.argwhere(mask).tolist(), f"nonzero on {device}: {found.tolist()}"
    assert [a.tolist() for a in call(device, "nonzero", mask, as_tuple=True)] == [
        a.tolist() for a in np.nonzero(mask)
    ]


def test_indices_of_other_types(device: str) -> None:
    x = data(5, 2)
    for dtype in (tp.int32, tp.int64):
        if supports(device, dtype):
            at = np.array([4, 0], dtype.numpy)
            check(device, "index_select", x, 0, at, want=x[[4, 0]])
            check(device, "nn.functional.embedding", at, x, want=x[[4, 0]])
            got = on(device, x)[on(device, at)]
            assert array_of(got).tolist() == x[[4, 0]].tolist(), f"x[{dtype}] on {device}"


def test_far_positions(device: str) -> None:
    """Beyond 2**15 and 2**16: no index is kept in 16 bits."""
    count = 2**16 + 7
    x = np.arange(count, dtype=np.float32)
    at = i64([0, 2**15 - 1, 2**15, 2**16 - 1, 2**16, count - 1])
    check(device, "index_select", x, 0, at, want=x[at])
    check(device, "gather", x, 0, at, want=x[at])
    assert call(device, "argmax", x).item() == count - 1
    assert call(device, "nonzero", x > count - 3).tolist() == [[count - 2], [count - 1]]
    assert call(device, "sort", -x).indices[:2].tolist() == [count - 1, count - 2]
    got = on(device, x)[2**16 :].tolist()
    assert got == x[2**16 :].tolist()


# --- joining and moving --------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_joining(device: str, dim: int) -> None:
    a, b = data(2, 3), data(2, 3, seed=1)
    c = np.take(a, [], dim)
    check(device, "cat", (a, c, b, b[::-1]), dim, want=np.concatenate([a, c, b, b[::-1]], dim))
    check(device, "stack", (a, b, a), dim, want=np.stack([a, b, a], dim))
    check(device, "cat", (f64([]), a), dim, want=a)  # an empty one of one dimension is left out
    view = on(device, a).t()
    check(device, "cat", (view, view[::2]), dim % 2 * 0, want=np.concatenate([a.T, a.T[::2]], 0))
    many = [data(1, 2, seed=i) for i in range(17)]
    check(device, "cat", tuple(many), 0, want=np.concatenate(many))


def test_moving(device: str, thorough: bool) -> None:
    x = data(3, 4, 5)
    moves: list[tuple[Any, Any]] = [(2, 0), (-1, 1), (7, 2), ((1, -2), (0, 2))]
    for shifts, dims in few(device, moves, thorough, 2):
        check(device, "roll", x, shifts, dims, want=np.roll(x, shifts, dims))
    check(device, "roll", x, 13, want=np.roll(x, 13))
    for dims in few(device, ((0,), (1, 2), (-1,), (0, 1, 2)), thorough, 2):
        check(device, "flip", x, dims, want=np.flip(x, dims))
    for k in (1, 2, -1):
        check(device, "rot90", x, k, (0, 2), want=np.rot90(x, k, (0, 2)))
    check(device, "Tensor.repeat", x[0], 2, 1, 3, want=np.tile(x[0], (2, 1, 3)))
    check(device, "tile", x[0], (2,), want=np.tile(x[0], 2))
    check(device, "repeat_interleave", x, 2, 1, want=np.repeat(x, 2, 1))
    check(device, "repeat_interleave", x, i64([0, 2, 1]), 0, want=np.repeat(x, [0, 2, 1], 0))
    check(device, "diff", x, 2, 1, want=np.diff(x, 2, 1), rtol=1e-13, atol=1e-15)
    check(device, "diag_embed", x[0, :2], want=np.stack([np.diag(r) for r in x[0, :2]]))


def test_where_broadcasts(device: str) -> None:
    mask, a, b = data(3, 1, 1) > 0, data(4, 1), data(5)
    check(device, "where", mask, a, b, want=np.where(mask, a, b))
    check(device, "where", np.array(True), a, b, want=np.broadcast_to(a, (4, 5)))
    check(device, "where", mask, 1.5, b, want=np.where(mask, 1.5, b))
    check(device, "where", data(0, 1) > 0, a.T, 0.0, want=np.zeros((0, 4)))
    assert [x.tolist() for x in call(device, "where", mask[:, 0, 0])] == [
        np.flatnonzero(mask).tolist()
    ]


def test_ranges(device: str) -> None:
    for args in ((5,), (2, 9, 3), (9, 2, -3), (0, 1, 0.1), (1, 0, -0.25), (-2.5, 3.0), (0,)):
        whole = all(isinstance(a, int) for a in args)
        want = np.arange(*args).astype(np.int64 if whole else np.float32)
        check(device, "arange", *args, want=want, ulps=2, atol=1e-7)
    for count in (0, 1, 2, 7, 100):
        want = np.linspace(-1, 3, count).astype(np.float32)
        check(device, "linspace", -1, 3, count, want=want, ulps=2, atol=1e-6)
    ends = call(device, "linspace", 0.1, 0.7, 13)
    assert [ends[0].item(), ends[-1].item()] == f32([0.1, 0.7]).tolist(), f"linspace on {device}"
    check(device, "eye", 3, 5, want=np.eye(3, 5, dtype=np.float32))
    check(device, "tril_indices", 4, 3, -1, want=np.array(np.tril_indices(4, -1, 3)))


# --- what is refused -----------------------------------------------------------------------------

OUT = [i64([0, 3]), i64([-4, 0])]


@pytest.mark.parametrize("at", OUT, ids=["above", "below"])
@pytest.mark.parametrize(
    "name",
    ["gather", "scatter", "scatter_add", "scatter_reduce", "index_select", "index_add",
     "index_copy", "index_fill", "take", "put", "embedding", "one_hot", "nll_loss"],
)  # fmt: skip
def test_positions_out_of_range(device: str, name: str, at: np.ndarray) -> None:
    x, source = f64([1, 2, 3]), f64([5, 6])
    table = {
        "gather": (x, 0, at), "scatter": (x, 0, at, source), "scatter_add": (x, 0, at, source),
        "scatter_reduce": (x, 0, at, source, "sum"), "index_select": (x, 0, at),
        "index_add": (x, 0, at, source), "index_copy": (x, 0, at, source),
        "index_fill": (x, 0, at, 1.0), "take": (x, at), "put": (x, at, source),
        "embedding": (at, data(3, 2)), "one_hot": (at, 3), "nll_loss": (data(2, 3), at),
    }  # fmt: skip
    space = "nn.functional." if name in ("embedding", "one_hot", "nll_loss") else ""
    refuses(device, space + name, *table[name])


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("gather", (data(3, 2), 0, i64([0]))), ("gather", (data(3, 2), 0, i64([[0, 0, 0]]))),
        ("scatter", (data(3), 0, i64([0, 1]), f64([1]))), ("cat", ((),)), ("stack", ((),)),
        ("scatter_reduce", (data(3), 0, i64([0]), f64([1]), "median")),
        ("index_select", (data(3, 2), 0, i64([[0]]))), ("index_select", (data(3), 1, i64([0]))),
        ("index_add", (data(3, 2), 0, i64([0]), data(2, 2))), ("stack", ((data(2), data(3)),)),
        ("cat", ((data(2, 3), data(3, 2)), 0)), ("cat", ((data(2), data(2)), 1)),
        ("masked_select", (data(3), np.ones(4, bool))), ("roll", (data(3), 1, 1)),
        ("masked_scatter", (data(3), np.ones(3, bool), f64([1]))), ("flip", (data(3), (0, 0))),
        ("repeat_interleave", (data(3), i64([1, 2]), 0)), ("repeat_interleave", (data(3), -1)),
        ("where", (np.ones(3, bool), data(2), data(3))), ("arange", (0, 5, 0)),
        ("arange", (0, 5, -1)), ("linspace", (0, 1, -1)), ("eye", (-1,)),
        ("Tensor.repeat", (data(2, 3), 2)), ("take_along_dim", (data(3, 2), i64([[0]]), 2)),
        ("split", (data(5), (2, 2))), ("chunk", (data(5), 0)), ("narrow", (data(5), 0, 3, 3)),
        ("select", (data(5), 0, 5)), ("unbind", (data(5), 1)), ("diff", (data(3), -1)),
    ],
)  # fmt: skip
def test_what_does_not_fit_together(device: str, name: str, args: tuple[Any, ...]) -> None:
    refuses(device, name, *args)

"""Sorting and what rests on it: ties, nan, both directions, every dimension, and sides.

Where a rule leaves the order of equals open, values are compared, and indices by what they find.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import call, check, f32, f64, few, i64, refuses
from tensorplug.conformance.samples import supports

pytestmark = pytest.mark.shared

INF, NAN = math.inf, math.nan
TYPES = (tp.bool, tp.uint8, tp.int8, tp.int16, tp.int32, tp.int64, tp.float16, tp.bfloat16,
         tp.float32, tp.float64)  # fmt: skip


def with_ties(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 6, shape)


def stable(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """The indices that sort, equals in their order; nan is the largest."""
    ranks = np.unique(x, return_inverse=True, equal_nan=True)[1].reshape(x.shape)
    found: np.ndarray = np.argsort(-ranks if descending else ranks, axis=axis, kind="stable")
    return found


@pytest.mark.parametrize("descending", [False, True])
def test_stable_sorting_of_each_type(device: str, descending: bool, thorough: bool) -> None:
    declared = [dtype for dtype in TYPES if supports(device, dtype)]
    for dtype in few(device, declared, thorough, 4):
        x = with_ties(3, 17).astype(dtype.numpy)
        order = stable(x, 1, descending)
        want = [np.take_along_axis(x, order, 1), order]
        check(device, "sort", x, dim=1, descending=descending, stable=True, want=want)
        check(device, "argsort", x, dim=1, descending=descending, stable=True, want=order)


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_along_each_dimension(device: str, dim: int, descending: bool) -> None:
    x = with_ties(5, 3, 4, seed=1).astype(np.float64)
    order = stable(x, dim, descending)
    want = [np.take_along_axis(x, order, dim), order]
    check(device, "sort", x, dim, descending, stable=True, want=want)
    view = tp.tensor(x, device=device).transpose(0, 2)[::2]
    array = x.transpose(2, 1, 0)[::2]
    order = stable(array, dim, descending)
    want = [np.take_along_axis(array, order, dim), order]
    check(device, "sort", view, dim, descending, stable=True, want=want)


@pytest.mark.parametrize("descending", [False, True])
def test_nan_and_infinities_in_order(device: str, descending: bool) -> None:
    for dtype in (np.float32, np.float64):
        x = np.array([NAN, 2, -INF, INF, NAN, -2, 0.0, 5], dtype)
        order = stable(x, 0, descending)
        check(device, "sort", x, descending=descending, stable=True, want=[x[order], order])
        indices = call(device, "sort", x, descending=descending).indices
        found = x[indices.cpu().numpy()]
        assert np.array_equal(found, x[order], equal_nan=True), f"sort({x}) on {device}: {found}"
        assert sorted(indices.tolist()) == list(range(8)), f"sort({x}) on {device}: {indices}"


def test_unstable_sorts_find_their_values(device: str) -> None:
    x = with_ties(4, 33, seed=2).astype(np.float32)
    for dim in (0, 1):
        values, indices = call(device, "sort", x, dim)
        at = indices.cpu().numpy()
        assert np.array_equal(np.take_along_axis(x, at, dim), np.sort(x, dim)), f"sort on {device}"
        assert np.array_equal(np.sort(at, dim), np.argsort(np.zeros_like(x), dim, kind="stable"))
        check(device, "clone", values, want=np.sort(x, dim))


def test_sorting_what_is_small(device: str) -> None:
    check(device, "sort", f32(3.0), want=[f32(3.0), i64(0)])
    check(device, "sort", f32([]), want=[f32([]), i64([])])
    check(device, "sort", f32([[], []]), 1, want=[f32([[], []]), np.zeros((2, 0), np.int64)])
    check(device, "sort", f32([[2], [1]]), 1, want=[f32([[2], [1]]), i64([[0], [0]])])
    check(device, "sort", f32([2, 1]), want=[f32([1, 2]), i64([1, 0])])


# --- a few of many -------------------------------------------------------------------------------


@pytest.mark.parametrize("largest", [True, False])
def test_the_few_largest_and_smallest(device: str, largest: bool, thorough: bool) -> None:
    x = np.random.default_rng(3).permutation(7 * 33).reshape(7, 33).astype(np.float64)
    for k, dim in few(device, ((1, 1), (5, 1), (33, 1), (3, 0), (7, 0), (0, 1)), thorough, 3):
        order = stable(x, dim, largest)
        at = np.take(order, range(k), dim)
        want = [np.take_along_axis(x, at, dim), at]
        check(device, "topk", x, k, dim, largest, want=want)
        values = call(device, "topk", x, k, dim, largest, sorted=False).values.cpu().numpy()
        assert np.array_equal(np.sort(values, dim), np.sort(want[0], dim)), f"topk on {device}"
    for dtype in (np.int32, np.uint8):
        y = with_ties(40, seed=4).astype(dtype)
        values, indices = call(device, "topk", y, 6, 0, largest)
        assert values.tolist() == np.sort(y)[::-1][:6].tolist() or not largest
        assert y[indices.cpu().numpy()].tolist() == values.tolist()
        assert len(set(indices.tolist())) == 6, f"topk of ties on {device} found one twice"


def test_order_statistics(device: str) -> None:
    x = np.random.default_rng(5).permutation(35).reshape(5, 7).astype(np.float64)
    for k in (1, 4, 7):
        at = np.argsort(x, 1)[:, k - 1]
        check(device, "kthvalue", x, k, 1, want=[np.sort(x, 1)[:, k - 1], at])
    even = x[:, :6]
    check(device, "median", even, 1, want=[np.sort(even, 1)[:, 2], np.argsort(even, 1)[:, 2]])
    check(device, "median", x, want=np.asarray(np.median(x)))
    with_nan = np.where(x == x[1, 2], NAN, x)
    assert math.isnan(call(device, "median", with_nan).item())
    middle = np.sort(x[x != x[1, 2]])[16]
    assert call(device, "nanmedian", with_nan).item() == middle
    check(device, "mode", i64([[3, 1, 1, 3, 1], [2, 2, 0, 0, 5]]), 1,
          want=[i64([1, 0]), i64([4, 3])])  # fmt: skip


@pytest.mark.parametrize("how", ["linear", "lower", "higher", "nearest", "midpoint"])
def test_quantiles(device: str, how: Any) -> None:
    x = np.random.default_rng(6).uniform(-3, 3, (4, 9))
    for q in (0.0, 0.1, 0.35, 0.5, 1.0):
        want = np.asarray(np.quantile(x, q, axis=1, method=how))
        check(device, "quantile", x, q, dim=1, interpolation=how, want=want, rtol=1e-12)
    many = f64([0.25, 0.5])
    want = np.quantile(x, many, method=how)
    check(device, "quantile", x, many, interpolation=how, want=want, rtol=1e-12)
    x[1, 3] = NAN
    want = np.nanquantile(x, 0.3, axis=0, method=how)
    check(device, "nanquantile", x, 0.3, dim=0, interpolation=how, want=want, rtol=1e-12)
    assert math.isnan(call(device, "quantile", x, 0.3).item())


# --- distinct values -----------------------------------------------------------------------------


def test_distinct_values_with_places_and_counts(device: str) -> None:
    for x in (i64([3, 1, 3, 3, -2, 1]), f64([0.5, -1, 0.5, 7]), np.array([True, True, False])):
        values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
        got = call(device, "unique", x, return_inverse=True, return_counts=True)
        for part, want in zip(got, (values, inverse, counts), strict=True):
            assert part.tolist() == want.tolist(), f"unique({x}) on {device}: {part}"
    x = i64([[1, 2], [0, 9], [1, 2]])
    got = call(device, "unique", x, dim=0, return_inverse=True, return_counts=True)
    assert [part.tolist() for part in got] == [[[0, 9], [1, 2]], [1, 0, 1], [1, 2]]
    runs = call(device, "unique_consecutive", i64([1, 1, 2, 2, 2, 1]), return_counts=True)
    assert [part.tolist() for part in runs] == [[1, 2, 1], [2, 3, 1]]
    assert call(device, "unique", i64([])).shape == (0,)


@pytest.mark.parametrize("right", [False, True])
def test_places_in_what_is_sorted(device: str, right: bool) -> None:
    side: Any = "right" if right else "left"
    edges, x = f64([-1, 0, 0, 2, 5]), f64([[-2, -1, 0, 1], [2, 5, 6, -INF]])
    want = np.searchsorted(edges, x, side=side)
    check(device, "searchsorted", edges, x, right=right, want=want)
    check(device, "searchsorted", edges, x, side=side, want=want)
    check(device, "bucketize", x, edges, right=right, want=want)
    check(device, "bucketize", x, edges, right=right, out_int32=True, want=want.astype(np.int32))
    rows = np.sort(np.random.default_rng(7).integers(0, 9, (3, 6)), 1).astype(np.float32)
    given = f32([[0, 4, 9], [3, 3, -1], [8, 2, 5]])
    want = np.stack([np.searchsorted(a, b, side=side) for a, b in zip(rows, given, strict=True)])
    check(device, "searchsorted", rows, given, right=right, want=want)
    assert call(device, "searchsorted", edges, 0.0, right=right).item() == (3 if right else 1)
    assert call(device, "searchsorted", edges, f64([NAN])).tolist() == [5]


def test_counts(device: str) -> None:
    x = i64([1, 3, 3, 0, 7, 1, 1])
    check(device, "bincount", x, want=np.bincount(x))
    check(device, "bincount", x, minlength=12, want=np.bincount(x, minlength=12))
    weights = f64([0.5, 1, 2, 4, 8, 16, 32])
    check(device, "bincount", x, weights, want=np.bincount(x, weights))
    values = f32([0.0, 0.1, 0.25, 0.5, 0.99, 1.0, 2.0, -1.0])
    want = np.histogram(values, 4, (0, 1))[0].astype(np.float32)
    check(device, "histc", values, bins=4, min=0, max=1, want=want)
    found = call(device, "histogram", values, bins=4, range=(0.0, 1.0))
    assert found.hist.tolist() == want.tolist(), f"histogram on {device}: {found.hist}"
    check(device, "isin", x, i64([3, 7, 9]), want=np.isin(x, [3, 7, 9]))
    check(device, "isin", x, i64([3, 7, 9]), invert=True, want=~np.isin(x, [3, 7, 9]))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("sort", (f32([1, 2]), 1), {}), ("topk", (f32([1, 2]), 3), {}),
        ("topk", (f32([1, 2]), -1), {}), ("topk", (f32([1, 2]), 1, 1), {}),
        ("kthvalue", (f32([1, 2]), 0), {}), ("kthvalue", (f32([1, 2]), 3), {}),
        ("sort", (np.ones(2, np.complex64),), {}), ("quantile", (f32([1, 2]), 1.5), {}),
        ("quantile", (f32([1, 2]), -0.1), {}), ("quantile", (i64([1, 2]), 0.5), {}),
        ("quantile", (f32([1, 2]), 0.5), {"interpolation": "cubic"}),
        ("quantile", (f32([]), 0.5), {}), ("searchsorted", (f32([[1, 2]]), f32([1, 2])), {}),
        ("searchsorted", (f32([1, 2]), f32([1])), {"side": "middle"}),
        ("bucketize", (f32([1]), f32([[1, 2]])), {}), ("bincount", (i64([[1]]),), {}),
        ("bincount", (i64([1]),), {"minlength": -1}), ("bincount", (i64([1]), f32([1, 2])), {}),
        ("histc", (f32([1]),), {"bins": 0}), ("histc", (f32([1]),), {"min": 2, "max": 1}),
        ("unique", (i64([1]),), {"dim": 1}), ("median", (f32([1, 2]), 1), {}),
    ],
)  # fmt: skip
def test_orders_that_do_not_exist(
    device: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    refuses(device, name, *args, **kwargs)

"""Reductions over every set of dimensions, of odd sizes, in every layout, with narrow sums.

Expected values are NumPy's in float64; bounds on sums hold for any order of summation in a type
of at least 32 bits.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import call, check, f32, f64, few, floats_of, i64, refuses

pytestmark = pytest.mark.shared

INF, NAN = math.inf, math.nan


@pytest.fixture
def floats(device: str, thorough: bool) -> list[DType]:
    """The types to try."""
    return floats_of(device, thorough)


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.5, 2.0, shape)


def logsumexp(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    top = x.max(axis=axis, keepdims=True)
    found = np.log(np.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return found if keepdims else np.squeeze(found, axis=axis)


MANY: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min, "logsumexp": logsumexp,
    "var": lambda x, axis, keepdims: np.var(x, axis=axis, keepdims=keepdims, ddof=1),
    "std": lambda x, axis, keepdims: np.std(x, axis=axis, keepdims=keepdims, ddof=1),
    "any": lambda x, axis, keepdims: np.any(x > 0, axis=axis, keepdims=keepdims),
    "all": lambda x, axis, keepdims: np.all(x > -1.4, axis=axis, keepdims=keepdims),
    "count_nonzero": lambda x, axis, keepdims: np.count_nonzero(x, axis=axis),
    "nansum": np.nansum, "nanmean": np.nanmean,
    "linalg.vector_norm": lambda x, axis, keepdims: np.sqrt((x * x).sum(axis, keepdims=keepdims)),
}  # fmt: skip
"""Reductions over any set of dimensions."""


def argument(name: str, x: np.ndarray) -> np.ndarray:
    return {"any": x > 0, "all": x > -1.4}.get(name, x)


def sets_of(rank: int) -> list[tuple[int, ...]]:
    every = range(rank)
    return [found for n in range(1, rank + 1) for found in itertools.combinations(every, n)]


@pytest.mark.parametrize("name", MANY)
def test_every_set_of_dimensions(device: str, name: str, thorough: bool) -> None:
    x = data(3, 7, 2)
    for dims in few(device, sets_of(3), thorough, 6):
        for keepdim in (False, True):
            if name == "count_nonzero" and keepdim:
                continue
            signed = tuple(d - 3 if i % 2 else d for i, d in enumerate(dims))[::-1]
            kwargs: dict[str, Any] = {} if name == "count_nonzero" else {"keepdim": keepdim}
            want = np.asarray(MANY[name](x, axis=dims, keepdims=keepdim))
            check(device, name, argument(name, x), dim=signed, want=want, rtol=1e-12, **kwargs)


@pytest.mark.parametrize("name", MANY)
def test_odd_sizes_along_each_dimension(device: str, name: str, thorough: bool) -> None:
    """No last row, column or tail of a vector is left out or read twice."""
    shapes = [(1, 5), (5, 1), (33, 3), (3, 33), (7, 1025), (1025, 2), (2, 31, 9)]
    for shape in few(device, shapes, thorough, 6):
        x = data(*shape, seed=sum(shape))
        for dim in range(len(shape)):
            if shape[dim] == 1 and name in ("var", "std"):
                continue
            want = np.asarray(MANY[name](x, axis=dim, keepdims=False))
            check(device, name, argument(name, x), dim=dim, want=want, rtol=1e-11)


@pytest.mark.parametrize("name", MANY)
def test_layouts_that_are_not_contiguous(device: str, name: str, thorough: bool) -> None:
    x = data(6, 5, 4)
    base = tp.tensor(x, device=device)
    views = [(base.permute(2, 0, 1), x.transpose(2, 0, 1)), (base[1::2, :, ::3], x[1::2, :, ::3]),
             (base.flip(1)[:, :2], x[:, ::-1][:, :2]),
             (base[:, :1].expand(6, 3, 4), np.broadcast_to(x[:, :1], (6, 3, 4)))]  # fmt: skip
    for view, array in few(device, views, thorough, 3):
        if name in ("any", "all"):
            view = view > (0 if name == "any" else -1.4)
        for dim in ((1,), (0, 2)):
            want = np.asarray(MANY[name](array, axis=dim, keepdims=False))
            check(device, name, view, dim=dim, want=want, rtol=1e-11, atol=1e-14)


ONE: dict[str, Callable[..., Any]] = {
    "prod": np.prod, "argmax": np.argmax, "argmin": np.argmin, "median": np.median, "max": np.max,
    "min": np.min,
}  # fmt: skip
"""Reductions over one dimension."""

SCANS: dict[str, Callable[..., Any]] = {
    "cumsum": np.cumsum, "cumprod": np.cumprod, "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate, "logcumsumexp": np.logaddexp.accumulate,
}  # fmt: skip


@pytest.mark.parametrize("name", [*ONE, *SCANS])
def test_one_dimension_of_each(device: str, name: str, thorough: bool) -> None:
    for shape in few(device, [(7,), (3, 5), (5, 3, 7), (1, 33), (1025,)], thorough, 5):
        x = data(*shape, seed=1)
        for dim in few(device, range(-len(shape), len(shape)), thorough, 3):
            if name in SCANS:
                want = SCANS[name](x, axis=dim)
                got = call(device, name, x, dim)
                got = got.values if name in ("cummax", "cummin") else got
                check(device, "clone", got, want=want, rtol=1e-11)
            elif name in ("max", "min", "median"):
                got = call(device, name, x, dim).values
                check(device, "clone", got, want=np.asarray(ONE[name](x, axis=dim)))
            else:
                want = np.asarray(ONE[name](x, axis=dim))
                check(device, name, x, dim, want=want, rtol=1e-11)


@pytest.mark.parametrize("name", ["max", "min", "median", "cummax", "cummin", "mode", "kthvalue"])
def test_indices_point_at_the_values(device: str, name: str) -> None:
    x = np.round(data(4, 9, seed=2) * 2)  # with ties
    args = (2, 1) if name == "kthvalue" else (1,)
    values, indices = call(device, name, x, *args)
    found = np.take_along_axis(x, indices.cpu().numpy().reshape(4, -1), 1)
    assert found.reshape(tuple(values.shape)).tolist() == values.tolist(), f"{name} on {device}"


def test_one_element_and_no_dimension(device: str) -> None:
    for x in (np.float64(3.0), f64([3.0]), f64([[3.0]])):
        array = np.asarray(x)
        dims = {} if not array.ndim else {"dim": -1}
        for name in ("sum", "mean", "amax", "logsumexp", "prod", "nansum"):
            kwargs = dims or ({"dim": 0} if name in ("logsumexp", "amax") else {})
            check(device, name, array, want=array.sum(axis=-1) if array.ndim else array, **kwargs)
        check(device, "cumsum", array, 0, want=array)
        assert call(device, "argmax", array).item() == 0
        assert math.isnan(call(device, "var", array).item())


def test_identities_of_the_empty(device: str) -> None:
    x = np.zeros((3, 0, 2))
    wants = {"sum": 0.0, "prod": 1.0, "any": False, "all": True, "logsumexp": -INF, "nansum": 0.0,
             "mean": NAN, "linalg.vector_norm": 0.0, "count_nonzero": 0}  # fmt: skip
    for name, value in wants.items():
        kind = {bool: bool, int: np.int64, float: np.float64}[type(value)]
        values = x > 0 if kind is bool else x
        check(device, name, values, dim=1, want=np.full((3, 2), value, kind))
        check(device, name, values, dim=0, want=np.zeros((0, 2), kind))
    for name in ("amax", "amin"):
        check(device, name, x, dim=0, want=np.zeros((0, 2)))
        refuses(device, name, x, dim=1, words=(name,))
    check(device, "cumsum", x, 1, want=x)
    check(device, "argmax", x, 0, want=np.zeros((0, 2), np.int64))


INF, NAN = np.inf, np.nan
FULL: dict[str, list[float]] = {
    "inf": [INF] * 3, "-inf": [-INF] * 3, "nan": [NAN] * 3, "inf and -inf": [INF, -INF, INF],
    "inf and nan": [NAN, INF, INF], "-inf and nan": [-INF, NAN, -INF], "one inf": [INF],
    "inf at the end": [1.0, 2.0, INF],
    "-inf at the end": [-1.0, -2.0, -INF], "negative zeros": [-0.0, -0.0],
}  # fmt: skip
OF_INFINITIES: dict[str, Any] = {
    "sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min,
    "logsumexp": lambda x, axis: np.logaddexp.reduce(x, axis=axis), "nansum": np.nansum,
    "var": lambda x, axis: np.var(x, axis=axis), "all": np.all, "any": np.any,
    "cumsum": np.cumsum, "cumprod": np.cumprod, "argmax": np.argmax, "argmin": np.argmin,
}  # fmt: skip


@pytest.mark.parametrize("values", FULL)
@pytest.mark.parametrize("name", OF_INFINITIES)
def test_nothing_but_infinities_and_nan(
    device: str, name: str, values: str, floats: list[DType]
) -> None:
    """A reduction must not start from a finite number, nor end with one."""
    for dtype in floats:
        row = np.array(FULL[values], np.float32).astype(dtype.numpy)
        for x, dim in ((row, 0), (np.stack([row, row]), 1), (np.stack([row, row], 1), 0)):
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                want = np.asarray(OF_INFINITIES[name](x.astype(np.float64), axis=dim))
                kind = want.dtype if want.dtype.kind in "bi" else dtype.numpy
                want = want.astype(kind)
            settings = {"correction": 0} if name == "var" else {}
            check(device, name, x, dim=dim, want=want, ulps=2, **settings)


# --- accumulation --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["all", "rows", "columns"])
def test_narrow_sums_are_wide_inside(device: str, layout: str, floats: list[DType]) -> None:
    """Sums of many in 16 bits are within a rounding of the exact one, in every layout."""
    for dtype in floats:
        if dtype.itemsize > 2:
            continue
        x = np.abs(data(65, 33, seed=3)).astype(dtype.numpy)
        axis = {"all": (0, 1), "rows": (1,), "columns": (0,)}[layout]
        for name, function in (("sum", np.sum), ("mean", np.mean)):
            want = np.asarray(function(x.astype(np.float64), axis=axis))
            check(device, name, x, dim=axis, want=want, dtype=dtype, ulps=0.51)
        for name in ("var", "std", "logsumexp"):
            want = np.asarray(MANY[name](x.astype(np.float64), axis=axis, keepdims=False))
            check(device, name, x, dim=axis, want=want, dtype=dtype, ulps=2)
        ones = np.ones((2, 4099), dtype.numpy)
        check(device, "sum", ones, dim=1, want=np.full(2, 4099.0).astype(dtype.numpy))


def test_long_sums_of_float32(device: str) -> None:
    """Within 40 roundings of the exact sum; one after the other loses hundreds."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, 60_000).astype(np.float32)
    total = math.fsum(x.tolist())
    for shape, dim in (((-1,), 0), ((-1, 1), 0), ((1, -1), 1)):
        got = call(device, "sum", x.reshape(shape), dim).item()
        off = abs(got - total) / total / 2**-24
        assert off < 100, f"sum of {x.size} float32 on {device}: {off:.0f} roundings off"
    got = call(device, "mean", x).item()
    assert abs(got / (total / x.size) - 1) < 100 * 2**-24, f"mean on {device}"
    steps = call(device, "cumsum", x, 0).cpu().numpy()
    off = np.abs(steps - np.cumsum(x.astype(np.float64))) / total
    assert off.max() < 1e-4, f"cumsum of float32 on {device}: {off.max()}"


def test_spread_around_a_large_mean(device: str) -> None:
    """Two passes: the difference of squares would leave nothing."""
    small = data(1001, seed=4)
    x = (small + 10_000).astype(np.float32)
    wide = x.astype(np.float64)
    for name, function in (("var", np.var), ("std", np.std)):
        for correction in (0, 1, 2):
            want = np.asarray(function(wide, ddof=correction))
            check(device, name, x, correction=correction, want=want, dtype=tp.float32, rtol=1e-4)
    got = call(device, "std_mean", x)
    assert abs(got[0].item() / np.std(wide, ddof=1) - 1) < 1e-4, f"std_mean on {device}"
    y = small + 1e8
    check(device, "var", y, want=np.asarray(np.var(y, ddof=1)), rtol=1e-6)


def test_sums_of_large_and_small(device: str) -> None:
    x = f32([1e30, 1.0, -1e30])
    assert call(device, "sum", x).item() in (0.0, 1.0)
    top = f32([3e38, -3e38, 3e38])
    assert call(device, "logsumexp", top, 0).item() == f32(3e38)
    check(device, "linalg.vector_norm", f32([3e10, 4e10]), want=f32(5e10), ulps=2)
    check(device, "prod", f32([0.0, INF, 1.0]), want=f32(NAN))
    assert call(device, "logsumexp", f32([-INF, -INF]), 0).item() == -INF


# --- nan and ties --------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 3, 36])
def test_nan_anywhere_reaches_the_result(device: str, place: int) -> None:
    x = f64(np.linspace(0.5, 2.0, 37))
    x[place] = NAN
    for name in ("sum", "mean", "prod", "amax", "amin", "max", "min", "var", "std", "median"):
        got = call(device, name, x).item()
        assert math.isnan(got), f"{name} with nan at {place} on {device}: got {got}"
    for name in ("argmax", "argmin"):
        check(device, name, x, want=i64(place))
    keep = np.delete(x, place)
    check(device, "nansum", x, want=np.asarray(keep.sum()), rtol=1e-14)
    check(device, "nanmean", x, want=np.asarray(keep.mean()), rtol=1e-14)
    for name in ("cumsum", "cumprod"):
        got = call(device, name, x, 0).cpu().numpy()
        assert np.isnan(got[place:]).all(), f"{name} with nan at {place} on {device}"
        assert not np.isnan(got[:place]).any(), f"{name} with nan at {place} on {device}"


def test_the_first_of_equals(device: str) -> None:
    x = i64([[3, 9, 9, 0, 0, 9], [5, 5, 5, 5, 5, 5], [0, 0, 1, 1, 0, 1]])
    for dtype in (np.int64, np.float32, np.float64, np.uint8):
        y = x.astype(dtype)
        check(device, "argmax", y, dim=1, want=i64([1, 0, 2]))
        check(device, "argmin", y, dim=1, want=i64([3, 0, 0]))
        check(device, "argmax", y, dim=0, want=np.argmax(x, 0))
        check(device, "argmin", y, dim=0, want=np.argmin(x, 0))
        check(device, "argmax", y, want=i64(1))
        check(device, "argmax", y, dim=1, keepdim=True, want=i64([[1], [0], [2]]))


def test_signed_infinities(device: str) -> None:
    x = f64([[INF, -INF, 1], [INF, 2, 1], [-INF, -INF, -INF]])
    check(device, "sum", x, dim=1, want=f64([NAN, INF, -INF]))
    check(device, "amax", x, dim=1, want=f64([INF, INF, -INF]))
    check(device, "amin", x, dim=1, want=f64([-INF, 1, -INF]))
    check(device, "argmin", x, dim=1, want=i64([1, 2, 0]))
    check(device, "softmax", x[1:], 1, want=f64([[NAN, NAN, NAN], [NAN, NAN, NAN]]))
    check(device, "logsumexp", x, dim=1, want=f64([INF, INF, -INF]))
    check(device, "mean", x, dim=1, want=f64([NAN, INF, -INF]))


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "any", "all", "var", "logsumexp"])
@pytest.mark.parametrize("dim", [3, -4, (0, 0), (1, -2), (0, 5), 1.5, "a"])
def test_dimensions_that_do_not_exist(device: str, name: str, dim: Any) -> None:
    x = data(2, 3, 2)
    refuses(device, name, x > 0 if name in ("any", "all") else x, dim=dim, words=(name,))


@pytest.mark.parametrize(
    "name", ["cumsum", "cumprod", "cummax", "argmax", "prod", "median", "mode"]
)
@pytest.mark.parametrize("dim", [2, -3])
def test_a_single_dimension_that_does_not_exist(device: str, name: str, dim: int) -> None:
    refuses(device, name, data(2, 3), dim=dim, words=(str(dim),))

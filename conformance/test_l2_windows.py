"""Convolutions, pools and other windows against plain loops: strides, borders, groups, gaps.

Also what moves between neighbours: padding modes, unfolding, resizing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance import naive
from tensorplug.conformance.checks import call, check, refuses
from tensorplug.conformance.samples import supports

pytestmark = pytest.mark.shared

NN = "nn.functional."
TIGHT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape)


def at_of(*parts: object) -> Any:
    """An index; its parts have any type."""
    return parts


Setting = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]
CONVOLUTIONS: list[Setting] = [
    ((1, 1, 1), (1, 1, 1), {}), ((2, 3, 7), (4, 3, 3), {}), ((2, 2, 7), (3, 2, 2), {"stride": 2}),
    ((1, 2, 8), (2, 2, 3), {"padding": 2, "dilation": 2}), ((3, 4, 6), (4, 1, 3), {"groups": 4}),
    ((2, 2, 5), (2, 2, 5), {"padding": 3, "stride": 3}), ((1, 4, 9), (6, 2, 2), {"groups": 2}),
    ((2, 2, 5, 6), (3, 2, 3, 2), {}), ((2, 2, 6, 5), (2, 2, 2, 3), {"stride": (2, 1)}),
    ((1, 2, 5, 4), (2, 2, 3, 3), {"padding": (2, 1), "stride": (1, 2)}),
    ((2, 4, 7, 7), (4, 2, 3, 2), {"groups": 2, "dilation": (2, 3), "padding": 1}),
    ((1, 3, 4, 4), (6, 1, 1, 1), {"groups": 3}), ((1, 1, 3, 3), (1, 1, 3, 3), {"padding": 2}),
    ((1, 2, 4, 3, 3), (2, 2, 2, 2, 2), {"stride": (2, 1, 1), "padding": (1, 0, 1)}),
    ((0, 2, 5), (3, 2, 3), {}), ((2, 3, 4), (2, 3, 1), {"padding": 2}),
    ((1, 2, 3, 4), (3, 2, 1, 1), {"padding": 1}), ((2, 2, 2), (2, 2, 2), {"padding": 4}),
    ((1, 2, 4, 5), (2, 2, 1, 1), {"padding": (0, 2), "stride": 2}),
    ((1, 2, 3, 4), (2, 1, 1, 1), {"padding": (2, 1), "groups": 2}),
    ((1, 1, 4), (2, 1, 3), {"padding": 5, "dilation": 3, "stride": 2}),
    ((1, 2, 2, 3, 2), (2, 2, 1, 1, 1), {"padding": (1, 0, 2)}),
]  # fmt: skip


def each(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,) * rank


@pytest.mark.parametrize(("size", "kernel", "settings"), CONVOLUTIONS)
def test_convolutions(
    device: str, size: tuple[int, ...], kernel: tuple[int, ...], settings: dict[str, Any],
    thorough: bool,
) -> None:  # fmt: skip
    rank = len(size) - 2
    x, weight, bias = data(*size), data(*kernel, seed=1), data(kernel[0], seed=2)
    given = [each(settings.get(name, default), rank)
             for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))]  # fmt: skip
    want = naive.convolution(x, weight, *given, settings.get("groups", 1))
    name = f"{NN}conv{rank}d"
    check(device, name, x, weight, want=want, **TIGHT, **settings)
    want = want + bias.reshape(-1, *(1,) * rank)
    check(device, name, x, weight, bias, want=want, **TIGHT, **settings)
    for dtype, bound in ((tp.float32, 1e-5), (tp.float16, 3e-3), (tp.bfloat16, 2e-2)):
        if supports(device, dtype) and thorough:
            args = (a.astype(dtype.numpy) for a in (x, weight, bias))
            check(device, name, *args, want=want, dtype=dtype, atol=bound * 20, **settings)


@pytest.mark.parametrize(
    ("size", "kernel", "settings"),
    [
        ((2, 3, 4), (3, 2, 3), {}), ((1, 2, 5), (2, 3, 2), {"stride": 3}),
        ((1, 2, 4), (2, 2, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
        ((1, 2, 4), (2, 2, 3), {"dilation": 2, "padding": 2}),
        ((2, 4, 3), (4, 2, 2), {"groups": 2, "stride": 2}),
        ((1, 2, 3, 4), (2, 3, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
        ((1, 4, 3, 3), (4, 1, 2, 2), {"groups": 4, "stride": 2, "output_padding": (1, 0)}),
    ],
)  # fmt: skip
def test_transposed_convolutions(
    device: str, size: tuple[int, ...], kernel: tuple[int, ...], settings: dict[str, Any]
) -> None:
    rank = len(size) - 2
    x, weight = data(*size), data(*kernel, seed=1)
    given = [
        each(settings.get(name, default), rank)
        for name, default in (("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1))
    ]
    want = naive.transposed(x, weight, *given, settings.get("groups", 1))
    check(device, f"{NN}conv_transpose{rank}d", x, weight, want=want, **TIGHT, **settings)


def test_padding_by_name_and_single_samples(device: str) -> None:
    x, weight = data(2, 3, 7, 6), data(4, 3, 4, 3, seed=1)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 1)))  # the odd one comes last
    want = naive.convolution(padded, weight, (1, 1), (0, 0), (1, 1), 1)
    check(device, f"{NN}conv2d", x, weight, padding="same", want=want, **TIGHT)
    want = naive.convolution(x, weight, (1, 1), (0, 0), (1, 1), 1)
    check(device, f"{NN}conv2d", x, weight, padding="valid", want=want, **TIGHT)
    check(device, f"{NN}conv2d", x[0], weight, want=want[0], **TIGHT)
    views = tp.tensor(x.transpose(0, 2, 3, 1).copy(), device=device).permute(0, 3, 1, 2)
    check(device, f"{NN}conv2d", views, weight, want=want, **TIGHT)


POOLS: list[tuple[tuple[int, ...], int, dict[str, Any]]] = [
    ((1, 1, 1), 1, {}), ((2, 3, 7), 2, {}), ((2, 2, 8), 3, {"stride": 2, "padding": 1}),
    ((1, 2, 8), 3, {"stride": 2, "padding": 1, "ceil_mode": True}), ((2, 1, 9), 2, {"stride": 3}),
    ((2, 2, 6, 5), 2, {}), ((1, 2, 7, 6), 3, {"stride": 2, "padding": 1}),
    ((2, 1, 5, 6), 2, {"stride": 1, "padding": 1}), ((1, 2, 5, 5), 2, {"ceil_mode": True}),
    ((1, 1, 4, 4, 3), 2, {"stride": 1}), ((1, 1, 3, 3), 3, {"padding": 1, "stride": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("size", "kernel", "settings"), POOLS)
@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_pools(
    device: str, size: tuple[int, ...], kernel: int, settings: dict[str, Any], shift: float
) -> None:
    """Padding wins no maximum, also where all elements are negative."""
    rank = len(size) - 2
    x = data(*size, seed=sum(size)) + shift
    stride = each(settings.get("stride", kernel), rank)
    padding = each(settings.get("padding", 0), rank)
    top, where, total, count = naive.pool(
        x, each(kernel, rank), stride, padding, (1,) * rank, settings.get("ceil_mode", False)
    )
    check(device, f"{NN}max_pool{rank}d", x, kernel, want=top, **settings)
    check(device, f"{NN}max_pool{rank}d", x, kernel, return_indices=True, want=[top, where],
          **settings)  # fmt: skip
    name, pad = f"{NN}avg_pool{rank}d", {"count_include_pad": False}
    check(device, name, x, kernel, want=total / count, **TIGHT, **settings, **pad)
    if not settings.get("ceil_mode"):
        check(device, name, x, kernel, want=total / kernel**rank, **TIGHT, **settings)


def test_pools_with_gaps_nan_and_ties(device: str) -> None:
    x = data(1, 2, 9, 8)
    x[0, 0, 3, 3] = np.nan
    top, where, _, _ = naive.pool(x, (2, 3), (2, 1), (0, 0), (3, 2), False)
    check(device, f"{NN}max_pool2d", x, (2, 3), stride=(2, 1), dilation=(3, 2), want=top)
    even = np.zeros((1, 1, 4, 4))
    _, where, _, _ = naive.pool(even, (2, 2), (2, 2), (0, 0), (1, 1), False)
    got = call(device, f"{NN}max_pool2d", even, 2, return_indices=True)[1]
    assert got.tolist() == where.tolist(), f"max_pool2d of equals on {device}: {got.tolist()}"


@pytest.mark.parametrize(
    ("size", "out"), [((7,), 3), ((5,), 7), ((6, 5), (3, 2)), ((4, 4), (1, 4))]
)
def test_adaptive_pools(device: str, size: tuple[int, ...], out: Any) -> None:
    rank = len(size)
    x, counts = data(2, 2, *size), each(out, rank)
    want, top = np.zeros((2, 2, *counts)), np.zeros((2, 2, *counts))
    for at in np.ndindex(*counts):
        spans = (slice(i * n // o, -(-(i + 1) * n // o))
                 for i, n, o in zip(at, size, counts, strict=True))  # fmt: skip
        part = x[at_of(slice(None), slice(None), *spans)]
        axes = tuple(range(2, 2 + rank))
        want[at_of(..., *at)], top[at_of(..., *at)] = part.mean(axes), part.max(axes)
    check(device, f"{NN}adaptive_avg_pool{rank}d", x, out, want=want, **TIGHT)
    check(device, f"{NN}adaptive_max_pool{rank}d", x, out, want=top)


@pytest.mark.parametrize(
    ("mode", "name"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
def test_padding_by_neighbours(device: str, mode: str, name: Any) -> None:
    x = data(2, 3, 5, 4)
    want = np.pad(x, ((0, 0), (0, 0), (2, 1), (3, 0)), mode=name)
    check(device, f"{NN}pad", x, (3, 0, 2, 1), mode=mode, want=want)
    want = np.pad(x[0], ((0, 0), (0, 0), (1, 2)), mode=name)
    check(device, f"{NN}pad", x[0], (1, 2), mode=mode, want=want)


def test_padding_with_a_value(device: str) -> None:
    for x in (data(2, 3), np.arange(6).reshape(2, 3), np.ones((2, 3), bool)):
        value = 1 if x.dtype == bool else 7
        want = np.pad(x, ((1, 0), (2, 3)), constant_values=value)
        check(device, f"{NN}pad", x, (2, 3, 1, 0), value=value, want=want)
    x = data(4, 5)
    want = np.pad(x[1:-1, 1:], ((0, 0), (0, 2)))
    check(device, f"{NN}pad", x, (-1, 2, -1, -1), want=want)


def test_windows_as_columns(device: str) -> None:
    x = data(2, 2, 5, 6)
    for kernel, stride, padding, dilation in (((2, 3), (1, 1), (0, 0), (1, 1)),
                                              ((2, 2), (2, 1), (1, 2), (2, 1))):  # fmt: skip
        shape, places = naive.windows(x.shape[2:], kernel, stride, padding, dilation)
        padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
        want = np.zeros((2, 2, *kernel, *shape))
        for o, k, at in places:
            here = tuple(a + p for a, p in zip(at, padding, strict=True))
            found = padded[at_of(slice(None), slice(None), *here)]
            want[at_of(slice(None), slice(None), *k, *o)] = found
        columns = want.reshape(2, 2 * kernel[0] * kernel[1], -1)
        kwargs = {"stride": stride, "padding": padding, "dilation": dilation}
        check(device, f"{NN}unfold", x, kernel, want=columns, **kwargs)
        back = call(device, f"{NN}fold", columns, (5, 6), kernel, **kwargs)
        times = call(device, f"{NN}fold", columns * 0 + 1, (5, 6), kernel, **kwargs)
        inside = times.cpu().numpy() > 0
        found = (back / times.clamp(min=1)).cpu().numpy()
        assert np.allclose(found, np.where(inside, x, 0)), f"fold on {device}"


def test_resizing(device: str) -> None:
    x = data(1, 2, 4, 5)
    rows, columns = (np.arange(7) * 4 // 7), (np.arange(3) * 5 // 3)
    want = x[:, :, rows][:, :, :, columns]
    check(device, f"{NN}interpolate", x, size=(7, 3), mode="nearest", want=want)
    for corners in (False, True):
        want = np.zeros((1, 2, 7, 3))
        for i, j in np.ndindex(7, 3):
            weights = np.outer(_weights(i, 4, 7, corners), _weights(j, 5, 3, corners))
            want[:, :, i, j] = (x * weights).sum((2, 3))
        check(device, f"{NN}interpolate", x, size=(7, 3), mode="bilinear", align_corners=corners,
              want=want, **TIGHT)  # fmt: skip


def _weights(place: int, size: int, count: int, corners: bool) -> np.ndarray:
    """What each input element of a row contributes to one output element."""
    at = place * (size - 1) / (count - 1) if corners else (place + 0.5) * size / count - 0.5
    at = min(max(at, 0.0), size - 1.0)
    found: np.ndarray = np.maximum(0, 1 - np.abs(np.arange(size) - at))
    return found


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("conv2d", (data(1, 3, 5, 5), data(2, 2, 3, 3)), {}),
        ("conv2d", (data(1, 2, 2, 2), data(2, 2, 3, 3)), {}),
        ("conv2d", (data(1, 2, 5, 5), data(2, 2, 3, 3), data(3)), {}),
        ("conv2d", (data(1, 2, 5, 5), data(2, 2, 3, 3)), {"stride": 0}),
        ("conv2d", (data(1, 2, 5, 5), data(2, 2, 3, 3)), {"padding": -1}),
        ("conv2d", (data(1, 2, 5, 5), data(2, 2, 3, 3)), {"dilation": 0}),
        ("conv2d", (data(1, 3, 5, 5), data(2, 1, 3, 3)), {"groups": 2}),
        ("conv2d", (data(1, 2, 5, 5), data(2, 2, 3, 3)), {"padding": "same", "stride": 2}),
        ("conv2d", (data(5, 5), data(2, 2, 3, 3)), {}), ("conv1d", (data(1, 2, 5, 5),) * 2, {}),
        ("conv_transpose1d", (data(1, 2, 4), data(3, 2, 2)), {}),
        ("conv_transpose1d", (data(1, 2, 4), data(2, 2, 2)), {"output_padding": 1}),
        ("max_pool2d", (data(1, 1, 4, 4), 3), {"padding": 2}),
        ("max_pool2d", (data(1, 1, 4, 4), 5), {}), ("max_pool2d", (data(4), 2), {}),
        ("avg_pool2d", (data(1, 1, 4, 4), 2), {"padding": 2}),
        ("avg_pool1d", (data(1, 1, 4), 2), {"stride": -1}),
        ("pad", (data(2, 3), (1, 1, 1, 1, 1, 1)), {}), ("pad", (data(2, 3), (1,)), {}),
        ("pad", (data(2, 3), (3, 0)), {"mode": "reflect"}),
        ("pad", (data(2, 3), (1, 1)), {"mode": "mirror"}), ("pad", (data(2, 3), (-2, -2)), {}),
        ("unfold", (data(1, 1, 2, 2), 3), {}), ("fold", (data(1, 5, 4), (3, 3), 2), {}),
        ("interpolate", (data(1, 1, 4),), {}),
        ("interpolate", (data(1, 1, 4),), {"size": 0, "mode": "linear"}),
    ],
)  # fmt: skip
def test_windows_that_do_not_fit(
    device: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    refuses(device, NN + name, *args, **kwargs)

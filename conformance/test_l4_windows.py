"""Gradients of convolutions, pools and other windows, at strides, gaps and borders of all kinds.

A function that is linear in an input has its transpose as derivative: ``<g, f(x)> = <f'(g), x>``,
whatever the geometry, so nothing needs to be written out. A maximum sends what comes in to one
element of its window that is the largest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance import naive
from tensorplug.conformance.checks import few, function, on, text_of
from tensorplug.conformance.reference import array_of
from tensorplug.conformance.test_l2_windows import CONVOLUTIONS, data, each

pytestmark = [pytest.mark.needs("float64"), pytest.mark.shared]

NN = "nn.functional."

Linear = tuple[str, list[np.ndarray], tuple[Any, ...], dict[str, Any]]
"""A function, what it is linear in one by one, its other arguments."""

POOLED: list[tuple[tuple[int, ...], Any, dict[str, Any]]] = [
    ((2, 2, 9), 2, {"stride": 3}), ((1, 2, 11), 3, {"stride": 5, "padding": 1}),
    ((2, 1, 8), 3, {"stride": 1}), ((2, 1, 8), 2, {}), ((1, 1, 7), 1, {"stride": 2}),
    ((1, 2, 8), 3, {"stride": 2, "padding": 1, "ceil_mode": True}), ((1, 1, 7), 3, {}),
    ((1, 2, 9, 8), 2, {"stride": (3, 4)}), ((1, 2, 9, 8), (2, 3), {"stride": (1, 4)}),
    ((2, 1, 5, 6), 2, {"stride": 1, "padding": 1}), ((1, 2, 5, 5), 2, {"ceil_mode": True}),
    ((1, 2, 6, 6), 2, {}), ((1, 1, 7, 5), (3, 1), {"stride": (2, 3), "padding": (1, 0)}),
    ((1, 1, 5, 4, 6), 2, {"stride": (3, 1, 2)}), ((1, 1, 4, 4, 4), 2, {}),
]  # fmt: skip
"""Size, kernel and settings: windows that overlap, lie side by side, or leave gaps."""

RESIZED: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 2, 5), {"size": 8, "mode": "linear"}), ((1, 2, 7), {"size": 3, "mode": "nearest"}),
    ((1, 1, 4, 5), {"size": (7, 3), "mode": "bilinear", "align_corners": True}),
    ((1, 1, 4, 5), {"size": (3, 9), "mode": "nearest"}),
    ((1, 1, 4, 4), {"size": (7, 3), "mode": "bicubic"}),
]  # fmt: skip


def linear() -> list[Linear]:
    found: list[Linear] = []
    for size, kernel, settings in CONVOLUTIONS:
        if 0 not in size:
            parts = [data(*size), data(*kernel, seed=1)]
            found.append((f"conv{len(size) - 2}d", parts, (), settings))
    for size, kernel, settings in POOLED:
        name = f"avg_pool{len(size) - 2}d"
        found.append((name, [data(*size)], (kernel,), settings))
        found.append((name, [data(*size)], (kernel,), settings | {"count_include_pad": False}))
    for settings in ({"stride": 3}, {"padding": 1}, {"dilation": 2, "stride": (1, 2)}):
        found.append(("unfold", [data(1, 2, 7, 8)], (2,), settings))
    found.append(("fold", [data(1, 8, 9)], ((8, 9), 2), {"stride": 3}))
    found.append(("fold", [data(1, 8, 30)], ((6, 7), 2), {}))
    for size, settings in RESIZED:
        found.append(("interpolate", [data(*size)], (), settings))
    for mode in ("constant", "reflect", "replicate", "circular"):
        found.append(("pad", [data(1, 2, 4, 5)], ((2, 1, 0, 3),), {"mode": mode}))
    found.append(("adaptive_avg_pool2d", [data(1, 2, 7, 5)], ((3, 4),), {}))
    return found


LINEAR = linear()


@pytest.mark.parametrize("number", range(len(LINEAR)),
                         ids=[f"{name}-{i}" for i, (name, *_) in enumerate(LINEAR)])  # fmt: skip
def test_gradients_of_linear_functions_are_their_transposes(
    device: str, number: int, thorough: bool
) -> None:
    if number not in few(device, range(len(LINEAR)), thorough):
        return
    name, parts, rest, settings = LINEAR[number]
    xs = [on(device, part).requires_grad_() for part in parts]
    text = text_of(NN + name, device, (*xs, *rest), settings)
    with tp.device(device):
        out = function(NN + name)(*xs, *rest, **settings)
        g = data(*out.shape, seed=5)
        out.backward(on(device, g))
    want = float((g * array_of(out)).sum())
    size = float(np.abs(g * array_of(out)).sum())
    for i, (x, part) in enumerate(zip(xs, parts, strict=True)):
        got = float((array_of(x.grad) * part).sum())
        assert abs(got - want) <= 1e-11 * (1 + size), (
            f"{text}: gradient {i}: expected <gradient, input> to be <g, result> = {want!r}, got "
            f"{got!r}; make the backward kernel the transpose of the forward one"
        )
    _reaches_what_is_read(device, name, parts, rest, settings, [array_of(x.grad) for x in xs], g)


def _reaches_what_is_read(
    device: str, name: str, parts: list[np.ndarray], rest: Any, settings: Any,
    grads: list[np.ndarray], g: np.ndarray,
) -> None:  # fmt: skip
    """The same identity with other inputs than those that the gradient was computed at."""
    for i, part in enumerate(parts):
        others = [p if j != i else data(*part.shape, seed=9) for j, p in enumerate(parts)]
        with tp.device(device):
            args = on(device, others)
            out = array_of(function(NN + name)(*args, *rest, **settings))
        want, size = float((g * out).sum()), float(np.abs(g * out).sum())
        got = float((grads[i] * others[i]).sum())
        assert abs(got - want) <= 1e-11 * (1 + size), (
            f"{text_of(NN + name, device, (*args, *rest), settings)}: gradient {i} says {got!r} of "
            f"another input; expected {want!r}, from the function itself"
        )


def ties(size: tuple[int, ...], kind: str) -> np.ndarray:
    if kind == "equal":
        return np.full(size, -1.5)
    whole = np.random.default_rng(3).integers(-1, 2 if kind == "ties" else 100, size)
    return np.asarray(whole, np.float64)


@pytest.mark.parametrize("number", range(len(POOLED)))
@pytest.mark.parametrize("kind", ["equal", "ties", "spread"])
def test_maxima_send_gradients_to_one_largest_element(
    device: str, number: int, kind: str, thorough: bool
) -> None:
    """Of several that are equal, one: that which ``return_indices`` names."""
    if number not in few(device, range(len(POOLED)), thorough):
        return
    size, kernel, settings = POOLED[number]
    rank = len(size) - 2
    name, values = f"{NN}max_pool{rank}d", ties(size, kind)
    stride, padding = (each(settings.get(k, d), rank)
                       for k, d in (("stride", kernel), ("padding", 0)))  # fmt: skip
    _, where, _, _ = naive.pool(values, each(kernel, rank), stride, padding, (1,) * rank,
                                settings.get("ceil_mode", False))  # fmt: skip
    x = on(device, values).requires_grad_()
    with tp.device(device):
        out = function(name)(x, kernel, **settings)
        g = np.abs(data(*out.shape, seed=6)) + 0.5
        out.backward(on(device, g))
    want = np.zeros((size[0] * size[1], int(np.prod(size[2:]))))
    rows = np.arange(len(want))[:, None]
    np.add.at(want, (rows, where.reshape(len(want), -1)), g.reshape(len(want), -1))
    got = array_of(x.grad)
    assert np.allclose(got, want.reshape(size), rtol=1e-12, atol=0), (
        f"gradient of {text_of(name, device, (x, kernel), settings)}: expected "
        f"{want.reshape(size).tolist()}, got {got.tolist()}"
    )

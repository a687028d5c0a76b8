"""How gradients flow on a device: kinks by rule, views, repeated use, hooks, modes, and errors."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import call, f64, i64, on
from tensorplug.conformance.reference import array_of

pytestmark = pytest.mark.shared

INF, NAN = math.inf, math.nan


def leaf(device: str, values: Any) -> tp.Tensor:
    return tp.tensor(np.asarray(values, np.float64), device=device).requires_grad_()


def clear(x: tp.Tensor) -> None:
    x.grad = None


def grad_of(x: tp.Tensor) -> Any:
    return x.grad


def slope(device: str, name: str, values: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """The gradient of the sum of a function."""
    x = leaf(device, values)
    out = call(device, name, x, *args, **kwargs)
    (out[0] if isinstance(out, tuple) else out).sum().backward()
    found: list[Any] = grad_of(x).tolist()
    return found


# --- kinks by rule -------------------------------------------------------------------------------

KINKS: list[tuple[str, list[float], tuple[Any, ...], list[float]]] = [
    ("abs", [0.0, -2, 3], (), [0, -1, 1]),
    ("nn.functional.relu", [0.0, -1, 2], (), [0, 0, 1]),
    ("sign", [0.0, 2], (), [0, 0]),
    ("floor", [0.5, 1.0], (), [0, 0]),
    ("round", [0.5, 1.0], (), [0, 0]),
    ("trunc", [0.5, -1.0], (), [0, 0]),
    ("frac", [0.5, -1.5], (), [1, 1]),
    ("clamp", [-2.0, -1, 0, 1, 2], (-1, 1), [0, 1, 1, 1, 0]),
    ("clamp_min", [-1.0, 0, 1], (0,), [0, 1, 1]),
    ("clamp_max", [-1.0, 0, 1], (0,), [1, 1, 0]),
    ("nn.functional.hardtanh", [-1.0, 0, 1, 3], (), [0, 1, 0, 0]),
    ("nn.functional.relu6", [0.0, 3, 6], (), [0, 1, 0]),
    ("nn.functional.leaky_relu", [0.0, 1, -1], (0.1,), [0.1, 1, 0.1]),
    ("nn.functional.hardsigmoid", [-3.0, 0, 3], (), [0, 1 / 6, 0]),
    ("nn.functional.softshrink", [0.5, 1, -1, 0], (), [0, 1, 1, 0]),
    ("nn.functional.hardshrink", [0.5, 1, -1, 0], (), [0, 1, 1, 0]),
    ("nn.functional.threshold", [1.0, 2], (1.0, 0.0), [0, 1]),
    ("nan_to_num", [NAN, INF, 1], (), [0, 0, 1]),
    ("square", [0.0, -3], (), [0, -6]),
]


@pytest.mark.parametrize(("name", "values", "args", "want"), KINKS)
def test_kinks(
    device: str, name: str, values: list[float], args: tuple[Any, ...], want: list[float]
) -> None:
    got = slope(device, name, values, *args)
    assert np.allclose(got, want), f"gradient of {name}{values, *args} on {device}: {got}"


def test_equal_operands_share_the_gradient(device: str) -> None:
    for name in ("maximum", "minimum"):
        x, y = leaf(device, [1, 2, 3]), leaf(device, [1, 3, 2])
        call(device, name, x, y).sum().backward()
        first = [0.5, 0, 1] if "max" in name else [0.5, 1, 0]
        assert grad_of(x).tolist() == first, f"gradient of {name} on {device}: {x.grad}"
        assert (grad_of(x) + grad_of(y)).tolist() == [1, 1, 1]


def test_extremes_with_ties(device: str) -> None:
    values = [2.0, 5, 5, 1, 1]
    assert slope(device, "amax", values) == [0, 0.5, 0.5, 0, 0]
    assert slope(device, "amin", values) == [0, 0, 0, 0.5, 0.5]
    assert slope(device, "max", values, 0) == [0, 1, 0, 0, 0]
    assert slope(device, "cummax", [1.0, 3, 2, 3, 1], 0) in ([1, 2, 0, 2, 0], [1, 4, 0, 0, 0])
    picked = slope(device, "sort", [3.0, 1, 2])
    assert picked == [1, 1, 1]
    assert slope(device, "topk", values, 2) == [0, 1, 1, 0, 0]


def test_products_with_zeros(device: str) -> None:
    assert slope(device, "prod", [2.0, 0, 3]) == [0, 6, 0]
    assert slope(device, "prod", [0.0, 0, 3]) == [0, 0, 0]
    assert slope(device, "cumprod", [2.0, 0, 3], 0) == [1, 8, 0]
    assert slope(device, "prod", [[2.0, 0], [3, 4]], 1) == [[0, 2], [4, 3]]


def test_slopes_that_are_infinite_or_nothing(device: str) -> None:
    assert slope(device, "sqrt", [0.0, 4]) == [INF, 0.25]
    assert slope(device, "linalg.vector_norm", [0.0, 0]) == [0, 0]
    assert slope(device, "norm", [3.0, 4]) == pytest.approx([0.6, 0.8])
    assert slope(device, "pow", [0.0, 2], 2) == [0, 4]
    assert slope(device, "pow", [0.0, 2], 0) == [0, 0]


def test_where_keeps_the_unchosen_side_out(device: str) -> None:
    """The gradient of the other branch is 0, not 0 * inf."""
    x = leaf(device, [0.0, 4.0])
    tp.where(x > 1, x, tp.zeros_like(x)).sum().backward()
    assert grad_of(x).tolist() == [0, 1]
    y = leaf(device, [1.0, 2.0])
    y.masked_fill(on(device, np.array([True, False])), 7.0).sum().backward()
    assert grad_of(y).tolist() == [0, 1]


# --- shapes and layouts --------------------------------------------------------------------------

BROADCASTS = [((3, 1), (3, 4)), ((4,), (3, 4)), ((), (2, 3)), ((1, 1), (2, 3)), ((2, 1, 3), (4, 1)),
              ((1,), (0, 3)), ((1, 4), (3, 1)), ((2, 3), (2, 3))]  # fmt: skip


@pytest.mark.parametrize(("one", "two"), BROADCASTS)
@pytest.mark.parametrize("name", ["add", "mul", "div", "where", "maximum"])
def test_broadcasting_is_summed_back(
    device: str, name: str, one: tuple[int, ...], two: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(1, 2, one), rng.uniform(2, 3, two)
    for left, right in ((a, b), (b, a)):
        x, y = leaf(device, left), leaf(device, right)
        both = np.broadcast_shapes(one, two)
        args = (on(device, rng.uniform(size=both) > 0.5), x, y) if name == "where" else (x, y)
        out = call(device, name, *args)
        seed = rng.uniform(1, 2, both)
        out.backward(on(device, seed))
        parts: dict[str, tuple[Any, Any]] = {
            "add": (seed, seed), "mul": (seed * right, seed * left),
            "div": (seed / right, -seed * left / right**2),
            "maximum": (seed * (left > right), seed * (right > left)),
        }  # fmt: skip
        if name == "where":
            mask = array_of(args[0]).astype(bool)
            parts["where"] = (seed * mask, seed * ~mask)
        for leaf_, want in zip((x, y), parts[name], strict=True):
            summed = _summed(np.asarray(want), tuple(leaf_.shape))
            text = f"gradient of {name} {one} with {two} on {device}"
            assert tuple(grad_of(leaf_).shape) == tuple(leaf_.shape), text
            assert np.allclose(array_of(grad_of(leaf_)), summed, rtol=1e-12), (
                f"{text}: {leaf_.grad}"
            )


def _summed(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    x = x.sum(tuple(range(x.ndim - len(shape))))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and x.shape[i] != 1)
    found: np.ndarray = x.sum(axes, keepdims=True)
    return found


VIEWS: list[tuple[str, Callable[[Any], Any]]] = [
    ("t", lambda x: x.T),
    ("slice", lambda x: x[1:, ::2]),
    ("row", lambda x: x[1]),
    ("reversed", lambda x: x[::-1]),
    ("column", lambda x: x[:, 2]),
    ("new", lambda x: x[:, None]),
    ("reshape", lambda x: x.reshape(4, 3)),
    ("steps", lambda x: x[::2].T[1:]),
]


@pytest.mark.parametrize(("name", "view"), VIEWS)
def test_gradients_through_views(device: str, name: str, view: Callable[[Any], Any]) -> None:
    """Every way to look at x gives its part of the gradient back to the right place."""
    values = np.arange(12.0).reshape(3, 4) + 1
    x = leaf(device, values)
    part = view(x)
    assert part.requires_grad
    (part**3).sum().backward()
    want = np.zeros((3, 4))
    view(want)[...] = 3 * view(values) ** 2
    assert grad_of(x).tolist() == want.tolist(), f"gradient through {name} on {device}: {x.grad}"


@pytest.mark.parametrize("name", ["index", "index_select", "gather", "take", "embedding"])
def test_repeated_positions_add_up(device: str, name: str) -> None:
    x = leaf(device, [[1.0, 2], [3, 4], [5, 6]])
    at = on(device, i64([2, 0, 2, 2]))
    wide = on(device, i64([[2, 0], [2, 1], [2, 0], [0, 0]]))
    got = {
        "index": lambda: x[at], "index_select": lambda: x.index_select(0, at),
        "gather": lambda: x.gather(0, wide), "take": lambda: x.take(wide),
        "embedding": lambda: tp.nn.functional.embedding(at, x),
    }[name]()  # fmt: skip
    seed = np.arange(8.0).reshape(4, 2) + 1
    got.backward(on(device, seed))
    want = np.zeros((3, 2))
    if name == "gather":
        np.add.at(want, (array_of(wide), np.array([[0, 1]] * 4)), seed)
    elif name == "take":
        np.add.at(want.reshape(-1), array_of(wide), seed)
    else:
        np.add.at(want, array_of(at), seed)
    assert grad_of(x).tolist() == want.tolist(), f"gradient of {name} on {device}: {x.grad}"


# --- the graph -----------------------------------------------------------------------------------


def test_a_diamond_of_uses(device: str) -> None:
    x = leaf(device, [2.0, 3.0])
    y = x * x
    z = y * x + y.sin() * 0 + x
    z.sum().backward()
    assert grad_of(x).tolist() == [13, 28]
    z2 = (x.exp().log() * x).sum()
    clear(x)
    z2.backward()
    assert grad_of(x).tolist() == pytest.approx([4, 6])


def test_gradients_accumulate_until_they_are_cleared(device: str) -> None:
    x = leaf(device, [1.0, 2.0])
    for _ in range(3):
        (x * x).sum().backward()
    assert grad_of(x).tolist() == [6, 12]
    kept = grad_of(x)
    clear(x)
    (x * x).sum().backward()
    assert (grad_of(x).tolist(), kept.tolist()) == ([2, 4], [6, 12])
    y = (x * 3).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert grad_of(x).tolist() == [8, 10]


def test_grad_leaves_nothing_behind(device: str) -> None:
    x, y = leaf(device, [1.0, 2]), leaf(device, [3.0, 4])
    (found,) = tp.autograd.grad((x * x * y).sum(), x)
    assert found.tolist() == [6, 16]
    assert (grad_of(x), grad_of(y)) == (None, None)
    with pytest.raises(RuntimeError):
        tp.autograd.grad((x * 2).sum(), y)
    assert tp.autograd.grad((x * 2).sum(), y, allow_unused=True) == (None,)


def test_modes_and_detached(device: str) -> None:
    x = leaf(device, [1.0, 2])
    with tp.no_grad():
        off = x * 2
        with tp.enable_grad():
            on_again = x * 2
    assert [off.requires_grad, on_again.requires_grad] == [False, True]
    y = x.detach()
    assert not y.requires_grad
    (x * y).sum().backward()
    assert grad_of(x).tolist() == [1, 2]
    assert not (y * y).requires_grad
    with tp.no_grad():
        x += 1  # a leaf may be written to here
    assert x.tolist() == [2, 3]


def test_hooks_see_and_replace_gradients(device: str) -> None:
    x = leaf(device, [1.0, 2])
    seen: list[list[float]] = []
    handle = x.register_hook(lambda g: g * 10)
    y = x * 3
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward()
    assert (seen, grad_of(x).tolist()) == ([[1, 1]], [30, 30])
    handle.remove()
    clear(x)
    (x * 3).sum().backward()
    assert grad_of(x).tolist() == [3, 3]
    inner = x * 2
    inner.retain_grad()
    (inner * inner).sum().backward()
    assert grad_of(inner).tolist() == [4, 8]


def test_a_changed_value_that_is_needed_is_noticed(device: str) -> None:
    x = leaf(device, [1.0, 2])
    y = x * 1
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"mul|modified|version"):
        z.backward()
    assert grad_of(x) is None
    a = x * 1
    b = a + 5  # needs no value
    a.mul_(2)
    (a.sum() + b.sum()).backward()
    assert grad_of(x).tolist() == [3, 3]


def test_writes_are_part_of_the_graph(device: str) -> None:
    x, v = leaf(device, [1.0, 2, 3]), leaf(device, [10.0])
    y = x * 2
    y[1:2] = v * 3
    y[0] = 0
    (y * y).sum().backward()
    assert grad_of(x).tolist() == [0, 0, 24]
    assert grad_of(v).tolist() == [180]
    z = tp.zeros(4, dtype=tp.float64, device=device)
    z[::2].copy_(x[:2] ** 2)
    (z * on(device, f64([1, 2, 3, 4]))).sum().backward()
    assert grad_of(x).tolist() == [2, 12, 24]


def test_what_is_saved_lives_as_long_as_the_graph(device: str) -> None:
    x = leaf(device, [1.0, 2])
    y = x * 2
    alive = weakref.ref(y)
    z = y.exp() * y
    del y
    gc.collect()
    z.sum().backward()
    assert np.allclose(array_of(grad_of(x)), 2 * np.exp([2.0, 4]) * (1 + np.array([2.0, 4])))
    del z
    assert alive() is None, f"a value saved for the gradient stays alive on {device}"


def test_second_and_third_derivatives(device: str) -> None:
    x = leaf(device, [0.5, 1.5])
    values = f64([0.5, 1.5])
    wants = [4 * values**3, 12 * values**2, 24 * values]
    y = (x**4).sum()
    for want in wants:
        found: Any = tp.autograd.grad(y, x, create_graph=True)[0]
        assert np.allclose(array_of(found), want), f"derivative on {device}: {found.tolist()}"
        y = found.sum()


def test_penalties_on_gradients(device: str) -> None:
    """A gradient within a loss: as in training with a gradient penalty."""
    w, x = leaf(device, [[0.3, -0.2], [0.1, 0.4]]), leaf(device, [1.0, 2.0])
    out = (w @ x).tanh().sum()
    g: Any = tp.autograd.grad(out, x, create_graph=True)[0]
    (g * g).sum().backward()
    step, got = 1e-6, array_of(grad_of(w))

    def penalty(matrix: np.ndarray) -> float:
        part = 1 - np.tanh(matrix @ [1.0, 2.0]) ** 2
        return float(((matrix.T @ part) ** 2).sum())

    for at in np.ndindex(2, 2):
        moved = array_of(w)
        moved[at] += step
        other = array_of(w)
        other[at] -= step
        want = (penalty(moved) - penalty(other)) / (2 * step)
        assert abs(got[at] - want) < 1e-7, f"penalty on {device} at {at}: {got[at]}, not {want}"


def test_a_function_of_ones_own(device: str) -> None:
    class Cube(tp.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grad * 3 * x * x

    x = leaf(device, [1.0, -2])
    Cube.apply(x).sum().backward()
    assert grad_of(x).tolist() == [3, 12]
    assert tp.autograd.gradcheck(Cube.apply, [x])

"""Initialisers: bounds, moments and the shapes they need."""

from __future__ import annotations

import math
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.nn import init


def _filled(name: str, *args: object, shape: tuple[int, ...] = (60, 80), **kwargs: object):  # type: ignore[no-untyped-def]
    tensor = tp.empty(shape)
    assert getattr(init, name)(tensor, *args, **kwargs) is tensor
    return tensor


@pytest.mark.parametrize(
    ("name", "kwargs", "std"),
    [
        ("uniform_", {"a": -3.0, "b": 3.0}, 3 / math.sqrt(3)),
        ("normal_", {"std": 0.5}, 0.5),
        ("xavier_uniform_", {"gain": 2.0}, 2 * math.sqrt(2 / 140)),
        ("xavier_normal_", {}, math.sqrt(2 / 140)),
        ("kaiming_uniform_", {"nonlinearity": "relu"}, math.sqrt(2 / 80)),
        ("kaiming_normal_", {"mode": "fan_out", "a": 1.0}, math.sqrt(1 / 60)),
        ("trunc_normal_", {"a": -1.0, "b": 1.0}, 0.5396),
    ],
)
def test_spread(name: str, kwargs: dict[str, float], std: float) -> None:
    tp.manual_seed(0)
    tensor = _filled(name, **kwargs)
    assert tensor.std().item() == pytest.approx(std, rel=0.05)
    assert tensor.mean().item() == pytest.approx(0, abs=std / 10)
    if "uniform" in name:
        assert tensor.abs().max().item() <= std * math.sqrt(3) * 1.0001
    if name == "trunc_normal_":
        assert tensor.abs().max().item() <= 1


def test_constants() -> None:
    assert _filled("ones_", shape=(2,)).tolist() == [1.0, 1.0]
    assert _filled("zeros_", shape=(2,)).tolist() == [0.0, 0.0]
    assert _filled("constant_", 2.5, shape=(1,)).tolist() == [2.5]
    assert _filled("eye_", shape=(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_parameters_stay_leaves() -> None:
    weight = tp.nn.Parameter(tp.empty(3, 3))
    init.normal_(weight)
    assert weight.is_leaf
    assert weight.requires_grad


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    tp.manual_seed(0)
    flat = _filled("orthogonal_", 2.0, shape=shape).reshape(shape[0], -1)
    rows, columns = flat.shape
    product = flat @ flat.t() if rows <= columns else flat.t() @ flat
    assert tp.allclose(product, 4 * tp.eye(min(rows, columns)), atol=1e-4)


def test_dirac_passes_channels_through() -> None:
    weight = _filled("dirac_", shape=(4, 2, 3, 3), groups=2)
    x = tp.arange(4.0 * 5 * 5).reshape(1, 4, 5, 5)
    assert tp.nn.functional.conv2d(x, weight, padding=1, groups=2).equal(x)


def test_sparse() -> None:
    tp.manual_seed(0)
    zeros = (_filled("sparse_", 0.3, shape=(10, 4)) == 0).sum(0)
    assert zeros.tolist() == [3, 3, 3, 3]


def test_gains() -> None:
    assert init.calculate_gain("linear") == 1
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 1) == 1
    assert init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / (1 + 1e-4)))
    with pytest.raises(ValueError, match=r"calculate_gain: expected one of .*, got 'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match=r"expected a number as slope, got 'x'"):
        init.calculate_gain("leaky_relu", "x")  # type: ignore[arg-type]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"xavier_normal_: expected .* 2 dimensions, got .*\(3,\)"):
        init.xavier_normal_(tp.empty(3))
    with pytest.raises(ValueError, match=r"kaiming_normal_: expected mode .*, got 'both'"):
        init.kaiming_normal_(tp.empty(3, 3), mode="both")
    with pytest.raises(ValueError, match=r"eye_: expected a tensor of 2 dimensions"):
        init.eye_(tp.empty(3))
    with pytest.raises(ValueError, match=r"dirac_: expected dim 0 divisible by groups=2, got 3"):
        init.dirac_(tp.empty(3, 1, 2), groups=2)
    with pytest.warns(UserWarning, match=r"trunc_normal_: expected a mean within two std"):
        init.trunc_normal_(tp.empty(3), mean=9.0)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("uniform_", (-2.0, 1.0)),
        ("normal_", (1.0, 2.0)),
        ("trunc_normal_", (0.5, 1.0, -1.0, 2.0)),
        ("xavier_uniform_", (2.0,)),
        ("xavier_normal_", ()),
        ("kaiming_uniform_", (0.3,)),
        ("kaiming_normal_", (0, "fan_out", "relu")),
        ("orthogonal_", (3.0,)),
        ("sparse_", (0.25, 2.0)),
    ],
)
def test_distribution_is_that_of_torch(name: str, args: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")
    stats = pytest.importorskip("scipy.stats")
    tp.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = (getattr(lib.nn.init, name)(lib.empty(80, 60), *args) for lib in (tp, torch))
    found = stats.ks_2samp(ours.reshape(-1).tolist(), theirs.reshape(-1).tolist())
    assert found.pvalue > 0.01


@pytest.mark.parametrize("name", ["uniform", "normal", "constant", "eye", "dirac", "sparse",
                                  "xavier_uniform", "xavier_normal", "kaiming_uniform",
                                  "kaiming_normal", "orthogonal"])  # fmt: skip
def test_old_names_warn(name: str) -> None:
    args: tuple[Any, ...] = {"constant": (2.0,), "sparse": (0.5,)}.get(name, ())
    weight = tp.empty(2, 2, 1) if name == "dirac" else tp.empty(2, 2)
    with pytest.warns(FutureWarning, match=rf"nn.init.{name}: expected the name {name}_"):
        assert getattr(init, name)(weight, *args) is weight

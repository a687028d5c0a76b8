"""Layers and losses by hand, and their errors; parity/ compares all of them with PyTorch."""

from __future__ import annotations

import math
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn


def test_soft_targets() -> None:
    loss = nn.CrossEntropyLoss()(tp.zeros(2, 4), tp.full((2, 4), 0.25))
    assert loss.item() == pytest.approx(math.log(4))


def test_linear_by_hand() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": tp.tensor([[2.0, -1.0]]), "bias": tp.tensor([0.5])})
    assert layer(tp.tensor([[1.0, 1.0], [0.0, 3.0]])).tolist() == [[1.5], [-2.5]]


def test_convolution_by_hand() -> None:
    layer = nn.Conv2d(1, 1, 2, bias=False)
    layer.load_state_dict({"weight": tp.tensor([[[[1.0, 0.0], [0.0, -1.0]]]])})
    x = tp.arange(9.0).reshape(1, 1, 3, 3)
    assert layer(x).tolist() == [[[[-4.0, -4.0], [-4.0, -4.0]]]]
    assert nn.MaxPool2d(2, 1)(x).tolist() == [[[[4.0, 5.0], [7.0, 8.0]]]]
    assert nn.AvgPool2d(2, 1)(x).tolist() == [[[[2.0, 3.0], [5.0, 6.0]]]]


@pytest.mark.parametrize("make", [lambda: nn.Linear(400, 50), lambda: nn.Conv2d(16, 50, 5)])
def test_initial_values_are_even_within_the_bound(make) -> None:  # type: ignore[no-untyped-def]
    tp.manual_seed(0)
    bound = 1 / math.sqrt(400)
    layer = make()
    for parameter in layer.parameters():
        assert parameter.min().item() >= -bound
        assert parameter.max().item() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert layer.weight.mean().item() == pytest.approx(0, abs=bound / 20)
    tp.manual_seed(0)
    assert make().weight.equal(layer.weight)


def test_dropout() -> None:
    tp.manual_seed(0)
    layer, x = nn.Dropout(0.25), tp.ones(4000)
    out = layer(x)
    assert sorted(set(out.tolist())) == pytest.approx([0.0, 4 / 3])
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert layer.eval()(x).equal(x)
    with pytest.raises(ValueError, match=r"Dropout: expected p between 0 and 1, got 1.5"):
        nn.Dropout(1.5)


def test_max_pooling_can_return_where() -> None:
    x = tp.arange(16.0).reshape(1, 1, 4, 4)
    values, indices = nn.MaxPool2d(2, return_indices=True)(x)
    assert values.reshape(-1).tolist() == [5.0, 7.0, 13.0, 15.0]
    assert indices.reshape(-1).tolist() == [5, 7, 13, 15]


def test_shape_errors_name_the_layer() -> None:
    text = r"Linear\(3, 4\): expected input of shape \(\*, 3\), got \(2, 5\)"
    with pytest.raises(RuntimeError, match=text):
        nn.Linear(3, 4)(tp.zeros(2, 5))
    with pytest.raises(RuntimeError, match=r"Linear\(3, 4\): expected .*, got int"):
        nn.Linear(3, 4)(7)
    text = r"Conv2d\(2, 4\): expected input of shape \(batch, 2, height, width\) .*, got \(3, 3\)"
    with pytest.raises(RuntimeError, match=text):
        nn.Conv2d(2, 4, 1)(tp.zeros(3, 3))
    with pytest.raises(RuntimeError, match=r"Conv2d\(2, 4\): .*, got \(1, 3, 5, 5\)"):
        nn.Conv2d(2, 4, 3)(tp.zeros(1, 3, 5, 5))
    # The shape is right: the layer names the type that is not.
    with pytest.raises(RuntimeError, match=r"Linear\(3, 4\): expected input of dtype .*complex64"):
        nn.Linear(3, 4).double()(tp.zeros(2, 3, dtype=tp.complex64))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"kernel_size": (1, 2, 3)}, r"Conv2d: expected kernel_size of 1 or 2 integers"),
        ({"groups": 0}, "Conv2d: expected groups of at least 1, got 0"),
        ({"groups": 4}, "Conv2d: expected in_channels divisible by groups=4, got 2"),
        ({"padding": "some"}, "Conv2d: expected padding 'same', 'valid' or numbers, got 'some'"),
        ({"padding": "same", "stride": 2}, r"Conv2d: expected stride 1 .*, got \(2, 2\)"),
        ({"padding_mode": "wrap"}, "Conv2d: expected padding_mode one of .*, got 'wrap'"),
    ],
)
def test_convolution_settings(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        nn.Conv2d(2, 4, **{"kernel_size": 3, **settings})


def test_other_settings() -> None:
    with pytest.raises(TypeError, match=r"Unflatten: expected a tuple of integers as sizes"):
        nn.Unflatten(1, "ab")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"MSELoss: expected reduction .*, got 'max'"):
        nn.MSELoss(reduction="max")
    with pytest.warns(UserWarning, match=r"size_average and reduce are deprecated"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match=r"reduction='none'"):
        assert nn.CrossEntropyLoss(reduce=False).reduction == "none"

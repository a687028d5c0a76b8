"""Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict."""

from __future__ import annotations

import pytest

import tensorplug as tp
from tensorplug import nn


def test_sequential_is_a_list_that_can_be_called() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    model.append(nn.Linear(3, 1)).insert(0, nn.Identity())
    assert [type(module).__name__ for module in model] == ["Identity", "Linear", "ReLU", "Linear"]
    assert len(model) == 4
    assert model(tp.ones(5, 2)).shape == (5, 1)
    assert list(model[1:3].state_dict()) == ["1.weight", "1.bias"]
    assert model[-1] is model[3]
    model[2] = nn.Tanh()
    del model[0]
    assert list(model._modules) == ["0", "1", "2"]
    assert isinstance(model.pop(1), nn.Tanh)
    longer = model + nn.Sequential(nn.ReLU())
    assert len(longer) == 3
    model += [nn.ReLU()]
    assert len(model) == 3


def test_sequential_times() -> None:
    row = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert len(row * 3) == len(3 * row) == 6
    assert (row * 2)[2] is row[0]
    row *= 2
    assert len(row) == 4
    assert row[3] is row[1]
    with pytest.raises(ValueError, match=r"Sequential: expected a factor of 1 or more, got 0"):
        row * 0
    with pytest.raises(TypeError, match=r"unsupported operand"):
        row * 1.5  # type: ignore[operator]


def test_sequential_with_names() -> None:
    model = nn.Sequential({"first": nn.Linear(2, 3), "then": nn.ReLU()})
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    assert model.first is model[0]
    assert list(model[1:]._modules) == ["then"]


def test_list() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    layers.append(nn.ReLU())
    assert repr(layers) == (
        "ModuleList(\n"
        "  (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)\n"
        "  (3): ReLU()\n"
        ")"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    assert isinstance(layers[:2], nn.ModuleList)
    assert len(layers[:2] + nn.ModuleList([nn.ReLU()])) == 3
    del layers[1:3]
    assert list(layers._modules) == ["0", "1"]
    assert len(list(layers.parameters())) == 2


def test_dict() -> None:
    heads = nn.ModuleDict({"a": nn.Linear(2, 1)})
    heads["b"] = nn.ReLU()
    heads.update([("c", nn.Tanh())])
    assert list(heads) == list(heads.keys()) == ["a", "b", "c"]
    assert "b" in heads
    assert len(heads) == 3
    assert [name for name, _ in heads.items()] == ["a", "b", "c"]
    assert list(heads.values())[1] is heads["b"]
    assert isinstance(heads.pop("c"), nn.Tanh)
    del heads["b"]
    assert list(heads.state_dict()) == ["a.weight", "a.bias"]
    heads.clear()
    assert not list(heads)


def test_parameter_list() -> None:
    row = nn.ParameterList([tp.ones(2), nn.Parameter(tp.zeros(3))])
    row += [tp.ones(1)]
    assert len(row) == 3
    assert all(isinstance(value, nn.Parameter) for value in row)
    assert list(row.state_dict()) == ["0", "1", "2"]
    assert row[-1] is row[2]
    row[0] = tp.zeros(4)
    assert row[0].shape == (4,)
    assert len(row[1:]) == 2
    assert "(0): Parameter containing: [" in repr(row)
    assert "of size 4]" in repr(row)


def test_parameter_dict() -> None:
    named = nn.ParameterDict({"left": tp.ones(2)})
    named["right"] = tp.zeros(3)
    named.update({"note": "text"})
    assert named.keys() == list(named) == ["left", "right", "note"]
    assert list(named.state_dict()) == ["left", "right"]
    assert named.pop("note") == "text"
    assert "note" not in named
    assert len(named) == len(named.values()) == len(named.items()) == 2
    with pytest.raises(KeyError, match=r"training"):
        named["training"]
    assert "(left): Parameter containing" in repr(named)


def test_parameter_dict_is_a_dict() -> None:
    named = nn.ParameterDict({"b": tp.ones(1), "a": tp.zeros(2)})
    assert list(named) == ["a", "b"]  # sorted, as in PyTorch
    named.update([("d", tp.ones(3)), ("c", tp.ones(4))])
    assert list(reversed(named)) == ["c", "d", "b", "a"]
    assert named.get("x") is None
    assert named.get("a") is named["a"]
    assert named.setdefault("a", 3) is named["a"]
    assert named.setdefault("e", tp.ones(5)) is named["e"]
    assert named.popitem()[0] == "e"
    twin = named.copy()
    assert twin["a"] is named["a"]
    assert list(twin | nn.ParameterDict({"z": tp.ones(1)})) == ["a", "b", "d", "c", "z"]
    assert list({"z": tp.ones(1)} | twin) == ["z", "a", "b", "d", "c"]
    twin |= {"y": tp.ones(1)}
    assert "y" in twin
    assert list(named.fromkeys(["q", "p"], 0).items()) == [("q", 0), ("p", 0)]
    twin.clear()
    assert not list(twin.parameters())


def test_errors() -> None:
    row = nn.ModuleList([nn.ReLU()])
    with pytest.raises(IndexError, match=r"ModuleList: expected an index from -1 to 0, got 1"):
        row[1]
    with pytest.raises(TypeError, match=r"ModuleList: expected an integer or slice .* got str"):
        row["a"]  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"Sequential: expected a Module, got int"):
        nn.Sequential(3)
    with pytest.raises(TypeError, match=r"expected a Module or None for 'x', got int"):
        nn.ModuleDict({"x": 3})

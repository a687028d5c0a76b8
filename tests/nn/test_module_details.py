"""Less common parts of nn.Module: several bases, buffers by assignment, hooks on state dicts."""

from __future__ import annotations

import pytest

import tensorplug as tp
from tensorplug import nn
from tensorplug.nn.modules.batchnorm import _BatchNorm
from tensorplug.nn.modules.utils import _pair


def test_super_init_of_several_bases() -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    class Both(nn.Module, Named):
        call_super_init = True

    assert Both(name="x").name == "x"
    with pytest.raises(TypeError, match=r"Module.__init__: expected no arguments .*, got 3, a=1"):
        nn.Module(3, a=1)


def test_set_submodule() -> None:
    net = nn.ModuleDict({"body": nn.Sequential(nn.Linear(2, 3))})
    net.set_submodule("body.0", nn.Linear(2, 3, bias=False))
    assert net.body[0].bias is None
    net.set_submodule("body.extra", nn.ReLU())
    assert isinstance(net.body.extra, nn.ReLU)
    with pytest.raises(ValueError, match=r"ModuleDict.set_submodule: expected the name .*, got ''"):
        net.set_submodule("", nn.ReLU())
    with pytest.raises(ValueError, match=r"ModuleDict.set_submodule: expected a Module, got int"):
        net.set_submodule("body", 3)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match=r"got 'body.7'"):
        net.set_submodule("body.7", nn.ReLU(), strict=True)


def test_buffers_by_assignment() -> None:
    net = nn.Module()
    net.kept = nn.Buffer(tp.ones(2))
    net.passing = nn.Buffer(tp.ones(3), persistent=False)
    assert isinstance(net.kept, nn.Buffer)
    assert not isinstance(tp.ones(1), nn.Buffer)
    assert [name for name, _ in net.named_buffers()] == ["kept", "passing"]
    assert list(net.state_dict()) == ["kept"]
    net.kept = tp.zeros(2)
    assert net.state_dict()["kept"].tolist() == [0.0, 0.0]


def test_modules_may_come_twice() -> None:
    layer = nn.ReLU()
    net = nn.Sequential(layer, layer)
    assert len(list(net.modules())) == 2
    assert len(list(net.modules(remove_duplicate=False))) == 3


def test_state_dict_hooks_before_and_instead() -> None:
    net, calls = nn.Linear(1, 1), []
    net.register_state_dict_pre_hook(lambda module, prefix, keep: calls.append((prefix, keep)))
    net._register_state_dict_hook(lambda module, state, prefix, meta: {"all": state})
    out: dict[str, object] = {}
    assert net.state_dict(out, "a.", True)["all"] is out
    assert calls == [("a.", True)]
    assert out["a.weight"] is net.weight

    other = nn.Linear(1, 1)
    other._register_load_state_dict_pre_hook(
        lambda state, prefix, *rest: state.update({prefix + "bias": tp.ones(1)})
    )
    other.load_state_dict({"weight": tp.zeros(1, 1)})
    assert other.bias.item() == 1.0


def test_state_of_another_library() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    assert repr(ours.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"
    x = [[1.0, -2.0, 0.5], [0.0, 1.0, 2.0]]
    expected = theirs(torch.tensor(x)).detach().flatten().tolist()
    assert ours(tp.tensor(x)).flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_data_parallel_runs_its_module() -> None:
    inner = nn.Linear(2, 3)
    model = nn.DataParallel(inner, device_ids=[0, 1])
    x = tp.ones(4, 2)
    assert model(x).equal(inner(x))
    assert model(input=x).equal(inner(x))
    assert nn.parallel.DataParallel is nn.DataParallel
    assert [name for name, _ in model.named_parameters()] == ["module.weight", "module.bias"]


def test_second_address_of_the_layers() -> None:
    assert issubclass(nn.BatchNorm2d, _BatchNorm)
    assert not issubclass(nn.InstanceNorm2d, _BatchNorm)
    assert nn.modules.conv.Conv2d is nn.Conv2d
    assert nn.modules.Conv2d is nn.Conv2d
    assert nn.modules.CrossEntropyLoss is nn.CrossEntropyLoss
    assert nn.modules.pooling.AdaptiveAvgPool2d is nn.AdaptiveAvgPool2d
    assert issubclass(nn.L1Loss, nn.modules.loss._Loss)
    assert nn.modules.Module is nn.Module
    assert _pair(3) == (3, 3)
    assert _pair([1, 2]) == (1, 2)


def test_second_addresses_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    for name, place in vars(nn.modules).items():
        if not hasattr(torch.nn.modules, name) or name == "utils" or name.startswith("_"):
            continue
        theirs = vars(getattr(torch.nn.modules, name))
        public = [
            key for key, value in theirs.items()
            if isinstance(value, type) and value.__module__ == f"torch.nn.modules.{name}"
            and hasattr(nn, key)
        ]  # fmt: skip
        assert all(getattr(place, key) is getattr(nn, key) for key in public), name

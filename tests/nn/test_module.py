"""What nn.Module promises: registration, names, moving, state dicts, hooks, printing, copying."""

from __future__ import annotations

import copy
import pickle

import pytest

import tensorplug as tp
from tensorplug import nn


class Net(nn.Module):
    """Two layers, a shared one, a parameter and two buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        self.head = nn.Linear(3, 1)
        self.again = self.head
        self.scale = nn.Parameter(tp.ones(1))
        self.register_buffer("seen", tp.zeros(1, dtype=tp.int64))
        self.register_buffer("cache", tp.zeros(2), persistent=False)
        self.missing = None

    def forward(self, x: tp.Tensor) -> tp.Tensor:
        return self.again(self.body(x)) * self.scale


NAMES = ["scale", "body.0.weight", "body.0.bias", "head.weight", "head.bias"]


def test_parameters_are_flagged_tensors() -> None:
    data = tp.ones(2)
    parameter = nn.Parameter(data)
    assert isinstance(parameter, nn.Parameter)
    assert isinstance(parameter, tp.Tensor)
    assert type(parameter) is tp.Tensor
    assert not isinstance(data, nn.Parameter)
    assert not isinstance(parameter * 1, nn.Parameter)
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert not nn.Parameter(tp.ones(2), requires_grad=False).requires_grad
    data.fill_(3.0)
    assert parameter.tolist() == [3.0, 3.0]
    with pytest.raises(TypeError, match=r"Parameter: expected a Tensor, got list"):
        nn.Parameter([1.0])  # type: ignore[arg-type]


def test_names() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [name for name, _ in net.named_parameters(prefix="net", recurse=False)] == ["net.scale"]
    assert len(list(net.named_parameters(remove_duplicate=False))) == 7
    assert [name for name, _ in net.named_buffers()] == ["seen", "cache"]
    assert [name for name, _ in net.named_children()] == ["body", "head"]
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "head"]
    assert len(list(net.modules())) == 5
    assert len(list(net.children())) == 2
    assert len(list(net.buffers())) == 2
    assert sum(parameter.numel() for parameter in net.parameters()) == 14


def test_get_by_dotted_name() -> None:
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("body.0") is net.body[0]
    assert net.get_parameter("body.0.bias") is net.body[0].bias
    assert net.get_buffer("seen") is net.seen
    with pytest.raises(AttributeError, match=r"get_submodule: expected .* got 'body.7'"):
        net.get_submodule("body.7")
    with pytest.raises(AttributeError, match=r"get_parameter: expected .* got 'head.seen'"):
        net.get_parameter("head.seen")


def test_attributes_change_kind_and_are_deleted() -> None:
    net = Net()
    net.missing = nn.Linear(1, 1)
    assert "missing" in net._modules
    assert "missing" not in net.__dict__
    net.missing = None
    assert net._modules["missing"] is None
    net.head = nn.Linear(3, 2)
    assert list(net._modules)[1] == "head"
    net.seen = tp.ones(1)
    assert net._buffers["seen"] is net.seen
    del net.seen, net.scale, net.head
    assert "scale" not in dict(net.named_parameters())
    assert not hasattr(net, "seen")
    with pytest.raises(TypeError, match=r"Net.body: expected a Module or None, got int"):
        net.body = 3
    with pytest.raises(TypeError, match=r"Net.cache: expected a Tensor or None, got str"):
        net.cache = "x"
    with pytest.raises(AttributeError, match=r"'Net' object has no attribute 'nothing'"):
        _ = net.nothing
    assert "again" in dir(net)


class Early(nn.Module):
    """Assigns before the base class is ready."""

    def __init__(self) -> None:
        self.layer = nn.Linear(1, 1)


def test_registration_errors() -> None:
    with pytest.raises(AttributeError, match=r"Early: expected super\(\).__init__\(\) before"):
        Early()
    net = Net()
    with pytest.raises(KeyError, match=r"expected a name without dots, got 'a.b'"):
        net.register_buffer("a.b", None)
    with pytest.raises(KeyError, match=r"expected a free name, got 'training'"):
        net.register_parameter("training", None)
    with pytest.raises(TypeError, match=r"expected a Parameter or None for 'w', got Tensor"):
        net.register_parameter("w", tp.ones(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected a Tensor or None for 'b', got int"):
        net.register_buffer("b", 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"expected a Module or None for 'm', got int"):
        net.add_module("m", 3)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match=r"Module: expected a forward\(\) method"):
        nn.Module()(1)


def test_modes_and_gradients() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train().body[1].training
    net(tp.ones(4, 2)).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.zero_grad(set_to_none=False)
    assert net.head.weight.grad.tolist() == [[0.0, 0.0, 0.0]]
    net.zero_grad()
    assert net.head.weight.grad is None
    net.requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in net.parameters())
    with pytest.raises(ValueError, match=r"train: expected True or False, got 1"):
        net.train(1)  # type: ignore[arg-type]


def test_apply_visits_children_first() -> None:
    order: list[str] = []
    Net().apply(lambda module: order.append(type(module).__name__))
    assert order == ["Linear", "ReLU", "Sequential", "Linear", "Net"]


def test_conversion_keeps_objects_gradients_and_integer_buffers() -> None:
    net = Net()
    net(tp.ones(4, 2)).sum().backward()
    before = list(net.parameters())
    gradient = net.head.weight.grad.tolist()
    assert net.double() is net
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert net.head.weight.dtype is tp.float64
    assert net.head.weight.grad.dtype is tp.float64
    assert net.head.weight.grad.tolist() == gradient
    assert net.head.weight.requires_grad
    assert isinstance(net.head.weight, nn.Parameter)
    assert net.cache.dtype is tp.float64
    assert net.seen.dtype is tp.int64
    assert net.half().scale.dtype is tp.float16
    assert net.to(tp.float32).scale.dtype is tp.float32
    assert net.to("cpu", tp.float64).scale.dtype is tp.float64
    assert net.to(tp.ones(1)).scale.dtype is tp.float32
    assert net.bfloat16().scale.dtype is tp.bfloat16
    assert net.float().cpu().scale.dtype is tp.float32
    with pytest.raises(TypeError, match=r"Module.to: expected a floating-point or complex dtype"):
        net.to(tp.int32)


def test_to_empty_and_type() -> None:
    net = nn.Linear(2, 3).to_empty(device="cpu")
    assert tuple(net.weight.shape) == (3, 2)
    assert net.type(tp.float64).weight.dtype is tp.float64


def test_state_dict_shares_memory_and_loads() -> None:
    net, other = Net(), Net()
    state = net.state_dict()
    assert list(state) == [
        "scale", "seen", "body.0.weight", "body.0.bias",
        "head.weight", "head.bias", "again.weight", "again.bias",
    ]  # fmt: skip
    assert not state["scale"].requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert next(iter(net.state_dict(prefix="p."))) == "p.scale"
    result = other.load_state_dict(state)
    assert repr(result) == "<All keys matched successfully>"
    x = tp.ones(3, 2)
    assert other(x).tolist() == net(x).tolist()
    with tp.no_grad():
        net.scale.fill_(5.0)
    assert state["scale"].tolist() == [5.0]
    assert other.scale.tolist() == [1.0]
    assert pickle.loads(pickle.dumps(state))["scale"].tolist() == [5.0]


def test_load_lists_every_problem() -> None:
    net = nn.Linear(2, 3)
    bad = {"weight": tp.zeros(3, 4), "extra": tp.zeros(1), "sub.x": tp.zeros(1)}
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(bad)
    text = str(caught.value)
    assert "expected the state of this Linear" in text
    assert "weight: expected shape (3, 2), got (3, 4)" in text
    assert "missing keys: 'bias'" in text
    assert "unexpected keys: 'extra', 'sub.x'" in text
    with pytest.raises(RuntimeError, match=r"bias: expected a Tensor, got float"):
        net.load_state_dict({"weight": tp.zeros(3, 2), "bias": 1.0})
    with pytest.raises(TypeError, match=r"load_state_dict: expected a dict of tensors, got list"):
        net.load_state_dict([])  # type: ignore[arg-type]
    result = net.load_state_dict({"weight": tp.ones(3, 2), "extra": tp.ones(1)}, strict=False)
    assert result == (["bias"], ["extra"])
    assert net.weight.tolist() == [[1.0, 1.0]] * 3


def test_load_by_assignment() -> None:
    net = nn.Linear(1, 1)
    new = {"weight": tp.ones(1, 1, dtype=tp.float64), "bias": tp.ones(1, dtype=tp.float64)}
    net.load_state_dict(new, assign=True)
    assert net.weight.dtype is tp.float64
    assert isinstance(net.weight, nn.Parameter)
    assert net.weight.requires_grad


class Counter(nn.Module):
    """Saves a number that is no tensor."""

    count = 0

    def get_extra_state(self) -> int:
        return self.count

    def set_extra_state(self, state: int) -> None:
        self.count = state


def test_extra_state_and_state_hooks() -> None:
    counter = Counter()
    counter.count = 7
    state = counter.state_dict()
    assert state == {"_extra_state": 7}
    other = Counter()
    other.load_state_dict(state)
    assert other.count == 7
    with pytest.raises(RuntimeError, match=r"missing keys: '_extra_state'"):
        other.load_state_dict({})

    net = nn.Linear(1, 1)
    net.register_state_dict_post_hook(lambda module, state, prefix, meta: state.pop("bias"))
    assert list(net.state_dict()) == ["weight"]

    def rename(module, state, prefix, *rest):  # type: ignore[no-untyped-def]
        state[prefix + "weight"] = state.pop(prefix + "old")

    net.register_load_state_dict_pre_hook(rename)
    net.register_load_state_dict_post_hook(lambda module, keys: keys.missing_keys.clear())
    net.load_state_dict({"old": tp.full((1, 1), 9.0)})
    assert net.weight.item() == 9.0


def test_forward_hooks() -> None:
    net = nn.Linear(1, 1)
    x = tp.ones(1, 1)
    plain = net(x).item()
    calls: list[str] = []
    first = net.register_forward_pre_hook(lambda module, args: (args[0] * 0,))
    assert net(x).item() == net.bias.item()
    first.remove()
    first.remove()
    net.register_forward_hook(lambda module, args, out: calls.append("a"))
    with net.register_forward_hook(lambda module, args, out: out * 2, prepend=True):
        assert net(x).item() == pytest.approx(2 * plain)
    assert net(x).item() == plain
    assert calls == ["a", "a"]


def test_hooks_with_keywords_and_failure() -> None:
    class Scale(nn.Module):
        def forward(self, x: tp.Tensor, by: float = 1.0) -> tp.Tensor:
            if by == 0:
                raise ZeroDivisionError("by")
            return x / by

    net, seen = Scale(), []
    pre = net.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"by": kwargs["by"] * 2}), with_kwargs=True
    )
    net.register_forward_hook(
        lambda module, args, kwargs, out: seen.append((kwargs["by"], out)),
        with_kwargs=True,
        always_call=True,
    )
    assert net(tp.ones(1), by=2.0).item() == 0.25
    with pytest.raises(ZeroDivisionError):
        net(tp.ones(1), by=0.0)
    assert seen[0][0] == 4.0
    assert seen[1] == (0.0, None)
    pre.remove()
    net.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"Scale: expected its forward pre-hook .* got 3"):
        net(tp.ones(1), by=1.0)


def _list(grad: tp.Tensor | None) -> object:
    return None if grad is None else grad.tolist()


def test_backward_hooks() -> None:
    net = nn.Linear(2, 1, bias=False)
    net.load_state_dict({"weight": tp.tensor([[2.0, 3.0]])})
    seen: list[object] = []

    def record(module: nn.Module, grad_input: tuple, grad_output: tuple) -> None:  # type: ignore[type-arg]
        seen.append((_list(grad_input[0]), _list(grad_output[0])))

    net.register_full_backward_hook(lambda m, gi, go: gi if gi[0] is None else (gi[0] * 10,))
    with net.register_full_backward_hook(record, prepend=True):
        x = tp.ones(1, 2, requires_grad=True)
        net(x).sum().backward()
        net(tp.ones(1, 2)).sum().backward()  # no gradient for the input
    assert x.grad.tolist() == [[20.0, 30.0]]
    assert seen == [([[2.0, 3.0]], [[1.0]]), (None, [[1.0]])]
    assert net.weight.grad.tolist() == [[2.0, 2.0]]

    net.register_full_backward_pre_hook(lambda module, grad_output: (grad_output[0] * 0.5,))
    x.grad = None
    net(x).sum().backward()
    assert x.grad.tolist() == [[10.0, 15.0]]
    net.register_full_backward_hook(lambda module, grad_input, grad_output: (x, x))
    with pytest.raises(RuntimeError, match=r"Linear: expected its backward hook .*, got 2"):
        net(x).sum().backward()


class Pair(nn.Module):
    """Takes and gives two tensors."""

    def forward(self, a: tp.Tensor, b: tp.Tensor) -> tuple[tp.Tensor, tp.Tensor]:
        return a * 2, b * 3


def test_backward_hooks_with_several_tensors() -> None:
    net, seen = Pair(), []
    net.register_full_backward_hook(lambda module, *grads: seen.append(grads))
    a, b = tp.ones(1, requires_grad=True), tp.ones(1)
    first, second = net(a, b)
    assert not second.requires_grad
    first.sum().backward()
    ((grad_input, grad_output),) = seen
    assert [_list(grad) for grad in grad_input] == [[2.0], None]
    assert [_list(grad) for grad in grad_output] == [[1.0], None]


def test_printing() -> None:
    assert repr(nn.Module()) == "Module()"
    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (head): Linear(in_features=3, out_features=1, bias=True)\n"
        "  (again): Linear(in_features=3, out_features=1, bias=True)\n"
        ")"
    )


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_are_complete_and_independent(duplicate) -> None:  # type: ignore[no-untyped-def]
    net = Net()
    net.eval()
    twin = duplicate(net)
    assert twin.again is twin.head
    assert not twin.training
    assert [name for name, _ in twin.named_parameters()] == NAMES
    assert all(parameter.requires_grad for parameter in twin.parameters())
    x = tp.ones(2, 2)
    expected = net(x).tolist()
    with tp.no_grad():
        net.scale.zero_()
    assert twin(x).tolist() == expected
    assert list(twin.state_dict()) == list(net.state_dict())

"""Optimizers against PyTorch's, step by step, and by hand without it."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn, optim

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "maximize": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "nesterov": True, "maximize": True}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True}),
]

SHAPES = [(3, 4), (4,), (), (2, 1, 2)]


def _start(shape: tuple[int, ...]) -> list[float]:
    return [math.sin(1 + position) for position in range(math.prod(shape))]


def _parameters(lib: Any, dtype: Any) -> list[Any]:
    return [
        lib.tensor(_start(shape), dtype=dtype).reshape(shape).requires_grad_() for shape in SHAPES
    ]


def _steps(optimizer: Any, parameters: list[Any], count: int) -> None:
    for step in range(count):
        optimizer.zero_grad()
        for number, parameter in enumerate(parameters):
            if number != 1 or step != 1:  # once, one has no gradient
                ((parameter - number) ** 3).sum().backward()
        optimizer.step()


def _flat(tensors: list[Any]) -> list[float]:
    return [value for tensor in tensors for value in tensor.detach().reshape(-1).tolist()]


@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_steps_and_states_equal_torch(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _parameters(tp, tp.float64), _parameters(torch, torch.float64)
    mine = getattr(optim, name)(ours, **settings)
    other = getattr(torch.optim, name)(theirs, **settings)
    _steps(mine, ours, 4)
    _steps(other, theirs, 4)
    assert _flat(ours) == pytest.approx(_flat(theirs), rel=1e-10)

    got, expected = mine.state_dict(), other.state_dict()
    assert got["param_groups"] == expected["param_groups"]
    assert got["state"].keys() == expected["state"].keys()
    for index, values in expected["state"].items():
        assert list(got["state"][index]) == list(values)
        for key, value in values.items():
            if value is not None:
                assert _flat([got["state"][index][key]]) == pytest.approx(_flat([value]))

    # Each goes on from the other's state: only the types of the tensors are changed.
    fresh = getattr(optim, name)(ours, lr=5.0)
    fresh.load_state_dict(_translated(expected, tp))
    _steps(fresh, ours, 2)
    _steps(other, theirs, 2)
    assert _flat(ours) == pytest.approx(_flat(theirs), rel=1e-10)
    other.load_state_dict(_translated(fresh.state_dict(), torch))


def _translated(state: dict[str, Any], lib: Any) -> dict[str, Any]:
    return {
        "param_groups": state["param_groups"],
        "state": {
            index: {
                key: None if value is None else lib.tensor(value.tolist(), dtype=lib.float64)
                for key, value in values.items()
            }
            for index, values in state["state"].items()
        },
    }


def test_complex_parameters_equal_torch() -> None:
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tp, torch):
        x = lib.tensor([1 + 2j, -0.5 + 0.25j], dtype=lib.complex128).requires_grad_()
        optimizer = lib.optim.Adam([x], lr=0.1, amsgrad=True)
        for _ in range(3):
            optimizer.zero_grad()
            (x * x.conj()).real.sum().backward()
            optimizer.step()
        results.append(x.detach().tolist())
    assert results[0] == pytest.approx(results[1])


def _quadratic(optimizer_of: Any) -> tuple[list[float], Any]:
    """Two steps down x squared from 1; the values on the way."""
    x = tp.ones(1, dtype=tp.float64).requires_grad_()
    optimizer = optimizer_of([x])
    values = []
    for _ in range(2):
        optimizer.zero_grad()
        (x * x).sum().backward()
        optimizer.step()
        values.append(x.item())
    return values, optimizer


def test_sgd_by_hand() -> None:
    values, optimizer = _quadratic(lambda params: optim.SGD(params, lr=0.25))
    assert values == [0.5, 0.25]
    assert not optimizer.state
    # momentum: the buffer is 2, then 0.5 * 2 + 1 = 2
    values, _ = _quadratic(lambda params: optim.SGD(params, lr=0.25, momentum=0.5))
    assert values == [0.5, 0.0]


def test_adam_by_hand() -> None:
    values, _ = _quadratic(lambda params: optim.Adam(params, lr=0.5, betas=(0.0, 0.0)))
    assert values == pytest.approx([0.5, 0.0], abs=1e-6)  # the sign of the gradient times lr
    values, _ = _quadratic(
        lambda params: optim.AdamW(params, lr=0.5, betas=(0.0, 0.0), weight_decay=1.0)
    )
    assert values[0] == pytest.approx(0.0, abs=1e-6)  # halved, then a step of lr


def test_training_reduces_a_loss() -> None:
    tp.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    x = tp.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = tp.tensor([[0.0], [1.0], [1.0], [0.0]])
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01


def test_groups_have_their_own_settings() -> None:
    a, b, c = (tp.ones(1).requires_grad_() for _ in range(3))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 1.0}], lr=0.5)
    optimizer.add_param_group({"params": (c,), "lr": 0.0})
    for x in (a, b, c):
        x.sum().backward()
    optimizer.step()
    assert [x.item() for x in (a, b, c)] == [0.5, 0.0, 1.0]
    assert repr(optimizer).splitlines()[:2] == ["SGD (", "Parameter Group 0"]
    named = optim.SGD(nn.Linear(1, 1).named_parameters(), lr=0.1)
    assert named.param_groups[0]["param_names"] == ["weight", "bias"]


def test_learning_rate_may_be_a_tensor() -> None:
    x = tp.ones(1).requires_grad_()
    optimizer = optim.SGD([x], lr=tp.tensor(0.5))
    x.sum().backward()
    optimizer.step()
    assert x.item() == 0.5


def test_closure_hooks_and_zero_grad() -> None:
    x = tp.ones(1).requires_grad_()
    optimizer = optim.SGD([x], lr=0.5)
    calls: list[str] = []
    remove = optimizer.register_step_pre_hook(lambda *args: calls.append("before"))
    optimizer.register_step_post_hook(lambda *args: calls.append("after"))

    def closure() -> tp.Tensor:
        optimizer.zero_grad()
        loss = (x * 2).sum()
        loss.backward()
        return loss

    with tp.no_grad():
        assert optimizer.step(closure).item() == 2.0
    remove.remove()
    optimizer.step()
    assert calls == ["before", "after", "after"]
    assert x.item() == -1.0
    optimizer.zero_grad(set_to_none=False)
    assert x.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert x.grad is None
    assert x.requires_grad
    assert x.is_leaf


BUNDLED = [pair for pair in SETTINGS if pair[0] != "SGD" or pair[1].get("momentum")]


@pytest.mark.parametrize(("name", "settings"), BUNDLED)
def test_small_parameters_together_are_as_one_by_one(name: str, settings: dict[str, Any]) -> None:
    results = []
    for foreach in (None, False):
        params = _parameters(tp, tp.float32)
        optimizer = getattr(optim, name)(params, foreach=foreach, **settings)
        _steps(optimizer, params, 7)
        results.append(_flat(params))
        bundles = [bundle for found in optimizer._bundles.values() for bundle in found.current]
        # The one without a gradient in the second step has made fewer steps.
        sizes = [3] if "Adam" in name else [4]
        assert [len(bundle.params) for bundle in bundles] == (sizes if foreach is None else [])
        steps = [optimizer.state[param].get("step") for param in params]
        assert steps == ([7, 6, 7, 7] if "Adam" in name else [None] * 4)
    assert results[0] == results[1]


def test_bundles_notice_changes_from_outside() -> None:
    params = _parameters(tp, tp.float32)
    optimizer = optim.Adam(params, lr=0.1)
    _steps(optimizer, params, 6)
    optimizer.state.clear()
    for param in params:
        param.grad = None
        param.data = param.data.double()
    twins = [param.detach().clone().requires_grad_() for param in params]
    fresh = optim.Adam(twins, lr=0.1)
    _steps(optimizer, params, 6)
    _steps(fresh, twins, 6)
    assert _flat(params) == _flat(twins)
    assert optimizer.state[params[0]]["exp_avg"].dtype is tp.float64
    assert optimizer.state[params[0]]["step"] == 6


def test_large_parameters_stay_alone() -> None:
    params = [tp.ones(size, requires_grad=True) for size in (4, 9000, 5, 8192, 8192)]
    params += [tp.ones(8000, requires_grad=True) for _ in range(8)]
    optimizer = optim.SGD(params, lr=0.1, momentum=0.9)
    for _ in range(4):
        optimizer.zero_grad()
        sum(param.sum() for param in params).backward()
        optimizer.step()
    (found,) = optimizer._bundles.values()
    assert [len(bundle.params) for bundle in found.current] == [10, 2]
    assert {param[0].item() for param in params} == {params[0][0].item()}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_alike(duplicate: Any) -> None:
    tp.manual_seed(0)
    model = nn.Linear(2, 2)
    optimizer = optim.Adam(model.parameters(), lr=0.1)

    def step(model: Any, optimizer: Any) -> list[float]:
        optimizer.zero_grad()
        model(tp.ones(1, 2)).pow(2).sum().backward()
        optimizer.step()
        return _flat(list(model.parameters()))

    step(model, optimizer)
    twins = duplicate((model, optimizer))
    assert step(*twins) == step(model, optimizer)
    assert step(*twins) == step(model, optimizer)


def test_saved_state_takes_the_parameters_type() -> None:
    x = tp.ones(2).requires_grad_()
    optimizer = optim.Adam([x])
    x.sum().backward()
    optimizer.step()
    wide = tp.ones(2, dtype=tp.float64).requires_grad_()
    other = optim.Adam([wide], lr=7.0)
    other.load_state_dict(optimizer.state_dict())
    assert other.state[wide]["exp_avg"].dtype is tp.float64
    assert other.param_groups[0]["lr"] == 1e-3
    with pytest.raises(ValueError, match=r"Adam.load_state_dict: expected .* \[2\] .*, got \[1\]"):
        optim.Adam([wide, x]).load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda x: optim.SGD(x), TypeError, "SGD: expected an iterable of parameters, got one"),
        (lambda x: optim.SGD([]), ValueError, "SGD: expected parameters, got an empty list"),
        (lambda x: optim.SGD([x, x]), ValueError, r"each parameter once, got one of shape \(2,\)"),
        (lambda x: optim.SGD([3]), TypeError, "SGD: expected Tensors, got int"),
        (lambda x: optim.SGD([x * 2]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda x: optim.SGD([{"lr": 1}]), TypeError, "expected a group {'params'"),
        (lambda x: optim.SGD([{"params": {x}}]), TypeError, "in a fixed order, got a set"),
        (lambda x: optim.SGD([("a", x), x * 1]), ValueError, "names for all parameters"),
        (lambda x: optim.SGD([x], lr=-1), ValueError, "SGD: expected lr of at least 0, got -1"),
        (lambda x: optim.SGD([x], nesterov=True), ValueError, "SGD: expected momentum above 0"),
        (lambda x: optim.Adam([x], betas=(0.9, 1.0)), ValueError, "two betas .*, got .0.9, 1.0."),
        (lambda x: optim.Adam([x], differentiable=True), ValueError, "differentiable=False"),
        (lambda x: optim.Optimizer([x], {}).step(), NotImplementedError, "Optimizer: expected"),
    ],
)
def test_errors(make: Any, error: type[Exception], text: str) -> None:
    x = tp.ones(2).requires_grad_()
    x.grad = tp.ones(2)
    with pytest.raises(error, match=text):
        make(x)


def test_required_settings() -> None:
    class Picky(optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": optim.optimizer.required})

    x = tp.ones(1).requires_grad_()
    assert Picky([{"params": [x], "lr": 1}]).param_groups[0]["lr"] == 1
    with pytest.raises(ValueError, match=r"Picky: expected a value of 'lr' in each group"):
        Picky([x])

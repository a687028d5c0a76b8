"""Optimizers by hand: groups, closures, hooks, bundles, state dicts, errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn, optim

from .cases import CASES, TABLE, flat, parameters, steps


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


BUNDLED = [
    (name, settings)
    for name, settings in CASES
    if name != "Adafactor" and (name != "SGD" or settings.get("momentum"))
]


@pytest.mark.parametrize(("name", "settings"), BUNDLED)
def test_small_parameters_together_are_as_one_by_one(name: str, settings: dict[str, Any]) -> None:
    results = []
    for foreach in (None, False):
        params = parameters(tp, "float32")
        optimizer = getattr(optim, name)(params, **{**settings, "foreach": foreach})
        steps(optimizer, params, 7)
        results.append(flat(params))
        bundles = [bundle for found in optimizer._bundles.values() for bundle in found.current]
        # The one without a gradient in the second step has made fewer steps.
        sizes = [4] if name == "SGD" else [3]
        assert [len(bundle.params) for bundle in bundles] == (sizes if foreach is None else [])
        counts = [optimizer.state[param].get("step") for param in params]
        assert counts == ([None] * 4 if name == "SGD" else [7, 6, 7, 7])
    assert results[0] == pytest.approx(results[1], rel=1e-6)


@pytest.mark.parametrize("name", [*TABLE, "SparseAdam"])
def test_other_devices_step_alike(name: str) -> None:
    results = []
    for device in ("cpu", "strict:0"):
        params = [param.detach().to(device).requires_grad_() for param in parameters(tp)]
        optimizer = getattr(optim, name)(params, **TABLE.get(name, [{}])[-1])
        steps(optimizer, params, 3)
        results.append([value for param in params for value in flat(param.to("cpu"))])
    assert results[0] == pytest.approx(results[1], rel=1e-9)


def test_bundles_notice_changes_from_outside() -> None:
    params = parameters(tp, "float32")
    optimizer = optim.Adam(params, lr=0.1)
    steps(optimizer, params, 6)
    optimizer.state.clear()
    for param in params:
        param.grad = None
        param.data = param.data.double()
    twins = [param.detach().clone().requires_grad_() for param in params]
    fresh = optim.Adam(twins, lr=0.1)
    steps(optimizer, params, 6)
    steps(fresh, twins, 6)
    assert flat(params) == flat(twins)
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
        return flat(list(model.parameters()))

    step(model, optimizer)
    twins = duplicate((model, optimizer))
    assert step(*twins) == step(model, optimizer)
    assert step(*twins) == step(model, optimizer)


def test_hooks_of_state_dicts() -> None:
    optimizer = optim.SGD([tp.ones(1, requires_grad=True)], lr=0.5)
    calls: list[str] = []
    handles = [
        optimizer.register_state_dict_pre_hook(lambda o: calls.append("before saving")),
        optimizer.register_state_dict_post_hook(lambda o, saved: {**saved, "version": 1}),
        optimizer.register_load_state_dict_pre_hook(
            lambda o, saved: {**saved, "param_groups": [{**saved["param_groups"][0], "lr": 2.0}]}
        ),
        optimizer.register_load_state_dict_post_hook(lambda o: calls.append("after loading")),
    ]
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("first"), prepend=True)
    saved = optimizer.state_dict()
    assert saved["version"] == 1
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == 2.0
    assert calls == ["before saving", "first", "after loading"]
    for handle in handles:
        handle.remove()
    assert "version" not in optimizer.state_dict()


def test_hooks_of_steps_may_change_arguments_and_may_be_for_all() -> None:
    x = tp.ones(1).requires_grad_()
    optimizer, calls = optim.SGD([x], lr=0.5), []
    everywhere = [
        optim.optimizer.register_optimizer_step_pre_hook(lambda o, args, kw: calls.append("all")),
        optim.optimizer.register_optimizer_step_post_hook(lambda o, args, kw: calls.append("end")),
    ]

    def closure() -> str:
        return "replaced"

    own = optimizer.register_step_pre_hook(lambda o, args, kw: ((o, closure), {}))
    assert optimizer.step() == "replaced"
    own.remove()
    optimizer.register_step_pre_hook(lambda o, args, kw: 3)
    with pytest.raises(RuntimeError, match=r"a hook to return None or a tuple .*, got 3"):
        optimizer.step()
    for handle in everywhere:
        handle.remove()
    assert calls == ["all", "end", "all"]


def test_a_subclass_with_its_own_step_has_hooks() -> None:
    class Half(optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {})

        @tp.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for param in group["params"]:
                    param.mul_(0.5)

    x, calls = tp.ones(1).requires_grad_(), []
    optimizer = Half([x])
    optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append(args[0] is o))
    optimizer.step()
    assert x.item() == 0.5
    assert calls == [True]


def test_torch_tensors_in_a_state_dict_are_converted() -> None:
    torch = pytest.importorskip("torch")
    x = torch.ones(2, requires_grad=True)
    theirs = torch.optim.Adam([x], lr=0.5)
    x.sum().backward()
    theirs.step()
    y = tp.ones(2, requires_grad=True)
    ours = optim.Adam([y])
    ours.load_state_dict(theirs.state_dict())
    assert ours.param_groups[0]["lr"] == 0.5
    assert ours.state[y]["step"] == 1
    assert ours.state[y]["exp_avg"].tolist() == theirs.state[x]["exp_avg"].tolist()


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
        (lambda x: optim.NAdam([x], betas=(-1, 0.9)), ValueError, "NAdam: expected two betas"),
        (lambda x: optim.SGD([x], tp.ones(2)), ValueError, r"lr of one element, got shape \(2,\)"),
        (lambda x: optim.Adam([x], foreach=True, fused=True), RuntimeError, "either fused or for"),
        (lambda x: optim.Adadelta([x], rho=2), ValueError, "Adadelta: expected rho .*, got 2"),
        (lambda x: optim.RMSprop([x], alpha=-1), ValueError, "RMSprop: expected alpha .*, got -1"),
        (lambda x: optim.Adagrad([x], lr_decay=-1), ValueError, "lr_decay of at least 0, got -1"),
        (lambda x: optim.Adagrad([x], initial_accumulator_value=-1), ValueError, "got -1"),
        (lambda x: optim.Rprop([x], etas=(1.5, 2)), ValueError, r"Rprop: .*, got \(1.5, 2\)"),
        (lambda x: optim.Adafactor([x], beta2_decay=1), ValueError, "at most 0, got 1"),
        (lambda x: optim.Adafactor([x], eps=(None, -1)), ValueError, r"got \(None, -1\)"),
        (lambda x: optim.Adafactor([x], d=0.5), ValueError, "d of at least 1, got 0.5"),
        (lambda x: optim.Adafactor([x.detach().cfloat()]), ValueError, "real .*, got .*complex64"),
        (lambda x: optim.SparseAdam([x.detach().cfloat()]), ValueError, "real .*, got .*complex64"),
        (lambda x: optim.Muon([x]), ValueError, r"two dimensions, got one of shape \(2,\)"),
        (lambda x: optim.Muon([x], adjust_lr_fn="a"), ValueError, "adjust_lr_fn .*, got 'a'"),
        (lambda x: optim.Muon([x], ns_steps=100), ValueError, "fewer than 100 .* and 100"),
        (lambda x: optim.LBFGS([{"params": x}, {"params": []}]), ValueError, "one group"),
        (lambda x: optim.LBFGS([x], line_search_fn="a"), ValueError, "line_search_fn .*, got 'a'"),
        (lambda x: optim.LBFGS([x]).step(), TypeError, "LBFGS.step: expected a closure.*, got N"),
        (lambda x: optim.SGD([("a", x)]).add_param_group({"params": []}), ValueError,
         "all have names or all have none, got one without"),
        (lambda x: optim.Adam([x], differentiable=True), ValueError, "differentiable=False"),
        (lambda x: optim.Optimizer([x], {}).step(), NotImplementedError, "Optimizer: expected"),
    ],
)  # fmt: skip
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


def test_a_state_dict_of_a_model_is_refused() -> None:
    model = tp.nn.Linear(2, 1)
    with pytest.raises(KeyError, match=r"without \['state', 'param_groups'\], of the keys"):
        tp.optim.SGD(model.parameters()).load_state_dict(model.state_dict())

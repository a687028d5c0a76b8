"""Every schedule against PyTorch's: signatures, rates epoch by epoch, state dicts."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.optim import lr_scheduler

torch = pytest.importorskip("torch")

TABLE: list[tuple[str, dict[str, Any]]] = [
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 1 / (1 + epoch), lambda epoch: 0.5]}),
    ("MultiplicativeLR", {"lr_lambda": lambda epoch: 0.9 + epoch / 100}),
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 2, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.5}),
    ("ConstantLR", {}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 3}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.5, "total_iters": 8}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 7, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 4}),
    ("CosineAnnealingLR", {"T_max": 3, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3}),
    ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 2, "eta_min": 0.01}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4}),
    ("CyclicLR", {"base_lr": [0.1, 0.2], "max_lr": [1.0, 2.0], "step_size_up": 2,
                  "step_size_down": 3, "mode": "triangular2", "base_momentum": 0.7}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "mode": "exp_range",
                  "gamma": 0.9, "cycle_momentum": False}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2,
                  "scale_fn": lambda x: 0.9**x, "scale_mode": "iterations"}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20}),
    ("OneCycleLR", {"max_lr": [1.0, 0.5], "epochs": 4, "steps_per_epoch": 5, "pct_start": 0.5,
                    "anneal_strategy": "linear", "three_phase": True, "div_factor": 10.0,
                    "final_div_factor": 100.0, "base_momentum": 0.8, "max_momentum": 0.9}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20, "cycle_momentum": False}),
    ("SWALR", {"swa_lr": 0.05}),
    ("SWALR", {"swa_lr": 0.05, "anneal_epochs": 4, "anneal_strategy": "linear"}),
    ("SWALR", {"swa_lr": 0.05, "anneal_epochs": 0}),
]  # fmt: skip

IDS = [f"{name}-{position}" for position, (name, _) in enumerate(TABLE)]


def _find(lib: Any, name: str) -> Any:
    return getattr(lib.optim.swa_utils if name == "SWALR" else lib.optim.lr_scheduler, name)


def _optimizer(lib: Any, kind: str = "SGD", **settings: Any) -> Any:
    params = [lib.ones(1).requires_grad_() for _ in range(2)]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.5}]
    return getattr(lib.optim, kind)(groups, lr=0.1, **settings)


def _follow(scheduler: Any, count: int) -> list[float]:
    """The rates and momenta of some epochs."""
    found = []
    for _ in range(count):
        for group, last in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(),
                               strict=True):  # fmt: skip
            found += [float(group["lr"]), float(last), group.get("momentum", 0.0)]
            found += [*group.get("betas", ())]
        scheduler.optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(("name", "settings"), TABLE, ids=IDS)
def test_rates_equal_torch(name: str, settings: dict[str, Any]) -> None:
    made = []
    for lib in (tp, torch):
        scheduler = _find(lib, name)(_optimizer(lib, momentum=0.9), **settings)
        made.append((scheduler, _follow(scheduler, 7)))
    (ours, rates), (theirs, expected) = made
    assert rates == pytest.approx(expected, rel=1e-12)

    # From here on, each goes on from the other's state, in new objects.
    saved = ours.state_dict(), theirs.state_dict()
    fresh = []
    for lib, old, state in ((tp, ours, saved[1]), (torch, theirs, saved[0])):
        scheduler = _find(lib, name)(_optimizer(lib, momentum=0.9), **settings)
        scheduler.optimizer.load_state_dict(old.optimizer.state_dict())
        scheduler.load_state_dict(copy.deepcopy(state))
        fresh.append(_follow(scheduler, 6))
    assert fresh[0] == pytest.approx(_follow(ours, 6), rel=1e-12)
    assert fresh[1] == pytest.approx(_follow(theirs, 6), rel=1e-12)
    assert fresh[0] == pytest.approx(fresh[1], rel=1e-12)


@pytest.mark.parametrize(("name", "settings"), TABLE, ids=IDS)
def test_epochs_and_resuming_equal_torch(name: str, settings: dict[str, Any]) -> None:
    results = []
    for lib in (tp, torch):
        optimizer = _optimizer(lib, "Adam")
        first = _find(lib, name)(optimizer, **settings)
        rates = _follow(first, 2)
        if name != "SWALR":
            again = _find(lib, name)(optimizer, **settings, last_epoch=first.last_epoch)
            rates += _follow(again, 2)
        optimizer.step()
        if name == "CosineAnnealingWarmRestarts":
            for epoch in (1, 2.5, 7, 11.25):
                first.step(epoch)
                rates += first.get_last_lr()
        elif name != "SWALR":
            for epoch in (6, 3):
                with pytest.warns(UserWarning, match="epoch"):
                    first.step(epoch)
                rates += first.get_last_lr()
        results.append(rates)
    assert results[0] == pytest.approx(results[1], rel=1e-12)


NAMES = [*torch.optim.lr_scheduler.__all__, "SWALR"]


@pytest.mark.parametrize("name", NAMES)
def test_constructors_have_torchs_signature(name: str) -> None:
    ours, theirs = (inspect.signature(_find(lib, name)).parameters.values() for lib in (tp, torch))
    assert [(p.name, p.default, p.kind) for p in ours] == [
        (p.name, p.default, p.kind) for p in theirs
    ]


def _sequence(lib: Any, optimizer: Any) -> Any:
    s = lib.optim.lr_scheduler
    inner = s.ChainedScheduler([s.ExponentialLR(optimizer, 0.9), s.StepLR(optimizer, 2, 0.5)])
    parts = [s.ConstantLR(optimizer, 0.5, 2), inner, s.CosineAnnealingLR(optimizer, 4)]
    return s.SequentialLR(optimizer, parts[::2], [4])


def _chain(lib: Any, optimizer: Any) -> Any:
    s = lib.optim.lr_scheduler
    parts = [s.LinearLR(optimizer, 0.5), s.MultiStepLR(optimizer, [3]), s.LambdaLR(
        optimizer, lambda epoch: 1.0)]  # fmt: skip
    return s.ChainedScheduler(parts[:2], optimizer)


def _nested(lib: Any, optimizer: Any) -> Any:
    s = lib.optim.lr_scheduler
    inner = s.SequentialLR(
        optimizer, [s.LinearLR(optimizer, 0.1, total_iters=3), s.StepLR(optimizer, 2)], [3]
    )
    return s.SequentialLR(optimizer, [inner, s.ExponentialLR(optimizer, 0.5)], [7])


def _from_zero(lib: Any, optimizer: Any) -> Any:
    s = lib.optim.lr_scheduler
    return s.SequentialLR(
        optimizer, [s.StepLR(optimizer, 2), s.CosineAnnealingWarmRestarts(optimizer, 3)], [0]
    )


@pytest.mark.filterwarnings("ignore:.*optimizer.step:UserWarning")  # nested: both warn
@pytest.mark.parametrize("build", [_sequence, _chain, _nested, _from_zero])
def test_compounds_equal_torch(build: Callable[..., Any]) -> None:
    made = [build(lib, _optimizer(lib)) for lib in (tp, torch)]
    rates = [_follow(scheduler, 10) for scheduler in made]
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)
    fresh = []
    for lib, state in ((tp, made[1].state_dict()), (torch, made[0].state_dict())):
        scheduler = build(lib, _optimizer(lib))
        scheduler.load_state_dict(copy.deepcopy(state))
        for group, lr in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr(),
                             strict=True):  # fmt: skip
            group["lr"] = lr
        fresh.append(_follow(scheduler, 4))
    assert fresh[0] == pytest.approx(fresh[1], rel=1e-12)


PLATEAUS: list[dict[str, Any]] = [
    {"patience": 1},
    {"patience": 0, "factor": 0.5, "cooldown": 2, "min_lr": 0.05},
    {"mode": "max", "patience": 1, "threshold": 0.5, "threshold_mode": "abs"},
    {"mode": "max", "patience": 0, "threshold": 0.2, "min_lr": [0.01, 0.02]},
    {"patience": 0, "threshold": 0.1, "threshold_mode": "abs", "eps": 0.1},
]


@pytest.mark.parametrize("settings", PLATEAUS)
def test_plateaus_equal_torch(settings: dict[str, Any]) -> None:
    metrics = [3.0, 2.0, 2.0, 1.9, 1.9, 2.5, 1.0, 1.0, 1.05, 1.0, 1.0, 0.5]
    made, rates = [], []
    for lib in (tp, torch):
        scheduler = lib.optim.lr_scheduler.ReduceLROnPlateau(_optimizer(lib), **settings)
        found = []
        for metric in metrics:
            scheduler.step(lib.tensor(metric))
            found += scheduler.get_last_lr()
        made.append(scheduler)
        rates.append(found)
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)
    made[0].load_state_dict(made[1].state_dict())
    made[1].load_state_dict(made[0].state_dict())
    for scheduler in made:
        scheduler.step(9.0)
    assert made[0].num_bad_epochs == made[1].num_bad_epochs
    assert made[0].get_last_lr() == pytest.approx(made[1].get_last_lr())


def test_rates_may_be_tensors() -> None:
    lr = tp.tensor(1.0)
    optimizer = tp.optim.SGD([tp.ones(1, requires_grad=True)], lr=lr)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert lr.item() == 0.5  # the same tensor
    assert scheduler.get_last_lr()[0].item() == 0.5


class _Halving:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self, epoch: float) -> float:
        self.times += 1
        return 0.5**epoch


@pytest.mark.parametrize(("name", "settings"), [
    ("LambdaLR", {"lr_lambda": _Halving}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "scale_fn": _Halving}),
])  # fmt: skip
def test_callable_objects_are_saved(name: str, settings: dict[str, Any]) -> None:
    made = [
        _find(tp, name)(
            _optimizer(tp, momentum=0.5),
            **{key: value() if value is _Halving else value for key, value in settings.items()},
        )
        for _ in range(2)
    ]
    _follow(made[0], 3)
    state = pickle.loads(pickle.dumps(made[0].state_dict()))
    made[1].load_state_dict(state)
    for scheduler in made:
        function = scheduler.lr_lambdas[0] if name == "LambdaLR" else scheduler._scale_fn_custom
        assert function.times == 8 or name == "CyclicLR"
        assert function.times >= 4


def test_order_of_steps_is_checked() -> None:
    scheduler = lr_scheduler.ExponentialLR(_optimizer(tp), 0.5)
    with pytest.warns(UserWarning, match=r"expected a call after optimizer.step\(\), got one befo"):
        scheduler.step()


def _schedule(name: str, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    return lambda optimizer: _find(tp, name)(optimizer, *args, **kwargs)


def _of(optimizer: Any) -> Any:
    return lr_scheduler.StepLR(optimizer, 2)


ERRORS: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    (lambda o: lr_scheduler.StepLR(3, 2), TypeError, "StepLR: expected an Optimizer, got int"),
    (_schedule("StepLR", 2, last_epoch=1), KeyError, r"'initial_lr' in param_groups\[0\] with la"),
    (_schedule("LRScheduler"), NotImplementedError, "LRScheduler: expected a get_lr"),
    (_schedule("LambdaLR", [abs]), ValueError, "expected lr_lambda for each of 2 .*, got 1"),
    (_schedule("MultiplicativeLR", 3), TypeError, "lr_lambda to be a function, got int"),
    (_schedule("ConstantLR", 1.5), ValueError, "ConstantLR: expected factor from 0 to 1, got 1.5"),
    (_schedule("LinearLR", 0.0), ValueError, "LinearLR: expected .*, got 0.0 and 1.0"),
    (_schedule("CosineAnnealingWarmRestarts", 0), ValueError, "T_0 to be an integer .*, got 0"),
    (_schedule("CosineAnnealingWarmRestarts", 1, 1, "a"), ValueError, "eta_min .*, got 'a'"),
    (lambda o: _schedule("CosineAnnealingWarmRestarts", 2)(o).step(-1), ValueError,
     "expected epoch of at least 0, got -1"),
    (_schedule("CyclicLR", 0.1, 1.0, mode="x"), ValueError, "CyclicLR: expected mode .*, got 'x'"),
    (lambda o: lr_scheduler.CyclicLR(tp.optim.Adagrad([tp.ones(1)]), 0.1, 1.0), ValueError,
     "with momentum or betas with cycle_momentum=True, got Adagrad"),
    (_schedule("OneCycleLR", 1.0), ValueError, "OneCycleLR: expected .* got None, None and None"),
    (_schedule("OneCycleLR", 1.0, 5, pct_start=2.0), ValueError, "expected pct_start .*, got 2.0"),
    (_schedule("OneCycleLR", 1.0, 5, anneal_strategy="x"), ValueError, "'linear', got 'x'"),
    (lambda o: [_schedule("OneCycleLR", 1.0, 2)(o)] + [s.step() for s in [
        _schedule("OneCycleLR", 1.0, 1, pct_start=0.5)(o)] * 2], ValueError,
     "expected at most 1 steps, got step 2"),
    (_schedule("SequentialLR", [], []), ValueError, "SequentialLR: expected at least one sched"),
    (_schedule("SequentialLR", [3], []), TypeError, "expected schedulers, got int at index 0"),
    (lambda o: lr_scheduler.SequentialLR(o, [_of(o)], [1]), ValueError, "0 milestones .*, got 1"),
    (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.ReduceLROnPlateau(o)], []), ValueError,
     "takes no metric, got ReduceLROnPlateau at index 0"),
    (lambda o: lr_scheduler.ChainedScheduler([_of(o), _of(_optimizer(tp))]), ValueError,
     "schedulers of one optimizer, got StepLR of another at index 1"),
    (_schedule("ReduceLROnPlateau", factor=1.0), ValueError, "expected factor below 1, got 1.0"),
    (_schedule("ReduceLROnPlateau", "x"), ValueError, "expected mode .*, got 'x'"),
    (_schedule("ReduceLROnPlateau", threshold_mode="x"), ValueError, "threshold_mode .*, got 'x'"),
    (_schedule("ReduceLROnPlateau", min_lr=[1.0]), ValueError, "min_lr for each of 2 .*, got 1"),
    (_schedule("SWALR", 0.1, anneal_strategy="x"), ValueError, "SWALR: expected .*, got 'x'"),
    (_schedule("SWALR", 0.1, -1), ValueError, "anneal_epochs to be an integer .*, got -1"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "text"), ERRORS)
def test_errors(make: Callable[[Any], Any], error: type[Exception], text: str) -> None:
    optimizer = _optimizer(tp)
    optimizer.step()
    with pytest.raises(error, match=text):
        make(optimizer)


def test_plateau_notices_new_groups() -> None:
    optimizer = _optimizer(tp)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=[0.0, 0.0])
    plain = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, min_lr=0.05)
    optimizer.add_param_group({"params": tp.ones(1, requires_grad=True)})
    scheduler.step(1.0)
    with pytest.raises(RuntimeError, match="expected min_lrs for 3 parameter groups, got 2"):
        scheduler.step(1.0)
    plain.step(1.0)
    plain.step(1.0)
    assert plain.get_last_lr() == [0.05, 0.05, 0.05]

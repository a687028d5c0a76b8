"""Every optimizer and every argument against PyTorch's: signatures, ten steps, state dicts."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import optim

from .cases import CASES, TABLE, flat, parameters, start, steps

torch = pytest.importorskip("torch")

# PyTorch keeps these counts and rates in float32, which limits how well float64 can agree.
TOLERANCE = {"NAdam": 1e-6, "ASGD": 1e-6}


def translated(value: Any, lib: Any) -> Any:
    """A state dict with the tensors of another library."""
    if isinstance(value, dict):
        return {key: translated(item, lib) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(translated(item, lib) for item in value)
    if not hasattr(value, "detach"):
        return value
    return lib.tensor(value.tolist(), dtype=getattr(lib, str(value.dtype).rpartition(".")[2]))


def signature(kind: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(kind).parameters.values()
    return [(p.name, p.default, p.kind) for p in found]


NAMES = [*TABLE, "LBFGS", "SparseAdam", "Muon"]


@pytest.mark.parametrize("name", NAMES)
def test_constructors_have_torchs_signature(name: str) -> None:
    assert signature(getattr(optim, name)) == signature(getattr(torch.optim, name))


def test_no_optimizer_is_missing() -> None:
    theirs = {name for name in torch.optim.__all__ if isinstance(getattr(torch.optim, name), type)}
    assert theirs - {"Optimizer"} == set(NAMES)
    for name in ("state_dict", "load_state_dict", "step", "zero_grad", "add_param_group"):
        ours, other = getattr(optim.Optimizer, name), getattr(torch.optim.Optimizer, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(other).parameters)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_ten_steps_and_states_equal_torch(name: str, settings: dict[str, Any]) -> None:
    close = TOLERANCE.get(name, 1e-10)
    ours, theirs = parameters(tp), parameters(torch)
    mine = getattr(optim, name)(ours, **settings)
    other = getattr(torch.optim, name)(theirs, **settings)
    steps(mine, ours, 10)
    steps(other, theirs, 10)
    assert flat(ours) == pytest.approx(flat(theirs), rel=close, abs=close)

    got, expected = mine.state_dict(), other.state_dict()
    assert got["param_groups"] == expected["param_groups"]
    assert got["state"].keys() == expected["state"].keys()
    for index, values in expected["state"].items():
        assert list(got["state"][index]) == list(values)
        for key, value in values.items():
            assert flat(got["state"][index][key]) == pytest.approx(flat(value), rel=1e-6, abs=1e-9)

    # Each goes on from the other's state.
    fresh = getattr(optim, name)(ours, lr=5.0)
    fresh.load_state_dict(translated(expected, tp))
    other.load_state_dict(translated(got, torch))
    steps(fresh, ours, 2)
    steps(other, theirs, 2)
    assert flat(ours) == pytest.approx(flat(theirs), rel=max(close, 1e-9), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in TABLE if name != "Adafactor"])
def test_complex_parameters_equal_torch(name: str) -> None:
    results = []
    for lib in (tp, torch):
        x = lib.tensor([1 + 2j, -0.5 + 0.25j], dtype=lib.complex128).requires_grad_()
        optimizer = getattr(lib.optim, name)([x], lr=0.1, **_momentum(name))
        for _ in range(4):
            optimizer.zero_grad()
            (x * x.conj()).real.sum().backward()
            optimizer.step()
        results.append((x.detach().tolist(), optimizer.state_dict()["state"][0]))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    for key, value in results[1][1].items():
        if value is not None:
            assert flat(results[0][1][key]) == pytest.approx(flat(value), rel=1e-6)


def _momentum(name: str) -> dict[str, Any]:
    return {"SGD": {"momentum": 0.9}, "Adam": {"amsgrad": True}}.get(name, {})


CAPTURABLE = [name for name in TABLE if "capturable" in inspect.signature(getattr(optim, name))
              .parameters]  # fmt: skip


@pytest.mark.parametrize("name", CAPTURABLE)
def test_capturable_steps_keep_their_counts_in_tensors(name: str) -> None:
    results = []
    for settings in ({"lr": 0.1}, {"lr": tp.tensor(0.1), "capturable": True}):
        params = parameters(tp, "float32")
        optimizer = getattr(optim, name)(params, **settings)
        steps(optimizer, params, 8)
        results.append(flat(params))
        state = optimizer.state[params[0]]
        assert isinstance(state["step"], tp.Tensor) is ("capturable" in settings)
        fresh = getattr(optim, name)(params)
        fresh.load_state_dict(optimizer.state_dict())
        assert type(fresh.state[params[0]]["step"]) is type(state["step"])
        assert float(fresh.state[params[0]]["step"]) == 8
    assert results[0] == pytest.approx(results[1], rel=1e-3, abs=1e-4)  # 1 - beta**step, in float32


def test_sparse_adam_equals_torch_on_an_embedding() -> None:
    results = []
    for lib in (tp, torch):
        table = lib.tensor(start((5, 3)), dtype=lib.float64).reshape(5, 3).requires_grad_()
        optimizer = lib.optim.SparseAdam([table], lr=0.1, betas=(0.8, 0.9), maximize=True)
        for rows in ([0, 2], [2, 2, 4], [0]):
            optimizer.zero_grad()
            found = lib.nn.functional.embedding(lib.tensor(rows), table, sparse=True)
            (found**2).sum().backward()
            optimizer.step()
        state = optimizer.state_dict()["state"][0]
        results.append([flat(table), *[flat(state[key]) for key in ("exp_avg", "exp_avg_sq")]])
        assert type(state["step"]) is int
    for ours, theirs in zip(*results, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-10)


@pytest.mark.parametrize("settings", [
    {}, {"nesterov": False, "momentum": 0.5, "weight_decay": 0.0},
    {"lr": 0.1, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3},
])  # fmt: skip
@pytest.mark.parametrize("shape", [(3, 5), (6, 2)])
def test_muon_equals_torch(settings: dict[str, Any], shape: tuple[int, int]) -> None:
    results = []
    for lib in (tp, torch):
        x = lib.tensor(start(shape), dtype=lib.float32).reshape(shape).requires_grad_()
        optimizer = lib.optim.Muon([x], **settings)
        for _ in range(10):
            optimizer.zero_grad()
            (x**3).sum().backward()
            optimizer.step()
        results.append((flat(x), optimizer.state_dict()))
    tolerance = 0.02 * settings.get("lr", 1e-3) * 10  # bfloat16 inside
    assert results[0][0] == pytest.approx(results[1][0], abs=tolerance)
    assert results[0][1]["param_groups"] == results[1][1]["param_groups"]
    assert list(results[0][1]["state"][0]) == list(results[1][1]["state"][0])


LBFGS: list[dict[str, Any]] = [
    {},
    {"lr": 0.5, "max_iter": 4, "history_size": 2},
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 5, "max_eval": 8, "history_size": 3},
    {"line_search_fn": "strong_wolfe", "lr": 5.0},
]


def _rosenbrock(lib: Any, settings: dict[str, Any]) -> tuple[list[Any], Any, Any]:
    params = [lib.tensor(v, dtype=lib.float64).requires_grad_() for v in ([-1.5, 2.0], [[0.5]])]
    optimizer = lib.optim.LBFGS(params, **settings)

    def closure() -> Any:
        optimizer.zero_grad()
        x, y = params[0]
        loss = (1 - x) ** 2 + 5 * (y - x * x) ** 2 + (params[1] ** 4).sum()
        loss.backward()
        return loss

    return params, optimizer, closure


@pytest.mark.parametrize("settings", LBFGS)
def test_lbfgs_equals_torch(settings: dict[str, Any]) -> None:
    ours, mine, closure = _rosenbrock(tp, settings)
    theirs, other, other_closure = _rosenbrock(torch, settings)
    for _ in range(3):
        loss, expected = mine.step(closure), other.step(other_closure)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-12)
    assert flat(ours) == pytest.approx(flat(theirs), rel=1e-4, abs=1e-6)
    got, expected = mine.state_dict(), other.state_dict()
    assert got["param_groups"] == expected["param_groups"]
    assert set(expected["state"][0]) - {"al"} == set(got["state"][0])
    for key in ("n_iter", "func_evals"):
        assert got["state"][0][key] == expected["state"][0][key]
    # Each goes on from the other's state.
    mine.load_state_dict(translated(expected, tp))
    other.load_state_dict(translated(got, torch))
    losses = [mine.step(closure).item(), other.step(other_closure).item()]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4, abs=1e-9)
    assert flat(ours) == pytest.approx(flat(theirs), rel=1e-4, abs=1e-5)

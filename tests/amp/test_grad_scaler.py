"""GradScaler against PyTorch's, in a loop with accumulated and clipped gradients."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import tensorplug as tp

torch = pytest.importorskip("torch")


def _run(lib: Any, norm: float) -> tuple[list[float], Any]:
    """Six steps of two batches each, with an inf in the third; what there is to see on the way."""
    model = lib.nn.Linear(3, 2)
    with lib.no_grad():
        model.weight.copy_(lib.arange(6.0).reshape(2, 3) / 10)
        model.bias.zero_()
    optimizer = lib.optim.AdamW(model.parameters(), lr=0.1)
    scheduler = lib.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    scaler = lib.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    found: list[float] = []
    for step in range(6):
        optimizer.zero_grad()
        for part in range(2):
            x = lib.arange(6.0).reshape(2, 3) + part
            with lib.autocast("cpu"):
                loss = lib.nn.functional.mse_loss(model(x), lib.ones(2, 2)) / 2
            if step == 2 and part == 1:
                loss = loss * float("inf")
            scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        total = lib.nn.utils.clip_grad_norm_(model.parameters(), norm)
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        if step != 2:
            found += [loss.item(), total.item()]
        found += [scaler.get_scale(), *model.weight.detach().reshape(-1).tolist()]
    return found, scaler


@pytest.mark.parametrize("norm", [0.1, 100.0])
def test_scaled_clipped_and_accumulated_steps_equal_torch(norm: float) -> None:
    (ours, mine), (theirs, other) = _run(tp, norm), _run(torch, norm)
    assert ours == pytest.approx(theirs, rel=0.02, abs=1e-3)
    assert mine.state_dict() == other.state_dict()
    fresh = tp.amp.GradScaler("cpu")
    fresh.load_state_dict(other.state_dict())
    other.load_state_dict(mine.state_dict())
    assert fresh.state_dict() == mine.state_dict()
    assert pickle.loads(pickle.dumps(fresh)).get_scale() == fresh.get_scale()


def test_signature_is_torchs() -> None:
    for name in ("__init__", "scale", "unscale_", "step", "update", "load_state_dict"):
        ours, theirs = (
            inspect.signature(getattr(lib.amp.GradScaler, name)).parameters.values()
            for lib in (tp, torch)
        )
        assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]
    methods = {name for name in vars(torch.amp.GradScaler) if not name.startswith("_")}
    assert methods <= set(dir(tp.amp.GradScaler))


def _made(**settings: Any) -> tuple[Any, Any, Any]:
    x = tp.ones(2, requires_grad=True)
    return x, tp.optim.SGD([x], lr=0.5), tp.amp.GradScaler("cpu", init_scale=4.0, **settings)


def test_steps_with_inf_are_skipped_and_the_scale_adapts() -> None:
    x, optimizer, scaler = _made(growth_interval=2, growth_factor=4.0, backoff_factor=0.25)
    scales = []
    for factor in (1.0, float("nan"), 1.0, 1.0, 1.0, float("inf")):
        optimizer.zero_grad()
        before = x.tolist()
        scaler.scale((x * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        assert (x.tolist() == before) is (factor != 1.0)
        scales.append(scaler.get_scale())
    assert scales == [4.0, 1.0, 1.0, 4.0, 4.0, 1.0]
    scaler.update(tp.tensor(32.0))
    assert scaler.get_scale() == 32.0


def test_scales_any_nest_of_outputs() -> None:
    x, _, scaler = _made()
    found = scaler.scale([x, (x.half(), {x: 1})])
    assert found[0].tolist() == [4.0, 4.0]
    assert type(found[1]) is tuple
    assert found[1][0].dtype is tp.float16
    assert found[1][1][0].tolist() == [4.0, 4.0]
    big = tp.amp.GradScaler("cpu")  # 65536 is no float16
    assert big.scale(tp.tensor([0.5], dtype=tp.float16)).tolist() == [32768.0]


def test_disabled_does_nothing_but_step() -> None:
    x, optimizer, scaler = _made(enabled=False)
    loss = x.sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    assert scaler.step(optimizer, closure=lambda: 3) == 3
    scaler.update()
    scaler.load_state_dict({"scale": 3})
    assert (scaler.get_scale(), scaler.state_dict(), x.tolist()) == (1.0, {}, [0.5, 0.5])
    with pytest.warns(UserWarning, match="GradScaler: expected a CUDA device, got none; scaling"):
        assert not tp.amp.GradScaler().is_enabled()


def test_settings_can_be_changed() -> None:
    _, _, scaler = _made()
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.1)
    scaler.set_growth_interval(5)
    assert scaler.get_growth_factor() == 3.0
    assert scaler.get_backoff_factor() == 0.1
    assert scaler.get_growth_interval() == 5


def _twice(method: str) -> Callable[..., Any]:
    def run(x: Any, optimizer: Any, scaler: Any) -> None:
        for _ in range(2):
            getattr(scaler, method)(optimizer)

    return run


ERRORS: list[tuple[Callable[..., Any], type[Exception], str]] = [
    (_twice("unscale_"), RuntimeError, r"expected one call .*, got one after unscale_\(\)"),
    (_twice("step"), RuntimeError, r"step: expected one call before update\(\), got another"),
    (lambda x, o, s: (s.step(o), s.unscale_(o)), RuntimeError, r"got one after step\(\)"),
    (lambda x, o, s: s.step(o, closure=len), RuntimeError, "expected no closure, got one"),
    (lambda x, o, s: (o.zero_grad(), s.step(o)), RuntimeError, "with gradients, got none"),
    (lambda x, o, s: s.update(), RuntimeError, r"expected a step\(\) or .* before it, got none"),
    (lambda x, o, s: s.scale(3), ValueError, "expected a Tensor or an iterable of them, got 3"),
    (lambda x, o, s: s.load_state_dict({}), RuntimeError, "got an empty dict"),
    (lambda x, o, s: (s.step(o), pickle.dumps(s)), RuntimeError, "got a step before it"),
    (lambda x, o, s: s.set_growth_factor(1.0), ValueError, "growth_factor above 1, got 1.0"),
    (lambda x, o, s: s.set_backoff_factor(1.0), ValueError, "backoff_factor below 1, got 1.0"),
]  # fmt: skip


@pytest.mark.parametrize(("run", "error", "text"), ERRORS)
def test_errors(run: Callable[..., Any], error: type[Exception], text: str) -> None:
    x, optimizer, scaler = _made()
    x.grad = tp.ones(2)
    with pytest.raises(error, match=text):
        run(x, optimizer, scaler)


def test_half_precision_parameters_are_refused() -> None:
    x = tp.ones(2, dtype=tp.float16).requires_grad_()
    x.grad = tp.ones(2, dtype=tp.float16)
    with pytest.raises(ValueError, match="expected float32 gradients, got float16"):
        tp.amp.GradScaler("cpu").unscale_(tp.optim.SGD([x]))

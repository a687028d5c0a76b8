"""Several xla devices, tpu, 64 bits, random numbers, waiting."""

from __future__ import annotations

import json
from collections.abc import Callable

import jax
import numpy as np
import pytest

import tensorplug as tp

FOUR = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}

PROGRAM = """
import tensorplug as tp, warnings
x = tp.arange(3.0, device="xla:2", requires_grad=True)
assert str(x.device) == "xla:2" and x.device.backend.native(x._h).device.id == 2
y = (x * 2).to("xla:3")
assert str(y.device) == "xla:3"
y.sum().backward()
assert str(x.grad.device) == "xla:2" and x.grad.tolist() == [2.0, 2.0, 2.0]
assert x.cpu().tolist() == y.div(2).tolist() == [0.0, 1.0, 2.0]
for text, call in (
    ("add: expected one device, got xla:2 and xla:3; move one with .to('xla:3')", lambda: x + y),
    ("expected an index below 4, got 4", lambda: tp.zeros(1, device="xla:4")),
):
    try:
        call()
    except RuntimeError as error:
        assert text in str(error) or text.replace("'xla:3'", "'xla:2'") in str(error), error
    else:
        raise AssertionError(text)
tp.set_default_device("xla:1")
made = tp.ones(2) + tp.tensor([1.0, 2.0])
drawn = tp.rand(3)
assert str(made.device) == str(drawn.device) == "xla:1"
layer = tp.nn.Linear(3, 2)
assert {str(p.device) for p in layer.parameters()} == {"xla:1"}
layer(tp.rand(4, 3)).square().mean().backward()
moved = layer.to("xla:3")
assert {str(p.device) for p in moved.parameters()} == {"xla:3"}
tp.synchronize("xla:1")
with tp.device("cpu"):
    assert str(tp.zeros(1).device) == "cpu"
print("good")
"""


def test_four_devices(run_python: Callable[..., str]) -> None:
    assert run_python(PROGRAM, **FOUR) == "good\n"


def test_the_command_line_lists_them(run_python: Callable[..., str]) -> None:
    text = run_python("from tensorplug.cli import main; main(['devices', '--json'])", **FOUR)
    rows = {row["device"]: row for row in json.loads(text)}
    assert [name for name in rows if name.startswith("xla")] == ["xla:0", "xla:1", "xla:2", "xla:3"]
    assert rows["xla:3"]["library_version"] == jax.__version__
    assert "JAX has no tpu here, only cpu" in rows["tpu"]["reason"]


def test_tpu_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match=r"JAX has no tpu here, only cpu: .*'jax\[tpu\]'"):
        tp.zeros(1, device="tpu:0")


# --- 64 bits ----------------------------------------------------------------------------------

BITS = """
import jax, jax.numpy as jnp, tensorplug as tp
x = tp.arange(3, device="xla:0")
y = x.to(tp.float64) / 3 + tp.rand(3, dtype=tp.float64, device="xla:0") * 0
y[1] += 1e-12
assert (x.dtype, y.dtype) == (tp.int64, tp.float64)
assert y.tolist() == [0.0, 1 / 3 + 1e-12, 2 / 3], y.tolist()
y.requires_grad_()
(y ** 2).sum().backward()
assert y.grad.dtype == tp.float64
inside = jax.jit(lambda a: tp.asarray(a).double().sum()._h.cell.value)(jnp.ones(3, jnp.float32))
print(jnp.arange(3).dtype, inside.dtype)
"""


@pytest.mark.parametrize(
    ("environment", "theirs"),
    [
        ({}, "int64"),
        ({"TENSORPLUG_JAX_X64": "global"}, "int64"),
        ({"TENSORPLUG_JAX_X64": "scoped"}, "int32"),
        ({"JAX_ENABLE_X64": "0"}, "int32"),
    ],
)
def test_64_bits_are_switchable(
    run_python: Callable[..., str], environment: dict[str, str], theirs: str
) -> None:
    assert run_python(BITS, **environment).split() == [theirs, "float64"]


def test_a_wrong_switch_is_refused(run_python: Callable[..., str]) -> None:
    program = """
import tensorplug as tp
try:
    tp.zeros(1, device="xla:0")
except RuntimeError as error:
    print("TENSORPLUG_JAX_X64: expected global or scoped, got 'sometimes'" in str(error))
"""
    assert run_python(program, TENSORPLUG_JAX_X64="sometimes") == "True\n"


# --- random numbers -----------------------------------------------------------------------------


def test_random_numbers_are_those_of_cpu() -> None:
    draws: dict[str, Callable[[str], tp.Tensor]] = {
        "rand": lambda d: tp.rand(1001, device=d),
        "rand64": lambda d: tp.rand(1001, dtype=tp.float64, device=d),
        "half": lambda d: tp.rand(1001, dtype=tp.float16, device=d),
        "bounds": lambda d: tp.empty(1001, device=d).uniform_(-0.1, 0.3),
        "ints": lambda d: tp.randint(-7, 1000, (1001,), device=d),
        "wide": lambda d: tp.randint(-(2**62), 2**62, (1001,), device=d),
        "perm": lambda d: tp.randperm(1001, device=d),
        "bernoulli": lambda d: tp.full((1001,), 0.3, device=d).bernoulli(),
    }
    for name, draw in draws.items():
        found = []
        for device in ("cpu", "xla:0"):
            tp.manual_seed(11)
            tp.rand(5, device=device)  # the counter is not at the start
            found.append(draw(device).cpu().numpy())
        assert np.array_equal(found[0], found[1]), name


@pytest.mark.parametrize("dtype", [tp.float32, tp.float64])
def test_normals_differ_by_at_most_an_ulp(dtype: tp.dtype) -> None:
    found = []
    for device in ("cpu", "xla:0"):
        tp.manual_seed(12)
        found.append(tp.randn(20_001, dtype=dtype, device=device).cpu().numpy())
    spacing = np.spacing(np.abs(found[0]))
    assert (np.abs(found[0] - found[1]) / spacing).max() <= 1


# --- waiting ------------------------------------------------------------------------------------


def test_synchronize_waits_for_all_arrays() -> None:
    x = tp.rand(400, 400, device="xla:0")
    for _ in range(5):
        x = x @ x / 200
    tp.synchronize("xla:0")
    assert x._h.cell.value.is_ready()

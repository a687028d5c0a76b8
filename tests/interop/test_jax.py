"""Tensors in JAX's hands: as arguments of its functions, inside its transformations, and back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorplug as tp


@pytest.mark.parametrize("device", ["xla:0", "cpu", "strict:0"])
def test_functions_of_jax_take_tensors(device: str) -> None:
    x = tp.tensor([1.0, 2.0, 3.0], device=device)
    a = np.array([1.0, 2.0, 3.0])
    calls: list[tuple[Callable[[Any], Any], Any]] = [
        (jnp.asarray, a), (jnp.sin, np.sin(a)), (lambda x: jnp.dot(x, x), 14.0),
        (lambda x: jnp.concatenate([x, x])[2:4], [3, 1]), (lambda x: jnp.ones(3) + x, a + 1),
        (lambda x: jnp.where(x > 1, x, jnp.zeros(3)), [0, 2, 3]),
    ]  # fmt: skip
    for call, wanted in calls:
        found = call(x)
        assert isinstance(found, jax.Array)
        assert np.allclose(np.asarray(found), wanted, rtol=1e-6)


def test_the_array_of_an_xla_tensor_is_jax_own() -> None:
    array = jnp.arange(3.0)
    assert jnp.asarray(tp.asarray(array)) is array
    x = tp.arange(3.0)
    array = jnp.asarray(x)
    x[0] = 5
    assert array.tolist() == [0, 1, 2]


def test_tensors_pass_through_transformations() -> None:
    x = tp.tensor([0.5, 1.5], device="xla:0")
    found = jax.jit(lambda x: tp.sin(x) * 2)(x)
    assert type(found) is tp.Tensor
    assert tp.allclose(found, 2 * tp.sin(x))
    slope = jax.grad(lambda x: jnp.asarray((x * x).sum()))(x)
    assert type(slope) is tp.Tensor
    assert slope.tolist() == [1, 3]
    assert jax.vmap(lambda x: x * x)(x).tolist() == [0.25, 2.25]
    tree = jax.tree.map(lambda a: a + 1, {"x": x})
    assert (type(tree["x"]), tree["x"].tolist()) == (tp.Tensor, [1.5, 2.5])
    assert jax.eval_shape(lambda x: x[None], x).shape == (1, 2)


def test_traced_arrays_become_tensors_and_go_back() -> None:
    def ours(a: jax.Array) -> jax.Array:
        x = tp.asarray(a)
        assert str(x.device) == "xla:0"
        return jnp.sum(jnp.asarray(tp.exp(x)) * jnp.asarray(x.to("xla:0")))

    a = jnp.array([0.0, 1.0])
    assert np.allclose(jax.jit(ours)(a), np.e)
    assert np.allclose(jax.grad(ours)(a), [1, 2 * np.e])
    for leave in (lambda a: tp.asarray(a, device="cpu"), lambda a: tp.from_dlpack(a, device="cpu")):
        with pytest.raises(RuntimeError, match="expected values, got an array that JAX is tracing"):
            jax.jit(leave)(a)


def test_jax_takes_no_tensors_with_history() -> None:
    x = tp.ones(2, device="xla:0", requires_grad=True)
    for call in (jnp.asarray, jnp.sin, lambda x: jnp.ones(2) * x):
        with pytest.raises(BufferError, match=r"__jax_array__: .*requires grad; .*\.detach\(\)"):
            call(x)
    assert jnp.asarray(x.detach()).tolist() == [1, 1]


SEVERAL_DEVICES = """
import jax, jax.numpy as jnp, numpy as np, pytest
import tensorplug as tp

array = jax.device_put(jnp.arange(4.0), jax.devices()[2])
x = tp.asarray(array)  # the first that tensorplug hears of JAX
assert str(x.device) == "xla:2" and jnp.asarray(x) is array

moved = x.to("xla:1")
assert jnp.asarray(moved).devices() == {jax.devices()[1]}
moved[0] = 7
x[1] = 8
assert (x.tolist(), moved.tolist(), array.tolist()) == ([0, 8, 2, 3], [7, 1, 2, 3], [0, 1, 2, 3])

w = tp.ones(4, device="xla:3", requires_grad=True)
(w.to("xla:1") * moved).sum().backward()
assert (str(w.grad.device), w.grad.tolist()) == ("xla:3", [7, 1, 2, 3])

backend = tp.device("xla:0").backend
backend.to_host = None  # from device to device, not by the host
again = x.to("xla:0")
del backend.to_host
assert again.tolist() == x.tolist()

assert tp.from_dlpack(moved, device="xla:0").tolist() == [7, 1, 2, 3]
with pytest.raises(BufferError, match=r"that xla:0 can use as it is, .* a tensor on xla:1 \\(.*"):
    tp.from_dlpack(moved, device="xla:0", copy=False)
with pytest.raises(BufferError, match="xla:1"):
    tp.from_dlpack(np.ones(4), device="xla:1", copy=False)
assert tp.from_dlpack(np.ones(4), device="xla:1").tolist() == [1] * 4
assert np.from_dlpack(moved).tolist() == [7, 1, 2, 3]
assert tp.from_dlpack(moved, device="cpu", copy=False).tolist() == [7, 1, 2, 3]
assert jax.jit(lambda x: x.to("xla:1") + 1)(x).tolist() == [1, 9, 3, 4]
"""


def test_several_devices() -> None:
    flags = "--xla_force_host_platform_device_count=4"
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SEVERAL_DEVICES],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

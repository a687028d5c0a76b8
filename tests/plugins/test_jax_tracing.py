"""tensorplug inside jax.jit, jax.grad and jax.vmap: handles wrap tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorplug as tp
import tensorplug.nn.functional as F
from tensorplug.backends import OpError


def native(x: tp.Tensor) -> Any:
    return x.device.backend.native(x._h)


def loss(array: Any) -> Any:
    x = tp.asarray(array)
    weight = tp.arange(12.0, device="xla:0").reshape(4, 3) / 12
    y = F.layer_norm(x @ weight, (3,)).relu()
    y[0] *= 2
    return native((y.softmax(-1) ** 2).sum())


ARRAY = np.sin(np.arange(8.0, dtype=np.float32)).reshape(2, 4)


def test_jit_gives_the_same() -> None:
    assert np.allclose(jax.jit(loss)(ARRAY), loss(jnp.asarray(ARRAY)), rtol=1e-6)


def test_grad_agrees_with_our_own() -> None:
    def ours(array: Any) -> Any:
        x = tp.asarray(array).requires_grad_()
        weight = tp.arange(12.0, device="xla:0").reshape(4, 3) / 12
        y = F.layer_norm(x @ weight, (3,)).relu().clone()
        y[0] *= 2
        (y.softmax(-1) ** 2).sum().backward()
        return native(x.grad)

    expected = jax.grad(loss)(ARRAY)
    assert np.allclose(ours(jnp.asarray(ARRAY)), expected, rtol=1e-4, atol=1e-6)
    assert np.allclose(jax.jit(ours)(ARRAY), expected, rtol=1e-4, atol=1e-6)


def test_vmap_maps_over_a_batch() -> None:
    batch = np.stack([ARRAY, ARRAY * 2, ARRAY - 1])
    expected = [loss(jnp.asarray(one)) for one in batch]
    assert np.allclose(jax.vmap(loss)(batch), expected, rtol=1e-6)


def test_random_numbers_are_drawn_while_tracing() -> None:
    def noisy(array: Any) -> Any:
        return native(tp.asarray(array) + tp.rand(4, device="xla:0"))

    tp.manual_seed(3)
    expected = tp.rand(4)
    tp.manual_seed(3)
    assert np.array_equal(jax.jit(noisy)(jnp.zeros(4, jnp.float32)), expected.numpy())


def test_a_traced_tensor_prints_what_is_known() -> None:
    texts = []
    jax.jit(lambda a: texts.append(repr(tp.asarray(a))) or a)(jnp.zeros((2, 3), jnp.float32))
    assert texts == ["tensor(<values not known yet>, size=[2, 3], device='xla:0')"]


UNKNOWN: dict[str, tuple[str, Callable[[tp.Tensor], Any]]] = {
    "item": ("item", lambda x: x.sum().item()),
    "if": ("item", lambda x: 1 if x.sum() > 0 else 2),
    "float": ("item", lambda x: float(x.sum())),
    "tolist": ("tolist", lambda x: x.tolist()),
    "nonzero": ("nonzero", lambda x: x.nonzero()),
    "mask": ("nonzero", lambda x: x[x > 0]),
    "unique": ("unique", lambda x: tp.unique(x)),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_needs_values_names_itself(what: str) -> None:
    name, use = UNKNOWN[what]

    def function(array: Any) -> Any:
        use(tp.asarray(array))
        return array

    with pytest.raises(OpError, match=f"^{name}: expected values, got an array that JAX is traci"):
        jax.jit(function)(ARRAY)


def test_the_same_kernels_work_outside_afterwards() -> None:
    with pytest.raises(OpError):
        jax.jit(lambda a: native(tp.asarray(a).nonzero()))(ARRAY)
    assert tp.asarray(jnp.asarray(ARRAY)).nonzero().shape == (7, 2)


# --- indices: checked where values are known ------------------------------------------------------

BAD: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "index": ("got 7; index 7 is out of bounds for dimension 0 with size 3",
              lambda i: tp.zeros(3, device=i.device)[i]),
    "gather": ("expected an index from 0 to 2, got 7",
               lambda i: tp.zeros(3, device=i.device).gather(0, i)),
    "index_select": ("expected an index from 0 to 2, got 7",
                     lambda i: tp.zeros(3, device=i.device).index_select(0, i)),
    "scatter": ("expected an index from 0 to 2, got 7",
                lambda i: tp.zeros(3, device=i.device).scatter(0, i, 1.0)),
    "embedding": ("expected numbers from 0 to 2, got 7; index out of range in self",
                  lambda i: F.embedding(i, tp.zeros(3, 2, device=i.device))),
    "cross_entropy": ("Target 7 is out of bounds",
                      lambda i: F.cross_entropy(tp.zeros(2, 3, device=i.device), i)),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_an_index_out_of_range_raises_as_on_cpu(what: str) -> None:
    text, use = BAD[what]
    messages = []
    for device in ("cpu", "xla:0"):
        use(tp.tensor([0, 2], device=device))
        with pytest.raises((IndexError, RuntimeError), match=text) as caught:
            use(tp.tensor([0, 7], device=device))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_an_index_is_not_checked_while_tracing() -> None:
    def pick(index: Any) -> Any:
        return native(tp.arange(3.0, device="xla:0").index_select(0, tp.asarray(index)))

    assert jax.jit(pick)(jnp.array([0, 2])).tolist() == [0.0, 2.0]
    assert jax.jit(pick)(jnp.array([0, 7])).shape == (2,)

"""Gradients are the leaf's own: writing to one changes no other, and nothing that was handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import error_of

pytestmark = pytest.mark.shared


def leaf(device: str, *shape: int) -> tp.Tensor:
    return tp.full(shape or (2, 3), 2.0, device=device, requires_grad=True)


# From a leaf to a result of the same shape whose gradient is the result's, or a view of it.
PATHS: dict[str, Callable[[tp.Tensor], tp.Tensor]] = {
    "the leaf itself": lambda x: x,
    "view": lambda x: x.view(3, 2).view(2, 3),
    "transposed twice": lambda x: x.t().t(),
    "a clone": lambda x: x.clone(),
    "plus a number": lambda x: x + 1,
    "plus zeros": lambda x: x + tp.zeros_like(x),
    "minus a number": lambda x: x - 1,
    "a cast to the same type": lambda x: x.to(x.dtype),
    "cat of one": lambda x: tp.cat([x]),
    "stack and unbind": lambda x: tp.stack([x, x.detach()]).unbind()[0],
    "expanded to its shape": lambda x: x.expand(2, 3),
    "where": lambda x: tp.where(tp.ones_like(x, dtype=tp.bool), x, tp.zeros_like(x)),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("order", ["rows", "columns"])
def test_a_leaf_does_not_keep_the_gradient_that_is_handed_in(
    device: str, path: str, order: str
) -> None:
    x = leaf(device)
    values = np.arange(6, dtype=np.float32)
    rows = tp.tensor(values.reshape(2, 3), device=device)
    seed = rows if order == "rows" else rows.t().clone().t()
    PATHS[path](x).backward(seed)
    assert x.grad is not None
    assert x.grad.tolist() == rows.tolist(), f"the gradient through {path}"
    x.grad.add_(100)
    assert seed.tolist() == rows.tolist(), f"x.grad.add_() changed what was handed in ({path})"
    x.grad = None
    PATHS[path](x).backward(seed)
    kept: Any = x.grad
    seed.zero_()
    assert kept.tolist() == values.reshape(2, 3).tolist(), f"x.grad is what was handed in ({path})"


def test_accumulating_changes_nothing_that_was_handed_in(device: str) -> None:
    x, seed = leaf(device), tp.ones(2, 3, device=device)
    for count in (1, 2, 3):
        (x * 1).backward(seed)
        x.view(-1).backward(seed.view(-1))
        assert seed.tolist() == [[1.0] * 3] * 2, "accumulation into x.grad wrote to the seed"
        assert x.grad is not None
        assert x.grad.tolist() == [[2.0 * count] * 3] * 2


PAIRS: dict[str, Callable[[tp.Tensor, tp.Tensor], tp.Tensor]] = {
    "x + y": lambda x, y: x + y,
    "cat": lambda x, y: tp.cat([x, y]).view(2, 2, 3).sum(0),
    "x.view + y": lambda x, y: x.view(6) + y.view(6),
    "x + y.clone()": lambda x, y: x + y.clone(),
    "add_": lambda x, y: x.clone().add_(y),
    "stack": lambda x, y: tp.stack([x, y]).sum(0),
    "lerp": lambda x, y: tp.lerp(x, y, 0.5) * 2,
}


@pytest.mark.parametrize("pair", PAIRS)
def test_two_leaves_have_two_gradients(device: str, pair: str) -> None:
    x, y = leaf(device), leaf(device)
    found = PAIRS[pair](x, y)
    found.backward(tp.ones(*found.shape, device=device))
    assert x.grad is not None
    assert y.grad is not None
    x.grad.mul_(0)
    assert y.grad.tolist() == [[1.0] * 3] * 2, f"{pair}: x.grad.mul_(0) changed y.grad"
    (x.sum() + y.sum()).backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([[1.0] * 3] * 2, [[2.0] * 3] * 2), pair


def test_gradients_that_hooks_keep_stay_as_they_are(device: str) -> None:
    x = leaf(device)
    kept: list[tp.Tensor] = []
    y = x * 3
    y.register_hook(kept.append)
    x.register_hook(kept.append)
    y.backward(tp.ones(2, 3, device=device))
    assert x.grad is not None
    x.grad.zero_()
    (x * 3).sum().backward()
    assert [g.tolist() for g in kept[:2]] == [[[1.0] * 3] * 2, [[3.0] * 3] * 2]


def test_a_gradient_that_was_expanded_can_be_written_to(device: str) -> None:
    x = leaf(device)
    x.sum().backward()
    assert x.grad is not None
    x.grad[0, 1] = 5
    assert x.grad.tolist() == [[1, 5, 1], [1, 1, 1]], "the gradient of a sum is one number"
    x.grad.mul_(2)
    assert x.grad.tolist() == [[2, 10, 2], [2, 2, 2]]


OVERWRITES: dict[str, Callable[[tp.Tensor], Any]] = {
    "add_": lambda y: y.add_(1),
    "copy_": lambda y: y.copy_(tp.zeros_like(y)),
    "zero_": lambda y: y.zero_(),
    "y[0] =": lambda y: y.__setitem__(0, 0.0),
    "y[mask] =": lambda y: y.__setitem__(y > 0, 0.0),
    "a view": lambda y: y.view(-1)[2:].mul_(2),
    "index_fill_": lambda y: y.index_fill_(0, tp.tensor([0], device=y.device), 0.0),
    "out=": lambda y: tp.add(tp.ones_like(y), 1, out=y),
    "out= of a reduction": lambda y: tp.sum(tp.ones(2, *y.shape, device=y.device), 0, out=y),
    "out= of matmul": lambda y: tp.matmul(tp.ones(2, 2, device=y.device), y.clone(), out=y),
    "out= of a view": lambda y: tp.exp(tp.zeros(3, device=y.device), out=y[1]),
    "random numbers": lambda y: y.uniform_(),
}


@pytest.mark.needs("in_place")
@pytest.mark.parametrize("write", OVERWRITES)
@pytest.mark.parametrize("saved", ["result", "operand"])
def test_saved_values_that_were_overwritten_are_noticed(
    device: str, saved: str, write: str
) -> None:
    """The way back would use wrong numbers: it raises instead."""
    x = leaf(device)
    if saved == "result":
        y = x.exp()
        z = y * 1
        with tp.no_grad():
            OVERWRITES[write](y)
    else:
        other = tp.full((2, 3), 3.0, device=device)
        z = x * other
        OVERWRITES[write](other)
    error = error_of(lambda: z.sum().backward())
    if error is not None:
        assert "modified" in str(error) or "version" in str(error), str(error)
        return
    want = 2.0 if saved == "result" else 3.0
    factor = np.exp(2.0) if saved == "result" else want
    got = x.grad.cpu().numpy() if x.grad is not None else None
    assert got is not None
    assert np.allclose(got, factor, rtol=1e-5), f"{write} changed a gradient unnoticed ({saved})"

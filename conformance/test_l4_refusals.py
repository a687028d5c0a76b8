"""What gradients refuse: wrong kinds, leaves that are written to, and errors on the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import f32, on

pytestmark = pytest.mark.shared


def leaf(device: str, values: Any) -> tp.Tensor:
    return tp.tensor(np.asarray(values, np.float64), device=device).requires_grad_()


def slope_of(x: tp.Tensor) -> Any:
    return x.grad


def test_gradients_of_the_wrong_kind_are_refused(device: str) -> None:
    x = leaf(device, [1.0, 2])
    wrongs: list[Any] = [tp.ones(3, device=device, dtype=tp.float64), "text"]
    for wrong in wrongs:
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            (x * 2).backward(wrong)
        with pytest.raises((RuntimeError, TypeError)):
            x.grad = wrong
    assert slope_of(x) is None
    with pytest.raises(RuntimeError):
        x.add_(1)  # a leaf that requires a gradient
    with pytest.raises(RuntimeError):
        (x * 2).requires_grad_(False)
    with pytest.raises(RuntimeError):
        tp.argmax(x).backward()
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("kind", [np.int64, bool])
def test_whole_numbers_carry_no_gradient(device: str, kind: Any) -> None:
    x = on(device, np.ones(3, kind))
    with pytest.raises(RuntimeError):
        x.requires_grad_()
    y = on(device, f32([1, 2, 3])).requires_grad_()
    assert not (y > 1).requires_grad
    assert not y.to(tp.int64).requires_grad
    (y * x).sum().backward()
    assert slope_of(y).dtype is tp.float32


def test_an_error_on_the_way_back_leaves_the_device_whole(device: str) -> None:
    x = leaf(device, [1.0, 2])
    y = x * 2

    def fail(grad: Any) -> Any:
        raise ValueError("on purpose")

    y.register_hook(fail)
    with pytest.raises(ValueError, match="on purpose"):
        y.sum().backward()
    assert slope_of(x) is None
    (x * x).sum().backward()
    assert slope_of(x).tolist() == [2, 4]

"""Worked examples from introductions to autograd, on every device at hand."""

from __future__ import annotations

import pytest

import tensorplug as tp

DEVICES = ["cpu", "strict:0"]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> tp.device:
    return tp.device(request.param)


def test_product_rule(device: tp.device) -> None:
    a = tp.tensor([10.0, 10.0], requires_grad=True, device=device)
    b = tp.tensor([20.0, 20.0], requires_grad=True, device=device)
    F = a * b
    F.backward(gradient=tp.tensor([1.0, 1.0], device=device))
    assert a.grad.tolist() == [20.0, 20.0]
    assert b.grad.tolist() == [10.0, 10.0]


def test_small_network_by_hand(device: tp.device) -> None:
    tp.manual_seed(0)
    a = tp.rand(3, 3, requires_grad=True, device=device)
    w1, w2, w3, w4 = (tp.rand(3, 3, requires_grad=True, device=device) for _ in range(4))
    b = w1 * a
    c = w2 * a
    d = w3 * b + w4 * c
    L = 10 - d

    assert repr(d.grad_fn).startswith("<AddBackward0 ")
    assert a.grad_fn is None
    with pytest.raises(RuntimeError, match="can be implicitly created only for scalar outputs"):
        L.backward()

    (10 - d).sum().backward()
    by_hand = {
        "w1": (w1.grad, -w3 * a),
        "w2": (w2.grad, -w4 * a),
        "w3": (w3.grad, -b),
        "w4": (w4.grad, -c),
        "a": (a.grad, -(w3 * w1 + w4 * w2)),
    }
    for name, (got, expected) in by_hand.items():
        assert tp.allclose(got, expected.detach()), name


def test_external_gradient_weighs_components(device: tp.device) -> None:
    a = tp.tensor([2.0, 3.0], requires_grad=True, device=device)
    b = tp.tensor([6.0, 4.0], requires_grad=True, device=device)
    Q = 3 * a**3 - b**2
    Q.backward(gradient=tp.tensor([0.2, 0.8], device=device))
    assert a.grad.tolist() == pytest.approx([0.2 * 36, 0.8 * 81])
    assert b.grad.tolist() == pytest.approx([0.2 * -12, 0.8 * -8])


def test_requires_grad_afterwards_makes_a_leaf(device: tp.device) -> None:
    a = tp.tensor(2.0, device=device)
    b = tp.tensor(2.0, device=device)
    c = a * b
    c.requires_grad = True
    assert c.is_leaf
    (c * 3).backward()
    assert c.grad.item() == 3.0
    assert a.grad is None

"""Gradients belong to nobody else: functions, hooks and ``inputs=`` share no memory with them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import tensorplug as tp


def leaf(*values: float) -> tp.Tensor:
    return tp.tensor(list(values), dtype=tp.float64, requires_grad=True)


class Precomputed(tp.autograd.Function):
    """Gives back, as the gradient, a tensor that it saved."""

    @staticmethod
    def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: tp.Tensor) -> Any:
        return ctx.saved_tensors[0]


class Look(tp.autograd.Function):
    """Gives back a view of its argument."""

    @staticmethod
    def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
        return x.view(-1)

    @staticmethod
    def backward(ctx: Any, grad: tp.Tensor) -> tp.Tensor:
        return grad.view(2, 2)


class Same(tp.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
        return x

    @staticmethod
    def backward(ctx: Any, grad: tp.Tensor) -> tp.Tensor:
        return grad * 3


def test_a_saved_gradient_is_not_taken_over() -> None:
    w = leaf(1.0, 2.0)
    y = Precomputed.apply(w).sum()
    for _ in range(3):
        y.backward(retain_graph=True)
    assert w.grad.tolist() == [3.0, 6.0]
    w.grad.zero_()
    assert w.tolist() == [1.0, 2.0]


def test_a_hooks_tensor_is_not_taken_over() -> None:
    kept = tp.tensor([5.0, 5.0], dtype=tp.float64)
    a = leaf(1.0, 2.0)
    a.register_hook(lambda grad: kept)
    (a * 2).sum().backward()
    a.grad.mul_(7)
    b = leaf(1.0, 2.0)
    y = b * 2
    y.grad_fn.register_hook(lambda ins, outs: (kept, None))
    y.sum().backward()
    b.grad.mul_(7)
    assert kept.tolist() == [5.0, 5.0]


def test_backward_into_inputs_sums_in_place_and_shares_nothing() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = tp.ones(2, dtype=tp.float64)
    calls = []
    a.register_post_accumulate_grad_hook(lambda t: calls.append(t.grad.tolist()))
    (a + b).backward(seed, inputs=[a, b], retain_graph=True)
    first = a.grad
    a.grad.mul_(5)
    assert (b.grad.tolist(), seed.tolist()) == ([1.0, 1.0], [1.0, 1.0])
    (a + b).backward(seed, inputs=[a])
    assert a.grad is first
    assert a.grad.tolist() == [6.0, 6.0]
    assert calls == [[1.0, 1.0], [6.0, 6.0]]


def test_a_function_may_return_a_view() -> None:
    x = tp.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = Look.apply(x)
    (y * tp.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.is_leaf
    with pytest.raises(RuntimeError, match=r"Look.*is being modified inplace"):
        y.mul_(2)


def test_a_function_may_return_its_argument() -> None:
    x = leaf(2.0)
    y = Same.apply(x)
    z = x * x
    with tp.no_grad():
        y.mul_(10)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    Same.apply(x).sum().backward()
    assert x.grad.item() == 3.0


def test_a_functions_graph_needs_no_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0) * 1
        alive = weakref.ref(x)
        y = Precomputed.apply(x)
        del x
        assert alive() is not None
        y.sum().backward()
        del y
        assert alive() is None
    finally:
        gc.enable()


def test_dirty_tensors_must_be_returned() -> None:
    class Forgetful(tp.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
            ctx.mark_dirty(x)
            return x * 2

    with pytest.raises(RuntimeError, match="Forgetful: expected forward to return every tensor"):
        Forgetful.apply(leaf(1.0) * 1)


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (lambda g: 3, TypeError, "got int"),
        (lambda g: g.sum(), RuntimeError, r"shape \(2,\).*got one of shape \(\)"),
        (lambda g: g.expand(5, 2), RuntimeError, r"shape \(2,\).*got one of shape \(5, 2\)"),
    ],
)
@pytest.mark.parametrize("on_leaf", [True, False])
def test_what_hooks_return_is_checked(answer: Any, error: Any, text: str, on_leaf: bool) -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    (x if on_leaf else y).register_hook(answer)
    with pytest.raises(error, match=text):
        y.sum().backward()


def test_a_hooks_gradient_takes_on_the_type() -> None:
    x = tp.tensor([1.0], requires_grad=True)
    x.register_hook(lambda g: g.double())
    (x * 2).sum().backward()
    assert x.grad.dtype is tp.float32


def test_out_that_moves_is_noticed() -> None:
    a, b = leaf(1.0, 2.0), tp.tensor([3.0], dtype=tp.float64)
    c = a * b
    with pytest.warns(UserWarning, match="resizing an out"):
        tp.add(tp.ones(2, dtype=tp.float64), 9, out=b)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        c.sum().backward()


def test_retained_gradient_follows_in_place_ops() -> None:
    x = leaf(2.0)
    y = x * 1
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    assert (y.grad.item(), x.grad.item()) == (1.0, 3.0)


def test_gradients_as_numbers_and_what_is_no_gradient() -> None:
    x = leaf(10.0, 10.0)
    (x * 2).backward(gradient=[1, 1])
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(TypeError, match="expected tensors, got int"):
        tp.autograd.grad(3, x)
    with pytest.raises(TypeError, match="expected tensors as inputs, got int"):
        tp.autograd.grad((x * 2).sum(), 4)
    with pytest.raises(TypeError, match="expected a tensor or None, got int"):
        x.grad = 3


def test_notes_on_a_node() -> None:
    y = leaf(1.0) * 2
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}


def test_many_leaves_in_linear_time() -> None:
    parts = [leaf(float(i)) for i in range(3000)]
    tp.cat(parts).sum().backward()
    assert all(part.grad.item() == 1.0 for part in parts)

"""User-defined functions."""

from __future__ import annotations

from typing import Any

import pytest

import tensorplug as tp
from tensorplug.autograd import Function, once_differentiable


def leaf(*values: float) -> tp.Tensor:
    return tp.tensor(list(values), dtype=tp.float64, requires_grad=True)


class Cube(Function):
    @staticmethod
    def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, grad: tp.Tensor) -> tp.Tensor:
        (x,) = ctx.saved_tensors
        return grad * 3 * x * x


def test_first_and_second_derivative() -> None:
    x = leaf(2.0)
    y = Cube.apply(x)
    assert y.grad_fn.name() == "CubeBackward"
    (first,) = tp.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = tp.autograd.grad(first.sum(), x)
    assert (first.item(), second.item()) == (12.0, 12.0)
    assert tp.autograd.gradcheck(Cube.apply, (x,))
    assert tp.autograd.gradgradcheck(Cube.apply, (x,))


def test_saved_output_needs_grad_and_other_arguments() -> None:
    class Exp(Function):
        @staticmethod
        def forward(ctx: Any, x: tp.Tensor, scale: float, unused: Any) -> tp.Tensor:
            out = (x * scale).exp()
            ctx.scale = scale
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx: Any, grad: tp.Tensor) -> Any:
            (out,) = ctx.saved_tensors
            return grad * out * ctx.scale, None, None

    x = leaf(0.5)
    assert Exp.apply(x, 2.0, "text").grad_fn.ctx.needs_input_grad == (True, False, False)
    assert tp.autograd.gradcheck(lambda v: Exp.apply(v, 2.0, "text"), (x,))
    assert tp.autograd.gradgradcheck(lambda v: Exp.apply(v, 2.0, "text"), (x,))


def test_several_outputs_and_materialized_zeros() -> None:
    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: tp.Tensor) -> Any:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, one: tp.Tensor, two: tp.Tensor) -> Any:
            assert two.tolist() == [0.0]
            return one * 2 + two * 3

    x = leaf(1.0)
    first, second = Two.apply(x)
    assert (first.output_nr, second.output_nr) == (0, 1)
    first.sum().backward()
    assert x.grad.item() == 2.0


def test_unmaterialized_gradients_are_none() -> None:
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: tp.Tensor) -> Any:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, one: Any, two: Any) -> Any:
            seen.append(two)
            return one * 2

    x = leaf(1.0)
    Two.apply(x)[0].sum().backward()
    assert seen == [None]


def test_dirty_input() -> None:
    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, grad: tp.Tensor) -> tp.Tensor:
            return grad * 2

    x = leaf(1.0, 3.0)
    y = x * 1
    z = Double.apply(y)
    assert z is y
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        Double.apply(x)


def test_non_differentiable_output() -> None:
    class Sorted(Function):
        @staticmethod
        def forward(ctx: Any, x: tp.Tensor) -> Any:
            order = x * 0
            ctx.mark_non_differentiable(order)
            return x * 1, order

        @staticmethod
        def backward(ctx: Any, grad: tp.Tensor, _: Any) -> tp.Tensor:
            return grad

    values, order = Sorted.apply(leaf(1.0))
    assert values.requires_grad
    assert not order.requires_grad


def test_once_differentiable_refuses_a_second_pass() -> None:
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, grad: tp.Tensor) -> tp.Tensor:
            return 2 * grad * ctx.saved_tensors[0]

    x = leaf(3.0)
    (first,) = tp.autograd.grad((Square.apply(x) * x).sum(), x, create_graph=True)
    assert first.item() == 27.0
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_setup_context_form() -> None:
    class Scale(Function):
        @staticmethod
        def forward(x: tp.Tensor, by: float) -> tp.Tensor:
            return x * by

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.by = inputs[1]

        @staticmethod
        def backward(ctx: Any, grad: tp.Tensor) -> Any:
            return grad * ctx.by, None

    x = leaf(1.0)
    Scale.apply(x, 4.0).sum().backward()
    assert x.grad.item() == 4.0


def test_wrong_gradients_are_explained() -> None:
    class Bad(Function):
        answer: Any = None

        @staticmethod
        def forward(ctx: Any, x: tp.Tensor, y: tp.Tensor) -> tp.Tensor:
            return x * y

        @staticmethod
        def backward(ctx: Any, grad: tp.Tensor) -> Any:
            return Bad.answer

    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    for answer, error, text in (
        (x, RuntimeError, "expected 2 gradients.*got 1"),
        ((3.0, None), TypeError, "expected a tensor or None as gradient 0, got float"),
        ((tp.ones(3, dtype=tp.float64), None), RuntimeError, r"shape \(2,\) at position 0"),
    ):
        Bad.answer = answer
        with pytest.raises(error, match=text):
            Bad.apply(x, y).sum().backward()


def test_saved_and_freed() -> None:
    x = leaf(2.0)
    y = Cube.apply(x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_variable_is_the_old_name_of_a_tensor():
    data = tp.ones(2, requires_grad=True)
    x = tp.autograd.Variable(data * 1, requires_grad=True)
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert data.grad is None
    plain = tp.autograd.Variable(data)
    assert isinstance(plain, tp.autograd.Variable)
    assert not plain.requires_grad
    assert plain.data_ptr() == data.data_ptr()
    with pytest.raises(TypeError, match="expected a Tensor, got list; make one first"):
        tp.autograd.Variable([1.0])

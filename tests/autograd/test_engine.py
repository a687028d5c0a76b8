"""The engine: gradients, graphs, hooks, errors; and what becomes of the memory."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

import tensorplug as tp


def leaf(*values: float) -> tp.Tensor:
    return tp.tensor(list(values), dtype=tp.float64, requires_grad=True)


def test_accumulates_into_grad() -> None:
    x = leaf(1.0, 2.0)
    for expected in ([2.0, 4.0], [4.0, 8.0]):
        (x * x).sum().backward()
        assert x.grad.tolist() == expected
    first = x.grad
    (x * 1).sum().backward()
    assert x.grad is first  # summed up in place, as torch does


def test_grads_of_two_leaves_share_no_memory() -> None:
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward()
    x.grad.add_(1)
    assert y.grad.tolist() == [1.0, 1.0]


def test_diamonds_and_reuse() -> None:
    x = leaf(2.0)
    y = x * x
    z = (y + y * x) * y
    (z.sum()).backward()
    assert x.grad.item() == pytest.approx(4 * 2**3 + 5 * 2**4)


def test_external_gradient_weighs_the_components() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward(gradient=tp.tensor([0.2, 0.8], dtype=tp.float64))
    assert x.grad.tolist() == pytest.approx([0.4, 3.2])


def test_refuses_a_non_scalar_and_explains() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(
        RuntimeError, match=r"scalar, got a tensor of shape \(2,\).*only for scalar"
    ):
        (x * x).backward()


def test_refuses_a_gradient_of_another_shape() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"shape \(2,\), the tensor's, got \(3,\)"):
        (x * x).backward(tp.ones(3, dtype=tp.float64))


def test_refuses_tensors_without_history() -> None:
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        tp.ones(1).backward()


def test_second_backward_needs_retain_graph() -> None:
    x = leaf(3.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_grad_leaves_grad_alone_and_differentiates_again() -> None:
    x = leaf(2.0)
    (first,) = tp.autograd.grad((x * x * x).sum(), x, create_graph=True)
    (second,) = tp.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = tp.autograd.grad(second.sum(), x)
    assert (first.item(), second.item(), third.item()) == (12.0, 12.0, 6.0)
    assert x.grad is None


def test_grad_of_a_computed_tensor() -> None:
    x = leaf(2.0)
    y = x * 3
    z = y * y
    (dy,) = tp.autograd.grad(z.sum(), y, retain_graph=True)
    assert dy.item() == 12.0
    dx, dy = tp.autograd.grad(z.sum(), (x, y))
    assert (dx.item(), dy.item()) == (36.0, 12.0)


def test_unused_inputs() -> None:
    x, y = leaf(1.0), leaf(1.0)
    z = (x * 2).sum()
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        tp.autograd.grad(z, (x, y), retain_graph=True)
    assert tp.autograd.grad(z, (x, y), allow_unused=True, retain_graph=True)[1] is None
    zeros = tp.autograd.grad(z, (x, y), materialize_grads=True)[1]
    assert zeros.tolist() == [0.0]


def test_backward_into_chosen_inputs() -> None:
    x, y = leaf(1.0), leaf(2.0)
    (x * y).sum().backward(inputs=[x])
    assert x.grad.item() == 2.0
    assert y.grad is None


def test_does_not_run_what_is_not_needed() -> None:
    x, y = leaf(1.0), leaf(2.0)
    ran = []
    side = y * 3
    side.grad_fn.register_hook(lambda ins, outs: ran.append(True))
    tp.autograd.grad((x * side).sum(), x)
    assert ran == []


@pytest.mark.parametrize("depth", [100_000])
def test_long_chain_needs_no_recursion_and_no_collector(depth: int) -> None:
    x = leaf(1.0)
    gc.collect()
    gc.disable()
    try:
        y = x
        for _ in range(depth):
            y = y * 1.0
        nodes = [weakref.ref(y.grad_fn)]
        y.backward(tp.ones(1, dtype=tp.float64))
        assert x.grad.item() == 1.0
        del y
        assert nodes[0]() is None
    finally:
        gc.enable()


def test_saved_values_are_freed_by_backward() -> None:
    x = leaf(1.0, 2.0)
    kept = x * 2
    alive = weakref.ref(kept)
    y = (kept * kept).sum()
    del kept
    assert alive() is not None
    y.backward()
    assert alive() is None


def test_no_cycle_through_a_saved_output() -> None:
    gc.collect()
    gc.disable()
    try:
        y = leaf(1.0).exp()
        alive = weakref.ref(y)
        del y
        assert alive() is None
    finally:
        gc.enable()


def test_mixed_types_cast_gradients_back() -> None:
    x = tp.tensor([1.0, 2.0], dtype=tp.float32, requires_grad=True)
    y = tp.tensor([3.0, 4.0], dtype=tp.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype is tp.float32
    assert y.grad.dtype is tp.float64
    assert x.grad.tolist() == [3.0, 4.0]


def test_broadcasting_is_undone() -> None:
    x = tp.ones(3, 1, dtype=tp.float64, requires_grad=True)
    y = tp.ones(2, 1, 4, dtype=tp.float64, requires_grad=True)
    (x * y).sum().backward()
    assert (tuple(x.grad.shape), tuple(y.grad.shape)) == ((3, 1), (2, 1, 4))
    assert x.grad.tolist() == [[8.0]] * 3


def test_detach_and_freezing() -> None:
    x, w = leaf(2.0), leaf(3.0)
    y = (x * w).detach()
    assert y.grad_fn is None
    assert not y.requires_grad
    w.requires_grad_(False)
    (x * w).sum().backward()
    assert x.grad.item() == 3.0
    assert w.grad is None
    with pytest.raises(RuntimeError, match="leaf variables"):
        (x * 2).requires_grad_(False)
    with pytest.raises(RuntimeError, match="floating point and complex"):
        tp.tensor([1, 2]).requires_grad_()


def test_is_leaf_grad_fn_and_names() -> None:
    a = tp.tensor(2.0)
    b = tp.tensor(2.0)
    c = a * b
    c.requires_grad = True
    assert c.is_leaf
    assert c.grad_fn is None
    d = c + 1
    assert not d.is_leaf
    assert repr(d.grad_fn).startswith("<AddBackward0 object at 0x")
    assert d.grad_fn.next_functions[0][0].name() == "AccumulateGrad"
    assert d.grad_fn.next_functions[0][0].variable is c


# --- hooks ---------------------------------------------------------------------------------------


def test_tensor_hooks_change_gradients_until_removed() -> None:
    x = leaf(1.0)
    handle = x.register_hook(lambda grad: grad * 10)
    (x * 2).sum().backward()
    assert x.grad.item() == 20.0
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.item() == 22.0


def test_hooks_on_computed_tensors() -> None:
    x = leaf(1.0)
    y = x * 2
    seen = []
    y.register_hook(lambda grad: seen.append(grad.item()))
    with y.register_hook(lambda grad: grad * 3):
        (y * 5).sum().backward()
    assert seen == [5.0]
    assert x.grad.item() == 30.0


def test_hook_needs_a_gradient() -> None:
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        tp.ones(1).register_hook(lambda grad: None)


def test_retain_grad() -> None:
    x = leaf(1.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.item() == 4.0
    assert y.retains_grad
    gc.collect()
    alive = weakref.ref(y)
    del y
    assert alive() is None


def test_node_hooks_and_post_accumulate() -> None:
    x = leaf(1.0)
    y = x * 2
    calls: list[str] = []
    y.grad_fn.register_prehook(lambda outs: calls.append("pre"))
    y.grad_fn.register_hook(lambda ins, outs: calls.append("post"))
    x.register_post_accumulate_grad_hook(lambda t: calls.append(f"leaf {t.grad.item()}"))
    y.sum().backward()
    assert calls == ["pre", "post", "leaf 2.0"]


# --- modes ---------------------------------------------------------------------------------------


def test_modes_nest_and_decorate() -> None:
    x = leaf(1.0)
    with tp.no_grad():
        assert not (x * 2).requires_grad
        with tp.enable_grad():
            assert (x * 2).requires_grad
    with tp.set_grad_enabled(False):
        assert not tp.is_grad_enabled()
    with tp.inference_mode():
        assert tp.is_inference_mode_enabled()
        assert not (x * 2).requires_grad

    @tp.no_grad()
    def plain(value: tp.Tensor) -> tp.Tensor:
        return value * 2

    @tp.inference_mode
    def also_plain(value: tp.Tensor) -> tp.Tensor:
        return value * 2

    assert not plain(x).requires_grad
    assert not also_plain(x).requires_grad
    assert tp.is_grad_enabled()


def test_grad_mode_is_per_thread_and_threads_share_parameters() -> None:
    x = leaf(*[1.0] * 16)
    errors: list[BaseException] = []

    def work(recording: bool) -> None:
        try:
            for _ in range(50):
                if recording:
                    found = tp.autograd.grad((x * x * 2).sum(), x)[0]
                    assert found.tolist() == [4.0] * 16
                else:
                    with tp.no_grad():
                        assert not (x * x).requires_grad
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i % 2 == 0,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_anomaly_mode_shows_the_forward_call() -> None:
    x = leaf(0.0)
    with tp.autograd.detect_anomaly():
        y = x.sqrt() * 0.0

        def explode() -> None:
            y.sum().backward()

        with pytest.raises(RuntimeError, match=r"SqrtBackward0[\s\S]*x\.sqrt\(\)"):
            explode()
    assert not tp.autograd.is_anomaly_enabled()


def test_refuses_to_start_from_nothing_or_to_go_nowhere() -> None:
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="at least one tensor as outputs"):
        tp.autograd.grad([], [x])
    with pytest.raises(RuntimeError, match="at least one tensor as inputs"):
        tp.autograd.grad([x * 2], [])
    tp.autograd.backward([])  # nothing to do, as in torch
    assert x.grad is None

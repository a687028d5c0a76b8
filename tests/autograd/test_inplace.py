"""In-place operations, views and version counters, against PyTorch's rules."""

from __future__ import annotations

import math

import pytest

import tensorplug as tp


def leaf(*values: float) -> tp.Tensor:
    return tp.tensor(list(values), dtype=tp.float64, requires_grad=True)


def test_overwritten_saved_tensor_is_an_error_with_both_versions() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"MulBackward0.*version 0 and is at version 1 now"):
        z.sum().backward()


def test_a_result_may_be_written_to_though_its_own_gradient_needs_it() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.mul_(2)
    y[y > 10] = 3.0
    (first,) = tp.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = tp.autograd.grad(first.sum(), x)
    wanted = 2 * math.e
    assert first.tolist() == second.tolist() == pytest.approx([wanted, 0])


def test_one_of_several_results_may_be_written_to() -> None:
    def flipped(a: tp.Tensor) -> tp.Tensor:
        u, s, vh = tp.linalg.svd(a, full_matrices=False)
        u *= -1
        s.add_(1)
        return (u * s) @ vh

    a = tp.tensor([[1.0, 0.5], [0.2, 2.0], [0.3, 0.1]], dtype=tp.float64, requires_grad=True)
    assert tp.autograd.gradcheck(flipped, (a,))


def test_a_write_without_recording_is_seen_by_saved_outputs() -> None:
    y = leaf(1.0).exp()
    with tp.no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match=r"ExpBackward0.*modified by an inplace operation"):
        y.sum().backward()


def test_write_through_a_view_is_seen_by_saved_tensors() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    z = y * y
    y[0] = 5.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_in_place_ops_keep_identity_and_record() -> None:
    x = leaf(2.0, 3.0)
    y = x * 1
    same = y
    y *= x
    assert y is same
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 6.0]


def test_leaves_refuse_in_place_writes() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        x[0] = 1.0
    with tp.no_grad():
        x.add_(1)
        x[0] = 7.0
    assert x.tolist() == [7.0, 3.0]


def test_in_place_on_a_view_rebases_the_base() -> None:
    w = leaf(3.0)
    base = tp.zeros(2, 2, dtype=tp.float64)
    row = base[0]
    row.add_(w)
    assert base.requires_grad
    assert row.requires_grad
    assert base.grad_fn.name() == "CopySlices"
    (base * base).sum().backward()
    assert w.grad.item() == 12.0


def test_other_views_follow_the_base() -> None:
    w = leaf(2.0, 2.0)
    base = tp.ones(4, dtype=tp.float64)
    left, right, whole = base[:2], base[2:], base.view(2, 2)
    left.mul_(w)
    assert whole.requires_grad
    (whole * whole).sum().backward(retain_graph=True)
    assert w.grad.tolist() == [4.0, 4.0]
    right.mul_(w)
    w.grad = None
    (whole * whole).sum().backward()
    assert w.grad.tolist() == [8.0, 8.0]


def test_view_of_a_view_and_double_backward() -> None:
    w = leaf(2.0)
    base = (leaf(1.0, 2.0, 3.0, 4.0) * 1).view(2, 2)
    base[1][0] = w[0] * w[0] * w[0]
    out = (base * base).sum()
    (first,) = tp.autograd.grad(out, w, create_graph=True)
    assert first.item() == 6 * 2.0**5
    (second,) = tp.autograd.grad(first.sum(), w)
    assert second.item() == 30 * 2.0**4


def test_overwritten_part_gets_no_gradient() -> None:
    x = leaf(1.0, 2.0, 3.0)
    y = x * 2
    y[1] = 0.0
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 0.0, 2.0]


def test_view_made_without_grad_refuses_a_recorded_write() -> None:
    base = tp.ones(2, dtype=tp.float64)
    with tp.no_grad():
        view = base[0]
    with pytest.raises(RuntimeError, match="no_grad"):
        view.mul_(leaf(2.0)[0])


def test_result_must_fit() -> None:
    with pytest.raises(RuntimeError, match=r"shape \(2,\).*got \(3, 2\)"):
        tp.ones(2).add_(tp.ones(3, 2))
    with pytest.raises((RuntimeError, TypeError), match="can't be cast"):
        tp.tensor([1, 2]).add_(1.5)
    with pytest.raises(RuntimeError, match="single memory location"):
        tp.ones(1).expand(3).add_(1)


def test_versions_count_writes() -> None:
    x = tp.ones(3)
    view, detached = x[1:], x.detach()
    assert x._version == 0
    view.add_(1)
    x.mul_(2)
    assert (x._version, view._version, detached._version) == (2, 2, 2)
    assert x.tolist() == [2.0, 4.0, 4.0]


def test_out_takes_the_result() -> None:
    out = tp.empty(2)
    found = tp.add(tp.ones(2), tp.ones(2), out=out)
    assert found is out
    assert out.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        tp.add(leaf(1.0), leaf(1.0), out=tp.empty(1, dtype=tp.float64))
    with pytest.raises((RuntimeError, TypeError), match="can't be cast"):
        tp.add(tp.ones(2), tp.ones(2), out=tp.empty(2, dtype=tp.int64))
    with pytest.warns(UserWarning, match="resizing an out"):
        tp.add(tp.ones(3), tp.ones(3), out=out)
    assert out.tolist() == [2.0] * 3


def test_self_overlapping_copies() -> None:
    x = tp.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]
    x[:-1].copy_(x[1:])
    assert x.tolist() == [0, 1, 2, 3, 3]


def test_errors_go_by_the_in_place_name() -> None:
    with pytest.raises(RuntimeError, match=r"add_: expected broadcastable shapes, got \(2,\) and"):
        tp.ones(2).add_(tp.ones(3))

"""Creation, types, layout of views and who shares memory with whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import Call, array_of, same
from tensorplug.conformance.samples import (
    DTYPES,
    UNSIGNED,
    Case,
    dtypes_of,
    first_cases,
    samples_of,
    supports,
    tensors_in,
)

VALUES = [[0, 1, 2], [3, 4, 5]]


def host(x: tp.Tensor) -> np.ndarray:
    return x.detach().cpu().numpy()


# --- creation and types --------------------------------------------------------------------------


def test_values_survive_the_way_there_and_back(device: str) -> None:
    for dtype in dtypes_of(device):
        for shape in [(), (0,), (3,), (2, 3), (2, 0, 3), (1, 2, 1)]:
            count = int(np.prod(shape, dtype=int))
            array = (np.arange(count) % 2).reshape(shape).astype(dtype.numpy)
            x = tp.tensor(array, device=device)
            assert (x.dtype, str(x.device), tuple(x.shape)) == (dtype, device, shape)
            assert same(x, array), f"{dtype} {shape}: expected {array!r}, got {x.tolist()}"


def test_a_new_tensor_is_a_copy_of_its_source(device: str) -> None:
    array = np.array([1.0, 2.0], dtype=np.float32)
    x = tp.tensor(array, device=device)
    array[0] = 9
    assert x.tolist() == [1.0, 2.0]


def test_special_values_survive(device: str) -> None:
    for dtype in dtypes_of(device):
        if not dtype.is_floating_point:
            continue
        info = tp.finfo(dtype)
        numbers = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, -info.max, info.tiny, info.eps]
        array = np.array(numbers, dtype=dtype.numpy)
        x = tp.tensor(array, device=device)
        assert same(x, array), dtype
        assert (np.signbit(host(x)) == np.signbit(array)).all(), dtype


def test_extreme_integers_survive(device: str) -> None:
    for dtype in dtypes_of(device):
        if dtype.kind in ("int", "uint"):
            info = tp.iinfo(dtype)
            assert tp.tensor([info.min, info.max], dtype=dtype, device=device).tolist() == [
                info.min,
                info.max,
            ]


@pytest.mark.parametrize("name", ["zeros", "ones", "empty", "full"])
def test_creation_makes_contiguous_tensors_of_the_asked_type(device: str, name: str) -> None:
    for dtype in dtypes_of(device):
        arguments = ((2, 3), 1) if name == "full" else ((2, 3),)
        x = getattr(tp, name)(*arguments, dtype=dtype, device=device)
        assert (x.dtype, str(x.device)) == (dtype, device)
        assert (x.stride(), x.storage_offset(), x.is_contiguous()) == ((3, 1), 0, True)
        if name != "empty":
            assert same(x, np.full((2, 3), name != "zeros", dtype=dtype.numpy)), dtype


CASTABLE = np.array([0, 1, 2, 3, 100])


def test_every_cast_between_declared_types(device: str) -> None:
    for source in dtypes_of(device):
        array = CASTABLE.astype(source.numpy)
        x = tp.tensor(array, device=device)
        for target in dtypes_of(device):
            with np.errstate(all="ignore"):
                want = (
                    array.real if source.is_complex and not target.is_complex else array
                ).astype(target.numpy)
            got = x.to(target)
            assert got.dtype is target, f"{source} to {target}: got {got.dtype}"
            assert same(got, want), f"{source} to {target}: expected {want}, got {got.tolist()}"
            assert same(x, array), f"{source} to {target}: the source changed"


def test_casts_to_bool_ask_whether_the_value_is_not_zero(device: str) -> None:
    x = tp.tensor([0.0, -0.0, 0.5, -0.25, float("nan"), float("inf")], device=device)
    assert x.to(tp.bool).tolist() == [False, False, True, True, True, True]


def test_casts_to_whole_numbers_drop_the_fraction(device: str) -> None:
    x = tp.tensor([1.9, -1.9, 0.5, -0.5], device=device)
    assert x.to(tp.int64).tolist() == [1, -1, 0, 0]


def test_casts_to_narrow_floats_round_to_the_nearest_even(device: str) -> None:
    for dtype, one in ((tp.float16, 2.0**-11), (tp.bfloat16, 2.0**-8)):
        if dtype not in dtypes_of(device):
            continue
        x = tp.tensor([1 + one, 1 + 3 * one, 1 + 1.5 * one], device=device)
        assert x.to(dtype).to(tp.float32).tolist() == [1.0, 1 + 4 * one, 1 + 2 * one]


def test_narrowing_integers_wraps_around(device: str) -> None:
    x = tp.tensor([257, -1, 128], dtype=tp.int64, device=device)
    assert x.to(tp.uint8).tolist() == [1, 255, 128]
    assert x.to(tp.int8).tolist() == [1, -1, -128]


def test_to_the_same_type_is_the_tensor_itself(device: str) -> None:
    x = tp.ones(2, device=device)
    assert x.to(x.dtype) is x
    assert x.to(device) is x
    assert x.to(device, copy=True) is not x


def test_an_undeclared_type_is_refused(device: str) -> None:
    for dtype in DTYPES + UNSIGNED:
        if not supports(device, dtype):
            with pytest.raises((RuntimeError, TypeError), match=dtype.name):
                tp.ones(2, dtype=dtype, device=device)


# --- layout --------------------------------------------------------------------------------------

VIEWS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "int": (lambda x: x[1], lambda a: a[1]),
    "negative int": (lambda x: x[-1], lambda a: a[-1]),
    "slice": (lambda x: x[1:], lambda a: a[1:]),
    "step": (lambda x: x[:, ::2], lambda a: a[:, ::2]),
    "reversed": (lambda x: x[:, ::-1], lambda a: a[:, ::-1]),
    "reversed part": (lambda x: x[2:0:-1, 1], lambda a: a[2:0:-1, 1]),
    "empty slice": (lambda x: x[2:1], lambda a: a[2:1]),
    "new dimension": (lambda x: x[None, ..., None], lambda a: a[None, ..., None]),
    "ellipsis": (lambda x: x[..., 1], lambda a: a[..., 1]),
    "everything": (lambda x: x[...], lambda a: a[...]),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "transpose": (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, -1)),
    "matrix transpose": (lambda x: x.mT, lambda a: a.swapaxes(-1, -2)),
    "view": (lambda x: x.view(12, 4), lambda a: a.reshape(12, 4)),
    "view -1": (lambda x: x.view(2, -1, 8), lambda a: a.reshape(2, -1, 8)),
    "view of a transpose": (
        lambda x: x.transpose(0, 1).view(4, 3, 2, 2),
        lambda a: np.lib.stride_tricks.as_strided(
            a, (4, 3, 2, 2), np.multiply((4, 16, 2, 1), a.itemsize)
        ),
    ),
    "expand": (
        lambda x: x[:, :1].expand(3, 5, 4),
        lambda a: np.broadcast_to(a[:, :1], (3, 5, 4)),
    ),
    "expand with new": (
        lambda x: x.expand(2, -1, -1, -1),
        lambda a: np.broadcast_to(a, (2, 3, 4, 4)),
    ),
    "slice of a step": (lambda x: x[:, 1::2][:, 1:, 1:], lambda a: a[:, 1::2][:, 1:, 1:]),
    "int of a reversed": (lambda x: x[:, ::-1][1, 0], lambda a: a[:, ::-1][1, 0]),
    "chain": (
        lambda x: x.permute(1, 0, 2)[1:, ::2].transpose(0, 2)[1],
        lambda a: a.transpose(1, 0, 2)[1:, ::2].swapaxes(0, 2)[1],
    ),
    "as_strided": (
        lambda x: x.as_strided((2, 3), (7, 2), 5),
        lambda a: np.lib.stride_tricks.as_strided(
            a.reshape(-1)[5:], (2, 3), np.multiply((7, 2), a.itemsize)
        ),
    ),
}  # fmt: skip
"""Views of a (3, 4, 4) tensor, and of a NumPy array: the model of strides."""


@pytest.mark.parametrize("kind", VIEWS)
def test_views_are_laid_out_as_the_model_says(device: str, kind: str) -> None:
    of_tensor, of_array = VIEWS[kind]
    for dtype in (tp.float32, tp.uint8, tp.float64):
        if not supports(device, dtype):
            continue
        base = np.arange(48).reshape(3, 4, 4).astype(dtype.numpy)
        x = tp.tensor(base, device=device)
        view, want = of_tensor(x), of_array(base)
        assert same(view, want), f"{kind}: expected {want.tolist()}, got {view.tolist()}"
        assert view.untyped_storage() == x.untyped_storage(), f"{kind}: a copy, not a view"
        strides = [step // base.itemsize for step in want.strides]
        told = zip(want.shape, strides, view.stride(), strict=True)
        if want.size:  # steps of sizes 0 and 1 mean nothing
            assert all(step == got for size, step, got in told if size > 1), kind
            offset = want.__array_interface__["data"][0] - base.__array_interface__["data"][0]
            assert view.storage_offset() == offset // base.itemsize, kind
            assert view.data_ptr() - x.data_ptr() == offset, kind
        assert view.is_contiguous() == want.flags.c_contiguous, kind


@pytest.mark.parametrize("kind", VIEWS)
def test_writes_go_through_views_both_ways(device: str, kind: str) -> None:
    of_tensor, of_array = VIEWS[kind]
    base = np.arange(48, dtype=np.float32).reshape(3, 4, 4)
    x = tp.tensor(base, device=device)
    view, model = of_tensor(x), of_array(base)
    x[1] = -1.0
    base[1] = -1.0
    assert same(view, model), f"{kind}: does not see a write to its base"
    x.mul_(2)
    base *= 2
    assert same(view, model), f"{kind}: does not see an in-place op on its base"
    if kind.startswith("expand"):
        with pytest.raises(RuntimeError, match="expand"):
            view.fill_(7.0)
    else:
        view.fill_(7.0)
        model[...] = 7.0
    assert same(x, base), f"{kind}: the base does not see a write"
    assert same(view, model), kind


def test_a_view_of_a_view_of_a_view(device: str) -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    x = tp.tensor(base, device=device)
    one, two, three = x[1:], x[1:].t()[::2], x[1:].t()[::2][1:, 1]
    three[0] = 100.0
    base[1:].T[::2][1:, 1][0] = 100.0
    assert same(x, base)
    assert same(one, base[1:])
    assert same(two, base[1:].T[::2])
    assert three.storage_offset() == 14


def test_sizes_strides_and_bytes(device: str) -> None:
    x = tp.zeros((2, 3, 4), dtype=tp.int32, device=device)
    assert (x.stride(), x.stride(1), x.element_size(), x.numel()) == ((12, 4, 1), 4, 4, 24)
    assert (x.nbytes, x.untyped_storage().nbytes() >= 96) == (96, True)
    assert x[1].untyped_storage().nbytes() == x.untyped_storage().nbytes()
    assert x[1, 1:].data_ptr() == x.data_ptr() + 4 * 16


def test_storages_of_different_tensors_differ(device: str) -> None:
    x, y = tp.ones(3, device=device), tp.ones(3, device=device)
    assert x.untyped_storage() != y.untyped_storage()
    assert x.data_ptr() != y.data_ptr()
    assert x.detach().untyped_storage() == x.untyped_storage()


def test_contiguous_copies_only_what_is_not(device: str) -> None:
    x = tp.tensor(VALUES, device=device)
    assert x.contiguous() is x
    turned = x.t()
    copy = turned.contiguous()
    assert copy.is_contiguous()
    assert not turned.is_contiguous()
    assert copy.untyped_storage() != x.untyped_storage()
    assert copy.tolist() == [[0, 3], [1, 4], [2, 5]]


# --- what is refused -----------------------------------------------------------------------------


def test_a_view_that_needs_a_copy_is_refused(device: str) -> None:
    x = tp.tensor(VALUES, device=device)
    with pytest.raises(RuntimeError, match="view"):
        x.t().view(6)
    with pytest.raises(RuntimeError, match="view"):
        x[:, :2].view(4)
    assert x.t().reshape(6).tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("shape", [(4,), (2, 4), (-1, 4), (-1, -1), (6, -2)])
def test_a_view_of_another_size_is_refused(device: str, shape: tuple[int, ...]) -> None:
    x = tp.tensor(VALUES, device=device)
    with pytest.raises(RuntimeError, match="view"):
        x.view(shape)
    assert x.tolist() == VALUES


@pytest.mark.parametrize("shape", [(3, 3), (2,), (4, 3)])
def test_an_expansion_of_a_full_dimension_is_refused(device: str, shape: tuple[int, ...]) -> None:
    x = tp.tensor(VALUES, device=device)
    with pytest.raises(RuntimeError, match="expand"):
        x.expand(shape)


@pytest.mark.parametrize("index", [2, -3, (0, 3), (0, 0, 0), (slice(None), -4)])
def test_an_index_out_of_range_is_refused(device: str, index: Any) -> None:
    x = tp.tensor(VALUES, device=device)
    with pytest.raises(IndexError):
        x[index]
    with pytest.raises(IndexError):
        x[index] = 9
    assert x.tolist() == VALUES


@pytest.mark.parametrize("dims", [(0, 0), (0,), (0, 2), (0, 1, 2)])
def test_a_wrong_permutation_is_refused(device: str, dims: tuple[int, ...]) -> None:
    x = tp.tensor(VALUES, device=device)
    with pytest.raises((RuntimeError, IndexError), match="permute"):
        x.permute(dims)


def test_a_layout_beyond_the_storage_is_refused(device: str) -> None:
    x = tp.tensor(VALUES, device=device)
    with pytest.raises(RuntimeError, match="as_strided"):
        x.as_strided((2, 3), (4, 1), 0)
    with pytest.raises(RuntimeError, match="as_strided"):
        x.as_strided((2,), (1,), 5)


def test_item_needs_exactly_one_element(device: str) -> None:
    for shape in [(0,), (2,), (1, 2)]:
        with pytest.raises(RuntimeError, match="item"):
            tp.zeros(shape, device=device).item()
    assert tp.full((1, 1), 3.0, device=device).item() == 3.0


# --- every function: shares memory exactly where cpu does ----------------------------------------


@pytest.mark.cases(make=first_cases)
def test_results_share_memory_and_layout_as_on_cpu(case: Case, device: str) -> None:
    """Views are views and copies are copies; views have the same strides and offset."""
    if case.public.random:
        return
    mine, theirs = (samples_of(case.public, name, case.dtype) for name in (device, "cpu"))
    for sample, there in zip(mine, theirs, strict=True):
        call = Call(case, sample, device)
        with tp.device(device):
            outs = tensors_in([case.public.call(*sample.args, **sample.kwargs)])
        with tp.device("cpu"):
            wants = tensors_in([case.public.call(*there.args, **there.kwargs)])
        for out, want in zip(outs, wants, strict=True):
            problem = _aliasing(out, want, sample.tensors(), there.tensors())
            assert problem is None, call.fails(problem or "")


def _aliasing(out: tp.Tensor, want: tp.Tensor, inputs: Any, there: Any) -> str | None:
    if not want.numel():
        return None
    got = [x.numel() > 0 and out.untyped_storage() == x.untyped_storage() for x in inputs]
    rule = [x.numel() > 0 and want.untyped_storage() == x.untyped_storage() for x in there]
    if got != rule:
        return f"expected memory shared with the inputs {rule}, got {got}"
    if any(rule):
        mine, model = _layout(out), _layout(want)
        return None if mine == model else f"expected strides and offset {model}, got {mine}"
    before = [array_of(x) for x in inputs]
    if 0 not in out.stride():
        out.fill_(1)
    unchanged = all(np.array_equal(a, array_of(x), equal_nan=True)
                    for a, x in zip(before, inputs, strict=True))  # fmt: skip
    return None if unchanged else "writing to the result changed an input"


def _layout(x: tp.Tensor) -> tuple[Any, int]:
    """Strides and offset, without the strides of sizes 0 and 1, which mean nothing."""
    told = zip(x.shape, x.stride(), strict=True)
    return tuple(step if size > 1 else None for size, step in told), x.storage_offset()

"""``x[...]``, ``x[...] = v`` and ``index_put_`` against NumPy, on random indices.

One rule differs from NumPy's and is kept out of the model: whole numbers beside index tensors
select first, as in torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorplug as tp
from tensorplug.conformance.reference import same

shapes = st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple)
whole_shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
bounds = st.none() | st.integers(-5, 5)
slices = st.builds(slice, bounds, bounds, st.sampled_from([None, 1, 2, 3, -1, -2]))


@st.composite
def basic(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index of whole numbers, slices, None and one Ellipsis."""
    index: list[Any] = []
    used = 0
    for size in shape[: draw(st.integers(0, len(shape)))]:
        kinds = [slices] + ([st.integers(-size, size - 1)] if size else [])
        index.append(draw(st.one_of(*kinds)))
        used += 1
    if used < len(shape) and draw(st.booleans()):
        index.append(Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        index.insert(draw(st.integers(0, len(index))), None)
    return tuple(index)


@st.composite
def advanced(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """An index with index arrays or masks, and slices between them."""
    common = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple))
    count = int(np.prod(common))
    index: list[Any] = []
    masked = False
    for at, size in enumerate(shape):
        kind = draw(st.sampled_from(["slice", "array", "array", "mask"]))
        if kind == "slice" and (at < len(shape) - 1 or masked or index):
            index.append(draw(slices))
        elif kind == "mask" and not masked and not any(isinstance(i, np.ndarray) for i in index):
            masked = True
            index.append(
                np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool)
            )
        elif masked:
            index.append(slice(None))
        else:
            flat = draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count))
            index.append(np.array(flat, np.int64).reshape(common))
    return tuple(index)


def array_for(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


def on(device: str, index: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index with its arrays as tensors on the device."""
    return tuple(tp.tensor(i, device=device) if isinstance(i, np.ndarray) else i for i in index)


def check_getitem(device: str, a: np.ndarray, index: tuple[Any, ...]) -> None:
    got, want = tp.tensor(a, device=device)[on(device, index)], np.asarray(a[index])
    assert same(got, want), f"x[{index}] of {a.shape}: expected {want!r}, got {got.tolist()}"


def check_setitem(device: str, a: np.ndarray, index: tuple[Any, ...], last_only: bool) -> None:
    x, model = tp.tensor(a, device=device), a.copy()
    region = model[index]
    values = -1 - np.arange(region.size, dtype=np.float32).reshape(region.shape)
    if last_only:  # repeated indices: which value stays is not defined
        values = np.full_like(values, -1)
    if region.ndim:
        values = values[..., :1]
        model[index] = values
    else:
        model[index] = values
    x[on(device, index)] = tp.tensor(values, device=device)
    text = f"x[{index}] = values of {a.shape}: expected {model.tolist()}, got {x.tolist()}"
    assert same(x, model), text
    x[on(device, index)] = 7
    model[index] = 7
    assert same(x, model), f"x[{index}] = 7"


def test_basic_indices(device: str) -> None:
    @given(st.data())
    def check(data: Any) -> None:
        shape = data.draw(shapes)
        index = data.draw(basic(shape))
        check_getitem(device, array_for(shape), index)
        check_setitem(device, array_for(shape), index, False)

    check()


def test_index_tensors_and_masks(device: str) -> None:
    @given(st.data())
    def check(data: Any) -> None:
        shape = data.draw(whole_shapes)
        index = data.draw(advanced(shape))
        check_getitem(device, array_for(shape), index)
        check_setitem(device, array_for(shape), index, True)

    check()


def test_through_views(device: str) -> None:
    @given(st.data())
    @settings(max_examples=10)
    def check(data: Any) -> None:
        base = array_for((4, 6))
        x, model = tp.tensor(base, device=device), base.copy()
        view, part = x.t()[::2], model.T[::2]
        index = data.draw(advanced(part.shape))
        assert same(view[on(device, index)], np.asarray(part[index]))
        view[on(device, index)] = -3.0
        part[index] = -3.0
        assert same(x, model), f"x.t()[::2][{index}] = -3"

    check()


# --- single rules --------------------------------------------------------------------------------


def test_a_whole_mask(device: str) -> None:
    a = array_for((2, 3))
    x = tp.tensor(a, device=device)
    assert x[x > 2].tolist() == [3, 4, 5]
    assert x[x > 99].shape == (0,)
    x[x > 2] = 0
    assert x.tolist() == [[0, 1, 2], [0, 0, 0]]
    x[x == 0] = tp.tensor([9.0, 8.0, 7.0, 6.0], device=device)
    assert x.tolist() == [[9, 1, 2], [8, 7, 6]]


def test_lists_are_index_tensors(device: str) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    assert x[[2, 0]].tolist() == [[4, 5], [0, 1]]
    assert x[[True, False, True]].tolist() == [[0, 1], [4, 5]]
    assert x[[]].shape == (0, 2)


def test_whole_numbers_beside_index_tensors_select_first(device: str) -> None:
    x = tp.tensor(array_for((2, 3, 4)), device=device)
    assert x[0, :, tp.tensor([1, 2], device=device)].shape == (3, 2)


def test_a_gathered_part_is_a_copy(device: str) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    part = x[tp.tensor([0, 1], device=device)]
    part.fill_(9)
    assert x.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_index_put_accumulates_repeated_indices(device: str) -> None:
    x, a = tp.tensor(array_for((3, 2)), device=device), array_for((3, 2))
    rows, columns = np.array([0, 0, 2, 0]), np.array([1, 1, 0, 0])
    values = np.array([1.0, 2.0, 4.0, 8.0], np.float32)
    indices = tuple(tp.tensor(i, device=device) for i in (rows, columns))
    got = x.index_put_(indices, tp.tensor(values, device=device), accumulate=True)
    np.add.at(a, (rows, columns), values)
    assert got is x
    assert same(x, a), f"expected {a.tolist()}, got {x.tolist()}"


def test_index_put_accumulates_through_a_view(device: str) -> None:
    x, a = tp.tensor(array_for((3, 4)), device=device), array_for((3, 4))
    at = tp.tensor([1, 1, 1], device=device)
    x.t()[::2].index_put_((at,), tp.ones((3, 3), device=device), accumulate=True)
    np.add.at(a.T[::2], np.array([1, 1, 1]), np.ones((3, 3), np.float32))
    assert same(x, a)


def test_assignment_broadcasts_and_casts(device: str) -> None:
    x = tp.zeros((2, 3), dtype=tp.int64, device=device)
    x[:] = tp.tensor([1.9, 2.2, -3.7], device=device)
    assert x.tolist() == [[1, 2, -3]] * 2
    x[1] = tp.ones((1, 1, 3), dtype=tp.bool, device=device)
    assert x.tolist() == [[1, 2, -3], [1, 1, 1]]


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("index", [[3], [-4], [0, 5], [[0], [9]]])
def test_index_tensors_out_of_range_are_refused(device: str, index: Any) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    at = tp.tensor(index, device=device)
    with pytest.raises((IndexError, RuntimeError), match=r"range|out of bounds|between"):
        x[at]
    with pytest.raises((IndexError, RuntimeError)):
        x[at] = 1.0
    assert x.tolist() == array_for((3, 2)).tolist()


@pytest.mark.parametrize("index", [(0, 0, 0), (slice(None),) * 3, (..., 0, 0, 0)])
def test_too_many_indices_are_refused(device: str, index: Any) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    with pytest.raises(IndexError, match="too many indices"):
        x[index]


def test_a_mask_of_another_shape_is_refused(device: str) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    for size in (2, 4):
        with pytest.raises(IndexError, match="shape"):
            x[tp.ones(size, dtype=tp.bool, device=device)]


def test_index_tensors_that_do_not_broadcast_are_refused(device: str) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    with pytest.raises((IndexError, RuntimeError)):
        x[tp.tensor([0, 1], device=device), tp.tensor([0, 1, 0], device=device)]


@pytest.mark.parametrize("index", [1.5, "a", (0, 1.0), {}])
def test_what_is_no_index_is_refused(device: str, index: Any) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    with pytest.raises((IndexError, TypeError)):
        x[index]


def test_fractions_are_no_index(device: str) -> None:
    x = tp.tensor(array_for((3, 2)), device=device)
    with pytest.raises(IndexError):
        x[tp.tensor([0.0, 1.0], device=device)]


@pytest.mark.parametrize("shape", [(2,), (2, 2), (4, 3)])
def test_values_that_do_not_broadcast_are_refused(device: str, shape: tuple[int, ...]) -> None:
    x = tp.tensor(array_for((3, 3)), device=device)
    with pytest.raises((RuntimeError, ValueError)):
        x[:] = tp.ones(shape, device=device)
    with pytest.raises((RuntimeError, ValueError)):
        x[tp.tensor([0, 1, 2], device=device)] = tp.ones(shape, device=device)
    assert x.tolist() == array_for((3, 3)).tolist()

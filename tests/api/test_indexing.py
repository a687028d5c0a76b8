"""``x[...]`` and ``x[...] = v`` against NumPy, gradients against torch, and their errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorplug as tp

sizes = st.lists(st.integers(0, 4), min_size=0, max_size=4)
bounds = st.none() | st.integers(-5, 5)
steps = st.none() | st.sampled_from([1, 2, 3, -1, -2])
slices = st.builds(slice, bounds, bounds, steps)


@st.composite
def basic_items(draw, size):
    """One item for a dimension of the given size."""
    if size and draw(st.booleans()):
        return draw(st.integers(-size, size - 1))
    return draw(slices)


@st.composite
def basic_cases(draw):
    shape = tuple(draw(sizes))
    count = draw(st.integers(0, len(shape)))
    items = [draw(basic_items(size)) for size in shape[:count]]
    if draw(st.booleans()):  # an Ellipsis, and items for the last dimensions behind it
        behind = draw(st.integers(0, len(shape) - count))
        last = shape[len(shape) - behind :] if behind else ()
        items = [*items, Ellipsis, *[draw(basic_items(size)) for size in last]]
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    index = tuple(items)
    return shape, index[0] if len(index) == 1 and draw(st.booleans()) else index


@st.composite
def advanced_cases(draw):
    """A shape and an index with at least one array: integers of a common shape, or masks."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    common = tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=2)))
    items, dim, arrays = [], 0, 0
    while dim < len(shape):
        kind = draw(st.sampled_from(["array", "mask", "basic", "none", "stop"]))
        if kind == "stop" and arrays:
            break
        if kind == "array":
            width = common[len(common) - draw(st.integers(1, len(common))) :]
            count = int(np.prod(width))
            entry = st.integers(-shape[dim], shape[dim] - 1)
            flat = draw(st.lists(entry, min_size=count, max_size=count))
            items.append(np.array(flat, dtype=np.int64).reshape(width))
            arrays, dim = arrays + 1, dim + 1
        elif kind == "mask" and not arrays:
            rank = draw(st.integers(1, min(2, len(shape) - dim)))
            count = int(np.prod(shape[dim : dim + rank]))
            flat = draw(st.lists(st.booleans(), min_size=count, max_size=count))
            items.append(np.array(flat, dtype=bool).reshape(shape[dim : dim + rank]))
            common, arrays, dim = (int(items[-1].sum()),), arrays + 1, dim + rank
        elif kind == "none":
            items.append(None)
        elif kind == "basic":
            items.append(draw(basic_items(shape[dim])))
            dim += 1
    if not arrays:
        items = (
            [np.zeros(2, dtype=np.int64), *items[1:]]
            if items and items[0] is not None
            else [np.zeros(2, dtype=np.int64)]
        )
    return shape, tuple(items)


def fill(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


def in_two_steps(shape: tuple[int, ...], index: tuple) -> tuple[tuple, tuple]:
    """The index as torch reads it: integers, slices and None first, then the arrays."""
    first, second = [], []
    for item in index:
        if isinstance(item, np.ndarray):
            first.extend([slice(None)] * (item.ndim if item.dtype == bool else 1))
            second.append(item)
        else:
            first.append(item)
            if not isinstance(item, int):
                second.append(slice(None))
    return tuple(first), tuple(second)


def for_tensors(index: tuple) -> tuple:
    return tuple(tp.tensor(item) if isinstance(item, np.ndarray) else item for item in index)


@given(basic_cases())
def test_basic_reads(case) -> None:
    shape, index = case
    array = fill(shape)
    x = tp.from_numpy(array)
    got, expected = x[index], array[index]
    assert tuple(got.shape) == np.shape(expected)
    np.testing.assert_array_equal(got.numpy(), expected)
    assert got._base is x


@given(basic_cases(), st.booleans())
def test_basic_writes(case, scalar) -> None:
    shape, index = case
    array = fill(shape)
    x = tp.tensor(array)
    target = array[index]
    value = 7.5 if scalar else np.asarray(target).copy() * 2 + 1
    array[index] = value
    x[index] = value if scalar else tp.tensor(value)
    np.testing.assert_array_equal(x.numpy(), array)


@given(advanced_cases())
def test_advanced_reads(case) -> None:
    shape, index = case
    array = fill(shape)
    first, second = in_two_steps(shape, index)
    expected = array[first][second]
    got = tp.tensor(array)[for_tensors(index)]
    assert tuple(got.shape) == expected.shape
    np.testing.assert_array_equal(got.numpy(), expected)


@given(advanced_cases(), st.booleans())
def test_advanced_writes(case, scalar) -> None:
    shape, index = case
    array = fill(shape)
    x = tp.tensor(array)
    first, second = in_two_steps(shape, index)
    view = array[first]
    value = -3.0 if scalar else np.full_like(view[second], -2.0)
    view[second] = value
    x[for_tensors(index)] = value if scalar else tp.tensor(value)
    np.testing.assert_array_equal(x.numpy(), array)


@given(advanced_cases())
def test_advanced_gradients(case) -> None:
    shape, index = case
    x = tp.tensor(fill(shape) / 7, requires_grad=True)
    y = x[for_tensors(index)]
    (y * y).sum().backward()
    first, second = in_two_steps(shape, index)
    places = fill(shape)[first][second].astype(int).reshape(-1)
    expected = np.zeros(int(np.prod(shape)))
    np.add.at(expected, places, 2 * places / 7)
    np.testing.assert_allclose(x.grad.numpy().reshape(-1), expected, rtol=1e-12)


CASES = [
    [0, 1], [[0, 1], [1, 0]], [True, False], [], ([],), True, False, (True, 0), (slice(None), True),
    range(2), (0, slice(None), [0, 1]), ([0, 1], None, 0), ([0, 1], ..., [0, 1]), ([0, 1], [0, 2]),
    np.array([0, 1]), np.int64(1), np.array(1), (..., [0, 1]), ([[0], [1]], [0, 2]), (None, [1]),
]  # fmt: skip


@pytest.mark.parametrize("index", CASES, ids=repr)
def test_reads_as_torch(index) -> None:
    torch = pytest.importorskip("torch")
    array = fill((2, 3, 4))
    nested = isinstance(index, list) and index and isinstance(index[0], list)
    theirs = torch.tensor(index) if nested else index  # torch still reads it as a tuple
    expected = torch.tensor(array)[theirs]
    got = tp.tensor(array)[index]
    assert tuple(got.shape) == tuple(expected.shape)
    np.testing.assert_array_equal(got.numpy(), expected.numpy())
    x, y = tp.tensor(array), torch.tensor(array)
    x[index], y[theirs] = 5.0, 5.0
    np.testing.assert_array_equal(x.numpy(), y.numpy())


@pytest.mark.parametrize(
    "index",
    [1, slice(0, 2), (slice(None), 1), (..., 0), ([0, 0, 1],), (slice(None), [1, 1]), None],
    ids=repr,
)
def test_gradients_of_writes_as_torch(index) -> None:
    torch = pytest.importorskip("torch")

    def program(m):
        x = m.tensor(fill((2, 3)) + 0.5, requires_grad=True)
        y = x * x
        shape = tuple(y[index].shape)
        value = m.tensor(np.cos(fill(shape)), requires_grad=True)
        y[index] = value * 2
        out = (y * y * m.tensor(np.sin(fill((2, 3)) + 1))).sum()
        g = m.autograd.grad(out, (x, value), create_graph=True)
        if isinstance(index, tuple) and index in (([0, 0, 1],), (slice(None), [1, 1])):
            return [g[0].detach()]  # which of two values for one place wins is not said
        h = m.autograd.grad((g[0] * g[0]).sum() + (g[1] * g[1]).sum(), (x, value))
        return [*(t.detach() for t in g), *(t.detach() for t in h)]

    for expected, got in zip(program(torch), program(tp), strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12)


def test_values_are_converted_and_broadcast() -> None:
    x = tp.zeros(2, 3, dtype=tp.int64)
    x[0] = 2.7
    x[:, 1] = tp.tensor([5.0, 6.0])
    x[tp.tensor([1])] = tp.tensor([[[7.0, 8.0, 9.0]]])
    assert x.tolist() == [[2, 5, 2], [7, 8, 9]]
    x[x > 7] = 0
    assert x.tolist() == [[2, 5, 2], [7, 0, 0]]
    x[...] = np.ones(3)
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_empty_masks_choose_nothing() -> None:
    x = tp.ones(2, 3)
    assert x[tp.zeros(0, dtype=tp.bool)].shape == (0, 3)
    assert x[tp.zeros(2, 0, dtype=tp.bool)].shape == (0,)
    x[tp.zeros(0, 3, dtype=tp.bool)] = 5
    assert x.sum() == 6


@pytest.mark.parametrize(
    ("index", "error", "text"),
    [
        (5, IndexError, "5 is out of bounds for .* 0 with size 2"),
        ((0, -4), IndexError, "-4 is out of bounds for .* 1 with size 3"),
        ((0, 0, 0), IndexError, "too many indices"),
        ([0, 9], IndexError, "9 is out of bounds for .* 0 with size 2"),
        ((0, 0, [0]), IndexError, "too many indices"),
        ([True, False, True], IndexError, r"mask of shape \(2,\), got \(3,\)"),
        (1.0, IndexError, "got float"),
        ("a", IndexError, "got str"),
        ([0.5], IndexError, "must be long, int, byte or bool"),
        (([0, 1], [0, 1, 2]), IndexError, "could not be broadcast"),
        (slice(0, 2, 0), ValueError, "zero|not 0"),
    ],
)
def test_errors(index, error, text) -> None:
    x = tp.zeros(2, 3)
    with pytest.raises(error, match=text):
        x[index]
    with pytest.raises(error, match=text):
        x[index] = 1.0


def test_wrong_values_are_refused() -> None:
    x = tp.zeros(2, 3)
    with pytest.raises(RuntimeError, match=r"broadcasts to \(2, 3\), got shape \(2,\)"):
        x[:] = tp.zeros(2)
    with pytest.raises(RuntimeError, match="single memory location"):
        tp.zeros(1).expand(4)[1:] = 1.0
    with pytest.raises(RuntimeError, match="leaf"):
        tp.zeros(2, requires_grad=True)[0] = 1.0


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x, i: x.gather(0, i.view(1, 1)), "gather"),
        (lambda x, i: x.index_select(0, i), "index_select"),
        (lambda x, i: x.take(i * 3), "take"),
        (lambda x, i: x.scatter(0, i.view(1, 1), 1.0), "scatter"),
        (lambda x, i: x.scatter_add(0, i.view(1, 1), tp.ones(1, 1)), "scatter_add"),
        (lambda x, i: x.index_add(0, i, tp.ones(1, 3)), "index_add"),
        (lambda x, i: x.index_copy(0, i, tp.ones(1, 3)), "index_copy"),
        (lambda x, i: x.index_fill(0, i, 1.0), "index_fill"),
        (lambda x, i: x.index_put((i,), tp.ones(())), "index_put"),
        (lambda x, i: x.take_along_dim(i.view(1, 1), 0), "gather|take_along_dim"),
    ],
)
def test_functions_name_the_index_and_the_size(call, name) -> None:
    with pytest.raises(IndexError, match=rf"({name}).*(7|21).*(2|6)"):
        call(tp.zeros(2, 3), tp.tensor([7]))

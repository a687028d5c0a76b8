"""Layout maths against NumPy's strides and, where it is installed, torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorplug.backends.base import Layout
from tensorplug.backends.layout import (
    broadcast_shapes,
    check_strided,
    contiguous_strides,
    diagonal_layout,
    expand_layout,
    extent,
    index_layout,
    is_contiguous,
    may_overlap,
    must_overlap,
    numel,
    parse_index,
    permute_layout,
    unfold_layout,
    view_strides,
)

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
STRIDES = st.lists(st.integers(0, 8), min_size=4, max_size=4)
fast = settings(max_examples=150, deadline=None, derandomize=True)


def contiguous(shape: tuple[int, ...]) -> Layout:
    return Layout(shape, contiguous_strides(shape), 0)


def of_numpy(array: np.ndarray, root: np.ndarray) -> Layout:
    start = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return Layout(array.shape, tuple(s // 8 for s in array.strides), start // 8)


def of_torch(tensor: Any) -> Layout:
    return Layout(tuple(tensor.shape), tensor.stride(), tensor.storage_offset())


def of_storage(torch: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    return torch.arange(100).as_strided(shape, strides, 3)


@fast
@given(SHAPES, STRIDES)
def test_contiguity_is_torchs(shape: tuple[int, ...], strides: list[int]) -> None:
    torch = pytest.importorskip("torch")
    assert contiguous_strides(shape) == torch.empty(shape).stride()
    assert is_contiguous(shape, contiguous_strides(shape))
    tensor = of_storage(torch, shape, tuple(strides[: len(shape)]))
    assert is_contiguous(shape, tensor.stride()) == tensor.is_contiguous()
    assert numel(shape) == tensor.numel()


@fast
@given(SHAPES, STRIDES, st.data())
def test_view_strides_are_torchs(
    shape: tuple[int, ...], strides: list[int], data: st.DataObject
) -> None:
    torch = pytest.importorskip("torch")
    merged = data.draw(st.booleans())
    lies = contiguous_strides(shape) if merged else tuple(strides[: len(shape)])
    dims = tuple(data.draw(st.permutations(range(len(shape)))))
    tensor = of_storage(torch, shape, lies).permute(dims)
    tensor = tensor[..., :2] if shape else tensor
    new: list[int] = []
    left = tensor.numel()
    while left > 1 and data.draw(st.booleans()):
        new.append(data.draw(st.sampled_from([d for d in range(1, left + 1) if left % d == 0])))
        left //= new[-1]
    new.insert(data.draw(st.integers(0, len(new))), left)
    try:
        wanted = tensor.view(new).stride()
    except RuntimeError:
        wanted = None
    assert view_strides(tuple(tensor.shape), tensor.stride(), tuple(new)) == wanted
    assert view_strides(tuple(tensor.shape), tensor.stride(), (*new, 2)) is None or left == 0


INDEX_CASES: list[tuple[Any, ...]] = [
    (), (1,), (-1,), (slice(None),), (slice(None, None, -1), slice(3, 0, -2)), (..., 0),
    (0, ..., -1), (None, 1), (slice(1, 2), None, ...), (2, 3, 4), (..., slice(-2, None)),
    (slice(-9, 9, 3), slice(2, None)), (np.int64(2), slice(np.int64(1), None)),
]  # fmt: skip


@pytest.mark.parametrize("index", INDEX_CASES, ids=str)
def test_index_layout_is_numpys(index: tuple[Any, ...]) -> None:
    root = np.zeros((3, 4, 5))
    array = root[index if Ellipsis in index else (*index, ...)]
    found = index_layout(contiguous(root.shape), index)
    wanted = of_numpy(array, root)
    assert (found.shape, found.offset) == (wanted.shape, wanted.offset)
    strides = zip(found.shape, found.strides, wanted.strides, strict=True)
    assert all(size == 1 or a == b for size, a, b in strides)


@pytest.mark.parametrize(
    "index", [(slice(2, 2),), (slice(3, 1), 1), (None, slice(1, None)), (1, None), (..., None)]
)
def test_index_layout_is_torchs(index: tuple[Any, ...]) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(3, 4, 5)
    assert index_layout(of_torch(tensor), index) == of_torch(tensor[index])


@pytest.mark.parametrize(
    ("index", "kind", "text"),
    [
        ((3,), IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ((0, ..., -5), IndexError, "index -5 is out of bounds for dimension 1 with size 4"),
        ((0, 0, 0), IndexError, "too many indices for tensor of dimension 2: got 3"),
        ((..., ...), IndexError, "at most one Ellipsis"),
        ((slice(None, None, 0),), ValueError, "step that is not 0, got 0"),
        (("x",), TypeError, "str"),
    ],
)
def test_wrong_indices(index: tuple[Any, ...], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        index_layout(contiguous((3, 4)), index)


def test_parse_index_spells_everything_out() -> None:
    assert parse_index((3, 4), (None, -1)) == (None, 2, range(4))
    assert parse_index((3, 4), (..., slice(None, None, -2))) == (range(3), range(3, -1, -2))


@fast
@given(st.lists(SHAPES, max_size=3))
def test_broadcast_shapes_is_numpys(shapes: list[tuple[int, ...]]) -> None:
    try:
        wanted = np.broadcast_shapes(*shapes)
    except ValueError:
        with pytest.raises(ValueError, match="expected broadcastable shapes, got") as caught:
            broadcast_shapes(*shapes)
        assert all(str(shape) in str(caught.value) for shape in shapes)
        return
    assert broadcast_shapes(*shapes) == wanted


def test_expand_and_permute() -> None:
    assert expand_layout(Layout((3, 1), (1, 9), 2), (2, 3, 4)) == Layout((2, 3, 4), (0, 1, 0), 2)
    assert expand_layout(Layout((1,), (5,), 0), (1,)) == Layout((1,), (5,), 0)
    assert permute_layout(contiguous((2, 3, 4)), (2, 0, 1)) == Layout((4, 2, 3), (1, 12, 4), 0)
    with pytest.raises(ValueError, match=r"that \(3, 1\) broadcasts to, got \(2, 4\)"):
        expand_layout(contiguous((3, 1)), (2, 4))
    with pytest.raises(ValueError, match=r"broadcasts to, got \(3,\)"):
        expand_layout(contiguous((1, 3)), (3,))
    with pytest.raises(ValueError, match=r"each of 2 dimensions once, got \(0, 0\)"):
        permute_layout(contiguous((2, 3)), (0, 0))


@fast
@given(st.data())
def test_diagonal_and_unfold_are_torchs(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)))
    tensor = torch.zeros(shape).permute(tuple(data.draw(st.permutations(range(len(shape))))))
    first, second = data.draw(st.permutations(range(len(shape))))[:2]
    diagonal = data.draw(st.integers(-5, 5))
    found = diagonal_layout(of_torch(tensor), diagonal, first, second)
    assert found == of_torch(tensor.diagonal(diagonal, first, second))
    size, step = data.draw(st.integers(0, tensor.shape[first])), data.draw(st.integers(1, 3))
    found = unfold_layout(of_torch(tensor), first, size, step)
    assert found == of_torch(tensor.unfold(first, size, step))


def test_diagonal_and_unfold_refuse() -> None:
    assert unfold_layout(Layout((), (), 4), 0, 1, 1) == Layout((1,), (1,), 4)
    with pytest.raises(ValueError, match="two different dimensions, got 1 and 1"):
        diagonal_layout(contiguous((2, 3)), 0, 1, 1)
    with pytest.raises(ValueError, match="size <= 3 and step > 0, got size=4, step=1"):
        unfold_layout(contiguous((2, 3)), 1, 4, 1)
    with pytest.raises(ValueError, match="got size=1, step=0"):
        unfold_layout(contiguous((2, 3)), 1, 1, 0)


def test_bounds_of_a_storage() -> None:
    assert extent(Layout((3, 2), (-4, 1), 8)) == range(10)
    assert not extent(Layout((3, 0), (9, 9), 99))
    check_strided(Layout((3, 2), (-4, 1), 8), 10)
    check_strided(Layout((0,), (1,), 50), 10)
    cases = [
        (Layout((3, 2), (-4, 1), 7), r"offset 7, which reach from -1 to 8"),
        (Layout((3,), (4,), 2), r"storage of 10, got size \(3,\), strides \(4,\)"),
        (Layout((-1,), (1,), 0), r"sizes that are not negative, got \(-1,\)"),
        (Layout((1, 2), (1,), 0), r"as many strides as sizes, got \(1, 2\) and \(1,\)"),
    ]
    for layout, text in cases:
        with pytest.raises(ValueError, match=text):
            check_strided(layout, 10)


@fast
@given(SHAPES, st.lists(st.integers(-8, 8), min_size=4, max_size=4))
def test_overlap(shape: tuple[int, ...], strides: list[int]) -> None:
    lies = tuple(strides[: len(shape)])
    places = sum(
        (np.arange(n) * s).reshape((n,) + (1,) * (len(shape) - d - 1))
        for d, (n, s) in enumerate(zip(shape, lies, strict=True))
    )
    places = np.broadcast_to(places, shape)
    shared = len(np.unique(places)) < places.size
    assert shared or not must_overlap(shape, lies)
    assert may_overlap(shape, lies) or not shared
    assert not may_overlap(shape, contiguous_strides(shape))


def test_must_overlap_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    for tensor in (torch.zeros(3, 1).expand(3, 2), torch.zeros(4).unfold(0, 3, 1)):
        assert must_overlap(tuple(tensor.shape), tensor.stride()) == (tensor.stride()[1] == 0)
    with pytest.raises(RuntimeError, match="more than one element"):
        torch.zeros(3, 1).expand(3, 2).add_(1)

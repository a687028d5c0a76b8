"""Random programs of views and writes against NumPy, whose arrays really alias."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import array_api_compat.numpy as numpy_namespace
import array_api_strict
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from tensorplug.backends import dtypes
from tensorplug.backends.array_api import ArrayAPIBackend
from tensorplug.backends.base import Layout
from tensorplug.backends.layout import contiguous_strides, may_overlap, must_overlap
from tensorplug.backends.steps import Bitcast, Expand, Gather, Index, Permute, Reshape


class OverNumpy(ArrayAPIBackend):
    name = "compat-numpy"
    namespace = numpy_namespace

    def devices(self) -> list[Any]:
        return ["cpu"]


class OverStrict(ArrayAPIBackend):
    name = "strict"
    namespace = array_api_strict

    def devices(self) -> list[Any]:
        return [array_api_strict.Device("CPU_DEVICE"), array_api_strict.Device("device1")]


def layout_of(view: np.ndarray, root: np.ndarray) -> Layout:
    size = view.itemsize
    start = view.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return Layout(view.shape, tuple(s // size for s in view.strides), start // size)


def draw_item(data: st.DataObject, size: int) -> Any:
    if size and data.draw(st.booleans()):
        return data.draw(st.integers(-size, size - 1))
    bound = st.none() | st.integers(-size - 1, size + 1)
    step = st.none() | st.sampled_from([1, 2, 3, -1, -2])
    return slice(data.draw(bound), data.draw(bound), data.draw(step))


def draw_index(data: st.DataObject, shape: tuple[int, ...]) -> tuple[Any, ...]:
    first = data.draw(st.integers(0, len(shape)))
    last = data.draw(st.integers(first, len(shape)))
    items = [draw_item(data, size) for size in shape[:first]]
    if last < len(shape) or data.draw(st.booleans()):
        items += [Ellipsis, *(draw_item(data, size) for size in shape[last:])]
    if len(shape) < 4 and data.draw(st.booleans()):
        items.insert(data.draw(st.integers(0, len(items))), None)
    return tuple(items)


def draw_shape(data: st.DataObject, count: int) -> tuple[int, ...]:
    """Any factorisation of ``count``, with ones."""
    sizes = []
    while count > 1 and data.draw(st.booleans()):
        divisor = data.draw(st.sampled_from([d for d in range(1, count + 1) if count % d == 0]))
        sizes.append(divisor)
        count //= divisor
    return (*sizes, count)


class Views(RuleBasedStateMachine):
    """Pairs of a handle and a NumPy array; every pair is compared after every step."""

    pairs = Bundle("pairs")
    backend: ArrayAPIBackend
    device = 0

    def __init__(self) -> None:
        super().__init__()
        self.live: list[SimpleNamespace] = []

    def keep(self, handle: Any, array: np.ndarray, root: np.ndarray) -> SimpleNamespace:
        pair = SimpleNamespace(handle=handle, array=array, root=root)
        self.live.append(pair)
        return pair

    @initialize(target=pairs)
    def start(self) -> SimpleNamespace:
        return self.create([4, 3, 2])

    @rule(target=pairs, shape=st.lists(st.integers(0, 4), max_size=3))
    def create(self, shape: list[int]) -> SimpleNamespace:
        array = np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
        return self.keep(self.backend.from_host(array, self.device), array, array)

    @rule(target=pairs, pair=pairs, data=st.data())
    def index(self, pair: SimpleNamespace, data: st.DataObject) -> SimpleNamespace:
        key = draw_index(data, pair.array.shape)
        array = pair.array[key if Ellipsis in key else (*key, ...)]
        return self.keep(self.backend.index(pair.handle, key), array, pair.root)

    @rule(target=pairs, pair=pairs, data=st.data())
    def permute(self, pair: SimpleNamespace, data: st.DataObject) -> SimpleNamespace:
        dims = tuple(data.draw(st.permutations(range(pair.array.ndim))))
        handle = self.backend.permute(pair.handle, dims)
        return self.keep(handle, pair.array.transpose(dims), pair.root)

    @rule(target=pairs, pair=pairs, data=st.data())
    def view(self, pair: SimpleNamespace, data: st.DataObject) -> SimpleNamespace:
        shape = draw_shape(data, pair.array.size)
        array = pair.array.view()
        try:
            handle = self.backend.view(pair.handle, shape)
        except ValueError:
            # torch's rule is ours exactly (test_layout); NumPy must need a copy here too.
            assert not np.shares_memory(array.reshape(shape), pair.root)
            return pair
        return self.keep(handle, array.reshape(shape), pair.root)

    @rule(target=pairs, pair=pairs, data=st.data())
    def expand(self, pair: SimpleNamespace, data: st.DataObject) -> SimpleNamespace:
        front = data.draw(st.lists(st.integers(1, 3), max_size=1))
        if pair.array.ndim + len(front) > 5:
            return pair
        sizes = [data.draw(st.integers(1, 3)) if n == 1 else n for n in pair.array.shape]
        shape = (*front, *sizes)
        array = np.broadcast_to(pair.array, shape)
        strides = tuple(
            0 if size != was else stride
            for size, was, stride in zip(
                shape,
                (None,) * len(front) + pair.array.shape,
                (0,) * len(front) + pair.array.strides,
                strict=True,
            )
        )
        array = np.lib.stride_tricks.as_strided(pair.array, shape, strides)
        return self.keep(self.backend.expand(pair.handle, shape), array, pair.root)

    @rule(target=pairs, pair=pairs, data=st.data())
    def as_strided(self, pair: SimpleNamespace, data: st.DataObject) -> SimpleNamespace:
        total = pair.root.size
        if not total:
            return pair
        offset = data.draw(st.integers(0, total - 1))
        shape, strides, low, high = [], [], offset, offset
        for _ in range(data.draw(st.integers(0, 3))):
            stride = data.draw(st.integers(-6, 6))
            room = high if stride == 0 else (total - 1 - high) if stride > 0 else low
            most = 3 if stride == 0 else room // abs(stride) + 1
            size = data.draw(st.integers(0, min(most, 4)))
            shape.append(size)
            strides.append(stride)
            reach = (max(size, 1) - 1) * stride
            low, high = low + min(reach, 0), high + max(reach, 0)
        flat = pair.root.reshape(-1)
        assert np.shares_memory(flat, pair.root)
        array = np.lib.stride_tricks.as_strided(
            flat[offset:], tuple(shape), tuple(s * flat.itemsize for s in strides)
        )
        handle = self.backend.as_strided(pair.handle, tuple(shape), tuple(strides), offset)
        return self.keep(handle, array, pair.root)

    @rule(pair=pairs, value=st.integers(-9, 9))
    def fill(self, pair: SimpleNamespace, value: int) -> None:
        pair.array[...] = value
        self.backend.assign(pair.handle, value)

    @rule(target=pairs, pair=pairs, other=pairs)
    def write(self, pair: SimpleNamespace, other: SimpleNamespace) -> SimpleNamespace:
        source, target = other.array, pair.array
        layout = pair.handle.layout
        unclear = may_overlap(layout.shape, layout.strides)
        try:
            fits = np.broadcast_shapes(source.shape, target.shape) == target.shape
        except ValueError:
            fits = False
        if not fits or unclear:
            if not fits:
                with pytest.raises(ValueError, match=r"got"):
                    self.backend.assign(pair.handle, other.handle)
            return pair
        target[...] = source.copy()
        self.backend.assign(pair.handle, other.handle)
        return pair

    @rule(pair=pairs)
    def compute(self, pair: SimpleNamespace) -> None:
        out = 1 - pair.handle * pair.handle
        np.testing.assert_array_equal(self.backend.to_host(out), 1 - pair.array * pair.array)

    @invariant()
    def everything_agrees(self) -> None:
        for pair in self.live:
            found = self.backend.to_host(pair.handle)
            assert found.shape == pair.handle.shape == pair.array.shape
            np.testing.assert_array_equal(found, pair.array)
            if pair.array.size:
                self.compare_layout(pair)

    def compare_layout(self, pair: SimpleNamespace) -> None:
        wanted, layout = layout_of(pair.array, pair.root), self.backend.layout(pair.handle)
        assert (layout.shape, layout.offset) == (wanted.shape, wanted.offset)
        for size, stride, other in zip(layout.shape, layout.strides, wanted.strides, strict=True):
            assert size == 1 or stride == other


def limits(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=15,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


class NumpyViews(Views):
    backend = OverNumpy()


class StrictViews(Views):
    backend = OverStrict()
    device = 1


TestNumpyViews = NumpyViews.TestCase
TestNumpyViews.settings = limits(100)
TestStrictViews = StrictViews.TestCase
TestStrictViews.settings = limits(30)


@pytest.fixture(params=[OverNumpy, OverStrict])
def backend(request: pytest.FixtureRequest) -> ArrayAPIBackend:
    return request.param()


def arange(backend: ArrayAPIBackend, *shape: int, dtype: str = "float32") -> Any:
    return backend.from_host(np.arange(np.prod(shape), dtype=dtype).reshape(shape), 0)


def steps_of(handle: Any) -> list[type]:
    return [type(step) for step in handle.chain]


def test_chains_stay_short(backend: ArrayAPIBackend) -> None:
    handle = arange(backend, 4, 6)
    view = backend.index(backend.index(handle, (slice(1, None),)), (slice(None), slice(4, 0, -1)))
    view = backend.index(view, (0,))
    assert steps_of(view) == [Index]
    np.testing.assert_array_equal(backend.to_host(view), [10, 9, 8, 7])
    turned = backend.permute(backend.permute(handle, (1, 0)), (1, 0))
    assert turned.chain == ()
    assert backend.view(backend.view(handle, (24,)), (4, 6)).chain == ()
    assert steps_of(backend.expand(handle, (2, 4, 6))) == [Expand]


def test_strided_views_without_a_gather(backend: ArrayAPIBackend) -> None:
    handle = arange(backend, 4, 6)
    base = np.arange(24, dtype="float32")
    cases = [
        ((4,), (7,), 0, {Reshape, Index}),
        ((6, 4), (1, 6), 0, {Permute}),
        ((3, 4), (6, 1), 8, {Reshape, Index}),
        ((2, 3, 2), (12, 4, 1), 0, {Reshape, Index}),
        ((4, 3), (-6, -2), 23, {Index}),
        ((2, 4, 1), (0, 6, 1), 1, {Reshape, Index, Expand}),
        ((5, 3), (1, 1), 0, {Reshape, Gather}),
    ]
    for shape, strides, offset, kinds in cases:
        view = backend.as_strided(handle, shape, strides, offset)
        wanted = np.lib.stride_tricks.as_strided(
            base[offset:], shape, tuple(4 * s for s in strides)
        )
        np.testing.assert_array_equal(backend.to_host(view), wanted)
        assert set(steps_of(view)) == kinds, (shape, strides)
    whole = backend.as_strided(backend.index(handle, (1,)), (4, 6), (6, 1), 0)
    assert whole.chain == ()


def test_write_through_a_row_of_an_expanded_handle(backend: ArrayAPIBackend) -> None:
    handle = arange(backend, 4)
    rows = backend.expand(handle, (3, 4))
    assert must_overlap(rows.shape, rows.layout.strides)
    backend.assign(backend.index(rows, (0, slice(1, 3))), -1)
    np.testing.assert_array_equal(backend.to_host(handle), [0, -1, -1, 3])
    backend.assign(rows, arange(backend, 3, 4))
    np.testing.assert_array_equal(backend.to_host(handle), [8, 9, 10, 11])  # the last row stays


def test_write_with_overlapping_source(backend: ArrayAPIBackend) -> None:
    handle = arange(backend, 6)
    head, tail = backend.index(handle, (slice(None, 5),)), backend.index(handle, (slice(1, None),))
    backend.assign(tail, head)
    np.testing.assert_array_equal(backend.to_host(handle), [0, 0, 1, 2, 3, 4])


def test_reads_are_kept_until_the_next_write(backend: ArrayAPIBackend) -> None:
    handle = arange(backend, 4)
    view = backend.index(handle, (slice(1, 3),))
    first = backend.native(view)
    assert backend.native(view) is first
    backend.assign(backend.index(handle, (0,)), 5)
    assert backend.native(view) is not first
    empty = backend.index(handle, (slice(0, 0),))
    version = handle.cell.version
    backend.assign(empty, 1)
    assert handle.cell.version == version


def test_aliases_share_a_storage_and_copies_do_not(backend: ArrayAPIBackend) -> None:
    handle = arange(backend, 4, 6)
    view = backend.permute(backend.index(handle, (1,)), (0,))
    assert backend.storage(view) == backend.storage(handle)
    assert backend.storage(handle).nbytes == 96
    others = [backend.clone(handle), backend.exclusive(handle), backend.from_host(np.ones(0), 0)]
    places = [backend.storage(other) for other in (handle, *others)]
    spans = sorted((place.address, max(place.nbytes, 1)) for place in places)
    assert all(a + n <= b for (a, n), (b, _) in pairwise(spans))
    for other in others[:2]:
        backend.assign(other, 0)
    np.testing.assert_array_equal(backend.to_host(view), np.arange(6, 12))


@pytest.mark.parametrize("name", ["complex64", "complex128"])
def test_view_as_real_and_back(backend: ArrayAPIBackend, name: str) -> None:
    base = (np.arange(6) + 1j * np.arange(6, 12)).astype(name).reshape(2, 3)
    base[0, 0] = complex(np.inf, -0.0)
    handle = backend.from_host(base, 0)
    pairs = backend.view_as_real(backend.index(handle, (slice(None), slice(1, None))))
    assert pairs.layout == Layout((2, 2, 2), (6, 2, 1), 2)
    assert backend.dtype_of(pairs) is getattr(dtypes, name).to_real()
    backend.assign(backend.index(pairs, (1, ..., 1)), -5)
    base.imag[1, 1:] = -5
    np.testing.assert_array_equal(backend.to_host(handle), base)
    wide = backend.as_strided(pairs, (2, 6), (6, 1), 0)
    np.testing.assert_array_equal(backend.to_host(wide), base.view(base.real.dtype))
    again = backend.view_as_complex(backend.view(wide, (2, 3, 2)))
    assert backend.dtype_of(again) is getattr(dtypes, name)
    assert again.layout == handle.layout
    backend.assign(backend.index(again, (0,)), 1j)
    base[0] = 1j
    np.testing.assert_array_equal(backend.to_host(handle), base)


def test_views_as_another_type(backend: ArrayAPIBackend) -> None:
    base = np.arange(10, dtype=np.uint8)
    handle = backend.from_host(base, 0)
    even = backend.view_dtype(backend.index(handle, (slice(None, 8),)), dtypes.int32)
    assert even.shape == (2,)
    assert steps_of(even)[-1] is Bitcast
    backend.assign(backend.as_strided(even, (1,), (1,), 1), -1)
    base[4:8] = 255
    np.testing.assert_array_equal(backend.to_host(handle), base)
    assert backend.view_dtype(handle, dtypes.uint8) is handle
    for bad in (handle, backend.index(handle, (slice(1, 9),)), backend.index(handle, (0,))):
        with pytest.raises(ValueError, match=r"divide by 4 to view uint8 as int32, got shape"):
            backend.view_dtype(bad, dtypes.int32)
    with pytest.raises(ValueError, match=r"of size 2, got shape \(10,\)"):
        backend.view_as_complex(handle)


@pytest.mark.parametrize("item", [range(4, -1, -1), range(4, -1, -2), range(3, 0, -1), range(0)])
def test_slices_of_the_library_never_go_backwards(item: range) -> None:
    step = Index((5,), (item,))
    assert all(key.step is None or key.step > 0 for key in step.key)
    ops, array = OverNumpy(), np.arange(5)
    np.testing.assert_array_equal(step.read(ops, array), array[list(item)])
    array[list(item)] = child = np.arange(10, 10 + len(item))
    np.testing.assert_array_equal(step.write(ops, np.arange(5), child), array)


def test_operators_match_python(backend: ArrayAPIBackend) -> None:
    a, b = np.array([5, -3, 2]), np.array([2, 2, -7])
    x, y = backend.from_host(a, 0), backend.from_host(b, 0)
    cases = [
        (x + y, a + b), (x - 2, a - 2), (2 - x, 2 - a), (x * y, a * b), (3 * x, 3 * a),
        (x // y, a // b), (7 // y, 7 // b), (x % y, a % b), (7 % y, 7 % b), (x**2, a**2),
        (x & y, a & b), (x | 1, a | 1), (1 ^ x, 1 ^ a), (~x, ~a), (-x, -a), (abs(x), abs(a)),
        (x < y, a < b), (x <= 2, a <= 2), (x >= y, a >= b), (x == y, a == b),
        (x != 2, a != 2), (x @ y, a @ b),
    ]  # fmt: skip
    f = backend.cast(x, dtypes.float64)
    cases += [(f / 2, a / 2), (2 / f, 2 / a), (2**f, 2.0**a), (np.float64(2) * f, 2 * a)]
    for found, wanted in cases:
        np.testing.assert_array_equal(backend.to_host(found), wanted)
        assert found.layout.strides == contiguous_strides(np.shape(wanted))
    with pytest.raises(TypeError, match="got a truth test"):
        bool(x)
    assert repr(x) == "Handle(shape=(3,), strides=(1,), offset=0)"

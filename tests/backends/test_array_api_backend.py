"""The generic backend over array-api-strict and over NumPy through array-api-compat."""

from __future__ import annotations

import warnings
from typing import Any

import array_api_compat.numpy as numpy_namespace
import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorplug.backends import dtypes
from tensorplug.backends.array_api import ArrayAPIBackend
from tensorplug.backends.base import Layout


class OverNumpy(ArrayAPIBackend):
    name = "compat-numpy"
    namespace = numpy_namespace

    def devices(self) -> list[Any]:
        return ["cpu"]


class OverStrict(ArrayAPIBackend):
    name = "strict"
    namespace = array_api_strict

    def devices(self) -> list[Any]:
        names = ("CPU_DEVICE", "device1", "no_float64")
        return [array_api_strict.Device(name) for name in names]


@pytest.fixture(params=[OverNumpy, OverStrict])
def backend(request: pytest.FixtureRequest) -> ArrayAPIBackend:
    return request.param()


def up(backend: ArrayAPIBackend, values: Any, dtype: Any = None) -> Any:
    return backend.from_host(np.asarray(values, dtype=dtype), len(backend.devices()) > 1)


def test_round_trip_of_every_type(backend: ArrayAPIBackend) -> None:
    for dtype in backend.dtypes(0):
        array = np.array([[0, 1, 2], [3, 4, 1]]).astype(dtype.numpy)
        for view in (array, array.T, array[:, ::-1], array[0, 0], array[:0]):
            handle = backend.from_host(np.asarray(view), 0)
            assert backend.dtype_of(handle) is dtype
            host = backend.to_host(handle)
            np.testing.assert_array_equal(host, view)
            assert host.dtype == dtype.numpy
            assert not host.flags.writeable
    swapped = backend.from_host(np.arange(3, dtype=">i4"), 0)
    assert backend.to_host(swapped).tolist() == [0, 1, 2]


def test_from_host_copies(backend: ArrayAPIBackend) -> None:
    array = np.zeros(3)
    handle = backend.from_host(array, 0)
    array[:] = 1
    assert backend.to_host(handle).tolist() == [0, 0, 0]


def test_types_that_the_library_lacks() -> None:
    strict = OverStrict()
    assert not strict.supports_dtype(dtypes.bfloat16, 0)
    assert strict.supports_dtype(dtypes.float64, 1)
    assert not strict.supports_dtype(dtypes.float64, 2)
    assert dtypes.float64 not in strict.dtypes(2)
    assert OverNumpy().supports_dtype(dtypes.float16, 0)
    with pytest.raises(TypeError, match=r"expected one that strict has \(bool, .*, got float16"):
        strict.from_host(np.zeros(2, np.float16), 0)
    with pytest.raises(TypeError, match="got bfloat16"):
        strict.full((2,), 0, dtypes.bfloat16, 0)
    with pytest.raises(TypeError, match="expected a numeric or bool array, got <U1"):
        OverNumpy().array_dtype(np.array(["a"]))


def test_the_version_is_that_of_the_library_of_the_arrays() -> None:
    assert OverNumpy().version() == np.__version__
    assert OverStrict().version() == array_api_strict.__version__


def test_devices() -> None:
    strict = OverStrict()
    handle = strict.full((2,), 1.5, dtypes.float32, 1)
    assert strict.device_of(strict.native(handle)) == 1
    assert strict.owns(strict.native(handle))
    assert not strict.owns(np.zeros(2))
    view = strict.as_strided(handle, (2, 2), (0, 1), 0)
    derived = [
        handle + 1, strict.index(view, (0,)), strict.clone(view), strict.cast(view, dtypes.int8),
        strict.index_get(view, (None, up(strict, [1, 0]))), strict.nonzero(view)[1],
        strict.gather(handle, 0, up(strict, [1])), strict.scatter(handle, 9, 0, up(strict, [1])),
    ]  # fmt: skip
    strict.assign(strict.as_strided(handle, (1, 2), (1, 1), 0), 4)
    for other in (*derived, view):
        assert strict.device_of(strict.native(other)) == 1
    elsewhere = array_api_strict.zeros(2, device=array_api_strict.Device("device2"))
    with pytest.raises(ValueError, match=r"expected one of .* got an array on .*device2"):
        strict.device_of(elsewhere)


def test_lift_unpacks_and_packs(backend: ArrayAPIBackend) -> None:
    xp = backend.namespace
    x = up(backend, [[1.0, 2.0], [3.0, 4.0]])
    joined = backend.lift(xp.concat)([x, backend.index(x, (0, None))], axis=0)
    assert backend.to_host(joined).tolist() == [[1, 2], [3, 4], [1, 2]]
    outputs = backend.lift(lambda a, k: (a, [k["b"], 3], None))(x, {"b": 1})
    assert backend.to_host(outputs[0]).shape == (2, 2)
    assert outputs[1:] == ([1, 3], None)
    q, r = backend.lift(xp.linalg.qr)(x)
    np.testing.assert_allclose(backend.to_host(q @ r), backend.to_host(x))
    total = backend.lift(xp.sum)(x)  # NumPy gives a scalar here
    assert (total.shape, total.ndim, float(backend.to_host(total))) == ((), 0, 10.0)


def test_storage_members(backend: ArrayAPIBackend) -> None:
    x = up(backend, np.arange(6.0).reshape(2, 3))
    assert backend.layout(x) == Layout((2, 3), (3, 1), 0)
    turned = backend.permute(x, (1, 0))
    assert backend.layout(turned) == Layout((3, 2), (1, 3), 0)
    assert backend.layout(backend.clone(turned)) == Layout((3, 2), (2, 1), 0)
    with pytest.raises(ValueError, match=r"got \(6,\) for a tensor of shape \(3, 2\).*reshape"):
        backend.view(turned, (6,))
    with pytest.raises(ValueError, match="storage of 6, got size"):
        backend.as_strided(turned, (4, 2), (2, 1), 0)
    assert backend.storage(turned).key == backend.storage(x).key
    assert backend.native(backend.adopt(backend.native(x))) is backend.native(x)


def test_assign_broadcasts_and_casts(backend: ArrayAPIBackend) -> None:
    x = up(backend, np.zeros((2, 3), np.int32))
    backend.assign(backend.index(x, (..., slice(1, None))), up(backend, [[1.9], [-2.9]]))
    assert backend.to_host(x).tolist() == [[0, 1, 1], [0, -2, -2]]
    backend.assign(backend.index(x, (0,)), 7.8)
    backend.assign(backend.index(x, (1, 0)), up(backend, 3 + 4j))
    assert backend.to_host(x).tolist() == [[7, 7, 7], [3, -2, -2]]
    assert backend.dtype_of(x) is dtypes.int32
    with pytest.raises(ValueError, match=r"broadcast to \(2, 3\), got \(4, 2, 3\)"):
        backend.assign(x, up(backend, np.zeros((4, 2, 3))))
    with pytest.raises(ValueError, match=r"got \(2,\) and \(2, 3\)"):
        backend.assign(x, up(backend, np.zeros(2)))


def test_casting_rules(backend: ArrayAPIBackend) -> None:
    x = up(backend, [1.9, -1.9, 0.0])
    z = up(backend, [1.5 + 2j, 2j, 0j])
    cases = [
        (x, dtypes.int64, [1, -1, 0]), (x, dtypes.bool_, [True, True, False]),
        (x, dtypes.complex64, np.array([1.9, -1.9, 0], np.complex64)),
        (z, dtypes.float64, [1.5, 0, 0]), (z, dtypes.float32, [1.5, 0, 0]),
        (z, dtypes.int8, [1, 0, 0]), (z, dtypes.bool_, [True, True, False]),
        (up(backend, [True, False]), dtypes.float32, [1, 0]),
    ]  # fmt: skip
    for handle, dtype, wanted in cases:
        found = backend.cast(handle, dtype)
        assert backend.dtype_of(found) is dtype
        np.testing.assert_array_equal(backend.to_host(found), wanted)
    assert backend.cast(x, dtypes.float64) is x


def test_creation(backend: ArrayAPIBackend) -> None:
    cases = [
        (2.7, dtypes.int32, 2), (True, dtypes.int32, 1), (3, dtypes.bool_, True),
        (1, dtypes.complex64, 1 + 0j), (2j, dtypes.bool_, True), (2 + 1j, dtypes.float32, 2.0),
        (2**64 - 1, dtypes.uint64, 2**64 - 1),
    ]  # fmt: skip
    for value, dtype, wanted in cases:
        handle = backend.full((2, 0, 1), value, dtype, 0)
        assert handle.shape == (2, 0, 1)
        assert backend.dtype_of(handle) is dtype
        assert backend.to_host(backend.full((), value, dtype, 0)) == wanted
    assert backend.empty((2, 3), dtypes.int8, 0).shape == (2, 3)
    scalars = [(-1, dtypes.uint8, 255), (300, dtypes.int8, 44), (200, dtypes.int8, -56)]
    for value, dtype, wanted in scalars:
        assert backend.to_host(backend.scalar(value, dtype, 0)) == wanted
    with pytest.raises(OverflowError, match="300"):
        backend.full((), 300, dtypes.int8, 0)


def test_to_host_without_dlpack(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise BufferError("no DLPack code for this type")

    backend = OverNumpy()
    handle = up(backend, [1.0, 2.0])
    monkeypatch.setattr(np, "from_dlpack", refuse)
    assert backend.to_host(handle).tolist() == [1, 2]


@st.composite
def index_cases(draw: st.DrawFn) -> tuple[np.ndarray, tuple[Any, ...]]:
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    common = draw(st.lists(st.integers(0, 3), max_size=2))
    array = np.arange(np.prod(shape)).reshape(shape) + 1.0
    indices: list[Any] = []
    for size in shape[: draw(st.integers(1, len(shape)))]:
        if draw(st.booleans()):
            indices.append(None)
            continue
        sizes = [draw(st.sampled_from([1, n])) for n in common][draw(st.integers(0, 1)) :]
        count = int(np.prod(sizes))
        values = draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count))
        indices.append(np.array(values, dtype=np.int64).reshape(sizes))
    return array, tuple(indices)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(index_cases(), st.sampled_from([OverNumpy(), OverStrict()]))
def test_index_get_and_put_are_numpys(
    case: tuple[np.ndarray, tuple[Any, ...]], backend: ArrayAPIBackend
) -> None:
    array, indices = case
    key = tuple(slice(None) if index is None else index for index in indices)
    x = up(backend, array)
    handles = tuple(None if index is None else up(backend, index) for index in indices)
    wanted = array[key]
    found = backend.index_get(x, handles)
    np.testing.assert_array_equal(backend.to_host(found), wanted)
    values = np.arange(wanted.size, dtype=float).reshape(wanted.shape)
    put, added = array.copy(), array.copy()
    put[key] = values
    np.add.at(added, key, values)
    for accumulate, result in ((False, put), (True, added)):
        found = backend.index_put(x, up(backend, values), handles, accumulate)
        np.testing.assert_array_equal(backend.to_host(found), result)
    np.testing.assert_array_equal(backend.to_host(x), array)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data(), st.sampled_from([OverNumpy(), OverStrict()]))
def test_gather_and_scatter_are_torchs(data: st.DataObject, backend: ArrayAPIBackend) -> None:
    torch = pytest.importorskip("torch")
    shape = data.draw(st.lists(st.integers(1, 4), max_size=3))
    dim = data.draw(st.integers(0, len(shape) - 1)) if shape else 0
    sizes = [data.draw(st.integers(0, 4 if d == dim else n)) for d, n in enumerate(shape)]
    size, count = (shape[dim] if shape else 1), int(np.prod(sizes))
    chosen = data.draw(st.lists(st.integers(0, size - 1), min_size=count, max_size=count))
    index = np.array(chosen, dtype=np.int64).reshape(sizes)
    array = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    source = np.arange(100.0)[:count].reshape(sizes) + 0.5
    x, i, s = (up(backend, value) for value in (array, index, source))
    tx, ti, ts = (torch.from_numpy(np.array(value)) for value in (array, index, source))
    pairs = [
        (backend.gather(x, dim, i), tx.gather(dim, ti)),
        (backend.scatter_add(x, s, dim, i), tx.scatter_add(dim, ti, ts)),
        (backend.scatter(x, -1.0, dim, i), tx.scatter(dim, ti, -1.0)),
    ]
    if not index.ndim or np.all(np.diff(np.sort(index, axis=dim), axis=dim)):
        pairs.append((backend.scatter(x, s, dim, i), tx.scatter(dim, ti, ts)))
    for found, wanted in pairs:
        np.testing.assert_array_equal(backend.to_host(found), wanted.numpy())


def test_scatter_takes_the_front_of_a_larger_source(backend: ArrayAPIBackend) -> None:
    x, source = up(backend, np.zeros((2, 3))), up(backend, np.arange(12.0).reshape(3, 4))
    index = up(backend, [[2, 0]])
    found = backend.scatter(x, source, 1, index)
    assert backend.to_host(found).tolist() == [[1, 0, 0], [0, 0, 0]]
    found = backend.scatter_add(x, source, -2, up(backend, [[0, 1]]))
    assert backend.to_host(found).tolist() == [[0, 0, 0], [0, 1, 0]]


def test_indices_out_of_range_are_named(backend: ArrayAPIBackend) -> None:
    x = up(backend, np.zeros((2, 3)))
    ok, bad = up(backend, [[0, 1]]), up(backend, [[0, 3]])
    text = "expected an index from {low} to {}, got 3; index 3 .* dimension {} with size {n}"
    calls = [
        (2, 1, lambda: backend.gather(x, 1, bad)),
        (1, 0, lambda: backend.scatter(x, 1.0, 0, bad)),
        (2, 1, lambda: backend.scatter_add(x, 1.0, 1, bad)),
        (2, 1, lambda: backend.index_get(x, (ok, bad))),
        (1, 0, lambda: backend.index_put(x, 1.0, (bad,), False)),
    ]
    wrapping = [call for _, _, call in calls[3:]]
    for last, dim, call in calls:
        low = -(last + 1) if call in wrapping else 0  # gather and scatter count from 0 only
        with pytest.raises(IndexError, match=text.format(last, dim, n=last + 1, low=low)):
            call()
    with pytest.raises(IndexError, match="expected an index from 0 to 2, got -1"):
        backend.gather(x, 1, up(backend, [[-1]]))
    with pytest.raises(IndexError, match=r"together, got shapes \(1, 2\), \(3,\)"):
        backend.index_get(x, (ok, up(backend, [0, 0, 0])))
    with pytest.raises(IndexError, match=r"together, got shapes \(3,\), \(1, 2\)"):
        backend.index_put(x, 1.0, (up(backend, [0, 0, 0]), ok), True)


def test_nonzero_and_empty_indices(backend: ArrayAPIBackend) -> None:
    rows, columns = backend.nonzero(up(backend, [[0, 2], [3, 0]]))
    assert backend.to_host(rows).tolist() == [0, 1]
    assert backend.to_host(columns).tolist() == [1, 0]
    assert backend.dtype_of(rows) is dtypes.int64
    (found,) = backend.nonzero(up(backend, 5))
    assert backend.to_host(found).tolist() == [0]
    x = up(backend, np.zeros((0, 3)))
    empty = up(backend, np.zeros((0,), np.int64))
    assert backend.index_get(x, (empty,)).shape == (0, 3)
    assert backend.gather(x, 0, up(backend, np.zeros((0, 2), np.int64))).shape == (0, 2)
    copy = backend.index_get(x, (None,))
    assert backend.storage(copy).key != backend.storage(x).key


def test_no_warnings_in_strict() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backend = OverStrict()
        assert backend.version() == array_api_strict.__version__
        assert backend.namespace.__array_api_version__ == "2025.12"

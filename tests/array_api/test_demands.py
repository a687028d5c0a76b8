"""What the public suite asks of a namespace and other libraries fail: one test for each demand."""

from __future__ import annotations

import cmath
import inspect
import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug import array_api as xp

TYPES = tuple(xp.__array_namespace_info__().dtypes().values())


@pytest.fixture(autouse=True)
def place(device: str) -> Iterator[tp.device]:
    """Each test runs with every device as the default one."""
    with tp.device(device) as chosen:
        yield chosen


# --- objects and protocol ------------------------------------------------------------------------


def test_every_function_tells_its_signature() -> None:
    for space in (xp, xp.linalg, xp.fft):
        for name, value in vars(space).items():
            if callable(value) and not name.startswith("_") and not inspect.isclass(value):
                assert inspect.signature(value), name


def test_numbers_come_out_of_arrays_without_axes() -> None:
    assert (int(xp.asarray(3)), float(xp.asarray(2.5)), bool(xp.asarray(False))) == (3, 2.5, False)
    assert complex(xp.asarray(1 + 2j)) == 1 + 2j
    assert operator.index(xp.asarray(7, dtype=xp.uint8)) == 7
    assert cmath.isfinite(xp.asarray(1j))
    assert [10, 20][xp.asarray(1)] == 20


def test_indexing_gives_arrays_also_for_one_element() -> None:
    x = xp.asarray([[1, 2], [3, 4]])
    assert isinstance(x[0, 1], tp.Tensor)
    assert (x[0, 1].shape, int(x[0, 1])) == ((), 2)
    assert isinstance(xp.asarray(5)[()], tp.Tensor)


def test_info(place: tp.device) -> None:
    info = xp.__array_namespace_info__()
    assert info.capabilities() == {
        "boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64
    }  # fmt: skip
    assert isinstance(info.devices(), tuple)
    assert info.default_device() is place
    assert place in info.devices()
    assert tp.device("cpu") in info.devices()
    assert info.default_dtypes(device=place) == {
        "real floating": xp.float32, "complex floating": xp.complex64, "integral": xp.int64,
        "indexing": xp.int64,
    }  # fmt: skip
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {
        "bool", "uint8", "uint16", "uint32", "uint64"
    }  # fmt: skip
    assert len(info.dtypes()) == 13
    assert (
        info.dtypes(kind="integral", device=place).keys()
        > info.dtypes(kind="signed integer").keys()
    )
    with pytest.raises(ValueError, match=r"dtypes: expected kind to be one of .*, got 'float'"):
        info.dtypes(kind="float")


def test_devices_hold_every_type() -> None:
    for where in xp.__array_namespace_info__().devices():
        for dtype in TYPES:
            assert xp.ones((2,), dtype=dtype, device=where).device is where


def test_tuples_are_tuples() -> None:
    x = xp.ones((2, 3))
    assert type(xp.broadcast_arrays(x, xp.ones(3))) is tuple
    assert type(xp.meshgrid(xp.ones(2), xp.ones(3))) is tuple
    assert isinstance(xp.unstack(x), tuple)
    assert isinstance(xp.nonzero(x), tuple)
    assert type(xp.broadcast_shapes((2, 1), (3,))) is tuple
    assert xp.meshgrid() == xp.broadcast_arrays() == ()


def test_limits_are_plain_numbers() -> None:
    for dtype, real, bits in ((xp.float32, xp.float32, 32), (xp.complex128, xp.float64, 64)):
        for what in (dtype, xp.ones(1, dtype=dtype)):
            info = xp.finfo(what)
            numbers = (info.eps, info.max, info.min, info.smallest_normal)
            assert {type(number) for number in numbers} == {float}
            assert (info.dtype, info.bits) == (real, bits)
    info = xp.iinfo(xp.ones(1, dtype=xp.int16))
    assert (info.min, info.max, info.bits, info.dtype) == (-(2**15), 2**15 - 1, 16, xp.int16)
    with pytest.raises(TypeError, match="finfo: expected a dtype or an array, got 'float32'"):
        xp.finfo("float32")


# --- writing and copying -------------------------------------------------------------------------


def test_asarray_copies_as_told() -> None:
    x = xp.asarray([1, 2, 3])
    alias, copy = xp.asarray(x, copy=False), xp.asarray(x, copy=True)
    x[0] = 9
    assert (int(alias[0]), int(copy[0])) == (9, 1)
    with pytest.raises(ValueError, match=r"asarray: expected tensorplug.int64 .* copy=False"):
        xp.asarray(x, dtype=xp.float64, copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        xp.asarray([1, 2], copy=False)


def test_astype_and_to_device_copy_as_told(place: tp.device) -> None:
    x = xp.ones(2)
    assert xp.astype(x, x.dtype, copy=False) is x
    assert xp.astype(x, x.dtype) is not x
    assert xp.astype(x, xp.int8, device="cpu").device is tp.device("cpu")
    assert x.to_device(place) is x
    assert x.to_device("cpu").device is tp.device("cpu")
    with pytest.raises(ValueError, match="to_device: expected stream=None, got 1"):
        x.to_device(place, stream=1)


def test_setitem_writes_through_every_kind_of_index() -> None:
    x = xp.zeros((3, 4), dtype=xp.int64)
    x[1, ...] = xp.asarray([1, 2, 3, 4])
    x[::-2, -1] = 7
    x[x == 3] = 30
    x[xp.asarray([0, 2]), xp.asarray([0, 1])] = -1
    assert x.tolist() == [[-1, 0, 0, 7], [1, 2, 30, 4], [0, -1, 0, 7]]


def test_negative_steps_new_axes_and_ellipsis() -> None:
    x = xp.reshape(xp.arange(6), (2, 3))
    assert x[:, ::-1].tolist() == [[2, 1, 0], [5, 4, 3]]
    assert x[None, ..., 0].tolist() == [[0, 3]]
    assert x[5:0:-1, 3:0:-2].tolist() == [[5]]


def test_integer_arrays_broadcast_and_mix_with_numbers() -> None:
    x = xp.reshape(xp.arange(12), (3, 4))
    rows, columns = xp.asarray([[0], [2]]), xp.asarray([1, 3])
    assert x[rows, columns].tolist() == [[1, 3], [9, 11]]
    assert x[1, columns].tolist() == [5, 7]
    assert x[columns - 1, -1].tolist() == [3, 11]


def test_masks_of_any_rank() -> None:
    x = xp.reshape(xp.arange(6), (2, 3))
    assert x[xp.asarray(True)].shape == (1, 2, 3)
    assert x[xp.asarray(False)].shape == (0, 2, 3)
    assert x[xp.zeros((0, 3), dtype=xp.bool)].shape == (0,)
    assert x[xp.asarray([False, True])].tolist() == [[3, 4, 5]]
    with pytest.raises(IndexError, match=r"mask of shape \(2,\), got \(3,\)"):
        x[xp.ones(3, dtype=xp.bool)]
    with pytest.raises(IndexError, match="at most 2 indices"):
        x[xp.ones((2, 3, 1), dtype=xp.bool)]


def test_inplace_operators_broadcast_the_right_side() -> None:
    x = xp.ones((2, 3), dtype=xp.float64)
    alias = x
    x += xp.asarray([1.0, 2.0, 3.0], dtype=xp.float32)
    x *= 2
    assert x is alias
    assert x.tolist() == [[4, 6, 8], [4, 6, 8]]


# --- DLPack --------------------------------------------------------------------------------------


def test_export_takes_every_argument() -> None:
    for dtype in TYPES:
        x = xp.ones((2, 2), dtype=dtype)
        kind, number = x.__dlpack_device__()
        assert (int(kind), number) == (1, 0)
        for version in (None, (0, 0), (1, 0), (2, 0)):
            for copy in (None, True, False):
                capsule = x.__dlpack__(max_version=version, copy=copy, dl_device=(1, 0))
                assert "dltensor" in repr(capsule)


def test_from_dlpack(place: tp.device) -> None:
    x = xp.asarray([1.0, 2.0])
    alias, copy = xp.from_dlpack(x), xp.from_dlpack(x, copy=True)
    x[0] = 5
    assert (float(alias[0]), float(copy[0])) == (5, 1)
    for where in xp.__array_namespace_info__().devices():
        assert xp.from_dlpack(x, device=where).device is where
    array = np.ones(2)
    shared = xp.from_dlpack(array, device="cpu")
    array[0] = 3
    assert float(shared[0]) == 3


# --- values and types ----------------------------------------------------------------------------


def test_shifts_by_the_width_or_more_give_0() -> None:
    for dtype in (xp.uint8, xp.int32, xp.uint64):
        x, by = xp.asarray([1, 7], dtype=dtype), xp.asarray([64, 65], dtype=dtype)
        assert xp.bitwise_left_shift(x, by).tolist() == [0, 0]
        assert xp.bitwise_right_shift(x, by).tolist() == [0, 0]
    negative = xp.asarray([-5], dtype=xp.int8)
    assert xp.bitwise_right_shift(negative, xp.asarray([9], dtype=xp.int8)).tolist() == [-1]


def test_sorting_keeps_the_order_of_equals() -> None:
    x = xp.asarray([2, 1, 2, 1])
    assert xp.argsort(x).tolist() == [1, 3, 0, 2]
    assert xp.argsort(x, descending=True).tolist() == [0, 2, 1, 3]
    assert xp.argmax(x).tolist() == 0
    assert xp.argmin(x).tolist() == 1
    assert xp.sort(xp.asarray([3, 0, 255], dtype=xp.uint8), descending=True).tolist() == [255, 3, 0]


def test_every_nan_is_distinct() -> None:
    for x in (xp.asarray([math.nan, 1.0, math.nan]), xp.asarray([complex(0, math.nan), 1, 1])):
        found = xp.unique_all(x)
        assert found._fields == ("values", "indices", "inverse_indices", "counts")
        assert sorted(found.counts.tolist()) == ([1, 1, 1] if x.dtype is xp.float32 else [1, 2])
        again = found.values[found.inverse_indices]
        assert xp.all((again == x) | (xp.isnan(again) & xp.isnan(x)))
    square = xp.asarray([[3, 1], [3, 2]])
    found = xp.unique_all(square)
    assert found.inverse_indices.shape == (2, 2)
    assert found.indices.tolist() == [1, 3, 0]
    assert xp.unique_counts(square)._fields == ("values", "counts")
    assert xp.unique_inverse(square)._fields == ("values", "inverse_indices")


def test_isin() -> None:
    for kind in (xp.int16, xp.float64, xp.complex64):
        x, y = xp.asarray([[1, 2], [3, 4]], dtype=kind), xp.asarray([4, 1], dtype=kind)
        assert xp.isin(x, y).tolist() == [[True, False], [False, True]]
        assert xp.isin(x, y, invert=True).tolist() == [[False, True], [True, False]]
        assert xp.isin(x, xp.zeros(0, dtype=kind)).tolist() == [[False, False]] * 2
    assert xp.isin(3, xp.asarray([1, 3])).tolist() is True


def test_index_types_and_frequencies() -> None:
    x = xp.asarray([1, 3, 5], dtype=xp.int8)
    for found in (xp.searchsorted(x, x), xp.argmax(x), xp.nonzero(x)[0], xp.count_nonzero(x)):
        assert found.dtype is xp.int64
    assert xp.searchsorted(x, 4).tolist() == 2
    assert xp.searchsorted(x, 4).dtype is xp.int64
    assert xp.fft.fftfreq(4).dtype is xp.float32
    assert xp.fft.fft(xp.ones(4)).dtype is xp.complex64
    assert xp.fft.irfft(xp.ones(4, dtype=xp.complex64)).dtype is xp.float32


def test_many_axes() -> None:
    x = xp.ones((2,) + (1,) * 31, dtype=xp.int8)
    assert x.ndim == 32
    assert xp.reshape(x, (1,) * 31 + (2,)).shape[-1] == 2
    assert xp.broadcast_to(x, (2, 3) + (1,) * 30).size == 6
    assert xp.permute_dims(xp.ones((2, 3, 4)), (-1, 0, -2)).shape == (4, 2, 3)


def test_python_values_have_the_default_types() -> None:
    values = ((True, xp.bool), (0, xp.int64), (0.0, xp.float32), (0j, xp.complex64))
    for value, expected in values:
        assert xp.asarray(value).dtype is xp.full(2, value).dtype is expected
    assert xp.full(2, np.float64(3)).dtype is xp.float32


def test_linear_algebra_of_nothing() -> None:
    for dtype in (xp.float32, xp.float64, xp.complex64, xp.complex128):
        for shape in ((0, 2, 2), (0, 0), (2, 0, 0)):
            x = xp.zeros(shape, dtype=dtype)
            assert xp.linalg.det(x).shape == shape[:-2]
            assert xp.linalg.inv(x).shape == shape
            assert xp.linalg.eigh(x).eigenvalues.shape == shape[:-1]
            assert xp.linalg.cholesky(x).dtype is dtype
        for shape in ((0, 3), (3, 0), (2, 0, 3)):
            x, k = xp.zeros(shape, dtype=dtype), min(shape[-2:])
            assert xp.linalg.svd(x, full_matrices=False).S.shape == (*shape[:-2], k)
            assert xp.linalg.qr(x).Q.shape == (*shape[:-1], k)
            assert xp.linalg.pinv(x).shape == (*shape[:-2], shape[-1], shape[-2])


def test_linear_algebra_details() -> None:
    x = xp.asarray([[4.0, 1.0], [1.0, 3.0]])
    assert float(xp.linalg.cholesky(x)[0, 1]) == 0
    assert float(xp.linalg.cholesky(x, upper=True)[1, 0]) == 0
    assert float(xp.linalg.qr(x).R[1, 0]) == 0
    assert xp.linalg.eigvals(x).dtype is xp.complex64
    values = xp.linalg.svdvals(x).tolist()
    assert values == sorted(values, reverse=True)
    complex_ = xp.linalg.solve(xp.astype(x, xp.complex64), xp.ones(2))
    assert (complex_.shape, complex_.dtype) == ((2,), xp.complex64)
    assert xp.linalg.solve(xp.stack([x, x]), xp.ones(2)).shape == (2, 2)
    assert xp.linalg.trace(xp.ones((2, 3), dtype=xp.uint8), offset=1024).tolist() == 0
    assert xp.linalg.trace(xp.ones((2, 2), dtype=xp.uint8)).dtype is xp.uint64
    assert xp.linalg.vector_norm(x, axis=(), keepdims=True).shape == (2, 2)
    assert xp.linalg.vector_norm(x, ord=0).tolist() == 4
    assert xp.linalg.matrix_rank(xp.stack([x, x]), rtol=xp.asarray([0.1, 2.0])).tolist() == [2, 0]
    assert complex(xp.vecdot(xp.asarray([1j, 2.0]), xp.asarray([1j, 1.0]))) == 3


def test_gradients_flow() -> None:
    x = xp.asarray([1.0, 2.0, 4.0]).requires_grad_()
    copy = xp.asarray(x, copy=True)
    loss = xp.sum(xp.floor_divide(x, 2.0)) + xp.mean(xp.astype(copy, xp.float64)) + xp.max(x)
    loss = loss + xp.sum(xp.unique_values(x)) + xp.sum(xp.sort(x) * xp.asarray([1.0, 2.0, 3.0]))
    loss.backward()
    third = 1 / 3
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([2 + third, 3 + third, 5 + third])


# --- errors --------------------------------------------------------------------------------------

SQUARE = [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda x: xp.expand_dims(x, axis=5), IndexError, r"expand_dims: .* \[-3, 2\], got 5"),
        (lambda x: xp.expand_dims(x, axis=(0, 0)), ValueError, r"each position once, got \(0, 0"),
        (lambda x: xp.broadcast_shapes((2,), (3,)), ValueError, r"broadcast.* \(2,\) and \(3,\)"),
        (lambda x: xp.nonzero(xp.asarray(1)), ValueError, "nonzero: expected at least one axis"),
        (lambda x: xp.squeeze(x, axis=0), ValueError, r"size 1, got axis 0 of shape \(2, 2\)"),
        (lambda x: xp.take(x, xp.asarray([0])), ValueError, "axis for an array of 2 dimensions"),
        (lambda x: xp.cumulative_sum(x), ValueError, "cumulative_sum: expected axis .* of 2"),
        (lambda x: xp.argmax(xp.ones((0, 2)), axis=0), ValueError, r"shape \(0, 2\) and axis 0"),
        (lambda x: xp.argmin(xp.ones(0)), ValueError, r"argmin: .* shape \(0,\) and axis None"),
        (lambda x: xp.arange(0, 1, 0), ValueError, "step other than 0, got 0"),
        (lambda x: xp.linspace(0, 1, -1), ValueError, "num of 0 or more, got -1"),
        (lambda x: xp.meshgrid(x[0], indexing="yx"), ValueError, r"\('xy', 'ij'\), got 'yx'"),
        (lambda x: xp.searchsorted(x[0], 1, side="mid"), ValueError, "side .* got 'mid'"),
        (lambda x: xp.linalg.qr(x, mode="r"), ValueError, "mode .* got 'r'"),
        (lambda x: xp.isdtype(x.dtype, "float"), ValueError, "kind .* got 'float'"),
        (lambda x: xp.isdtype(x.dtype, 3), TypeError, "kind to be a dtype, a word .* got 3"),
        (lambda x: xp.can_cast(3, x.dtype), TypeError, "can_cast: expected a dtype .* got 3"),
        (lambda x: xp.reshape(x.T, (4,), copy=False), ValueError, "reshape: copy=False: view"),
        (lambda x: xp.sum("x"), TypeError, "sum: expected x to be a tensor, got str"),
        (lambda x: xp.matmul(x, 2), TypeError, "matmul: expected two tensors, got the number 2"),
        (lambda x: xp.sum(x, axis=2), IndexError, r"sum: .* \[-2, 1\], got 2"),
        (lambda x: xp.add(x, x=x), TypeError, "x"),
    ],
)
def test_errors(call: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call(xp.asarray(SQUARE))

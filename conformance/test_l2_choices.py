"""Where several answers suggest themselves, the one by rule: equal elements, even counts, index
tensors with slices between them, indices that are smaller than their source, sums of many halves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import array_of
from tensorplug.conformance.samples import dtypes_of

TIES = [1, 3, 3, 2, 3, 0, 4, 4]


@pytest.mark.parametrize("dtype", [tp.int64, tp.float32], ids=str)
def test_running_extremes_tell_the_last_place_of_equal_elements(device: str, dtype: Any) -> None:
    if dtype not in dtypes_of(device):
        return
    for op, values in (("cummax", TIES), ("cummin", [-v for v in TIES])):
        x = tp.tensor(values, dtype=dtype, device=device)
        found = getattr(tp, op)(x, 0)
        assert found.indices.tolist() == [0, 1, 2, 2, 4, 4, 6, 7], f"{op}: indices of {values}"
        table = getattr(tp, op)(tp.stack([x, x], 1), 0)
        assert table.indices[:, 1].tolist() == [0, 1, 2, 2, 4, 4, 6, 7], f"{op} along columns"


@pytest.mark.parametrize("dtype", [tp.int64, tp.float32, tp.float64], ids=str)
def test_the_median_of_an_even_count_is_the_lower_one(device: str, dtype: Any) -> None:
    if dtype not in dtypes_of(device):
        return
    x = tp.tensor([[7, 1, 10, 3], [8, 2, 2, 9]], dtype=dtype, device=device)
    assert tp.median(x).item() == 3, "median of all: expected the lower one of 3 and 7"
    assert tp.median(x, 1).values.tolist() == [3, 2], "median along rows"
    assert tp.median(x[0, :2]).item() == 1, "median of two elements"
    if dtype.kind == "float":
        gap = tp.tensor([7, float("nan"), 1, 10, 3], dtype=dtype, device=device)
        assert tp.nanmedian(gap).item() == 3, "nanmedian of four numbers"


INDICES = {
    "a slice in front": (slice(None), [0, 1], [1, 2]),
    "a slice between": ([0, 1], slice(None), [1, 2]),
    "slices in front and between": (slice(None), [0, 1], slice(None), [1, 3]),
    "None between": ([0, 1], None, [1, 2]),
    "None in front": (None, [0, 1], [1, 2]),
    "an ellipsis between": ([0, 1], ..., [1, 3]),
    "an ellipsis in front": (..., [0, 1], [1, 3]),
    "a table": (slice(None), [[0, 1], [1, 0]], slice(None), [[1], [3]]),
    "negative ones": (slice(None), [-1, -2], [-3, -1]),
}


@pytest.mark.parametrize("name", INDICES)
def test_index_tensors_put_their_dimensions_where_numpy_does(device: str, name: str) -> None:
    values = np.arange(3 * 4 * 3 * 4).reshape(3, 4, 3, 4)
    x = tp.tensor(values, device=device)
    plain: Any = tuple(np.array(i) if isinstance(i, list) else i for i in INDICES[name])
    index = tuple(tp.tensor(i, device=device) if isinstance(i, list) else i for i in INDICES[name])
    want, got = values[plain], x[index]
    text = f"index with {name}"
    assert tuple(got.shape) == want.shape, f"{text}: expected shape {want.shape}, got {got.shape}"
    assert array_of(got).tolist() == want.tolist(), text
    if "in_place" in tp.device(device).capabilities:
        mine = values.copy()
        mine[plain] = -1 - np.arange(want.size).reshape(want.shape)
        y = x.clone()
        y[index] = tp.tensor(-1 - np.arange(want.size).reshape(want.shape), device=device)
        assert array_of(y).tolist() == mine.tolist(), f"assignment to an {text}"


def test_gather_takes_the_rows_and_columns_of_its_index(device: str) -> None:
    values = np.arange(12).reshape(3, 4)
    x = tp.tensor(values, device=device)
    for dim, index in ((0, [[2, 0], [1, 1]]), (1, [[3, 0, 1], [2, 2, 0]]), (0, [[1, 2, 0]])):
        places = np.array(index)
        got = tp.gather(x, dim, tp.tensor(index, device=device))
        cut = tuple(slice(0, n) if d != dim else slice(None) for d, n in enumerate(places.shape))
        want = np.take_along_axis(values[cut], places, dim)
        assert got.tolist() == want.tolist(), f"gather along {dim} with an index {places.shape}"


@pytest.mark.parametrize("dtype", [tp.float16, tp.bfloat16], ids=str)
def test_many_narrow_floats_for_one_place_add_up_exactly(device: str, dtype: Any) -> None:
    if dtype not in dtypes_of(device):
        return
    ones, zeros = tp.ones(4096, dtype=dtype, device=device), tp.zeros(2, dtype=dtype, device=device)
    index = tp.zeros(4096, dtype=tp.int64, device=device)
    found = {
        "index_add": tp.index_add(zeros, 0, index, ones),
        "scatter_add": tp.scatter_add(zeros, 0, index, ones),
        "index_put": tp.index_put(zeros, (index,), ones, accumulate=True),
        "scatter_reduce": tp.scatter_reduce(zeros, 0, index, ones, "sum"),
    }
    for name, got in found.items():
        assert got.tolist() == [4096, 0], f"{name} of 4096 ones of {dtype}: got {got.tolist()}"


@pytest.mark.parametrize("dtype", [tp.float16, tp.bfloat16], ids=str)
def test_long_products_of_narrow_floats_add_up_in_a_wider_type(device: str, dtype: Any) -> None:
    if dtype not in dtypes_of(device):
        return
    x = tp.ones(2, 4096, dtype=dtype, device=device)
    found = {
        "matmul": x @ x.t(),
        "matmul of a vector": x @ x[0],
        "linear": tp.nn.functional.linear(x, x),
        "matmul of batches": (x[None] @ x.t()[None])[0],
        "einsum": tp.einsum("ik,jk->ij", x, x),
    }
    for name, got in found.items():
        assert set(array_of(got).reshape(-1).tolist()) == {4096.0}, f"{name} of 4096 ones ({dtype})"


@pytest.mark.parametrize("op", ["std", "var"])
def test_one_element_has_no_spread(device: str, op: str) -> None:
    one = tp.tensor([[2.0], [3.0]], device=device)
    assert np.isnan(array_of(getattr(tp, op)(one[0]))), f"{op} of one element: expected nan"
    assert np.isnan(array_of(getattr(tp, op)(one, 1))).all(), f"{op} along a dimension of size 1"
    got = getattr(tp, op)(one, 1, correction=0)
    assert got.tolist() == [0, 0], f"{op} of one element without correction"


@pytest.mark.parametrize("op", ["cumsum", "cumprod", "logcumsumexp"])
def test_scans_follow_the_dimension_and_not_the_memory(device: str, op: str) -> None:
    values = np.arange(1.0, 10.0, dtype=np.float32).reshape(3, 3)
    x = tp.tensor(values, device=device)
    for dim in (0, 1):
        want = getattr(tp, op)(tp.tensor(np.ascontiguousarray(values.T), device=device), dim)
        got = getattr(tp, op)(x.t(), dim)
        assert got.tolist() == want.tolist(), f"{op} of a transposed matrix along {dim}"

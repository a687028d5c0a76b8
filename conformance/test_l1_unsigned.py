"""The wide unsigned types, where a device has them: made, cast, exchanged, saved, moved.

They are in few of PyTorch's functions, so that no other test tries them; where one is not declared
it is refused, like any other.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import refuses
from tensorplug.conformance.reference import same
from tensorplug.conformance.samples import UNSIGNED, dtypes_of, other_devices, supports


def values_of(dtype: DType) -> np.ndarray:
    """Small ones, the signs of the signed type of this width, and the largest."""
    top = int(tp.iinfo(dtype).max)
    return np.array([0, 1, 2, 200, top // 2, top // 2 + 1, top - 1, top], dtype.numpy)


@pytest.fixture(params=UNSIGNED, ids=lambda dtype: dtype.name)
def dtype(request: pytest.FixtureRequest, device: str) -> Any:
    """Each that the device declares; of the others, that they are refused."""
    if not supports(device, request.param):
        refuses(device, "zeros", 2, dtype=request.param, words=(request.param.name,))
        tp.zeros(2, dtype=request.param, device=device)  # raises: counted as not supported
    return request.param


def test_wide_unsigned_values_are_kept(device: str, dtype: DType) -> None:
    a = values_of(dtype)
    ways = {
        "tensor of an array": tp.tensor(a, device=device),
        "tensor of numbers": tp.tensor(a.tolist(), dtype=dtype, device=device),
        "as_tensor": tp.as_tensor(a, device=device),
        "to": tp.tensor(a).to(device),
        "clone": tp.tensor(a, device=device).clone(),
        "flip of a view": tp.tensor(a, device=device)[::-1].flip(0),
    }
    for how, x in ways.items():
        text = f"{how} of {dtype} on {device}"
        assert (x.dtype, str(x.device)) == (dtype, device), f"{text}: {x.dtype}, {x.device}"
        assert same(x, a), f"{text}: expected {a.tolist()}, got {x.tolist()}"
    assert tp.full((3,), 7, dtype=dtype, device=device).tolist() == [7, 7, 7]
    assert tp.arange(3, dtype=dtype, device=device).tolist() == [0, 1, 2]


def test_wide_unsigned_types_are_cast(device: str, dtype: DType) -> None:
    a = values_of(dtype)
    x = tp.tensor(a, device=device)
    for other in [*dtypes_of(device), *(d for d in UNSIGNED if supports(device, d))]:
        with np.errstate(all="ignore"):
            want = a.astype(other.numpy)
        got = x.to(other)
        assert got.dtype is other, f"{dtype} to {other} on {device}: got {got.dtype}"
        assert same(got, want), f"{dtype} to {other} on {device}: {want} expected, got {got}"
        few = np.array([0, 1, 2, 100], np.float64).astype(other.numpy)
        back = tp.tensor(few, device=device).to(dtype)
        plain = few.real if few.dtype.kind == "c" else few
        want = plain.astype(dtype.numpy)
        assert back.tolist() == want.tolist(), f"{other} to {dtype} on {device}"


@pytest.mark.needs("dlpack_export", "dlpack_import")
def test_wide_unsigned_types_are_exchanged(device: str, dtype: DType) -> None:
    a = values_of(dtype)
    x = tp.tensor(a, device=device)
    got = tp.from_dlpack(x)
    assert (got.dtype, str(got.device)) == (dtype, device), f"from_dlpack of {dtype} on {device}"
    assert same(got.clone(), a), f"from_dlpack of {dtype} on {device}: {a} expected, got {got}"


@pytest.mark.parametrize("form", ["torch", "safetensors", "pickle"])
def test_wide_unsigned_types_come_back_from_files(device: str, dtype: DType, form: str) -> None:
    a = values_of(dtype)
    x = tp.tensor(a, device=device)
    if form == "pickle":
        got = pickle.loads(pickle.dumps({"x": x}))["x"]
    else:
        file = io.BytesIO()
        tp.save({"x": x}, file, format=form)
        file.seek(0)
        got = tp.load(file, map_location=device)["x"]
    assert (got.dtype, str(got.device)) == (dtype, device), f"{dtype} of {device} in {form}"
    assert same(got, a), f"{dtype} of {device} in {form}: expected {a}, got {got.tolist()}"


def test_wide_unsigned_types_are_moved(device: str, dtype: DType) -> None:
    a = values_of(dtype)
    x = tp.tensor(a, device=device)
    for other in other_devices(device):
        if supports(other, dtype):
            there = x.to(other)
            assert same(there, a), f"{dtype} from {device} to {other}: {there.tolist()}"
            assert same(there.to(device), a), f"{dtype} from {other} to {device}"

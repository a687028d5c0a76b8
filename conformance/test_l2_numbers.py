"""Numbers keep all of their digits: where they fill tensors, count ranges, cross to the device and
back, are operands of tensors, or become too small for normal floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import floats_of
from tensorplug.conformance.reference import array_of
from tensorplug.conformance.samples import dtypes_of

LONG = (2**53 + 1, -(2**53) - 1, 2**61 + 3, 9007199254740995, 123456789012345678)
"""Whole numbers that float64 cannot hold."""


def has(device: str, dtype: DType) -> bool:
    return dtype in dtypes_of(device)


@pytest.mark.parametrize("number", LONG)
def test_long_whole_numbers_fill_tensors(device: str, number: int) -> None:
    if not has(device, tp.int64):
        return
    x = tp.zeros(3, dtype=tp.int64, device=device)
    made = {
        "full": tp.full((3,), number, dtype=tp.int64, device=device),
        "full_like": tp.full_like(x, number),
        "new_full": x.new_full((3,), number),
        "tensor": tp.tensor([number] * 3, device=device),
        "scalar_tensor": tp.scalar_tensor(number, dtype=tp.int64, device=device).expand(3),
        "to": tp.tensor([number] * 3).to(device),
        "add": x + number,
        "where": tp.where(x == 0, number, x),
    }
    if "in_place" in tp.device(device).capabilities:
        made["fill_"] = x.clone().fill_(number)
        made["setitem"] = x.clone()
        made["setitem"][:] = number
        made["masked_fill_"] = x.clone().masked_fill_(x == 0, number)
    for name, got in made.items():
        assert got.tolist() == [number] * 3, f"{name}: expected {number}, got {got.tolist()}"


@pytest.mark.parametrize("number", [0.1, 1 / 3, -2.5e300, 1e-310, 16777217.0])
def test_floats_fill_tensors_with_all_their_digits(device: str, number: float) -> None:
    for dtype in (tp.float64, tp.float32):
        if not has(device, dtype):
            continue
        x = tp.zeros(3, dtype=dtype, device=device)
        with np.errstate(all="ignore"):
            want = float(number if dtype is tp.float64 else np.float32(number))
        if not np.isfinite(want):
            continue
        made = {
            "full": tp.full((3,), number, dtype=dtype, device=device),
            "full_like": tp.full_like(x, number),
            "tensor": tp.tensor([number] * 3, dtype=dtype, device=device),
        }
        if "in_place" in tp.device(device).capabilities:
            made["fill_"] = x.clone().fill_(number)
            made["setitem"] = x.clone()
            made["setitem"][1:] = number
            made["setitem"][0] = number
        for name, got in made.items():
            found = array_of(got).tolist()
            text = f"{name} of {dtype}: expected {want!r}, got {found}"
            if abs(want) >= 2.0**-126:  # others may be flushed on their way
                assert found == [want] * 3, text


@pytest.mark.parametrize(("start", "end", "step"), [(0, 3000, 0.1), (-5, 400, 0.7), (1, 90, 0.001)])
def test_long_ranges_are_counted_and_not_summed_up(
    device: str, start: float, end: float, step: float
) -> None:
    for dtype in (tp.float32, tp.float64):
        if not has(device, dtype):
            continue
        got = array_of(tp.arange(start, end, step, dtype=dtype, device=device))
        want = start + np.arange(len(got)) * step
        off = np.abs(got - want).max()
        bound = max(abs(start), abs(end)) * tp.finfo(dtype).eps * 2
        assert off <= bound, (
            f"arange({start}, {end}, {step}) of {dtype}: off by {off}, at most {bound}"
        )


def test_ranges_of_whole_numbers_are_exact(device: str) -> None:
    if has(device, tp.int64):
        got = tp.arange(2**53 + 1, 2**53 + 20, 3, device=device).tolist()
        assert got == list(range(2**53 + 1, 2**53 + 20, 3)), f"arange of large numbers: got {got}"


def test_zero_keeps_its_sign_as_a_number(device: str) -> None:
    for dtype in floats_of(device):
        x = tp.ones(2, dtype=dtype, device=device)
        made: dict[str, Any] = {
            "full": tp.full((2,), -0.0, dtype=dtype, device=device),
            "full_like": tp.full_like(x, -0.0), "new_full": x.new_full((2,), -0.0),
            "fill_": x.clone().fill_(-0.0), "tensor": tp.tensor([-0.0, -0.0], dtype=dtype,
                                                                device=device),
            "where": tp.where(x > 0, -0.0, x), "masked_fill": x.masked_fill(x > 0, -0.0),
            "mul": x * -0.0, "clamp": tp.clamp(x, max=-0.0), "copysign": tp.copysign(x, -0.0) * 0,
            "scalar": tp.scalar_tensor(-0.0, dtype=dtype, device=device),
        }  # fmt: skip
        y = x.clone()
        y[:] = -0.0
        for name, got in {**made, "setitem": y}.items():
            signs = np.signbit(np.asarray(array_of(got), np.float64))
            assert signs.all(), f"{name} of -0.0 as {dtype} on {device}: got {got}"


@pytest.mark.parametrize("dtype", [tp.float32, tp.float64, tp.float16], ids=str)
def test_results_may_be_subnormal(device: str, dtype: Any) -> None:
    if not has(device, dtype) or tp.device(device).backend.compiles:
        return  # compilers flush them, and say so
    tiny = float(tp.finfo(dtype).tiny)
    x = tp.tensor([tiny, -tiny, tiny * 1.5], dtype=dtype, device=device)
    results = {"mul": x * 0.5, "div": x / 2, "sub": x * 1.25 - x, "add": x * 0.25 + x * 0.25}
    shares = {"mul": 0.5, "div": 0.5, "sub": 0.25, "add": 0.5}
    for name, got in results.items():
        want = [v * shares[name] for v in array_of(x).tolist()]
        assert array_of(got).tolist() == want, f"{name}: subnormal {dtype} {want}"


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "pow", "maximum"])
def test_results_with_numbers_are_of_the_type_they_say(device: str, op: str) -> None:
    for dtype in dtypes_of(device):
        if dtype.kind != "float":
            continue
        x = tp.tensor([1.5, 2.25, 3.0], dtype=dtype, device=device)
        number = 0.1
        results = {
            "a 0-d tensor": getattr(tp, op)(x, tp.tensor(number, dtype=dtype, device=device))
        }
        if op != "maximum":
            results["a number"] = getattr(tp, op)(x, number)
        for name, got in results.items():
            text = f"{op} of {dtype} and {name}"
            assert got.dtype is dtype, f"{text}: got {got.dtype}"
            size = got.untyped_storage().nbytes()
            assert size == 3 * dtype.itemsize, (
                f"{text}: expected {3 * dtype.itemsize} bytes of it, got {size}"
            )
            kind = got.detach().cpu().numpy().dtype
            assert kind == dtype.numpy, f"{text}: its values are {kind}"

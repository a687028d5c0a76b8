"""Every pattern of 16 bits, and nan with every payload, through casts and exact functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import floats_of
from tensorplug.conformance.samples import dtypes_of

pytestmark = pytest.mark.shared

WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def every(dtype: DType, device: str) -> np.ndarray:
    """All numbers of a type of 16 bits, without those that compilers flush to zero."""
    numbers = np.arange(1 << 16, dtype=np.uint16).view(dtype.numpy)
    if not tp.device(device).backend.compiles:
        return numbers
    flushed = (wide(numbers) != 0) & (np.abs(wide(numbers)) < 2.0**-126)
    kept: np.ndarray = numbers[~flushed]
    return kept


def nans(dtype: DType) -> np.ndarray:
    """Both signs, quiet and signalling: one bit of the payload, all of them, the lowest ones."""
    info = tp.finfo(dtype)
    bits, mantissa = 8 * dtype.itemsize, round(-np.log2(float(info.eps)))
    payloads = [1 << k for k in range(mantissa)]
    payloads += [(1 << k) - 1 for k in range(2, mantissa + 1)]
    payloads += [((1 << mantissa) - 1) ^ (1 << k) for k in range(mantissa - 1)]
    exponent = ((1 << (bits - 1 - mantissa)) - 1) << mantissa
    words = [sign | exponent | p for p in payloads for sign in (0, 1 << (bits - 1))]
    return np.array(words, WORDS[dtype.itemsize]).view(dtype.numpy)


@np.errstate(all="ignore")
def wide(array: np.ndarray) -> np.ndarray:
    """As float64; NumPy itself reports signalling nan."""
    return array.astype(np.float64)


@np.errstate(all="ignore")
def differences(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Where two arrays of floats differ, the signs of zeros included and those of nan not."""
    same = (got == want) & (np.signbit(got) == np.signbit(want))
    found: np.ndarray = ~(same | (np.isnan(got) & np.isnan(want)))
    return found


def test_nan_of_every_payload_stays_nan(device: str) -> None:
    for source in floats_of(device):
        a = nans(source)
        assert np.isnan(wide(a)).all(), "the patterns of this test"
        x = tp.tensor(a, device=device)
        for target in floats_of(device):
            for text, found in {
                f"{source} to {target}": x.to(target),
                f"copy_ of {source} into {target}": tp.zeros(
                    len(a), dtype=target, device=device
                ).copy_(x),
            }.items():
                lost = a[~found.isnan().cpu().numpy()]
                assert not lost.size, (
                    f"{text} on {device}: nan {lost.view(WORDS[source.itemsize])[0]:#x} is no nan"
                )
        assert x.isnan().all().item(), f"isnan of {source} on {device}"
        assert x.to(tp.bool).all().item(), f"nan of {source} to bool on {device}"
        assert not (x == x).any().item(), f"nan of {source} equals itself on {device}"


def test_all_numbers_of_16_bits_become_wider_exactly(device: str) -> None:
    for source in floats_of(device):
        if source.itemsize != 2:
            continue
        a = every(source, device)
        for target in floats_of(device):
            got = tp.tensor(a, device=device).to(target).cpu().numpy()
            with np.errstate(all="ignore"):
                want = a.astype(np.float32).astype(target.numpy)
            wrong = differences(wide(got), wide(want))
            assert not wrong.any(), (
                f"{source} to {target} on {device}: {a[wrong][0]!r} gave {got[wrong][0]!r}, "
                f"expected {want[wrong][0]!r} ({int(wrong.sum())} are wrong)"
            )


def _between(dtype: DType) -> np.ndarray:
    """Numbers in the middle between two of the type, and a little to either side."""
    words = np.arange((1 << 16) - 1, dtype=np.uint16)
    one, two = (x.view(dtype.numpy).astype(np.float32) for x in (words, words + np.uint16(1)))
    kept = np.isfinite(one) & np.isfinite(two) & (np.sign(one) == np.sign(two))
    middle = (one[kept].astype(np.float64) + two[kept]) / 2
    exact = middle.astype(np.float32)
    exact = exact[np.abs(exact) >= 2.0**-120]
    near = [np.nextafter(exact, np.float32(side)) for side in (-np.inf, np.inf)]
    return np.concatenate([exact, *near])


def test_roundings_to_16_bits_go_to_the_nearest_and_ties_to_even(device: str) -> None:
    floats = floats_of(device)
    for target in floats:
        if target.itemsize != 2 or tp.float32 not in floats:
            continue
        a = _between(target)
        got = tp.tensor(a, device=device).to(target).cpu().numpy()
        with np.errstate(all="ignore"):
            want = a.astype(target.numpy)
        wrong = differences(wide(got), wide(want))
        assert not wrong.any(), (
            f"float32 to {target} on {device}: {a[wrong][0]!r} gave {got[wrong][0]!r}, expected "
            f"{want[wrong][0]!r} ({int(wrong.sum())} are wrong)"
        )


UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": np.negative, "abs": np.abs, "floor": np.floor, "ceil": np.ceil,
    "trunc": np.trunc, "round": np.round, "relu": lambda a: np.maximum(a, 0),
    "isfinite": np.isfinite, "isinf": np.isinf, "isnan": np.isnan, "signbit": np.signbit,
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_exact_functions_of_all_numbers_of_16_bits(device: str, name: str) -> None:
    for dtype in floats_of(device):
        if dtype.itemsize != 2:
            continue
        a = every(dtype, device)
        got = getattr(tp, name)(tp.tensor(a, device=device)).cpu().numpy()
        with np.errstate(all="ignore"):
            want = UNARY[name](wide(a))
        wrong = (wide(got) != want) & ~(np.isnan(want) & np.isnan(wide(got)))
        assert not wrong.any(), (
            f"{name} of {dtype} on {device}: {a[wrong][0]!r} gave {got[wrong][0]!r}, expected "
            f"{want[wrong][0]!r}"
        )


def test_all_bytes_become_every_other_type(device: str) -> None:
    types = dtypes_of(device)
    every = np.arange(256, dtype=np.uint8)
    some = np.arange(-(2**15), 2**15, 97, dtype=np.int16)
    for source, a in ((tp.uint8, every), (tp.int8, every.view(np.int8)), (tp.int16, some)):
        if source not in types:
            continue
        for target in types:
            got = tp.tensor(a, device=device).to(target).cpu().numpy()
            with np.errstate(all="ignore"):
                want = (a != 0) if target is tp.bool else a.astype(target.numpy)
            wrong = got != want
            assert not wrong.any(), (
                f"{source} to {target} on {device}: {a[wrong][0]!r} gave {got[wrong][0]!r}"
            )

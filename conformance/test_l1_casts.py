"""Casts and copies to the last bit: rounding, overflow, signs of zero, payloads of nan, what the
bytes of booleans are, at sizes beyond and beside those of vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import few, floats_of
from tensorplug.conformance.samples import dtypes_of, supports

pytestmark = pytest.mark.shared

SIZES = (1, 7, 8, 9, 31, 33, 1025)
"""Around the sizes of vectors, and beyond one block."""

EDGES: dict[str, list[float]] = {
    "bool": [0, 1],
    "uint": [0, 1, 2, 127, 128, 200, 255],
    "int": [0, 1, -1, 100, 127, -128],
    "float": [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 100.25, -100.75, 126.9, 2.0**-14],
    "complex": [0.0, 1.0, -1.0, 0.5, 2.5, -100.75],
}
"""Values that all types hold in some form; negative ones are left out where they are undefined."""


def edges(source: DType, target: DType) -> np.ndarray:
    """Values of one type whose cast to the other is defined."""
    values = np.array(EDGES[source.kind], np.float64)
    if source.is_inexact and target.kind == "uint":
        values = np.abs(values)
    array: np.ndarray = values.astype(source.numpy)
    return array + np.asarray(0.5j).astype(source.numpy) if source.is_complex else array


def cast(array: np.ndarray, target: DType) -> np.ndarray:
    with np.errstate(all="ignore"):
        real = array.dtype.kind == "c" and not target.is_complex and target is not tp.bool
        found: np.ndarray = (array.real if real else array).astype(target.numpy)
    return found


def raw(array: np.ndarray) -> np.ndarray:
    """The bits of each element."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint8).reshape(flat.size, -1)


def check_bits(x: tp.Tensor, want: np.ndarray, text: str) -> None:
    got = x.cpu().numpy()
    assert got.shape == want.shape, f"{text}: expected shape {want.shape}, got {got.shape}"
    assert got.dtype == want.dtype, f"{text}: expected {want.dtype}, got {got.dtype}"
    wrong = np.argwhere((raw(got) != raw(want)).any(1))
    if len(wrong):
        at = int(wrong[0, 0])
        one, other = want.reshape(-1)[at], got.reshape(-1)[at]
        pytest.fail(f"{text}: expected {one!r} at {at}, got {other!r} ({len(wrong)} are wrong)")


def check_values(x: tp.Tensor, want: np.ndarray, text: str) -> None:
    """As :func:`check_bits`, but any nan will do for a nan."""
    got = x.cpu().numpy()
    if want.dtype.kind == "c":
        got, want = (part.view(part.real.dtype) for part in map(np.ascontiguousarray, (got, want)))
    if got.dtype == want.dtype and got.shape == want.shape and want.dtype.kind not in "biu":
        got = np.where(np.isnan(got) & np.isnan(want), want, got)
    check_bits(tp.tensor(got), want, text)


# --- casts ----------------------------------------------------------------------------------------


def test_casts_at_every_size_and_stride(device: str, thorough: bool) -> None:
    """The whole table of types."""
    for source in dtypes_of(device):
        targets = few(device, enumerate(dtypes_of(device)), thorough)
        for number, target in targets:
            values = edges(source, target)
            sizes = SIZES if thorough else (SIZES[number % 7], SIZES[(number + 3) % 7])
            for size in sizes:
                a = np.resize(values, 2 * size + 1)
                x = tp.tensor(a, device=device)
                every = (("", x[:size], a[:size]), ("[1::2]", x[1::2], a[1::2]),
                         ("[::-1]", x[::-1], a[::-1]))  # fmt: skip
                for how, view, part in every[-1:] if tp.device(device).backend.compiles else every:
                    text = f"x{how}.to({target}) of {source}, {size} elements, on {device}"
                    check_bits(view.to(target), cast(part, target), text)


def test_a_cast_into_a_view_is_the_same_cast(device: str) -> None:
    for source in dtypes_of(device):
        for target in few(device, dtypes_of(device), False):
            if source.is_complex and not target.is_complex:
                continue
            a = np.resize(edges(source, target), 6)
            base = np.ones((6, 3), target.numpy)
            x = tp.tensor(base, device=device)
            x[:, 1].copy_(tp.tensor(a, device=device))
            base[:, 1] = cast(a, target)
            check_bits(x, base, f"x[:, 1].copy_({source}) into {target} on {device}")


def test_large_whole_numbers_do_not_pass_through_floats(device: str) -> None:
    top = 2**63 - 1
    values = np.array([2**53 + 1, -(2**53) - 1, top, -top, -top - 1, 2**31, 2**32 + 1, 2**24 + 1])
    x = tp.tensor(values, device=device)
    for target in dtypes_of(device):
        if not target.is_complex:
            check_bits(x.to(target), cast(values, target), f"{target} of {values} on {device}")
    check_bits(x.clone().reshape(2, 4).T, values.reshape(2, 4).T, f"a copy on {device}")
    if supports(device, tp.int32):
        narrow = np.array([2**31 - 1, -(2**31), 2**24 + 1, -(2**24) - 1], np.int32)
        x = tp.tensor(narrow, device=device)
        for target in few(device, dtypes_of(device), False, one_of=3):
            if not target.is_complex:
                check_bits(x.to(target), cast(narrow, target), f"{target} of {narrow}")


def test_narrow_floats_round_and_overflow(device: str) -> None:
    """To nearest, ties to even; beyond the largest number infinity; subnormals too."""
    for source in floats_of(device):
        for target in floats_of(device):
            if source.itemsize <= target.itemsize:
                continue
            info = tp.finfo(target)
            eps, top, tiny = float(info.eps), float(info.max), float(info.tiny)
            values = [1 + k * eps / 4 for k in range(9)] + [-1 - k * eps / 4 for k in range(9)]
            values += [top, top * (1 + eps / 8), top * (1 + eps), -top * 2, tiny, -tiny]
            values += [np.inf, -np.inf, np.nan, 0.0, -0.0]
            a = cast(np.array(values), source)
            got, want = tp.tensor(a, device=device).to(target).cpu().numpy(), cast(a, target)
            same = (got == want) | (np.isnan(got) & np.isnan(want))
            same &= (np.signbit(got) == np.signbit(want)) | np.isnan(want)
            text = f"{source} to {target} on {device}"
            assert same.all(), f"{text}: {a[~same]} gave {got[~same]}, expected {want[~same]}"


def test_casts_to_bool_and_of_bool(device: str) -> None:
    for dtype in dtypes_of(device):
        values: list[Any] = [0, 1, 2, 3] + [-1, -2] * (dtype.kind != "uint")
        values = [0, 1] if dtype is tp.bool else values
        if dtype.is_inexact:
            values += [0.5, -0.0, np.nan, np.inf, -np.inf, float(tp.finfo(dtype).tiny)]
        a = np.array(values).astype(dtype.numpy)
        if dtype.is_complex:
            a = np.append(a, np.asarray([1j, -0.5j], a.dtype))
        x = tp.tensor(a, device=device)
        for how, got in (
            ("x.to(bool)", x.to(tp.bool)), ("x.bool()", x.bool()), ("x != 0", x != 0),
            ("into a view", tp.zeros(2 * len(a), dtype=tp.bool, device=device)[::2].copy_(x)),
        ):  # fmt: skip
            check_bits(got, a != 0, f"{how} of {dtype} {a} on {device}")
        back = x.to(tp.bool).to(dtype)
        check_bits(back, (a != 0).astype(dtype.numpy), f"{dtype} of booleans on {device}")


def bytes_of(x: tp.Tensor) -> set[int]:
    return set(x.clone().view(tp.uint8).reshape(-1).tolist())


TRUTHS: dict[str, Callable[[tp.Tensor], tp.Tensor]] = {
    "x > 0": lambda x: x > 0, "x != 0": lambda x: x != 0, "to": lambda x: x.to(tp.bool),
    "logical_not": tp.logical_not, "logical_and": lambda x: tp.logical_and(x, x),
    "invert": lambda x: ~(x > 0), "xor": lambda x: (x > 0) ^ (x > 1), "any": lambda x: x.any(0),
    "all": lambda x: x.all(0), "isnan": lambda x: tp.isnan(x.float()), "eq": lambda x: x == x,
    "copy_": lambda x: tp.zeros(x.shape, dtype=tp.bool, device=x.device).copy_(x),
    "fill_": lambda x: tp.zeros(3, dtype=tp.bool, device=x.device).fill_(7),
    "full": lambda x: tp.full((3,), 5, dtype=tp.bool, device=x.device),
    "setitem": lambda x: _set(tp.zeros(x.shape, dtype=tp.bool, device=x.device), x),
    "or_": lambda x: (x > 0).bitwise_or_(x > 1), "maximum": lambda x: tp.maximum(x > 0, x > 1),
    "add": lambda x: (x > 0) + (x > 1), "mul": lambda x: (x > 0) * (x > 1),
    "add_": lambda x: (x > 0).add_(x > 1), "where": lambda x: tp.where(x > 1, x > 0, x != 0),
    "cummax": lambda x: tp.cummax(x > 0, 0).values, "sort": lambda x: tp.sort(x > 0, 0).values,
    "tensor": lambda x: tp.tensor([2, 0, -1], dtype=tp.bool, device=x.device),
    "isin": lambda x: tp.isin(x, x), "signbit": tp.signbit, "masked": lambda x: (x > 0)[x > 1],
}  # fmt: skip


def _set(x: tp.Tensor, values: tp.Tensor) -> tp.Tensor:
    x[...] = values
    return x


@pytest.mark.parametrize("name", TRUTHS)
def test_booleans_are_bytes_of_0_and_1(device: str, name: str) -> None:
    x = tp.tensor(np.arange(-4, 36).reshape(10, 4) * 64, device=device)
    got = TRUTHS[name](x)
    assert got.dtype is tp.bool, f"{name} on {device}: expected bool, got {got.dtype}"
    assert bytes_of(got) <= {0, 1}, f"{name} on {device}: bytes {bytes_of(got)} in a bool tensor"


# --- copies ---------------------------------------------------------------------------------------

COPIES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "clone": (lambda x: x.clone(), lambda a: a),
    "contiguous": (lambda x: x.mT.contiguous().mT, lambda a: a),
    "cpu": (lambda x: x.cpu(), lambda a: a),
    "to, copy": (lambda x: x.to(x.device, copy=True), lambda a: a),
    "index": (lambda x: x[[1, 0, 2]], lambda a: a[[1, 0, 2]]),
    "slice": (lambda x: x[::-1, ::2].clone(), lambda a: a[::-1, ::2]),
    "cat": (lambda x: tp.cat([x, x[:1]]), lambda a: np.concatenate([a, a[:1]])),
    "stack": (lambda x: tp.stack([x, x], 1), lambda a: np.stack([a, a], 1)),
    "where": (lambda x: tp.where(x == x, x, x), lambda a: a),
    "flip": (lambda x: x.flip(0), lambda a: a[::-1]),
    "roll": (lambda x: tp.roll(x, 1, 0), lambda a: np.roll(a, 1, 0)),
    "repeat": (lambda x: x.repeat(1, 2), lambda a: np.tile(a, (1, 2))),
    "copy_": (lambda x: tp.zeros_like(x).copy_(x), lambda a: a),
    "setitem": (lambda x: _set(tp.zeros_like(x), x), lambda a: a),
    "gather": (
        lambda x: tp.gather(x, 0, tp.zeros(1, x.shape[1], dtype=tp.int64, device=x.device)),
        lambda a: a[:1],
    ),
    "mask": (lambda x: x[tp.tensor([True, False, True], device=x.device)], lambda a: a[[0, 2]]),
    "expand": (lambda x: x[:1].expand(3, -1).clone(), lambda a: np.repeat(a[:1], 3, 0)),
}


WHOLE = ("clone", "contiguous", "cpu", "to, copy", "copy_", "setitem")
"""What moves tensors as they are; the rest may give another nan for a nan."""


def odd_bits(dtype: DType) -> np.ndarray:
    """Elements of every kind: zeros with signs, nan with payloads, subnormals, extremes."""
    size = {"float16": 2, "bfloat16": 2, "float32": 4, "float64": 8}.get(dtype.name)
    if dtype is tp.bool:
        return np.arange(33) % 3 != 1
    if size is None:
        rng = np.random.default_rng(0)
        count = 33 * dtype.itemsize
        if not dtype.is_inexact:
            return rng.integers(0, 256, count, np.uint8).view(dtype.numpy)
        kind = np.float32 if dtype.itemsize == 8 else np.float64
        parts = rng.choice(np.array([0.0, -0.0, np.nan, np.inf, -1.5]), 66).astype(kind)
        return parts.view(dtype.numpy)
    quiet, mantissa = {"float16": (0x7E00, 10), "bfloat16": (0x7FC0, 7)}.get(
        dtype.name, (0x7FC00000, 23) if size == 4 else (0x7FF8000000000000, 52)
    )
    sign = 1 << (8 * size - 1)
    codes = [0, sign, quiet, quiet + 5, sign + quiet, sign + quiet + 9, quiet - (1 << mantissa - 1),
             1, 3, sign + 1, (1 << mantissa) - 1, 1 << mantissa]  # fmt: skip
    unsigned = np.array(codes, np.uint64).astype(f"u{size}")
    return np.resize(unsigned, 33).view(dtype.numpy)


@pytest.mark.parametrize("way", COPIES)
def test_copies_keep_every_bit(device: str, way: str) -> None:
    copy, model = COPIES[way]
    for dtype in few(device, dtypes_of(device), False, one_of=3):
        a = odd_bits(dtype).reshape(3, 11)
        x = tp.tensor(a, device=device)
        check = check_bits if way in WHOLE else check_values
        check(copy(x), model(a), f"{way} of {dtype} on {device}")
        check_bits(x, a, f"the source of {way} of {dtype} on {device}")


MOVES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "clone": (lambda x: x.clone(), lambda a: a),
    "to, copy": (lambda x: x.to(x.device, copy=True), lambda a: a),
    "copy_": (lambda x: tp.zeros_like(x).copy_(x), lambda a: a),
    "reversed": (lambda x: x[::-1].clone(), lambda a: a[::-1]),
    "steps": (lambda x: x[::2].contiguous(), lambda a: a[::2]),
    "cat": (lambda x: tp.cat([x[:1], x]), lambda a: np.concatenate([a[:1], a])),
    "cumsum": (lambda x: x.cumsum(0), lambda a: a.cumsum()),
    "x + x": (lambda x: x + x, lambda a: a + a),
    "x * 3": (lambda x: x * 3, lambda a: a * 3),
    "add_": (lambda x: x.clone().add_(1), lambda a: a + 1),
    "fill_": (lambda x: x.clone().fill_(7), lambda a: np.full_like(a, 7)),
    "x > 2": (lambda x: x > 2, lambda a: a > 2),
    "where": (lambda x: tp.where(x > 2, x, -x), lambda a: np.where(a > 2, a, -a)),
    "sum": (lambda x: x.sum(), lambda a: a.sum()),
    "max": (lambda x: x.max(), lambda a: a.max()),
    "argmax": (lambda x: x.argmax(), lambda a: np.asarray(a.argmax())),
    "sort": (lambda x: tp.sort(-x).values, lambda a: np.sort(-a)),
    "shifted": (lambda x: _set(x.clone(), x) if len(x) < 2 else _shifted(x.clone()),
                lambda a: np.concatenate([a[:1], a[:-1]])),
}  # fmt: skip


def _shifted(x: tp.Tensor) -> tp.Tensor:
    x[1:] = x[:-1]
    return x


@pytest.mark.parametrize("move", MOVES)
def test_every_element_of_every_size(device: str, move: str, thorough: bool) -> None:
    """Nothing is left over at the ends of vectors and blocks."""
    run, model = MOVES[move]
    for size in few(device, [*SIZES, 4097], thorough):
        a = np.arange(1, size + 1)
        got, want = run(tp.tensor(a, device=device)).cpu().numpy(), model(a)
        assert got.shape == want.shape, f"{move} of {size} elements on {device}: {got.shape}"
        wrong = np.argwhere(got != want)
        at = tuple(int(i) for i in wrong[0]) if len(wrong) else ()
        assert not len(wrong), (
            f"{move} of arange(1, {size + 1}) on {device}: expected {want[at]} at {at}, got "
            f"{got[at]} ({len(wrong)} elements are wrong)"
        )


# --- what is refused ------------------------------------------------------------------------------


def test_a_type_that_is_none_is_refused(device: str) -> None:
    x = tp.ones(2, device=device)
    for wrong in ("nosuchtype", 3, object()):
        with pytest.raises((TypeError, RuntimeError, ValueError)):
            x.to(dtype=wrong)
        assert x.tolist() == [1, 1], f"to(dtype={wrong!r}) on {device} changed its argument"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**70])
def test_numbers_beyond_the_largest_type_are_refused(device: str, number: int) -> None:
    with pytest.raises((OverflowError, RuntimeError, ValueError, TypeError)):
        tp.tensor([1, number], dtype=tp.int64, device=device)
    assert tp.ones(2, device=device).sum().item() == 2


def test_an_element_that_is_no_number_of_the_type_is_refused(device: str) -> None:
    x = tp.zeros(2, device=device)
    for wrong in ("a", None, [1, 2, 3], 1j):
        with pytest.raises((TypeError, RuntimeError, ValueError)):
            x[0] = wrong
        with pytest.raises((TypeError, RuntimeError, ValueError)):
            x.fill_(wrong)
        with pytest.raises((TypeError, RuntimeError, ValueError)):
            x[x == 0] = wrong
    assert x.tolist() == [0, 0]

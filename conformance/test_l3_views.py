"""Views: which elements they show is found out by numbering the elements of their base, so that
every function that gives a view is tested, alone and over other views.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import few
from tensorplug.conformance.reference import Call
from tensorplug.conformance.samples import (
    Case,
    Sample,
    first_cases,
    samples_of,
    supports,
    tensors_in,
)
from tensorplug.conformance.test_l3_layouts import LAYOUTS

pytestmark = [pytest.mark.needs("in_place"), pytest.mark.shared]


def run(case: Case, sample: Sample, device: str) -> Any:
    with tp.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case.public.call(*sample.args, **sample.kwargs)


def shares(out: tp.Tensor, x: tp.Tensor) -> bool:
    return bool(out.numel() and x.numel() and out.untyped_storage() == x.untyped_storage())


def viewing() -> Iterator[Case]:
    """Functions that give views of their first argument on cpu."""
    for case in first_cases(lambda p: not p.random and p.name != "as_strided"):
        written = case.dtype.is_complex or case.public.name.endswith("_")
        samples = [] if written else samples_of(case.public, "cpu", case.dtype)
        if any(_views(case, sample, "cpu") for sample in samples):
            yield case


def _views(case: Case, sample: Sample, device: str) -> list[tp.Tensor]:
    """The results that show the first argument."""
    first = sample.args[0] if sample.args else None
    if not isinstance(first, tp.Tensor):
        return []
    return [
        out
        for out in tensors_in([run(case, sample, device)])
        if shares(out, first) and not out.dtype.is_complex
    ]


def host(x: tp.Tensor) -> np.ndarray:
    found: np.ndarray = x.cpu().numpy()
    return found


def positions(x: tp.Tensor) -> np.ndarray:
    """The values as whole numbers."""
    return host(x).astype(np.int64)


def check_view(view: tp.Tensor, base: tp.Tensor, fails: Callable[[str], str]) -> None:
    """Writes to either are seen through the other, and nowhere else; ``base`` is all the memory,
    and its elements have their own positions as values.
    """
    places = positions(view)
    count = base.numel()
    assert places.size == 0 or (0 <= places.min() <= places.max() < count), fails("foreign values")
    single = len(np.unique(places)) == places.size
    if single:
        view.copy_(tp.tensor(-1 - np.arange(places.size).reshape(places.shape), device=view.device))
        want = np.arange(count)
        want[places.reshape(-1)] = -1 - np.arange(places.size)
        got = positions(base).reshape(-1)
        assert np.array_equal(got, want), fails(f"after a write to it: expected {want}, got {got}")
    base.copy_(tp.tensor(np.arange(count).reshape(base.shape) * 3 + 1, device=base.device))
    got, want = positions(view), places * 3 + 1
    assert np.array_equal(got, want), fails(
        f"after a write to its base: expected {want}, got {got}"
    )
    if single and places.size:
        at = tuple(size - 1 for size in places.shape)
        view[at] = -5
        want = np.arange(count) * 3 + 1
        want[places[at]] = -5
        got = positions(base).reshape(-1)
        assert np.array_equal(got, want), fails(
            f"after a write to {at}: expected {want}, got {got}"
        )


def _told(call: Call, kind: str, text: str) -> str:
    return call.fails(f"{kind}: {text}")


def numbered(x: tp.Tensor, kind: str) -> tuple[tp.Tensor, tp.Tensor]:
    """A tensor of the shape of ``x``, in a layout, over memory that holds its own positions."""
    view, base = LAYOUTS[kind](x)
    base.copy_(tp.tensor(np.arange(base.numel()).reshape(base.shape), device=base.device))
    return view, base


@pytest.mark.cases(make=viewing)
def test_views_show_their_base_and_are_written_through(
    case: Case, device: str, thorough: bool
) -> None:
    for sample in few(device, samples_of(case.public, device, case.dtype), thorough, one_of=3):
        for kind in few(device, LAYOUTS, thorough, one_of=3):
            if not sample.args or not isinstance(sample.args[0], tp.Tensor):
                continue
            x, base = numbered(sample.args[0], kind)
            laid = Sample((x, *sample.args[1:]), sample.kwargs)
            call = Call(case, laid, device)
            try:
                count = len(_views(case, laid, device))
            except RuntimeError:
                assert case.public.name.startswith("view"), call.fails("refused")
                continue
            for number in range(count):
                x, base = numbered(sample.args[0], kind)
                view = _views(case, Sample((x, *sample.args[1:]), sample.kwargs), device)[number]
                check_view(view, base, partial(_told, call, kind))


# --- chains ---------------------------------------------------------------------------------------

STEPS: dict[str, Callable[[Any], Any]] = {
    "x[1:]": lambda x: x[1:],
    "x[..., :-1]": lambda x: x[..., :-1],
    "x[::2]": lambda x: x[::2],
    "x[..., ::-1]": lambda x: x[..., ::-1],
    "x[-1:]": lambda x: x[-1:],
    "x.T": lambda x: x.T,
    "x[:, None]": lambda x: x[:, None],
    "x[0]": lambda x: x[0],
    "diagonal": lambda x: x.diagonal(),
    "flat": lambda x: x.reshape(-1),
}
"""Steps for tensors and for NumPy arrays; those that an array cannot take are left out."""


def _apply(steps: tuple[str, ...], x: Any) -> Any:
    for name in steps:
        x = STEPS[name](x)
    return x


def chains(length: int, seed: int, count: int) -> list[tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    names = list(STEPS)
    return [tuple(names[int(i)] for i in rng.integers(0, len(names), length)) for _ in range(count)]


def test_chains_of_views_are_laid_out_and_written_through(device: str, thorough: bool) -> None:
    """Views of views of views against NumPy's: values, strides, offsets, and writes."""
    every = chains(3, 0, 60) + chains(5, 1, 200 if thorough else 40)
    for steps in few(device, every, thorough, one_of=12):
        a = np.arange(120).reshape(4, 5, 6)
        try:
            model = _apply(steps, a)
        except (IndexError, ValueError):
            continue
        if not np.shares_memory(model, a) or not model.size:
            continue
        if not model.flags.writeable:  # NumPy's diagonals
            model = np.lib.stride_tricks.as_strided(model, writeable=True)
        x = tp.tensor(a, device=device)
        view = _apply(steps, x)
        text = f"{' -> '.join(steps)} of a (4, 5, 6) tensor on {device}"
        check_layout(view, model, a, text)
        check_view(view, x, partial("{}: {}".format, text))


def check_layout(view: tp.Tensor, model: np.ndarray, base: np.ndarray, text: str) -> None:
    """Shape, strides and offset are those of an array that is a view of ``base``."""
    assert tuple(view.shape) == model.shape, f"{text}: expected {model.shape}, got {view.shape}"
    got = tuple(
        step if size > 1 else 0 for size, step in zip(view.shape, view.stride(), strict=True)
    )
    steps = zip(model.shape, model.strides, strict=True)
    want = tuple(step // model.itemsize if size > 1 else 0 for size, step in steps)
    assert got == want, f"{text}: expected strides {want}, got {view.stride()}"
    start = model.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    offset = view.storage_offset()
    assert offset == start // model.itemsize, (
        f"{text}: expected offset {start // model.itemsize}, got {offset}"
    )
    dense = model.flags.c_contiguous
    assert view.is_contiguous() == dense, f"{text}: expected is_contiguous() to be {dense}"


# --- other types over the same memory -------------------------------------------------------------


BITCASTS = (
    (tp.float32, tp.int32), (tp.int64, tp.float64), (tp.int16, tp.uint8), (tp.float64, tp.int32),
    (tp.uint8, tp.int16), (tp.float32, tp.complex64),
)  # fmt: skip
DENSE: dict[str, Callable[[Any], Any]] = {
    "x": lambda x: x, "x[1:]": lambda x: x[1:], "x[:, 4:]": lambda x: x[:, 4:],
}  # fmt: skip


@pytest.mark.parametrize("how", DENSE)
def test_another_type_over_the_same_memory(device: str, how: str) -> None:
    for one, two in BITCASTS:
        if not (supports(device, one) and supports(device, two)):
            continue
        a = np.arange(24).astype(one.numpy).reshape(3, 8)
        x = tp.tensor(a, device=device)
        view, model = DENSE[how](x).view(two), DENSE[how](a).view(two.numpy)
        text = f"{how}.view({two}) of {one} on {device}"
        assert host(view).tobytes() == model.tobytes(), f"{text}: expected {model}, got {view}"
        check_layout(view, model, a, text)
        view[0, 0] = 7
        model[0, 0] = 7
        assert host(x).tobytes() == a.tobytes(), f"{text}: a write is not seen: {x}"
        x[-1, -1] = 5
        a[-1, -1] = 5
        same = host(view).tobytes() == model.tobytes()
        assert same, f"{text}: does not see a write to its base: {view}"


def test_parts_of_complex_numbers(device: str) -> None:
    for dtype in (tp.complex64, tp.complex128):
        if not supports(device, dtype):
            continue
        a = (np.arange(6) + 1j * np.arange(6, 12)).astype(dtype.numpy).reshape(2, 3)
        x = tp.tensor(a, device=device)
        x.real[0] = -1
        x.imag[:, 1].mul_(2)
        x.T.imag[2] = 0
        tp.view_as_real(x)[1, 0, 1] = 9
        a.real[0] = -1
        a.imag[:, 1] *= 2
        a.T.imag[2] = 0
        a.imag[1, 0] = 9
        assert x.tolist() == a.tolist(), f"{dtype} on {device}: expected {a}, got {x.tolist()}"
        pairs = tp.view_as_real(x)
        tp.view_as_complex(pairs)[0, 0] = 3 - 4j
        assert x[0, 0].item() == 3 - 4j, f"view_as_complex on {device}: a write was lost"


PAIRED: dict[str, Callable[[Any], Any]] = {
    "x[::2]": lambda x: x[::2], "x[:, 1:]": lambda x: x[:, 1:], "x[1:, ::3]": lambda x: x[1:, ::3],
    "x.swapaxes(0, 1)": lambda x: x.swapaxes(0, 1), "x[2]": lambda x: x[2],
    "x[..., 2:4]": lambda x: x[..., 2:4], "x[None, :, 1]": lambda x: x[None, :, 1],
}  # fmt: skip
"""Layouts of pairs: only the two numbers of a pair need to lie side by side."""


@pytest.mark.parametrize("how", PAIRED)
def test_pairs_in_any_layout_are_complex_numbers_without_a_copy(device: str, how: str) -> None:
    """Writes to the numbers, and to their parts, are seen in the memory of the pairs."""
    for dtype in (tp.complex64, tp.complex128):
        if not supports(device, dtype):
            continue
        width = 2 if "..." not in how else 4
        part = dtype.to_real()
        a = np.arange(5.0 * 7 * width).astype(part.numpy).reshape(5, 7, width)
        x = tp.tensor(a, device=device)
        numbers = tp.view_as_complex(PAIRED[how](x))
        pairs = PAIRED[how](a)
        want = pairs[..., 0] + 1j * pairs[..., 1]
        text = f"view_as_complex({how}) of {dtype} on {device}"
        assert host(numbers).tolist() == want.tolist(), f"{text}: expected {want}, got {numbers}"
        strides = tuple(step // (2 * a.itemsize) for step in pairs.strides[:-1])
        got = numbers.stride()
        same = all(g == s or n == 1 for g, s, n in zip(got, strides, want.shape, strict=True))
        assert same, f"{text}: expected strides {strides}, got {got}"
        again = tp.view_as_real(numbers)
        numbers.fill_(-3 + 4j)
        pairs[...] = (-3, 4)
        assert host(x).tolist() == a.tolist(), f"{text}: a write is lost: got {x}, expected {a}"
        again[..., 1] = 9
        numbers.real.mul_(2)
        pairs[...] = (-6, 9)
        assert host(x).tolist() == a.tolist(), f"{text}: a part is lost: got {x}, expected {a}"
        x.zero_()
        assert not host(numbers).any(), f"{text}: a write to its base is not seen: got {numbers}"


# --- lifetime -------------------------------------------------------------------------------------


def test_views_outlive_their_base(device: str) -> None:
    for make in (lambda x: x[1:], lambda x: x.T[::2], lambda x: x.view(-1), lambda x: x.detach(),
                 lambda x: x[1:][0][::-1], lambda x: x.expand(2, 4, 5)):  # fmt: skip
        x = tp.tensor(np.arange(20, dtype=np.float32).reshape(4, 5), device=device)
        view, want = make(x), make(tp.tensor(np.arange(20, dtype=np.float32).reshape(4, 5)))
        del x
        other = [tp.full((4, 5), -1.0, device=device) for _ in range(4)]
        assert view.tolist() == want.tolist(), f"a view on {device} lost its memory"
        assert all(float(y.sum().item()) == -20 for y in other)


# --- what is refused ------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[tp.Tensor], Any]] = {
    "view of gaps": lambda x: x[:, ::2].view(-1),
    "view of a transpose": lambda x: x.T.view(20),
    "view of another size": lambda x: x.view(3, 7),
    "view of two unknowns": lambda x: x.view(-1, -1),
    "view of a type that does not fit": lambda x: x[:, :3].view(tp.float64),
    "view as a type, not dense": lambda x: x.T.view(tp.float64),
    "expand of a full dimension": lambda x: x.expand(8, 5),
    "expand to fewer dimensions": lambda x: x.expand(5),
    "as_strided beyond": lambda x: x.as_strided((5, 5), (5, 1)),
    "as_strided, offset beyond": lambda x: x.as_strided((2,), (1,), 19),
    "as_strided before": lambda x: x.as_strided((2,), (1,), -1),
    "as_strided, sizes and strides": lambda x: x.as_strided((2, 2), (1,)),
    "permute twice": lambda x: x.permute(0, 0),
    "permute of fewer": lambda x: x.permute(0),
    "transpose beyond": lambda x: x.transpose(0, 2),
    "unsqueeze beyond": lambda x: x.unsqueeze(4),
    "select beyond": lambda x: x.select(0, 4),
    "narrow beyond": lambda x: x.narrow(1, 3, 3),
    "narrow of a negative length": lambda x: x.narrow(1, 3, -1),
    "diagonal of one dimension": lambda x: x.diagonal(0, 1, 1),
    "unfold beyond": lambda x: x.unfold(0, 5, 1),
    "split of other sizes": lambda x: x.split([2, 3]),
    "unflatten of another size": lambda x: x.unflatten(0, (3, 2)),
    "too many indices": lambda x: x[0, 0, 0],
    "two ellipses": lambda x: x[..., 0, ...],
    "a step of 0": lambda x: x[::0],
    "a fraction as an index": lambda x: x[1.5],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_views_that_cannot_be(device: str, kind: str) -> None:
    a = np.arange(20, dtype=np.float32).reshape(4, 5)
    x = tp.tensor(a, device=device)
    with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)) as caught:
        REFUSED[kind](x)
    same = x.tolist() == a.tolist(), tuple(x.shape), x.stride(), x._version
    assert same == (True, (4, 5), (5, 1), 0), f"{kind} on {device}: {caught.value!r}, but changed"
    assert x.sum().item() == 190, f"{kind}: {device} is unusable afterwards"

"""Every function gives the same result however its arguments lie in memory, reads only what it was
given and writes nowhere.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS, Public
from tensorplug.conformance.checks import few
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import (
    Case,
    Sample,
    first_cases,
    samples_of,
    types_of,
)

pytestmark = pytest.mark.needs("in_place")

Laid = tuple[tp.Tensor, tp.Tensor]
"""A tensor with the values of another in memory of its own, and the whole of that memory."""


def noise(shape: Any, x: tp.Tensor) -> tp.Tensor:
    """Memory that holds other values than any sample: what must not be read."""
    whole = np.full(shape, 77).astype(x.dtype.numpy)
    if x.dtype is tp.bool:
        whole = np.arange(whole.size).reshape(shape) % 3 != 1
    return tp.tensor(whole, device=x.device)


def behind(x: tp.Tensor) -> Laid:
    """Contiguous, but not at the start of the memory, nor where vectors are aligned."""
    base = noise((x.numel() + 4,), x)
    return base[3:-1].view(x.shape), base


def gaps(x: tp.Tensor) -> Laid:
    """Every second element along every dimension."""
    base = noise([2 * size + 1 for size in x.shape], x)
    return base[tuple(slice(1, None, 2) for _ in x.shape)] if x.ndim else base, base


def rows(x: tp.Tensor) -> Laid:
    """Rows with elements side by side, part of wider rows."""
    base = noise([*x.shape[:-1], *(size + 3 for size in x.shape[-1:])], x)
    return base[..., 1:-2] if x.ndim else base, base


def turned(x: tp.Tensor) -> Laid:
    """The first dimension is the one with elements side by side."""
    base = noise(tuple(x.shape)[::-1], x)
    return base.permute(tuple(range(x.ndim))[::-1]), base


def columns(x: tp.Tensor) -> Laid:
    """Matrices that lie column by column."""
    if x.ndim < 2:
        return behind(x)
    base = noise((*x.shape[:-2], x.shape[-1], x.shape[-2]), x)
    return base.mT, base


def backwards(x: tp.Tensor) -> Laid:
    """Every dimension has a negative stride."""
    base = noise(x.shape, x)
    return base[tuple(slice(None, None, -1) for _ in x.shape)] if x.ndim else base, base


LAYOUTS: dict[str, Callable[[tp.Tensor], Laid]] = {
    f.__name__: f for f in (behind, gaps, rows, turned, columns, backwards)
}


def laid(x: tp.Tensor, kind: str) -> Laid:
    """The values of ``x`` in another layout; the gradient's graph stays behind."""
    view, base = LAYOUTS[kind](x.detach())
    view.copy_(x.detach())
    return view, base


def settled(case: Case, sample: Sample, device: str) -> Any:
    """What is determined of the result."""
    with tp.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case.public.tested(*sample.args, **sample.kwargs)


def arrays(value: Any) -> Any:
    if isinstance(value, tp.Tensor):
        return array_of(value)
    if isinstance(value, tp.Size):
        return value
    if isinstance(value, (list, tuple)):
        return [arrays(item) for item in value]
    return value


def identical(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are equal; nan equals nan."""
    return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


STRICT = ("view", "view_as", "view_as_complex")
"""What may refuse a layout, as it must not copy."""


def plain(public: Public) -> bool:
    """Whether a function's result depends on values alone, and it changes none of them."""
    layout_too = public.name in ("as_strided", "empty_like")
    return not (public.random or public.name.endswith("_") or layout_too)


def once() -> Iterator[Case]:
    return first_cases(plain)


def other_types() -> Iterator[Case]:
    """Functions with one of the types that they take besides the first."""
    for public in filter(plain, FUNCTIONS.values()):
        others = types_of(public)[1:]
        if others:
            yield Case(public, others[zlib.crc32(public.qualname.encode()) % len(others)])


def check_layouts(case: Case, device: str, kinds: list[str], thorough: bool) -> None:
    """Each sample with all its tensors laid out in each way."""
    for sample in few(device, samples_of(case.public, device, case.dtype), thorough, one_of=3):
        if any(x.numel() for x in sample.tensors()):
            want = arrays(settled(case, sample.map(lambda x: x.detach().clone()), device))
            for kind in kinds:
                _check_layout(case, device, sample, want, kind)


def _check_layout(case: Case, device: str, sample: Sample, want: Any, kind: str) -> None:
    bases: list[tp.Tensor] = []

    def change(x: tp.Tensor) -> tp.Tensor:
        view, base = laid(x, kind)
        bases.append(base)
        return view

    again = sample.map(change)
    call = Call(case, again, device)
    before = [array_of(base) for base in bases]
    try:
        got = settled(case, again, device)
    except RuntimeError:
        if case.public.name in STRICT:
            return
        raise
    problem = compare(got, want, case.dtype)
    where = f"with arguments laid out by {kind!r}"
    assert problem is None, call.fails(f"{where}: {problem}", "the same values, contiguous")
    for base, old in zip(bases, before, strict=True):
        assert identical(old, array_of(base)), call.fails(f"{where}: memory was written to")


@pytest.mark.cases(make=once)
def test_results_do_not_depend_on_the_layout(case: Case, device: str, thorough: bool) -> None:
    check_layouts(case, device, few(device, LAYOUTS, thorough, one_of=6), thorough)


@pytest.mark.cases(make=other_types)
def test_results_of_other_types_do_not_depend_on_the_layout(
    case: Case, device: str, thorough: bool
) -> None:
    start = zlib.crc32(repr(case).encode()) % len(LAYOUTS)
    kinds = [*LAYOUTS, *LAYOUTS][start : start + (6 if thorough else 2)]
    check_layouts(case, device, few(device, kinds, thorough), thorough)


def spread() -> Iterator[Case]:
    """Functions that take values of any kind, so that some of them may be equal."""
    families = ("UNARY", "BINARY", "COMPARE", "TERNARY", "REDUCE")
    return first_cases(lambda p: plain(p) and p.row is not None and p.row.family.name in families)


@pytest.mark.cases(make=spread)
def test_expanded_arguments_count_as_often_as_they_are_seen(case: Case, device: str) -> None:
    for sample in few(device, samples_of(case.public, device, case.dtype), False, one_of=3):
        wide = sample.map(lambda x: x.detach()[:1].expand(x.shape) if x.ndim and len(x) else x)
        call = Call(case, wide, device)
        want = arrays(settled(case, wide.map(lambda x: x.clone()), device))
        problem = compare(settled(case, wide, device), want, case.dtype)
        assert problem is None, call.fails(f"expanded: {problem}", "the same values, contiguous")

"""``out=``: every function writes into memory of any layout, nowhere else, and not before it has
read its arguments.
"""

from __future__ import annotations

import inspect
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.conformance.checks import error_of, few
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import Case, Sample, first_cases, samples_of
from tensorplug.conformance.test_l3_layouts import LAYOUTS, identical, noise

pytestmark = pytest.mark.needs("in_place")


def takes_out() -> Iterator[Case]:
    return first_cases(lambda p: not p.random and "out" in inspect.signature(p.call).parameters)


def run(case: Case, sample: Sample, device: str, **kwargs: Any) -> Any:
    with tp.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return case.public.call(*sample.args, **{**sample.kwargs, **kwargs})


def single(case: Case, device: str) -> Iterator[tuple[Sample, tp.Tensor]]:
    """Samples whose result is one tensor with elements, and that result."""
    for sample in samples_of(case.public, device, case.dtype):
        want = run(case, sample, device)
        if type(want) is tp.Tensor and want.numel():
            yield sample, want.clone()


def rotated(start: int, count: int) -> list[str]:
    """So many of the layouts, beginning anywhere."""
    names = list(LAYOUTS)
    return [names[(start + i) % len(names)] for i in range(count)]


@pytest.mark.cases(make=takes_out)
def test_out_may_lie_in_memory_in_any_way(case: Case, device: str, thorough: bool) -> None:
    count = 6 if thorough else 2
    for number, (sample, want) in enumerate(few(device, single(case, device), thorough, one_of=6)):
        start = number + zlib.crc32(repr(case).encode())
        for kind in few(device, rotated(start, count), thorough):
            call = Call(case, sample, device)
            out, base = LAYOUTS[kind](want)
            model, whole = LAYOUTS[kind](want)
            model.copy_(want)
            got = run(case, sample, device, out=out)
            where = f"out= laid out by {kind!r}"
            assert got is out, call.fails(f"{where}: expected it as the result, got {got!r}")
            problem = compare(out, array_of(want), want.dtype)
            assert problem is None, call.fails(f"{where}: {problem}", "the result without out=")
            problem = compare(base, array_of(whole), want.dtype)
            assert problem is None, call.fails(f"{where}: the memory around it: {problem}")


@pytest.mark.cases(make=takes_out)
def test_an_out_that_overlaps_an_argument_comes_after_it(case: Case, device: str) -> None:
    """The result is right, or the call is refused and changes nothing: ``out=`` is an argument, or
    begins one element after it, or one before it. Elementwise functions take their own arguments.
    """
    for sample, want in few(device, single(case, device), False, one_of=8):
        for at, arg in enumerate(sample.args):
            fits = isinstance(arg, tp.Tensor) and (arg.shape, arg.dtype) == (want.shape, want.dtype)
            for shift in (0, 1, -1) if fits else ():
                _check_overlap(case, device, sample, want, at, shift)


def _check_overlap(
    case: Case, device: str, sample: Sample, want: tp.Tensor, at: int, shift: int
) -> None:
    arg = sample.args[at].detach()
    base = noise((arg.numel() + 2,), arg)
    source = base[1:-1].view(arg.shape)
    out = base[1 + shift : 1 + shift + arg.numel()].view(arg.shape)
    source.copy_(arg)
    before = [array_of(x) for x in (base, *sample.tensors())]
    args = (*sample.args[:at], source, *sample.args[at + 1 :])
    call = Call(case, Sample(args, sample.kwargs), device)
    where = f"out= begins {shift} elements after argument {at}"
    error = error_of(lambda: run(case, Sample(args, sample.kwargs), device, out=out))
    if error is not None:
        row = case.public.row
        may = shift != 0 or row is None or not row.family.elementwise
        assert may, call.fails(f"{where}: {error!r}")
        assert identical(before[0], array_of(base)), call.fails(f"{where}: refused, but written to")
    else:
        problem = compare(out, array_of(want), want.dtype)
        assert problem is None, call.fails(f"{where}: {problem}", "the result without out=")
    rest = zip(before[1:], sample.tensors(), strict=True)
    same = all(identical(old, array_of(x)) for old, x in rest)
    assert same, call.fails(f"{where}: another argument was modified")


@pytest.mark.cases(make=takes_out)
def test_an_expanded_out_is_refused(case: Case, device: str) -> None:
    for sample, want in single(case, device):
        narrow = tp.zeros((), dtype=want.dtype, device=device)
        wide = narrow.expand(want.shape)
        if want.numel() < 2:
            continue
        call = Call(case, sample, device)
        with pytest.raises(RuntimeError) as caught:
            run(case, sample, device, out=wide)
        assert not narrow.any().item(), call.fails(f"{caught.value!r}, but wrote to out=")
        assert tp.ones(2, device=device).sum().item() == 2, call.fails(f"{device} is unusable")
        break


@pytest.mark.cases(make=takes_out)
def test_what_is_no_tensor_is_no_out(case: Case, device: str) -> None:
    for sample, _ in single(case, device):
        before = [array_of(x) for x in sample.tensors()]
        for wrong in ("text", 3.0, [1.0]):
            with pytest.raises(TypeError, match="out"):
                run(case, sample, device, out=wrong)
        same = all(identical(a, array_of(x)) for a, x in zip(before, sample.tensors(), strict=True))
        assert same, Call(case, sample, device).fails("an argument was modified")
        break

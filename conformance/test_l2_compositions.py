"""A kernel gives what the composition gives that it replaces, whoever provides it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS, Public
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import (
    DTYPES,
    Case,
    Sample,
    map_tensors,
    samples_of,
    supports,
    takes,
)


def replaced(device: str) -> Iterator[Case]:
    """The functions that have a composition here and do not use it, each with one type."""
    where = tp.device(device)
    for public in FUNCTIONS.values():
        row = public.row
        if row is None or public.random or {row.needs} - where.capabilities - {""}:
            continue
        if row.generic is None or not where.F.provides(row.name):
            continue
        types = [dtype for dtype in DTYPES if supports(device, dtype) and takes(public, dtype)]
        wide = [t for t in types if t in (tp.float32, tp.complex64)] or types
        yield from (Case(public, dtype) for dtype in wide[:1] if chosen(row.name, device))


def chosen(name: str, device: str) -> bool:
    """Few of them where each costs two compilations; others on the next device."""
    return (
        not tp.device(device).backend.compiles or zlib.crc32(f"{name} {device}".encode()) % 8 == 0
    )


def run(public: Public, sample: Sample, device: str) -> Any:
    with tp.device(device):
        return public.tested(*sample.args, **sample.kwargs)


def test_kernels_equal_the_compositions_that_they_replace(device: str) -> None:
    where, problems = tp.device(device), []
    for case in replaced(device):
        few = 1 if where.backend.compiles else None
        for sample in samples_of(case.public, device, case.dtype)[:few]:
            got = run(case.public, sample, device)
            with where.F.composing(case.public.row.name):
                want = map_tensors(run(case.public, sample, device), array_of)
            problem = compare(got, want, case.dtype)
            if problem is not None:
                problems.append(Call(case, sample, device).fails(problem, "the composition"))
    text = "\n".join(problems)
    assert not text, text

"""Kernels of ``cpu`` give arrays, also of 0-d arrays, of which NumPy's functions make numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import ROWS
from tensorplug.backends.errors import KernelNotFound
from tensorplug.conformance.samples import Case, Sample, cases, samples_of, tensors_in

CPU = tp.device("cpu")
DTYPES = (tp.bool, tp.uint8, tp.int64, tp.float16, tp.bfloat16, tp.float32, tp.complex64,
          tp.complex128)  # fmt: skip
REFUSALS = (RuntimeError, TypeError, ValueError, IndexError)


def _wrong(result: Any) -> bool:
    items = result if isinstance(result, (tuple, list)) else [result]
    return any(isinstance(item, np.generic) for item in items)


class Watch:
    """Wraps kernels; notes those that make a NumPy number of arrays."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.called: set[str] = set()

    def wrap(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any) -> Any:
            result = kernel(*args)
            self.called.add(name)
            numbers = any(isinstance(arg, np.generic) for arg in args)
            if _wrong(result) and not numbers:
                shapes = [getattr(arg, "shape", arg) for arg in args]
                dtypes = [str(arg.dtype) for arg in args if hasattr(arg, "dtype")]
                self.found.add(f"{name} of {dtypes[:1]} {shapes}")
            return result

        return watched


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Every kernel of the device, as ops call it, under watch."""
    watcher = Watch()
    for name, row in ROWS.items():
        with contextlib.suppress(KernelNotFound, AttributeError):
            kernel = row.kernels[CPU]
            monkeypatch.setitem(row.kernels, CPU, watcher.wrap(name, kernel))
            monkeypatch.setattr(CPU.F, name, watcher.wrap(name, getattr(CPU.F, name)))
    return watcher


def _calls(case: Case) -> Iterator[Sample]:
    """The function's samples, and the same with all tensors 0-d."""
    for sample in samples_of(case.public, "cpu", case.dtype):
        yield sample
        yield sample.map(lambda x: x.reshape(-1)[0].clone() if x.numel() else x.sum())


def _results(case: Case, sample: Sample) -> Iterator[tp.Tensor]:
    """What the call gives, and the gradients of its inputs."""
    sample = sample.map(lambda x: x.requires_grad_(x.dtype.is_inexact))
    found = tensors_in([case.public.call(*sample.args, **sample.kwargs)])
    yield from found
    for out in found:
        if out.requires_grad:
            out.backward(tp.ones_like(out), retain_graph=True)
    yield from (x.grad for x in sample.tensors() if x.grad is not None)


def test_every_kernel_gives_arrays(watch: Watch) -> None:
    numbers: set[str] = set()
    for case in cases(lambda dtype: dtype in DTYPES):
        for sample in _calls(case):
            with contextlib.suppress(*REFUSALS):
                for tensor in _results(case, sample):
                    if not isinstance(tensor._h, np.ndarray):
                        numbers.add(f"{case}({sample}): {type(tensor._h).__name__}")
    assert not watch.found, "\n".join(sorted(watch.found))
    assert not numbers, "\n".join(sorted(numbers))
    assert len(watch.called) > 200

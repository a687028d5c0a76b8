"""Which public functions run which lines of the NumPy backend, found out by tracing them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import tensorplug as tp
from tensorplug.conformance.samples import cases, samples_of, tensors_in

from .mutants import CHAIN, source

__all__ = ["reach"]

Lines = dict[tuple[str, int], set[str]]


def reach() -> Lines:
    """By module and line: the qualified names of the functions whose samples run it."""
    found: Lines = {}
    files = {str(source(name)): name for name in CHAIN}
    for case in cases():
        for sample in samples_of(case.public, "cpu", case.dtype):
            with traced(files, found, case.public.qualname):
                _run(case.public.call, sample)
    return found


def _run(call: Callable[..., Any], sample: Any) -> None:
    """Forward and, where it can be, backward."""
    leaves = [x for x in sample.tensors() if x.dtype.is_inexact]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for x in leaves:
                x.requires_grad_()
            found = call(*sample.args, **sample.kwargs)
            outs = [x for x in tensors_in(found) if x.requires_grad]
            if outs:
                tp.autograd.grad(sum(x.abs().sum() for x in outs), leaves, allow_unused=True)
        except Exception:
            return


class traced:
    """A context that notes the lines of some files."""

    def __init__(self, files: dict[str, str], found: Lines, name: str) -> None:
        self.files, self.found, self.name = files, found, name

    def __enter__(self) -> None:
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        return self._line if frame.f_code.co_filename in self.files else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "line":
            key = (self.files[frame.f_code.co_filename], frame.f_lineno)
            self.found.setdefault(key, set()).add(self.name)
        return self._line

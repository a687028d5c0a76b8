"""Names outside the operator database: one small program each, run on torch and on the subject.

A program takes the module and returns nested tensors and plain values; the two results are
compared. It is plain PyTorch code with ``m`` in torch's place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from .calls import answer, raised
from .compare import compare, describe, to_torch_tree
from .differences import Finding
from .subject import Subject

__all__ = ["OWN", "own", "own_findings"]

Program = Callable[[Any], Any]
OWN: dict[str, Program] = {}


def own(*names: str) -> Callable[[Program], Program]:
    """Register a program as the comparison of these names."""

    def register(program: Program) -> Program:
        OWN.update(dict.fromkeys(names, program))
        return program

    return register


def own_findings(name: str, subject: Subject) -> Iterator[Finding | None]:
    """Run the program of a name on both modules and compare."""
    program = OWN[name]
    expected = _plain(program(torch), Subject("torch"))
    got, error = answer(lambda: _plain(_placed(program, subject), subject))
    code = f"tests/parity/own*.py: {program.__name__}"
    found = (describe(expected)[:200], raised(error)) if error else compare(got, expected)
    yield Finding(name, name, "own", "", code, *found) if found else None


def _placed(program: Program, subject: Subject) -> Any:
    """Run the program with the tested device as the default one."""
    if subject.device == "cpu":
        return program(subject.module)
    before = subject.module.get_default_device()
    subject.module.set_default_device(subject.device)
    try:
        return program(subject.module)
    finally:
        subject.module.set_default_device(before)


def _plain(value: Any, subject: Subject) -> Any:
    """Values that compare by equality, whichever module made them."""
    tree = to_torch_tree(value, subject)
    return _names(tree)


def _names(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _names(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_names(item) for item in value]
    if isinstance(value, (torch.Tensor, np.ndarray, bool, int, float, complex, str, type(None))):
        return value if not isinstance(value, np.ndarray) else torch.from_numpy(value.copy())
    return str(value).rsplit(".", 1)[-1]

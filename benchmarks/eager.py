"""Single operations: the cost of a call on 8 elements, and of the work on a million."""

from __future__ import annotations

from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.registry import ROWS

from .libraries import libraries
from .measure import OURS, Group, Row, statements

__all__ = ["large", "lookup", "small", "small_recording"]

# name, the program of torch and tensorplug, the program of NumPy
SMALL = [
    ("add", "m.add(x, y)", "np.add(x, y)"),
    ("mul", "x * y", "x * y"),
    ("exp", "m.exp(x)", "np.exp(x)"),
    ("sum", "x.sum()", "x.sum()"),
    ("view", "x.view(2, 4)", "x.reshape(2, 4)"),
    ("slice", "x[2:6]", "x[2:6]"),
    ("matmul 8x8", "a @ b", "a @ b"),
]
LARGE = [
    ("add", "m.add(x, y)", "np.add(x, y)"),
    ("mul", "x * y", "x * y"),
    ("exp", "m.exp(x)", "np.exp(x)"),
    ("sum", "x.sum()", "x.sum()"),
    ("matmul 1000x1000", "a @ b", "a @ b"),
]


def _arrays(length: int, side: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"x": length, "y": length, "a": (side, side), "b": (side, side)}
    return {name: rng.random(shape, np.float32) for name, shape in shapes.items()}


def _rows(
    cases: list[tuple[str, str, str]], size: tuple[int, int], grad: bool, repeats: int = 25
) -> list[Row]:
    arrays = _arrays(*size)
    rows = []
    for name, program, numpy_program in cases:
        codes: dict[str, tuple[str, dict[str, Any]]] = {}
        if not grad:
            codes["numpy"] = (numpy_program, {**arrays, "np": np})
        for library, m in libraries().items():
            tensors = {key: m.tensor(array) for key, array in arrays.items()}
            if grad:
                tensors = {key: tensor.requires_grad_() for key, tensor in tensors.items()}
            codes[library] = (program, {**tensors, "m": m})
        rows.append(statements(name, codes, repeats=repeats))
    return rows


def lookup() -> Group:
    """From an op to a device's kernel, by the row's table as ops do, and without it.

    The kernel hardly does anything: what real ones do would drown the difference.
    """
    x = tp.ones(8)
    table = type(ROWS["exp"].kernels)("exp")
    kernel = table[x._device] = len
    names = {"x": x, "handle": [0, 1], "table": table, "kernel": kernel}
    codes: dict[str, tuple[str, dict[str, Any]]] = {
        "kernel": ("kernel(handle)", names),
        OURS: ("table[x._device](handle)", names),
    }
    rows = [statements("a kernel that gives a length", codes, repeats=100)]
    return Group("from an op to its kernel", rows, to="kernel", bar=100e-9)


def small() -> Group:
    """Eight elements, nothing recorded."""
    return Group("eager, 8 elements", _rows(SMALL, (8, 8), False), target=0.8)


def small_recording() -> Group:
    """Eight elements, recording for gradients."""
    rows = _rows(SMALL, (8, 8), True)
    return Group("eager, 8 elements, recording gradients", rows, target=0.8)


def large() -> Group:
    """A million elements against raw NumPy: our layer must not be felt."""
    rows = _rows(LARGE, (1_000_000, 1000), False, repeats=60)
    return Group("eager, 10^6 elements", rows, to="numpy", target=1.05, each=True)

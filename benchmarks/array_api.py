"""The array API face against PyTorch's names, the same library twice: what the adapters cost."""

from __future__ import annotations

import numpy as np

import tensorplug as tp

from .measure import OURS, Group, Row, statements

__all__ = ["array_api"]

# name, the program under PyTorch's names, the program of the array API
CALLS = [
    ("add", "tp.add(x, y)", "xp.add(x, y)"),
    ("multiply", "tp.mul(x, y)", "xp.multiply(x, y)"),
    ("add, a number", "tp.add(x, 2.0)", "xp.add(x, 2.0)"),
    ("exp", "tp.exp(x)", "xp.exp(x)"),
    ("less", "tp.lt(x, y)", "xp.less(x, y)"),
    ("where", "tp.where(b, x, y)", "xp.where(b, x, y)"),
    ("sum", "tp.sum(x)", "xp.sum(x)"),
    ("sum, axis", "tp.sum(a, 0)", "xp.sum(a, axis=0)"),
    ("mean", "tp.mean(x)", "xp.mean(x)"),
    ("max", "tp.amax(a, 1)", "xp.max(a, axis=1)"),
    ("matmul 8x8", "tp.matmul(a, a)", "xp.matmul(a, a)"),
    ("reshape", "tp.reshape(x, (2, 4))", "xp.reshape(x, (2, 4))"),
    ("permute_dims", "tp.permute(a, (1, 0))", "xp.permute_dims(a, (1, 0))"),
    ("concat", "tp.cat([x, y], 0)", "xp.concat([x, y], axis=0)"),
    ("zeros", "tp.zeros((2, 3))", "xp.zeros((2, 3))"),
    ("argmax", "tp.argmax(x)", "xp.argmax(x)"),
    ("sort", "tp.sort(x)", "xp.sort(x)"),
    ("clip", "tp.clip(x, 0.2, 0.8)", "xp.clip(x, 0.2, 0.8)"),
]


def _row(name: str, by_torch: str, by_standard: str) -> Row:
    rng = np.random.default_rng(0)
    x, y, a = (tp.tensor(rng.random(shape, np.float32)) for shape in (8, 8, (8, 8)))
    names = {"tp": tp, "xp": tp.array_api, "x": x, "y": y, "a": a, "b": x < y}
    codes = {"torch face": (by_torch, names), OURS: (by_standard, names)}
    return statements(name, codes, repeats=25)


def array_api() -> Group:
    """Eight elements, nothing recorded; each call at most 1.2 times the other face's."""
    rows = [_row(*call) for call in CALLS]
    return Group("array API face, 8 elements", rows, to="torch face", target=1.2, each=True)

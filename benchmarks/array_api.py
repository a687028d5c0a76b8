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
    ("sum of int8", "tp.sum(i)", "xp.sum(i)"),
    ("sum of uint8", "tp.sum(u).to(tp.uint64)", "xp.sum(u)"),
    ("any", "tp.any(b)", "xp.any(b)"),
    ("argsort", "tp.argsort(x, stable=True)", "xp.argsort(x)"),
    ("expand_dims", "tp.unsqueeze(x, 0)", "xp.expand_dims(x, 0)"),
    ("squeeze", "tp.squeeze(o, 0)", "xp.squeeze(o, 0)"),
    ("stack", "tp.stack([x, y])", "xp.stack([x, y])"),
    ("flip", "tp.flip(x, (0,))", "xp.flip(x, axis=0)"),
    ("roll", "tp.roll(x, 1, 0)", "xp.roll(x, 1, axis=0)"),
    ("take", "x[k]", "xp.take(x, k, axis=0)"),
    ("cumulative_sum", "tp.cumsum(x, 0)", "xp.cumulative_sum(x)"),
    ("std", "tp.std(x, correction=0)", "xp.std(x)"),
    ("astype", "x.to(tp.float64)", "xp.astype(x, tp.float64)"),
    ("tril", "tp.tril(a)", "xp.tril(a)"),
    ("vecdot", "tp.linalg.vecdot(x, y)", "xp.vecdot(x, y)"),
    ("linalg.solve", "tp.linalg.solve(a, a)", "xp.linalg.solve(a, a)"),
    ("fft.fft", "tp.fft.fft(x)", "xp.fft.fft(x)"),
    ("sign", "tp.sgn(x)", "xp.sign(x)"),
    ("unique_values", "tp.unique(x)", "xp.unique_values(x)"),
    ("clip", "tp.clip(x, 0.2, 0.8)", "xp.clip(x, 0.2, 0.8)"),
]


def _row(name: str, by_torch: str, by_standard: str) -> Row:
    rng = np.random.default_rng(0)
    x, y, a = (tp.tensor(rng.random(shape, np.float32)) for shape in (8, 8, (8, 8)))
    names = {
        "tp": tp, "xp": tp.array_api, "x": x, "y": y, "a": a, "b": x < y, "o": x.reshape(1, 8),
        "i": tp.ones(8, dtype=tp.int8), "u": tp.ones(8, dtype=tp.uint8), "k": tp.tensor([0, 2]),
    }  # fmt: skip
    codes = {"torch face": (by_torch, names), OURS: (by_standard, names)}
    return statements(name, codes, repeats=60)


def array_api() -> Group:
    """Eight elements, nothing recorded; each call at most 1.2 times the other face's."""
    rows = [_row(*call) for call in CALLS]
    return Group("array API face, 8 elements", rows, to="torch face", target=1.2, each=True)

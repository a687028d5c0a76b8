"""The demo's data: 1797 handwritten digits of 8x8 pixels (see ``data/README.md``)."""

from __future__ import annotations

import csv
import gzip
from importlib.resources import files

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.utils.data import Subset, TensorDataset

__all__ = ["load_digits", "split"]

_INK = 16
"""The darkest pixel's value in the file."""


def load_digits() -> TensorDataset:
    """All images, float32 of shape ``(1797, 1, 8, 8)`` from 0 to 1, and their digits, int64."""
    source = files("tensorplug.demo") / "data" / "digits.csv.gz"
    with source.open("rb") as packed, gzip.open(packed, "rt", newline="") as text:
        rows = [list(map(int, row)) for row in csv.reader(text)]
    table = tp.tensor(rows, dtype=tp.int64, device="cpu")
    images = table[:, :-1].to(tp.float32).div(_INK).reshape(-1, 1, 8, 8)
    return TensorDataset(images, table[:, -1].contiguous())


def split(data: TensorDataset) -> tuple[Subset[tuple[Tensor, ...]], Subset[tuple[Tensor, ...]]]:
    """Training and test part: every fifth sample is for testing, always the same ones."""
    test = range(0, len(data), 5)
    train = [index for index in range(len(data)) if index % 5]
    return Subset(data, train), Subset(data, list(test))

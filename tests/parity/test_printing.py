"""Printing: PyTorch still prints what was recorded, and random tensors look the same in both."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tensorplug as tp

SESSION = Path(__file__).parent.parent / "api" / "printing.txt"
DTYPES = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64",
    "complex128",
)  # fmt: skip
OPTIONS: dict[str, tuple[Any, ...]] = {
    "precision": (0, 1, 2, 6),
    "threshold": (0, 5, 20, 100, math.inf),
    "edgeitems": (0, 1, 2, 4),
    "linewidth": (10, 40, 60, 120),
    "sci_mode": (True, False),
    "profile": ("default", "short", "full"),
}


@pytest.fixture(autouse=True)
def _default_options() -> Iterator[None]:
    yield
    for lib in (tp, torch):
        lib.set_printoptions(profile="default")


def test_the_recorded_session_is_torchs() -> None:
    for block in SESSION.read_text(encoding="utf-8").split(">>> ")[1:]:
        expression, _, expected = block.partition("\n")
        found = eval(expression, {"m": torch, "nan": math.nan, "inf": math.inf})
        text = found if isinstance(found, str) else "" if found is None else repr(found)
        assert text.replace("torch.", "tensorplug.") == expected.rstrip("\n"), expression


def _values(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(rng.normal(size=shape)) * 10.0 ** rng.integers(-8, 9)
    if rng.random() < 0.5:
        values = values * 10.0 ** rng.integers(-3, 4, size=shape)
    if rng.random() < 0.4:
        values = np.round(values)
    if dtype.startswith("complex"):
        return values + 1j * np.flip(values)
    if dtype not in ("float32", "float64", "float16", "bfloat16"):
        return np.round(values % 200)
    for special in (math.nan, math.inf, -math.inf, 0.0, -0.0) if rng.random() < 0.3 else ():
        values = np.where(rng.random(shape) < 0.15, special, values)
    return values


def _shape() -> tuple[int, ...]:
    sizes = random.choice([(1, 2, 3, 5, 7, 12), (1, 3, 6, 7, 8, 30), (0, 1, 2)])
    shape = tuple(random.choice(sizes) for _ in range(random.randrange(5)))
    return (random.choice([1000, 1001]),) if len(shape) == 1 and random.random() < 0.3 else shape


@pytest.mark.parametrize("seed", range(8))
def test_random_tensors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    random.seed(seed)
    for _ in range(40):
        dtype, shape = random.choice(DTYPES), _shape()
        with np.errstate(all="ignore"):
            data = torch.from_numpy(np.array(_values(rng, dtype, shape)))
        theirs = data.to(getattr(torch, dtype))
        exact = theirs.double() if dtype in ("float16", "bfloat16") else theirs
        ours = tp.from_numpy(exact.numpy()).to(getattr(tp, dtype))
        chosen = random.sample(sorted(OPTIONS), random.randrange(4))
        options = {name: random.choice(OPTIONS[name]) for name in chosen}
        for lib in (tp, torch):
            lib.set_printoptions(profile="default")
            lib.set_printoptions(**options)
        # The packages' names differ in length, so the line may break before dtype= in one.
        expected, found = (re.sub(r",\s+dtype=\w+\.", ", dtype=", repr(x)) for x in (theirs, ours))
        assert found == expected, (dtype, shape, options)

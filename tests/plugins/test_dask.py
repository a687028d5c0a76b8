"""Devices over Dask, from a distribution of its own: lazy, in chunks, larger than memory."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

import tensorplug as tp

HERE = Path(__file__).parent


def python(*words: str, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_a_tensor_larger_than_memory_and_its_gradient(tmp_path: Path) -> None:
    printed = python("-W", "error", str(HERE / "larger_than_memory.py"), cwd=tmp_path)
    times, loss, gradient = map(float, printed.split())
    assert times == 2  # as large as twice the memory that the program may use
    assert loss == pytest.approx(2 * (1 - math.cos(0.5)), rel=1e-3)
    # The mean of x cos(x / 2) over [0, 1], by parts.
    assert gradient == pytest.approx(2 * math.sin(0.5) + 4 * math.cos(0.5) - 4, rel=1e-3)


def test_nothing_is_computed_before_it_is_read() -> None:
    seen: list[int] = []

    def note(block: Any) -> Any:
        seen.append(block.size)
        return block

    source = da.ones((6, 4), chunks=(2, 4)).map_blocks(note, meta=np.ones((0, 0)))
    x = tp.asarray(source).requires_grad_()
    y = (x[::-1] * 3).sum(1)
    y.sum().backward()
    assert x.grad is not None
    assert (seen, y.shape, x.grad.shape) == ([], (6,), (6, 4))
    assert y.tolist() == [12.0] * 6
    assert sorted(seen) == [8, 8, 8]


def test_broadcast_tensors_stay_in_chunks() -> None:
    wide = tp.ones(1, 3, device="dask:0", dtype=tp.float64).expand(1 << 14, 1 << 12, 3)
    chunks = wide.device.backend.native(wide._h).chunks
    assert max(math.prod(sizes) for sizes in zip(*chunks, strict=False)) * 8 <= 128 << 20
    assert tp.ones(2, 0, device="dask:0").expand(3, 2, 0).sum().item() == 0


@pytest.mark.parametrize(
    ("call", "capability"),
    [
        (lambda x: tp.fft.fft(x), "fft"),
        (lambda x: x.nonzero(), "dynamic_shapes"),
        (lambda x: x[x > 0], "dynamic_shapes"),
        (lambda x: tp.linalg.svdvals(x), "linalg"),
        (lambda x: x.__dlpack__(), "dlpack_export"),
    ],
)
def test_what_dask_lacks_is_refused(call: Any, capability: str) -> None:
    x = tp.ones(3, 3, device="dask:0")
    with pytest.raises(tp.backends.CapabilityError, match=f"dask:0.*{capability}") as caught:
        call(x)
    assert caught.value.capability == capability


def test_extremes_of_nothing_are_refused_at_once() -> None:
    with pytest.raises(
        RuntimeError, match=r"amax: expected elements to choose from, got shape \(0, 3"
    ):
        tp.ones(0, 3, device="dask:0").amax(0)
    assert tp.ones(0, 3, device="dask:0").amin(1).tolist() == []


def test_a_share_of_the_suite(tmp_path: Path) -> None:
    names = ("add", "where", "matmul", "mean", "cat", "sort", "gather", "nn.functional.softmax")
    words = [word for name in names for word in ("--function", name)]
    chosen = "float32 and (values_types or share_memory or methods or out_)"
    printed = python(
        "-m", "tensorplug", "conformance", "--device", "dask:0", *words, "-k", chosen, cwd=tmp_path
    )
    (row,) = (line for line in printed.splitlines() if line.startswith("dask:0"))
    assert int(row.split()[3]) > len(names)

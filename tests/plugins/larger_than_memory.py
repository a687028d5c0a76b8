"""A program that may use less memory than its tensor has: started by test_dask.py."""

from __future__ import annotations

import resource
from pathlib import Path

import dask
import dask.array as da

import tensorplug as tp

ROWS, COLUMNS, EXTRA = 1 << 17, 256, 128 << 20


def in_use() -> int:
    """The bytes of memory that the process has of its own."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmData:")).split()[1]) << 10


if __name__ == "__main__":
    tp.ones(3, device="dask:0").sum().item()  # the workers are there
    limit = in_use() + EXTRA
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    dask.config.set({"array.chunk-size": "1MiB"})

    source = da.random.default_rng(0).random((ROWS, COLUMNS), chunks=(512, COLUMNS))
    x = tp.asarray(source)
    weight = tp.full((COLUMNS,), 0.5, dtype=tp.float64, device="dask:0", requires_grad=True)
    loss = (x * weight).sin().mean()
    loss.backward()
    out = [x.numel() * 8 / EXTRA, loss.item(), weight.grad.sum().item()]
    print(*out)  # noqa: T201 - what the test reads

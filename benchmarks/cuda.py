"""tensorplug and PyTorch on the same NVIDIA GPU: single operations and whole training steps.

``python -m benchmarks.cuda``, or ``make test-gpu``. PyTorch's column is empty where it is not
installed with CUDA. Each figure is the best of several timings of a few hundred milliseconds.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

import tensorplug as tp

Step = Callable[[], Any]

_SECONDS = 0.2
_TIMINGS = 5


def _best(step: Step, wait: Callable[[], None]) -> float:
    """Seconds of one step, the device's work included."""
    for _ in range(3):
        step()
    wait()
    count, best = 1, float("inf")
    for _ in range(_TIMINGS):
        begin = time.perf_counter()
        for _ in range(count):
            step()
        wait()
        spent = time.perf_counter() - begin
        best = min(best, spent / count)
        count = max(int(count * _SECONDS / max(spent, 1e-6)), 1)
    return best


def _operations(m: Any) -> dict[str, Step]:
    """The cost of a call: eight elements, so that the GPU has nothing to do."""
    x, y = (m.rand(8, device="cuda") for _ in range(2))
    a, w = m.rand(8, 8, device="cuda"), m.rand(8, device="cuda", requires_grad=True)
    return {
        "add": lambda: x + y,
        "exp": lambda: m.exp(x),
        "sum": lambda: x.sum(),
        "slice": lambda: x[2:6],
        "matmul 8x8": lambda: a @ a,
        "softmax": lambda: m.softmax(x, -1),
        "add, recorded": lambda: w + y,
        "forward and backward": lambda: (w * y).sum().backward(),
    }


def _training(m: Any, layers: Any, x: Any, target: Any) -> Step:
    layers = layers.to("cuda")
    optimizer = m.optim.Adam(layers.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        m.nn.functional.cross_entropy(layers(x), target).backward()
        optimizer.step()

    return step


def _programs(m: Any) -> dict[str, Step]:
    """Training steps, with Adam."""
    nn = m.nn
    mlp = nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))
    cnn = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
    transformer = nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Flatten(), nn.Linear(8192, 10))
    target = m.randint(0, 10, (64,), device="cuda")
    inputs = {"MLP 784-500-10": (mlp, (64, 784)), "CNN": (cnn, (64, 1, 28, 28)),
              "2-layer transformer": (transformer, (64, 64, 128))}  # fmt: skip
    return {
        name: _training(m, layers, m.rand(*shape, device="cuda"), target)
        for name, (layers, shape) in inputs.items()
    }


def _libraries() -> dict[str, Any]:
    found = {"tensorplug": tp}
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            found["torch"] = torch
    return found


def main() -> int:
    """Print one table; without a GPU, a sentence."""
    if not tp.cuda.is_available():
        reasons = [row.reason for row in tp.devices() if row.device == "cuda"]
        print("benchmarks.cuda: expected an NVIDIA GPU, got none;", *reasons, file=sys.stderr)
        return 1
    found: dict[str, dict[str, float]] = {}
    for library, m in _libraries().items():
        for name, step in {**_operations(m), **_programs(m)}.items():
            found.setdefault(name, {})[library] = _best(step, m.cuda.synchronize)
    print(f"{tp.cuda.get_device_name()}\n{'':24}{'tensorplug':>14}{'torch':>14}{'ratio':>8}")
    for name, times in found.items():
        ours, theirs = times["tensorplug"], times.get("torch")
        right = f"{theirs * 1e6:11.1f} us{ours / theirs:8.2f}" if theirs else f"{'-':>14}{'-':>8}"
        print(f"{name:24}{ours * 1e6:11.1f} us{right}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Write down what PyTorch gives for the conformance suite's recipes.

Run ``.venv/bin/python tests/parity/record.py`` where PyTorch is installed. The arrays are float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from tensorplug.conformance import recipes

FILE = Path(__file__).resolve().parents[2] / "conformance" / "data" / "recorded.npz"


def record(lib: Any) -> dict[str, np.ndarray]:
    """All results by name."""
    found: dict[str, np.ndarray] = {}
    for name in recipes.OPTIMIZERS:
        found |= recipes.optimizer(lib, name)
    for name in recipes.LAYERS:
        found |= recipes.layer(lib, name)
    for name in recipes.TRAININGS:
        found |= recipes.training(lib, name)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)  # some optimizers keep their scalars in this type
    np.savez_compressed(FILE, version=np.array(torch.__version__), **record(torch))

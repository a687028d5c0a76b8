"""Optimizers, layers and whole trainings against what PyTorch gave: the numbers in ``data/``.

``tests/parity/record.py`` wrote them down, in float64. The programs are in ``recipes.py``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance import recipes
from tensorplug.conformance.checks import few

pytestmark = [pytest.mark.needs("float64"), pytest.mark.shared]


@cache
def recorded() -> dict[str, np.ndarray]:
    with (files("tensorplug.conformance") / "data" / "recorded.npz").open("rb") as file:
        return dict(np.load(file))


def compare(device: str, found: dict[str, np.ndarray], prefix: str, bound: float) -> None:
    """Every recorded array of a recipe is there, and equal but for rounding."""
    wants = {name: x for name, x in recorded().items() if name.startswith(f"{prefix}/")}
    wants |= {name: x for name, x in recorded().items() if name == prefix}
    missing = sorted(set(wants) ^ set(found))
    assert not missing, f"{prefix} on {device}: expected the arrays of PyTorch, differs: {missing}"
    for name, want in wants.items():
        got = found[name]
        assert got.shape == want.shape, f"{name} on {device}: {got.shape}, expected {want.shape}"
        scale = max(1.0, float(np.abs(want).max(initial=0)))
        off = np.abs(got - want)
        wrong = ~(off <= bound * scale)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            pytest.fail(
                f"{name} on {device}: expected {want[at]!r} at {at}, got {got[at]!r} "
                f"({int(wrong.sum())} of {wrong.size} elements); expected from: PyTorch "
                f"{recorded()['version']}, float64"
            )


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_fifty_steps_of_an_optimizer(device: str, name: str, thorough: bool) -> None:
    if name in few(device, recipes.OPTIMIZERS, thorough):
        with tp.device(device):
            found = recipes.optimizer(tp, name, device)
        compare(device, found, f"optim/{name}", 1e-9)


@pytest.mark.parametrize("name", recipes.LAYERS)
def test_a_layer_and_its_gradients(device: str, name: str, thorough: bool) -> None:
    if name in few(device, recipes.LAYERS, thorough):
        with tp.device(device):
            found = recipes.layer(tp, name, device)
        compare(device, found, f"nn/{name}", 1e-10)


@pytest.mark.parametrize("name", recipes.TRAININGS)
def test_fifty_losses(device: str, name: str, thorough: bool) -> None:
    if name in few(device, recipes.TRAININGS, thorough):
        with tp.device(device):
            found = recipes.training(tp, name, device)
        compare(device, found, f"training/{name}", 1e-8)

"""The state of everything that draws random numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import tensorplug as tp

__all__ = ["capture", "restore"]


def capture(loaders: Iterable[Any]) -> dict[str, Any]:
    """The states of our generators, those of the loaders, Python's and NumPy's."""
    version, words, gauss = random.getstate()
    kind, keys, *rest = np.random.get_state()
    return {
        "tensorplug": tp.random.get_rng_state_all(),
        "loaders": [generator.get_state() for generator in _generators(loaders)],
        "python": [version, list(words), gauss],
        "numpy": [kind, tp.from_numpy(np.array(keys)), *rest],
    }


def restore(state: Mapping[str, Any], loaders: Iterable[Any]) -> None:
    """Go back to what :func:`capture` returned."""
    tp.random.set_rng_state_all(state["tensorplug"])
    for generator, saved in zip(_generators(loaders), state["loaders"], strict=True):
        generator.set_state(saved)
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy(), *rest))


def _generators(loaders: Iterable[Any]) -> list[tp.Generator]:
    """The generators of loaders and their samplers, each once."""
    found: dict[int, tp.Generator] = {}
    for loader in loaders:
        batches = getattr(loader, "batch_sampler", None)
        for part in (loader, getattr(loader, "sampler", None), batches,
                     getattr(batches, "sampler", None)):  # fmt: skip
            generator = getattr(part, "generator", None)
            if isinstance(generator, tp.Generator):
                found[id(generator)] = generator
    return list(found.values())

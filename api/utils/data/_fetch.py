"""Reading batches: by number, or from a stream. The main process and workers do it alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from .dataset import IterableDataset

__all__ = ["Exhausted", "Reader", "reader"]

Reader = Callable[[Any], Any]
"""From an entry of the sampler (a number, or a list of them) to a batch."""


class Exhausted(Exception):
    """A stream has no more batches."""


def reader(dataset: Any, collate: Callable[[Any], Any], batched: bool, drop_last: bool) -> Reader:
    """How to read a dataset; for a stream each reader begins anew."""
    if isinstance(dataset, IterableDataset):
        return _stream(dataset, collate, batched, drop_last)
    whole = getattr(dataset, "__getitems__", None) if batched else None
    if whole is not None:
        return lambda indices: collate(whole(indices))
    if batched:
        return lambda indices: collate([dataset[index] for index in indices])
    return lambda index: collate(dataset[index])


def _stream(dataset: Any, collate: Callable[[Any], Any], batched: bool, drop_last: bool) -> Reader:
    samples = iter(dataset)

    def one(_: Any) -> Any:
        for sample in samples:
            return collate(sample)
        raise Exhausted

    def several(places: Any) -> Any:
        batch = list(itertools.islice(samples, len(places)))
        if not batch or (drop_last and len(batch) < len(places)):
            raise Exhausted
        return collate(batch)

    return several if batched else one

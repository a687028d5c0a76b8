"""Making one batch out of samples."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from copy import copy
from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from .dataset import TensorRows

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Any) -> Any:
    """Stack samples along a new first dimension.

    Tensors, NumPy arrays and numbers become one tensor each (Python floats float64, ints int64),
    strings and bytes a list; dicts, tuples, named tuples and lists are collated entry by entry.

    Args:
        batch: a list of samples of one structure.

    Returns:
        The samples' structure, with batches in place of values; a tuple becomes a list.

    Raises:
        TypeError: a value is of a type that cannot be stacked.
        RuntimeError: samples differ in length or shape.

    Example:
        >>> default_collate([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}])["x"].tolist()
        [1, 2]
    """
    if type(batch) is TensorRows:
        return list(batch.columns)
    first = batch[0]
    if isinstance(first, Tensor):
        return tp.stack(list(batch), 0)
    if isinstance(first, np.ndarray):
        return tp.stack([tp.as_tensor(array) for array in batch], 0)
    if isinstance(first, np.generic) and not isinstance(first, (str, bytes)):
        return tp.as_tensor(np.stack(batch))
    if isinstance(first, float):
        return tp.tensor(batch, dtype=tp.float64)
    if isinstance(first, (bool, int)):
        return tp.tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, (Mapping, Sequence)):
        return _collate_container(first, batch)
    raise TypeError(
        "default_collate: expected tensors, NumPy arrays, numbers, strings, dicts or lists, "
        f"got {type(first).__name__}; pass your own collate_fn"
    )


def _collate_container(first: Any, batch: Sequence[Any]) -> Any:
    if isinstance(first, Mapping):
        values: Any = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _rebuild(first, values)
    sizes = {len(sample) for sample in batch}
    if len(sizes) > 1:
        raise RuntimeError(
            f"default_collate: expected samples of equal length, got lengths {sorted(sizes)}"
        )
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    if hasattr(first, "_fields"):
        return type(first)(*columns)
    return columns if isinstance(first, tuple) else _rebuild(first, columns)


def _rebuild(like: Any, values: Any) -> Any:
    """``values`` as a container of ``like``'s type, where its constructor takes them."""
    if type(like) in (dict, list):
        return values
    try:
        if isinstance(like, MutableMapping):  # a copy keeps what a subclass knows besides
            found = copy(like)
            found.update(values)
            return found
        return type(like)(values)
    except TypeError:  # a range, or a constructor of its own: keep the plain container
        return values


def default_convert(data: Any) -> Any:
    """Turn NumPy arrays and scalars in ``data`` into tensors; leave all else as it is.

    Like :func:`default_collate` it makes lists of tuples.

    Example:
        >>> default_convert([np.ones(2), "text"])[0].tolist()
        [1.0, 1.0]
    """
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        convertible = data.dtype.kind in "?biufc"
        return tp.as_tensor(data) if convertible else data
    if isinstance(data, Mapping):
        return _rebuild(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, Sequence):
        values = [default_convert(value) for value in data]
        return values if isinstance(data, tuple) else _rebuild(data, values)
    return data

"""Our own files: tensors as safetensors, and the rest as JSON in the metadata."""

from __future__ import annotations

import io
import json
import pickle
from functools import cache
from typing import IO, Any

import numpy as np

from tensorplug.autograd.tensor import Tensor

from ._place import Memory, Placer
from ._safetensors import read, write
from ._tensors import PICKLE, TensorReader, TensorTable
from ._tree import Describer, restore
from ._unpickle import DAMAGE, PLAIN, read_pickle

__all__ = ["read_native", "write_native"]

_TREE = "tensorplug"
"""The metadata's key for what a file holds besides tensors."""


def write_native(file: IO[bytes], obj: Any) -> None:
    """Write an object; see :func:`tensorplug.save`."""
    tensors = TensorTable()
    describer = Describer(tensors)
    tree = describer.describe(obj)
    pickled = _pickled(describer.objects, tensors) if describer.objects else {}
    arrays, rows = tensors.finish()
    structure = json.dumps({"tree": tree, "tensors": rows}, separators=(",", ":"))
    # "pt" is what readers for PyTorch look for; the layout is the same.
    write(file, arrays | pickled, {"format": "pt", _TREE: structure})


class _Pickler(pickle.Pickler):
    """Leaves tensors out, which are written beside the pickle."""

    def __init__(self, file: IO[bytes], tensors: TensorTable) -> None:
        super().__init__(file, 4)
        self._tensors = tensors

    def persistent_id(self, obj: Any) -> int | None:
        return self._tensors.add(obj, "object") if isinstance(obj, Tensor) else None


def _pickled(objects: list[Any], tensors: TensorTable) -> dict[str, np.ndarray]:
    file = io.BytesIO()
    try:
        _Pickler(file, tensors).dump(objects)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        names = ", ".join(dict.fromkeys(type(value).__name__ for value in objects))
        raise TypeError(
            f"save: expected tensors, plain data or objects that can be pickled, got {names}: "
            f"{error}; save a state dict instead"
        ) from error
    return {PICKLE: np.frombuffer(file.getvalue(), np.uint8)}


def read_native(
    file: IO[bytes], name: str, place: Placer, memory: Memory, weights_only: bool
) -> Any:
    """The object in a safetensors file; tensors by name if it is not one of ours.

    Raises:
        ValueError: the file is damaged.
        pickle.UnpicklingError: it holds objects, and ``weights_only`` is set.
    """
    metadata, entries = read(file, name, memory)
    if _TREE not in metadata:
        return TensorReader(entries, [], place).all()

    @cache
    def objects() -> list[Any]:
        content = entries[PICKLE].array().tobytes()
        return read_pickle(content, name, PLAIN, reader.tensor, weights_only)

    try:
        structure = json.loads(metadata[_TREE])
        reader = TensorReader(entries, structure["tensors"], place)
        return restore(structure["tree"], reader, objects)
    except (*DAMAGE, RecursionError) as error:
        if not weights_only:  # may come from the code of the objects
            raise
        raise ValueError(
            f"load: expected a checkpoint, got {name}, whose structure is damaged "
            f"({type(error).__name__}: {error})"
        ) from error

"""NumPy's files: one array (``.npy``), or several by name (``.npz``)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends import dtypes

from ._files import unzipping
from ._place import Placer

__all__ = ["MAGIC", "read_array", "read_arrays", "write_array", "write_arrays"]

MAGIC = b"\x93NUMPY"


def write_array(file: IO[bytes], obj: Any) -> None:
    """Write a tensor as ``.npy``.

    Raises:
        TypeError: it is something else, or of a type that NumPy's files do not have.
    """
    np.save(file, _array(obj), allow_pickle=False)


def write_arrays(file: IO[bytes], obj: Any) -> None:
    """Write a dict of tensors as ``.npz``.

    Raises:
        TypeError: it is something else, or a type is not one that NumPy's files have.
    """
    if not isinstance(obj, Mapping):
        raise TypeError(
            f"save: expected a dict of tensors for an .npz file, got {type(obj).__name__}; save a "
            "tensor as .npy"
        )
    np.savez(file, allow_pickle=False, **{_key(name): _array(x) for name, x in obj.items()})


def _key(name: Any) -> str:
    if not isinstance(name, str) or name in ("file", "allow_pickle"):
        raise TypeError(
            f"save: expected names of arrays in an .npz file, got {name!r}; rename the array"
        )
    return name


def _array(value: Any) -> np.ndarray:
    array: np.ndarray = value.numpy(force=True) if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype == dtypes.bfloat16.numpy or array.dtype.hasobject:
        raise TypeError(
            "save: expected tensors of types that NumPy's files have, got "
            f"{type(value).__name__} of {array.dtype}; convert it, or save as safetensors"
        )
    return array


def read_array(file: IO[bytes], name: str, place: Placer) -> Tensor:
    """The tensor in an ``.npy`` file.

    Raises:
        ValueError: the file is damaged, or holds Python objects.
        TypeError: the array's type has no counterpart here.
    """
    try:
        array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"load: expected a NumPy array, got {name}: {error}") from error
    array = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
    return place(tp.from_numpy(array), "cpu")


def read_arrays(archive: zipfile.ZipFile, name: str, place: Placer) -> dict[str, Tensor]:
    """The tensors in an ``.npz`` file, by name."""
    found = {}
    for member in archive.namelist():
        with unzipping(name):
            content = io.BytesIO(archive.read(member))
        found[member.removesuffix(".npy")] = read_array(content, f"{member} in {name}", place)
    return found

"""The safetensors format: a JSON header with names, types and places, then the bytes.

The library of that name, https://huggingface.co/docs/safetensors, writes it and checks what is
read. There is nothing in such a file that could run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

from tensorplug.backends import dtypes
from tensorplug.backends.dtypes import DType

from ._files import Partial
from ._place import Memory

__all__ = ["METADATA", "Entry", "read", "write"]

_CODES = {
    "BOOL": dtypes.bool_,
    "U8": dtypes.uint8,
    "I8": dtypes.int8,
    "U16": dtypes.uint16,
    "I16": dtypes.int16,
    "U32": dtypes.uint32,
    "I32": dtypes.int32,
    "U64": dtypes.uint64,
    "I64": dtypes.int64,
    "F8_E4M3": dtypes.float8_e4m3fn,
    "F8_E5M2": dtypes.float8_e5m2,
    "F16": dtypes.float16,
    "BF16": dtypes.bfloat16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "C64": dtypes.complex64,
}
"""The format's codes of our types; it has none for complex128."""

METADATA = "__metadata__"
"""The key of the texts that a file carries beside its tensors."""


class Entry(NamedTuple):
    """A tensor in a file; its values are read when they are asked for."""

    shape: tuple[int, ...]
    array: Callable[[], np.ndarray]


def write(file: IO[bytes], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write contiguous arrays and texts.

    Raises:
        OSError: the disk is full, or the like.
    """
    import safetensors.numpy

    if not isinstance(file, Partial):
        file.write(safetensors.numpy.save(dict(arrays), dict(metadata)))
        return
    try:  # Puts a new file under this name (0.8), so only where the name is ours: not /dev/null.
        safetensors.numpy.save_file(dict(arrays), file.name, dict(metadata))
    except safetensors.SafetensorError as error:
        raise OSError(f"save: expected to write {file.name}, got: {error}") from error


def read(file: IO[bytes], name: str, memory: Memory) -> tuple[dict[str, str], dict[str, Entry]]:
    """The texts and the entries of a file.

    Raises:
        ValueError: the file is damaged, or has types that we lack; the text says where.
    """
    import safetensors

    begin = file.tell()
    contents: dict[str, Any] = {}
    try:
        if memory.path is None:
            contents = dict(safetensors.deserialize(file.read()))  # type: ignore[no-untyped-call]
        else:
            safetensors.safe_open(memory.path, "np")  # reads the header, and checks it
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"load: expected a safetensors file, got {name}: {error}; it is damaged or cut short: "
            "copy it again"
        ) from error
    # The library gives no places, which maps need, and no texts of a file that is open.
    file.seek(begin)
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
    metadata = header.pop(METADATA, None) or {}
    data = begin + 8 + length

    def entry(key: str, row: dict[str, Any]) -> Entry:
        dtype, shape = _dtype(row["dtype"], key, name), tuple(row["shape"])
        if contents:
            return Entry(shape, lambda: np.ndarray(shape, dtype.numpy, contents[key]["data"]))
        return Entry(shape, lambda: memory.array(dtype, shape, data + row["data_offsets"][0]))

    return metadata, {key: entry(key, row) for key, row in header.items()}


def _dtype(code: str, key: str, name: str) -> DType:
    if code not in _CODES:
        raise ValueError(
            f"load: expected one of the types {', '.join(_CODES)}, got {code} at {key!r} in {name}"
        )
    return _CODES[code]

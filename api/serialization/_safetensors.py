"""The safetensors format: a JSON header with names, types and places, then the bytes.

https://huggingface.co/docs/safetensors: eight bytes with the header's length, the header, the data
without gaps. There is nothing in it that could run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import IO, Any, NamedTuple

import numpy as np

from tensorplug.backends import dtypes
from tensorplug.backends.dtypes import DType
from tensorplug.backends.layout import numel

__all__ = ["CODES", "METADATA", "Content", "Entry", "read_header", "write"]

CODES = {
    "BOOL": dtypes.bool_,
    "U8": dtypes.uint8,
    "I8": dtypes.int8,
    "U16": dtypes.uint16,
    "I16": dtypes.int16,
    "U32": dtypes.uint32,
    "I32": dtypes.int32,
    "U64": dtypes.uint64,
    "I64": dtypes.int64,
    "F16": dtypes.float16,
    "BF16": dtypes.bfloat16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "C64": dtypes.complex64,
}
"""The format's codes of our types; it has none for complex128."""

METADATA = "__metadata__"
"""The key of the texts that a file carries beside its tensors."""

_CODE_OF = {dtype: code for code, dtype in CODES.items()}
_LONGEST_HEADER = 100_000_000  # of the format's reference reader


class Content(NamedTuple):
    """A tensor to be written; its values are asked for when their turn comes."""

    dtype: DType
    shape: tuple[int, ...]
    values: Callable[[], np.ndarray]


class Entry(NamedTuple):
    """A tensor in a file: ``start`` counts from the beginning of the file."""

    dtype: DType
    shape: tuple[int, ...]
    start: int


def write(file: IO[bytes], contents: Mapping[str, Content], metadata: Mapping[str, str]) -> None:
    """Write tensors one by one, so that no more than one copy is in memory."""
    # Wide types first keeps every tensor aligned for those who map the file.
    order = sorted(contents, key=lambda name: -contents[name].dtype.itemsize)
    header: dict[str, Any] = {METADATA: dict(metadata)}
    end = 0
    for name in order:
        dtype, shape, _ = contents[name]
        start, end = end, end + numel(shape) * dtype.itemsize
        header[name] = {"dtype": _CODE_OF[dtype], "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in order:
        array = np.ascontiguousarray(contents[name].values())
        file.write(array.reshape(-1).view(np.uint8).data)


def read_header(file: IO[bytes], name: str) -> tuple[dict[str, str], dict[str, Entry]]:
    """The texts and the entries of a file, which is left at the end of its header.

    Raises:
        ValueError: the file is damaged; the text says where.
    """
    begin = file.tell()
    size = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _LONGEST_HEADER):
        raise _damaged(name, f"a header of {length} bytes in a file of {size} bytes")
    try:
        header = json.loads(file.read(length))
    except ValueError as error:  # also what UTF-8 and JSON raise
        raise _damaged(name, f"a header that is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(name, f"a header that is a {type(header).__name__}")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict):
        raise _damaged(name, f"metadata that is a {type(metadata).__name__}")
    places = {key: _place(name, key, row) for key, row in header.items()}
    _check_gaps(name, [place for _, place in places.values()], size - 8 - length)
    data = begin + 8 + length
    return metadata, {
        key: entry._replace(start=data + start) for key, (entry, (start, _)) in places.items()
    }


def _place(name: str, key: str, row: Any) -> tuple[Entry, tuple[int, int]]:
    """The entry of one row of the header, with its start and end in the data."""
    if not isinstance(row, dict) or not {"dtype", "shape", "data_offsets"} <= row.keys():
        raise _damaged(name, f"a row without type, shape and place at {key!r}")
    dtype = CODES.get(str(row["dtype"]))
    if dtype is None:
        raise ValueError(
            f"load: expected one of the types {', '.join(CODES)}, "
            f"got {row['dtype']} at {key!r} in {name}"
        )
    shape, offsets = row["shape"], row["data_offsets"]
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        raise _damaged(name, f"shape {shape} and offsets {offsets} at {key!r}")
    start, end = offsets
    if end - start != numel(shape) * dtype.itemsize:
        raise _damaged(name, f"{end - start} bytes for {row['dtype']} of shape {shape} at {key!r}")
    return Entry(dtype, tuple(shape), start), (start, end)


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_gaps(name: str, places: list[tuple[int, int]], total: int) -> None:
    """Tensors must fill the data, one after the other."""
    ends = [(0, 0), *sorted(places)]
    for (_, before), (start, _) in pairwise(ends):
        if start != before:
            raise _damaged(name, f"a tensor at byte {start} of the data where {before} was due")
    if ends[-1][1] != total:
        raise _damaged(name, f"{total} bytes of data where the header says {ends[-1][1]}")


def _damaged(name: str, what: str) -> ValueError:
    return ValueError(
        f"load: expected a safetensors file, got {name}, which has {what}; it is damaged or cut "
        "short: copy it again"
    )

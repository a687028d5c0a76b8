"""The table of tensors in a file: which entry each one looks at, and how."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorplug.autograd.tensor import Tensor, edge, make
from tensorplug.backends import dtypes
from tensorplug.backends.base import Layout
from tensorplug.backends.layout import extent, is_contiguous

from ._place import Placer, alias, placed
from ._safetensors import METADATA, Entry

__all__ = ["PICKLE", "Row", "TensorReader", "TensorTable"]

PICKLE = "__pickle__"
"""The entry with the objects of classes that are not plain data."""

Row = dict[str, Any]
"""What the file says of one tensor; what is usual is left out."""


class TensorTable:
    """Collects the tensors of what is being saved.

    Tensors whose memory overlaps become one entry, at which all but one of them look: they share
    memory again when they are loaded.
    """

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []
        self._numbers: dict[int, int] = {}
        self._names: list[str] = []
        self._taken = {METADATA, PICKLE}

    def add(self, tensor: Tensor, path: str) -> int:
        """The number of a tensor; the same one for the same object."""
        number = self._numbers.get(id(tensor))
        if number is None:
            number = self._numbers[id(tensor)] = len(self._tensors)
            self._tensors.append(tensor)
            self._names.append(self._unused(path or "tensor"))
        return number

    def _unused(self, name: str) -> str:
        wanted, count = name, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}~{count}"
        self._taken.add(name)
        return name

    def finish(self) -> tuple[dict[str, np.ndarray], list[Row]]:
        """The entries to write, and a row for each tensor."""
        rows: list[Row] = [_flags(tensor) for tensor in self._tensors]
        entries: dict[str, np.ndarray] = {}
        for numbers in self._clusters():
            if len(numbers) == 1:
                (number,) = numbers
                rows[number]["entry"] = self._names[number]
                entries[self._names[number]] = _values(self._tensors[number])
            else:
                self._share(numbers, rows, entries)
        return entries, rows

    def _clusters(self) -> list[list[int]]:
        """The numbers of tensors whose memory overlaps."""
        found: dict[Any, list[tuple[int, int, int]]] = {}
        clusters: list[list[int]] = []
        for number, tensor in enumerate(self._tensors):
            backend = tensor._device.backend
            place = extent(backend.layout(tensor._h))
            if not place:
                clusters.append([number])
                continue
            key = (tensor._device, backend.storage(tensor._h).key, tensor._dtype)
            found.setdefault(key, []).append((place.start, place.stop, number))
        for places in found.values():
            end = -1
            for start, stop, number in sorted(places):
                if start >= end:
                    clusters.append([])
                clusters[-1].append(number)
                end = max(end, stop)
        return clusters

    def _share(self, numbers: list[int], rows: list[Row], entries: dict[str, np.ndarray]) -> None:
        """One entry for tensors that overlap: the one that covers all, or the span of them."""
        layouts = {n: self._tensors[n]._device.backend.layout(self._tensors[n]._h) for n in numbers}
        places = [extent(layout) for layout in layouts.values()]
        start, stop = min(p.start for p in places), max(p.stop for p in places)
        whole = [
            n for n, (shape, strides, offset) in layouts.items()
            if offset == start and len(extent(layouts[n])) == stop - start
            and is_contiguous(shape, strides)
        ]  # fmt: skip
        first = whole[0] if whole else min(numbers)
        name, tensor = self._names[first], self._tensors[first]
        entries[name] = _values(tensor if whole else _span(tensor, start, stop))
        for number, (shape, strides, offset) in layouts.items():
            rows[number]["entry"] = name
            if not whole or number != first:
                rows[number]["layout"] = [shape, strides, offset - start]


def _span(tensor: Tensor, start: int, stop: int) -> Tensor:
    flat = tensor._device.backend.as_strided(tensor._h, (stop - start,), (1,), start)
    return make(flat, tensor._dtype, tensor._device)


def _flags(tensor: Tensor) -> Row:
    row: Row = {}
    if tensor._device.type != "cpu":
        row["device"] = str(tensor._device)
    if tensor._dtype is dtypes.complex128:
        row["dtype"] = tensor._dtype.name
    if edge(tensor) is not None:
        row["requires_grad"] = True
    if tensor._is_parameter:
        row["parameter"] = True
    return row


def _values(tensor: Tensor) -> np.ndarray:
    """A tensor as it is written; complex128, which the format lacks, as pairs of float64."""
    shape = tuple(tensor._h.shape)
    array = np.ascontiguousarray(tensor._device.backend.to_host(tensor._h)).reshape(shape)
    if tensor._dtype is dtypes.complex128:
        array = array.reshape(-1).view(np.float64).reshape(*shape, 2)
    return array


class TensorReader:
    """Makes the tensors of a file, each when it is first asked for."""

    def __init__(self, entries: dict[str, Entry], rows: list[Row], place: Placer) -> None:
        self._entries, self._rows, self._place = entries, rows, place
        self._placed: dict[tuple[str, str], Tensor] = {}
        self._made: dict[int, Tensor] = {}

    def entry(self, name: str, device: str = "cpu", dtype: str = "") -> Tensor:
        """The values of an entry, on the device where they belong."""
        found = self._placed.get((name, device))
        if found is None:
            entry = self._entries[name]
            found = placed(self._place, lambda: self._array(entry, dtype), device)
            self._placed[name, device] = found
        return found

    def _array(self, entry: Entry, dtype: str) -> np.ndarray:
        array = entry.array()
        if dtype == "complex128":
            array = array.reshape(-1).view(np.complex128).reshape(entry.shape[:-1])
        return array

    def tensor(self, number: int) -> Tensor:
        """The tensor of a row; the same object whenever it is asked for."""
        if number not in self._made:
            row = self._rows[number]
            found = self.entry(row["entry"], row.get("device", "cpu"), row.get("dtype", ""))
            if "layout" in row:
                shape, strides, offset = row["layout"]
                found = alias(found, Layout(tuple(shape), tuple(strides), offset))
            if row.get("parameter"):
                found._is_parameter = True
            if row.get("requires_grad"):
                found.requires_grad_()
            self._made[number] = found
        return self._made[number]

    def all(self) -> dict[str, Tensor]:
        """Every entry by name, of a file that somebody else wrote."""
        return {name: self.entry(name) for name in self._entries}

"""Writing files that ``torch.load`` reads, without PyTorch.

The pickle in such a file names PyTorch's functions. They are written as names here: nothing of
PyTorch is imported.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import zipfile
from collections import OrderedDict
from typing import IO, Any, NamedTuple

import numpy as np

import tensorplug as tp
from tensorplug.autograd.tensor import Size, Tensor, edge
from tensorplug.backends.dtypes import DType
from tensorplug.nn._state import StateDict

from ._torch_files import STORAGES

__all__ = ["write_archive"]

_TYPED = {dtype: name for name, dtype in STORAGES.items()}
_ALIGNED = 64  # where PyTorch begins records, so that they can be mapped


class _Name(NamedTuple):
    """A function or class, by its name."""

    module: str
    name: str


class _Record(NamedTuple):
    """The memory behind tensors."""

    key: str
    owner: Tensor
    numel: int


def write_archive(file: IO[bytes], obj: Any) -> None:
    """Write an object as ``torch.save`` does.

    Raises:
        TypeError: it holds more than tensors and plain data.
    """
    content = io.BytesIO()
    pickler = _Pickler(content)
    pickler.dump(obj)
    with zipfile.ZipFile(file, "w") as archive:
        _add(archive, file, "data.pkl", content.getvalue())
        _add(archive, file, "byteorder", sys.byteorder.encode())
        for record in pickler.records.values():
            _add(archive, file, f"data/{record.key}", _values(record))
        _add(archive, file, "version", b"3\n")


def _values(record: _Record) -> Any:
    backend = record.owner._device.backend
    flat = backend.as_strided(record.owner._h, (record.numel,), (1,), 0)
    return np.ascontiguousarray(backend.to_host(flat)).view(np.uint8).data


def _add(archive: zipfile.ZipFile, file: IO[bytes], name: str, content: Any) -> None:
    info = zipfile.ZipInfo(f"archive/{name}")
    # A zip member begins with 30 bytes, its name and extra fields; one of them fills the gap.
    gap = -(file.tell() + 30 + len(info.filename) + 4) % _ALIGNED
    info.extra = struct.pack("<2sH", b"FB", gap) + bytes(gap)
    archive.writestr(info, content)


_Machine: Any = pickle._Pickler  # in Python, so that types can have steps of their own


class _Pickler(_Machine):  # type: ignore[misc]  # untyped
    """Writes our types by PyTorch's names for them."""

    dispatch = dict(_Machine.dispatch)  # noqa: RUF012 - the name is pickle's

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, 2)
        self.records: dict[Any, _Record] = {}

    def _call(self, obj: Any, name: _Name, *arguments: Any) -> None:
        """Write the call that makes ``obj``."""
        self.save(name)
        self.save(arguments)
        self.write(pickle.REDUCE)
        if obj is not None:
            self.memoize(obj)

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) is not _Record:
            return None
        device, dtype = obj.owner._device, obj.owner._dtype
        if dtype in _TYPED:
            kind, count = _Name("torch", f"{_TYPED[dtype]}Storage"), obj.numel
        else:
            kind, count = _Name("torch.storage", "UntypedStorage"), obj.numel * dtype.itemsize
        # Devices that PyTorch may not have are left to its map_location.
        return "storage", kind, obj.key, str(device) if device.type == "cuda" else "cpu", count

    def _record(self, tensor: Tensor) -> _Record:
        info = tensor._device.backend.storage(tensor._h)
        key = tensor._device, info.key, tensor._dtype
        if key not in self.records:
            count = info.nbytes // tensor._dtype.itemsize
            self.records[key] = _Record(str(len(self.records)), tensor, count)
        return self.records[key]

    def save_tensor(self, obj: Tensor) -> None:
        track = edge(obj) is not None
        if obj._is_parameter:
            self._call(obj, _Name("torch._utils", "_rebuild_parameter"), obj.detach(), track,
                       OrderedDict())  # fmt: skip
            return
        shown = obj.detach()
        if min(shown.stride(), default=0) < 0:  # which PyTorch does not have
            shown = shown.clone()
        shape, strides, offset = obj._device.backend.layout(shown._h)
        arguments = [
            self._record(shown),
            offset,
            tuple(shape),
            tuple(strides),
            track,
            OrderedDict(),
        ]
        if obj._dtype in _TYPED:
            self._call(obj, _Name("torch._utils", "_rebuild_tensor_v2"), *arguments)
        else:
            name = _Name("torch._utils", "_rebuild_tensor_v3")
            self._call(obj, name, *arguments, obj._dtype)

    def save_name(self, obj: _Name) -> None:
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())

    def save_dtype(self, obj: DType) -> None:
        self.save_name(_Name("torch", obj.name))

    def save_device(self, obj: tp.device) -> None:
        index = () if str(obj) == "cpu" else (obj.index,)
        self._call(obj, _Name("torch", "device"), obj.type, *index)

    def save_size(self, obj: Size) -> None:
        self._call(None, _Name("torch", "Size"), tuple(obj))

    def save_state_dict(self, obj: StateDict) -> None:
        self._call(obj, _Name("collections", "OrderedDict"))
        self._batch_setitems(obj.items())
        metadata = getattr(obj, "_metadata", None)
        if metadata is not None:
            self.save({"_metadata": metadata})
            self.write(pickle.BUILD)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj.__module__ not in ("builtins", "collections", "_codecs"):
            raise TypeError(
                "save: expected tensors and plain data with format='torch', got "
                f"{obj.__module__}.{obj.__qualname__}; save a state dict instead"
            )
        super().save_global(obj, name)

    dispatch[Tensor] = save_tensor
    dispatch[_Name] = save_name
    dispatch[DType] = save_dtype
    dispatch[tp.device] = save_device
    dispatch[Size] = save_size
    dispatch[StateDict] = save_state_dict

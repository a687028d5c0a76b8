"""PyTorch's own files: a zip archive with a pickle and one record for each storage."""

from __future__ import annotations

import struct
import sys
import zipfile
from typing import IO, Any

import tensorplug as tp
from tensorplug.autograd.tensor import Size, Tensor
from tensorplug.backends import dtypes
from tensorplug.backends.base import Layout
from tensorplug.backends.dtypes import DType

from ._files import unzipping
from ._place import Memory, Placer, alias, placed
from ._unpickle import PLAIN, read_pickle

__all__ = ["STORAGES", "read_archive"]

STORAGES = {
    "Bool": dtypes.bool_, "Byte": dtypes.uint8, "Char": dtypes.int8, "Short": dtypes.int16,
    "Int": dtypes.int32, "Long": dtypes.int64, "Half": dtypes.float16,
    "BFloat16": dtypes.bfloat16, "Float": dtypes.float32, "Double": dtypes.float64,
    "ComplexFloat": dtypes.complex64, "ComplexDouble": dtypes.complex128,
}  # fmt: skip
"""PyTorch's names of typed storages; the other types have storages of bytes."""

_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: lengths of its name and its extra field


class _Storage:
    """The record of a storage; tensors say how they look at it."""

    def __init__(self, start: int, nbytes: int, location: str, dtype: DType | None) -> None:
        self.start, self.nbytes, self.location, self.dtype = start, nbytes, location, dtype
        self.tensors: dict[DType, Tensor] = {}


def _pickle_name(archive: zipfile.ZipFile) -> str | None:
    """The name of the pickle in an archive of ``torch.save``, None in any other archive."""
    names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    return names[0] if len(names) == 1 else None


def read_archive(
    file: IO[bytes], archive: zipfile.ZipFile, name: str, place: Placer, memory: Memory,
    weights_only: bool,
) -> Any:  # fmt: skip
    """The object in an archive of ``torch.save``.

    Raises:
        ValueError: the archive is damaged or of another kind.
        pickle.UnpicklingError: its pickle asks for something that is not data.
    """
    member = _pickle_name(archive)
    folder = (member or "").rpartition("/")[0]
    if member is None or f"{folder}/constants.pkl" in archive.namelist():
        raise ValueError(
            f"load: expected a checkpoint of torch.save, got {name}, "
            f"{'a TorchScript program' if member else 'another zip archive'}; save "
            "model.state_dict() with torch.save"
        )
    with unzipping(name):
        reader = _Reader(file, archive, name, folder, place, memory)
        content = archive.read(member)
    return read_pickle(content, name, reader.known(), reader.persistent, weights_only)


class _Reader:
    """Stands in for the parts of PyTorch that its pickles call."""

    def __init__(
        self, file: IO[bytes], archive: zipfile.ZipFile, name: str, folder: str, place: Placer,
        memory: Memory,
    ) -> None:  # fmt: skip
        self._file, self._archive, self._name, self._folder = file, archive, name, folder
        self._place, self._memory = place, memory
        self._storages: dict[str, _Storage] = {}
        order = f"{folder}/byteorder"
        written = archive.read(order).decode() if order in archive.namelist() else "little"
        self._swapped = written != sys.byteorder

    def known(self) -> dict[str, Any]:
        """What may be used for the names in a pickle."""
        storages = {f"torch.{name}Storage": dtype for name, dtype in STORAGES.items()}
        return {
            **PLAIN,
            **storages,
            **{f"torch.{dtype.name}": dtype for dtype in dtypes.ALL},
            "torch.storage.UntypedStorage": None,
            "torch.Size": Size,
            "torch.device": tp.device,
            "torch.Tensor": Tensor,
            "torch.nn.parameter.Parameter": tp.nn.Parameter,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_of_bytes,
            "torch._utils._rebuild_parameter": _parameter,
            "torch._utils._rebuild_parameter_with_state": _parameter,
            "torch._tensor._rebuild_from_type_v2": self._of_type,
        }

    def persistent(self, saved: Any) -> _Storage:
        """The storage that a pickle refers to as ``("storage", type, key, location, size)``."""
        _, dtype, key, location, size = saved
        if not isinstance(location, str):
            raise TypeError(f"expected the name of a device, got {location!r}")
        found = self._storages.get(key)
        if found is None:
            member = f"{self._folder}/data/{key}"
            if member not in self._archive.namelist():
                raise ValueError(f"no record {member!r}, which a tensor needs")
            nbytes = size * (1 if dtype is None else dtype.itemsize)
            found = _Storage(self._start(member, nbytes), nbytes, location, dtype)
            self._storages[key] = found
        return found

    def _start(self, member: str, nbytes: int) -> int:
        """Where the bytes of a record begin in the file."""
        info = self._archive.getinfo(member)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size < nbytes:
            raise ValueError(f"{info.file_size} bytes in {member!r} where {nbytes} were due")
        self._file.seek(info.header_offset)
        lengths = _LOCAL_HEADER.unpack(self._file.read(_LOCAL_HEADER.size))
        return info.header_offset + _LOCAL_HEADER.size + sum(lengths)

    def _values(self, storage: _Storage, dtype: DType) -> Tensor:
        if dtype not in storage.tensors:
            count = storage.nbytes // dtype.itemsize

            def array() -> Any:
                found = self._memory.array(dtype, (count,), storage.start)
                return found.byteswap() if self._swapped else found

            storage.tensors[dtype] = placed(self._place, array, storage.location)
        return storage.tensors[dtype]

    def _tensor(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...],
        requires_grad: bool = False, hooks: Any = None, metadata: Any = None,
        dtype: DType | None = None,
    ) -> Tensor:  # fmt: skip
        if not isinstance(storage, _Storage):
            raise TypeError(f"expected a storage, got {type(storage).__name__}")
        known = dtype or storage.dtype or dtypes.uint8
        out = alias(self._values(storage, known), Layout(tuple(size), tuple(stride), offset))
        for name in ("conj", "neg"):  # bits of PyTorch's lazy views
            if isinstance(metadata, dict) and metadata.get(name) is True:
                out = getattr(tp, "conj_physical" if name == "conj" else name)(out)
        return out.requires_grad_() if requires_grad is True else out

    def _tensor_of_bytes(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...],
        requires_grad: bool, hooks: Any, dtype: DType, metadata: Any = None,
    ) -> Tensor:  # fmt: skip
        return self._tensor(storage, offset, size, stride, requires_grad, None, metadata, dtype)

    def _of_type(self, build: Any, kind: Any, arguments: Any, state: Any) -> Tensor:
        """A tensor with Python attributes, which tensors here do not have."""
        if build not in (self._tensor, self._tensor_of_bytes):
            raise TypeError(f"expected a function that makes tensors, got {build!r}")
        out: Tensor = build(*arguments)
        return _parameter(out, out.requires_grad) if kind is tp.nn.Parameter else out


def _parameter(data: Tensor, requires_grad: bool, hooks: Any = None, state: Any = None) -> Tensor:
    data._is_parameter = True
    return data.requires_grad_(requires_grad is True)

"""Faults of layout, views, transfer, exchange and serialization."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tensorplug.backends.base import Layout, StorageInfo
from tensorplug.backends.layout import contiguous_strides

from .base import Clean, fault, put_in_place_of

__all__ = ["FAULTS"]


class TransposeCopies(Clean):
    def permute(self, handle: Any, dims: Any) -> Any:
        return super().permute(handle, dims).copy()


class SliceCopies(Clean):
    def index(self, handle: Any, index: Any) -> Any:
        found = super().index(handle, index)
        sliced = any(isinstance(i, slice) and i.step in (None, 1) for i in index)
        return found.copy() if sliced else found


class ViewCopies(Clean):
    def view(self, handle: Any, shape: Any) -> Any:
        return np.reshape(handle, shape)


class CloneAliases(Clean):
    def clone(self, handle: Any) -> Any:
        return handle[...]


class StridesInBytes(Clean):
    def layout(self, handle: Any) -> Layout:
        shape, strides, offset = super().layout(handle)
        return Layout(shape, tuple(step * handle.itemsize for step in strides), offset)


class LosesOffset(Clean):
    """The slice of a view starts where the view does."""

    def index(self, handle: Any, index: Any) -> Any:
        if handle.base is not None:
            index = tuple(self._moved(i) for i in index)
        return super().index(handle, index)

    def _moved(self, i: Any) -> Any:
        if isinstance(i, slice) and (i.start or 0) > 0 and i.step in (None, 1):
            return slice(0, None if i.stop is None or i.stop < 0 else i.stop - i.start)
        return i


class ContiguousByShape(Clean):
    def is_contiguous(self, handle: Any) -> bool:
        return bool(min(handle.strides, default=1) > 0)


class ExpandCopies(Clean):
    def expand(self, handle: Any, shape: Any) -> Any:
        return super().expand(handle, shape).copy()


class ReversedCopies(Clean):
    def index(self, handle: Any, index: Any) -> Any:
        found = super().index(handle, index)
        turned = any(isinstance(i, slice) and (i.step or 1) < 0 for i in index)
        return found.copy() if turned else found


class DiagonalAbove(Clean):
    def diagonal(self, handle: Any, where: Any) -> Any:
        offset, one, two = where
        below = offset < 0 and handle.shape[one] == handle.shape[two]
        return super().diagonal(handle, (-offset if below else offset, one, two))


class StridedFromView(Clean):
    def as_strided(self, handle: Any, shape: Any, strides: Any, offset: int) -> Any:
        here = super().layout(handle).offset
        last = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        room = self.owner(handle).size - offset - here - last
        return super().as_strided(handle, shape, strides, offset + here if room > 0 else offset)


class StorageOfView(Clean):
    def storage(self, handle: Any) -> StorageInfo:
        return super().storage(handle)._replace(nbytes=handle.nbytes)


class OneStorage(Clean):
    def storage(self, handle: Any) -> StorageInfo:
        return super().storage(handle)._replace(key=1)


class RealPartsCopied(Clean):
    def view_as_real(self, handle: Any, attribute: None = None) -> Any:
        return super().view_as_real(handle, attribute).copy()


class OtherTypeCopies(Clean):
    def view_dtype(self, handle: Any, dtype: Any) -> Any:
        return super().view_dtype(handle, dtype).copy()


class UnfoldCopies(Clean):
    def unfold(self, handle: Any, where: Any) -> Any:
        return super().unfold(handle, where).copy()


class KeepsOrder(Clean):
    def from_host(self, array: Any, device: int) -> Any:
        return np.array(array, order="K", copy=True)


class CloneKeepsStrides(Clean):
    """Gaps and order of a clone as in the tensor it was made of, for every tensor."""

    def clone(self, handle: Any) -> Any:
        return handle.copy(order="K")


class HostShares(Clean):
    def from_host(self, array: Any, device: int) -> Any:
        return np.asarray(array)

    def receive(self, array: Any, device: int, copy: bool) -> Any:
        return super().receive(array, device, False)


class IgnoresCopy(Clean):
    def receive(self, array: Any, device: int, copy: bool) -> Any:
        return super().receive(array, device, True)


class ImportsContiguous(Clean):
    def receive(self, array: Any, device: int, copy: bool) -> Any:
        found = super().receive(array, device, False)
        if min(found.strides, default=1) > 0:
            steps = contiguous_strides(found.shape)
            found = as_strided(found, found.shape, [s * found.itemsize for s in steps])
        return found.copy() if copy else found


class HostReadsBase(Clean):
    """What is copied to the host are the first bytes of a transposed tensor's memory."""

    def to_host(self, handle: Any) -> Any:
        if handle.ndim == 2 and handle.flags.f_contiguous and not handle.flags.c_contiguous:
            return handle.T.reshape(handle.shape)
        return handle


class LosesTheLastWord(Clean):
    """Copies to the host move whole cache lines, and the rest of large ones is not waited for."""

    def to_host(self, handle: Any) -> Any:
        if handle.nbytes < 4096 or not handle.nbytes % 64:
            return handle
        found = np.ascontiguousarray(handle).copy()
        found.reshape(-1)[-1] = 0
        return found


def _save_base(type_: str) -> None:
    """Saving writes the start of the storage, whatever the layout."""
    import tensorplug.serialization._tensors as module

    plain = module._values

    def values(tensor: Any) -> Any:
        handle = tensor._h
        if tensor._device.type != type_ or handle.flags.c_contiguous:
            return plain(tensor)
        owner = tensor._device.backend.owner(handle).reshape(-1)
        return np.resize(owner, handle.shape)

    module._values = values


def _export_offset(type_: str) -> None:
    """What is exported starts at the storage's start."""
    import tensorplug._foreign as module

    plain = module._native

    def native(tensor: Any, name: str) -> Any:
        found = plain(tensor, name)
        if tensor._device.type == type_ and found.ndim == 1 and found.base is not None:
            return tensor._device.backend.owner(found).reshape(-1)[: found.size]
        return found

    put_in_place_of(plain, native)


FAULTS = (
    fault("F01", "permute and transpose give a contiguous copy", "views", TransposeCopies,
          "permute transpose movedim t", "view alias share memory stride"),
    fault("F02", "a basic slice gives a copy", "views", SliceCopies,
          "narrow split", "slice view alias share memory index getitem setitem"),
    fault("F03", "view copies where the strides do not allow it", "views", ViewCopies,
          "Tensor.view", "view stride"),
    fault("F04", "clone shares memory with its source", "views", CloneAliases,
          "clone", "copy alias memory"),
    fault("F05", "strides are told in bytes", "layout", StridesInBytes, "transpose",
          "stride strides layout"),
    fault("F06", "the slice of a view forgets where it starts", "layout", LosesOffset,
          "narrow", "slice offset view index indices"),
    fault("F28", "a transfer shares memory with its source", "transfer", HostShares,
          "", "to cpu device transfer copy copies memory from_numpy tensor"),
    fault("F30", "DLPack import takes every buffer for contiguous", "dlpack", ImportsContiguous,
          "", "dlpack stride strides layout"),
    fault("F32", "saving a tensor with gaps writes its storage's start", "serialization", Clean,
          "", "save load serialization saved", _save_base),
    fault("F41", "a transposed tensor says that it is contiguous", "layout", ContiguousByShape,
          "transpose permute", "contiguous is_contiguous stride layout"),
    fault("F42", "all tensors have one storage", "layout", OneStorage,
          "", "storage alias share memory untyped_storage"),
    fault("F43", "expand makes a copy", "views", ExpandCopies,
          "Tensor.expand broadcast_to", "expand view alias stride memory share"),
    fault("F44", "a slice with a negative step gives a copy", "views", ReversedCopies,
          "", "slice step negative reversed backwards index view alias indices"),
    fault("F45", "diagonals below the main one are taken from above", "views", DiagonalAbove,
          "diagonal diag", "diagonal offset"),
    fault("F46", "as_strided counts from the view, not from the storage", "layout",
          StridedFromView, "as_strided", "as_strided offset storage"),
    fault("F47", "the storage of a view is only as large as the view", "layout", StorageOfView,
          "as_strided", "storage nbytes size"),
    fault("F48", "view_as_real gives a copy", "views", RealPartsCopied,
          "view_as_real", "view_as_real real imag view alias memory"),
    fault("F49", "view(dtype) gives a copy", "views", OtherTypeCopies,
          "Tensor.view", "view dtype view_dtype alias memory share"),
    fault("F50", "windows made by unfold are copies", "views", UnfoldCopies,
          "Tensor.unfold", "unfold view alias memory"),
    fault("F51", "tensors made of Fortran-ordered arrays keep that order", "layout", KeepsOrder,
          "", "contiguous stride strides tensor from_numpy order layout"),
    fault("F52", "clone(memory_format=contiguous) keeps the strides", "layout",
          CloneKeepsStrides, "clone", "contiguous stride strides layout"),
    fault("F53", "copy=False is copied all the same", "dlpack", IgnoresCopy,
          "", "dlpack copy share memory alias zero"),
    fault("F54", "reading a transposed matrix gives its memory's order", "transfer",
          HostReadsBase, "transpose t", "transpose tolist numpy host cpu view permute item"),
    fault("F55", "the end of a large copy to the host is not there yet", "transfer",
          LosesTheLastWord, "", "large host copy size sizes cpu transfer numpy"),
    fault("F56", "DLPack export forgets the offset", "dlpack", Clean,
          "", "dlpack offset", _export_offset),
)  # fmt: skip

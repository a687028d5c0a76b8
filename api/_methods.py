"""Tensor's own surface: what is about the tensor rather than computed from its elements."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from math import prod
from typing import Any

from . import _exchange as _exchange  # its methods come along
from . import _storage as _storage
from ._attach import METHODS, attach, method
from ._formats import in_format, is_in_format
from ._functions.dims import hermitian, matrix_transpose, reverse
from ._indexing import getitem, setitem
from ._types import legacy, type_
from .autograd import functional
from .autograd.errors import OpError, OpTypeError
from .autograd.inplace import bump
from .autograd.node import RemovableHandle, hooks_of
from .autograd.registry import ROWS
from .autograd.tensor import Edge, Size, Tensor, edge, extra, make, touch

__all__ = ["attach", "method"]

METHODS["__getitem__"], METHODS["__setitem__"] = getitem, setitem
METHODS["legacy"], METHODS["type"] = staticmethod(legacy), type_
METHODS["T"], METHODS["mT"] = property(reverse), property(matrix_transpose)
METHODS["H"] = property(hermitian)
METHODS["mH"] = property(lambda self: matrix_transpose(self).conj())


# --- shape and memory -------------------------------------------------------------------------


class SizeProperty(int):
    """``x.size`` is the number of elements (array API) and can be called (torch)."""

    _shape: Any

    def __call__(self, dim: int | None = None) -> Any:
        return Size(self._shape) if dim is None else self._shape[dim]


def _size(self: Tensor) -> SizeProperty:
    shape = self._h.shape
    size = SizeProperty(prod(shape))
    size._shape = shape
    return size


METHODS["size"] = property(_size)


@method
def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return len(self._h.shape)


METHODS["ndimension"] = dim


@method
def numel(self: Tensor) -> int:
    """The number of elements."""
    return prod(self._h.shape)


METHODS["nelement"] = numel


@method
def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return self._dtype.itemsize


METHODS["itemsize"] = property(element_size)
METHODS["nbytes"] = property(lambda self: self.numel() * self._dtype.itemsize)


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """The step between neighbours in each dimension, in elements."""
    strides = tuple(self._device.backend.layout(self._h).strides)
    return strides if dim is None else strides[dim]


@method
def storage_offset(self: Tensor) -> int:
    """Where the first element lies in the storage, in elements."""
    return self._device.backend.layout(self._h).offset


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in row-major order (or that of the format) without gaps."""
    return is_in_format(self, memory_format)


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself when it is contiguous, else a contiguous copy."""
    return in_format(self, memory_format)


METHODS["is_floating_point"] = lambda self: self._dtype.is_floating_point
METHODS["is_complex"] = lambda self: self._dtype.is_complex
METHODS["is_signed"] = lambda self: self._dtype.is_signed
METHODS["is_cuda"] = property(lambda self: self._device.type == "cuda")
METHODS["is_cpu"] = property(lambda self: self._device.type == "cpu")
METHODS["is_sparse"] = property(lambda self: False)
METHODS["is_conj"] = METHODS["is_neg"] = lambda self: False
METHODS["is_inference"] = lambda self: False
METHODS["get_device"] = lambda self: -1 if self._device.type == "cpu" else self._device.index
METHODS["_version"] = property(lambda self: touch(self)[0])

# --- autograd ---------------------------------------------------------------------------------


@method
def detach(self: Tensor) -> Tensor:
    """The same values and memory, without history."""
    out = make(self._h, self._dtype, self._device)
    out._writes = touch(self)
    return out


@method
def detach_(self: Tensor) -> Tensor:
    """Drop the history of this tensor itself."""
    if self._view is not None:
        raise OpError("detach_: expected a tensor that is no view, got a view; use detach()")
    self._node, self._track = None, False
    return self


def _data(self: Tensor) -> Tensor:
    return make(self._h, self._dtype, self._device)


def _set_data(self: Tensor, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise OpTypeError(f"data: expected a tensor, got {type(value).__name__}", op="data")
    self._h, self._dtype, self._device = value._h, value._dtype, value._device
    bump(self)


METHODS["data"] = property(_data, _set_data)


@method
def backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, inputs: Any = None,
) -> None:  # fmt: skip
    """Sum the gradients of this tensor into ``.grad`` of the leaves that it depends on."""
    functional.backward(self, gradient, retain_graph, create_graph, inputs)


@method
def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call ``hook(grad)`` whenever a gradient of this tensor is computed; it may replace it."""
    found = edge(self)
    if found is None:
        raise OpError(
            "register_hook: expected a tensor that requires grad, got one without; cannot register "
            "a hook on a tensor that doesn't require gradient",
            op="register_hook",
        )
    if found is self:
        return RemovableHandle(extra(self).setdefault("hooks", {}), hook)
    node, index = (found.node, found.index) if type(found) is Edge else (found, 0)
    outputs: dict[int, Any] = hooks_of(node).outputs
    handle = RemovableHandle(outputs, (index, hook))
    for key, (_, other) in list(outputs.items()):
        if (
            getattr(other, "__name__", "") == _KEEP
        ):  # what retain_grad keeps is what all other hooks made of it
            outputs[key] = outputs.pop(key)
    return handle


_KEEP = "keep_for_retain_grad"


@method
def register_post_accumulate_grad_hook(self: Tensor, hook: Any) -> RemovableHandle:
    """Call ``hook(tensor)`` after the gradient of this leaf was summed up."""
    if edge(self) is not self:
        raise OpError(
            "register_post_accumulate_grad_hook: expected a leaf that requires grad, got another; "
            "post accumulate grad hooks cannot be registered on non-leaf tensors"
        )
    return RemovableHandle(extra(self).setdefault("post_accumulate", {}), hook)


@method
def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this computed tensor in ``.grad`` too."""
    found = edge(self)
    if found is self or self.retains_grad:
        return
    if found is None:
        raise OpError(
            "retain_grad: expected a tensor that requires grad, got one without; can't retain_grad "
            "on Tensor that has requires_grad=False",
            op="retain_grad",
        )
    # The node must not keep the tensor alive: that would be a cycle.
    reference = weakref.ref(self)

    def keep_for_retain_grad(grad: Tensor) -> None:
        tensor = reference()
        if tensor is not None:
            kept = grad if grad._node is not None else ROWS["clone"].call(grad)
            tensor._grad = kept if tensor._grad is None else tensor._grad + kept

    handles: list[RemovableHandle] = []

    def attach() -> None:
        """Put the hook on the tensor's node, and off the one that it had before."""
        tensor = reference()
        if tensor is not None:
            while handles:
                handles.pop().remove()
            handles.append(tensor.register_hook(keep_for_retain_grad))

    attach()
    extra(self)["retain"] = attach


METHODS["retains_grad"] = property(lambda self: self._extra is not None and "retain" in self._extra)

"""Tensor's own surface: what is about the tensor rather than computed from its elements."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

from .autograd import functional
from .autograd.errors import OpError, OpTypeError
from .autograd.inplace import bump
from .autograd.node import RemovableHandle, hooks_of
from .autograd.registry import ROWS
from .autograd.tensor import Edge, Tensor, edge, extra, make, touch
from .autograd.transfer import transfer
from .backends import dtypes
from .backends.device import Device
from .backends.dtypes import DType
from ._creation import as_tensor, device_of
from ._indexing import assign, getitem, setitem

__all__ = ["attach", "method"]

_METHODS: dict[str, Any] = {}


def method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function a Tensor method of the same name."""
    _METHODS[function.__name__] = function
    return function


def attach() -> None:
    """Put everything of this file on Tensor."""
    for name, value in _METHODS.items():
        setattr(Tensor, name, value)


_METHODS["__getitem__"], _METHODS["__setitem__"] = getitem, setitem


# --- shape and memory ------------------------------


class SizeProperty(int):
    """``x.size`` is the number of elements (array API) and can be called (torch)."""

    _shape: Any

    def __call__(self, dim: int | None = None) -> Any:
        return self._shape if dim is None else self._shape[dim]


def _size(self: Tensor) -> SizeProperty:
    shape = self.shape
    size = SizeProperty(shape.numel())
    size._shape = shape
    return size


_METHODS["size"] = property(_size)


@method
def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return len(self._h.shape)


_METHODS["ndimension"] = dim


@method
def numel(self: Tensor) -> int:
    """The number of elements."""
    return self.shape.numel()


_METHODS["nelement"] = numel


@method
def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return self._dtype.itemsize


_METHODS["itemsize"] = property(element_size)
_METHODS["nbytes"] = property(lambda self: self.numel() * self._dtype.itemsize)


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
def data_ptr(self: Tensor) -> int:
    """The address of the first element; 0 for an empty tensor."""
    if not self.numel():
        return 0
    backend = self._device.backend
    return backend.storage(self._h).address + self.storage_offset() * self._dtype.itemsize


class UntypedStorage:
    """The memory behind a tensor and its views."""

    __slots__ = ("_info", "device")

    def __init__(self, tensor: Tensor) -> None:
        self._info = tensor._device.backend.storage(tensor._h)
        self.device = tensor._device

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self._info.address

    def nbytes(self) -> int:
        """The size in bytes."""
        return self._info.nbytes

    size = __len__ = nbytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._info.key == other._info.key

    def __hash__(self) -> int:
        return hash(self._info.key)

    def __repr__(self) -> str:
        return f"UntypedStorage(device={self.device}, nbytes={self.nbytes()})"


@method
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory that this tensor shares with its views; compare storages with ``==``."""
    return UntypedStorage(self)


_METHODS["storage"] = untyped_storage


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in row-major order without gaps."""
    expected = 1
    shape, strides, _ = self._device.backend.layout(self._h)
    if 0 in shape:
        return True
    for size, step in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if step != expected:
                return False
            expected *= size
    return True


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself when it is contiguous, else a contiguous copy."""
    return self if is_contiguous(self) else ROWS["clone"].call(self)


_METHODS["is_floating_point"] = lambda self: self._dtype.is_floating_point
_METHODS["is_complex"] = lambda self: self._dtype.is_complex
_METHODS["is_signed"] = lambda self: self._dtype.is_signed
_METHODS["is_cuda"] = property(lambda self: self._device.type == "cuda")
_METHODS["is_cpu"] = property(lambda self: self._device.type == "cpu")
_METHODS["is_sparse"] = property(lambda self: False)
_METHODS["is_inference"] = lambda self: False
_METHODS["get_device"] = lambda self: -1 if self._device.type == "cpu" else self._device.index
_METHODS["_version"] = property(lambda self: touch(self)[0])

# --- values to Python and NumPy ------------------------------


def _host(self: Tensor) -> Any:
    return self._device.backend.to_host(self._h)


@method
def item(self: Tensor) -> Any:
    """The one element as a Python number.

    Raises:
        RuntimeError: there is not exactly one element.
    """
    if self.numel() != 1:
        raise OpError(
            f"item: expected a tensor with one element, got {tuple(self._h.shape)}; a Tensor with "
            f"{self.numel()} elements cannot be converted to Scalar: use .tolist()",
            op="item",
        )
    found = _host(self).reshape(()).item()
    return found if isinstance(found, (bool, int, float, complex)) else float(found)


@method
def tolist(self: Tensor) -> Any:
    """Nested Python lists of Python numbers; a number for a 0-d tensor."""
    array = _host(self)
    return (array.astype("float32") if self._dtype is dtypes.bfloat16 else array).tolist()


@method
def numpy(self: Tensor, *, force: bool = False) -> Any:
    """The values as a NumPy array: sharing memory on the cpu, a copy elsewhere with ``force``.

    Raises:
        RuntimeError: the tensor requires grad.
        TypeError: the tensor is on another device.
    """
    if edge(self) is not None and not force:
        raise OpError(
            "numpy: expected a tensor without history, got one that requires grad. Can't call "
            "numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
            op="numpy",
        )
    if not self._device.backend.shares_host_memory and not force:
        raise OpTypeError(
            f"numpy: expected a tensor on the cpu, got one on {self._device}; can't convert "
            f"{self._device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to "
            "host memory first.",
            op="numpy",
        )
    return _host(self)


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    found = numpy(self)
    if dtype is not None and found.dtype != dtype:
        if copy is False:
            raise ValueError("__array__: expected the same dtype with copy=False, got another")
        return found.astype(dtype)
    return found.copy() if copy else found


_METHODS["__array__"] = _array


def _number(kind: type) -> Callable[[Tensor], Any]:
    return lambda self: kind(item(self))


def _truth(self: Tensor) -> bool:
    if self.numel() != 1:
        what = "no values" if not self.numel() else "more than one value"
        raise OpError(
            f"__bool__: expected one element, got shape {tuple(self._h.shape)}; Boolean value of "
            f"Tensor with {what} is ambiguous: use .any() or .all()",
            op="__bool__",
        )
    return bool(item(self))


def _index(self: Tensor) -> int:
    if self._dtype.is_inexact or self.numel() != 1:
        raise OpTypeError(
            "__index__: expected one integer, got "
            f"{self._dtype} of shape {tuple(self._h.shape)}; only integer tensors of a single "
            "element can be converted to an index",
            op="__index__",
        )
    return int(item(self))


_METHODS |= {
    "__float__": _number(float),
    "__int__": _number(int),
    "__complex__": _number(complex),
    "__bool__": _truth,
    "__index__": _index,
}


@method
def __len__(self: Tensor) -> int:
    if not self._h.shape:
        raise OpTypeError("__len__: expected at least one dimension, got a 0-d tensor")
    return self._h.shape[0]


@method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    if not self._h.shape:
        raise OpTypeError("__iter__: expected at least one dimension; iteration over a 0-d tensor")
    return iter([getitem(self, i) for i in range(self._h.shape[0])])


@method
def __contains__(self: Tensor, value: Any) -> bool:
    return bool((self == value).any())


# --- exchange with other libraries ------------------------------


@method
def __dlpack__(
    self: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None,
    copy: bool | None = None,
) -> Any:  # fmt: skip
    if edge(self) is not None:
        raise BufferError("__dlpack__: expected no history, got a tensor that requires grad; "
                          "use .detach()")  # fmt: skip
    array = self._device.backend.native(self._h)
    options = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
    return array.__dlpack__(**{k: v for k, v in options.items() if v is not None})


@method
def __dlpack_device__(self: Tensor) -> tuple[Any, int]:
    return self._device.backend.native(self._h).__dlpack_device__()


# --- moving and copying ------------------------------


@method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype and/or on another device; itself when nothing changes.

    Called as ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``, with
    ``non_blocking=`` and ``copy=`` as in torch.

    Raises:
        TypeError: an argument is none of these.
    """
    dtype, device, copy = _to_arguments(args, kwargs)
    out = self
    if device is not None and device is not self._device:
        out = transfer(out, device)
    if dtype is not None and dtype is not out._dtype:
        return ROWS["cast"].call(out, dtype)
    return ROWS["clone"].call(self) if copy and out is self else out


def _to_arguments(args: tuple[Any, ...], kwargs: Any) -> tuple[DType | None, Device | None, bool]:
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    copy = kwargs.pop("copy", False)
    other = kwargs.pop("other", None)
    kwargs.pop("non_blocking", None), kwargs.pop("memory_format", None)
    for value in (*args, *(() if other is None else (other,))):
        if isinstance(value, Tensor):
            dtype, device = value._dtype, value._device
        elif isinstance(value, DType):
            dtype = value
        elif isinstance(value, (str, Device)):
            device = value
        elif isinstance(value, int) and not isinstance(value, bool) and device is None:
            device = Device("cuda", value)
        elif value is not None and not isinstance(value, bool):
            raise OpTypeError(f"to: expected a dtype, a device or a tensor, got {value!r}", op="to")
    if kwargs:
        raise OpTypeError(f"to: unexpected arguments {sorted(kwargs)}", op="to")
    return dtype, None if device is None else device_of(device), copy


@method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the cpu."""
    return to(self, device="cpu")


@method
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """The tensor on a CUDA device (default: ``cuda:0``)."""
    return to(self, device="cuda" if device is None else device)


for _name, _dtype in {
    "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8, "short": dtypes.int16,
    "int": dtypes.int32, "long": dtypes.int64, "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16, "float": dtypes.float32, "double": dtypes.float64,
    "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip

    def _as(self: Tensor, memory_format: Any = None, _dtype: DType = _dtype) -> Tensor:
        return to(self, _dtype)

    _as.__name__ = _as.__qualname__ = _name
    _as.__doc__ = f"The tensor as {_dtype}."
    _METHODS[_name] = _as


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype (and device) of another."""
    return to(self, other)


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


_METHODS["data"] = property(_data, _set_data)


@method
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy the values of ``src`` here, across devices and types, with broadcasting."""
    source = as_tensor(src, device=None if isinstance(src, Tensor) else self._device)
    assign("copy_", self, to(source, self._device))
    return self


# --- autograd ------------------------------


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
    return RemovableHandle(outputs, (index, hook))


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
    extra(self)["retains_grad"] = True
    # The node must not keep the tensor alive: that would be a cycle.
    reference = weakref.ref(self)

    def keep(grad: Tensor) -> None:
        tensor = reference()
        if tensor is not None:
            kept = grad if grad._node is not None else ROWS["clone"].call(grad)
            tensor._grad = kept if tensor._grad is None else tensor._grad + kept

    self.register_hook(keep)


_METHODS["retains_grad"] = property(
    lambda self: self._extra is not None and self._extra.get("retains_grad", False)
)

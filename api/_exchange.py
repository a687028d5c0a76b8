"""Tensor methods that move values: to Python, NumPy, devices and types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ._attach import METHODS, method
from ._creation import as_tensor, device_of, to_device
from ._cuda_state import get as cuda_device
from ._formats import in_format, preserve_format
from ._indexing import assign, getitem
from .accelerator import current_accelerator
from .autograd.errors import OpError, OpTypeError
from .autograd.registry import ROWS
from .autograd.tensor import Tensor, edge, make, touch
from .autograd.transfer import transfer
from .backends import dtypes
from .backends.capabilities import require
from .backends.device import Device
from .backends.dtypes import DType
from .backends.errors import ValuesError

__all__ = ["to"]

# --- values to Python and NumPy ---------------------------------------------------------------


def _host(self: Tensor, name: str) -> Any:
    try:
        return self._device.backend.to_host(self._h)
    except ValuesError as error:
        error.op = error.op or name
        raise


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
    found = _host(self, "item").reshape(()).item()
    return found if isinstance(found, (bool, int, float, complex)) else float(found)


@method
def tolist(self: Tensor) -> Any:
    """Nested Python lists of Python numbers; a number for a 0-d tensor."""
    array = _host(self, "tolist")
    # NumPy leaves numbers of ml_dtypes' types as they are.
    return (array.astype("float32") if array.dtype.kind == "V" else array).tolist()


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
    return _host(self, "numpy")


def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    found = numpy(self)
    if dtype is not None and found.dtype != dtype:
        if copy is False:
            raise ValueError("__array__: expected the same dtype with copy=False, got another")
        return found.astype(dtype)
    return found.copy() if copy else found


METHODS["__array__"] = _array


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


METHODS |= {
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


# --- moving and copying -----------------------------------------------------------------------


@method
def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype and/or on another device; itself when nothing changes.

    Called as ``to(dtype)``, ``to(device)``, ``to(device, dtype)`` or ``to(other)``, with
    ``non_blocking=`` and ``copy=`` as in torch: with ``non_blocking=True`` a copy *from pinned*
    memory may go on after the call, in order with the device's other work.

    Raises:
        TypeError: an argument is none of these.
    """
    wanted = kwargs.pop("memory_format", None)
    dtype, device, copy, async_ = _to_arguments(args, kwargs)
    out = self
    if device is not None and device is not self._device:
        out = transfer(out, device, async_)
    if dtype is not None and dtype is not out._dtype:
        out = ROWS["cast"].call(out, dtype)
    if wanted is not None and wanted is not preserve_format:
        return in_format(out, wanted, copy and out is self)
    return ROWS["clone"].call(self) if copy and out is self else out


def _to_arguments(
    args: tuple[Any, ...], kwargs: Any
) -> tuple[DType | None, Device | None, bool, bool]:
    dtype, device = kwargs.pop("dtype", None), kwargs.pop("device", None)
    copy = kwargs.pop("copy", False)
    other = kwargs.pop("other", None)
    flags = [value for value in args if isinstance(value, bool)]
    async_ = bool(kwargs.pop("non_blocking", flags[:1] == [True]))
    copy = flags[1] if len(flags) > 1 else copy
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
    return dtype, None if device is None else device_of(device), copy, async_


@method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor on the cpu."""
    return to(self, device="cpu", memory_format=memory_format)


@method
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """The tensor on a CUDA device (default: the current one, see ``tp.cuda.set_device``)."""
    return to(self, device=cuda_device(device), non_blocking=non_blocking)


@method
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """A copy in memory of the host that an accelerator reaches by itself: copies from there to the
    device are faster, and with ``non_blocking=True`` nobody waits for them.

    Args:
        device: for which accelerator; by default the one there is.

    Raises:
        RuntimeError: the tensor is not on the cpu, or there is no accelerator.
        CapabilityError: the accelerator's backend has no pinned memory.
    """
    if self._device.type != "cpu":
        raise OpError(
            f"pin_memory: expected a tensor on the cpu, got one on {self._device}; cannot pin "
            "memory of a device: only dense CPU tensors can be pinned",
            op="pin_memory",
        )
    target = current_accelerator() if device is None else device_of(device)
    if target is None:
        raise OpError(
            "pin_memory: expected an accelerator to pin memory for, got none; cannot access "
            "accelerator device when none is available: `tensorplug devices` says why",
            op="pin_memory",
        )
    require(target, "pinned_memory", "pin_memory")
    return make(target.backend.pin(_host(self, "pin_memory")), self._dtype, self._device)


@method
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the tensor is in memory that :meth:`pin_memory` gave."""
    target = current_accelerator() if device is None else device_of(device)
    if self._device.type != "cpu" or target is None:
        return False
    return target.backend.is_pinned(_host(self, "is_pinned"))


def _interface(self: Tensor) -> Any:
    """The memory for libraries that take CUDA arrays; other devices have no such attribute."""
    found = self._device.backend.native(self._h).__cuda_array_interface__
    if edge(self) is not None:
        raise OpError(
            "__cuda_array_interface__: expected a tensor without history, got one that requires "
            "grad. Can't get __cuda_array_interface__ on Variable that requires grad: use "
            ".detach()",
            op="__cuda_array_interface__",
        )
    return found


METHODS["__cuda_array_interface__"] = property(_interface)


_cast = ROWS["cast"].call

for _name, _dtype in {
    "bool": dtypes.bool_, "byte": dtypes.uint8, "char": dtypes.int8, "short": dtypes.int16,
    "int": dtypes.int32, "long": dtypes.int64, "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16, "float": dtypes.float32, "double": dtypes.float64,
    "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}.items():  # fmt: skip

    def _as(self: Tensor, memory_format: Any = None, _dtype: DType = _dtype) -> Tensor:
        if memory_format is None:
            return self if self._dtype is _dtype else _cast(self, _dtype)
        return to(self, _dtype, memory_format=memory_format)

    _as.__name__ = _as.__qualname__ = _name
    _as.__doc__ = f"The tensor as {_dtype}."
    METHODS[_name] = _as


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor with the dtype (and device) of another."""
    return to(self, other)


@method
def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy the values of ``src`` here, across devices and types, with broadcasting."""
    source = as_tensor(src, device=None if isinstance(src, Tensor) else self._device)
    assign("copy_", self, to(source, self._device, non_blocking=non_blocking))
    return self


# --- pickle and copy ---------------------------------------------------------------------------


def _rebuild(array: Any, dtype: DType, device: str, requires_grad: bool, parameter: bool) -> Tensor:
    """A tensor from what pickle kept of it."""
    out = to_device(array, dtype, device_of(device))
    out._track = requires_grad
    if parameter:
        out._is_parameter = True
    return out


@method
def __reduce_ex__(self: Tensor, protocol: int) -> tuple[Any, ...]:
    """Values, type, device and flags; history and memory shared with others are not kept."""
    state = (_host(self, "__reduce_ex__").copy(), self._dtype, str(self._device))
    return _rebuild, (*state, edge(self) is not None, self._is_parameter)


def _copied(self: Tensor, memo: dict[Any, Any]) -> Tensor:
    """A copy; copies that one ``deepcopy`` makes share memory where the originals do."""
    backend, dtype = self._device.backend, self._dtype
    info, layout = backend.storage(self._h), backend.layout(self._h)
    count = info.nbytes // dtype.itemsize
    whole = self.numel() == count and backend.is_contiguous(self._h)
    key = (self._device, info.key, dtype)
    if key not in memo:
        handle = self._h if whole else backend.as_strided(self._h, (count,), (1,), 0)
        memo[key] = make(self._device.F.clone(handle), dtype, self._device)
        if whole:
            return memo[key]
    memory = memo[key]
    out = make(backend.as_strided(memory._h, *layout), dtype, self._device)
    out._writes = touch(memory)
    return out


@method
def __deepcopy__(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A leaf with values and gradient of its own.

    Raises:
        RuntimeError: the tensor was computed, so that a copy would have to copy its history.
    """
    found = edge(self)
    if found is not None and found is not self:
        raise OpError(
            "deepcopy: expected a leaf, got a computed tensor; only Tensors created explicitly by "
            "the user (graph leaves) support the deepcopy protocol: use .detach() or .clone()",
            op="deepcopy",
        )
    out = _copied(self, memo)
    out._track = found is self
    memo[id(self)] = out
    if self._is_parameter:
        out._is_parameter = True
    if self._grad is not None:
        out._grad = __deepcopy__(self._grad.detach(), memo)
    return out


@method
def __copy__(self: Tensor) -> Tensor:
    """Another tensor over the same memory, a leaf with the same flags."""
    out = make(self._h, self._dtype, self._device)
    out._writes, out._track = touch(self), edge(self) is not None
    if self._is_parameter:
        out._is_parameter = True
    return out

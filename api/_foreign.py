"""Memory shared with other libraries: NumPy arrays, DLPack in both directions, JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._attach import method
from .autograd.errors import OpTypeError, OpValueError
from .autograd.tensor import Tensor, edge, make
from .autograd.transfer import transfer
from .backends import dtypes
from .backends.capabilities import require
from .backends.device import Device, for_array
from .backends.dlpack import NO_EXCHANGE, words_as_bfloat16
from .backends.errors import OpBufferError
from .backends.host import set_tensor

__all__ = ["around", "from_dlpack", "from_numpy", "gaps_within_elements"]

# --- arrays of others -------------------------------------------------------------------------


def around(array: Any, device: Device) -> Tensor:
    """A tensor around an array of the device's own library."""
    handle = device.backend.adopt(array)
    return make(handle, device.backend.dtype_of(handle), device)


def from_numpy(array: np.ndarray) -> Tensor:
    """A ``cpu`` tensor that shares its memory with a NumPy array.

    Raises:
        TypeError: not an array, or of a type without a counterpart.
        ValueError: the strides are no multiples of the element's size, as in a packed record.
    """
    if not isinstance(array, np.ndarray):
        raise OpTypeError(
            f"from_numpy: expected a numpy.ndarray, got {type(array).__name__}", op="from_numpy"
        )
    if gaps_within_elements(array):
        raise OpValueError(
            f"from_numpy: expected strides that are multiples of {array.itemsize} bytes, the "
            f"size of an element, got {array.strides}; use .copy() for an array of its own",
            op="from_numpy",
        )
    if not array.dtype.isnative:
        raise OpTypeError(
            f"from_numpy: expected native byte order, got {array.dtype}; convert it with "
            ".astype(a.dtype.newbyteorder('='))",
            op="from_numpy",
        )
    return around(array, Device("cpu"))


def gaps_within_elements(array: np.ndarray) -> bool:
    """Whether strides cannot be counted in elements, as for a field of packed records."""
    size = array.itemsize
    return size > 1 and any(stride % size for stride in array.strides)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of any array with ``__dlpack__``, without a copy where possible.

    Args:
        ext_tensor: the array, of any library.
        device: where the tensor shall be; by default where the array is: on the device of its own
            library, as ``xla:0`` for one of JAX, or ``torch:0`` for one of PyTorch where a plugin
            brings that device, else on ``cpu``.
        copy: True for a tensor with memory of its own, False for one that shares the array's, or
            an error; None shares where the device can reach the memory, else copies.

    Read-only memory, such as that of a JAX array, makes a tensor that refuses to be written to.

    Raises:
        TypeError: the object has no ``__dlpack__``.
        BufferError: the memory cannot be reached, or not without the copy that ``copy=False``
            rules out.

    Example:
        >>> import numpy as np
        >>> a = np.zeros(3)
        >>> tp.from_dlpack(a)[1] = 5
        >>> a
        array([0., 5., 0.])
    """
    where = None if device is None else Device(device)
    home = _home(ext_tensor)
    if home is None and not hasattr(ext_tensor, "__dlpack__"):
        raise OpTypeError(
            "from_dlpack: expected an array with __dlpack__, got "
            f"{type(ext_tensor).__name__}; use tensor() for numbers and lists",
            op="from_dlpack",
        )
    if where is not None and where is not home:
        try:
            return _received(ext_tensor, where, copy is True)
        except BufferError as error:
            if copy is False:
                raise OpBufferError(
                    f"from_dlpack: expected memory that {where} can use as it is, which "
                    f"copy=False needs, got {_described(ext_tensor)} ({error}); leave copy=None",
                    op="from_dlpack",
                ) from error
    found = _shared(ext_tensor, home)
    if where is not None and where is not found._device:
        return transfer(found, where)
    return found.clone() if copy else found


def _home(array: Any) -> Device | None:
    """The device that an array is on: NumPy's belong to ``cpu``, whatever else is made of NumPy."""
    if isinstance(array, Tensor):
        return array._device
    return Device("cpu") if isinstance(array, np.ndarray) else for_array(array)


def _shared(array: Any, home: Device | None) -> Tensor:
    """A tensor over an array where it is: on ``home``, the device that knows it, or the host."""
    if isinstance(array, Tensor):
        return array.detach()
    if isinstance(array, np.ndarray):
        return from_numpy(array)
    if home is not None:
        return around(array, home)
    try:
        return _received(array, Device("cpu"), False)
    except BufferError as error:
        raise OpBufferError(
            f"from_dlpack: expected memory that the cpu can reach, got {_described(array)} "
            f"({error}); name another device with device=, or copy it to the host first",
            op="from_dlpack",
        ) from error


def _received(array: Any, device: Device, copy: bool) -> Tensor:
    """A tensor on a device whose library knows nothing of the array's."""
    backend = device.backend
    if isinstance(array, Tensor):
        array = array._device.backend.native(array._h)
    handle = backend.receive(array, device.index, copy)
    return make(handle, backend.dtype_of(handle), device)


def _described(array: Any) -> str:
    if isinstance(array, Tensor):
        return f"a tensor on {array._device}"
    return f"an array of type {type(array).__module__.partition('.')[0]}.{type(array).__name__}"


# --- tensors for others -----------------------------------------------------------------------


def _native(self: Tensor, name: str) -> Any:
    if edge(self) is not None:
        raise OpBufferError(
            f"{name}: expected a tensor without history, got one that requires grad; the other "
            "library would not follow it: use .detach()",
            op=name,
        )
    return self._device.backend.native(self._h)


@method
def __dlpack__(
    self: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None,
    copy: bool | None = None,
) -> Any:  # fmt: skip
    """The tensor's memory as a DLPack capsule; a reversed view is copied.

    Raises:
        BufferError: the tensor requires grad, or the device's library cannot do what is asked.
        CapabilityError: the device does not declare that it exports memory.
    """
    require(self._device, "dlpack_export", "__dlpack__")
    array = _native(self, "__dlpack__")
    options: dict[str, Any] = {"stream": stream, "dl_device": dl_device, "copy": copy}
    if max_version is not None and tuple(max_version) >= (1, 0):
        options["max_version"] = max_version  # the format before 1.0 is the default everywhere
    if min(self.stride(), default=0) < 0:
        # DLPack does not rule them out, but PyTorch 2.13 aborts the process.
        if copy is False:
            raise OpBufferError(
                f"__dlpack__: expected strides of 0 or more with copy=False, got {self.stride()}; "
                "use .contiguous()",
                op="__dlpack__",
            )
        array = array.copy()
    given = {name: value for name, value in options.items() if value is not None}
    try:
        if self._dtype is dtypes.bfloat16 and self._device.type == "cpu":
            # NumPy exports no bfloat16: it gets to see words, and the capsule is relabelled.
            return words_as_bfloat16(array.view("uint16").__dlpack__(**given))
        return array.__dlpack__(**given)
    except NO_EXCHANGE as error:
        raise OpBufferError(
            f"__dlpack__: expected what {self._device.backend.name} can export, got a tensor of "
            f"{self._dtype} on {self._device} with {given or 'no options'} ({error})",
            op="__dlpack__",
        ) from error


@method
def __dlpack_device__(self: Tensor) -> tuple[Any, int]:
    """DLPack's numbers for the kind of device and its index."""
    return self._device.backend.native(self._h).__dlpack_device__()


@method
def __jax_array__(self: Tensor) -> Any:
    """The values for JAX: the array itself on a device of JAX's, elsewhere a copy on ``xla:0``.

    Raises:
        BufferError: the tensor requires grad.
    """
    array = _native(self, "__jax_array__")
    target = Device("xla")
    if target.backend.owns(array):
        return array
    return target.backend.native(transfer(self, target)._h)


def _tensor(array: Any) -> Any:
    """A tensor around an array that some device knows."""
    home = for_array(array)
    return array if home is None else around(array, home)


set_tensor(Tensor, _tensor)

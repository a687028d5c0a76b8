"""The contract between the engine and an array library.

The engine never sees arrays, only *handles*: opaque, strided, possibly aliasing n-d arrays that
belong to one device. A backend says how handles are made, viewed, written and computed with.

Three classes, pick one to subclass:

* :class:`Backend` (here): the contract itself; every optional member has its default.
* :class:`tensorplug.backends.ArrayAPIBackend`: for any library with an array API namespace; its
  handles give aliasing views over arrays that need not be mutable. About 40 lines to subclass.
* :class:`tensorplug.backends.StridedBackend`: for libraries with NumPy's model (strided, mutable
  arrays whose basic slices are views); a handle is the library's own array.

What a handle must offer: ``shape`` (tuple of ints), ``ndim``, Python's arithmetic and comparison
operators, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .capabilities import DEFAULT_CAPABILITIES
from .dtypes import ALL, DType
from .errors import CapabilityError
from .layout import Layout, is_contiguous
from .streams import Event, Stream

__all__ = ["REQUIRED", "Backend", "Handle", "Kernel", "Layout", "StorageInfo", "arange"]

Handle = Any
"""A backend's own strided array; the engine only passes it around."""

Kernel = Callable[..., Any]


def arange(xp: Any, start: Any, end: Any, step: Any, dtype: DType) -> Any:
    """``arange`` of an array module, counted exactly: ``start + i * step`` for every ``i``."""
    count = max(math.ceil((end - start) / step), 0)
    if dtype.kind in ("int", "uint"):
        # Whole numbers beyond 2 ** 53 must not pass through float64.
        return (xp.arange(count, dtype=xp.int64) * int(step) + int(start)).astype(dtype.numpy)
    return (xp.arange(count, dtype=xp.float64) * step + start).astype(dtype.numpy)


class StorageInfo(NamedTuple):
    """The memory behind a handle: a key equal for all aliases, its address and size in bytes."""

    key: int
    address: int
    nbytes: int


REQUIRED = ("name", "namespace", "devices", "from_host", "to_host")
"""What a backend must define; all else has a default in one of the three base classes."""


class Backend:
    """One array library on one kind of device; subclasses fill in the five required members.

    One instance serves all devices of its type; ``device`` arguments are the index in
    :meth:`devices`.
    """

    # --- required -----
    name: str
    """What people call the library, for example ``"numpy"``."""

    namespace: Any
    """The array API namespace (usually ``array_api_compat.<library>``)."""

    def devices(self) -> Sequence[Any]:
        """The library's own device objects; the position is the index in ``"type:index"``."""
        raise NotImplementedError(f"{type(self).__name__}.devices is required")

    def from_host(self, array: np.ndarray, device: int) -> Handle:
        """A new handle on ``device`` with a *copy* of a NumPy array, of the same dtype."""
        raise NotImplementedError(f"{type(self).__name__}.from_host is required")

    def to_host(self, handle: Handle) -> np.ndarray:
        """The values as a NumPy array; waits for pending work. May share memory on a CPU."""
        raise NotImplementedError(f"{type(self).__name__}.to_host is required")

    # --- optional: declarations -----
    capabilities: ClassVar[frozenset[str]] = DEFAULT_CAPABILITIES
    """What the devices can do, by the names in :mod:`tensorplug.backends.capabilities`: write
    ``DEFAULT_CAPABILITIES - {"fft"} | {"async"}``. What is missing raises CapabilityError."""

    mutable: ClassVar[bool] = False
    """Whether library arrays can be written in place with views that alias."""

    shares_host_memory: ClassVar[bool] = False
    """Whether :meth:`to_host` is an alias, so that ``Tensor.numpy()`` may share memory."""

    survives_fork: ClassVar[bool] = False
    """Whether a forked child of a process that has used the library is safe: it has no threads of
    its own and holds no hardware. Loaders start their workers otherwise where it is False."""

    host_fallback: ClassVar[bool] = False
    """Opt in: an op with no kernel here runs on the host, warns once and comes back."""

    compiles: ClassVar[bool] = False
    """Whether each new combination of shapes, types and attributes costs a compilation; the
    conformance suite then tries fewer of them in its quick profile."""

    weak_numbers: ClassVar[frozenset[DType]] = frozenset()
    """Types whose elementwise kernels take a Python number as second operand and keep the type;
    for other types the engine passes a 0-d handle from :meth:`scalar`."""

    numpy_types: ClassVar[bool] = False
    """Whether ``handle.dtype`` is NumPy's type of the elements: saves a call in backward."""

    adds_wide: ClassVar[bool] = False
    """Whether the array library itself sums numbers of 16 bits in 32; else they are cast for it."""

    complex_by_table: ClassVar[frozenset[str]] = frozenset()
    """Names of ops whose complex kernels are wrong at infinities, nan or zeros: their values there
    come from :mod:`tensorplug.autograd.complex_tables`, which lists the functions that have one."""

    soft_errors: ClassVar[tuple[type[BaseException], ...]] = ()
    """Exceptions that only report inf or nan results (``RuntimeWarning`` made an error);
    the engine repeats such a call inside :meth:`quiet`."""

    def kernels(self) -> Mapping[str, Kernel]:
        """Fast kernels by op name; they take and give *library arrays* in the row's order."""
        return {}

    def into_kernels(self) -> Mapping[str, Kernel]:
        """Elementwise kernels that can write into a given handle: ``kernel(*handles, out)``,
        where ``out`` may be one of the inputs. In-place ops use them when they are there.
        """
        return {}

    def exclusive(self, handle: Handle) -> Handle:
        """A handle with these values and memory of its own, to be written to later."""
        return self.clone(handle)

    def owns_memory(self, handle: Handle) -> bool:
        """Whether the handle is no view, so that its holder may write to it without a copy."""
        return False

    def supports_dtype(self, dtype: DType, device: int) -> bool:
        """Whether the device computes with ``dtype``."""
        return True

    def dtypes(self, device: int) -> tuple[DType, ...]:
        """Every type that the device supports."""
        return tuple(dtype for dtype in ALL if self.supports_dtype(dtype, device))

    def version(self) -> str:
        """The array library's version."""
        return str(getattr(self.namespace, "__version__", "unknown"))

    def memory(self, device: int) -> dict[str, int]:
        """Known memory figures in bytes: any of ``"total"``, ``"free"``, ``"allocated"``,
        ``"reserved"`` (kept for later, too) and ``"peak"`` (the most that was allocated).
        """
        return {}

    def reset_peak(self, device: int) -> None:
        """Count ``"peak"`` anew from what is allocated now."""
        return

    def release(self) -> None:
        """Give memory that is kept for later back to the system."""
        return

    def device_name(self, device: int) -> str:
        """What the hardware is called."""
        return str(self.devices()[device])

    def enter(self, device: int) -> AbstractContextManager[Any] | None:
        """What the engine enters around everything that computes on a device, for libraries with
        a current device; None where there is nothing to do.
        """
        return None

    def _lacking(self, op: str, capability: str) -> CapabilityError:
        return CapabilityError(
            f"{op}: expected a backend with the capability {capability!r}, got {self.name}, which "
            "does not declare it",
            op=op, device="", capability=capability,
        )  # fmt: skip

    # --- optional: streams and pinned memory, see the capabilities of these names -----
    def stream(self, device: int, priority: int) -> Stream:
        """A new stream; lower numbers of ``priority`` go first."""
        raise self._lacking("stream", "streams")

    def current_stream(self, device: int) -> Stream:
        """The stream that new work on a device goes to."""
        raise self._lacking("current_stream", "streams")

    def event(self, timing: bool) -> Event:
        """A new event; with ``timing``, one that can be asked for the time."""
        raise self._lacking("event", "streams")

    def pin(self, array: np.ndarray) -> np.ndarray:
        """A copy of a host array in memory that the device reaches by itself."""
        raise self._lacking("pin", "pinned_memory")

    def is_pinned(self, array: np.ndarray) -> bool:
        """Whether a host array lies in such memory."""
        return False

    def from_host_async(self, array: np.ndarray, device: int) -> Handle:
        """As :meth:`from_host`, and may return before a *pinned* array has been read."""
        return self.from_host(array, device)

    def fused_steps(self) -> Mapping[str, Kernel]:
        """Steps of optimizers for many parameters at once: ``"adam"``, ``"sgd"``.

        ``step(params, grads, states, numbers)`` writes to all of ``params`` and ``states``, lists
        of handles, and returns True; or does nothing and returns False where it is not made for
        such handles. ``numbers`` holds the settings by PyTorch's names, and the ``step``.
        """
        return {}

    def no_devices(self) -> str:
        """What to do where :meth:`devices` finds none; shown when one is asked for."""
        return ""

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Handle | None:
        """The ``n`` words of :func:`tensorplug.backends.random.raw_bits`, uint64, made on the
        device; None to have them made on the host.
        """
        return None

    def synchronize(self, device: int) -> None:
        """Wait until all work queued on ``device`` is done (nothing to do when eager)."""
        return

    def fails(self, handle: Handle) -> bool:
        """Whether a check has found something wrong: the value of a 0-d boolean handle.

        A library that traces programs, where values are not known yet, may answer no and see to it
        that the operation is repeated where the answer turns out to be yes.
        """
        return bool(self.to_host(handle))

    def quiet(self) -> AbstractContextManager[Any]:
        """A context in which inf and nan arise silently."""
        return nullcontext()

    # --- types -----
    def native_dtype(self, dtype: DType) -> Any:
        """The library's own dtype object."""
        raise NotImplementedError

    def dtype_of(self, handle: Handle) -> DType:
        """The :class:`DType` of a handle."""
        raise NotImplementedError

    # --- handles and library arrays -----
    def owns(self, array: Any) -> bool:
        """Whether ``array`` is one of the library's arrays (for ``tp.asarray``)."""
        return False

    def device_of(self, array: Any) -> int:
        """The index of the device that a library array lives on."""
        return 0

    def adopt(self, array: Any) -> Handle:
        """A handle on a library array, without a copy."""
        raise NotImplementedError

    def native(self, handle: Handle) -> Any:
        """The library array with the handle's values, without a copy where possible."""
        raise NotImplementedError

    def receive(self, array: Any, device: int, copy: bool) -> Handle:
        """A handle on ``device`` with the values of any library's array, not by way of the host:
        in memory of its own with ``copy``, else over that of the array.

        Raises:
            BufferError: it cannot be done, and why.
        """
        raise BufferError(f"{self.name} takes no arrays of other libraries")

    def introduce(self, tensor: type, build: Callable[[Any], Any]) -> None:
        """Make the class of tensors known to the library, where it only takes types that it knows;
        ``build`` makes a tensor of a library array. Called once, when the backend is loaded.
        """
        return

    def lift(self, kernel: Kernel, numbers: bool = False, name: str = "") -> Kernel:
        """Turn a function of library arrays into one of handles.

        ``numbers`` says that Python numbers among its arguments are operands, which change from
        call to call, and not attributes; ``name`` is the op's, for errors.
        """
        raise NotImplementedError

    def compose(self, kernel: Kernel, name: str = "") -> Kernel:
        """The form in which to run a composition: a function of handles that calls other kernels
        of this backend. A library that compiles may make one program of it.
        """
        return kernel

    def settle(self, handle: Handle) -> Handle:
        """A proper handle from what Python's operators on handles gave (NumPy's give numbers
        for 0-d arrays).
        """
        return handle

    # --- storage and views: all alias their argument -----
    def layout(self, handle: Handle) -> Layout:
        """Shape, strides and offset within the storage, in elements."""
        raise NotImplementedError

    def shares_places(self, handle: Handle) -> bool:
        """Whether several elements lie in one place in memory, as those of expanded tensors do."""
        shape, strides, _ = self.layout(handle)
        steps = zip(shape, strides, strict=True)
        return 0 not in shape and any(size > 1 and stride == 0 for size, stride in steps)

    def is_contiguous(self, handle: Handle) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return is_contiguous(*self.layout(handle)[:2])

    def storage(self, handle: Handle) -> StorageInfo:
        """The memory behind ``handle``: equal ``key`` means aliases."""
        raise NotImplementedError

    def index(self, handle: Handle, index: tuple[Any, ...]) -> Handle:
        """Basic indexing by ints, slices (negative steps too), ``None`` and one ``Ellipsis``."""
        raise NotImplementedError

    def permute(self, handle: Handle, dims: tuple[int, ...]) -> Handle:
        """Dimensions in another order; ``dims`` are non-negative."""
        raise NotImplementedError

    def view(self, handle: Handle, shape: tuple[int, ...]) -> Handle:
        """Another shape over the same memory, no ``-1``.

        Raises:
            ValueError: the strides do not allow it without a copy.
        """
        raise NotImplementedError

    def expand(self, handle: Handle, shape: tuple[int, ...]) -> Handle:
        """Broadcast to ``shape`` with stride 0."""
        raise NotImplementedError

    def as_strided(
        self, handle: Handle, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Handle:
        """Any layout over the handle's whole storage; ``offset`` counts from its start."""
        raise NotImplementedError

    def assign(self, handle: Handle, value: Handle) -> None:
        """Write ``value`` (a handle, or a Python number) into ``handle``, so that every alias
        sees it; broadcasts, casts, and is right when the two overlap.
        """
        raise NotImplementedError

    def put(self, handle: Handle, values: Handle, indices: tuple[Handle | None, ...]) -> None:
        """``handle[indices] = values`` in place, seen by every alias; ``indices`` as those of the
        kernel ``index_put``: one per leading dimension, None for all of it.
        """
        index_put: Kernel = self.index_put  # type: ignore[attr-defined]  # a kernel
        self.assign(handle, index_put(handle, values, indices, False))

    # --- creation -----
    def full(self, shape: tuple[int, ...], value: Any, dtype: DType, device: int) -> Handle:
        """A new contiguous handle filled with a Python number."""
        raise NotImplementedError

    def empty(self, shape: tuple[int, ...], dtype: DType, device: int) -> Handle:
        """A new contiguous handle with any values."""
        return self.full(shape, 0, dtype, device)

    def arange(self, start: Any, end: Any, step: Any, dtype: DType, device: int) -> Handle:
        """``start, start + step, ...`` below ``end``; made on the host unless overridden."""
        return self.from_host(arange(np, start, end, step, dtype), device)

    def scalar(self, value: Any, dtype: DType, device: int) -> Any:
        """A Python number as the second operand of an elementwise kernel of type ``dtype``."""
        return self.full((), value, dtype, device)

    # --- copies -----
    def cast(self, handle: Handle, dtype: DType) -> Handle:
        """A copy in another type (the handle itself when it has that type already)."""
        raise NotImplementedError

    def clone(self, handle: Handle) -> Handle:
        """A new contiguous handle with the same values."""
        raise NotImplementedError

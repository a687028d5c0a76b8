"""The ``xla`` and ``tpu`` devices: JAX arrays, with strided storage and views that alias.

Note [64 bits]
JAX computes with 32 bits unless ``jax_enable_x64`` is set. PyTorch's types need it, so this
module sets it when the first ``xla`` or ``tpu`` device is named, or the first JAX array comes in:
in the user's own JAX code numbers then become float64 and int64 too. With
``TENSORPLUG_JAX_X64=scoped`` (or where ``JAX_ENABLE_X64`` is set to false) the setting is left
alone, and is switched on around each operation instead, which costs about 1 us.

Note [Donation]
A write replaces the value of a cell. Where nobody else holds the old value, its memory is given
to the program that computes the new one, so that a write to a part of a large tensor touches only
that part. The count of references decides; JAX itself refuses where NumPy or DLPack look at
the memory.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import get_opaque_trace_state
from jax.sharding import SingleDeviceSharding

from ..backends import dtypes
from ..backends.array_api import ArrayAPIBackend
from ..backends.base import Kernel
from ..backends.dlpack import NO_EXCHANGE
from ..backends.dtypes import DType
from ..backends.errors import OpError
from ..backends.layout import broadcast_shapes, numel
from ..backends.steps import Chain
from ..backends.storage import WRITING, Cell, Handle, read, write
from . import jax_ctc, jax_kernels, jax_random, jax_recurrent
from .jax_program import UnknownValues, composition, elementwise, program, report
from .jax_views import positions, read_chain, windowed, write_chain

__all__ = ["JaxBackend"]

# Donation is an offer; that it was not taken up is no news.
warnings.filterwarnings("ignore", message="Some donated buffers were not usable")

_Tracer = jax.core.Tracer
_TYPES: dict[Any, DType] = {dtype.numpy: dtype for dtype in dtypes.ALL + dtypes.STORED}
_HOST = 1  # DLPack's number for a CPU's memory
_ALIGNMENT = 64  # bytes; on a CPU, XLA uses memory at such addresses as it is


def _scoped() -> bool:
    """Whether to leave JAX's 64-bit setting alone; see Note [64 bits]."""
    asked = os.environ.get("TENSORPLUG_JAX_X64", "").lower()
    if asked not in ("", "global", "scoped"):
        raise ValueError(f"TENSORPLUG_JAX_X64: expected global or scoped, got {asked!r}")
    refused = os.environ.get("JAX_ENABLE_X64", "").lower() in ("0", "false", "off", "no")
    return asked == "scoped" or (not asked and refused)


class JaxBackend(ArrayAPIBackend):
    """JAX on one of its platforms; None is the one that JAX itself prefers."""

    name = "jax"
    namespace = jnp
    compiles = True
    weak_numbers = frozenset(dtype for dtype in dtypes.ALL if dtype is not dtypes.bool_)
    adds_wide = True
    # XLA's formulas meet 0 * inf and inf - inf there.
    complex_by_table = frozenset((
        "acos", "acosh", "asinh", "atanh", "cosh", "exp", "expm1", "log", "log1p", "sinh", "sqrt",
        "tanh",
    ))  # fmt: skip

    def __init__(self, platform: str | None = None) -> None:
        self.platform = platform
        self.scoped = _scoped()
        if not self.scoped:
            jax.config.update("jax_enable_x64", True)

    # --- devices ----------------------------------------------------------------------------------
    def devices(self) -> Sequence[Any]:
        try:
            return jax.local_devices(backend=self.platform)
        except RuntimeError:  # no such platform
            return []

    def no_devices(self) -> str:
        found = ", ".join(sorted({device.platform for device in jax.local_devices()}))
        return (
            f"JAX has no {self.platform} here, only {found}: install jax with support for it "
            "(pip install 'jax[tpu]' for a TPU), or use 'xla:0'"
        )

    def version(self) -> str:
        return jax.__version__

    def device_of(self, array: Any) -> int:
        if isinstance(array, _Tracer):
            return 0  # traced code runs wherever its caller puts it
        return super().device_of(array)

    def synchronize(self, device: int) -> None:
        """Wait for all arrays on the device; what failed in computing them is raised here."""
        place = self._devices[device]
        for array in jax.live_arrays():
            if not array.is_deleted() and place in array.devices():
                array.block_until_ready()

    def memory(self, device: int) -> dict[str, int]:
        found = self._devices[device].memory_stats() or {}
        names = {"total": "bytes_limit", "allocated": "bytes_in_use"}
        return {name: found[key] for name, key in names.items() if key in found}

    # --- programs ---------------------------------------------------------------------------------
    def compiled(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """``jax.jit``, with 64-bit types."""
        return self._with_64_bits(jax.jit(function, **options))

    def _with_64_bits(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if not self.scoped:
            return function

        def call(*args: Any, **kwargs: Any) -> Any:
            with jax.enable_x64(True):
                return function(*args, **kwargs)

        return call

    def lift(self, kernel: Kernel, numbers: bool = False, name: str = "") -> Kernel:
        return elementwise(self, kernel) if numbers else program(self, kernel, name)

    def compose(self, kernel: Kernel, name: str = "") -> Kernel:
        return composition(self, kernel, name)

    def fails(self, handle: Handle) -> bool:
        array = read(handle)
        if isinstance(array, _Tracer):
            report(array)
            return False
        return bool(array)

    def raise_all(self, result: Any) -> Any:
        """Handles for the arrays in a result."""
        if isinstance(result, jax.Array):
            return Handle(Cell(self, result))
        if isinstance(result, (tuple, list)):
            kind = list if isinstance(result, list) else tuple  # not a named one, such as qr's
            return kind(self.raise_all(item) for item in result)
        return result

    @cached_property
    def _kernels(self) -> dict[str, Kernel]:
        return {
            **jax_kernels.kernels(self.wrap_index),
            **jax_recurrent.kernels(),
            **jax_ctc.kernels(),
        }

    def kernels(self) -> Mapping[str, Kernel]:
        return self._kernels

    @cached_property
    def _into(self) -> dict[str, Kernel]:
        return {name: self._writing(kernel) for name, kernel in jax_kernels.INTO.items()}

    def into_kernels(self) -> Mapping[str, Kernel]:
        return self._into

    def _writing(self, kernel: Kernel) -> Kernel:
        """The kernel with its result written to its last argument; see Note [Donation]."""
        plain, donating = self.compiled(kernel), self.compiled(kernel, donate_argnums=0)

        def into(x: Handle, *rest: Any) -> None:
            *others, out = rest
            shapes = [other.shape for other in others if type(other) is Handle]
            if shapes and broadcast_shapes(out.shape, *shapes) != out.shape:
                raise ValueError(f"expected operands that broadcast to {out.shape}, got {shapes}")
            cell = out.cell
            fits = x is out and not out.chain and not any(
                type(other) is Handle and other.cell is cell for other in others
            )  # fmt: skip
            operands = [read(other) if type(other) is Handle else other for other in others]
            with WRITING:
                if fits and _alone(cell):
                    cell.value = donating(cell.value, *operands)
                    cell.version += 1
                    return
            write(out, plain(read(x), *operands))

        return into

    # --- types ------------------------------------------------------------------------------------
    def native_dtype(self, dtype: DType) -> Any:
        return dtype.numpy

    def array_dtype(self, array: Any) -> DType:
        try:
            return _TYPES[array.dtype]
        except KeyError:
            return super().array_dtype(array)

    def supports_dtype(self, dtype: DType, device: int) -> bool:
        return dtype.numpy in _TYPES

    # --- handles and library arrays ---------------------------------------------------------------
    def owns(self, array: Any) -> bool:
        return isinstance(array, jax.Array)

    def receive(self, array: Any, device: int, copy: bool) -> Handle:
        place = self._devices[device]
        if isinstance(array, _Tracer):
            return self.adopt(array)
        if isinstance(array, jax.Array):
            if not copy and array.devices() != {place}:
                raise BufferError(f"the array is on {array.sharding}, not on {place}")
            return self.adopt(self._put(array, place))
        if copy and array.__dlpack_device__()[0] == _HOST:
            # JAX reads host memory when it gets round to it, and somebody may write to it first.
            raise BufferError("from_host is the way to copy host memory")
        take = self._with_64_bits(jnp.from_dlpack)
        try:
            return self.adopt(take(array, device=place, copy=copy))
        except NO_EXCHANGE as error:
            raise BufferError(str(error)) from error

    def introduce(self, tensor: type, build: Callable[[Any], Any]) -> None:
        """Make tensors pytrees of one array: JAX's functions then take them."""
        _register(tensor, build)

    def from_host(self, array: np.ndarray, device: int) -> Handle:
        # A copy first: JAX 0.10 may read the host's memory later, or use it as its own, whatever
        # may_alias= and copy= say, and the caller is free to write to it.
        own = _aligned(array)
        if _tracing():  # a constant of the program, which runs where its inputs are
            return self.adopt(jnp.asarray(own))
        return self.adopt(self._put(own, self._devices[device]))

    @cached_property
    def _put(self) -> Callable[..., Any]:
        return self._with_64_bits(jax.device_put)

    @cached_property
    def _places(self) -> list[SingleDeviceSharding]:
        return [SingleDeviceSharding(device) for device in self._devices]

    def to_host(self, handle: Handle) -> np.ndarray:
        array = read(handle)
        if isinstance(array, _Tracer):
            raise UnknownValues("")
        host: np.ndarray = np.asarray(array)
        view = host.view()
        view.flags.writeable = False
        return view

    # --- what views need --------------------------------------------------------------------------
    def fold(self, array: Any, chain: Chain) -> Any:
        if isinstance(array, _Tracer):
            return self._read_chain(array, (), chain)
        return self._read_chain(array, np.array(positions(chain), np.int64), windowed(chain))

    def store(self, cell: Cell, chain: Chain, child: Any) -> None:
        if not chain:
            cell.value = child
            return
        starts = np.array(positions(chain), np.int64)
        if isinstance(child, _Tracer):
            cell.value = self._written(cell.value, starts, child, windowed(chain))
        else:
            change = self._donating if _alone(cell) else self._write_chain
            cell.value = change(cell.value, starts, child, windowed(chain))

    @cached_property
    def _read_chain(self) -> Callable[..., Any]:
        return self.compiled(
            lambda array, starts, chain: read_chain(self, chain, array, starts), static_argnums=2
        )

    @cached_property
    def _write_chain(self) -> Callable[..., Any]:
        return self.compiled(self._written, static_argnums=3)

    @cached_property
    def _donating(self) -> Callable[..., Any]:
        """As :attr:`_write_chain`, into the memory of the old value."""
        return self.compiled(self._written, static_argnums=3, donate_argnums=0)

    def _written(self, array: Any, starts: Any, child: Any, chain: Chain) -> Any:
        return write_chain(self, chain, array, starts, child)

    def constant(self, array: np.ndarray, like: Any) -> Any:
        return jnp.asarray(array)

    def index_update(self, array: Any, index: Any, value: Any) -> Any:
        return array.at[index].set(value)

    def bitcast(self, array: Any, dtype: DType) -> Any:
        return jax_kernels.bitcast(array, dtype.numpy)

    def copy_array(self, array: Any) -> Any:
        return array

    @cached_property
    def _cast(self) -> Callable[..., Any]:
        return self.compiled(jax_kernels.cast, static_argnums=1)

    def cast_array(self, array: Any, dtype: DType) -> Any:
        return array if array.dtype == dtype.numpy else self._cast(array, dtype.numpy)

    def wrap_index(self, index: Any, dim: int, size: int, lowest: int | None = None) -> Any:
        low = -size if lowest is None else lowest
        outside, wrapped = self._wrap(index, low, size)
        if isinstance(outside, _Tracer):
            report(outside)
        elif outside:
            super().wrap_index(index, dim, size, lowest)
        return wrapped

    @cached_property
    def _wrap(self) -> Callable[..., Any]:
        return self.compiled(jax_kernels.wrap, static_argnums=(1, 2))

    # --- creation ---------------------------------------------------------------------------------
    def full(self, shape: tuple[int, ...], value: Any, dtype: DType, device: int) -> Handle:
        if isinstance(value, complex) and not dtype.is_complex:
            value = value != 0 if dtype is dtypes.bool_ else value.real
        if numel(shape) * dtype.itemsize >= 1 << 63:  # XLA (jaxlib 0.10.2) ends the process
            text = f"full: expected fewer than 2**63 bytes, got shape {shape} of {dtype}"
            raise OpError(f"{text}; use a smaller shape", op="full")
        filled = np.asarray(value).astype(dtype.numpy)
        if _tracing():
            return self.adopt(jnp.full(shape, filled))
        return self.adopt(self._fill[device](filled, tuple(shape)))

    @cached_property
    def _fill(self) -> list[Callable[..., Any]]:
        return [
            self.compiled(
                lambda value, shape: jnp.full(shape, value), static_argnums=1, out_shardings=place
            )
            for place in self._places
        ]

    def empty(self, shape: tuple[int, ...], dtype: DType, device: int) -> Handle:
        return self.full(shape, 0, dtype, device)

    def _filled(self, shape: tuple[int, ...], value: Any, dtype: DType, device: Any) -> Any:
        # A traced array has no device, and needs none.
        index = self._devices.index(device) if device in self._devices else 0
        return read(self.full(shape, value, dtype, index))

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Handle:
        return self.adopt(self._bits[device](*jax_random.arguments(key, counter), n))

    @cached_property
    def _bits(self) -> list[Callable[..., Any]]:
        return [
            self.compiled(jax_random.philox, static_argnums=2, out_shardings=place)
            for place in self._places
        ]


def _aligned(array: np.ndarray) -> np.ndarray:
    """A copy that JAX can use as it is: in row-major order, at an address it likes."""
    memory = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    found = memory[start : start + array.nbytes].view(array.dtype.newbyteorder("="))
    found = found.reshape(array.shape)
    found[...] = array
    return found


@cache
def _register(tensor: type, build: Callable[[Any], Any]) -> None:
    """Once per process: JAX refuses a second time."""

    def rebuilt(_: None, leaves: Sequence[Any]) -> Any:
        # JAX puts all kinds of objects in place of arrays, to look at the structure alone.
        return build(leaves[0]) if isinstance(leaves[0], jax.Array) else leaves[0]

    jax.tree_util.register_pytree_node(tensor, lambda x: ((x.__jax_array__(),), None), rebuilt)


def _alone(cell: Cell) -> bool:
    """Whether only the cell holds its value; what is traced has no memory to give away."""
    # Two references: the cell's, and that of the call.
    return sys.getrefcount(cell.value) == 2 and not isinstance(cell.value, _Tracer)


_UNTRACED = get_opaque_trace_state(convention="")


def _tracing() -> bool:
    """Whether JAX traces a function on this thread: then nothing is placed on a device."""
    return get_opaque_trace_state(convention="") != _UNTRACED

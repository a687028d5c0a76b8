"""``F``: the kernels of one device, each name resolved once; and the same names over tensors.

Derivative rules and generic compositions are written against ``F``. In a plain backward pass it
is a :class:`Kernels`, over raw handles; with ``create_graph=True`` it is :class:`TensorKernels`,
over tensors, so that the same formula is itself recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..backends.capabilities import missing, require
from ..backends.device import Device
from ..backends.dtypes import ALL, DType, bfloat16, bool_, float16, float32, from_numpy
from ..backends.errors import KernelNotFound
from ..backends.host import set_forget, set_kernel_names
from ..backends.layout import Layout, extent
from ..backends.plugging import kernels
from .absent import instead
from .complex_tables import by_table
from .first_calls import first_call
from .registry import ROWS, Row
from .tensor import Tensor, make

if TYPE_CHECKING:
    from ..backends.base import Backend

__all__ = ["ON_BOOL", "Kernels", "TensorKernels", "tensor_kernels"]


_ADDS = frozenset(("sum", "prod", "cumsum", "cumprod"))

ON_BOOL: dict[str, Callable[..., Any]] = {}
"""What an op does with bool operands, ``rule(F, ...)``, where the array API's function takes only
numbers; the op modules fill it in."""


class Kernels:
    """Kernels over the handles of one device: ``F.add(x, y)``, ``F.sum(x, dims, keepdim)``.

    Besides the rows it has the backend's own primitives (``index``, ``permute``, ``view``,
    ``expand``, ``as_strided``, ``assign``, ``clone``, ``cast``, ``dtype_of``, ``layout``) and,
    bound to the device, ``full``, ``zeros``, ``empty``, ``scalar`` and ``from_host``.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.backend: Backend = device.backend
        self.numpy_types = self.backend.numpy_types
        self.enter = enter = self.backend.enter(device.index)
        self.into = self.backend.into_kernels()
        if enter is not None:
            self.into = {name: _entered(kernel, enter) for name, kernel in self.into.items()}
        self._lacks = {dtype for dtype in ALL if dtype.name not in device.capabilities}
        self._own: Mapping[str, Any] = kernels(device.type)  # plugins' first, then its own

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        row = ROWS.get(name)
        needs = _NEEDS.get(name, "") if row is None or name in _NEEDS else row.needs
        if needs:
            require(self.device, needs, name)
        kernel = self._typed(name, self._bound(name) or self._resolve(name))
        if self.enter is not None and name not in _NO_WORK:
            kernel = _entered(kernel, self.enter)
        setattr(self, name, kernel)
        return kernel

    def for_table(self, name: str) -> Callable[..., Any]:
        """The kernel of a row, for its table; one that was written for it is looked at once."""
        kernel: Callable[..., Any] = getattr(self, name)
        return first_call(ROWS[name], self.device, kernel) if self.has(name) else kernel

    def has(self, name: str) -> bool:
        """Whether the backend itself provides a fast kernel of this name."""
        return name in self._own

    def provides(self, name: str) -> bool:
        """Whether the backend has a kernel or a method for a row, which goes before all else."""
        return name in self._own or getattr(self.backend, name, None) is not None

    @contextmanager
    def composing(self, name: str) -> Iterator[None]:
        """Run an op by its generic form inside of the block, in all threads, though there is a
        kernel: to compare the two.

        Example:
            >>> F = Device("cpu").F
            >>> with F.composing("silu"):
            ...     F.provides("silu")
            True
        """
        row = ROWS[name]
        if row.generic is None:
            raise KernelNotFound(
                f"{name} on {self.device}: expected an op with a generic form, but it has none",
                op=name,
            )
        kernel, row.kernels[self.device] = (
            row.kernels[self.device],
            self._composed(row, row.generic),
        )
        try:
            yield
        finally:
            row.kernels[self.device] = kernel

    def _typed(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """What makes handles of a given type, refusing types that the device does not declare."""
        place, lacks = _TYPED.get(name), self._lacks
        if place is None or not lacks:
            return kernel

        def checked(*args: Any) -> Any:
            dtype = args[place]
            dtype = dtype if isinstance(dtype, DType) else from_numpy(dtype.dtype)
            if dtype in lacks:
                raise missing(self.device, dtype.name, name)
            return kernel(*args)

        return checked

    def _bound(self, name: str) -> Callable[..., Any] | None:
        backend, index = self.backend, self.device.index
        if name == "zeros":
            return lambda shape, dtype: backend.full(shape, 0, dtype, index)
        if name == "full":
            return lambda shape, value, dtype: backend.full(shape, value, dtype, index)
        if name == "empty":
            return lambda shape, dtype: backend.empty(shape, dtype, index)
        if name == "arange":
            return lambda start, end, step, dtype: backend.arange(start, end, step, dtype, index)
        if name == "scalar":
            return lambda value, dtype: backend.scalar(value, dtype, index)
        if name == "from_host":
            return lambda array: backend.from_host(array, index)
        if name == "as_strided":
            return lambda handle, where: _strided(backend, index, handle, *where)
        if name in _PRIMITIVES or name not in ROWS:
            return getattr(backend, name, None)
        return None

    def _resolve(self, name: str) -> Callable[..., Any]:
        row = ROWS.get(name)
        if name in self._own:
            elementwise = row is not None and row.family.elementwise
            return self._by_table(name, self.backend.lift(self._own[name], elementwise, name))
        if row is None:
            raise KernelNotFound(
                f"kernel {name!r} on {self.device}: expected an op row or a backend primitive, "
                f"but {self.backend.name} has neither",
                op=name,
            )
        method = getattr(self.backend, name, None)
        if method is not None:
            return method
        namespace = self.backend.namespace
        found = _lookup(namespace, row.xp)
        if found is not None:
            plain = row.family.from_xp(found, row)
            plain = self.backend.lift(plain, row.family.elementwise, name)
            return self._by_table(name, self._also_bool(name, self._added_wide(name, plain)))
        if row.generic is not None:
            composed = self._composed(row, row.generic)
            return composed if row.family.view else self.backend.compose(composed, name)  # no copy
        return instead(row, self.device)

    def _also_bool(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """A kernel that takes bool operands too, where the standard's function does not."""
        on_bool = ON_BOOL.get(name)
        if on_bool is None:
            return kernel
        dtype_of = self.backend.dtype_of

        def either(x: Any, *rest: Any) -> Any:
            like = x if hasattr(x, "shape") else rest[0]
            if dtype_of(like) is not bool_:
                return kernel(x, *rest)
            return on_bool(self, x, *rest)

        return either

    def _added_wide(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """A sum or product that is made in 32 bits where its numbers have 16."""
        halves = {float16, bfloat16} - self._lacks
        if name not in _ADDS or not halves or self.backend.adds_wide:
            return kernel
        dtype_of, cast = self.backend.dtype_of, self.backend.cast

        def wide(x: Any, *rest: Any) -> Any:
            dtype = dtype_of(x)
            if dtype not in halves:
                return kernel(x, *rest)
            return cast(kernel(cast(x, float32), *rest), dtype)

        return wide

    def _by_table(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        """A kernel whose complex results at infinities, nan and zeros come from a table."""
        if name not in self.backend.complex_by_table:
            return kernel
        dtype_of = self.backend.dtype_of
        repaired = self.backend.compose(by_table(name, kernel, self))
        return lambda x: repaired(x) if dtype_of(x).is_complex else kernel(x)

    def _composed(self, row: Row, generic: Callable[..., Any]) -> Callable[..., Any]:
        """The generic form as a kernel: always handles, of the type that the row's kind says."""
        composition, settle = partial(generic, self), self.backend.settle
        dtype_of, cast, table = self.backend.dtype_of, self.backend.cast, row.dtypes
        halves = (float16, bfloat16) if len(row.outputs) == 1 else ()
        numbers, index = row.family.elementwise and len(row.inputs) > 1, self.device.index

        def kernel(*args: Any) -> Any:
            like: Any = dtype_of(next(x for x in args if hasattr(x, "shape"))) if table else None
            if numbers:  # a composition may ask an operand for its shape or type
                args = tuple(
                    x if hasattr(x, "shape") else self.backend.full((), x, like, index)
                    for x in args
                )
            if like in halves:  # rounded once, at the end
                args = tuple(cast(x, float32) if hasattr(x, "shape") else x for x in args)
            found = composition(*args)
            if type(found) is tuple or type(found) is list:
                return type(found)(None if item is None else settle(item) for item in found)
            found = settle(found)
            return found if like is None else cast(found, table[like])

        return kernel


def _entered(kernel: Callable[..., Any], device: Any) -> Callable[..., Any]:
    """A kernel of a library with a current device, which computes on this one."""

    def entered(*args: Any) -> Any:
        with device:
            return kernel(*args)

    return entered


def _strided(
    backend: Backend, device: int, handle: Any, shape: Any, strides: Any, offset: int,
    source: Layout,
) -> Any:  # fmt: skip
    """``as_strided`` on a handle of layout ``source``; a gradient of another is copied into it."""
    if backend.layout(handle) != source:
        handle = relaid(backend, device, handle, source)
    return backend.as_strided(handle, shape, strides, offset)


def relaid(backend: Backend, device: int, handle: Any, layout: Layout) -> Any:
    """A copy of a handle in a storage of its own, laid out as ``layout`` says."""
    storage = backend.full((extent(layout).stop,), 0, backend.dtype_of(handle), device)
    copy = backend.as_strided(storage, *layout)
    backend.assign(copy, handle)
    return copy


_NEEDS = {"assign": "in_place", "put": "in_place", "as_strided": "as_strided"}
"""Primitives that a device must declare a capability for."""

_TYPED = {"full": 2, "zeros": 1, "empty": 1, "arange": 3, "cast": 1, "from_host": 0}
"""Where in the arguments the type is said, or the array that has it."""

_NO_WORK = frozenset(("index", "permute", "view", "expand", "dtype_of", "layout", "storage"))
"""Primitives that start nothing on a device."""

_PRIMITIVES = frozenset(
    ("index", "permute", "view", "expand", "assign", "clone", "cast", "dtype_of")
)


def _lookup(namespace: Any, name: str | None) -> Callable[..., Any] | None:
    """A function of the array API namespace, ``"linalg.svd"`` included."""
    if name is None:
        return None
    found = namespace
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


Device.kernel_factory = Kernels
set_kernel_names(lambda: set(ROWS))  # a misspelt kernel is refused when its plugin is loaded


def _forget(device: Device) -> None:
    """Take the kernels of a device out of the tables of all rows."""
    for row in ROWS.values():
        row.kernels.pop(device, None)


set_forget(_forget)


class TensorKernels:
    """The same names over tensors, for derivatives that are differentiated again."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in ROWS:
            raise AttributeError(f"no op row {name!r} for a derivative of a derivative")
        function = ROWS[name].call
        setattr(self, name, function)
        return function

    @staticmethod
    def dtype_of(x: Tensor) -> DType:
        """The type of a tensor."""
        return x._dtype

    def zeros(self, shape: tuple[int, ...], dtype: DType) -> Tensor:
        """A constant tensor of zeros."""
        return make(self.device.F.zeros(shape, dtype), dtype, self.device)

    def full(self, shape: tuple[int, ...], value: Any, dtype: DType) -> Tensor:
        """A constant tensor."""
        return make(self.device.F.full(shape, value, dtype), dtype, self.device)

    def scalar(self, value: Any, dtype: DType) -> Any:
        """A Python number: tensor functions take it as it is."""
        return value


_tensor_kernels: dict[Device, TensorKernels] = {}


def tensor_kernels(device: Device) -> TensorKernels:
    """The :class:`TensorKernels` of a device."""
    try:
        return _tensor_kernels[device]
    except KeyError:
        return _tensor_kernels.setdefault(device, TensorKernels(device))

"""Kernels as XLA programs: one for each combination of shapes, types and attributes.

A program is made when a kernel is first called with such arguments, and found again by JAX's own
cache. Arrays are its inputs; everything else (dimensions, shapes, types, numbers that are
attributes) is part of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import errors

from ..backends.dtypes import DType
from ..backends.errors import ValuesError
from ..backends.storage import Cell, Handle, read

if TYPE_CHECKING:
    from ..backends.base import Kernel
    from .jax import JaxBackend

__all__ = ["UnknownValues", "composition", "elementwise", "program", "report"]


def fresh(backend: JaxBackend, array: Any) -> Handle:
    """A handle on new storage that holds ``array``: ``Handle(Cell(...))`` in one call."""
    cell = _new(Cell)
    cell.backend = backend
    cell.value = array
    cell.version = cell._address = 0
    handle: Handle = _new(Handle)
    handle.cell = cell
    handle.chain = ()
    handle.shape = shape = array.shape
    handle.ndim = len(shape)
    handle.dtype = handle._layout = handle.cached = None
    return handle


class UnknownValues(ValuesError):
    """The values of an array are asked for while JAX traces the function that computes them."""

    def __init__(self, op: str) -> None:
        super().__init__(
            "expected values, got an array that JAX is tracing (inside jax.jit, jax.grad or "
            "jax.vmap), which has none yet: use operations on tensors, such as tp.where, in place "
            "of Python's if and while, item(), print() and results whose shape depends on values",
            op=op,
        )


_NEEDS_VALUES = (
    UnknownValues,
    errors.ConcretizationTypeError,
    errors.NonConcreteBooleanIndexError,
    errors.TracerArrayConversionError,
)
_FLAT = frozenset((int, bool, str, type(None), DType))
_new: Any = object.__new__

_Array = type(jax.device_put(np.zeros(())))


# --- checks that a program cannot make itself -----------------------------------------------------


class _Local(threading.local):
    checks: list[Any] | None = None


_local = _Local()


@contextmanager
def _collected() -> Iterator[list[Any]]:
    """The flags that :func:`report` is given while a program is traced."""
    before, _local.checks = _local.checks, []
    try:
        yield _local.checks
    finally:
        _local.checks = before


def report(flag: Any) -> None:
    """Have the kernel run again, step by step, if ``flag`` (a traced bool array) turns out true.

    So a kernel that is right for all good arguments gets to raise its error for bad ones. Does
    nothing where the user's own function is traced: there nobody will ever see the values.
    """
    if _local.checks is not None:
        _local.checks.append(flag)


def failed(flags: tuple[Any, ...]) -> bool:
    """Whether a check inside of a kernel has found something; see :func:`report`."""
    if flags and isinstance(flags[0], jax.core.Tracer):
        for flag in flags:
            report(flag)
        return False
    return any(map(bool, flags))


# --- arguments: arrays apart from all else --------------------------------------------------------


class _Slot:
    """The place of an array."""


_SLOT = _Slot()


def _pack(value: Any, arrays: list[Any]) -> Any:
    """``value`` in a form that can be hashed; its arrays are appended to ``arrays``.

    Numbers come with their type, floats by their digits: 1, 1.0 and True are equal, and so are 0.0
    and -0.0, but they do not make the same program.
    """
    kind = type(value)
    if kind is Handle:
        arrays.append(read(value))
        return _SLOT
    if kind is _Array or kind is np.ndarray or isinstance(value, jax.core.Tracer):
        arrays.append(value)
        return _SLOT
    if kind is tuple or kind is list:
        return (kind, *[_pack(item, arrays) for item in value])
    if kind is int or kind is bool:
        return kind, value
    if kind is dict:
        return (kind, *[(key, _pack(item, arrays)) for key, item in value.items()])
    if kind is float or kind is complex:
        return kind, repr(value)
    if kind is slice:  # not hashable before Python 3.12
        return kind, value.start, value.stop, value.step
    return value


def _unpack(value: Any, arrays: Iterator[Any], wrap: Callable[[Any], Any]) -> Any:
    kind = type(value)
    if kind is _Slot:
        return wrap(next(arrays))
    if kind is not tuple:
        return value
    kind, *items = value
    if kind is dict:
        return {key: _unpack(item, arrays, wrap) for key, item in items}
    if kind is tuple or kind is list:
        return kind(_unpack(item, arrays, wrap) for item in items)
    return kind(*items)


def _lower(result: Any) -> Any:
    """A result with arrays for handles."""
    if type(result) is Handle:
        return read(result)
    if type(result) is tuple or type(result) is list:
        return type(result)(_lower(item) for item in result)
    return result


# --- programs -------------------------------------------------------------------------------------


def _same(array: Any) -> Any:
    return array


def program(backend: JaxBackend, kernel: Kernel, name: str) -> Kernel:
    """A function of library arrays as a program over handles."""

    def directly(*args: Any, **kwargs: Any) -> Any:
        arrays: list[Any] = []
        packed = _pack((args, kwargs), arrays)
        args, kwargs = _unpack(packed, iter(arrays), _same)
        return backend.raise_all(kernel(*args, **kwargs))

    return _Program(backend, kernel, _same, directly, name).call


def composition(backend: JaxBackend, kernel: Kernel, name: str) -> Kernel:
    """A function of handles as a program over handles."""
    return _Program(backend, kernel, backend.adopt, kernel, name).call


class _Program:
    """A kernel as programs, or step by step where it must know values.

    ``wrap`` makes what the kernel takes of an array, ``directly`` runs it without a program.
    """

    def __init__(
        self, backend: JaxBackend, kernel: Kernel, wrap: Callable[[Any], Any], directly: Kernel,
        name: str,
    ) -> None:  # fmt: skip
        self.backend = backend
        self.kernel = kernel
        self.wrap = wrap
        self.directly = directly
        self.name = name
        self.programs: dict[Any, Callable[..., Any]] = {}
        self.quick: dict[Any, Callable[..., Any]] = {}  # those without checks, by _key()

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The kernel's result, over handles."""
        arrays: list[Any] = []
        key = None if kwargs else _key(args, arrays)
        run = self.quick.get(key)
        if run is not None:
            try:
                found = run(*arrays)
            except _NEEDS_VALUES:
                self.quick.clear()
            else:
                if type(found) is _Array:
                    return fresh(self.backend, found)
        return self._slowly(args, kwargs, key)

    def _slowly(self, args: Any, kwargs: Any, key: Any) -> Any:
        arrays: list[Any] = []
        template = _pack((args, kwargs), arrays)
        run = self.programs.get(template) or self._made(template)
        traced = any(isinstance(array, jax.core.Tracer) for array in arrays)
        if run is self.directly:
            if traced:
                raise UnknownValues(self.name)
            return self.directly(*args, **kwargs)
        try:
            found = run(*arrays)
        except _NEEDS_VALUES as error:
            if traced:
                raise UnknownValues(self.name) from error
            self.programs[template] = self.directly
            return self.directly(*args, **kwargs)
        if type(found) is dict:
            if failed(found["flags"]):
                return self.directly(*args, **kwargs)
            found = found["found"]
        elif key is not None and type(found) is _Array:
            self.quick[key] = run
        return self.backend.raise_all(found)

    def _made(self, template: Any) -> Callable[..., Any]:
        def traced(*arrays: Any) -> Any:
            with _collected() as flags:
                args, kwargs = _unpack(template, iter(arrays), self.wrap)
                found = _lower(self.kernel(*args, **kwargs))
            return {"found": found, "flags": flags} if flags else found

        return self.programs.setdefault(template, self.backend.compiled(traced))


def _key(args: tuple[Any, ...], arrays: list[Any]) -> tuple[Any, ...] | None:
    """As :func:`_pack` for the usual arguments, in a form that takes less time; else None."""
    key: list[Any] = []
    for arg in args:
        kind = type(arg)
        if kind is Handle:
            arrays.append(read(arg) if arg.chain else arg.cell.value)
            key.append(_SLOT)
        elif kind is tuple:
            kinds = tuple(map(type, arg))
            if not _FLAT.issuperset(kinds):
                return None
            key += arg, kinds
        elif kind in _FLAT:
            key += arg, kind
        else:
            return None
    return tuple(key)


def elementwise(backend: JaxBackend, kernel: Kernel) -> Kernel:
    """As :func:`program` for functions whose arguments are all operands: arrays and numbers.

    Nothing is told apart but handles, so such a call costs little more than JAX's own.
    """
    compiled = backend.compiled(lambda *operands: kernel(*operands))

    def call(x: Any, y: Any = None, *others: Any) -> Any:
        if type(x) is Handle:
            x = read(x) if x.chain else x.cell.value
        if y is None and not others:
            return fresh(backend, compiled(x))
        if type(y) is Handle:
            y = read(y) if y.chain else y.cell.value
        if not others:
            return fresh(backend, compiled(x, y))
        rest = [read(z) if type(z) is Handle else z for z in others]
        return backend.raise_all(compiled(x, y, *rest))

    return call

"""The call paths: one closure of fixed arity per op, built at import. This is the hot path.

Each tests the common case with ``is``, calls the kernel and fills a Tensor's slots in place.
Everything else (numbers, mixed types, ``out=``, errors) goes through the functions in
``slow.py``. Nothing here formats, imports, loops over arguments or takes ``*args``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import slow
from .errors import recover
from .modes import GRAD_MODE
from .record import record_number, record_one, record_two
from .tensor import MAYBE, Tensor, _new, make

if TYPE_CHECKING:
    from .registry import Row

__all__ = ["KernelTable", "binary", "generic", "reduce", "unary", "view"]

grad_mode = GRAD_MODE.get


class KernelTable(dict[Any, Callable[..., Any]]):  # by device
    """The kernels of one row by device; a device's is resolved when first asked for."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __missing__(self, device: Any) -> Callable[..., Any]:
        kernel = self[device] = device.F.for_table(self.name)
        return kernel


def unary(row: Row) -> Callable[..., Any]:
    """``op(input, *, out=None)``."""
    kernels, exact, row_ = row.kernels, row.dtypes, row

    def call(input: Any, *, out: Any = None) -> Any:
        if type(input) is not Tensor or out is not None:
            return slow.unary(row_, input, out)
        dtype = exact.get(input._dtype)
        if dtype is None:
            return slow.unary(row_, input, None)
        device = input._device
        kernel = kernels[device]
        try:
            handle = kernel(input._h)
        except Exception as error:
            handle = recover(row_, error, (input,), kernel, (input._h,))
        result = _new(Tensor)
        result._h = handle
        result._dtype = dtype
        result._device = device
        result._node = result._writes = result._view = result._grad = result._extra = None
        result._track = False
        if input._track and dtype.is_inexact and grad_mode():
            record_one(row_, result, input, ())
        return result

    return call


def binary(row: Row) -> Callable[..., Any]:
    """``op(input, other, *, out=None)`` with broadcasting and promotion."""
    kernels, exact, row_ = row.kernels, row.dtypes, row

    def call(input: Any, other: Any, *, out: Any = None) -> Any:
        if (
            type(input) is not Tensor
            or type(other) is not Tensor
            or input._dtype is not other._dtype
            or input._device is not other._device
            or out is not None
        ):
            if type(input) is Tensor and out is None and type(other) in PLAIN:
                return number(input, other)
            return slow.binary(row_, input, other, out)
        device = input._device
        try:
            dtype = exact[input._dtype]
        except KeyError:
            return slow.binary(row_, input, other, None)
        kernel = kernels[device]
        try:
            handle = kernel(input._h, other._h)
        except Exception as error:
            handle = recover(row_, error, (input, other), kernel, (input._h, other._h))
        result = _new(Tensor)
        result._h = handle
        result._dtype = dtype
        result._device = device
        result._node = result._writes = result._view = result._grad = result._extra = None
        result._track = False
        if (input._track or other._track) and dtype.is_inexact and grad_mode():
            record_two(row_, result, input, other)
        return result

    number = _with_number(row)
    return call


PLAIN = frozenset((int, float))


def _with_number(row: Row) -> Callable[..., Any]:
    """A binary op whose second operand is a plain number that does not change the type."""
    kernels, exact, row_ = row.kernels, row.dtypes, row

    def call(input: Any, other: Any) -> Any:
        kind = input._dtype
        dtype = exact.get(kind)
        device = input._device
        if (
            dtype is None
            or kind not in device.backend.weak_numbers
            or (type(other) is float and not kind.is_inexact)
        ):
            return slow.binary(row_, input, other, None)
        kernel = kernels[device]
        try:
            handle = kernel(input._h, other)
        except Exception as error:
            handle = recover(row_, error, (input, other), kernel, (input._h, other))
        result = _new(Tensor)
        result._h = handle
        result._dtype = dtype
        result._device = device
        result._node = result._writes = result._view = result._grad = result._extra = None
        result._track = False
        if input._track and dtype.is_inexact and grad_mode():
            record_number(row_, result, input, other)
        return result

    return call


def reduce(row: Row) -> Callable[..., Any]:
    """``op(input, dims, keepdim)``: the row's core; the public function normalises ``dims``."""
    kernels, exact, row_ = row.kernels, row.dtypes, row

    def call(input: Any, dims: Any, keepdim: bool) -> Any:
        dtype = exact.get(input._dtype)
        if dtype is None:
            return call(slow.to_kind(row_, input), dims, keepdim)
        device = input._device
        kernel = kernels[device]
        try:
            handle = kernel(input._h, dims, keepdim)
        except Exception as error:
            raw = (input._h, dims, keepdim)
            handle = recover(row_, error, (input, dims, keepdim), kernel, raw)
        result = _new(Tensor)
        result._h = handle
        result._dtype = dtype
        result._device = device
        result._node = result._writes = result._view = result._grad = result._extra = None
        result._track = False
        if input._track and dtype.is_inexact and grad_mode():
            record_one(row_, result, input, (dims, keepdim))
        return result

    return call


def view(row: Row) -> Callable[..., Any]:
    """``op(input, attribute)``: the result aliases the input."""
    kernels, row_ = row.kernels, row

    def call(input: Any, attribute: Any) -> Any:
        device = input._device
        kernel = kernels[device]
        try:
            handle = kernel(input._h, attribute)
        except Exception as error:
            handle = recover(row_, error, (input, attribute), kernel, (input._h, attribute))
        version = input._writes
        if version is None:
            version = input._writes = [0]
        result = _new(Tensor)
        result._h = handle
        result._dtype = input._dtype
        result._device = device
        result._node = result._grad = result._extra = None
        result._writes = version
        result._view = (input, row_, (attribute,), version[0])
        result._track = False
        if grad_mode():
            result._track = MAYBE
            if input._track and input._dtype.is_inexact:
                record_one(row_, result, input, (attribute,))
        return result

    def record_view(parent: Tensor, result: Tensor, attrs: tuple[Any, ...]) -> None:
        record_one(row_, result, parent, attrs)

    row.record_view = record_view
    return call


def generic(row: Row) -> Callable[..., Any]:
    """``op(*inputs, *attrs)``: any number of either, several outputs, lists of inputs."""
    names, kernels, row_ = row.inputs, row.kernels, row
    count, single = len(names), len(row.outputs) == 1

    def call(*args: Any) -> Any:
        inputs, attrs = slow.inputs(row_, args[:count]), args[count:]
        device = slow.device(inputs)
        raw = (*[slow.raw(x) for x in inputs], *attrs)
        kernel = kernels[device]
        try:
            found = kernel(*raw)
        except Exception as error:
            found = recover(row_, error, (*inputs, *attrs), kernel, raw)
        dtype_of = device.F.dtype_of
        if single and type(found) is not list:
            outs: Any = make(found, dtype_of(found), device)
        else:
            outs = tuple(None if h is None else make(h, dtype_of(h), device) for h in found)
        if grad_mode() and slow.tracked(inputs):
            slow.record_generic(row_, outs, inputs, attrs)
        return outs

    if count > 1 or not single:
        return call
    return _list_to_one(row, call) if row.variadic else _one_to_one(row, call)


def _one_to_one(row: Row, general: Callable[..., Any]) -> Callable[..., Any]:
    """``op(input, *attrs)``: a generic row with one input and one output."""
    kernels, exact, row_ = row.kernels, row.dtypes, row

    def call(input: Any, *attrs: Any) -> Any:
        if type(input) is not Tensor or input._dtype not in exact:
            return general(input, *attrs)
        device = input._device
        kernel = kernels[device]
        try:
            found = kernel(input._h, *attrs)
        except Exception as error:
            found = recover(row_, error, (input, *attrs), kernel, (input._h, *attrs))
        result = make(found, device.F.dtype_of(found), device)
        if input._track and result._dtype.is_inexact and grad_mode():
            record_one(row_, result, input, attrs)
        return result

    return call


def _list_to_one(row: Row, general: Callable[..., Any]) -> Callable[..., Any]:
    """``op(tensors, *attrs)``: a generic row with a list as input and one output."""
    kernels, row_ = row.kernels, row

    def call(tensors: Any, *attrs: Any) -> Any:
        device, handles, track = None, [], False
        for x in tensors:
            if type(x) is not Tensor or x._device is not device:
                if device is not None or type(x) is not Tensor:
                    return general(tensors, *attrs)
                device = x._device
            handles.append(x._h)
            track = track or x._track
        if device is None:
            return general(tensors, *attrs)
        kernel = kernels[device]
        try:
            found = kernel(handles, *attrs)
        except Exception as error:
            found = recover(row_, error, (list(tensors), *attrs), kernel, (handles, *attrs))
        result = make(found, device.F.dtype_of(found), device)
        if track and grad_mode():
            slow.record_generic(row_, result, (list(tensors),), attrs)
        return result

    return call

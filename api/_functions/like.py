"""Making tensors like others: the same type, device and perhaps shape."""

from __future__ import annotations

from typing import Any

from .._arguments import number_of
from .._creation import check_dtype, device_of, finish, shape_of
from .._creation import tensor as make_tensor
from ..autograd.errors import OpTypeError
from ..autograd.registry import function
from ..autograd.tensor import Tensor, make
from ..backends.dtypes import DType
from .create import empty_strided, wrapped

__all__: list[str] = []


def _like(
    name: str, input: Tensor, value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    if not isinstance(input, Tensor):
        raise OpTypeError(f"{name}: expected a tensor, got {type(input).__name__}", op=name)
    kind = check_dtype(name, dtype) or input._dtype
    where = input._device if device is None else device_of(device)
    shape = tuple(input._h.shape)
    handle = (
        where.F.empty(shape, kind)
        if value is None
        else where.F.full(shape, wrapped(value, kind), kind)
    )
    return finish(make(handle, kind, where), requires_grad)


@function(method=False, ref="zeros_like", samples=lambda t: [(t(2, 3),), (t(),)])
def zeros_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Zeros of the shape, type and device of ``input``."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad)


@function(method=False, ref="ones_like", samples=lambda t: [(t(2, 3),), (t(),)])
def ones_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Ones of the shape, type and device of ``input``."""
    return _like("ones_like", input, 1, dtype, device, requires_grad)


@function(method=False, random=True, samples=lambda t: [(t(2, 3),), (t(),)])
def empty_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Any values, with the shape, type and device of ``input``."""
    return _like("empty_like", input, None, dtype, device, requires_grad)


@function(method=False, ref="full_like", samples=lambda t: [(t(2, 3), 2), (t(), -1)])
def full_like(
    input: Tensor, fill_value: Any, *, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """One value, with the shape, type and device of ``input``."""
    return _like("full_like", input, number_of(fill_value), dtype, device, requires_grad)


@function(namespace="Tensor", samples=lambda t: [(t(2), (2, 3)), (t(2), 2, 3)])
def new_zeros(
    self: Tensor, *sizes: Any, size: Any = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of the type and on the device of this tensor."""
    return _new(
        "new_zeros", self, sizes if size is None else (size,), 0, dtype, device, requires_grad
    )


@function(namespace="Tensor", samples=lambda t: [(t(2), (2, 3)), (t(2), 2, 3)])
def new_ones(
    self: Tensor, *sizes: Any, size: Any = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of the type and on the device of this tensor."""
    return _new(
        "new_ones", self, sizes if size is None else (size,), 1, dtype, device, requires_grad
    )


@function(namespace="Tensor", random=True, samples=lambda t: [(t(2), (2, 3)), (t(2), 2, 3)])
def new_empty(
    self: Tensor, *sizes: Any, size: Any = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Any values, of the type and on the device of this tensor."""
    return _new(
        "new_empty", self, sizes if size is None else (size,), None, dtype, device, requires_grad
    )


@function(namespace="Tensor", samples=lambda t: [(t(2), (2, 3), 4.0)])
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """One value, of the type and on the device of this tensor."""
    return _new("new_full", self, (size,), number_of(fill_value), dtype, device, requires_grad)


def _new(
    name: str, self: Tensor, size: Any, value: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    kind = check_dtype(name, dtype) or self._dtype
    where = self._device if device is None else device_of(device)
    shape = shape_of(name, size)
    handle = (
        where.F.empty(shape, kind)
        if value is None
        else where.F.full(shape, wrapped(value, kind), kind)
    )
    return finish(make(handle, kind, where), requires_grad)


@function(namespace="Tensor", random=True, samples=lambda t: [(t(2), (2, 3), (1, 2))])
def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """As ``empty_strided``, of the type and on the device of this tensor."""
    where = self._device if device is None else device
    return empty_strided(
        size, stride, dtype=dtype or self._dtype, device=where, requires_grad=requires_grad
    )


@function(namespace="Tensor", samples=lambda t: [(t(2), [1, 2])])
def new_tensor(
    self: Tensor, data: Any, *, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A copy of ``data`` in the type and on the device of this tensor."""
    kind, where = dtype or self._dtype, self._device if device is None else device
    return make_tensor(data, dtype=kind, device=where, requires_grad=requires_grad)

"""Random tensors from nothing: ``rand``, ``randn``, ``randint``, ``randperm`` and relatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ._creation import check_dtype, device_of, finish, shape_of
from .autograd.errors import OpError, OpTypeError
from .autograd.inplace import check_out, write_out
from .autograd.registry import function
from .autograd.tensor import Tensor, make
from .backends import dtypes
from .backends import random as host
from .backends.device import Device
from .backends.dtypes import DType
from .random import Generator, stream_of

__all__ = ["create", "integers", "limits", "normals", "require", "require_inexact", "sample"]

_DIGITS = {dtypes.float16: 11, dtypes.bfloat16: 8, dtypes.float32: 24, dtypes.float64: 53}


def sample(
    name: str, generator: Generator | None, device: Device, what: str,
    shape: tuple[int, ...], dtype: DType, *params: Any,
) -> Tensor:  # fmt: skip
    """A tensor of random values without history.

    Args:
        name: the public function, for errors.
        generator: where the numbers come from; None for the device's default.
        device, shape, dtype: of the result.
        what: the distribution, and ``params`` its parameters, as in
            :func:`tensorplug.backends.random.draw`.
    """
    stream = stream_of(name, generator, device)
    return make(host.draw(device, stream, what, shape, dtype, *params), dtype, device)


def normals(
    name: str, generator: Any, device: Device, shape: tuple[int, ...], dtype: DType,
    mean: Any, std: float,
) -> Tensor:  # fmt: skip
    """Normal numbers; a complex one has half of its variance in each part."""
    if not dtype.is_complex:
        return sample(name, generator, device, "normal", shape, dtype, float(mean), float(std))
    part = float(std) * math.sqrt(0.5)
    values = sample(name, generator, device, "normal", shape, dtype, 0.0, part)
    return values + mean if mean else values


def require(holds: bool, name: str, rule: str, got: Any) -> None:
    """Raise a RuntimeError of the usual form unless ``holds``."""
    if not holds:
        raise OpError(f"{name}: expected {rule}, got {got}; change the argument", op=name)


def require_inexact(name: str, dtype: DType, *, complex_too: bool = True) -> None:
    """Refuse integer types, and complex ones unless they make sense."""
    if not (dtype.is_inexact if complex_too else dtype.is_floating_point):
        kinds = "floating-point or complex" if complex_too else "floating-point"
        raise OpError(
            f"{name}: expected a {kinds} dtype, got {dtype}; '{name}' is not implemented for "
            f"'{dtype.name}': draw in float32 and convert, or use randint",
            op=name,
        )


def create(
    name: str, values: Callable[[Device, DType], Tensor], out: Any, dtype: Any, device: Any,
    requires_grad: bool, default: DType | None = None,
) -> Tensor:  # fmt: skip
    """What all creation functions share: where and in which type, ``out=``, ``requires_grad=``."""
    if out is not None:
        check_out(name, out)
    where = out._device if out is not None and device is None else device_of(device)
    dtype = check_dtype(name, dtype)
    if dtype is None:
        dtype = out._dtype if out is not None else default or dtypes.default_float()
    result = values(where, dtype)
    return finish(result if out is None else write_out(name, out, result), requires_grad)


def _shape(name: str, args: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    return shape_of(name, args if size is None else (size,))


# --- creation ------------------------------------------------------------------------------------


@function(method=False, random=True, samples=lambda t: [(2, 3), ((0,),), ()])
def rand(
    *args: Any, size: Any = None, generator: Generator | None = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform random numbers in [0, 1); never 1, in any type.

    Args:
        *args: the shape, as integers or one sequence; or ``size=``.
        generator: where the numbers come from (default: the device's own generator).
        out, dtype, device, requires_grad: as for all creation functions.
        layout, pin_memory: accepted for compatibility.

    Raises:
        RuntimeError: the type is not floating-point or complex.

    Example:
        >>> tp.rand(2, 3).shape
        tensorplug.Size([2, 3])
    """
    shape = _shape("rand", args, size)

    def values(where: Device, dtype: DType) -> Tensor:
        require_inexact("rand", dtype)
        return sample("rand", generator, where, "uniform", shape, dtype, 0.0, 1.0)

    return create("rand", values, out, dtype, device, requires_grad)


@function(method=False, random=True, samples=lambda t: [(2, 3), ((0,),), ()])
def randn(
    *args: Any, size: Any = None, generator: Generator | None = None, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Random numbers with mean 0 and variance 1; arguments as for :func:`rand`.

    Raises:
        RuntimeError: the type is not floating-point or complex.

    Example:
        >>> tp.randn((2, 3), dtype=tp.float64).dtype
        tensorplug.float64
    """
    shape = _shape("randn", args, size)

    def values(where: Device, dtype: DType) -> Tensor:
        require_inexact("randn", dtype)
        return normals("randn", generator, where, shape, dtype, 0.0, 1.0)

    return create("randn", values, out, dtype, device, requires_grad)


def limits(dtype: DType) -> tuple[int, int]:
    """The range of consecutive integers that a type holds exactly."""
    if dtype.kind == "bool":
        return 0, 1
    if dtype.is_floating_point:
        return -(1 << _DIGITS[dtype]), 1 << _DIGITS[dtype]
    info = dtypes.iinfo(dtype)
    return info.min, info.max


def integers(
    name: str, generator: Any, device: Device, shape: tuple[int, ...], dtype: DType,
    low: int, high: int,
) -> Tensor:  # fmt: skip
    """Integers in ``[low, high)``, a range that the type must hold."""
    if dtype.is_complex:
        raise OpError(f"{name}: expected a real dtype, got {dtype}; draw in int64", op=name)
    require(low < high, name, "bounds with low < high", f"low={low} and high={high}")
    lowest, highest = limits(dtype)
    if low < lowest or high - 1 > highest:
        raise OpError(
            f"{name}: expected integers from {lowest} to {highest}, which {dtype} can hold, got "
            f"[{low}, {high}), which is out of bounds; use a wider dtype",
            op=name,
        )
    return sample(name, generator, device, "integers", shape, dtype, low, high)


@function(method=False, random=True, samples=lambda t: [(5, (2, 3)), (-2, 2, (4,))])
def randint(
    *args: Any, low: int | None = None, high: int | None = None, size: Any = None,
    generator: Generator | None = None, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Random integers: ``randint(high, size)`` or ``randint(low, high, size)``, int64.

    Args:
        *args: ``low`` (included, default 0), ``high`` (left out) and the shape.
        low, high, size: the same by name.
        generator, out, dtype, device, requires_grad: as for :func:`rand`.

    Raises:
        RuntimeError: the range is empty or does not fit the type.
        TypeError: an argument is missing.

    Example:
        >>> bool((tp.randint(3, 5, (100,)) < 5).all())
        True
    """
    rest = list(args)
    size = rest.pop() if size is None and rest else size
    high = rest.pop() if high is None and rest else high
    low = rest.pop() if low is None and rest else low
    if rest or size is None or high is None or hasattr(size, "__index__"):
        raise OpTypeError(
            f"randint: expected (high, size) or (low, high, size), got {args}; the size is a tuple",
            op="randint",
        )
    shape, bounds = shape_of("randint", (size,)), (int(low or 0), int(high))

    def values(where: Device, dtype: DType) -> Tensor:
        return integers("randint", generator, where, shape, dtype, *bounds)

    return create("randint", values, out, dtype, device, requires_grad, dtypes.int64)


@function(method=False, random=True, samples=lambda t: [(5,), (0,), (1,)])
def randperm(
    n: int, *, generator: Generator | None = None, out: Any = None, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The integers from 0 to ``n - 1`` in random order, int64.

    Raises:
        RuntimeError: ``n`` is negative, or too large for the type.

    Example:
        >>> sorted(tp.randperm(4).tolist())
        [0, 1, 2, 3]
    """
    n = n.__index__()
    require(n >= 0, "randperm", "n of 0 or more", n)

    def values(where: Device, dtype: DType) -> Tensor:
        highest = limits(dtype)[1] if not dtype.is_complex else -1
        require(n - 1 <= highest, "randperm", f"n - 1 to fit {dtype}", f"n={n}")
        return sample("randperm", generator, where, "permutation", (n,), dtype)

    return create("randperm", values, out, dtype, device, requires_grad, dtypes.int64)


@function(method=False, random=True, dtypes="float16 bfloat16 float32 float64",
          samples=lambda t: [(t(2, 3),)])  # fmt: skip
def rand_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """:func:`rand` with the shape, dtype and device of ``input``."""
    found: Tensor = rand(
        size=input._h.shape, generator=generator, dtype=dtype or input._dtype,
        device=device or input._device, requires_grad=requires_grad,
    )  # fmt: skip
    return found


@function(method=False, random=True, dtypes="float16 bfloat16 float32 float64",
          samples=lambda t: [(t(2, 3),)])  # fmt: skip
def randn_like(
    input: Tensor, *, generator: Generator | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """:func:`randn` with the shape, dtype and device of ``input``."""
    found: Tensor = randn(
        size=input._h.shape, generator=generator, dtype=dtype or input._dtype,
        device=device or input._device, requires_grad=requires_grad,
    )  # fmt: skip
    return found


@function(method=False, random=True, dtypes="int64 float32",
          samples=lambda t: [(t(2, 3), 5), (t(4), -2, 2)])  # fmt: skip
def randint_like(
    input: Tensor, *args: int, low: int | None = None, high: int | None = None,
    generator: Generator | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """:func:`randint` with the shape, dtype and device of ``input``."""
    found: Tensor = randint(
        *args, low=low, high=high, size=input._h.shape, generator=generator,
        dtype=dtype or input._dtype, device=device or input._device, requires_grad=requires_grad,
    )  # fmt: skip
    return found

"""Faults of threads, capabilities, mixed devices and of what the engine does for all backends.

A backend cannot cause those with a ``patch``: the engine checks devices, capabilities and the
shapes of gradients for all of them. They are seeded by changing it for one device type.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorplug.backends.dtypes import DType

from .base import Clean, fault, put_in_place_of, with_kernels

__all__ = ["FAULTS"]

Kernel = Callable[..., Any]


# --- threads -----

_scratch: dict[Any, Any] = {}


def _shared_buffer(ufunc: Any) -> Kernel:
    """One buffer per shape and type for all threads, copied out after the work is done."""

    def kernel(original: Kernel, *args: Any) -> Any:
        found = original(*args)
        buffer = _scratch.setdefault((ufunc, found.shape, found.dtype), np.empty_like(found))
        np.copyto(buffer, found)
        time.sleep(0)  # as a lock that is given up: other threads run
        return buffer.copy()

    return kernel


class KeepsArguments(Clean):
    """A reduction notes its dimensions in the backend between two of its steps."""

    def __init__(self) -> None:
        super().__init__()
        plain = self._kernels["sum"]

        def total(x: Any, dims: Any, keepdim: bool) -> Any:
            self.pending = (x, dims, keepdim)
            time.sleep(0)
            return plain(*self.pending)

        self._kernels = {**self._kernels, "sum": total}


# --- capabilities -----


class NoFFT(Clean):
    capabilities = Clean.capabilities - {"fft"}


class NoWrites(Clean):
    capabilities = Clean.capabilities - {"in_place"}

    def into_kernels(self) -> dict[str, Any]:
        return {}


class NoDouble(Clean):
    def supports_dtype(self, dtype: DType, device: int) -> bool:
        return dtype.name not in ("float64", "complex128")


def _lets_through(type_: str) -> None:
    """Capabilities that are not declared are not asked for."""
    from tensorplug.backends import capabilities

    plain = capabilities.require

    def require(device: Any, capability: str, op: str) -> None:
        if device.type != type_:
            plain(device, capability, op)

    put_in_place_of(plain, require)


def _all_types(type_: str) -> None:
    """Types that are not declared work all the same."""
    from tensorplug.autograd.kernels import Kernels

    plain = Kernels.__init__

    def make(self: Any, device: Any) -> None:
        plain(self, device)
        if device.type == type_:
            self._lacks = set()

    Kernels.__init__ = make  # type: ignore[method-assign]  # on purpose


def _by_float16(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    if found.dtype.kind != "V":
        return found
    with np.errstate(all="ignore"):
        return found.astype(np.float32).astype(np.float16).astype(found.dtype)


def _by_complex64(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    if found.dtype != np.complex128:
        return found
    return np.asarray(found.astype(np.complex64).astype(np.complex128))


_turn = itertools.count()


def _any_order(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    """Every second sum adds up in the other direction."""
    if x.dtype.kind == "f" and dims is None and next(_turn) % 2:
        return original(x.reshape(-1)[::-1].cumsum()[-1:].reshape((1,) * x.ndim), dims, keepdim)
    return original(x, dims, keepdim)


_known: dict[Any, Any] = {}


def _remembers(original: Kernel, x: Any) -> Any:
    """Results are kept by the address of the operand, whatever is there by now."""
    key = (x.__array_interface__["data"][0], x.shape, x.strides, x.dtype)
    found = _known.get(key)
    if found is None or found[0] is not x:
        found = _known[key] = (x, original(x))
    return found[1].copy()


def _loses_errstate(original: Kernel, x: Any, y: Any) -> Any:
    """Integer division by zero gives 0."""
    like = x if hasattr(x, "dtype") else y
    if like.dtype.kind not in "iu":
        return original(x, y)
    with np.errstate(all="ignore"):
        return np.floor_divide(x, y)


# --- what the engine does for all -----


def _mixes(type_: str) -> None:
    """Tensors of two devices may meet: the second one is moved."""
    from tensorplug.autograd import errors, slow
    from tensorplug.autograd.transfer import transfer

    plain = errors.check_devices
    binary, inputs = slow.binary, slow.inputs

    def gathered(values: Any) -> Any:
        devices = [v._device for v in values if hasattr(v, "_device")]
        if not any(device.type == type_ for device in devices):
            return values
        return tuple(transfer(v, devices[0]) if hasattr(v, "_device") else v for v in values)

    def check(name: str, tensors: Any) -> None:
        found = [x for x in tensors if hasattr(x, "_device")]
        if not any(x._device.type == type_ for x in found):
            plain(name, tensors)

    put_in_place_of(plain, check)
    put_in_place_of(binary, lambda row, x, y, out: binary(row, *gathered((x, y)), out))
    put_in_place_of(inputs, lambda row, values: inputs(row, gathered(values)))


def _leading_only(type_: str) -> None:
    """Gradients of broadcast inputs are summed over leading dimensions only."""
    from tensorplug.autograd import rules

    plain = rules.unbroadcast

    def unbroadcast(F: Any, grad: Any, shape: tuple[int, ...]) -> Any:
        if F.device.type != type_ or not hasattr(grad, "__array__"):
            return plain(F, grad, shape)
        extra = grad.ndim - len(shape)
        grad = F.sum(grad, tuple(range(extra)), False) if extra > 0 else grad
        return grad[tuple(slice(0, n) for n in shape)]

    put_in_place_of(plain, unbroadcast)


def _half_written(type_: str) -> None:
    """An in-place op that is refused has already written."""
    from tensorplug.autograd import inplace

    plain = inplace.check_cast

    def check(name: str, source: Any, target: Any) -> None:
        try:
            plain(name, source, target)
        except Exception:
            if target._device.type == type_ and target._h.flags.writeable:
                target._h[...] = 0
            raise

    put_in_place_of(plain, check)


def _uncounted(type_: str) -> None:
    """Writes are not counted, so that gradients use what was overwritten."""
    from tensorplug.autograd import inplace

    plain = inplace.bump

    def bump(x: Any) -> None:
        if x._device.type != type_:
            plain(x)

    put_in_place_of(plain, bump)


MATHS = dict.fromkeys(("add", "mul", "exp"), _shared_buffer("any"))

FAULTS = (
    fault("F29", "tensors of two devices mix silently", "transfer", Clean, "add matmul cat",
          "device devices mix mixed mixing", _mixes),
    fault("F31", "a capability that is not declared works all the same", "capabilities", NoFFT,
          "", "capability capabilities undeclared fft", _lets_through),
    fault("F34", "threads share a buffer", "threads", with_kernels(**MATHS), "add mul exp",
          "thread threads"),
    fault("F37", "gradients are summed over leading dimensions only", "gradients", Clean,
          "add mul", "gradient gradients broadcast", _leading_only),
    fault("F143", "a reduction keeps its arguments where all threads see them", "threads",
          KeepsArguments, "sum", "thread threads"),
    fault("F144", "sums differ from call to call", "capabilities", with_kernels(sum=_any_order),
          "sum", "deterministic determinism twice bits"),
    fault("F145", "bfloat16 is declared, and computed by way of float16", "capabilities",
          with_kernels(mul=_by_float16, add=_by_float16), "add mul", "bfloat16"),
    fault("F146", "complex128 is declared, and computed in complex64", "capabilities",
          with_kernels(mul=_by_complex64, div=_by_complex64), "mul div", "complex128"),
    fault("F147", "float64 is not declared, and works all the same", "capabilities", NoDouble,
          "", "capability capabilities undeclared float64 complex128 type types", _all_types),
    fault("F148", "writing is not declared, and works all the same", "capabilities", NoWrites,
          "", "capability capabilities undeclared in_place", _lets_through),
    fault("F149", "results are remembered by address, whatever was written since", "in-place",
          with_kernels(exp=_remembers), "exp", "write writes in_place view"),
    fault("F150", "whole numbers divided by zero give 0", "special values",
          with_kernels(floor_divide=_loses_errstate, remainder=_loses_errstate),
          "floor_divide remainder", "zero division"),
    fault("F151", "an in-place op that is refused has already written", "in-place", Clean,
          "add mul", "refused lesser stays in_place place", _half_written),
    fault("F152", "writes are not counted", "gradients", Clean,
          "", "version versions overwritten modified saved in_place write", _uncounted),
)  # fmt: skip

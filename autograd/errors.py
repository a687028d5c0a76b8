"""Explain a failed kernel: runs only after something raised, never on the hot path."""

from __future__ import annotations

from typing import Any

from ..backends.errors import (
    DeviceError,
    KernelNotFound,
    OpError,
    OpIndexError,
    OpTypeError,
    OpValueError,
    TensorplugError,
    ValuesError,
)
from .index_errors import broadcast_error, explain_index
from .tensor import Tensor

__all__ = [
    "OpError",
    "OpIndexError",
    "OpTypeError",
    "OpValueError",
    "broadcast_error",
    "check_devices",
    "recover",
    "shortened",
    "wrong_dtype",
]


def recover(row: Any, error: Exception, args: tuple[Any, ...], kernel: Any, raw: Any) -> Any:
    """Repeat a call that only stumbled over inf or nan; raise a named error otherwise."""
    tensor = next((x for x in _flat(args) if type(x) is Tensor), None)
    if tensor is not None and isinstance(error, tensor._device.backend.soft_errors):
        with tensor._device.backend.quiet():
            return kernel(*raw)
    raise explain(row, error, args) from error


def explain(row: Any, error: Exception, args: tuple[Any, ...]) -> Exception:
    """The error to raise instead of a kernel's own: op, what was expected, what came."""
    if isinstance(error, (TensorplugError, MemoryError, KernelNotFound)):
        if isinstance(error, ValuesError):
            error.op = error.op or row.name
        elif isinstance(error, (IndexError, ArithmeticError)):
            return _of_a_kernel(row.name, error)
        return error
    family_text = row.family.explain(row, args)
    if family_text is not None:
        return OpError(f"{row.name}: {family_text}", op=row.name)
    if row.name in ("index", "index_get", "index_put"):
        found = explain_index(row.name, args)
        if found is not None:
            return found
    kind: type[TensorplugError] = OpError
    for base, ours in ((IndexError, OpIndexError), (TypeError, OpTypeError)):
        if isinstance(error, base):
            kind = ours
    text = f"{row.name}: {error}"
    if not str(error).startswith("expected "):  # a library's text, without what it got
        text += f" (got {', '.join(describe(arg) for arg in args)})"
    return kind(text, op=row.name)


def _of_a_kernel(name: str, error: Any) -> Exception:
    """An error of ours with its operation, which a kernel does not know."""
    if error.op is not None:
        return error
    text = f"{name}: {error}"
    return type(error)(text, op=name, expected=error.expected, got=error.got)


def describe(value: Any) -> str:
    """A tensor as ``float32 (2, 3)``; anything else as Python writes it, shortened."""
    if type(value) is Tensor:
        handle = value._h
        what = tuple(handle.shape) if hasattr(handle, "shape") else type(handle).__name__
        return f"{value._dtype.name} {what}"
    return shortened(value)


def shortened(value: Any) -> str:
    """A value as Python writes it, in at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _flat(args: tuple[Any, ...]) -> list[Any]:
    flat: list[Any] = []
    for arg in args:
        flat.extend(arg) if isinstance(arg, (list, tuple)) else flat.append(arg)
    return flat


def check_devices(name: str, tensors: Any) -> None:
    """Refuse tensors of two devices in one op.

    Raises:
        DeviceError: naming the op, both devices and the way out.
    """
    first = None
    for x in tensors:
        if type(x) is Tensor and x._device is not first:
            if first is not None:
                break
            first = x._device
    else:
        return
    devices = list(dict.fromkeys(x._device for x in tensors if type(x) is Tensor))
    if len(devices) > 1:
        listed = " and ".join(str(device) for device in devices)
        raise DeviceError(
            f"{name}: expected one device, got {listed}; move one with .to('{devices[-1]}')",
            op=name,
        )


def wrong_dtype(row: Any, dtype: Any) -> Exception:
    """The error for a type that the op does not take."""
    kinds = {
        "bool": "bool", "uint": "integer", "int": "integer", "float": "floating-point",
        "complex": "complex",
    }  # fmt: skip
    accepted = list(dict.fromkeys(kinds[kind] for kind in row.dtype.accepts))
    article = "an" if accepted[0][0] in "aeiou" else "a"
    return OpError(
        f"{row.name}: expected {article} {' or '.join(accepted)} tensor, got {dtype}; "
        f"'{row.name}' is not implemented for '{dtype.name}': convert it with .to(dtype)",
        op=row.name,
    )

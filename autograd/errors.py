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
)
from .tensor import Tensor

__all__ = [
    "OpError",
    "OpIndexError",
    "OpTypeError",
    "OpValueError",
    "broadcast_error",
    "check_devices",
    "recover",
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
        return error
    family_text = row.family.explain(row, args)
    if family_text is not None:
        return OpError(f"{row.name}: {family_text}", op=row.name)
    kind: type[TensorplugError] = OpError
    for base, ours in ((IndexError, OpIndexError), (TypeError, OpTypeError)):
        if isinstance(error, base):
            kind = ours
    if row.name == "index" and isinstance(error, ValueError):  # a slice with step 0
        kind = OpValueError
    got = ", ".join(describe(arg) for arg in args)
    return kind(f"{row.name}: {error} (got {got})", op=row.name)


def describe(value: Any) -> str:
    """A tensor as ``float32 (2, 3)``; anything else as Python writes it, shortened."""
    if type(value) is Tensor:
        return f"{value._dtype.name} {tuple(value._h.shape)}"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _flat(args: tuple[Any, ...]) -> list[Any]:
    flat: list[Any] = []
    for arg in args:
        flat.extend(arg) if isinstance(arg, (list, tuple)) else flat.append(arg)
    return flat


def broadcast_error(shapes: list[tuple[int, ...]]) -> str | None:
    """What to say when shapes do not broadcast together, None when they do."""
    rank = max(map(len, shapes), default=0)
    for dim in range(1, rank + 1):
        sizes = {shape[-dim] for shape in shapes if len(shape) >= dim} - {1}
        if len(sizes) > 1:
            listed = " and ".join(map(str, (tuple(shape) for shape in shapes)))
            one, two = sorted(sizes)[:2]
            return (
                f"expected broadcastable shapes, got {listed}; the sizes {one} and {two} at "
                f"dimension {rank - dim} must match or be 1"
            )
    return None


def check_devices(name: str, tensors: Any) -> None:
    """Refuse tensors of two devices in one op.

    Raises:
        DeviceError: naming the op, both devices and the way out.
    """
    devices = []
    for x in tensors:
        if type(x) is Tensor and x._device not in devices:
            devices.append(x._device)
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
    return OpError(
        f"{row.name}: expected a {' or '.join(accepted)} tensor, got {dtype}; "
        f"'{row.name}' is not implemented for '{dtype.name}': convert it with .to(dtype)",
        op=row.name,
    )

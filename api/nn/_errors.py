"""Errors that name the layer; those of inputs are made only after an operation has failed."""

from __future__ import annotations

from typing import Any

import tensorplug as tp
from tensorplug.backends.errors import DeviceError, OpError, OpTypeError

__all__ = ["as_weights", "check_size", "wrong_input", "wrong_kind"]


def wrong_input(layer: str, expected: str, input: Any) -> OpError:
    """``Linear(3, 4): expected input of shape (*, 3), got (2, 5)``, to be raised."""
    got = tuple(input.shape) if hasattr(input, "shape") else type(input).__name__
    return OpError(
        f"{layer}: expected input of shape {expected}, got {got}",
        op=layer.partition("(")[0],
        expected=expected,
        got=got,
    )


def wrong_kind(layer: str, input: Any, weight: Any, error: Exception) -> Exception:
    """The layer's error when the input is of another dtype or device, else ``error``."""
    name = layer.partition("(")[0]
    if not hasattr(input, "dtype") or not hasattr(input, "device"):
        return error
    if input.device != weight.device:
        return DeviceError(
            f"{layer}: expected input on {weight.device}, got {input.device}; "
            f"move one with .to('{weight.device}')",
            op=name,
        )
    if input.dtype != weight.dtype:
        return OpError(
            f"{layer}: expected input of dtype {weight.dtype}, got {input.dtype}; "
            "convert it with .to(dtype)",
            op=name,
        )
    return error


def as_weights(layer: str, input: Any, weight: Any) -> Any:
    """The input of an op that asks for one dtype; under autocast cast to that of the weights.

    Raises:
        RuntimeError, ValueError: it is of another dtype or on another device.
    """
    if input.dtype == weight.dtype and input.device == weight.device:
        return input
    if input.device == weight.device and tp.is_autocast_enabled(input.device.type):
        return input.to(weight.dtype)
    raise wrong_kind(layer, input, weight, TypeError(layer))


def check_size(layer: str, name: str, value: Any) -> None:
    """Refuse a setting of a layer that is no size.

    Raises:
        TypeError: it is no integer.
        RuntimeError: it is negative.
    """
    if not hasattr(value, "__index__"):
        raise OpTypeError(
            f"{layer}: expected an integer as {name}, got {value!r}; pass a size", op=layer
        )
    if value < 0:
        raise OpError(
            f"{layer}: expected {name} of 0 or more, got {value}; "
            "trying to create a tensor with negative dimension",
            op=layer,
        )

"""Arithmetic in place, in as few passes over memory as a device can do it."""

from __future__ import annotations

from typing import Any

from tensorplug.autograd.inplace import bump
from tensorplug.autograd.tensor import Tensor

__all__ = ["add_scaled"]


def add_scaled(x: Tensor, y: Tensor, factor: Any) -> Tensor:
    """``x += factor * y``, without history; ``factor`` is a Python number or a tensor."""
    kernel = x._device.F.into.get("add_scaled")
    if kernel is None or type(factor) is Tensor or y._dtype is not x._dtype:
        return x.add_(y * factor)
    try:
        kernel(x._h, y._h, factor, x._h)
    except Exception:  # noqa: BLE001  # explained by the op in place
        return x.add_(y * factor)
    bump(x)
    return x

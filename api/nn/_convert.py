"""Cold helpers of :class:`Module`: parsing ``to()``, moving tensors, printing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends.dtypes import DType

__all__ = ["move", "parse_to", "replace", "wrap"]


def parse_to(
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> tuple[Any, Any]:
    """The device and the dtype that ``Module.to(*args, **kwargs)`` means, None for "as it is"."""
    if args and isinstance(args[0], Tensor):
        device, dtype = args[0].device, args[0].dtype
    else:
        for value in args:
            if isinstance(value, bool) or value is None:
                continue  # non_blocking by position, or "no change"
            if isinstance(value, DType):
                dtype = value
            else:
                device = value
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise TypeError(
            f"Module.to: expected a floating-point or complex dtype, got {dtype}; "
            "use .type(dtype) to convert everything"
        )
    return (None if device is None else tp.device(device)), dtype


def move(tensor: Tensor, device: Any, dtype: Any, real_only: bool = False) -> Tensor:
    """``tensor`` on ``device``, with ``dtype`` if it is floating (or complex)."""
    inexact = tensor.is_floating_point() or (tensor.is_complex() and not real_only)
    return tensor.to(
        device=tensor.device if device is None else device,
        dtype=dtype if inexact and dtype is not None else tensor.dtype,
    )


def replace(parameter: Tensor, fn: Callable[[Tensor], Tensor]) -> None:
    """Put ``fn(values)`` into a parameter that stays the same object, and so its gradient."""
    grad = parameter.grad
    with tp.no_grad():
        values = fn(parameter.data)
        if grad is not None:
            # A gradient has its parameter's type and device: away first, then back.
            parameter.grad = None
            requires_grad = grad.requires_grad
            grad = fn(grad.detach()).requires_grad_(requires_grad)
        parameter.data = values
        if grad is not None:
            parameter.grad = grad


def wrap(name: str, lines: list[str], children: list[str]) -> str:
    """``Name(line)`` on one line where that is possible, indented lines otherwise."""
    if not children and len(lines) <= 1:
        return f"{name}({lines[0] if lines else ''})"
    body = "".join(f"\n  {line}" for line in [*lines, *children])
    return f"{name}({body}\n)"

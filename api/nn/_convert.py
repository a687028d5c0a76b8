"""Moving and converting modules; printing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends.dtypes import DType

if TYPE_CHECKING:
    from .module import Module

__all__ = ["ModuleMoves", "move", "parse_to", "replace", "wrap"]


class ModuleMoves:
    """The half of :class:`Module` that changes devices and types."""

    if TYPE_CHECKING:

        def modules(self) -> Iterator[Module]: ...

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move parameters and buffers, in place: ``to(device)``, ``to(dtype)``, ``to(tensor)``.

        Parameters stay the same objects, so optimizers keep working. A dtype must be floating or
        complex, and integer buffers keep theirs.

        Args:
            device: where to, for example ``"cuda:0"``.
            dtype: which type.
            non_blocking: accepted for compatibility; copies are ordered by the backend.
        """
        device, dtype = parse_to(*args, **kwargs)
        return self._apply(lambda tensor: move(tensor, device, dtype))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the values of all parameters, gradients and buffers by ``fn`` of them."""
        modules: Any = tuple(self.modules()) if recurse else (self,)
        for module in modules:
            for parameter in module._parameters.values():
                if parameter is not None:
                    replace(parameter, fn)
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = fn(buffer)
        return self

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to ``device`` without copying values: parameters and buffers are undefined."""
        return self._apply(lambda tensor: tp.empty_like(tensor, device=device), recurse)

    def cpu(self) -> Self:
        """Move to the CPU, in place."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Self:
        """Move to a CUDA device, in place; the first one unless ``device`` says which."""
        if device is None or isinstance(device, int):
            device = f"cuda:{device or 0}"
        return self.to(device)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers, integers too, to a dtype."""
        return self._apply(lambda tensor: tensor.to(dtype=dst_type))

    def float(self) -> Self:
        """Convert floating parameters and buffers to float32."""
        return self._apply(lambda tensor: move(tensor, None, tp.float32, real_only=True))

    def double(self) -> Self:
        """Convert floating parameters and buffers to float64."""
        return self._apply(lambda tensor: move(tensor, None, tp.float64, real_only=True))

    def half(self) -> Self:
        """Convert floating parameters and buffers to float16."""
        return self._apply(lambda tensor: move(tensor, None, tp.float16, real_only=True))

    def bfloat16(self) -> Self:
        """Convert floating parameters and buffers to bfloat16."""
        return self._apply(lambda tensor: move(tensor, None, tp.bfloat16, real_only=True))


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

"""Parameters and buffers: tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class _ParameterType(type):
    """Makes ``isinstance(x, Parameter)`` ask the tensor's flag."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance._is_parameter


if TYPE_CHECKING:

    class Parameter(Tensor):
        """What a type checker should know: a parameter has all that a tensor has."""

        def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None: ...

else:

    class Parameter(metaclass=_ParameterType):
        """A tensor that a :class:`Module` lists in ``parameters()`` once it is an attribute.

        The result is an ordinary :class:`tensorplug.Tensor` that carries a flag, so that weights
        take the same fast path as any tensor. It shares memory with ``data``.

        Args:
            data: the values, of any shape; floating or complex when ``requires_grad``.
                An empty tensor when left out.
            requires_grad: whether gradients are computed for it.

        Differs from torch: ``type(parameter) is Tensor``; ``isinstance(parameter, Parameter)``
        works as usual.

        Example:
            >>> weight = tp.nn.Parameter(tp.ones(2, 3))
            >>> isinstance(weight, tp.nn.Parameter), weight.requires_grad
            (True, True)
        """

        def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Tensor:
            if data is None:
                data = tp.empty(0)
            if not isinstance(data, Tensor):
                raise TypeError(
                    f"Parameter: expected a Tensor, got {type(data).__name__}; "
                    "make one first, for example with tp.tensor(...)"
                )
            parameter = data.detach()
            parameter._is_parameter = True
            return parameter.requires_grad_(requires_grad)


class _BufferType(type):
    """Makes ``isinstance(x, Buffer)`` ask the tensor's flag."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and "buffer" in (instance._extra or ())


if TYPE_CHECKING:

    class Buffer(Tensor):
        """What a type checker should know: a buffer has all that a tensor has."""

        def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None: ...

else:

    class Buffer(metaclass=_BufferType):
        """A tensor that a :class:`Module` registers as a buffer once it is an attribute.

        Args:
            data: the values, of any shape. An empty tensor when left out.
            persistent: whether it is part of the module's state dict.

        Differs from torch: ``type(buffer) is Tensor``; ``isinstance(buffer, Buffer)`` works.

        Example:
            >>> layer = tp.nn.Module()
            >>> layer.mean = tp.nn.Buffer(tp.zeros(3))
            >>> list(layer.state_dict())
            ['mean']
        """

        def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Tensor:
            if data is None:
                data = tp.empty(0)
            if not isinstance(data, Tensor):
                raise TypeError(f"Buffer: expected a Tensor, got {type(data).__name__}")
            buffer = data.detach().requires_grad_(data.requires_grad)
            buffer._extra = {**(buffer._extra or {}), "buffer": persistent}
            return buffer

"""PyTorch's old name of a tensor, which many programs still import."""

from __future__ import annotations

from typing import Any

from .tensor import Tensor

__all__ = ["Variable"]


class _VariableType(type):
    """Makes ``isinstance(x, Variable)`` true of every tensor."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableType):
    """A tensor over the memory of ``data``, without its history; tensors no longer need it.

    Args:
        data: a tensor of any shape and dtype.
        requires_grad: whether gradients are computed for the result.

    Raises:
        TypeError: ``data`` is not a tensor.

    Differs from torch: ``volatile`` is refused; use ``tp.no_grad()``.

    Example:
        >>> x = tp.autograd.Variable(tp.ones(2), requires_grad=True)
        >>> x.sum().backward()
        >>> x.grad
        tensor([1., 1.])
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Tensor:  # type: ignore[misc]  # a tensor
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Variable: expected a Tensor, got {type(data).__name__}; "
                "make one first, for example with tp.tensor(...)"
            )
        return data.detach().requires_grad_(requires_grad)

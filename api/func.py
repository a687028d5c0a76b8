"""Functions of functions and modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .autograd.tensor import Tensor
from .nn.module import Module
from .nn.utils import stateless

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with the given tensors in place of its parameters and buffers.

    The module has its own again afterwards. Gradients flow to the tensors that were given.

    Args:
        module: what to call.
        parameter_and_buffer_dicts: tensors by dotted name; or several such dicts without common
            names. What is not named stays as it is.
        args: the argument, or a tuple of all.
        kwargs: keyword arguments.
        tie_weights: a tensor that the module has under several names is replaced under all.
        strict: ask for exactly the module's names; otherwise others are ignored.

    Returns:
        What the module returns.

    Raises:
        RuntimeError: with ``strict``, unexpected and missing names.
        ValueError: names given twice, or tied names with different values.

    Example:
        >>> layer = tp.nn.Linear(2, 1, bias=False)
        >>> tp.func.functional_call(layer, {"weight": tp.ones(1, 2)}, tp.ones(2)).tolist()
        [2.0]
    """
    return stateless.call(
        module, parameter_and_buffer_dicts, args, kwargs, tie_weights=tie_weights, strict=strict
    )

"""Making a module without caring for its first values."""

from __future__ import annotations

import inspect
from typing import Any

import tensorplug as tp

from ..module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Module:
    """A module whose parameters hold any values, made without touching the random generator.

    Args:
        module_cls: a subclass of :class:`Module` that takes ``device``.
        *args, **kwargs: for its constructor.

    Raises:
        RuntimeError: no module, or one that takes no device.

    Example:
        >>> tp.nn.utils.skip_init(tp.nn.Linear, 3, 4).weight.shape
        tensorplug.Size([4, 3])
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"skip_init: expected a subclass of Module, got {module_cls.__name__}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(
            f"skip_init: expected a module that takes device, got {module_cls.__name__}"
        )
    with tp.random.fork_rng():
        return module_cls(*args, **kwargs)

"""Weight norm by a hook: the older form of ``parametrizations.weight_norm``."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

import tensorplug as tp

from ..module import Module
from ..parameter import Parameter
from ._norms import norm_except, scaled

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]

_M = TypeVar("_M", bound=Module)


class WeightNorm:
    """The hook of :func:`weight_norm`: computes the weight before every forward."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        """The weight with the learned lengths."""
        v, g = getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g")
        return scaled(v, g, self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))

    @classmethod
    def apply(cls, module: Module, name: str, dim: int | None) -> WeightNorm:
        """Split the parameter and register the hook."""
        if _hook(module, name) is not None:
            raise RuntimeError(
                f"weight_norm: expected one weight norm on {name!r}, got a second for "
                f"{type(module).__name__}"
            )
        hook = cls(name, dim)
        weight = getattr(module, name)
        del module._parameters[name]
        with tp.no_grad():
            lengths = norm_except(weight, hook.dim)
        module.register_parameter(f"{name}_g", Parameter(lengths))
        module.register_parameter(f"{name}_v", Parameter(weight.detach()))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[f"{self.name}_g"], module._parameters[f"{self.name}_v"]
        setattr(module, self.name, Parameter(weight.detach()))


def _hook(module: Module, name: str) -> int | None:
    """The key of the hook on an attribute."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook.call, WeightNorm) and hook.call.name == name:
            return key
    return None


def weight_norm(module: _M, name: str = "weight", dim: int | None = 0) -> _M:
    """Learn the lengths ``<name>_g`` and the directions ``<name>_v`` of a weight apart.

    Deprecated, with a warning: use :func:`tensorplug.nn.utils.parametrizations.weight_norm`.

    Args:
        module: which is changed.
        name: the parameter.
        dim: the dimension that has a length for each index; None for one length in all.

    Returns:
        ``module``.

    Raises:
        RuntimeError: the attribute has a weight norm.
    """
    warnings.warn(
        "nn.utils.weight_norm: expected nn.utils.parametrizations.weight_norm, got the older form, "
        "which is deprecated",
        FutureWarning,
        stacklevel=2,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: _M, name: str = "weight") -> _M:
    """Undo :func:`weight_norm`, keeping the weight.

    Returns:
        ``module``.

    Raises:
        ValueError: there is no weight norm on that attribute.
    """
    key = _hook(module, name)
    if key is None:
        raise ValueError(
            f"remove_weight_norm: expected a weight norm on {name!r}, got none in "
            f"{type(module).__name__}"
        )
    module._forward_pre_hooks.pop(key).call.remove(module)
    return module

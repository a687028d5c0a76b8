"""Spectral norm by a hook: the older form of ``parametrizations.spectral_norm``."""

from __future__ import annotations

from typing import Any, TypeVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from ._norms import as_matrix

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

_M = TypeVar("_M", bound=Module)


class SpectralNorm:
    """The hook of :func:`spectral_norm`: computes the weight before every forward."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"spectral_norm: expected n_power_iterations above 0, got {n_power_iterations}"
            )
        self.name, self.n_power_iterations, self.dim = name, n_power_iterations, dim
        self.eps = eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight over its largest singular value, after a step of the power method or not."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim).reshape(weight.shape[self.dim], -1)
        if do_power_iteration:
            with tp.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.T @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
        return weight / (u.clone() @ (matrix @ v.clone()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))

    @classmethod
    def apply(
        cls, module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Rename the parameter, draw the first vectors and register the hook."""
        if _hook(module, name) is not None:
            raise RuntimeError(
                f"spectral_norm: expected one spectral norm on {name!r}, got a second for "
                f"{type(module).__name__}"
            )
        hook = cls(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"spectral_norm: expected a parameter {name!r}, got None")
        values = weight.detach()
        matrix = as_matrix(values, dim).reshape(values.shape[dim], -1)
        u, v = (
            F.normalize(tp.randn(n, dtype=values.dtype, device=values.device), dim=0, eps=eps)
            for n in matrix.shape
        )
        del module._parameters[name]
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, values)  # for code that looks at it before the first forward
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        with tp.no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        delattr(module, self.name)
        for part in ("u", "v", "orig"):
            delattr(module, f"{self.name}_{part}")
        module.register_parameter(self.name, Parameter(weight.detach()))


def _hook(module: Module, name: str) -> int | None:
    """The key of the hook on an attribute."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook.call, SpectralNorm) and hook.call.name == name:
            return key
    return None


def spectral_norm(
    module: _M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> _M:  # fmt: skip
    """Divide a weight by its largest singular value before every forward.

    The parameter becomes ``<name>_orig``, with buffers ``<name>_u`` and ``<name>_v``. Newer code
    uses :func:`tensorplug.nn.utils.parametrizations.spectral_norm`.

    Args:
        module: which is changed.
        name: the parameter.
        n_power_iterations: steps of the power method in every forward in training.
        eps: added to norms that might be 0.
        dim: the dimension that becomes the rows of the matrix; the output channels when None.

    Returns:
        ``module``.

    Raises:
        RuntimeError, ValueError: there is a spectral norm already, or no iterations.

    Example:
        >>> layer = tp.nn.utils.spectral_norm(tp.nn.Linear(3, 2))
        >>> list(layer.state_dict())
        ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = int(type(module).__name__.startswith("ConvTranspose"))
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: _M, name: str = "weight") -> _M:
    """Undo :func:`spectral_norm`, keeping the weight.

    Returns:
        ``module``.

    Raises:
        ValueError: there is no spectral norm on that attribute.
    """
    key = _hook(module, name)
    if key is None:
        raise ValueError(
            f"remove_spectral_norm: expected a spectral norm on {name!r}, got none in "
            f"{type(module).__name__}"
        )
    module._forward_pre_hooks.pop(key).call.remove(module)
    return module

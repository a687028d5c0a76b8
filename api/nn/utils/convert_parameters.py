"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def _same_device(name: str, parameters: list[Tensor]) -> None:
    devices = list(dict.fromkeys(str(parameter.device) for parameter in parameters))
    if len(devices) > 1:
        raise TypeError(f"{name}: expected parameters on one device, got {', '.join(devices)}")


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, one after the other; gradients flow back.

    Raises:
        TypeError: they are on several devices.

    Example:
        >>> tp.nn.utils.parameters_to_vector([tp.ones(2, 2), tp.zeros(1)]).tolist()
        [1.0, 1.0, 1.0, 1.0, 0.0]
    """
    given = list(parameters)
    _same_device("parameters_to_vector", given)
    return tp.cat([parameter.reshape(-1) for parameter in given])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Put the elements of a vector into parameters, which stay the same objects.

    The parameters share the vector's memory from then on.

    Raises:
        TypeError: ``vec`` is no tensor, or the parameters are on several devices.

    Example:
        >>> x = tp.zeros(2)
        >>> tp.nn.utils.vector_to_parameters(tp.tensor([1.0, 2.0]), [x])
        >>> x.tolist()
        [1.0, 2.0]
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a tensor, got {type(vec).__name__}")
    given, at = list(parameters), 0
    _same_device("vector_to_parameters", given)
    for parameter in given:
        count = parameter.numel()
        parameter.data = vec[at : at + count].view_as(parameter).detach()
        at += count

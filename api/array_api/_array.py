"""What the standard asks of the array object beyond what a Tensor is anyway."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .._creation import device_of
from ..autograd.errors import OpValueError
from ..autograd.tensor import Tensor
from ..backends.device import Device
from ._dtypes import moved
from ._info import VERSION

__all__ = ["attach"]

_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", VERSION)
_namespace = SimpleNamespace(module=None)


def __array_namespace__(self: Tensor, /, *, api_version: str | None = None) -> Any:
    """The array API namespace: :mod:`tensorplug.array_api`.

    Raises:
        ValueError: the standard has no such revision, or it is newer than ours.
    """
    if api_version is not None and api_version not in _VERSIONS:
        raise OpValueError(
            f"__array_namespace__: expected api_version to be None or one of {_VERSIONS}, got "
            f"{api_version!r}",
            op="__array_namespace__",
        )
    return _namespace.module


def to_device(self: Tensor, device: Device | str, /, *, stream: Any = None) -> Tensor:
    """The array on another device; itself if it is there already.

    Raises:
        ValueError: a ``stream`` is given.
    """
    if stream is not None:
        raise OpValueError(
            f"to_device: expected stream=None, got {stream!r}; copies are complete when this "
            "returns",
            op="to_device",
        )
    return moved(self, None, device_of(device), False)


def attach(module: Any) -> None:
    """Put the methods on Tensor; ``module`` is the namespace."""
    _namespace.module = module
    for method in (__array_namespace__, to_device):
        setattr(Tensor, method.__name__, method)

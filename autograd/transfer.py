"""Moving a tensor to another device, with its gradient moving back."""

from __future__ import annotations

from typing import Any

from ..backends.capabilities import missing
from ..backends.device import Device
from ..backends.dtypes import STORED
from .modes import GRAD_MODE
from .node import Node
from .tensor import Tensor, _new, edge, make

__all__ = ["transfer"]


class ToCopyBackward0(Node):
    """The history of a transfer; ``attrs`` holds the device that the tensor came from."""

    __slots__ = ("attrs",)
    moves = True

    def apply(self, F: Any, grads: Any, tensors: bool) -> Any:
        """The gradient, moved back."""
        source: Device = self.attrs[0]
        if tensors:
            return [transfer(grads, source)]
        return [_move(grads, self.device, source)]


def _move(handle: Any, source: Device, target: Device, non_blocking: bool = False) -> Any:
    """A copy of a handle: from device to device where the libraries can, else by the host."""
    dtype = source.backend.dtype_of(handle)
    if dtype.name not in target.capabilities and dtype not in STORED:  # those its library refuses
        raise missing(target, dtype.name, "to")
    if not (source.backend.shares_host_memory or target.backend.shares_host_memory):
        try:
            return target.backend.receive(source.backend.native(handle), target.index, True)
        except BufferError:
            pass  # no such way between the two
    host = source.backend.to_host(handle)
    if non_blocking:
        return target.backend.from_host_async(host, target.index)
    return target.F.from_host(host)


def transfer(x: Tensor, device: Device, non_blocking: bool = False) -> Tensor:
    """A copy of ``x`` on another device; ``non_blocking`` as :meth:`Backend.from_host_async`.

    Raises:
        CapabilityError: the device does not declare the type.
    """
    out = make(_move(x._h, x._device, device, non_blocking), x._dtype, device)
    parent = edge(x) if x._track and GRAD_MODE.get() and x._dtype.is_inexact else None
    if parent is not None:
        node: Any = _new(ToCopyBackward0)
        node.parents, node.attrs, node.hooks = (parent,), (x._device,), None
        node.saved = node.meta = ()
        node.device = device
        out._node, out._track = node, True
    return out

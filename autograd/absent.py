"""What happens where a device has no kernel for an op: the host is used if it may, else an error.

Nothing here is on the hot path: who has a kernel never comes here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backends.device import Device
from ..backends.errors import KernelNotFound
from ..backends.fallback import allowed, note
from ..backends.plugging import current
from .errors import shortened

if TYPE_CHECKING:
    from .registry import Row

__all__ = ["instead"]

_SHOWN = 4
"""How many arguments, or items of a list, an error names."""


def instead(row: Row, device: Device) -> Callable[..., Any]:
    """What stands in for a kernel that does not exist; it asks at each call whether it may."""

    def kernel(*args: Any) -> Any:
        # A copy from the host would not alias, so views have to be the device's own.
        if row.view or device.type == "cpu" or not allowed(device):
            raise _absent(row, device, args)
        note(row.name, device)
        return _on_host(row, device, args)

    return kernel


def _on_host(row: Row, device: Device, args: tuple[Any, ...]) -> Any:
    host, backend, there = Device("cpu"), device.backend, device.index

    def down(value: Any) -> Any:
        return host.backend.from_host(backend.to_host(value), 0)

    def up(value: Any) -> Any:
        return backend.from_host(host.backend.to_host(value), there)

    found = getattr(host.F, row.name)(*[_converted(arg, down) for arg in args])
    return _converted(found, up)


def _converted(value: Any, function: Callable[[Any], Any]) -> Any:
    """Handles, also inside of lists and (named) tuples, put through ``function``."""
    if isinstance(value, (list, tuple)):
        items = [_converted(item, function) for item in value]
        return items if isinstance(value, list) else getattr(type(value), "_make", tuple)(items)
    return function(value) if hasattr(value, "shape") else value


def _absent(row: Row, device: Device, args: tuple[Any, ...]) -> KernelNotFound:
    """The error: what came, what to do, what was tried, who could help."""
    backend, loaded = device.backend, current().loaded.get(device.type)
    whose = f"{loaded.claim.source}" if loaded else f"the backend {backend.name}"
    function = f'"{row.name}": function({", ".join(row.inputs + row.attrs)})'
    namespace = getattr(backend.namespace, "__name__", "its namespace")
    host = "" if row.view else (
        ", or set host_fallback = True; meanwhile, tensorplug.backends.allow_fallback() runs it "
        "on the host"
    )  # fmt: skip
    return KernelNotFound(
        f"{row.name} on {device}: expected a kernel, but there is none "
        f"(got {_listed(args, device)}); move the tensor with .to('cpu')\n"
        f"  {backend.name} gives no kernel, {namespace} has no {row.xp or row.name!r}, and the op "
        f"has no composition\n  for {whose}: add {function} to kernels(){host}",
        op=row.name,
    )


def _listed(values: Any, device: Device) -> str:
    shown = [_described(value, device) for value in values[:_SHOWN]]
    return ", ".join([*shown, "..."] if len(values) > _SHOWN else shown)


def _described(value: Any, device: Device) -> str:
    """As ``errors.describe`` writes a tensor, of a handle."""
    if isinstance(value, (list, tuple)) and any(hasattr(item, "shape") for item in value):
        return f"[{_listed(value, device)}]"
    if hasattr(value, "shape"):
        return f"{device.backend.dtype_of(value).name} {tuple(value.shape)}"
    return shortened(value)

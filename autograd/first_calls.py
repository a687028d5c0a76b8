"""The first result of a kernel is looked at, so that a wrong one is laid at the right door.

A kernel that returns None would else make a tensor without complaint, and fail much later. After
one good result the kernel stands in the table by itself, so that no call pays for this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backends.errors import OpError
from ..backends.plugging import current

if TYPE_CHECKING:
    from ..backends.device import Device
    from .registry import Row

__all__ = ["first_call"]


def first_call(row: Row, device: Device, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """What stands in the row's table until the kernel has returned what it should."""

    def checked(*args: Any) -> Any:
        found = kernel(*args)
        rule = _broken_rule(row, found)
        if rule:
            raise _wrong_result(row, device, rule, found)
        if row.kernels.get(device) is checked:
            row.kernels[device] = kernel
        return found

    return checked


def _broken_rule(row: Row, found: Any) -> str:
    """What the kernel was to return, if it did not."""
    count = len(row.outputs)
    if count > 1:  # an output that nobody has asked for may be None
        good = isinstance(found, (tuple, list)) and len(found) == count
        fine = good and all(item is None or hasattr(item, "shape") for item in found)
        return "" if fine else f"{count} arrays ({', '.join(row.outputs)})"
    if type(found) is list and not row.family.elementwise:  # of ops that split a tensor
        return "" if all(hasattr(item, "shape") for item in found) else "a list of arrays"
    return "" if hasattr(found, "shape") else "an array"


def _wrong_result(row: Row, device: Device, rule: str, found: Any) -> OpError:
    registry, backend = current(), device.backend.name
    loaded = registry.loaded.get(device.type)
    source = registry.providers.get((backend, row.name)) or (loaded and loaded.claim.source)
    whose = f"{source}; {source.how_to_turn_off()}" if source else f"the backend {backend}"
    got = type(found).__name__
    if isinstance(found, (tuple, list)):
        got += f" of {len(found)}: {', '.join(type(item).__name__ for item in found[:4])}"
    return OpError(
        f"{row.name} on {device}: expected {rule} from its kernel, got {got}; it should return "
        f"arrays of {backend}\n  kernel {row.name!r} of {whose}",
        op=row.name, expected=rule, got=found,
    )  # fmt: skip

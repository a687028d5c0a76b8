"""Which devices there are, and why others are not available."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .device import Device
from .discovery import PREFER, Claim, PluginFailure, say
from .errors import DeviceError, PluginError
from .registry import Registry, current

__all__ = ["DeviceInfo", "devices"]

_STATES = {
    "conflict": "conflict",
    "disabled": "turned off",
    "hardware": "no device",
    "library": "not installed",
}


@dataclass(frozen=True)
class DeviceInfo:
    """One device, or one reason why there is none; what ``tensorplug devices`` prints.

    ``device`` is ``"cuda:0"``, or only the type where no device could be opened, or empty where
    a plugin failed before it could name its types. ``state`` is ``"available"``, ``"failed"``,
    ``"not installed"``, ``"no device"``, ``"conflict"`` or ``"turned off"``; ``reason`` says more
    and is empty when all is well. ``memory`` has figures in bytes where they are known.
    """

    device: str
    state: str
    plugin: str
    distribution: str
    version: str
    library: str = ""
    library_version: str = ""
    memory: dict[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def available(self) -> bool:
        """Whether tensors can live there."""
        return self.state == "available"


def devices() -> list[DeviceInfo]:
    """All devices of all installed plugins, sorted, those that do not work included.

    Loads every backend, and with it its array library.

    Example:
        >>> [row.device for row in devices() if row.available][:1]
        ['cpu']
    """
    registry = current()
    registry.discover()
    rows: list[DeviceInfo] = []
    for type in sorted(registry.plugins.claims):
        rows.extend(_rows_of_type(registry, type))
    # After the backends: loading them may have found failures of `tensorplug_kernels`.
    for failure in registry.plugins.failures:
        rows.extend(_rows_of_failure(failure))
    return rows


def _rows_of_type(registry: Registry, type: str) -> Iterator[DeviceInfo]:
    claims = registry.plugins.claims[type]
    try:
        chosen = registry.choose(type, type)
    except PluginError as error:
        for claim in claims:
            yield _row(claim, type, "conflict", str(error))
        return
    try:
        loaded = registry.load(type)
    except DeviceError as error:
        phase = getattr(error, "phase", "")
        yield _row(chosen, type, _STATES.get(phase, "failed"), str(error))
    else:
        for index in range(loaded.count):
            yield _available(Device(type, index), chosen)
    for claim in claims:
        if claim is not chosen:
            yield _row(claim, type, "conflict", _shadowed(claim, chosen))


def _row(claim: Claim, device: str, state: str, reason: str) -> DeviceInfo:
    source = claim.source
    library = ", ".join(claim.spec.requires)
    return DeviceInfo(
        device, state, source.name, source.distribution, source.version, library, reason=reason
    )


def _shadowed(claim: Claim, chosen: Claim) -> str:
    advice = "register it with prefer=True"
    if claim.source.distribution:
        advice = f"set {PREFER}={claim.type}={claim.source.distribution}"
    return f"{claim.type} is provided by {chosen.source}; to use this one, {advice}"


def _available(device: Device, claim: Claim) -> DeviceInfo:
    """A working device; what its backend cannot tell is a remark, not a failure."""
    backend, remarks = device.backend, []

    def ask(what: str, question: Any, *arguments: Any) -> Any:
        try:
            return question(*arguments)
        except Exception as error:  # noqa: BLE001 - reported in the row
            remarks.append(f"{what} is unknown: {say(error)}")
            return None

    version = ask("the version", backend.version)
    memory = ask("the memory", backend.memory, device.index)
    source = claim.source
    return DeviceInfo(
        str(device),
        "available",
        source.name,
        source.distribution,
        source.version,
        backend.name,
        str(version or ""),
        dict(memory or {}),
        "; ".join(remarks),
    )


def _rows_of_failure(failure: PluginFailure) -> Iterator[DeviceInfo]:
    source = failure.source
    state = _STATES.get(failure.phase, "failed")
    for type in failure.types or ("",):
        reason = str(failure.error(type or source.name))
        yield DeviceInfo(
            type, state, source.name, source.distribution, source.version, reason=reason
        )

"""Which devices there are, and why others are not available."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .device import Device
from .errors import DeviceError, PluginError
from .hookspecs import DEVICES
from .plugging import current
from .registry import Registry
from .sources import Claim, PluginFailure, Source, say
from .switches import PREFER

__all__ = ["STATES", "DeviceInfo", "devices", "shadowed"]

STATES = {
    "conflict": "conflict",
    "disabled": "turned off",
    "hardware": "no device",
    "library": "not installed",
    "version": "incompatible",
}
"""What a failure's phase is called in a list; ``failed`` for all others."""


@dataclass(frozen=True)
class DeviceInfo:
    """One device, or one reason why there is none; what ``tensorplug devices`` prints.

    ``device`` is ``"cuda:0"``, or only the type where no device could be opened, or empty where
    a plugin failed before it could name its types. ``state`` is ``"available"``, ``"failed"``,
    ``"not installed"``, ``"no device"``, ``"incompatible"`` (with this version of the contract),
    ``"conflict"`` (nothing says which of several plugins to use), ``"shadowed"`` (another one is
    used) or ``"turned off"``; ``reason`` says more and is empty when all is well. ``memory`` has
    figures in bytes where they are known.
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

    Loads every plugin and backend, and with it its array library.

    Raises:
        PluginError: in strict mode only, when one does not work; see :func:`plugins`.

    Example:
        >>> [row.device for row in devices() if row.available][:1]
        ['cpu']
    """
    registry = current()
    registry.discover()
    registry.admit_all()
    rows: list[DeviceInfo] = []
    for type in registry.types():
        rows.extend(_rows_of_type(registry, type))
    # After the backends: loading them may have found failures of `tensorplug_kernels`.
    for failure in [*registry.switched_off(), *registry.failures()]:
        hidden = failure.phase == "disabled" or not set(failure.types) & set(registry.types())
        if failure.source.group != DEVICES or hidden:
            rows.extend(_rows_of_failure(failure))
    return rows


def _rows_of_type(registry: Registry, type: str) -> Iterator[DeviceInfo]:
    offers = registry.offers(type)
    problem, chosen = "", None
    try:
        chosen = registry.choose(type, type)
    except PluginError as error:
        problem = str(error)
    for source, claim in offers.items():
        if claim is None:
            failure = registry.failure(source, type)
            yield from () if failure is None else _rows_of_failure(failure, type)
        elif chosen is None:
            yield _row(claim, type, "conflict", problem)
        elif source == chosen:
            yield from _rows_of_chosen(registry, type, claim)
        else:
            yield _row(claim, type, "shadowed", shadowed(type, source, chosen))


def _rows_of_chosen(registry: Registry, type: str, claim: Claim) -> Iterator[DeviceInfo]:
    try:
        count = registry.load(type).count
    except DeviceError as error:
        yield _unusable(registry, claim, type, error)
        return
    for index in range(count):
        try:
            row = _available(Device(type, index), claim)
        except DeviceError as error:
            row = _unusable(registry, claim, f"{type}:{index}", error)
        yield row


def _unusable(registry: Registry, claim: Claim, device: str, error: DeviceError) -> DeviceInfo:
    state = STATES.get(getattr(error, "phase", ""), "failed")
    if registry.strict and state == "failed":
        raise error
    return _row(claim, device, state, str(error))


def _row(claim: Claim, device: str, state: str, reason: str) -> DeviceInfo:
    source = claim.source
    library = ", ".join(claim.spec.requires)
    return DeviceInfo(
        device, state, source.name, source.distribution, source.version, library, reason=reason
    )


def shadowed(type: str, source: Source, chosen: Source) -> str:
    """Why a plugin that works is not used."""
    advice = "register it with prefer=True"
    if source.distribution:
        advice = f"set {PREFER}={type}={source.distribution}"
    return f"{type} is provided by {chosen}; to use this one, {advice}"


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


def _rows_of_failure(failure: PluginFailure, *types: str) -> Iterator[DeviceInfo]:
    source = failure.source
    state = STATES.get(failure.phase, "failed")
    own = (source.name.lower(),) if source.group == DEVICES else ("",)
    for type in types or failure.types or own:
        reason = str(failure.error(type or source.name))
        yield DeviceInfo(
            type, state, source.name, source.distribution, source.version, reason=reason
        )

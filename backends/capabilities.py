"""What a device can do beyond the core: named facts that backends declare.

A backend declares capabilities by name, and types by :meth:`Backend.supports_dtype`; the facts that
follow from its other members are added by :func:`capabilities_of`. What is declared is tested by
the conformance suite; what is not declared raises :class:`CapabilityError`, whatever the array
library would have done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .errors import CapabilityError

if TYPE_CHECKING:
    from .base import Backend
    from .device import Device

__all__ = [
    "CAPABILITIES",
    "DEFAULT_CAPABILITIES",
    "DERIVED",
    "Capability",
    "capabilities_of",
    "require",
]


class Capability(NamedTuple):
    """One fact about a device.

    ``default`` says whether a backend has it unless it says otherwise, ``guards`` whether there
    are operations that raise :class:`CapabilityError` where it is not declared.
    """

    name: str
    summary: str
    default: bool
    guards: bool


def _table(*rows: tuple[str, bool, bool, str]) -> dict[str, Capability]:
    return {name: Capability(name, summary, default, guards)
            for name, default, guards, summary in rows}  # fmt: skip


CAPABILITIES = _table(
    ("linalg", True, True, "decompositions, solving and inverses of matrices"),
    ("fft", True, True, "Fourier transforms"),
    ("special", True, True, "special functions: erf, lgamma, Bessel functions, ..."),
    ("random", True, True, "random numbers, the same as those of cpu"),
    ("dynamic_shapes", True, True, "results whose shape depends on values: nonzero, unique, masks"),
    ("in_place", True, True, "tensors can be written to, and every alias sees it"),
    ("as_strided", True, True, "views of any strides over a storage"),
    ("dlpack_export", True, True, "other libraries take its tensors through DLPack"),
    ("dlpack_import", True, False, "it takes arrays of other libraries without a copy"),
    ("threads", True, False, "several threads may compute at once"),
    ("deterministic", True, False, "the same operation on the same values gives the same bits"),
    ("async", False, False, "operations return before their results are there"),
    ("streams", False, True, "several queues of work, and events in them"),
    ("memory_stats", False, True, "Backend.memory() counts the bytes that are in use"),
    ("pinned_memory", False, True, "host memory from which copies are asynchronous"),
)
"""All capabilities that are declared by name."""

DEFAULT_CAPABILITIES = frozenset(name for name, fact in CAPABILITIES.items() if fact.default)
"""What a backend declares unless it says otherwise."""

DERIVED = {
    "several_devices": "there is more than one device of this type",
    "host_memory": "Tensor.numpy() shares memory (Backend.shares_host_memory)",
    "survives_fork": "forked children are safe (Backend.survives_fork)",
    "host_fallback": "missing kernels run on the host (Backend.host_fallback)",
    "compiles": "new shapes cost a compilation (Backend.compiles)",
}
"""Facts that follow from other members of a backend; types are facts too, by their names."""


def capabilities_of(backend: Backend, index: int) -> frozenset[str]:
    """Everything that a device can do: what its backend declares, its types, derived facts.

    Example:
        >>> from tensorplug.backends import Device
        >>> sorted(capabilities_of(Device("cpu").backend, 0) & {"float64", "fft", "streams"})
        ['fft', 'float64']
    """
    derived = {
        "several_devices": len(backend.devices()) > 1,
        "host_memory": backend.shares_host_memory,
        "survives_fork": backend.survives_fork,
        "host_fallback": backend.host_fallback,
        "compiles": backend.compiles,
    }
    types = {dtype.name for dtype in backend.dtypes(index)}
    return backend.capabilities | types | {name for name, true in derived.items() if true}


def require(device: Device, capability: str, op: str) -> None:
    """Refuse an operation whose capability a device does not declare.

    Raises:
        CapabilityError: naming the operation, the device and the capability.
    """
    if capability not in device.capabilities:
        raise missing(device, capability, op)


def missing(device: Device, capability: str, op: str) -> CapabilityError:
    """The error for a capability, or a type, that a device does not declare."""
    if capability in CAPABILITIES:
        text = (
            f"{op} on {device}: expected a device with the capability {capability!r} "
            f"({CAPABILITIES[capability].summary}), but {device.backend.name} does not declare it; "
            "move the tensor with .to('cpu')"
        )
    else:
        floats = [name for name in ("float64", "float32") if name in device.capabilities]
        text = (
            f"{op} on {device}: expected a type that {device.backend.name} declares, got "
            f"{capability}; use {f'dtype=tp.{floats[0]}' if floats else 'another dtype'}, or keep "
            "the tensor on the cpu"
        )
    return CapabilityError(text, op=op, device=str(device), capability=capability)

"""All faults and variations, each a device type of its own; a pytest plugin that declares them."""

from __future__ import annotations

from tensorplug.backends import BackendSpec, hookimpl, register

from . import compute, nets, numerics, order, queued, storage, system, variations, writes
from .base import Clean, Fault, fault
from .fourth_reserve import FOURTH_RESERVE
from .reserve import RESERVE
from .second_reserve import SECOND_RESERVE
from .third_reserve import THIRD_RESERVE

__all__ = ["ALL", "CLEAN", "FAULTS", "RESERVES", "VARIATIONS"]

CLEAN = fault("clean", "nothing is wrong", "clean", Clean)
AREAS = (storage, writes, compute, order, nets, numerics, system, queued)

FAULTS: tuple[Fault, ...] = tuple(
    sorted((f for area in AREAS for f in area.FAULTS), key=lambda f: int(f.id[1:]))
)
RESERVES: tuple[tuple[Fault, ...], ...] = (
    RESERVE, SECOND_RESERVE, THIRD_RESERVE, FOURTH_RESERVE,
)  # fmt: skip
"""Faults that were kept back until the suite was measured."""

VARIATIONS: tuple[Fault, ...] = variations.VARIATIONS

ALL = {f.type: f for f in (CLEAN, *FAULTS, *(f for r in RESERVES for f in r), *VARIATIONS)}

globals().update({f"Backend_{f.type}": f.backend for f in ALL.values()})


class Plugin:
    """Declares every faulty backend under its own device type."""

    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        """One device type each."""
        return [BackendSpec(f.type, f"{__name__}:Backend_{f.type}") for f in ALL.values()]


register(Plugin(), name="faults")

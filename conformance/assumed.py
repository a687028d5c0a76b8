"""``--assume-all``: devices on which everything is tried, whatever they declare."""

from __future__ import annotations

import tensorplug as tp
from tensorplug.backends import CAPABILITIES
from tensorplug.conformance.samples import DTYPES

__all__ = ["assume", "declared", "is_assumed"]

_DECLARED: dict[str, frozenset[str]] = {}
"""What the devices declare on which everything is assumed."""


def assume(device: str) -> None:
    """Try everything on a device from now on, in this process."""
    where = tp.device(device)
    _DECLARED.setdefault(str(where), where.capabilities)
    where.capabilities |= {dtype.name for dtype in DTYPES} | set(CAPABILITIES)
    where.drop_kernels()


def declared(device: str) -> frozenset[str]:
    """What a device itself declares."""
    where = tp.device(device)
    return _DECLARED.get(str(where), where.capabilities)


def is_assumed(device: str) -> bool:
    """Whether more is tried on a device than it declares."""
    return str(tp.device(device)) in _DECLARED

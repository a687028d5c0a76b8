"""What the namespace can do: ``__array_namespace_info__``."""

from __future__ import annotations

from typing import Any

from .._creation import device_of
from ..backends import dtypes
from ..backends.device import Device, get_default_device
from ..backends.dtypes import DType
from ..backends.listing import devices as all_devices
from ._arguments import only
from ._dtypes import KINDS

__all__ = ["VERSION", "Info", "__array_namespace_info__"]

VERSION = "2025.12"
"""The revision of the standard that is implemented."""

_STANDARD = tuple(t for t in dtypes.ALL if t not in (dtypes.float16, dtypes.bfloat16))


class Info:
    """Answers about capabilities, devices and types."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean masks work, so do functions whose result's shape depends on values."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """The device of new arrays."""
        return get_default_device()

    def default_dtypes(self, *, device: Device | str | None = None) -> dict[str, DType]:
        """The types of arrays made from Python numbers, and of indices."""
        return {
            "real floating": dtypes.default_float(),
            "complex floating": dtypes.default_complex(),
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def devices(self) -> tuple[Device, ...]:
        """Devices that hold every type of the standard; asking loads all installed backends.

        A device that lacks a type (a TPU without float64) can be used, but is not listed.
        """
        found = [Device(row.device) for row in all_devices() if row.available]
        return tuple(d for d in found if set(_STANDARD) <= set(d.backend.dtypes(d.index)))

    def dtypes(
        self, *, device: Device | str | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The standard's types by name, of one kind or several, as far as a device has them.

        Raises:
            ValueError: a kind is unknown.
        """
        where = device_of(device)
        kinds = tuple(KINDS) if kind is None else (kind,) if isinstance(kind, str) else kind
        for word in kinds:
            only("dtypes", "kind", word, tuple(KINDS))
        wanted = {own for word in kinds for own in KINDS[word]}
        there = set(where.backend.dtypes(where.index))
        return {t.name: t for t in _STANDARD if t.kind in wanted and t in there}


def __array_namespace_info__() -> Info:
    """The namespace's answers about itself.

    Example:
        >>> tp.array_api.__array_namespace_info__().default_dtypes()["integral"]
        tensorplug.int64
    """
    return Info()

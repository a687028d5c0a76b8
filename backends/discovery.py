"""What the installed distributions announce, read from their metadata: no plugin is imported.

Reading the entry points of all distributions takes some milliseconds, more with every installed
distribution, so it is done once, when the first device is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .hookspecs import DEVICES, GROUPS, KERNELS, OPS, PROJECT
from .sources import UNKNOWN, Source, normal

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Catalogue", "Point"]


@dataclass(frozen=True)
class Point:
    """One entry point. Those of one distribution with one value name the same plugin."""

    source: Source
    entry: EntryPoint

    @property
    def key(self) -> str:
        """What the plugin is called, whichever of its entry points led to it."""
        return f"{normal(self.source.distribution)}:{self.entry.value}"

    @property
    def type(self) -> str:
        """The device type, for a point of the group ``tensorplug.devices``."""
        return self.entry.name.lower()

    def load(self) -> Any:
        """Import the plugin; whatever it raises comes through."""
        return self.entry.load()


class Catalogue:
    """All entry points of plugins, in sorted order."""

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        found = {_source(entry): entry for entry in _ours(entry_points)}
        points = [Point(source, found[source]) for source in sorted(found)]
        # A plugin may also be announced to hosts that know version 1 of the contract only.
        current = {point.key for point in points if point.source.group != PROJECT}
        self.points = [
            point for point in points if point.source.group != PROJECT or point.key not in current
        ]

    @property
    def sources(self) -> list[Source]:
        """Where the plugins come from."""
        return [point.source for point in self.points]

    def devices(self, type: str | None = None) -> list[Point]:
        """The points that offer a device type, or any."""
        points = self._group(DEVICES)
        return [point for point in points if type is None or point.type == type]

    def kernels(self, backend: str) -> list[Point]:
        """The points that offer kernels for a backend, by its name."""
        return [
            point for point in self._group(KERNELS) if normal(point.entry.name) == normal(backend)
        ]

    def general(self) -> list[Point]:
        """The points that are needed whatever device is used."""
        return [point for point in self.points if point.source.group in (PROJECT, OPS)]

    def siblings(self, point: Point) -> list[Point]:
        """All points of the same plugin."""
        return [other for other in self.points if other.key == point.key]

    def requiring(self, library: str) -> Iterator[Point]:
        """The device points whose distributions say that they need an array library.

        ``cupy`` may be there as ``cupy-cuda12x``, so a requirement may go on after the name.
        """
        wanted = normal(library)
        for point in self.devices():
            if point.source.shipped or any(
                name == wanted or name.startswith(f"{wanted}-") for name in _requirements(point)
            ):
                yield point

    def _group(self, group: str) -> list[Point]:
        return [point for point in self.points if point.source.group == group]


def _ours(entry_points: Iterable[EntryPoint] | None) -> Iterator[EntryPoint]:
    groups = (PROJECT, *GROUPS)
    if entry_points is None:
        # Imported here because it costs more than the rest of the plugin machinery together.
        from importlib.metadata import entry_points as read

        everything = read()
        for group in groups:
            yield from everything.select(group=group)
    else:
        yield from (entry for entry in entry_points if entry.group in groups)


def _source(entry: EntryPoint) -> Source:
    """The origin of an entry point; damaged metadata may lack the name or the version."""
    if entry.dist is None:
        return Source(UNKNOWN, entry.name, "", entry.group)
    facts = entry.dist.metadata.json
    name = str(facts.get("name", UNKNOWN))
    return Source(name, entry.name, str(facts.get("version", "")), entry.group)


def _requirements(point: Point) -> Iterator[str]:
    """The names of the distributions that a plugin's distribution asks for, also in extras."""
    needed = point.entry.dist.requires if point.entry.dist is not None else None
    for text in needed or ():
        name = text
        for end in " ;[(<>=!~@":
            name = name.partition(end)[0]
        yield normal(name)

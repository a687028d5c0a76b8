"""Tries one installed plugin, in a process that :mod:`tensorplug.backends.diagnosis` has started.

The answer goes to a file, line by line: what is being done, and at the end the rows of the report.
So when the process dies, the last line says what it died of.
"""

from __future__ import annotations

import faulthandler
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .discovery import Catalogue, Point
from .errors import DeviceError
from .hookspecs import DEVICES, KERNELS, PROJECT
from .listing import STATES
from .loading import try_device, whose
from .plugging import isolated
from .registry import Registry
from .sources import Claim, PluginFailure

__all__ = ["main"]

Row = dict[str, Any]


def main() -> None:
    """Do what the JSON text in the first argument asks for."""
    request = json.loads(sys.argv[1])
    faulthandler.dump_traceback_later(max(0.1, request["until"] - time.time()))
    answer = Path(request["answer"])

    def say(**facts: Any) -> None:
        with answer.open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")

    point = Catalogue().points[request["position"]]
    entries = [other.entry for other in Catalogue().points if _needed(other, point)]
    with isolated(entries) as registry:
        say(doing="importing the plugin")
        say(rows=list(_rows(registry, point, say)))
    faulthandler.cancel_dump_traceback_later()


def _needed(other: Point, point: Point) -> bool:
    """Whether a plugin may rely on another: on those that ship, and on its distribution's own."""
    return other.source.shipped or other.source.distribution == point.source.distribution


def _rows(registry: Registry, point: Point, say: Callable[..., None]) -> Iterator[Row]:
    group, source, start = point.source.group, point.source, time.perf_counter()
    row: Row = {"device": point.type if group == DEVICES else "", "api": None, "reason": ""}
    try:
        registry.discover()
        failure = registry.plugins.admit(point, registry.catalogue.siblings(point))
        claims = [
            claim
            for found in registry.plugins.claims.values()
            for claim in found
            if claim.source == source
        ]
        if failure is None and group == DEVICES and not claims:
            failure = registry.failure(source, point.type)
        if failure is None and group == KERNELS:
            kernels = registry.kernels_of(source, point.key, point.entry.name)
            failure = kernels if isinstance(kernels, PluginFailure) else None
        if failure is not None:
            raise failure.error(row["device"] or source.name)
    except DeviceError as error:
        yield row | _failed(error) | _spent(start)
        return
    imported = time.perf_counter() - start
    for claim in claims:
        yield row | _opened(registry, claim, imported, say)
    if not claims:
        api = 1 if group == PROJECT else 2
        yield row | {"state": "available", "api": api} | _spent(start)


def _opened(registry: Registry, claim: Claim, imported: float, say: Callable[..., None]) -> Row:
    """What comes of loading one backend of the plugin."""
    say(doing=f"loading the backend of {claim.type}")
    row: Row = {"device": claim.type, "api": claim.spec.serves or claim.spec.api}
    start = time.perf_counter() - imported
    try:
        loaded = registry.open(claim, claim.type)
        for index in range(loaded.count):
            say(doing=f"using {claim.type}:{index}")
            with whose(claim, f"{claim.type}:{index}"):
                try_device(loaded.backend, index)
    except DeviceError as error:
        return row | _failed(error) | _spent(start)
    return row | {"state": "available", "count": loaded.count} | _spent(start)


def _failed(error: DeviceError) -> Row:
    phase = getattr(error, "phase", "")
    return {"state": STATES.get(phase, "failed"), "reason": str(error)}


def _spent(start: float) -> Row:
    return {"milliseconds": round(1000 * (time.perf_counter() - start), 1)}

"""What a backend could declare: every capability and type of which all tests pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.backends import CAPABILITIES, DEFAULT_CAPABILITIES
from tensorplug.backends.dtypes import ALL
from tensorplug.conformance.report import complete

__all__ = ["suggestion"]


def suggestion(report: Mapping[str, Any], device: str) -> str:
    """The declaration that would pass, as code for the backend, from a run that assumed all.

    A capability or a type is suggested when something that needs it passed and nothing that needs
    it failed. What was not tried stays as the device declares it.
    """
    passed: set[str] = set()
    failed: set[str] = set()
    for result in complete(report["results"]):
        if result["device"] == device:
            public = FUNCTIONS.get(result["function"] or "")
            facts = {*result["needs"], result["dtype"], public.namespace if public else ""}
            good = result["outcome"] == "passed"
            if good or not result["blocked_by"]:  # what follows from another failure says nothing
                (passed if good else failed).update(facts)
    names = [*CAPABILITIES, *(dtype.name for dtype in ALL)]
    untried = [name for name in names if name not in passed | failed]
    kept = set(untried).intersection(report["about"][device]["capabilities"])
    could = (passed - failed) | kept
    types = [dtype.name for dtype in ALL if dtype.name in could]
    lines = [
        f"{device} ({tp.device(device).backend.name}) could declare:",
        f"    capabilities = {_as_code(could & set(CAPABILITIES))}",
        f"    types, for supports_dtype: {', '.join(types) or 'none'}",
    ]
    for title, some in (
        ("not tried in this run, so as declared", kept),
        ("not tried in this run, and not declared", set(untried) - kept),
    ):
        listed = ", ".join(name for name in untried if name in some)
        lines += [f"    {title}: {listed}"] if listed else []
    return "\n".join(lines)


def _as_code(names: set[str] | frozenset[str]) -> str:
    lacks, more = sorted(DEFAULT_CAPABILITIES - names), sorted(names - DEFAULT_CAPABILITIES)
    text = "DEFAULT_CAPABILITIES"
    if lacks:
        text += f" - {{{', '.join(map(repr, lacks))}}}"
    if more:
        text += f" | {{{', '.join(map(repr, more))}}}"
    return text

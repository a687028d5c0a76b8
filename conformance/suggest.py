"""What a backend could declare: every capability and type of which all tests pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.backends import CAPABILITIES, DEFAULT_CAPABILITIES
from tensorplug.conformance.report import complete
from tensorplug.conformance.samples import DTYPES

__all__ = ["suggestion"]


def suggestion(report: Mapping[str, Any], device: str) -> str:
    """The declaration that would pass, as code for the backend, from a run that assumed all.

    A capability is suggested when something that needs it passed and nothing that needs it failed.
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
    fit = {name for name in CAPABILITIES if name in passed - failed}
    untried = sorted(set(CAPABILITIES) - passed - failed)
    types = [dtype.name for dtype in DTYPES if dtype.name in passed - failed]
    lines = [
        f"{device} ({tp.device(device).backend.name}) could declare:",
        f"    capabilities = {_as_code(fit | (DEFAULT_CAPABILITIES & set(untried)))}",
        f"    types, for supports_dtype: {', '.join(types) or 'none'}",
    ]
    if untried:
        lines.append(f"    not tried in this run: {', '.join(untried)}")
    return "\n".join(lines)


def _as_code(names: set[str] | frozenset[str]) -> str:
    lacks, more = sorted(DEFAULT_CAPABILITIES - names), sorted(names - DEFAULT_CAPABILITIES)
    text = "DEFAULT_CAPABILITIES"
    if lacks:
        text += f" - {{{', '.join(map(repr, lacks))}}}"
    if more:
        text += f" | {{{', '.join(map(repr, more))}}}"
    return text

"""The report as one page of HTML that needs no other file and no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tensorplug.conformance import LEVELS
from tensorplug.conformance.levels import FOLDER
from tensorplug.conformance.samples import DTYPES
from tensorplug.conformance.told import partial

__all__ = ["render"]


def render(report: Mapping[str, Any]) -> str:
    """The page of a report: levels, what to repair first, and a matrix of functions by type.

    Its filters can be given in the address: ``report.html#device=acme:0&outcome=failed``.
    """
    dtypes = [dtype.name for dtype in DTYPES]
    data = {**report, "partial": partial(report), "levels": LEVELS, "dtypes": dtypes}
    # Inside of a script element, only "</" would end it early.
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    template = (FOLDER / "data" / "page.html").read_text("utf-8")
    return template.replace("/*DATA*/", text)

"""A badge that says which level a device has reached, as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tensorplug.conformance import LEVELS

__all__ = ["render"]

_COLOURS = {"": "#c0392b", "L0": "#c0392b", "L1": "#d35400", "L2": "#b7950b"}
_GREEN = "#2e8b57"
_WIDTH = 6.6  # of a character of 11 px, roughly; the text is stretched to what is reserved


def render(report: Mapping[str, Any]) -> str:
    """The badge of a report: ``tensorplug 2026.1 | acme:0 L4 trains``, one part per device."""
    left = f"tensorplug {report['suite']['version']}"
    parts, levels = [], []
    for device in report["devices"]:
        level = report["about"][device]["reached"]
        levels.append(level)
        name = f"{level} {LEVELS[int(level[1:])]}" if level else "no level"
        parts.append(f"{device} {name}")
    return _svg(left, ", ".join(parts), _COLOURS.get(min(levels), _GREEN))


def _svg(left: str, right: str, colour: str) -> str:
    a, b = (round(len(text) * _WIDTH + 12) for text in (left, right))
    label = escape(f"{left}: {right}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{a + b}" height="20" role="img" '
        f'aria-label="{label}"><title>{label}</title>'
        f'<clipPath id="r"><rect width="{a + b}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{a}" height="20" fill="#444"/>'
        f'<rect x="{a}" width="{b}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="6" y="14" textLength="{a - 12}">{escape(left)}</text>'
        f'<text x="{a + 6}" y="14" textLength="{b - 12}">{escape(right)}</text></g></svg>\n'
    )

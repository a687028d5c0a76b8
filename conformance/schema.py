"""Whether a report has the form that ``data/report.schema.json`` describes.

Only the words of JSON Schema that the file uses are known here; any validator takes it as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tensorplug.conformance.levels import FOLDER

__all__ = ["misfit", "schema"]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "null": (type(None),), "integer": (int,), "number": (int, float),
}  # fmt: skip
_NAMES = {type: name for name, types in _TYPES.items() for type in types} | {int: "integer"}


@cache
def schema() -> Mapping[str, Any]:
    """The published schema."""
    found: Mapping[str, Any] = json.loads(
        (FOLDER / "data" / "report.schema.json").read_text("utf-8")
    )
    return found


def misfit(report: Any) -> str | None:
    """The first thing in a report that does not fit, in words, or None."""
    return next(_misfits(report, schema(), "report"), None)


def _misfits(value: Any, rule: Mapping[str, Any], at: str) -> Iterator[str]:
    if "$ref" in rule:
        rule = schema()["$defs"][rule["$ref"].rpartition("/")[2]]
    named = rule.get("type")
    types = [named] if isinstance(named, str) else list(named or _TYPES)
    if not any(_is(value, name) for name in types):
        yield f"{at}: expected {' or '.join(types)}, got {_shown(value)}"
    elif "enum" in rule and value not in rule["enum"]:
        yield f"{at}: expected one of {', '.join(map(repr, rule['enum']))}, got {_shown(value)}"
    elif "const" in rule and value != rule["const"]:
        yield f"{at}: expected {rule['const']!r}, got {_shown(value)}"
    elif "minimum" in rule and value < rule["minimum"]:
        yield f"{at}: expected {rule['minimum']} or more, got {_shown(value)}"
    elif isinstance(value, dict):
        yield from _of_object(value, rule, at)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _misfits(item, rule.get("items", {}), f"{at}[{number}]")


def _of_object(value: dict[str, Any], rule: Mapping[str, Any], at: str) -> Iterator[str]:
    for name in rule.get("required", ()):
        if name not in value:
            yield f"{at}: expected the field {name!r}, got none"
    fields, other = rule.get("properties", {}), rule.get("additionalProperties", {})
    for name, item in value.items():
        path = f"{at}.{name}" if name.isidentifier() else f"{at}[{name!r}]"
        yield from _misfits(item, fields.get(name, other), path)


def _is(value: Any, name: str) -> bool:
    # True is no number in JSON, as it is in Python.
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _NAMES[type(value)]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

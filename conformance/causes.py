"""What to repair first: failures that follow from others are said to be blocked by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tensorplug.autograd.registry import FUNCTIONS

__all__ = ["Cause", "causes"]

FOUNDATION = ("test_values_survive_the_way_there_and_back",)
"""Without these, no other failure says anything."""


PLAIN = ("test_l1_storage.py", "test_l2_forward.py")
"""The files that ask least of a device."""


class Cause(NamedTuple):
    """A failure that follows from no other, and those that follow from it."""

    failure: Mapping[str, Any]
    blocked: list[Mapping[str, Any]]


def causes(results: Sequence[Mapping[str, Any]], device: str) -> list[Cause]:
    """The failures on a device by cause, the most basic first.

    A failure is blocked by an earlier one of the same function (same type first), by one of a
    function whose kernel it used (a gradient by its op, a composition by its parts), or, if it is
    of no function, by the same test with other arguments.
    """
    failed = sorted((r for r in results if r["device"] == device and _is_bad(r)), key=_order)
    base = next((r for r in failed if r["name"] in FOUNDATION), None)
    found: dict[str, Cause] = {}
    direct: dict[tuple[str, str | None], str] = {}
    for result in failed:
        function, dtype = result["function"], result["dtype"]
        blocker = None
        if base is not None and result is not base:
            blocker = base["test"]
        elif function is not None:
            blocker = direct.get((function, dtype)) or direct.get((function, None))
            blocker = blocker or _of_kernels(result, direct)
        else:
            blocker = direct.get((result["name"], result["file"]))
        if blocker is not None and blocker in found:
            found[blocker].blocked.append(result)
            continue
        found[result["test"]] = Cause(result, [])
        direct.setdefault((result["name"], result["file"]), result["test"])
        for name in _names(function):
            direct.setdefault((name, dtype), result["test"])
            direct.setdefault((name, None), result["test"])
    return list(found.values())


def _is_bad(result: Mapping[str, Any]) -> bool:
    return result["outcome"] in ("failed", "error")


def _order(result: Mapping[str, Any]) -> tuple[Any, ...]:
    """The most basic first: by level, plain values before all else, parts before the whole."""
    public = FUNCTIONS.get(result["function"] or "")
    composed = public is not None and public.row is None
    file = result["file"]
    return result["level"], file not in PLAIN, file, composed, len(result["kernels"])


def _names(function: str | None) -> set[str]:
    """What a failing function is known by: its own name, and that of its kernel."""
    public = FUNCTIONS.get(function or "")
    if public is None:
        return set()
    return {public.qualname, public.row.name if public.row is not None else public.qualname}


def _of_kernels(
    result: Mapping[str, Any], direct: Mapping[tuple[str, str | None], str]
) -> str | None:
    """The failure of a function whose kernel this one used."""
    others = [kernel for kernel in result["kernels"] if kernel not in _names(result["function"])]
    return next((direct[kernel, None] for kernel in others if (kernel, None) in direct), None)

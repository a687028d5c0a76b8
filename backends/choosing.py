"""Which plugin provides a device type when several could, or none does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .contract import nearest
from .errors import DeviceError
from .hookspecs import PROJECT
from .sources import Claim, PluginFailure, Source
from .switches import PREFER

__all__ = ["EXTRAS", "RESERVED", "choose", "conflict", "unknown"]

EXTRAS = {
    "cuda": "pip install 'tensorplug[cuda12]' (or [cuda13]) provides cuda",
    "gpu": "NVIDIA GPUs are called 'cuda' (pip install 'tensorplug[cuda12]')",
}
"""What to do for a well-known device type that no installed plugin provides."""

RESERVED = ("cpu", "cuda", "loopback", "tpu", "xla")
"""Names of shipped devices: another plugin gets one only when somebody says so."""

_LISTED = 3


def choose(
    type: str, asked: str, offers: Mapping[Source, Claim | None], wanted: str | None
) -> Source:
    """The plugin to use, in this order: preferred by argument, by the environment, the shipped
    one, the only one.

    Raises:
        PluginError: nothing chooses between several, or the type's name is reserved.
    """
    preferred = [source for source, claim in offers.items() if claim and claim.preferred]
    if preferred:
        return preferred[-1]
    named = [source for source in offers if wanted and source.is_called(wanted)]
    shipped = [source for source in offers if source.shipped]
    found = named if wanted else shipped or list(offers)
    if len(found) != 1 or (type in RESERVED and not wanted and not shipped):
        raise conflict(type, list(offers), wanted).error(asked)
    return found[0]


def conflict(type: str, sources: Sequence[Source], wanted: str | None = None) -> PluginFailure:
    """Why none of several plugins may provide a type, and how to choose one."""
    names = " and ".join(str(source) for source in sources)
    installed = [source for source in sources if source.distribution]
    advice = f"set {PREFER}={type}={installed[0].distribution}, or " if installed else ""
    advice += "call tensorplug.backends.register(plugin, prefer=True)"
    if wanted:
        problem = f"{PREFER} expected one of these plugins for {type}: {names}; got {wanted!r}"
    elif len(sources) == 1:
        problem = (
            f"expected {type} from {PROJECT} itself, whose name it is, got only {names}; to use "
            f"that one, {advice}"
        )
    else:
        problem = f"expected one plugin for the device type {type}, got {names}; {advice}"
    return PluginFailure(sources[-1], "conflict", problem, None, (type,))


def unknown(
    type: str, asked: str, known: Sequence[str], failures: Iterable[PluginFailure]
) -> Exception:
    """The error for a type that nobody provides; a failed plugin's own error if one would."""
    suspects = []
    for failure in failures:
        if failure.concerns(type):
            error = failure.error(asked)
            error.__cause__ = failure.cause
            return error
        # The others have said what they provide, if only by the name of their entry point.
        if failure.source.group == PROJECT and not failure.types:
            suspects.append(f"\n  {failure.source} is not available: {failure.problem}")
    hint = nearest(type, [*known, *EXTRAS]) or "; install a plugin that provides it"
    if type in EXTRAS:
        hint = f"; {EXTRAS[type]}"
    more = len(suspects) - _LISTED
    if more > 0:
        suspects[_LISTED:] = [f"\n  {more} more are not available; run `tensorplug doctor`"]
    return DeviceError(
        f"device: expected one of the installed types {', '.join(known) or '(none)'}, "
        f"got {asked!r}{hint}{''.join(suspects)}",
        op="device",
        expected=list(known),
        got=asked,
    )

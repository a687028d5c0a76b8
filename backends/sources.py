"""Where a plugin comes from, what it offers, and what went wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import PluginError
from .hookspecs import DEVICES, KERNELS, OPS, PROJECT, BackendSpec

__all__ = ["DISABLE", "Claim", "PluginFailure", "Source", "normal", "say"]

DISABLE = "TENSORPLUG_DISABLE_PLUGINS"
"""Names of entry points or distributions to leave out, separated by commas."""

UNKNOWN = "an unknown distribution"
"""What a distribution is called whose metadata has no name."""

_KINDS = {KERNELS: "kernel plugin", OPS: "op plugin"}


@dataclass(frozen=True, order=True)
class Source:
    """Where a plugin comes from: an entry point, or, without a distribution, this process."""

    distribution: str
    name: str
    version: str = ""
    group: str = ""

    def __str__(self) -> str:
        if not self.distribution:
            return f"plugin {self.name!r} registered in this process"
        kind = _KINDS.get(self.group, "plugin")
        return f"{kind} {self.name!r} of {self.distribution} {self.version}".rstrip()

    @property
    def shipped(self) -> bool:
        """Whether it belongs to tensorplug itself."""
        return normal(self.distribution) == PROJECT

    def is_called(self, name: str) -> bool:
        """Whether a user means this plugin: by its entry point or by its distribution."""
        return normal(name) in (normal(self.name), normal(self.distribution))

    @property
    def handle(self) -> str:
        """How to call it in a list of plugins to leave out, so that others stay."""
        others = ("", UNKNOWN)
        return self.name if self.shipped or self.distribution in others else self.distribution

    def how_to_turn_off(self) -> str:
        """What to do to go on without this plugin."""
        if not self.distribution:
            return f"to go without it, call tensorplug.backends.unregister({self.name!r})"
        return f"to go without it, set {DISABLE}={self.handle}"


@dataclass(frozen=True)
class PluginFailure:
    """Why a plugin, or one of its devices, cannot be used; see :class:`PluginError`."""

    source: Source
    phase: str
    problem: str
    cause: BaseException | None = None
    types: tuple[str, ...] = ()

    def concerns(self, type: str) -> bool:
        """Whether a request for this device type fails because of this failure."""
        if self.source.group in _KINDS:
            return False
        if self.types:
            return type in self.types
        if self.source.group == DEVICES:
            return type == self.source.name.lower()
        names = (normal(self.source.name), normal(self.source.distribution))
        return normal(type) in names or normal(f"{PROJECT}-{type}") in names

    def error(self, asked: str) -> PluginError:
        """The error for a request for ``asked``; raise it ``from failure.cause``."""
        # A plugin of this process that is in conflict has been refused: it is not there.
        gone = self.phase == "conflict" and not self.source.distribution
        own = gone or self.phase in _OWN_ADVICE
        advice = "" if own else f"; {self.source.how_to_turn_off()}"
        return PluginError(
            f"{asked}: {self.problem}\n  {self.source}, phase {self.phase!r}{advice}",
            op=asked,
            distribution=self.source.distribution,
            version=self.source.version,
            entry_point=self.source.name,
            phase=self.phase,
            cause=self.cause,
        )


# Failures whose text already says what to do; turning the plugin off would not help.
_OWN_ADVICE = ("announce", "disabled", "hardware", "library")


@dataclass(frozen=True)
class Claim:
    """One plugin's offer to provide one device type."""

    type: str
    spec: BackendSpec
    source: Source
    preferred: bool = False


def say(error: BaseException) -> str:
    """An exception in one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def normal(name: str) -> str:
    """A name as packaging tools compare it: ``Acme_Plugin`` is ``acme-plugin``."""
    return re.sub(r"[-_.]+", "-", name).lower()

"""Which installed plugins may be used: four switches, in the environment or for a block.

===============================  ==============  ============================================
environment                      ``plugins()``   meaning
===============================  ==============  ============================================
``TENSORPLUG_DISABLE_PLUGINS``   ``disable=``    leave these out
``TENSORPLUG_ONLY_PLUGINS``      ``only=``       leave all others out
``TENSORPLUG_NO_PLUGINS``        ``off=True``    leave all out
``TENSORPLUG_STRICT_PLUGINS``    ``strict=True`` raise at once when any of them does not work
===============================  ==============  ============================================

The first takes the shipped plugins too; the next two are about all others. A plugin is called by
the name of its entry point or of its distribution. Plugins registered in this process are not
concerned: the program has asked for them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from .contract import nearest
from .errors import DeviceError, OpTypeError
from .sources import DISABLE, PluginFailure, Source

__all__ = [
    "DISABLE", "ENVIRONMENT", "NONE", "ONLY", "PREFER", "STRICT", "Switches", "from_environment",
    "given",
]  # fmt: skip

ONLY = "TENSORPLUG_ONLY_PLUGINS"
NONE = "TENSORPLUG_NO_PLUGINS"
STRICT = "TENSORPLUG_STRICT_PLUGINS"

PREFER = "TENSORPLUG_PREFER"
"""Which plugin wins a device type: ``acme=acme-plugin,other=another-plugin``."""

ENVIRONMENT = (DISABLE, ONLY, NONE, STRICT, PREFER)
"""All variables that are read here."""

_WORDS = {"": False, "0": False, "false": False, "no": False, "off": False}
_WORDS |= {"1": True, "true": True, "yes": True, "on": True}


@dataclass(frozen=True)
class Switches:
    """One set of switches: that of the environment, or that of a block."""

    disable: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    off: bool = False
    strict: bool | None = None
    wanted: dict[str, str] = field(default_factory=dict)
    block: bool = False

    def failure(self, source: Source) -> PluginFailure | None:
        """Why a plugin may not be used, if this set turns it off."""
        if not source.distribution:
            return None
        if any(source.is_called(name) for name in self.disable):
            what = self._called("disable=...", DISABLE)
            advice = f"take {source.handle!r} out of that list"
        elif source.shipped:
            return None
        elif self.off:
            what = self._called("off=True", NONE)
            advice = "leave the block" if self.block else "unset the variable"
        elif self.only is not None and not any(source.is_called(name) for name in self.only):
            what, advice = self._called("only=...", ONLY), f"add {source.handle!r} to that list"
        else:
            return None
        problem = f"expected a plugin that is turned on, but {what} turns it off; {advice}"
        return PluginFailure(source, "disabled", problem)

    def _called(self, argument: str, variable: str) -> str:
        return f"tensorplug.backends.plugins({argument})" if self.block else variable

    def check(self, sources: Collection[Source]) -> None:
        """Warn of names that no installed plugin has; where strict, refuse them.

        Raises:
            DeviceError: in strict mode.
        """
        lists = (
            (self._called("disable=...", DISABLE), self.disable),
            (self._called("only=...", ONLY), self.only or ()),
            (PREFER, tuple(self.wanted.values())),
        )
        known = {name for source in sources for name in (source.name, source.distribution)}
        for variable, names in lists:
            for name in names:
                if any(source.is_called(name) for source in sources):
                    continue
                text = (
                    f"{variable}: expected the names of installed plugins, got {name!r}"
                    f"{nearest(name, known)}"
                )
                if self.strict:
                    raise DeviceError(text, op=variable, got=name)
                warnings.warn(text, RuntimeWarning, stacklevel=2)


def from_environment() -> Switches:
    """The switches that the environment variables say.

    Raises:
        DeviceError: a variable is malformed.
    """
    only = os.environ.get(ONLY)
    return Switches(
        _names(os.environ.get(DISABLE, "")),
        None if only is None else _names(only),
        _flag(NONE),
        _flag(STRICT),
        _preferences(os.environ.get(PREFER, "")),
    )


def given(
    disable: str | Sequence[str], only: str | Sequence[str] | None, off: bool, strict: bool | None
) -> Switches:
    """The switches of a block.

    Raises:
        OpTypeError: an argument of another type.
    """
    flags = (("off", off), ("strict", strict))
    for name, flag in flags:
        if not (isinstance(flag, bool) or (name == "strict" and flag is None)):
            raise OpTypeError(
                f"plugins: expected {name} to be True or False, got {flag!r}", op="plugins"
            )
    lists = {"disable": disable, "only": only}
    read = {name: None if value is None else _listed(name, value) for name, value in lists.items()}
    return Switches(read["disable"] or (), read["only"], off, strict, block=True)


def _listed(argument: str, names: str | Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        return _names(names)
    found = tuple(names) if isinstance(names, Iterable) else (names,)
    strange = [name for name in found if not isinstance(name, str)]
    if strange:
        raise OpTypeError(
            f"plugins: expected {argument} to name plugins, as text or a list of texts, got "
            f"{strange[0]!r}",
            op="plugins",
        )
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def _flag(variable: str) -> bool:
    text = os.environ.get(variable, "")
    try:
        return _WORDS[text.strip().lower()]
    except KeyError:
        raise DeviceError(
            f"{variable}: expected 1 or 0, got {text!r}; change or unset the variable",
            op=variable,
            got=text,
        ) from None


def _preferences(text: str) -> dict[str, str]:
    wanted = {}
    for pair in _names(text):
        type, equals, name = (part.strip() for part in pair.partition("="))
        if not (type and equals and name):
            raise DeviceError(
                f"{PREFER}: expected pairs such as acme=acme-plugin, got {pair!r}; set it to "
                "type=distribution, several separated by commas",
                op=PREFER,
                got=pair,
            )
        wanted[type.lower()] = name
    return wanted

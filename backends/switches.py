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
concerned: the program has asked for them. Names that no installed plugin has, and variables that
begin with ``TENSORPLUG_`` and that nobody reads, are warned of; where strict, they are errors. A
plugin may have variables of its own that begin with ``TENSORPLUG_`` and its name.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from .contract import nearest
from .errors import DeviceError, OpTypeError
from .hookspecs import DEVICES, PROJECT
from .notices import warn
from .sources import DISABLE, PluginFailure, Source, normal

__all__ = [
    "DISABLE", "ENVIRONMENT", "NONE", "ONLY", "PREFER", "STRICT", "VARIABLES", "Switches",
    "from_environment", "given",
]  # fmt: skip

ONLY = "TENSORPLUG_ONLY_PLUGINS"
NONE = "TENSORPLUG_NO_PLUGINS"
STRICT = "TENSORPLUG_STRICT_PLUGINS"

PREFER = "TENSORPLUG_PREFER"
"""Which plugin wins a device type: ``acme=acme-plugin,other=another-plugin``."""

ENVIRONMENT = (DISABLE, ONLY, NONE, STRICT, PREFER)
"""All variables that are read here."""

_PREFIX = "TENSORPLUG_"

VARIABLES = ENVIRONMENT + tuple(
    f"{_PREFIX}{name}"
    for name in (
        "CUDA_BLOCKING", "DEFAULT_DEVICE", "JAX_X64", "LOOPBACK_DELAY", "LOOPBACK_DEVICES",
        "LOOPBACK_MEMORY", "REQUIRE_BROWSER", "TEST_PROFILE",
    )
)  # fmt: skip
"""All variables that are read anywhere: others of the prefix are taken for misspelt."""

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
        named = [name for name in self.disable if source.is_called(name)]
        if named:
            what = self._called("disable=...", DISABLE)
            advice = f"take {' and '.join(map(repr, named))} out of that list"
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
        for variable, text, got in self._strange(sources):
            if self.strict:
                raise DeviceError(text, op=variable, got=got)
            warn(text)

    def _strange(self, sources: Collection[Source]) -> Iterator[tuple[str, str, str]]:
        """Which list or variable has a name that nobody has, what to say of it, and the name."""
        lists = (
            (self._called("disable=...", DISABLE), self.disable),
            (self._called("only=...", ONLY), self.only or ()),
            (PREFER, tuple(self.wanted.values())),
        )
        known = {name for source in sources for name in (source.name, source.distribution)}
        for variable, names in lists:
            for name in names:
                if not any(source.is_called(name) for source in sources):
                    yield variable, _unlike(variable, "names", name, known), name
        types = {source.name.lower() for source in sources if source.group == DEVICES}
        # Plugins for version 1 of the contract do not say their types before they are imported.
        told = all(source.group != PROJECT for source in sources)
        for type in self.wanted if told else ():
            if type not in types:
                yield PREFER, _unlike(PREFER, "device types", type, types), type
        for variable in () if self.block else _unknown_variables(sources):
            variables = {name.removeprefix(_PREFIX): name for name in VARIABLES}
            close = nearest(variable.removeprefix(_PREFIX), variables)
            close = close.replace("mean '", f"mean '{_PREFIX}")
            text = (
                f"{variable}: expected a variable that tensorplug or a plugin reads, got one that "
                f"nobody reads{close or '; unset it'}"
            )
            yield variable, text, variable


def _unlike(variable: str, what: str, got: str, known: Collection[str]) -> str:
    return f"{variable}: expected the {what} of installed plugins, got {got!r}{nearest(got, known)}"


def _unknown_variables(sources: Collection[Source]) -> list[str]:
    """Variables called like ours that are none of ours, nor an installed plugin's own."""
    names = {name for source in sources for name in (source.name, source.distribution)}
    names = {normal(name).removeprefix(f"{PROJECT}-").replace("-", "_").upper() for name in names}
    own = tuple(f"{_PREFIX}{name}_" for name in names)
    return sorted(
        name
        for name in os.environ
        if name.startswith(_PREFIX)
        and name not in VARIABLES
        # A plugin called strict must not hide that STRICT_PLUGINS is misspelt.
        and (not name.startswith(own) or get_close_matches(name, VARIABLES, 1, 0.95))
    )


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

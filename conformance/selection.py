"""``--op``, ``--function`` and ``--dtype``: of which functions and types there are tests at all.

They are asked before cases are made: what makes cases tries samples and reads recorded calls, and
all of that takes longer than the tests of one function.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple

import pytest

from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.conformance.recorded_calls import recorded_names
from tensorplug.conformance.samples import DTYPES, only, supports

__all__ = ["Asked", "asked", "check_asked", "meant"]


class Asked(NamedTuple):
    """What a run is about; None stands for everything."""

    ops: frozenset[str] | None
    """Only tests of these functions are run."""
    functions: frozenset[str] | None
    """Of the tests of functions, only those of these; tests of no function are run too."""
    dtypes: frozenset[str] | None
    """Only tests of functions with these types are run."""

    @property
    def cases(self) -> frozenset[str] | None:
        """The functions of which cases are made."""
        if self.ops is None or self.functions is None:
            return self.functions if self.ops is None else self.ops
        return self.ops & self.functions

    @property
    def everything(self) -> bool:
        """Whether all cases are made."""
        return self.cases is None and self.dtypes is None

    def made_by(self, make: Any) -> list[Any]:
        """The cases that a maker makes, no others than are asked for."""
        with only(self.cases, self.dtypes):
            found = list(make())
        names, dtypes = self.cases, self.dtypes
        return [
            case
            for case in found
            if (names is None or case.public.qualname in names)
            and (dtypes is None or case.dtype.name in dtypes)
        ]

    def leaves_out(self, name: str, test: Any) -> bool:
        """Whether a test function can be left out without asking for its cases.

        Those without cases may be of a function whose name is a parameter; they have no type.
        """
        if (self.ops is None and self.dtypes is None) or not name.startswith("test"):
            return False
        if not inspect.isfunction(test) or "case" in inspect.signature(test).parameters:
            return False
        marks = (mark.name for mark in getattr(test, "pytestmark", ()))
        return self.dtypes is not None or "parametrize" not in marks


_ASKED = pytest.StashKey[Asked]()


def asked(config: pytest.Config) -> Asked:
    """What a run is about."""
    if _ASKED not in config.stash:
        config.stash[_ASKED] = _read(config)
    return config.stash[_ASKED]


def _read(config: pytest.Config) -> Asked:
    ops, functions, dtypes = (
        config.getoption(name) or [] for name in ("--op", "--function", "--dtype")
    )
    every = {dtype.name for dtype in DTYPES}
    for name in ops:
        if not meant(name):
            raise _unknown("--op", name, _known(), "the name of a function")
    for option, names, known, what in (
        ("--function", functions, set(FUNCTIONS), "the name of a function"),
        ("--dtype", dtypes, every, "the name of a type"),
    ):
        for name in names:
            if name not in known:
                raise _unknown(option, name, known, what)
    chosen = frozenset(found for name in ops for found in meant(name))
    return Asked(chosen or None, frozenset(functions) or None, frozenset(dtypes) or None)


@cache
def _known() -> frozenset[str]:
    """Functions, and the methods of which calls are recorded."""
    return frozenset({*FUNCTIONS, *recorded_names()})


def meant(name: str) -> frozenset[str]:
    """The functions that a name means: one with dots a single one, else all that end so.

    ``softmax`` is also ``nn.functional.softmax``; ``tp.softmax`` is not.
    """
    if "." in name:
        return _known() & {name.removeprefix("tensorplug.").removeprefix("tp.")}
    return frozenset(known for known in _known() if known.rpartition(".")[2] == name)


def _unknown(option: str, name: str, known: Collection[str], what: str) -> pytest.UsageError:
    [near] = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
    return pytest.UsageError(f"{option}: expected {what}, got {name}; did you mean {near}?")


def check_asked(config: pytest.Config, devices: list[str]) -> None:
    """Refuse names that do not exist, and types that no device declares.

    Raises:
        pytest.UsageError: naming the option, what was expected, and the nearest that exists.
    """
    dtypes = asked(config).dtypes or ()
    wanted = [dtype for dtype in DTYPES if dtype.name in dtypes]
    if wanted and not any(supports(name, dtype) for name in devices for dtype in wanted):
        got = ", ".join(dtype.name for dtype in wanted)
        have = "; ".join(
            f"{name} declares {', '.join(d.name for d in DTYPES if supports(name, d))}"
            for name in devices
        )
        raise pytest.UsageError(f"--dtype: expected a type that is declared, got {got}; {have}")

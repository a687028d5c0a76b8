"""The backend that every fault breaks in one place, and what a row of the catalogue holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tensorplug.plugins.numpy import NumpyBackend

__all__ = ["SEEDED", "Clean", "Fault", "fault", "put_in_place_of", "with_kernels"]

SEEDED = "FRSTU"
"""How ids of faults begin; those of the reserves with R to U. K is what is allowed."""


class Clean(NumpyBackend):
    """No fault; but two devices, and memory that is not the host's, as on an accelerator."""

    shares_host_memory = False

    def owns(self, array: Any) -> bool:
        return False

    def devices(self) -> list[str]:
        return ["a", "b"]


def with_kernels(base: type[Clean] = Clean, **replaced: Any) -> type[Clean]:
    """A backend whose kernels are replaced; ``kernel(original, *args)``.

    In-place ops then compute with them too and write the result: their own kernels are left out.
    """

    class Faulty(base):  # type: ignore[valid-type, misc]  # a parameter as base class
        def __init__(self) -> None:
            super().__init__()
            self._kernels = dict(self._kernels)
            self._into = {name: k for name, k in self._into.items() if name not in replaced}
            for name, broken in replaced.items():
                original = self._kernels.get(name) or getattr(super(), name, None)
                self._kernels[name] = lambda *args, f=broken, o=original: f(o, *args)

    return Faulty


@dataclass(frozen=True)
class Fault:
    """A row of the catalogue."""

    id: str
    says: str
    """What is wrong, in a sentence."""

    area: str
    backend: type[Clean]
    functions: tuple[str, ...]
    """The public functions that are concerned: their cases are run."""

    names: tuple[str, ...]
    """Words of which one must be in the first failure's test or message, to point to the cause."""

    patch: Callable[[str], None] | None = None
    """For what no backend can cause: changes the engine, for this device type alone."""

    @property
    def type(self) -> str:
        """The device type."""
        return self.id.lower()


def fault(
    id: str, says: str, area: str, backend: type[Clean], functions: str = "", names: str = "",
    patch: Callable[[str], None] | None = None,
) -> Fault:  # fmt: skip
    """A row; functions and names are words with spaces between. A function's name is a name too."""
    called = tuple(functions.split())
    words = {name.rpartition(".")[2] for name in called} | set(names.split())
    return Fault(id, says, area, backend, called, tuple(sorted(words)), patch)


def put_in_place_of(original: Any, changed: Any) -> None:
    """Replace a function of the engine wherever a module has imported it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tensorplug."):
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, changed)

"""What the new backend has to say about its array library."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from tensorplug.backends import TensorplugError
from tensorplug.backends.probing import NEEDED, namespace_of

__all__ = ["Library", "inspect"]

SECONDS = 120
"""How long a library may take to be imported and tried."""

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Library:
    """An array library, as found here; ``problem`` says why it could not be tried, if so.

    ``module`` is its import name, ``namespace`` the module with the standard's functions,
    ``distribution`` what pip calls it. ``devices`` and ``skipped`` are the devices that it lists,
    which hold values and which do not; the other fields are facts that cost the backend a member.
    """

    module: str
    namespace: str
    distribution: str
    version: str = ""
    problem: str = ""
    devices: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    inspects: bool = True
    states_version: bool = True
    typed: bool = False
    writable: bool = True
    at: bool = False
    warns: bool = False
    missing: tuple[str, ...] = field(default=(), repr=False)


def inspect(module: str) -> Library:
    """Try a library in a process of its own.

    Args:
        module: its import name, such as ``"torch"`` or ``"jax.numpy"``.

    Raises:
        TensorplugError: it is no import name, or a module without an array API namespace.
    """
    if not _MODULE.fullmatch(module):
        raise TensorplugError(
            f"new-backend: expected --library to be a module that can be imported, such as torch "
            f"or jax.numpy, got {module!r}",
            op="new-backend", expected="a module", got=module,
        )  # fmt: skip
    facts = _facts(module)
    distribution = _normal(facts.pop("distribution", "") or module.partition(".")[0])
    library = Library(module, namespace_of(module), distribution, **facts)
    if library.missing:
        raise TensorplugError(
            f"new-backend: expected --library to have the array API functions {', '.join(NEEDED)}, "
            f"got {library.namespace}, which lacks {', '.join(library.missing)}; name the module "
            "that has them (jax.numpy and not jaxlib), or subclass tensorplug.backends.Backend",
            op="new-backend", expected=NEEDED, got=library.missing,
        )  # fmt: skip
    return library


def _facts(module: str) -> dict[str, Any]:
    """What :mod:`tensorplug.backends.probing` says, or only why it says nothing."""
    words = [sys.executable, "-m", "tensorplug.backends.probing", module]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"importing it took more than {SECONDS} seconds"}
    if done.returncode == 0:
        facts = json.loads(done.stdout.splitlines()[-1])
        return {name: tuple(x) if isinstance(x, list) else x for name, x in facts.items()}
    if done.returncode < 0:
        return {"problem": f"importing it ended the process with signal {-done.returncode}"}
    said = done.stderr.strip().splitlines()
    return {"problem": said[-1] if said else f"it ended with exit status {done.returncode}"}


def _normal(name: str) -> str:
    """A distribution's name as pip writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()

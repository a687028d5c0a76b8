"""Facts about an array library, found by trying: what a new backend for it has to say.

Runs as a program, ``python -m tensorplug.backends.probing MODULE``, so that a library that hangs,
crashes or prints takes nothing with it; the facts are the last line of its output, as JSON.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import array_api_compat

from .contract import NEEDED

__all__ = ["NEEDED", "namespace_of", "probe"]

_INSIDE = {"dask": "dask.array", "jax": "jax.numpy"}
"""Libraries whose arrays are in a module of another name."""


def namespace_of(module: str) -> str:
    """Where the standard's functions for a library are: array-api-compat's wrapper, if it has one.

    Example:
        >>> namespace_of("torch"), namespace_of("jax"), namespace_of("array_api_strict")
        ('array_api_compat.torch', 'jax.numpy', 'array_api_strict')
    """
    module = _INSIDE.get(module, module)
    wrapper = f"array_api_compat.{module}"
    try:
        return wrapper if find_spec(wrapper) is not None else module
    except ModuleNotFoundError:  # not even a package of that name in array-api-compat
        return module


def probe(module: str) -> dict[str, Any]:
    """What there is to know about the library whose import name is ``module``.

    Raises:
        Exception: whatever the library raises where it cannot be imported.
    """
    namespace = namespace_of(module)
    top = module.partition(".")[0]
    package = import_module(top)
    xp = import_module(namespace)
    owners = packages_distributions().get(top, [])
    facts: dict[str, Any] = {
        "distribution": owners[0] if owners else "",
        "version": version(owners[0]) if owners else str(getattr(package, "__version__", "")),
        "states_version": hasattr(xp, "__version__"),
        "missing": [name for name in NEEDED if not hasattr(xp, name)],
        "lacks": [name for name in ("fft", "linalg") if not hasattr(xp, name)],
        "typed": _is_typed(import_module(namespace.partition(".")[0])),
    }
    if not facts["missing"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            facts |= _devices(xp)
            facts |= {"writable": _is_writable(xp), "at": hasattr(xp.zeros((2,)), "at")}
        facts["warns"] = _warns(xp)
    return facts


def _is_typed(package: Any) -> bool:
    return any((Path(folder) / "py.typed").exists() for folder in getattr(package, "__path__", ()))


def _works(action: Callable[[], Any]) -> bool:
    try:
        return bool(action())
    except Exception:  # noqa: BLE001 - that it does not work is the answer
        return False


def _devices(xp: Any) -> dict[str, Any]:
    """Which of the devices that the library lists hold values, under the names it gave."""
    try:
        listed = list(xp.__array_namespace_info__().devices())
    except Exception:  # noqa: BLE001 - it has no such list
        return {"inspects": False, "devices": [], "skipped": []}

    def holds_values(device: Any) -> bool:
        array = xp.zeros((1,), device=device)
        return float(array[0]) == 0 and array_api_compat.device(array) == device

    good = [str(device) for device in listed if _works(partial(holds_values, device))]
    skipped = [str(device) for device in listed if str(device) not in good]
    return {"inspects": True, "devices": good, "skipped": skipped}


def _is_writable(xp: Any) -> bool:
    def write() -> bool:
        array = xp.zeros((2,))
        array[0] = 1
        return float(array[0]) == 1

    return _works(write)


def _warns(xp: Any) -> bool:
    """Whether infinities are reported by warnings, as NumPy does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _works(lambda: float((xp.zeros((1,)) / xp.zeros((1,)))[0]))
    return any(issubclass(warning.category, RuntimeWarning) for warning in caught)


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(probe(sys.argv[1]))}\n")

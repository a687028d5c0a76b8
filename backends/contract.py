"""Checks plugins and backends against the contract, and lists every fault at once.

:func:`hook_faults` looks at a plugin when it is registered, :func:`faults` at a backend when it is
loaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from . import hookspecs
from .array_api import ArrayAPIBackend
from .base import REQUIRED, Backend
from .capabilities import CAPABILITIES
from .dtypes import ALL, DType
from .hookspecs import PROJECT

__all__ = [
    "HOOKS", "NEEDED", "PRIMITIVES", "faults", "hook_faults", "kernel_faults", "kind", "nearest",
]  # fmt: skip

HOOKS = ("tensorplug_backends", "tensorplug_kernels", "tensorplug_ops")

PRIMITIVES = (
    "native_dtype", "dtype_of", "adopt", "native", "lift", "layout", "storage", "index", "permute",
    "view", "expand", "as_strided", "assign", "full", "cast", "clone",
)  # fmt: skip
"""The members that only a direct subclass of :class:`Backend` has to write itself."""

NEEDED = (
    "asarray", "astype", "broadcast_to", "empty", "full", "permute_dims", "reshape", "where",
    "zeros",
)  # fmt: skip
"""Functions of the array API standard without which :class:`ArrayAPIBackend` cannot work."""

_METHODS = tuple(name for name, value in vars(Backend).items() if inspect.isfunction(value))
_FLAGS = ("mutable", "shares_host_memory", "survives_fork", "host_fallback", "compiles")


def nearest(name: str, names: Collection[str]) -> str:
    """``"; did you mean 'add'?"`` when some name is close, else nothing."""
    close = get_close_matches(name, sorted(names), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def faults(backend: Any, kernel_names: Collection[str] | None = None) -> list[str]:
    """Everything that is wrong with a backend, each as ``member: expected ..., got ...``.

    ``kernel_names`` are the ops that exist; None leaves the names of kernels unchecked.
    """
    if not isinstance(backend, Backend):
        return [
            f"expected a subclass of tensorplug.backends.Backend, got {type(backend).__qualname__}"
        ]
    found = _missing(backend)
    unusable = {fault.partition(":")[0] for fault in found}
    found += [
        fault for name in _METHODS if name not in unusable for fault in _method(backend, name)
    ]
    found += _declarations(backend)
    unusable = {fault.partition("(")[0].partition(":")[0] for fault in found}
    for name in ("kernels", "into_kernels"):
        if name not in unusable:
            found += _called(backend, name, lambda kernels: kernel_faults(kernels, kernel_names))
    if "devices" not in unusable:
        found += _called(backend, "devices", _device_faults)
    # These call the members that have been looked at so far.
    return found or [*_namespace_faults(backend), *_type_faults(backend)]


def kernel_faults(kernels: Any, kernel_names: Collection[str] | None) -> list[str]:
    """What is wrong with a mapping of kernels: its type, its names, its values."""
    if not isinstance(kernels, Mapping):
        return [f"expected a mapping from op names to functions, got {type(kernels).__name__}"]
    found = []
    for name, kernel in kernels.items():
        if not isinstance(name, str):
            found.append(f"expected op names, got {name!r}")
        elif kernel_names is not None and name not in kernel_names:
            found.append(f"expected the names of ops, got {name!r}{nearest(name, kernel_names)}")
        elif not callable(kernel):
            found.append(f"{name!r}: expected a function, got {type(kernel).__name__}")
    return found


def _missing(backend: Backend) -> list[str]:
    """The members without a default that the class does not define."""
    own = {
        name
        for base in type(backend).__mro__
        if base not in (Backend, object)
        for name in vars(base)
    } | set(getattr(backend, "__dict__", ()))
    needed = (*REQUIRED, *PRIMITIVES)
    strange = {name for name in own if not name.startswith("_") and not hasattr(Backend, name)}
    found = []
    for name in needed:
        if name not in own:
            close = get_close_matches(name, sorted(strange - set(needed)), 1)
            hint = f" (there is {close[0]!r})" if close else ""
            found.append(f"{name}: expected a definition, got none{hint}")
    return found


def _method(backend: Backend, name: str) -> list[str]:
    """Whether a method can be called with the contract's arguments."""
    method, contract = getattr(backend, name), getattr(Backend, name)
    rule = list(inspect.signature(contract).parameters)[1:]
    if not callable(method):
        return [f"{name}: expected a method, got {type(method).__name__}"]
    try:
        signature = inspect.signature(method)
    except ValueError:  # a builtin that does not tell
        return []
    try:
        signature.bind(*rule)
    except TypeError:
        got = f"{name}({', '.join(signature.parameters)})"
        return [f"{name}: expected to be called as {name}({', '.join(rule)}), got {got}"]
    return []


def _declarations(backend: Backend) -> list[str]:
    """Whether the members that are values have the right types."""
    found = []
    name = getattr(backend, "name", "unknown")
    if not isinstance(name, str) or not name:
        found.append(f"name: expected the library's name, got {name!r}")
    if getattr(backend, "namespace", ...) is None:
        found.append("namespace: expected an array API namespace, got None")
    for flag in _FLAGS:
        if not isinstance(getattr(backend, flag), bool):
            found.append(f"{flag}: expected True or False, got {getattr(backend, flag)!r}")
    soft = backend.soft_errors
    if not isinstance(soft, tuple) or not all(
        isinstance(error, type) and issubclass(error, BaseException) for error in soft
    ):
        found.append(f"soft_errors: expected a tuple of exception types, got {soft!r}")
    declared: Any = backend.capabilities
    if not isinstance(declared, frozenset):
        found.append(f"capabilities: expected a frozenset of names, got {declared!r}")
    else:
        found += [
            f"capabilities: expected names of capabilities, got {name!r}"
            f"{nearest(str(name), CAPABILITIES)}"
            for name in sorted(declared - set(CAPABILITIES), key=str)
        ]
        if "in_place" not in declared and backend.into_kernels():
            found.append("capabilities: expected in_place beside into_kernels(), got one alone")
    weak = backend.weak_numbers
    if not isinstance(weak, frozenset) or not all(isinstance(dtype, DType) for dtype in weak):
        found.append(f"weak_numbers: expected a frozenset of dtypes, got {weak!r}")
    return found


def _called(backend: Backend, name: str, check: Callable[[Any], list[str]]) -> list[str]:
    """Call a member without arguments and check what it returns."""
    try:
        value = getattr(backend, name)()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is reported
        return [f"{name}(): expected a result, got {type(error).__name__}: {error}"]
    return [f"{name}(): {fault}" for fault in check(value)]


def _device_faults(devices: Any) -> list[str]:
    if isinstance(devices, Sequence) and not isinstance(devices, str):
        return []
    return [f"expected a list or tuple of devices, got {type(devices).__name__}"]


def _namespace_faults(backend: Backend) -> Iterator[str]:
    """Functions that the base class cannot do without."""
    if isinstance(backend, ArrayAPIBackend):
        missing = [name for name in NEEDED if not hasattr(backend.namespace, name)]
        if missing:
            yield (
                f"namespace: expected an array API namespace, got {kind(backend.namespace)}, which "
                f"has no {', '.join(missing)}"
            )


def _type_faults(backend: Backend) -> Iterator[str]:
    """What is wrong with the types of the first device that has something wrong."""
    for index in range(len(backend.devices())):
        asked = "supports_dtype"
        try:
            for dtype in ALL:
                asked = f"supports_dtype({dtype.name}, {index})"
                answer: Any = backend.supports_dtype(dtype, index)
                if not isinstance(answer, (bool, np.bool_)):
                    yield f"{asked}: expected True or False, got {answer!r}"
                    return
            asked = f"dtypes({index})"
            types: Any = backend.dtypes(index)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is reported
            yield f"{asked}: expected an answer, got {type(error).__name__}: {error}"
            return
        if not isinstance(types, tuple) or not types or set(types) - set(ALL):
            yield f"{asked}: expected a tuple of at least one DType, got {types!r}"
            return


def hook_faults(plugin: Any) -> Iterator[str]:
    """What is wrong with a plugin's hooks; pluggy itself lets most of this pass."""
    if inspect.isclass(plugin) or inspect.isroutine(plugin):
        what = "class" if inspect.isclass(plugin) else "function"
        yield f"expected a module or an instance with hooks, got the {what} {plugin.__qualname__}"
        return
    found = False
    for name in dir(plugin):
        function = getattr(plugin, name, None)
        if not inspect.isroutine(function):
            continue
        options = getattr(function, f"{PROJECT}_impl", None)
        if isinstance(options, dict):
            found = True
            yield from _implementation_faults(options.get("specname") or name, function, options)
        elif name.startswith(f"{PROJECT}_"):
            found = True
            yield _unmarked(name, function)
    if not found:
        yield (
            f"expected at least one hook ({', '.join(HOOKS)}) marked with "
            f"@tensorplug.backends.hookimpl, got none in {kind(plugin)}"
        )


def _implementation_faults(name: str, function: Any, options: dict[str, Any]) -> Iterator[str]:
    if name not in HOOKS:
        if not options.get("optionalhook"):
            hint = nearest(name, HOOKS)
            yield f"expected one of the hooks {', '.join(HOOKS)}, got {name!r}{hint}"
        return
    if options.get("wrapper") or options.get("hookwrapper"):
        yield f"{name}: expected a plain hook, got a wrapper around other plugins"
    allowed = list(inspect.signature(getattr(hookspecs, name)).parameters)
    parameters = inspect.signature(function).parameters.values()
    for parameter in parameters:
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.name not in allowed:
            yield f"{name}: expected the arguments ({', '.join(allowed)}), got {parameter}"
        elif parameter.default is not parameter.empty:
            # Before 1.7 pluggy passed no argument to a parameter with a default.
            yield f"{name}: expected arguments without defaults, got {parameter}"


def _unmarked(name: str, function: Any) -> str:
    other = [key for key in vars(function) if key.endswith("_impl")] if _has_dict(function) else []
    got = f"one marked for the project {other[0][:-5]!r}" if other else "no mark"
    return f"{name}: expected the mark @tensorplug.backends.hookimpl, got {got}"


def _has_dict(function: Any) -> bool:
    return hasattr(function, "__dict__")


def kind(value: Any) -> str:
    """What a plugin handed over, in few words."""
    if inspect.ismodule(value):
        return f"the module {value.__name__!r}"
    return f"{type(value).__name__} {value!r}"[:120]

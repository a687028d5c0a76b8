"""Calling a module with other parameters than its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tensorplug.autograd.tensor import Tensor

from ..module import Module

__all__ = ["call", "functional_call"]

_Place = tuple[dict[str, Any], str]  # a registry of a module, and a name in it


def _places(module: Module) -> dict[str, _Place]:
    """Where each parameter and buffer is registered, by dotted name; tied ones by every name."""
    return {
        f"{prefix}.{name}" if prefix else name: (registry, name)
        for prefix, owner in module.named_modules(remove_duplicate=False)
        for registry in (owner._parameters, owner._buffers)
        for name, value in registry.items()
        if value is not None
    }


def _tied(given: dict[str, Tensor], places: dict[str, _Place]) -> dict[str, Tensor]:
    """``given`` with the other names of the same tensors.

    Raises:
        ValueError: two names of one tensor are given different values.
    """
    names: dict[int, list[str]] = {}
    for name, (registry, last) in places.items():
        names.setdefault(id(registry[last]), []).append(name)
    full = dict(given)
    for group in names.values():
        values = {id(given[name]): given[name] for name in group if name in given}
        if len(values) > 1:
            raise ValueError(
                f"functional_call: expected one value for the tied names {', '.join(group)}, got "
                f"{len(values)}; give one, or pass tie_weights=False"
            )
        for value in values.values():
            full |= dict.fromkeys(group, value)
    return full


@contextmanager
def _replaced(
    module: Module, given: dict[str, Tensor], tie_weights: bool, strict: bool
) -> Iterator[None]:
    places = _places(module)
    full = _tied(given, places) if tie_weights else given
    unexpected = [name for name in full if name not in places]
    missing = [name for name in places if name not in full]
    if strict and (unexpected or missing):
        raise RuntimeError(
            f"functional_call: expected names of {type(module).__name__}'s parameters and "
            f"buffers, got unexpected {unexpected} and missing {missing}"
        )
    changes = [(*places[name], value) for name, value in full.items() if name in places]
    before = [(registry, last, registry[last]) for registry, last, _ in changes]
    try:
        for registry, last, value in changes:
            registry[last] = value
        yield
    finally:
        for registry, last, value in before:
            registry[last] = value


def call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """What ``tensorplug.func.functional_call`` does."""
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    else:
        given = {}
        for part in parameter_and_buffer_dicts:
            twice = sorted(set(given) & set(part))
            if twice:
                raise ValueError(f"functional_call: expected each name once, got twice: {twice}")
            given |= part
    if not isinstance(args, tuple):
        args = () if args is None else (args,)
    with _replaced(module, given, tie_weights, strict):
        return module(*args, **(kwargs or {}))


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any | tuple[Any, ...] | None = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``tensorplug.func.functional_call`` under its old name, with a warning."""
    warnings.warn(
        "nn.utils.stateless.functional_call: expected func.functional_call, got the old name, "
        "which is deprecated",
        FutureWarning,
        stacklevel=2,
    )
    return call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )

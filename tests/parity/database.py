"""PyTorch's operator database: entries of a name, their sample inputs, and how torch calls them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch

from .convert import rebind
from .subject import Subject
from .tiers import entry_tier

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the database builds itself with deprecated helpers
    from torch.testing._internal.common_methods_invocations import op_db

__all__ = [
    "FULL",
    "LIGHT",
    "RANDOM",
    "UNINITIALISED",
    "dtypes",
    "entries",
    "error_samples",
    "full_name",
    "original",
    "samples",
    "spread",
    "subject_call",
]

# Compared with many samples, and with a few.
FULL = (torch.float32, torch.float64, torch.int64, torch.bool, torch.complex64)
LIGHT = (torch.int32, torch.uint8, torch.float16, torch.bfloat16)

# Results are random: structure, dtype and shape are compared, moments in `random_checks`.
RANDOM = frozenset(
    {
        "bernoulli",
        "cauchy",
        "exponential",
        "geometric",
        "log_normal",
        "multinomial",
        "normal",
        "rand_like",
        "randint",
        "randint_like",
        "randn",
        "randn_like",
        "uniform",
        "nn.functional.alpha_dropout",
        "nn.functional.dropout",
        "nn.functional.dropout2d",
        "nn.functional.dropout3d",
        "nn.functional.feature_alpha_dropout",
        "nn.functional.fractional_max_pool2d",
        "nn.functional.fractional_max_pool3d",
        "nn.functional.rrelu",
        "pca_lowrank",
        "svd_lowrank",
    }
)
UNINITIALISED = frozenset(
    {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}
)


@cache
def _by_name() -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {}
    for entry in op_db:
        table.setdefault(entry.name, []).append(entry)
    return table


def full_name(entry: Any) -> str:
    """``max/binary``: the entry's name with its variant."""
    variant = entry.variant_test_name
    return f"{entry.name}/{variant}" if variant else str(entry.name)


def entries(name: str, tier: int) -> list[Any]:
    """The database entries of a dotted name that belong to ``tier``."""
    found = _by_name().get(name, [])
    return [e for e in found if entry_tier(name, e.variant_test_name) == tier]


def dtypes(entry: Any, wanted: Iterable[torch.dtype]) -> list[torch.dtype]:
    """Those of ``wanted`` which torch's own CPU kernels support for this entry."""
    supported = entry.supported_dtypes("cpu")
    return [dtype for dtype in wanted if dtype in supported]


def spread(items: list[Any], cap: int | None) -> list[Any]:
    """At most ``cap`` items, evenly spread, the first and the last among them."""
    if cap is None or len(items) <= cap:
        return items
    if cap == 1:
        return items[:1]
    step = (len(items) - 1) / (cap - 1)
    return [items[round(i * step)] for i in range(cap)]


def samples(entry: Any, dtype: torch.dtype, requires_grad: bool, cap: int | None) -> list[Any]:
    """Sample inputs of one entry, the same in every run."""
    torch.manual_seed(0)
    return spread(list(entry.sample_inputs("cpu", dtype, requires_grad=requires_grad)), cap)


def error_samples(entry: Any, cap: int | None) -> list[Any]:
    """Sample inputs that torch's documentation of errors lists for this entry."""
    if entry.error_inputs_func is None:
        return []
    torch.manual_seed(0)
    return spread([error.sample_input for error in entry.error_inputs("cpu")], cap)


def original(name: str) -> Any:
    """PyTorch's function or method of a dotted name, or None."""
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if found is not None else getattr(torch.Tensor, name, None)


def subject_call(entry: Any, subject: Subject) -> Callable[..., Any]:
    """The subject's counterpart of the entry's function, for a name that it has.

    The database wraps some names in Python functions, mostly to call a method; these run with
    the subject in torch's place.
    """
    found = subject.lookup(entry.name)
    if entry.op is original(entry.name):
        return found
    if entry.op is getattr(torch.Tensor, entry.name, None):
        return subject.method(entry.name)  # torch.cfloat is a dtype, its entry means the method
    return rebind(entry.op, subject)

"""Which calls are recorded: samples of PyTorch's operator database, the more different the better,
the same with special values and with indices out of range, and those that it says are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS

from . import database as db
from .convert import leaves, torch_numpy

__all__ = [
    "COUNT", "LARGEST", "Unrecordable", "bad_calls", "calls", "named", "plain", "smooth",
]  # fmt: skip

COUNT = {torch.float64: 10, torch.complex128: 3, torch.int64: 4, torch.uint8: 2, torch.bool: 2}
"""The types of the arguments, and how many calls are kept of each."""

LARGEST = 1200
"""The most elements in the arguments of one call; the results may have as many."""

SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 1e30, -1e-40, 0.0, 0.5)

UNDEFINED = re.compile(
    r"linalg\.|fft\.|(special_)?(cholesky|lu|det|logdet|pinv|inverse|matrix_exp|triangular_solve|"
    r"ormqr|lstsq|trapezoid)|nn\.functional\.(conv|interpolate|upsample|grid_sample)|i?stft"
)
"""Where sums with zeros as weights make what comes of an infinity depend on the algorithm."""

NOT_DETERMINED = frozenset(
    ("linalg.svd", "svd", "linalg.eigh", "linalg.eig", "linalg.qr", "qr", "geqrf", "argsort",
     "sort", "topk", "median", "nanmedian", "mode", "unique", "kthvalue")
)  # fmt: skip
"""Signs, or the places of equal elements, are free."""

Call = tuple[tuple[Any, ...], dict[str, Any]]


class Unrecordable(Exception):
    """A call that the file has no words for, or that is too large."""


TURNED = frozenset(("nn.functional.embedding", "where"))
"""The database has their first two arguments the other way round."""

ALIASES = {alias: name for name, public in FUNCTIONS.items() for alias in public.aliases}


def named(entry: Any) -> tuple[str, Any] | None:
    """The name of tensorplug's function or method, and PyTorch's; None where there is no pair."""
    if entry.name in db.RANDOM | db.UNINITIALISED | NOT_DETERMINED:
        return None
    original = db.original(entry.name)
    for name in (entry.name, ALIASES.get(entry.name, "")):
        if name in FUNCTIONS and callable(original) and not FUNCTIONS[name].random:
            return name, original
    method = getattr(torch.Tensor, entry.name, None)
    found = callable(method) and callable(getattr(tp.Tensor, entry.name, None))
    return (f"Tensor.{entry.name}", method) if found else None


def plain(value: Any, arrays: list[np.ndarray] | None = None) -> Any:
    """Arguments or results with arrays in place of tensors, noted in ``arrays``.

    Raises:
        Unrecordable: there is something else among them.
    """
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.device.type != "cpu" or value.dim() > 16:
            raise Unrecordable(f"{value.layout} on {value.device} of {value.dim()} dimensions")
        try:
            array = np.array(torch_numpy(value), order="C", copy=True)  # a call may write to it
        except (RuntimeError, TypeError, ValueError) as error:
            raise Unrecordable(str(error)) from error
        if arrays is not None:
            arrays.append(array)
        return array
    if isinstance(value, (tuple, list)):
        parts = [plain(item, arrays) for item in value]
        return parts if isinstance(value, list) else tuple(parts)
    if isinstance(value, dict):
        return {name: plain(item, arrays) for name, item in value.items()}
    if isinstance(value, slice):
        return slice(*(plain(v, arrays) for v in (value.start, value.stop, value.step)))
    named_type = getattr(tp, str(value).removeprefix("torch."), None)
    if isinstance(value, torch.dtype) and named_type is not None:
        return named_type
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return value
    raise Unrecordable(type(value).__name__)


def _kind(value: Any, exact: bool) -> Any:
    """What makes a call different from others: all but the values of tensors, and their sizes."""
    if isinstance(value, np.ndarray):
        return value.shape if exact else (value.ndim, 0 in value.shape, 1 in value.shape)
    if isinstance(value, (tuple, list)):
        return tuple(_kind(item, exact) for item in value)
    if isinstance(value, dict):
        return tuple((name, _kind(item, exact)) for name, item in sorted(value.items()))
    return repr(value)


def _mapped(value: Any, change: Any) -> Any:
    """Arguments with their tensors changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if type(value) in (tuple, list):
        return type(value)(_mapped(item, change) for item in value)
    if isinstance(value, dict):
        return {name: _mapped(item, change) for name, item in value.items()}
    return value


def _rounded(x: torch.Tensor) -> torch.Tensor:
    """A leaf with floats that 32 bits hold, which makes the file smaller."""
    narrow = {torch.float64: torch.float32, torch.complex128: torch.complex64}.get(x.dtype)
    found = x.detach().resolve_conj().resolve_neg()
    found = found if narrow is None else found.to(narrow).to(x.dtype)
    found = found.clone(memory_format=torch.contiguous_format)
    return found.requires_grad_(x.requires_grad)


def _arguments(entry: Any, sample: Any) -> Call:
    first = (sample.input, *sample.args)
    if entry.name in TURNED and len(first) > 1:
        first = (first[1], first[0], *first[2:])
    return first, dict(sample.kwargs)


def smooth(call: Call) -> Call:
    """A copy of a call in which all floats are differentiated."""

    def leaf(x: torch.Tensor) -> torch.Tensor:
        return x.detach().clone().requires_grad_(x.is_floating_point() or x.is_complex())

    found: Call = _mapped(call, leaf)
    return found


def _samples(entry: Any, dtype: torch.dtype) -> list[Call]:
    """Of each kind of call one, small ones first, then another of each."""
    found: dict[Any, tuple[int, Call]] = {}
    smooth = entry.supports_autograd and dtype in entry.supported_backward_dtypes("cpu")
    for sample in db.samples(entry, dtype, smooth, None):
        arrays: list[np.ndarray] = []
        try:
            call = _mapped(_arguments(entry, sample), _rounded)
            exact = _kind(plain(call, arrays), True)
        except (Unrecordable, RuntimeError):
            continue
        if arrays:
            found.setdefault(exact, (sum(a.size for a in arrays), call))
    kinds: dict[Any, list[Call]] = {}
    for size, call in sorted(found.values(), key=lambda pair: (pair[0] < 2, pair[0])):
        if size <= LARGEST:
            kinds.setdefault(_kind(plain(call), False), []).append(call)
    several = max(map(len, kinds.values()), default=0)
    return [group[i] for i in range(several) for group in kinds.values() if i < len(group)]


def calls(entry: Any, dtype: torch.dtype) -> Iterator[Call]:
    """The calls with one type of arguments."""
    shifts = re.search(r"bitwise_\w+_shift|[lr]shift__", entry.name) is not None
    for call in _every(entry, dtype):
        if not shifts or _at_least_zero(call[0][1]):  # by negative amounts it is undefined
            yield call


def _every(entry: Any, dtype: torch.dtype) -> Iterator[Call]:
    found = _samples(entry, dtype)
    yield from found[: COUNT[dtype]]
    if dtype is torch.float64 and not UNDEFINED.match(entry.name):
        large = [call for call in found if _size(call) > 3]
        for number, call in enumerate(large[:2]):
            yield _mapped(call, lambda x, first=number: _with_special(x, first))
    if dtype in (torch.float64, torch.int64):
        for call in found[:3]:
            yield from _out_of_range(call)
        yield from _turned(found)


def _at_least_zero(value: Any) -> bool:
    return bool((torch.as_tensor(value) >= 0).all())


def _size(call: Call) -> int:
    return sum(x.numel() for x in leaves(list(call), lambda x: isinstance(x, torch.Tensor)))


def _with_special(x: torch.Tensor, first: int) -> torch.Tensor:
    """Some elements replaced by special values: with a nan among them, or from infinity on."""
    values = x.detach().clone(memory_format=torch.contiguous_format)
    if not x.is_floating_point() or x.dim() == 0:
        return values
    flat, step = values.view(-1), 2 + first
    for place, value in zip(range(first, flat.numel(), step), SPECIAL[first:], strict=False):
        flat[place] = value
    return values


def _out_of_range(call: Call) -> Iterator[Call]:
    """One index of a call moved before the start, and beyond the end."""
    for wrong in (-1, -1000, 1000):
        moved: list[bool] = []

        def change(x: torch.Tensor, wrong: int = wrong, moved: list[bool] = moved) -> torch.Tensor:
            if x.dtype != torch.int64 or not x.numel() or moved:
                return x
            moved.append(True)
            values = x.clone(memory_format=torch.contiguous_format)
            values.view(-1)[-1] = wrong
            return values

        args, kwargs = call
        found = (args[0], *_mapped(args[1:], change)), _mapped(kwargs, change)
        if not moved and isinstance(args[0], torch.Tensor):
            found = (change(args[0]), *args[1:]), kwargs
        if moved:
            yield found


def _turned(found: list[Call]) -> Iterator[Call]:
    """One number or switch of a call changed, for each of them that a function has."""
    tried: set[Any] = set()
    for call in found:
        for place in _numbers(list(call)):
            name = place[1:] if place[0] else (*place[1:], len(call[0]))
            if name not in tried and len(tried) < 8:
                tried.add(name)
                for value in _near(_at(list(call), place)):
                    args, kwargs = _replaced(list(call), place, value)
                    yield args, kwargs


def _numbers(value: Any) -> Iterator[tuple[Any, ...]]:
    """Where the numbers among arguments are, as keys and positions from outside in."""
    if isinstance(value, (bool, int, float)):
        yield ()
    items: Any = enumerate(value) if isinstance(value, (tuple, list)) else ()
    for key, item in value.items() if isinstance(value, dict) else items:
        yield from ((key, *rest) for rest in _numbers(item))


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = value[key]
    return value


def _replaced(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    if isinstance(value, dict):
        return {**value, place[0]: _replaced(value[place[0]], place[1:], new)}
    parts = list(value)
    parts[place[0]] = _replaced(parts[place[0]], place[1:], new)
    return parts if isinstance(value, list) else tuple(parts)


def _near(value: float) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (value + 1, value - 1, value + 3, value + 10, -2)
    return (2 * value + 0.5, -value, 0.0, value + 7)


def bad_calls(entry: Any) -> Iterator[Call]:
    """What PyTorch's database says is refused."""
    for sample in db.error_samples(entry, None):
        try:
            call = _mapped(((sample.input, *sample.args), dict(sample.kwargs)), _rounded)
            if plain(call) and _size(call) <= LARGEST and "out" not in call[1]:
                yield call
        except (Unrecordable, RuntimeError):
            continue

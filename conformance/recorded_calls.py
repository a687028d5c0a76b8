"""Calls with what PyTorch gave for them: the file ``data/calls.npz``.

``tests/parity/record_calls.py`` wrote it, from the sample inputs of PyTorch's operator database:
arguments that were chosen by the authors of the functions, and not by those of a backend. The
arrays lie one after the other in a pool for each type; a call names its own by place and shape.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS, Public
from tensorplug.conformance.samples import Case, is_asked

__all__ = [
    "SOURCE", "RecordedCall", "calls_of", "cotangent", "public_of", "recorded_cases",
    "recorded_names",
]  # fmt: skip

SOURCE = "PyTorch, as recorded"
"""Who gave the numbers, for messages; the file holds the version."""


class RecordedCall(NamedTuple):
    """One call: arguments with arrays in place of tensors, results nested like PyTorch's.

    ``gradients`` has one item for each argument that is a tensor with a floating-point or complex
    type, in order: an array, None where the results do not depend on it, False where it is not
    differentiated. It is None as a whole where PyTorch gives no derivative. They are gradients of
    the results weighted with :func:`cotangent`.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: Any
    gradients: list[np.ndarray | bool | None] | None
    refused: str
    """The class of PyTorch's error, or nothing."""


def cotangent(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """What a result is weighted with: small numbers, which no type rounds."""
    count = np.arange(math.prod(shape))
    values: np.ndarray = (count * 7 % 11 - 5) / 4 + 0.125
    if np.dtype(dtype).kind == "c":
        values = values + 1j * ((count * 5 % 13 - 6) / 4)
    return values.reshape(shape).astype(dtype)


@cache
def _contents() -> dict[str, Any]:
    with (files("tensorplug.conformance") / "data" / "calls.npz").open("rb") as file:
        loaded = dict(np.load(file))
    text = loaded.pop("calls").tobytes()
    # NumPy's files forget which type it was that is none of its own.
    pools = {name: pool.view(getattr(tp, name).numpy) for name, pool in loaded.items()}
    return {**json.loads(text), "pools": pools}


@cache
def public_of(name: str) -> Public:
    """A public function, or a method as one."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    return Public(name, getattr(tp.Tensor, name.removeprefix("Tensor.")))


def recorded_names() -> list[str]:
    """The functions and methods of which calls are recorded, such as ``Tensor.__getitem__``."""
    return sorted(_contents()["calls"])


def recorded_cases(wanted: Callable[[RecordedCall], Any]) -> Iterator[Case]:
    """The functions with recorded calls of a kind, by the type of their arguments.

    Of each call, ``wanted`` is shown what the file says: its arrays are not made yet.
    """
    for name, by_type in _contents()["calls"].items():
        for dtype, calls in by_type.items():
            if is_asked(name, dtype) and any(wanted(RecordedCall(*call)) for call in calls):
                yield Case(public_of(name), getattr(tp, dtype))


def calls_of(case: Case) -> Iterator[RecordedCall]:
    """The recorded calls of a function with one type."""
    for call in _contents()["calls"][case.public.qualname][case.dtype.name]:
        args, kwargs, *rest = map(_value, call)
        yield RecordedCall(tuple(args), kwargs, *rest)


def _value(found: Any) -> Any:
    """What a piece of the file stands for."""
    if isinstance(found, list):
        return [_value(item) for item in found]
    if not isinstance(found, dict):
        return found
    ((kind, content),) = found.items()
    if kind == "dict":
        return {name: _value(item) for name, item in content.items()}
    if kind == "tuple":
        return tuple(_value(item) for item in content)
    if kind == "dtype":
        return getattr(tp, content)
    if kind == "array":
        pool, start, shape = content
        return _contents()["pools"][pool][start : start + math.prod(shape)].reshape(shape)
    return {"slice": slice, "complex": complex}[kind](*content)

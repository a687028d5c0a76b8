"""What was saved besides tensors: nested containers and plain values, as JSON.

A value that JSON has is itself; a list is a list. Anything else is a dict with one entry: the name
of its kind and its content, such as ``{"tuple": [1, 2]}`` or ``{"tensor": 0}``, which is the number
of a row in the table of tensors. Python objects of other classes are kept as a pickle, which
loading runs only when told to: ``{"object": 0}``.
"""

from __future__ import annotations

import base64
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.tensor import Size, Tensor
from tensorplug.backends import dtypes
from tensorplug.backends.dtypes import DType
from tensorplug.nn._state import StateDict

from ._tensors import TensorReader, TensorTable

__all__ = ["Describer", "restore"]

_ITSELF = (bool, int, float, str, type(None))

_PLAIN: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
    bytearray: ("bytearray", lambda value: base64.b64encode(value).decode()),
    complex: ("complex", lambda value: [value.real, value.imag]),
    Size: ("Size", list),
    DType: ("dtype", lambda value: value.name),
    tp.device: ("device", str),
}
"""Types whose values JSON can say in one way or another: the name of the kind, and how."""

_NUMBERS = {dtype.numpy for dtype in dtypes.ALL}

_SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset"}
_MAPPINGS: dict[type, str] = {
    dict: "dict",
    OrderedDict: "OrderedDict",
    StateDict: "StateDict",
    Counter: "Counter",
}


class Describer:
    """Turns an object into a tree, and collects its tensors and its foreign objects."""

    def __init__(self, tensors: TensorTable) -> None:
        self._tensors = tensors
        self.objects: list[Any] = []
        """Values for the pickle."""
        self._open: set[int] = set()

    def describe(self, value: Any, path: str = "") -> Any:
        """The tree of ``value``.

        Raises:
            ValueError: a container contains itself.
        """
        kind = type(value)
        if kind in _ITSELF:
            return value
        if isinstance(value, Tensor):
            return {"tensor": self._tensors.add(value, path)}
        if kind in _PLAIN:
            name, convert = _PLAIN[kind]
            return {name: convert(value)}
        if isinstance(value, (np.generic, np.ndarray)) and value.dtype in _NUMBERS:
            array = np.ascontiguousarray(value).reshape(value.shape)
            number = self._tensors.add(tp.from_numpy(array), path)
            return {"ndarray" if isinstance(value, np.ndarray) else "scalar": number}
        with self._inside(value, path):
            if kind is list:
                return self._items(value, path)
            if kind in _SEQUENCES:
                return {_SEQUENCES[kind]: self._items(value, path)}
            if kind in _MAPPINGS:
                return self._mapping(_MAPPINGS[kind], value, path)
        self.objects.append(value)
        return {"object": len(self.objects) - 1}

    def _items(self, values: Any, path: str) -> list[Any]:
        return [self.describe(item, _join(path, i)) for i, item in enumerate(values)]

    def _mapping(self, kind: str, value: Any, path: str) -> Any:
        pairs = [
            [self.describe(key, _join(path, "key")), self.describe(item, _join(path, key))]
            for key, item in value.items()
        ]
        metadata = getattr(value, "_metadata", None)
        if metadata is None:
            return {kind: pairs}
        return {"StateDict": pairs, "metadata": self.describe(metadata, path)}

    @contextmanager
    def _inside(self, value: Any, path: str) -> Iterator[None]:
        """Follow one path at a time, so that a container inside itself is noticed."""
        if id(value) in self._open:
            raise ValueError(
                f"save: expected containers that do not contain themselves, got one at {path!r}; "
                "leave it out"
            )
        self._open.add(id(value))
        yield
        self._open.discard(id(value))


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def restore(tree: Any, tensors: TensorReader, objects: Callable[[], list[Any]]) -> Any:
    """The value that a tree describes; ``objects`` runs the pickle, and is called if there is one.

    Raises:
        ValueError: the tree names a kind that does not exist.
    """

    def items(values: Any) -> list[Any]:
        return [make(value) for value in values]

    def pairs(values: Any) -> list[tuple[Any, Any]]:
        return [(make(key), make(value)) for key, value in values]

    def make(node: Any) -> Any:
        if isinstance(node, list):
            return items(node)
        if not isinstance(node, dict):
            return node
        kind, content = next(iter(node.items()))
        if kind not in makers:
            raise ValueError(f"the unknown kind {kind!r}; a newer version may read it")
        made = makers[kind](content)
        if "metadata" in node:
            made._metadata = make(node["metadata"])
        return made

    makers: dict[str, Callable[[Any], Any]] = {
        "tensor": tensors.tensor,
        "ndarray": lambda number: tensors.tensor(number).numpy(force=True),
        "scalar": lambda number: tensors.tensor(number).numpy(force=True)[()],
        "object": lambda number: objects()[number],
        "tuple": lambda values: tuple(items(values)),
        "set": lambda values: set(items(values)),
        "frozenset": lambda values: frozenset(items(values)),
        "dict": lambda values: dict(pairs(values)),
        "OrderedDict": lambda values: OrderedDict(pairs(values)),
        "StateDict": lambda values: StateDict(pairs(values)),
        "Counter": lambda values: Counter(dict(pairs(values))),
        **_PLAIN_MAKERS,
    }
    return make(tree)


def _dtype(name: str) -> DType:
    found = getattr(tp, name)
    if not isinstance(found, DType):
        raise ValueError(f"the type {name!r}")
    return found


_PLAIN_MAKERS: dict[str, Callable[[Any], Any]] = {
    "bytes": base64.b64decode,
    "bytearray": lambda text: bytearray(base64.b64decode(text)),
    "complex": lambda parts: complex(*parts),
    "Size": Size,
    "dtype": _dtype,
    "device": tp.device,
}

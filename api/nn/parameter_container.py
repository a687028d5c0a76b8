"""Modules that hold parameters: in a list, by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from tensorplug.autograd.tensor import Tensor

from .container import position
from .module import Module
from .parameter import Parameter

__all__ = ["ParameterDict", "ParameterList"]


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not value._is_parameter else value


class ParameterList(Module):
    """A list of parameters; plain tensors put in become parameters.

    Args:
        values: the tensors to start with.

    Example:
        >>> bias = tp.nn.ParameterList([tp.zeros(3), tp.zeros(4)])
        >>> [tuple(b.shape) for b in bias]
        [(3,), (4,)]
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend(values or ())

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(number)) for number in range(self._size))

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, str(position(self, index, self._size)))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(position(self, index, self._size)), _as_parameter(value))

    def append(self, value: Any) -> Self:
        """Add a value at the end."""
        setattr(self, str(self._size), _as_parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add several values at the end."""
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def extra_repr(self) -> str:
        """One line per value."""
        return "\n".join(f"({at}): {_describe(value)}" for at, value in enumerate(self))


class ParameterDict(Module):
    """A dict of parameters; plain tensors put in become parameters.

    Args:
        parameters: a dict, or pairs of name and tensor.

    Example:
        >>> scales = tp.nn.ParameterDict({"left": tp.ones(2), "right": tp.ones(2)})
        >>> sorted(scales.keys())
        ['left', 'right']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._names: list[str] = []
        self.update(parameters or {})

    def __getitem__(self, key: str) -> Any:
        if key not in self._names:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, _as_parameter(value))
        if key not in self._names:
            self._names.append(key)

    def __delitem__(self, key: str) -> None:
        self._names.remove(key)
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, key: str) -> bool:
        return key in self._names

    def keys(self) -> list[str]:
        """The names."""
        return list(self._names)

    def values(self) -> list[Any]:
        """The parameters."""
        return [self[key] for key in self._names]

    def items(self) -> list[tuple[str, Any]]:
        """Pairs of name and parameter."""
        return [(key, self[key]) for key in self._names]

    def pop(self, key: str) -> Any:
        """Take a parameter out and return it."""
        value = self[key]
        del self[key]
        return value

    def update(self, parameters: Any) -> None:
        """Add the parameters of a dict, or of pairs of name and tensor.

        Those of a plain dict come sorted by name, as PyTorch has them: the order is that of
        ``parameters()``, by which saved optimizers count.
        """
        ordered = isinstance(parameters, (OrderedDict, ParameterDict))
        plain = isinstance(parameters, Mapping) and not ordered
        for key, value in sorted(parameters.items()) if plain else dict(parameters).items():
            self[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that name, or ``default``."""
        if key not in self:
            return default
        return self[key]

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The parameter of that name, which becomes ``default`` where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Take the last parameter out and return it with its name."""
        key = self._names[-1]
        return key, self.pop(key)

    def clear(self) -> None:
        """Take all parameters out."""
        for key in self.keys():
            del self[key]

    def copy(self) -> ParameterDict:
        """A new dict of the same parameters."""
        return ParameterDict(OrderedDict(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dict with ``default`` under each of the names."""
        return ParameterDict([(key, default) for key in keys])

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._names)

    def __or__(self, other: ParameterDict) -> ParameterDict:
        both = self.copy()
        both.update(other)
        return both

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        return ParameterDict(other) | self

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    def extra_repr(self) -> str:
        """One line per value."""
        return "\n".join(f"({key}): {_describe(value)}" for key, value in self.items())


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        kind = "Parameter" if value._is_parameter else "Tensor"
        return f"{kind} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
    return f"Object of type: {type(value).__name__}"

"""Modules that hold modules (or parameters): in a row, in a list, by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from tensorplug.autograd.tensor import Tensor

from .module import Module
from .parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def _position(container: Any, index: Any, length: int) -> int:
    """``index`` counted from the front, checked."""
    try:
        number = operator.index(index)
    except TypeError:
        raise TypeError(
            f"{type(container).__name__}: expected an integer or slice as index, "
            f"got {type(index).__name__}"
        ) from None
    if not -length <= number < length:
        raise IndexError(
            f"{type(container).__name__}: expected an index from {-length} to {length - 1}, "
            f"got {number}"
        )
    return number % length


class _Row(Module):
    """Modules under the names "0", "1", ...; what Sequential and ModuleList share."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]  # a row holds no None

    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @overload
    def __getitem__(self, index: int) -> Module: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return type(self)(*self._wrap(list(self._modules.items())[index]))
        position = _position(self, index, len(self))
        return list(self._modules.values())[position]  # type: ignore[return-value]  # as above

    def _wrap(self, items: list[tuple[str, Any]]) -> tuple[Any, ...]:
        """The constructor's arguments for a slice."""
        return ([module for _, module in items],)

    def __setitem__(self, index: int, module: Module) -> None:
        name = list(self._modules)[_position(self, index, len(self))]
        self._modules[name] = self._checked(module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        picked = index if isinstance(index, slice) else _position(self, index, len(self))
        gone = names[picked]
        for name in gone if isinstance(gone, list) else [gone]:
            del self._modules[name]
        self._renumber(list(self._modules.values()))

    def _renumber(self, modules: list[Any]) -> None:
        self._modules.clear()
        self._modules.update({str(number): module for number, module in enumerate(modules)})

    def _checked(self, module: Any) -> Module:
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: expected a Module, got {type(module).__name__}"
            )
        return module

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self.register_module(str(len(self)), self._checked(module))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before position ``index``, as ``list.insert`` does."""
        row = list(self._modules.values())
        row.insert(index, self._checked(module))
        self._renumber(row)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take a module out and return it."""
        module = self[index]
        del self[index]
        return module

    def __add__(self, other: Iterable[Module]) -> Self:
        row = list(self)
        row.extend(other)
        return type(self)(*self._wrap([(str(at), module) for at, module in enumerate(row)]))

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)


class Sequential(_Row):
    """Modules called one after the other, each with the result of the one before.

    Args:
        *args: modules, or one dict of named modules.

    Example:
        >>> model = tp.nn.Sequential(tp.nn.Linear(4, 8), tp.nn.ReLU(), tp.nn.Linear(8, 2))
        >>> model(tp.zeros(3, 4)).shape
        tensorplug.Size([3, 2])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.register_module(name, self._checked(module))
        else:
            self.extend(args)

    def _wrap(self, items: list[tuple[str, Any]]) -> tuple[Any, ...]:
        return (dict(items),)

    def forward(self, input: Any) -> Any:
        """Run ``input`` through all modules in order."""
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]  # a row holds no None
        return input


class ModuleList(_Row):
    """A list of modules whose parameters belong to the model; it has no ``forward``.

    Args:
        modules: the modules to start with.

    Example:
        >>> layers = tp.nn.ModuleList(tp.nn.Linear(4, 4) for _ in range(3))
        >>> len(layers), len(list(layers.parameters()))
        (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __repr__(self) -> str:
        """Equal neighbours are shown once, with their range and number."""
        groups: list[list[Any]] = []  # [first, last, text]
        for number, module in enumerate(self):
            text = repr(module)
            if groups and groups[-1][2] == text:
                groups[-1][1] = number
            else:
                groups.append([number, number, text])
        if not groups:
            return f"{self._get_name()}()"
        lines = [
            f"({first}): {text}"
            if first == last
            else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in groups
        ]
        body = "".join("\n  " + line.replace("\n", "\n  ") for line in lines)
        return f"{self._get_name()}({body}\n)"


class ModuleDict(Module):
    """A dict of modules whose parameters belong to the model; it has no ``forward``.

    Args:
        modules: a dict, or pairs of name and module.

    Example:
        >>> heads = tp.nn.ModuleDict({"mean": tp.nn.Linear(4, 1), "var": tp.nn.Linear(4, 1)})
        >>> heads["mean"](tp.zeros(2, 4)).shape
        tensorplug.Size([2, 1])
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]  # type: ignore[return-value]  # no None here

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Pairs of name and module."""
        return self._modules.items()

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take a module out and return it."""
        return self._modules.pop(key)  # type: ignore[return-value]  # no None here

    def update(self, modules: Any) -> None:
        """Add the modules of a dict, or of pairs of name and module."""
        for key, module in dict(modules).items():
            self[key] = module


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
        return getattr(self, str(_position(self, index, self._size)))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(_position(self, index, self._size)), _as_parameter(value))

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
        """Add the parameters of a dict, or of pairs of name and tensor."""
        for key, value in dict(parameters).items():
            self[key] = value

    def extra_repr(self) -> str:
        """One line per value."""
        return "\n".join(f"({key}): {_describe(value)}" for key, value in self.items())


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        kind = "Parameter" if value._is_parameter else "Tensor"
        return f"{kind} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
    return f"Object of type: {type(value).__name__}"

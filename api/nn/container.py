"""Modules that hold modules: in a row, in a list, by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, overload

from .module import Module

__all__ = ["ModuleDict", "ModuleList", "Sequential", "position"]


def position(container: Any, index: Any, length: int) -> int:
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
        at = position(self, index, len(self))
        return list(self._modules.values())[at]  # type: ignore[return-value]  # as above

    def _wrap(self, items: list[tuple[str, Any]]) -> tuple[Any, ...]:
        """The constructor's arguments for a slice."""
        return ([module for _, module in items],)

    def __setitem__(self, index: int, module: Module) -> None:
        name = list(self._modules)[position(self, index, len(self))]
        self._modules[name] = self._checked(module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        picked = index if isinstance(index, slice) else position(self, index, len(self))
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

    def _times(self, count: int) -> list[Module]:
        if count <= 0:
            raise ValueError(f"Sequential: expected a factor of 1 or more, got {count}")
        return list(self) * count

    def __mul__(self, other: int) -> Sequential:
        """The same modules, ``other`` times over."""
        if not isinstance(other, int):
            return NotImplemented
        return Sequential(*self._times(other))

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Self:
        if not isinstance(other, int):
            return NotImplemented
        return self.extend(self._times(other)[len(self) :])

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

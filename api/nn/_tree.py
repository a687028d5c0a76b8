"""Walking a tree of modules: names, parameters, buffers and sub-modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tensorplug.autograd.tensor import Tensor

from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["ModuleTree"]


class ModuleTree:
    """What a :class:`Module` can say about its parts; it only reads the three registries."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; the module itself is ``""``.

        Args:
            memo: modules seen already, which are left out.
            prefix: put before every name.
            remove_duplicate: list a module that is used twice only once.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)  # type: ignore[arg-type]  # every ModuleTree is a Module
        yield prefix, self  # type: ignore[misc]  # a Module
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once unless ``remove_duplicate`` is False."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, each once, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly below this one, each once."""
        for _, module in self.named_children():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with dotted names.

        Args:
            prefix: put before every name.
            recurse: include those of all modules below.
            remove_duplicate: list a shared (tied) parameter only once.

        Example:
            >>> [name for name, _ in tp.nn.Linear(3, 4).named_parameters()]
            ['weight', 'bias']
        """
        yield from self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer is given."""
        for _, parameter in self._named("_parameters", "", recurse, True):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with dotted names; arguments as for :meth:`named_parameters`."""
        yield from self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        for _, buffer in self._named("_buffers", "", recurse, True):
            yield buffer

    def _named(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            modules = iter([(prefix, self)])  # type: ignore[list-item]  # a Module
        seen = set()
        for path, module in modules:
            for name, value in getattr(module, registry).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def get_submodule(self, target: str) -> Module:
        """The module with a dotted name, for example ``"layers.0.attention"``.

        Raises:
            AttributeError: there is no module of that name.
        """
        module: Any = self
        for name in target.split(".") if target else ():
            found = module._modules.get(name)
            if found is None:
                have = ", ".join(module._modules) or "none"
                raise AttributeError(
                    f"{type(self).__name__}.get_submodule: expected the name of a module, "
                    f"got {target!r}; {type(module).__name__} has no {name!r} (it has: {have})"
                )
            module = found
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` in the place of the one with a dotted name.

        Args:
            target: the name.
            module: the new module.
            strict: refuse a name that is not there yet.

        Raises:
            ValueError: ``target`` is empty, or ``module`` is no module.
            AttributeError: there is no module above it, or with ``strict`` none of that name.
        """
        owner = f"{type(self).__name__}.set_submodule"
        if not target:
            raise ValueError(f"{owner}: expected the name of a module below this one, got ''")
        if not isinstance(module, ModuleTree):
            raise ValueError(f"{owner}: expected a Module, got {type(module).__name__}")
        if strict:
            self.get_submodule(target)
        path, _, name = target.rpartition(".")
        self.get_submodule(path).register_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a dotted name.

        Raises:
            AttributeError: there is no parameter of that name.
        """
        return self._find("_parameters", "parameter", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with a dotted name.

        Raises:
            AttributeError: there is no buffer of that name.
        """
        return self._find("_buffers", "buffer", target)

    def _find(self, registry: str, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = getattr(module, registry).get(name)
        if found is None:
            have = ", ".join(getattr(module, registry)) or "none"
            raise AttributeError(
                f"{type(self).__name__}.get_{kind}: expected the name of a {kind}, "
                f"got {target!r}; {type(module).__name__} has: {have}"
            )
        return found

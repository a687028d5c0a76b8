"""Parametrizations: attributes of modules that are computed from others each time."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
    "remove_parametrizations", "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]  # fmt: skip

_CACHE: ContextVar[dict[tuple[int, str], Any] | None] = ContextVar(
    "tensorplug_parametrize_cache", default=None
)


@contextmanager
def cached() -> Iterator[None]:
    """Inside, every parametrized attribute is computed once and then reused.

    Example:
        >>> layer = tp.nn.utils.parametrizations.orthogonal(tp.nn.Linear(2, 2))
        >>> with tp.nn.utils.parametrize.cached():
        ...     layer.weight is layer.weight
        True
    """
    inside = _CACHE.get() is not None
    token = None if inside else _CACHE.set({})
    try:
        yield
    finally:
        if token is not None:
            _CACHE.reset(token)


class ParametrizationList(ModuleList):
    """The parametrizations of one attribute, and what they start from.

    That is ``original``, or ``original0``, ``original1``, ... where the first parametrization
    takes several tensors. Made by :func:`register_parametrization`.

    Args:
        modules: the parametrizations, in the order of their application.
        original: the attribute's tensor.
        unsafe: do not check that shape and dtype stay.

    Raises:
        ValueError, TypeError: what a ``right_inverse`` or a parametrization gives does not fit.
    """

    original: Tensor
    unsafe: bool

    def __init__(
        self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False
    ) -> None:
        if not modules:
            raise ValueError("ParametrizationList: expected at least one module, got none")
        super().__init__(modules)
        self.unsafe = unsafe
        with tp.no_grad():
            value: Any = original
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):  # then the values stay what they are
                        value = module.right_inverse(value)
        if not isinstance(value, (Tensor, Sequence)):
            raise ValueError(
                "right_inverse: expected a tensor or a sequence of tensors, got "
                f"{type(value).__name__}"
            )
        self.is_tensor = isinstance(value, Tensor)
        self.ntensors = 1 if self.is_tensor else len(value)
        if self.is_tensor:
            if not unsafe:
                _check_like("right_inverse", value, original)
            _set(original, value)  # type: ignore[arg-type]  # a tensor, as just seen
            _register(self, "original", original)
        else:
            for number, part in enumerate(value):
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad)
                _register(self, f"original{number}", part)
        if not unsafe:
            found = self()
            if not isinstance(found, Tensor):
                raise ValueError(
                    f"parametrization: expected a tensor as result, got {type(found).__name__}"
                )
            _check_like("parametrization", found, original)

    def _originals(self) -> list[Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{number}") for number in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the original tensors so that the attribute becomes ``value``.

        Raises:
            RuntimeError: a parametrization has no ``right_inverse``.
            TypeError, ValueError: what one gives does not fit the original tensors.
        """
        with tp.no_grad():
            found: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"{type(module).__name__}: expected a right_inverse, without which the "
                        "parametrized tensor cannot be assigned, got none"
                    )
                found = module.right_inverse(found)
            parts = [found] if self.is_tensor else list(found)
            if len(parts) != self.ntensors:
                raise ValueError(
                    f"right_inverse: expected {self.ntensors} tensors, got {len(parts)}"
                )
            for original, part in zip(self._originals(), parts, strict=True):
                if not isinstance(part, Tensor):
                    raise TypeError(f"right_inverse: expected tensors, got {type(part).__name__}")
                if part.dtype != original.dtype:
                    raise ValueError(
                        f"right_inverse: expected dtype {original.dtype}, got {part.dtype}"
                    )
                _set(original, part)

    def forward(self) -> Tensor:
        """The attribute's value."""
        first, *rest = self
        value = first(*self._originals())
        for module in rest:
            value = module(value)
        return value


def _check_like(name: str, found: Any, original: Tensor) -> None:
    for what in ("dtype", "shape"):
        got, wanted = getattr(found, what), getattr(original, what)
        if got != wanted:
            raise ValueError(
                f"{name}: expected a tensor of {what} {wanted}, as the attribute's, got {got}; "
                "pass unsafe=True to allow it"
            )


def _set(original: Tensor, value: Tensor) -> None:
    """New values for a tensor that stays the same object."""
    if value is not original:
        original.data = value.detach()


def _register(module: Module, name: str, value: Tensor) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


# --- the class of a parametrized module ---------------------------------------------------------


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    """A copy with a class of its own, so that each loses its parametrizations alone."""
    own = type(self)
    replica: Any = object.__new__(_subclass(own.__bases__[0], dict(vars(own))))
    memo[id(self)] = replica
    replica.__dict__ = copy.deepcopy(self.__dict__, memo)
    return replica


def _refuse_pickling(self: Any) -> Any:
    raise RuntimeError(
        f"{type(self).__name__}: expected a module without parametrizations to pickle, got one "
        "with; save its state_dict() instead"
    )


def _subclass(cls: type, body: dict[str, Any]) -> type:
    body = {name: value for name, value in body.items() if isinstance(value, property)}
    body |= {"__deepcopy__": _deepcopy, "__getstate__": _refuse_pickling}
    return type(f"Parametrized{cls.__name__}", (cls,), {**body, "__module__": cls.__module__})


def _attribute(name: str) -> property:
    def get(self: Any) -> Any:
        cache = _CACHE.get()
        if cache is None:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in cache:
            cache[key] = self.parametrizations[name]()
        return cache[key]

    def put(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or one attribute of it, has parametrizations.

    Example:
        >>> tp.nn.utils.parametrize.is_parametrized(tp.nn.Linear(2, 2))
        False
    """
    found = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Compute an attribute of a module by ``parametrization(original)`` from now on.

    The state dict then has ``parametrizations.<name>.original`` in place of ``<name>``. Several
    may be registered, each applied to the result of the one before. Assigning to the attribute
    calls the parametrizations' ``right_inverse(value)``, where they have one.

    Args:
        module: the module, whose class becomes a subclass of what it was.
        tensor_name: a parameter or a buffer of it.
        parametrization: a module from the tensor to a tensor.
        unsafe: allow it to change shape and dtype.

    Returns:
        ``module``.

    Raises:
        ValueError: there is no such tensor, or results of another shape or dtype.

    Example:
        >>> class Symmetric(tp.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).T
        >>> layer = tp.nn.Linear(3, 3)
        >>> _ = tp.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
        >>> layer.weight.equal(layer.weight.T), list(layer.state_dict())
        (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        _append(module, tensor_name, parametrization, unsafe)
    elif tensor_name in module._parameters or tensor_name in module._buffers:
        original: Any = getattr(module, tensor_name)
        found = ParametrizationList([parametrization], original, unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            module.__class__ = _subclass(type(module), {})
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _attribute(tensor_name))
        _list(module)[tensor_name] = found
    else:
        raise ValueError(
            f"register_parametrization: expected a parameter, buffer or parametrized tensor of "
            f"{type(module).__name__}, got {tensor_name!r}"
        )
    return module


def _list(module: Module) -> Any:
    return module._modules["parametrizations"]


def _append(module: Module, name: str, parametrization: Any, unsafe: bool) -> None:
    """One more parametrization of an attribute that has some."""
    found = _list(module)[name]
    if not unsafe:
        before = getattr(module, name)
        _check_like("parametrization", parametrization(before), before)
        if hasattr(parametrization, "right_inverse"):
            inverse = parametrization.right_inverse(before)
            if not isinstance(inverse, Tensor):
                raise ValueError(
                    "right_inverse: expected a tensor, as only the first parametrization may take "
                    f"several, got {type(inverse).__name__}"
                )
            _check_like("right_inverse", inverse, before)
    found.append(parametrization)
    found.unsafe |= unsafe


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make an attribute an ordinary tensor again.

    Args:
        module, tensor_name: which.
        leave_parametrized: keep the computed value; otherwise go back to the original.

    Returns:
        ``module``.

    Raises:
        ValueError: it has no parametrizations, or no single original to go back to.

    Example:
        >>> layer = tp.nn.utils.parametrizations.weight_norm(tp.nn.Linear(2, 2))
        >>> tp.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        Linear(in_features=2, out_features=2, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"remove_parametrizations: expected a parametrized tensor of {type(module).__name__}, "
            f"got {tensor_name!r}"
        )
    found = _list(module)[tensor_name]
    if found.is_tensor:
        original = found.original
        if leave_parametrized:
            with tp.no_grad():
                _set(original, getattr(module, tensor_name).clone())
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            f"remove_parametrizations: expected leave_parametrized=True, as {tensor_name!r} is "
            f"made of {found.ntensors} tensors, got False"
        )
    delattr(type(module), tensor_name)
    del _list(module)[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module._modules["parametrizations"]
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that the module had before parametrizations were registered."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Copy the parametrizations, and the parameters below them, of one module to another.

    Args:
        from_module: a parametrized module.
        to_module: one of the same class before parametrizations.
        tensor_name: which attribute; all when None.

    Returns:
        ``to_module``.

    Raises:
        RuntimeError: nothing is parametrized, or the attribute has no counterpart.
    """
    if not is_parametrized(from_module, tensor_name):
        raise RuntimeError(
            "transfer_parametrizations_and_params: expected a parametrized module, got "
            f"{type(from_module).__name__}"
        )
    names = list(_list(from_module)) if tensor_name is None else [tensor_name]
    for name in names:
        found = _list(from_module)[name]
        if not hasattr(to_module, name):
            own = found.original if found.is_tensor else getattr(from_module, name)
            setattr(to_module, name, Parameter(own.detach().clone()))
        for parametrization in found:
            register_parametrization(to_module, name, parametrization, unsafe=found.unsafe)
        for original, copied in zip(
            found._originals(), _list(to_module)[name]._originals(), strict=True
        ):
            with tp.no_grad():
                copied.copy_(original)
    return to_module

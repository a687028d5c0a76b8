"""Sample inputs of torch turned into calls on the subject, memory layout and aliasing kept."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import torch

from .subject import Subject

__all__ = ["Converter", "leaves", "rebind", "to_torch", "torch_numpy"]

_NAMED = (torch.dtype, torch.layout, torch.memory_format)


def torch_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A torch tensor's values as NumPy, bfloat16 included."""
    plain = tensor.detach().resolve_conj().resolve_neg()
    if plain.dtype == torch.bfloat16:
        return plain.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return plain.numpy()


def to_torch(array: np.ndarray) -> torch.Tensor:
    """The inverse of :func:`torch_numpy`; copies, so that no memory is shared."""
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(array, copy=True))


def leaves(value: Any, is_leaf: Callable[[Any], bool]) -> list[Any]:
    """The tensors inside nested tuples, lists and dicts, in order."""
    if is_leaf(value):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item, is_leaf)]
    return []


class Converter:
    """Turns one sample's values into the subject's; equal objects stay one object."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._tensors: dict[int, Any] = {}
        self._bases: dict[tuple[int, torch.dtype], Any] = {}
        self._alive: list[torch.Tensor] = []  # an address names a storage while that lives

    def call(self, arguments: tuple[Any, tuple[Any, ...], dict[str, Any]]) -> tuple[Any, Any, Any]:
        """Convert one call: its first argument, the others and the keywords."""
        value, args, kwargs = arguments
        return self(value), self(args), self.kwargs(kwargs)

    def __call__(self, value: Any) -> Any:
        """Convert ``value``, looking into tuples, lists, dicts, slices and functions."""
        if isinstance(value, torch.Tensor):
            if id(value) not in self._tensors:
                self._tensors[id(value)] = self._tensor(value)
            return self._tensors[id(value)]
        if isinstance(value, _NAMED):
            return getattr(self.subject.module, str(value).rsplit(".", 1)[-1])
        if isinstance(value, torch.device):
            return self.subject.module.device(self.subject.device)
        if isinstance(value, torch.Size):
            return tuple(value)
        if isinstance(value, torch.nn.Module):  # as a function, with its default settings
            return getattr(self.subject.module.nn, type(value).__name__)()
        return self._container(value)

    def kwargs(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Convert keyword arguments; a device given as text becomes the tested one."""
        converted = {name: self(value) for name, value in kwargs.items()}
        if isinstance(converted.get("device"), str):
            converted["device"] = self.subject.device
        return converted

    def _container(self, value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return type(value)([self(item) for item in value])
        if isinstance(value, dict):
            return {name: self(item) for name, item in value.items()}
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, torch.Generator):
            generator = self.subject.module.Generator(device=self.subject.device)
            generator.manual_seed(value.initial_seed())
            return generator
        if callable(value):
            return rebind(value, self.subject)
        return value

    def _tensor(self, source: torch.Tensor) -> Any:
        plain = source.detach().resolve_conj().resolve_neg()
        self._alive.append(plain)
        name = (plain.untyped_storage().data_ptr(), plain.dtype)
        whole = plain.is_contiguous() and plain.untyped_storage().nbytes() == plain.nbytes
        if whole and (name not in self._bases or not plain.numel()):
            made = self._bases[name] = self.subject.tensor(torch_numpy(plain))
        else:
            made = self._view(plain, name)
        return made.detach().requires_grad_() if source.requires_grad else made

    def _view(self, plain: torch.Tensor, name: tuple[int, torch.dtype]) -> Any:
        """A view of the storage's tensor, which is made once and then shared."""
        if name not in self._bases:
            count = plain.untyped_storage().nbytes() // plain.element_size()
            self._bases[name] = self.subject.tensor(
                torch_numpy(plain.as_strided((count,), (1,), 0))
            )
        base = self._bases[name]
        return base.as_strided(tuple(plain.shape), plain.stride(), plain.storage_offset())


def rebind(function: Any, subject: Subject) -> Any:
    """The same Python function with the subject standing where its code says ``torch``."""
    if isinstance(function, functools.partial):
        inner = rebind(function.func, subject)
        return functools.partial(inner, *function.args, **function.keywords)
    if not isinstance(function, types.FunctionType) or "torch" not in function.__globals__:
        return function
    module_globals = _globals_for(function.__globals__["__name__"], subject)
    if not module_globals:
        module_globals.update(function.__globals__)
        module_globals.update(torch=subject.module, wrapper_set_seed=_seeded(subject))
    copy = types.FunctionType(
        function.__code__,
        module_globals,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


@functools.cache
def _globals_for(module: str, subject: Subject) -> dict[str, Any]:
    """One globals dictionary per (module, subject), filled by the first function rebound."""
    return {}


def _seeded(subject: Subject) -> Callable[..., Any]:
    def call(operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        subject.module.manual_seed(42)
        return operation(*args, **kwargs)

    return call

"""Builds the PyTorch-shaped face: functions and Tensor methods, from the registry, in one loop."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .autograd.inplace import from_function
from .autograd.ops.products import OPERATOR as MATMUL_OPERATOR
from .autograd.registry import FUNCTIONS, ROWS, Public
from .autograd.tensor import Tensor

__all__ = ["METHODS", "build", "functions_of", "operators_of"]

METHODS = "Tensor"
"""The namespace of what is a method only, such as ``view``."""


def _inplace_name(name: str) -> str:
    return f"{name}_"


def build() -> dict[str, dict[str, Callable[..., Any]]]:
    """Attach methods to :class:`Tensor`; return the functions by namespace ("" is ``tp``)."""
    namespaces: dict[str, dict[str, Callable[..., Any]]] = {}
    for public in FUNCTIONS.values():
        names = (public.name, *public.aliases)
        space = namespaces.setdefault(public.namespace, {})
        for name in names:
            space[name] = public.call
        if public.namespace not in ("", METHODS):
            continue
        for name in names:
            if public.method and name not in Tensor.__dict__:
                setattr(Tensor, name, public.call)
        if public.inplace:
            method = from_function(public)
            method.__name__ = method.__qualname__ = _inplace_name(public.name)
            method.__doc__ = f"In-place version of :func:`tensorplug.{public.name}`."
            for name in names:
                if _inplace_name(name) not in Tensor.__dict__:
                    setattr(Tensor, _inplace_name(name), method)
    _operators(SimpleNamespace(**namespaces[""]))
    return namespaces


def functions_of(namespace: str) -> dict[str, Callable[..., Any]]:
    """The public functions of one namespace such as ``"linalg"``, by name."""
    return {
        name: public.call
        for public in FUNCTIONS.values()
        if public.namespace == namespace
        for name in (public.name, *public.aliases)
    }


_BINARY_OPERATORS = {
    "__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div",
    "__matmul__": "matmul", "__pow__": "pow", "__eq__": "eq", "__ne__": "ne", "__lt__": "lt",
    "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__and__": "bitwise_and",
    "__or__": "bitwise_or", "__xor__": "bitwise_xor", "__lshift__": "bitwise_left_shift",
    "__rshift__": "bitwise_right_shift", "__floordiv__": "floordiv", "__mod__": "remainder",
}  # fmt: skip
_UNARY_OPERATORS = {
    "__neg__": "neg", "__abs__": "abs", "__invert__": "bitwise_not", "__pos__": "positive",
}  # fmt: skip
_COMMUTE = {"__add__", "__mul__", "__and__", "__or__", "__xor__"}
_AS_OPERATOR = {"matmul": MATMUL_OPERATOR}
_CHECKED = {"pow"}  # refuses operands that kernels would take
_NO_REFLECTION = {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}


def operators_of(name: str) -> list[Callable[..., Any]]:
    """What Python's operators call for a function such as ``"matmul"``."""
    table = {**_BINARY_OPERATORS, **_UNARY_OPERATORS}
    return [Tensor.__dict__[dunder] for dunder, function in table.items() if function == name]


def _operators(functions: SimpleNamespace) -> None:
    """Python's operators: the rows' own call paths where there are rows, to save a call."""
    for dunder, name in _UNARY_OPERATORS.items():
        setattr(Tensor, dunder, getattr(functions, name))
    for dunder, name in _BINARY_OPERATORS.items():
        row = ROWS.get(name)
        if row is None or name in _CHECKED:
            function = getattr(functions, name)
        else:
            function = _AS_OPERATOR.get(name, row.call)
        if dunder in _NO_REFLECTION:
            setattr(Tensor, dunder, _or_unequal(function) if name in ("eq", "ne") else function)
            continue
        setattr(Tensor, dunder, function)
        reflected = function if dunder in _COMMUTE else _reflect(function)
        setattr(Tensor, f"__r{dunder[2:]}", reflected)
        if row is not None and row.family.inplace:
            inplace = from_function(Public(name, function, row=row))
            setattr(Tensor, f"__i{dunder[2:]}", inplace)
    Tensor.__rdiv__ = Tensor.__rtruediv__  # type: ignore[method-assign]  # torch has both


def _or_unequal(function: Callable[..., Any]) -> Callable[..., Any]:
    """``x == y`` is False, not an error, when ``y`` is nothing to compare with (None, text)."""

    def compare(self: Tensor, other: Any) -> Any:
        if type(other) is Tensor or not (other is None or isinstance(other, str)):
            return function(self, other)
        return NotImplemented

    return compare


def _reflect(function: Callable[..., Any]) -> Callable[..., Any]:
    def reflected(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return reflected

"""Settings of parameter groups: defaults from a constructor's arguments, numbers from tensors."""

from __future__ import annotations

from typing import Any

from tensorplug.autograd.tensor import Tensor

__all__ = ["given", "number", "required", "setting"]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()
"""A default that each parameter group must replace."""


def given(arguments: dict[str, Any]) -> dict[str, Any]:
    """A constructor's ``locals()`` as the defaults of its groups."""
    return {k: v for k, v in arguments.items() if k not in ("self", "params", "__class__")}


def number(value: Any) -> Any:
    """A setting as a Python number; learning rates may be tensors of one element."""
    return value.item() if isinstance(value, Tensor) else value


def setting(group: dict[str, Any], name: str) -> Any:
    """A setting as a Python number; as it is where a step must read no values (capturable)."""
    value = group[name]
    return value if group.get("capturable") else number(value)

"""Rows for fused derivatives: one kernel in a plain backward pass, a composition in a recorded one.

A derivative that is worth a kernel of its own would need a derivative itself, for
``create_graph=True``. Such a row has none: called with tensors it runs its formula over tensor
functions, whose own rules then give derivatives of every order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..families import GENERIC
from ..kernels import tensor_kernels
from ..registry import Row, op

__all__ = ["composed"]


def composed(
    name: str, formula: Callable[..., Any], inputs: tuple[str, ...], attrs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = ("out",),
) -> Row:  # fmt: skip
    """Declare an internal row ``name`` that computes ``formula(F, *inputs, *attrs)``."""

    def call(*args: Any) -> Any:
        return formula(tensor_kernels(args[0]._device), *args)

    return op(name, GENERIC, inputs=inputs, attrs=attrs, outputs=outputs, xp=None,
              generic=formula, public=False, call=call)  # fmt: skip

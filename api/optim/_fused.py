"""Steps that a backend can do for many parameters at once: :meth:`Backend.fused_steps`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorplug.autograd.inplace import bump
from tensorplug.autograd.tensor import Tensor

__all__ = ["fused_step"]

State = dict[str, Any]


def fused_step(
    kind: str, numbers: Mapping[str, Any], params: list[Tensor], states: Any,
    names: tuple[str, ...],
) -> list[Tensor]:  # fmt: skip
    """Do a step for all parameters whose backend has one, and give those that are left.

    Args:
        kind: the step's name, ``"adam"`` or ``"sgd"``.
        numbers: its settings, Python numbers; ``step`` is added where the states count them.
        params: the parameters, each with a gradient.
        states: their states, begun.
        names: the tensors in a state that the step reads and writes.
    """
    left, groups = [], dict[Any, list[Tensor]]()
    for param in params:
        state = states.get(param, {})
        kernel = param._device.backend.fused_steps().get(kind)
        if kernel is None or any(type(state.get(name)) is not Tensor for name in names):
            left.append(param)
        else:
            key = (param._device, param._dtype, state.get("step"), kernel)
            groups.setdefault(key, []).append(param)
    for (device, _, step, kernel), some in groups.items():
        tensors = [[states[param][name] for param in some] for name in names]
        given = dict(numbers) if step is None else {**numbers, "step": step + 1}
        arrays = [[tensor._h for tensor in row] for row in tensors]
        grads = [param._grad._h for param in some]  # type: ignore[union-attr]  # who calls looked
        inside = device.F.enter
        if inside is not None:
            inside.__enter__()
        try:
            done = kernel([param._h for param in some], grads, arrays, given)
        finally:
            if inside is not None:
                inside.__exit__(None, None, None)
        if not done:
            left += some
            continue
        for tensor in (*some, *(tensor for row in tensors for tensor in row)):
            bump(tensor)
        for param in some if step is not None else ():
            states[param]["step"] = step + 1
    return left

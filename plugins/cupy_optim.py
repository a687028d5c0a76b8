"""Steps of optimizers on CUDA devices: one launch for many parameters, whatever their shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..backends.base import Kernel
from .cupy_launch import Kernels

__all__ = ["MOST", "kernels"]

MOST = 36
"""How many parameters one launch takes: their addresses are arguments, of which there are 4 KB."""

_optim = Kernels("optim")

_TENSORS = np.dtype([
    ("count", np.int64, MOST), ("param", np.uint64, MOST), ("grad", np.uint64, MOST),
    ("state", np.uint64, (3, MOST)),
])  # fmt: skip

_SETTINGS = np.dtype([
    *((name, np.float64) for name in
      ("lr", "decay", "a", "b", "eps", "correction1", "correction2")),
    ("number", np.int64), ("flags", np.int64),
])  # fmt: skip

_MAXIMIZE, _DECOUPLED, _THIRD = 1, 2, 4


def _launch(
    name: str, params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]],
    settings: Any, kind: Any,
) -> None:  # fmt: skip
    """Launch for ``MOST`` parameters at a time; ``states`` has a sequence for each state."""
    for start in range(0, len(params), MOST):
        table = np.zeros(1, _TENSORS)
        some = range(start, min(start + MOST, len(params)))
        settings["number"] = len(some)
        for at, which in enumerate(some):
            table["count"][0, at] = params[which].size
            table["param"][0, at] = params[which].data.ptr
            table["grad"][0, at] = grads[which].data.ptr
            for number, state in enumerate(states):
                table["state"][0, number, at] = state[which].data.ptr
        largest = max(params[which].size for which in some)
        _optim(name, kind, largest, table, settings, more=len(some))


def _fits(params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]]) -> bool:
    """Whether all are contiguous, in type and size like the first."""
    kind = params[0].dtype
    rows = (params, grads, *states)
    return kind.kind in "fV" and all(
        array.flags.c_contiguous and array.dtype == kind and array.size == param.size
        for row in rows
        for array, param in zip(row, params, strict=True)
    )


def _adam(
    params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]],
    numbers: Mapping[str, Any],
) -> bool:  # fmt: skip
    """One step of Adam or AdamW, in place; False where the arrays are not fit for it."""
    if not _fits(params, grads, states):
        return False
    settings = np.zeros(1, _SETTINGS)
    beta1, beta2 = numbers["betas"]
    settings["lr"], settings["decay"], settings["eps"] = (
        numbers["lr"], numbers["weight_decay"], numbers["eps"])  # fmt: skip
    settings["a"], settings["b"] = beta1, beta2
    settings["correction1"] = 1 - beta1 ** numbers["step"]
    settings["correction2"] = 1 - beta2 ** numbers["step"]
    settings["flags"] = (
        _MAXIMIZE * bool(numbers["maximize"])
        + _DECOUPLED * bool(numbers["decoupled"])
        + _THIRD * (len(states) > 2)
    )
    _launch("adam", params, grads, states, settings, params[0].dtype)
    return True


def _sgd(
    params: Sequence[Any], grads: Sequence[Any], states: Sequence[Sequence[Any]],
    numbers: Mapping[str, Any],
) -> bool:  # fmt: skip
    """One step of gradient descent, in place; False where the arrays are not fit for it."""
    if not _fits(params, grads, states):
        return False
    settings = np.zeros(1, _SETTINGS)
    settings["lr"], settings["decay"] = numbers["lr"], numbers["weight_decay"]
    settings["a"], settings["b"] = numbers["momentum"], numbers["dampening"]
    settings["flags"] = _MAXIMIZE * bool(numbers["maximize"]) + _THIRD * bool(numbers["nesterov"])
    _launch("sgd", params, grads, states, settings, params[0].dtype)
    return True


def kernels() -> Mapping[str, Kernel]:
    """The steps of this file, for :meth:`Backend.fused_steps`."""
    return {"adam": _adam, "sgd": _sgd}

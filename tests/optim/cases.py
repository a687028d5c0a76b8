"""The optimizers with their arguments, and parameters to try them on, for several tests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

TABLE: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.1, "maximize": True, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.5, "nesterov": True, "maximize": True, "foreach": True},
    ],
    "Adam": [
        {"lr": 0.1},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1},
        {"lr": 0.1, "amsgrad": True, "maximize": True, "foreach": False},
        {"lr": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.1},
    ],
    "AdamW": [{"lr": 0.1}, {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True, "maximize": True}],
    "Adamax": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
    ],
    "NAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1},
    ],
    "RAdam": [
        {"lr": 0.1},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "Adagrad": [
        {"lr": 0.1},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-2},
    ],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}],
    "RMSprop": [
        {},
        {"lr": 0.1, "alpha": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "centered": True},
    ],
    "Rprop": [{"lr": 0.1}, {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-3, 0.2)}],
    "ASGD": [
        {"lr": 0.1},
        {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 3, "weight_decay": 0.1, "maximize": True},
    ],
    "Adafactor": [
        {"lr": 0.1},
        {"lr": 0.1, "beta2_decay": -0.5, "eps": (1e-3, 1e-2), "d": 2.0, "weight_decay": 0.1},
        {"lr": 0.1, "maximize": True},
    ],
}
CASES = [(name, settings) for name, rows in TABLE.items() for settings in rows]

SHAPES = [(3, 4), (4,), (), (2, 1, 2)]


def start(shape: tuple[int, ...]) -> list[float]:
    return [math.sin(1 + position) for position in range(math.prod(shape))]


def parameters(lib: Any, dtype: str = "float64") -> list[Any]:
    return [
        lib.tensor(start(shape), dtype=getattr(lib, dtype)).reshape(shape).requires_grad_()
        for shape in SHAPES
    ]


def steps(optimizer: Any, params: list[Any], count: int) -> None:
    for step in range(count):
        optimizer.zero_grad()
        for number, param in enumerate(params):
            if number != 1 or step != 1:  # once, one has no gradient
                (param * 2 - number).sin().sum().backward()  # never far away
        optimizer.step()


def flat(values: Any) -> list[float]:
    """All numbers in a tensor, a number, or lists of them."""
    return list(_numbers(values))


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item)
    elif hasattr(value, "detach"):
        yield from value.detach().reshape(-1).tolist()
    elif value is not None:
        yield value

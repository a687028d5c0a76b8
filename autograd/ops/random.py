"""Rows that give random values their place in the graph: the gradient through a draw is zero.

The values are drawn outside (``tensorplug.backends.random``); a row only ties them to the tensor
whose values or shape they came from, as PyTorch does.
"""

from __future__ import annotations

from ..families import GENERIC
from ..registry import op

__all__ = ["DRAWS"]

DRAWS = (
    "bernoulli", "cauchy", "exponential", "geometric", "log_normal", "normal", "poisson",
    "random", "uniform",
)  # fmt: skip
"""Distributions; the row of each is ``drawn_<name>(x, value)``, which gives ``value``."""

for _name in DRAWS:
    op(
        f"drawn_{_name}",
        GENERIC,
        inputs=("x", "value"),
        xp=None,
        generic=lambda F, x, value: value,
        node="".join(part.capitalize() for part in _name.split("_")),
        public=False,
        grad={
            "x": lambda F, g, x_shape, x_dtype: F.zeros(x_shape, x_dtype),
            "value": lambda F, g: g,
        },
    )

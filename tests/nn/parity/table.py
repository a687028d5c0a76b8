"""How a case is written: a layer's name, its arguments, and what its inputs look like."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Case", "Input", "bools", "case", "ints", "losses", "pos", "signs", "unit", "x"]


class Input(NamedTuple):
    """A tensor that both libraries are given; floats need a gradient in the layer's dtype."""

    kind: str
    shape: tuple[int, ...]
    low: float = 0
    high: float = 0

    def array(self, draw: np.random.Generator) -> np.ndarray[Any, Any]:
        """Its values, float64 or int64."""
        if self.kind == "int":
            return draw.integers(int(self.low), int(self.high), self.shape)
        if self.kind == "sign":
            return draw.choice([-1.0, 1.0], self.shape)
        return draw.uniform(self.low, self.high, self.shape)


def x(*shape: int) -> Input:
    """Numbers around 0."""
    return Input("float", shape, -2, 2)


def unit(*shape: int) -> Input:
    """Probabilities, not too near to 0 and 1."""
    return Input("float", shape, 0.05, 0.95)


def pos(*shape: int) -> Input:
    """Positive numbers."""
    return Input("float", shape, 0.3, 2)


def signs(*shape: int) -> Input:
    """1 and -1, floats without a gradient."""
    return Input("sign", shape)


def ints(shape: tuple[int, ...], low: int, high: int) -> Input:
    """Integers from ``low`` to below ``high``."""
    return Input("int", shape, low, high)


def bools(*values: Any) -> Any:
    """Plain values, handed over as they are."""
    return values


class Case(NamedTuple):
    """One layer with its settings and inputs."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[Any, ...]
    random: bool = False
    """Draws numbers in training, so that only evaluation is compared."""

    @property
    def title(self) -> str:
        """What pytest shows."""

        def short(value: Any) -> str:
            if isinstance(value, Input):
                return f"{value.kind}{list(value.shape)}"
            return getattr(value, "__name__", str(value))

        settings = [short(v) for v in self.args]
        settings += [f"{k}={short(v)}" for k, v in self.kwargs.items()]
        return f"{self.name}({','.join(settings)})({','.join(map(short, self.inputs))})"

    def draw(self) -> np.random.Generator:
        """A source of numbers that belongs to this case."""
        return np.random.default_rng(zlib.crc32(self.title.encode()))


def case(name: str, *args: Any, of: Any, random: bool = False, **kwargs: Any) -> Case:
    """``case("Linear", 3, 4, of=x(2, 3))``; several inputs as a list."""
    inputs = tuple(of) if isinstance(of, list) else (of,)
    return Case(name, args, kwargs, inputs, random)


def losses(name: str, *args: Any, of: Any, **kwargs: Any) -> list[Case]:
    """The case of a loss with each reduction."""
    return [
        case(name, *args, of=of, **kwargs, reduction=reduction)
        for reduction in ("mean", "sum", "none")
    ]

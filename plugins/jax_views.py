"""Reading and writing views: slices with starts that are known only when the program runs.

A loop over ``x[i]`` would otherwise make a program for each ``i``. The chain of steps is the same
for all of them but for where its slices begin, so those numbers are an input of the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain as concatenate
from typing import Any

import jax.numpy as jnp
from jax import lax

from ..backends.steps import Chain, Index, Ops, Step
from ..backends.storage import fold, unfold

__all__ = ["Window", "positions", "read_chain", "windowed", "write_chain"]


class Window(Step):
    """An :class:`Index` without its starts: per dimension how far it reaches, and in what steps.

    ``reach`` counts the elements from the first to the last; ``steps`` are 0 where the dimension
    goes away.
    """

    __slots__ = ("reach", "source", "starts", "steps")
    partial = True

    def __init__(self, index: Index) -> None:
        self.source = index.source
        self.shape = index.shape
        self.steps = tuple(0 if isinstance(i, int) else i.step for i in index.items)
        self.reach = tuple(
            1 if isinstance(i, int) else (abs(i[-1] - i[0]) + 1 if i else 0) for i in index.items
        )
        self.starts: Any = None

    def _key(self) -> tuple[Any, ...]:
        return (self.source, self.reach, self.steps)

    def at(self, starts: Any) -> Window:
        """The same with starts, one scalar per dimension."""
        found = Window.__new__(Window)
        found.source, found.shape = self.source, self.shape
        found.steps, found.reach, found.starts = self.steps, self.reach, starts
        return found

    def read(self, ops: Ops, array: Any) -> Any:
        if 0 in self.reach:
            return jnp.zeros(self.shape, array.dtype)
        if self.reach != self.source:
            array = lax.dynamic_slice(array, self.starts, self.reach)
        if any(abs(step) > 1 for step in self.steps):
            strides = [abs(step) or 1 for step in self.steps]
            array = lax.slice(array, (0,) * array.ndim, array.shape, strides)
        return self._turned(array).reshape(self.shape)

    def write(self, ops: Ops, parent: Any, child: Any) -> Any:
        if 0 in self.reach:
            return parent
        full = tuple(
            1 if step == 0 else -(-reach // abs(step))
            for step, reach in zip(self.steps, self.reach, strict=True)
        )
        child = self._turned(child.reshape(full))
        if full == self.reach:  # no gaps
            return lax.dynamic_update_slice(parent, child, self.starts)
        dense = lax.dynamic_slice(parent, self.starts, self.reach)
        key = tuple(slice(None, None, abs(step) or None) for step in self.steps)
        return lax.dynamic_update_slice(parent, dense.at[key].set(child), self.starts)

    def _turned(self, array: Any) -> Any:
        backwards = [dim for dim, step in enumerate(self.steps) if step < 0]
        return lax.rev(array, backwards) if backwards else array


def positions(chain: Chain) -> list[int]:
    """Where the slices of a chain begin: the lowest position, per dimension, step by step."""
    return list(concatenate.from_iterable(_lowest(step) for step in chain))


def _lowest(step: Step) -> Iterator[int]:
    if isinstance(step, Index):
        for item in step.items:
            yield item if isinstance(item, int) else min(item[0], item[-1]) if item else 0


def windowed(chain: Chain) -> Chain:
    """The chain without these positions, equal for all that differ in nothing else."""
    return tuple(Window(step) if isinstance(step, Index) else step for step in chain)


def _placed(chain: Chain, starts: Any) -> Chain:
    found: list[Step] = []
    at = 0
    for step in chain:
        if isinstance(step, Window):
            count = len(step.source)
            step, at = step.at([starts[at + i] for i in range(count)]), at + count
        found.append(step)
    return tuple(found)


def read_chain(ops: Ops, chain: Chain, array: Any, starts: Any) -> Any:
    """:func:`tensorplug.backends.storage.fold` with the starts of a :func:`windowed` chain."""
    return fold(ops, array, _placed(chain, starts))


def write_chain(ops: Ops, chain: Chain, array: Any, starts: Any, child: Any) -> Any:
    """:func:`tensorplug.backends.storage.unfold`, likewise."""
    return unfold(ops, array, _placed(chain, starts), child)

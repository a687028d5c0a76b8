"""Walking over a packed batch of sequences: what the general and the fast recurrent kernels share.

Sequences are sorted by falling length and *packed*: the elements of time step 0 of all of them,
then those of time step 1 of all that have one, and so on; ``sizes`` says how many each step has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["State", "before", "steps"]

Sizes = tuple[int, ...]


def steps(sizes: Sizes, backwards: bool) -> list[slice]:
    """The rows of every time step, in the order of the walk."""
    found, total = [], 0
    for size in sizes:
        found.append(slice(total, total + size))
        total += size
    return found[::-1] if backwards else found


class State:
    """What goes from step to step, with as many rows as the step has sequences.

    Sequences join with their row of ``start`` and leave with their last value. ``index(x, key)``
    and ``concat(list, dim)`` are the array functions to use.
    """

    def __init__(
        self, index: Callable[..., Any], concat: Callable[..., Any], start: Any, rows: int
    ) -> None:
        self.index, self.concat, self.start = index, concat, start
        self.left: list[Any] = []
        whole = rows == start.shape[0]
        self.now: Any = start if whole else index(start, (slice(rows),))

    def resize(self, rows: int) -> Any:
        """The state for the next step."""
        have = self.now.shape[0]
        if rows < have:
            self.left.append(self.index(self.now, (slice(rows, have),)))
            self.now = self.index(self.now, (slice(rows),))
        elif rows > have:
            joining = self.index(self.start, (slice(have, rows),))
            self.now = self.concat([self.now, joining], 0)
        return self.now

    def last(self) -> Any:
        """The last value of every sequence."""
        return self.concat([self.now, *reversed(self.left)], 0) if self.left else self.now


def before(
    index: Callable[..., Any], concat: Callable[..., Any], start: Any, values: Any, sizes: Sizes,
    backwards: bool,
) -> Any:  # fmt: skip
    """For every row of the packed ``values``, the state that its step began with."""
    walk = steps(sizes, backwards)
    state, parts = State(index, concat, start, sizes[-1 if backwards else 0]), []
    for step in walk:
        parts.append(state.resize(step.stop - step.start))
        state.now = index(values, (step,))
    return concat(parts[::-1] if backwards else parts, 0)

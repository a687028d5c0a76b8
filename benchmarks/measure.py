"""Timing several libraries side by side, and the tables that come of it."""

from __future__ import annotations

import math
import timeit
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["OURS", "Group", "Row", "geometric_mean", "interleaved", "statements"]

OURS = "tensorplug"
SLICE = 0.004  # seconds that one timing should last: long against the clock, short against drift


@dataclass
class Row:
    """One line of a table: seconds per call (or bytes) of each library, or what went wrong."""

    name: str
    seconds: dict[str, float] = field(default_factory=dict)
    error: str = ""

    def ratio(self, to: str) -> float | None:
        """Our time over another library's, None where either is missing."""
        ours, theirs = self.seconds.get(OURS), self.seconds.get(to)
        return ours / theirs if ours and theirs else None


@dataclass
class Group:
    """A table, with the library compared to and the ratio that we want not to exceed.

    ``each`` asks it of every row; otherwise it is asked of the rows' geometric mean. ``bar`` is
    asked of every row in place of a ratio: the seconds that our call may take longer.
    """

    title: str
    rows: list[Row]
    to: str = "torch"
    target: float | None = None
    each: bool = False
    unit: str = "s"
    bar: float | None = None

    def excess(self) -> float | None:
        """What is held against the bar: the most seconds that ours takes longer."""
        pairs = [(row.seconds.get(OURS), row.seconds.get(self.to)) for row in self.rows]
        found = [ours - theirs for ours, theirs in pairs if ours and theirs]
        return max(found) if found else None

    def figure(self) -> float | None:
        """What is held against the target: the worst or the mean ratio."""
        ratios = [ratio for row in self.rows if (ratio := row.ratio(self.to)) is not None]
        if not ratios:
            return None
        return max(ratios) if self.each else geometric_mean(ratios)


def geometric_mean(values: list[float]) -> float:
    """The n-th root of the product.

    Raises:
        ValueError: for an empty list.
    """
    if not values:
        raise ValueError("geometric_mean: expected at least one value, got none")
    return math.exp(sum(math.log(value) for value in values) / len(values))


def interleaved(timers: dict[str, timeit.Timer], repeats: int) -> dict[str, float]:
    """Best seconds per call of each timer; they take turns, so that all meet the same weather."""
    counts = {}
    for name, timer in timers.items():
        timer.timeit(1)  # the first call may import, resolve kernels or touch fresh memory
        once = max(min(timer.repeat(3, 1)), 1e-8)
        counts[name] = max(1, min(20_000, int(SLICE / once)))
    best = dict.fromkeys(timers, math.inf)
    for _ in range(repeats):
        for name, timer in timers.items():
            best[name] = min(best[name], timer.timeit(counts[name]) / counts[name])
    return best


def statements(name: str, codes: dict[str, tuple[str, dict[str, Any]]], repeats: int) -> Row:
    """Time one statement per library, each with its own names."""
    timers = {
        library: timeit.Timer(code, globals=names) for library, (code, names) in codes.items()
    }
    return attempt(name, lambda: interleaved(timers, repeats))


def attempt(name: str, measure: Callable[[], dict[str, float]]) -> Row:
    """A row of what ``measure`` returns; an exception becomes the row's text, the run goes on."""
    try:
        return Row(name, measure())
    except Exception as error:  # noqa: BLE001  # shown in the row
        return Row(name, error=f"{type(error).__name__}: {error}"[:200])

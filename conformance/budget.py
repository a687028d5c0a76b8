"""``--budget SECONDS``: the tests that find most in least time first, until the time is used up.

``data/finds.json`` says of each test how many of the seeded faults it finds, and how long one of
its cases takes on ``cpu``; ``make faults WRITE=1`` writes it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from time import perf_counter

import pytest

__all__ = ["Budget", "by_worth"]


def finds() -> dict[str, tuple[int, float]]:
    """By test, as ``file::function``: the faults that it finds, and seconds for a case."""
    text = (files("tensorplug.conformance") / "data" / "finds.json").read_text("utf-8")
    return {
        test: (int(found), float(seconds)) for test, (found, seconds) in json.loads(text).items()
    }


def by_worth(names: Sequence[str]) -> list[int]:
    """The places of tests, by their names without parameters, in the order to run them.

    A test with many cases is worth what it finds divided by the time of them all. Those that found
    nothing come last, the short ones first.
    """
    known, cases = finds(), Counter(names)

    def rank(place: int) -> tuple[float, float]:
        found, seconds = known.get(names[place], (0, 0.01))
        cost = max(cases[names[place]] * seconds, 1e-3)
        return -found / cost, cost

    return sorted(range(len(names)), key=rank)


class Budget:
    """A pytest plugin that leaves out what is left when the time is up; no test is cut short."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began = seconds, 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """The time runs from the first test on."""
        now = perf_counter()
        self.began = self.began or now
        return True if now - self.began > self.seconds else None

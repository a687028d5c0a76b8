"""How many tests there are: those collected, before anything was left out, and those chosen.

A report holds both, so that a run of fewer tests is not taken for a whole one, however they were
left out: by options of pytest, by another plugin, by an interrupt or a crash.
"""

from __future__ import annotations

from typing import Any

import pytest

__all__ = ["TALLY", "Tally", "has_no_case", "parameters"]

_SENT = "tensorplug-tally"


def parameters(item: pytest.Item) -> dict[str, Any]:
    """The arguments with which a test is run."""
    call = getattr(item, "callspec", None)
    return call.params if call is not None else {}


def has_no_case(item: pytest.Item) -> bool:
    """Whether a test was left without anything to try: pytest keeps it, to be skipped."""
    return any(type(value).__name__ == "NotSetType" for value in parameters(item).values())


class Tally:
    """A pytest plugin that counts; under xdist the workers count, and tell the controller."""

    def __init__(self) -> None:
        self.expected: dict[str, dict[str, int]] = {}
        """The number of cases by device ("" for none) and test, as ``file::function``."""
        self.chosen = 0

    def add(self, test: str, device: str, cases: int) -> None:
        """Expect some cases of a test; 0 says that there is such a test."""
        mine = self.expected.setdefault(device, {})
        mine[test] = mine.get(test, 0) + cases

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Count before anybody leaves something out."""
        for item in items:
            if item.get_closest_marker("exhaustive"):
                continue  # no level asks for them
            device = parameters(item).get("device")
            test = f"{item.path.name}::{getattr(item, 'originalname', '')}"
            self.add(test, device if isinstance(device, str) else "", not has_no_case(item))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what is left."""
        self.chosen = len(session.items)

    # --- under xdist ------------------------------------------------------------------------------
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the controller; every worker has collected the same."""
        sent: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if sent is not None:
            sent[_SENT] = self.expected

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """How many a worker has chosen."""
        self.chosen = len(ids)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker has expected; one that crashed says nothing."""
        self.expected = getattr(node, "workeroutput", {}).get(_SENT, self.expected)


TALLY = pytest.StashKey[Tally]()
"""Where pytest's configuration keeps the tally of a run."""

"""A pytest plugin for the public array API suite: its own skip marks do not count.

The suite marks ``test_remainder`` as flaky and skips it. A result without skips has to include it:
``pytest -p unskip`` with this folder on ``PYTHONPATH``; see docs/array_api.md.
"""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take the marks off; what a test does when it runs is its own affair."""
    for item in items:
        for node in item.listchain():
            node.own_markers[:] = [mark for mark in node.own_markers if mark.name != "skip"]

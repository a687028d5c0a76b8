"""Settings shared by all tests: hypothesis profiles and the guard against double imports."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("quick", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=200, deadline=None, derandomize=True)
PROFILE = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick")
settings.load_profile(PROFILE)

OUR_FOLDERS = ("api", "autograd", "backends", "plugins")


def _double_imports() -> str:
    """Say which of our folders were imported under their folder's name, or return ''."""
    found = [name for name in OUR_FOLDERS if name in sys.modules]
    if not found:
        return ""
    return (
        f"imports: expected our folders only as tensorplug.*, got {', '.join(found)} as top-level "
        "modules (a second copy with a second registry); import tensorplug.* and run pytest "
        "with --import-mode=importlib"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tests that take long by starting many processes are left to CI, which is thorough."""
    config.addinivalue_line("markers", "slow: run in the thorough profile only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless there is time."""
    if PROFILE != "quick":
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_collection_finish() -> None:
    """Stop before any test runs when collecting alone has loaded a folder twice."""
    problem = _double_imports()
    if problem:
        raise pytest.UsageError(problem)


@pytest.fixture(autouse=True)
def _no_double_imports() -> Iterator[None]:
    """Fail the test that loads one of our folders under its folder's name."""
    yield
    problem = _double_imports()
    if problem:
        pytest.fail(problem, pytrace=False)

"""What pytest loads in every project where tensorplug is installed, so it must cost nothing.

It is the top-level package ``tensorplug_pytest`` because importing ``tensorplug.<anything>`` would
import the whole library into each pytest run. A ``conftest.py`` cannot do this job: pytest loads
the one of a ``--pyargs`` package only after it has parsed the command line, so ``--device`` would
be unknown. And a plain plugin would give every user of pytest an option called ``--device``.
"""

from __future__ import annotations

import pytest

SUITE = "tensorplug.conformance"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Load the suite's own plugin, with its options, only when the suite is what is asked for."""
    if any(arg == SUITE or arg.startswith((f"{SUITE}.", f"{SUITE}::")) for arg in args):
        early_config.pluginmanager.import_plugin(f"{SUITE}.plugin")

"""The suite that every backend must pass; see ``tensorplug conformance --help``."""

from __future__ import annotations

__all__ = ["LEVELS", "PROFILES", "SHARES", "SUITE_VERSION"]

SUITE_VERSION = "2026.1"
"""Year and number of the list of tests that must pass; see :mod:`tensorplug.conformance.levels`."""

LEVELS = ("loads", "stores", "computes", "mutates", "trains", "serves")
"""What a backend does at levels 0 to 5; the files of level 2 are called ``test_l2_*.py``."""

PROFILES = {"quick": 12, "thorough": 200, "exhaustive": 200}
"""How many examples hypothesis tries in each profile."""

SHARES = {"quick": 64, "thorough": 16, "exhaustive": 1}
"""Of how many cases one is tried on a device where each costs a compilation."""

"""The suite that every backend must pass."""

PROFILES = {"quick": 12, "thorough": 200, "exhaustive": 200}
"""How many examples hypothesis tries in each profile."""

SHARES = {"quick": 32, "thorough": 8, "exhaustive": 1}
"""Of how many cases one is tried on a device where each costs a compilation."""

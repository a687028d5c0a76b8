"""The suite that every backend must pass."""

PROFILES = {"quick": 12, "thorough": 200}
"""How many examples hypothesis tries in each profile."""

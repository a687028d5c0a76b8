"""Which names are compared: the operator database in three tiers, read from ``tiers.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

__all__ = ["entry_tier", "key", "names"]

_FILE = Path(__file__).with_name("tiers.toml")


def key(namespace: str, name: str) -> str:
    """The dotted name as a user writes it after ``tp.``: ``add``, ``nn.functional.relu``."""
    return name if namespace in ("torch", "own") else f"{namespace}.{name}"


@cache
def _tier_of() -> dict[str, int]:
    """Tier of every entry, by dotted name with its variant where the file has one."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        key(namespace, name): int(tier.removeprefix("tier"))
        for namespace, tiers in table.items()
        for tier, names in tiers.items()
        for name in names.split()
    }


def names(tier: int) -> list[str]:
    """Dotted names (without variants) of one tier, each once, in the file's order.

    Raises:
        ValueError: when ``tier`` is not 1, 2 or 3.
    """
    if tier not in (1, 2, 3):
        raise ValueError(f"names: expected tier 1, 2 or 3, got {tier}")
    found = [name.split("/")[0] for name, of in _tier_of().items() if of == tier]
    return list(dict.fromkeys(found))


def entry_tier(name: str, variant: str) -> int | None:
    """Tier of one database entry: its own where listed apart, else its name's; None: unlisted."""
    tiers = _tier_of()
    return tiers.get(f"{name}/{variant}" if variant else name, tiers.get(name))

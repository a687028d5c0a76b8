"""The known differences: read from ``differences.toml``, matched to findings, shown in docs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

from .convert import leaves

__all__ = ["DOCUMENT", "Difference", "Finding", "document", "excuse", "known", "write_document"]

_FILE = Path(__file__).with_name("differences.toml")
DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"

_HEAD = """\
# Differences from PyTorch

Where tensorplug, asked the same as PyTorch 2.13, answers otherwise on purpose. The parity check
(`pytest tests/parity`) compares every sample input of PyTorch's operator database and accepts
these differences only. Made from `tests/parity/differences.toml`: edit that file, then run
`python tests/parity/report.py --write-docs`.

| name | difference | reason |
| --- | --- | --- |
"""


@dataclass(frozen=True)
class Finding:
    """One disagreement: the call as code, what torch answered, what the subject answered."""

    name: str
    entry: str
    check: str
    dtype: str
    call: str
    expected: str
    got: str
    sample: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        head = f"{self.entry} [{self.check} {self.dtype}]  {self.call}"
        return f"{head}\n    expected {self.expected}\n    got      {self.got}"


@dataclass(frozen=True)
class Difference:
    """One table of ``differences.toml``."""

    names: tuple[str, ...]
    what: str
    reason: str
    entry: str = ""
    checks: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    call: str = ""
    got: str = ""
    when: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether this difference explains the finding."""
        return (
            ("*" in self.names or finding.name in self.names)
            and self.entry in ("", finding.entry)
            and (not self.checks or finding.check in self.checks)
            and (not self.dtypes or finding.dtype in self.dtypes)
            and self.call in finding.call
            and self.got in finding.got
            and (not self.when or _CONDITIONS[self.when](finding.sample))
        )


def _mixed_zero_dim(sample: Any) -> bool:
    """A 0-d tensor stands beside a tensor of another dtype."""
    tensors = leaves(sample, lambda value: isinstance(value, torch.Tensor))
    flat = {tensor.dtype for tensor in tensors if tensor.ndim == 0}
    return bool(flat) and len({tensor.dtype for tensor in tensors}) > 1


_CONDITIONS: dict[str, Callable[[Any], bool]] = {"mixed_zero_dim": _mixed_zero_dim}


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _read(table: dict[str, Any]) -> Difference:
    allowed = {"name", "what", "reason", "entry", "check", "dtype", "call", "got", "when"}
    unknown = set(table) - allowed
    if unknown or not {"name", "what", "reason"} <= set(table):
        raise ValueError(f"differences.toml: expected keys among {sorted(allowed)}, got {table}")
    if table.get("when", "") not in ("", *_CONDITIONS):
        raise ValueError(f"differences.toml: expected when in {list(_CONDITIONS)}, got {table}")
    return Difference(
        names=_texts(table["name"]),
        checks=_texts(table.get("check", ())),
        dtypes=_texts(table.get("dtype", ())),
        **{k: v for k, v in table.items() if k not in ("name", "check", "dtype")},
    )


@cache
def known() -> tuple[Difference, ...]:
    """All known differences, in the file's order.

    Raises:
        ValueError: naming the table with an unknown key or condition, or without its texts.
    """
    return tuple(_read(table) for table in _tables("difference"))


def _notes() -> tuple[Difference, ...]:
    """Differences that no comparison meets, for the document only."""
    return tuple(_read(table) for table in _tables("note"))


def _tables(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(_FILE.read_text(encoding="utf-8")).get(kind, [])
    return found


def excuse(finding: Finding) -> Difference | None:
    """The first known difference that explains a finding."""
    return next((d for d in known() if d.covers(finding)), None)


def document() -> str:
    """The text of ``docs/differences.md``."""
    rows = []
    for item in (*known(), *_notes()):
        names = "all" if "*" in item.names else ", ".join(f"`{name}`" for name in item.names)
        rows.append(f"| {names} | {item.what} | {item.reason} |".replace("\n", " "))
    return _HEAD + "\n".join(rows) + "\n"


def write_document() -> Path:
    """Rewrite ``docs/differences.md`` and return its path."""
    DOCUMENT.write_text(document(), encoding="utf-8")
    return DOCUMENT

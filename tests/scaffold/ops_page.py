"""Writes docs/backend-ops.md from the registry: ``python tests/scaffold/ops_page.py``.

``make stubs`` does it too, and a test fails when the page is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

import array_api_strict

import tensorplug  # noqa: F401  # declares the functions
from tensorplug.autograd.registry import FUNCTIONS, ROWS, Row
from tensorplug.backends import ArrayAPIBackend

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "backend-ops.md"

TITLE = """\
# What a backend runs

<!-- Written by tests/scaffold/ops_page.py; `make stubs` rewrites it. -->

These are all the operations that run on a device; everything else in tensorplug is made of them. A
backend may have a kernel for each: a function in `kernels()` by the name in the first column, which
takes and gives arrays of the library, in the order of the arguments here. Where it has none:

- **array API** names the function of the library's namespace that is used instead, if it has one;
- **kernel** says whether one has to be there: *required* ops need this function or a kernel, else
  they raise `KernelNotFound`; *composed* ops are made of others; *optional* ones `ArrayAPIBackend`
  has itself, made of the standard's functions or on the host, and a kernel, or a method of the same
  name, replaces it.

**needs** is the capability that the device must declare, else the op raises `CapabilityError`.
**gradient** names the arguments that have one, and nothing is to be done for it: gradients are made
of these ops, too. **suite** is the function whose tests concern the op: `tensorplug conformance
--device acme:0 --op add` runs those of `add`, and each failure names its rule in
[conformance-rules.md](conformance-rules.md). Where it is empty, the op serves others and is tested
through them. `*` marks a list. See [write-a-backend.md](write-a-backend.md).
"""

HEAD = (
    "| op | family | array API | kernel | needs | gradient | suite |\n"
    "|---|---|---|---|---|---|---|\n"
)


def _in_the_standard(name: str) -> bool:
    found = array_api_strict
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None


def _kernel(row: Row) -> str:
    """Whether a backend over the standard's functions must have a kernel or such a function."""
    if hasattr(ArrayAPIBackend, row.name):
        return "optional"
    return "required" if row.generic is None else "composed"


def _line(row: Row) -> str:
    arguments = ", ".join((*row.inputs, *row.attrs)).replace("*", r"\*")
    standard = bool(row.xp) and _in_the_standard(row.xp)
    cells = (
        f"`{row.name}`({arguments})",
        row.family.name.lower(),
        f"`{row.xp}`" if standard else "",
        _kernel(row),
        row.needs,
        ", ".join(dict.fromkeys(name for names in row.rules for name in names)),
        ", ".join(f"`{shown.qualname}`" for shown in FUNCTIONS.values() if shown.row is row),
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def text() -> str:
    """The whole page."""
    areas: dict[str, list[Row]] = {}
    for row in ROWS.values():
        areas.setdefault(Path(row.where.partition(":")[0]).stem, []).append(row)
    parts = [TITLE]
    for area, rows in sorted(areas.items()):
        lines = [_line(row) for row in sorted(rows, key=lambda row: row.name)]
        parts.append(f"\n## {area}\n\n{HEAD}" + "\n".join(lines) + "\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")

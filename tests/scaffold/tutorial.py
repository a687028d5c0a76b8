"""Runs a page of docs as a reader does: its commands, its changes of files, from first to last.

A ``console`` block holds commands after ``$``, each followed by what it prints or a part of that;
``...`` stands for anything. A ``diff`` block changes the file that was last named in backquotes.
A block after ``<!-- slow -->`` is run in the thorough profile only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Block", "Command", "apply", "blocks", "commands", "shown"]

_BLOCK = re.compile(r"(<!-- slow -->\n)?^```(console|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`([\w./-]+/[\w.-]+\.\w+)`")


class Block(NamedTuple):
    """A block of a page: its kind, text, line in the page, and the file that it is about."""

    kind: str
    text: str
    line: int
    file: str
    slow: bool


class Command(NamedTuple):
    """A command line and the lines that it prints."""

    line: str
    output: list[str]


def blocks(page: str) -> Iterator[Block]:
    """What is to be run and changed, in order."""
    for found in _BLOCK.finditer(page):
        before = page[: found.start()]
        files = _FILE.findall(before)
        line = before.count("\n") + 1
        yield Block(found[2], found[3], line, files[-1] if files else "", bool(found[1]))


def commands(block: Block) -> list[Command]:
    """The commands of a ``console`` block."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        else:
            found[-1].output.append(line)
    return found


def shown(expected: list[str], printed: str) -> bool:
    """Whether what was printed has the lines that were expected, one after the other.

    Runs of blanks are one blank, because tables are as wide as what is in them; a version like
    ``2.6.1`` stands for any.
    """
    parts = [" ".join(line.split()) for line in expected]
    pattern = "\n".join(
        re.escape(part).replace(r"\.\.\.", ".*" if part != "..." else r"(?:.*\n)*?.*")
        for part in parts
    )
    pattern = re.sub(r"\d+\\\.\d+\\\.\d+", r"\\d+(?:\\.\\d+)*", pattern)
    text = "\n".join(" ".join(line.split()) for line in printed.splitlines())
    return re.search(pattern, text) is not None


def apply(block: Block, folder: Path) -> None:
    """Change a file as a ``diff`` block says.

    Raises:
        AssertionError: what is to be replaced is not there exactly once.
    """
    lines = block.text.splitlines()
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    file = folder / block.file
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{block.file}: expected once, got {text.count(old)} times:\n{old}"
    file.write_text(text.replace(old, new), "utf-8")

"""docs/write-a-backend.md works, from the first command to the last, or the test says where not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Place
from .tutorial import Block, apply, blocks, commands, shown

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "write-a-backend.md"
THOROUGH = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick") != "quick"


def test_the_page_works_as_it_stands(place: Place) -> None:
    page = PAGE.read_text("utf-8")
    for block in blocks(page):
        if block.kind == "diff":
            apply(block, place.folder)
            continue
        for command in commands(block) if THOROUGH or not block.slow else ():
            done = place.run(command.line)
            where = f"{PAGE.name}, block of line {block.line}\n$ {command.line}\n"
            assert shown(command.output, done.stdout), (
                f"{where}expected\n" + "\n".join(command.output) + f"\ngot\n{done.stdout}"
            )
            failing = any(word in line for line in command.output for word in ("Error:", "repair"))
            assert failing == (done.returncode != 0), f"{where}exit status {done.returncode}"


@pytest.mark.parametrize(
    ("expected", "printed", "found"),
    [
        (["a b"], "x\na   b\ny\n", True),
        (["a", "b"], "a\nc\nb\n", False),
        (["a", "...", "b"], "a\nc\nd\nb\n", True),
        (["...", "b"], "b\n", False),
        (["a ... c"], "a b b c", True),
        (["a.c"], "abc", False),
        (["a 2.6.1 b"], "a 3.10 b", True),
        (["a 2.61"], "a 2.62", False),
        ([], "anything", True),
    ],
)
def test_excerpts(expected: list[str], printed: str, found: bool) -> None:
    assert shown(expected, printed) is found


def test_changes_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "b.py"
    file.write_text("one\ntwo\n", "utf-8")
    page = "In `a/b.py`:\n\n```diff\n one\n-two\n+three\n```\n"
    page += "<!-- slow -->\n```console\n$ ls\nx\n```\n"
    change, run = blocks(page)
    assert (change.file, change.line, change.slow, run.slow) == ("a/b.py", 3, False, True)
    assert [tuple(command) for command in commands(run)] == [("ls", ["x"])]
    apply(change, tmp_path)
    assert file.read_text("utf-8") == "one\nthree\n"
    with pytest.raises(AssertionError, match=r"a/b\.py: expected once, got 0 times:\none\ntwo"):
        apply(change, tmp_path)


def test_every_command_of_the_page_is_in_a_block_that_is_run() -> None:
    page = PAGE.read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("$ ")]
    found = [command for block in blocks(page) if block.kind == "console"
             for command in commands(block)]  # fmt: skip
    assert [f"$ {command.line}" for command in found] == lines
    assert len(lines) > 15
    assert isinstance(next(blocks(page)), Block)

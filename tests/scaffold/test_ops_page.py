"""docs/backend-ops.md says of every op what the registry says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "backend-ops.md"


def test_the_page_is_up_to_date(tmp_path: Path) -> None:
    # In a process of its own: here, plugins may have declared ops of their own.
    code = "import sys, ops_page; sys.stdout.buffer.write(ops_page.text().encode())"
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(HERE)!r}); {code}"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert PAGE.read_text("utf-8") == done.stdout, "docs/backend-ops.md is stale: run `make stubs`"


def test_what_it_says_of_some_ops() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    for line in (
        "| `add`(x, y) | binary | `add` | required | | x, y | `add` |",
        "| `silu`(x) | unary | | composed | | x | `nn.functional.silu` |",
        r"| `stack`(\*tensors, dim) | generic | `stack` | required | | tensors | `stack` |",
    ):
        assert line in lines
    [solve] = [line for line in lines if line.startswith("| `solve`")]
    assert "| required | linalg |" in solve
    [gather] = [line for line in lines if line.startswith("| `gather`")]
    assert re.fullmatch(r".*\| \| optional \| \| .*", gather)

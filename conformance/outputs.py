"""The files that a run writes: checked before anything runs, written at its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tensorplug.conformance import badge, markdown, page

__all__ = ["FILES", "check", "write"]

FILES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "--report": lambda document: json.dumps(document, indent=1),
    "--html": page.render,
    "--markdown": markdown.render,
    "--badge": badge.render,
}
"""What each option of pytest writes of a report."""


def check(config: pytest.Config) -> None:
    """Make the folders of the files to write, and refuse what cannot be written.

    Raises:
        pytest.UsageError: naming the option, the file, and what is wrong with it.
    """
    asked = {option: config.getoption(option) for option in FILES}
    for option, name in {**asked, "--junitxml": config.getoption("xmlpath", None)}.items():
        if name is None:
            continue
        path = Path(name)
        new = not path.exists()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("a").close()
        except OSError as error:
            raise pytest.UsageError(
                f"{option}: expected a file that can be written, got {name}: {error.strerror}; "
                "name another"
            ) from error
        if new:
            path.unlink()


def write(config: pytest.Config, document: Mapping[str, Any]) -> list[str]:
    """Write the files; what could not be written, in words."""
    lost = []
    for option, render in FILES.items():
        name = config.getoption(option)
        if name is None:
            continue
        try:
            Path(name).write_text(render(document), encoding="utf-8")
        except OSError as error:
            lost.append(f"{option}: {name} could not be written: {error.strerror}")
    return lost

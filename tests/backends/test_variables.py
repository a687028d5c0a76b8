"""Environment variables that nobody reads, and names in them that nobody has."""

from __future__ import annotations

import os
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

import tensorplug as tp
from tensorplug.backends import DeviceError, isolated
from tensorplug.backends.switches import VARIABLES

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("api", "autograd", "backends", "conformance", "plugins")


def point(distribution: str, name: str, group: str = "tensorplug.devices") -> EntryPoint:
    entry = EntryPoint(name, "nothing_to_import", group)
    facts = {"name": distribution, "version": "2"}
    vars(entry)["dist"] = SimpleNamespace(metadata=SimpleNamespace(json=facts), requires=None)
    return entry


POINTS = [point("tensorplug", "cpu"), point("tensorplug-strict", "strict"), point("fast", "acme")]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TENSORPLUG_")]:
        monkeypatch.delenv(name)


def said(points: list[EntryPoint]) -> list[str]:
    """What is said when the first device is asked for."""
    with isolated(points) as registry, pytest.warns(RuntimeWarning) as caught:
        _ = [registry.catalogue for _ in range(2)]  # said once
    return [str(warning.message) for warning in caught]


NOBODY = "expected a variable that tensorplug or a plugin reads, got one that nobody reads"


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("TENSORPLUG_DISABLE_PLUGIN", "did you mean 'TENSORPLUG_DISABLE_PLUGINS'?"),
        ("TENSORPLUG_ONLY_PLUGIN", "did you mean 'TENSORPLUG_ONLY_PLUGINS'?"),
        ("TENSORPLUG_STRICT_PLUGIN", "did you mean 'TENSORPLUG_STRICT_PLUGINS'?"),
        ("TENSORPLUG_PREFERS", "did you mean 'TENSORPLUG_PREFER'?"),
        ("TENSORPLUG_ZZZ", "unset it"),
    ],
)
def test_variables_that_nobody_reads(
    monkeypatch: pytest.MonkeyPatch, variable: str, advice: str
) -> None:
    monkeypatch.setenv(variable, "1")
    assert said(POINTS) == [f"{variable}: {NOBODY}; {advice}"]
    monkeypatch.setenv("TENSORPLUG_STRICT_PLUGINS", "1")
    with isolated(POINTS) as registry, pytest.raises(DeviceError, match=f"{variable}: {NOBODY}"):
        _ = registry.catalogue


def test_variables_of_plugins_are_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRICT_LEVEL", "ACME_DEVICES", "FAST_SPEED"):
        monkeypatch.setenv(f"TENSORPLUG_{name}", "3")
    with isolated(POINTS) as registry:
        assert len(registry.catalogue.points) == 3


def test_preferences_for_types_that_nobody_offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_PREFER", "acne=fast")
    text = "TENSORPLUG_PREFER: expected the device types of installed plugins, got 'acne'"
    assert said(POINTS) == [f"{text}; did you mean 'acme'?"]
    with isolated([*POINTS, point("older", "anything", "tensorplug")]) as registry:
        assert len(registry.catalogue.points) == 4  # it may be one of the older plugin's types


def test_the_warning_is_at_the_line_that_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_ZZZ", "1")
    with isolated(), pytest.warns(RuntimeWarning) as caught:
        tp.device("cpu")
    assert [warning.filename for warning in caught] == [__file__]


def test_all_variables_that_are_read_are_known() -> None:
    found = set()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            found |= set(re.findall(r"TENSORPLUG_[A-Z0-9_]*[A-Z0-9]\b", path.read_text("utf-8")))
    assert found <= set(VARIABLES)

"""Every example runs with --quick, on every device named here, and what it claims holds."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"

Found = dict[str, Any]
CLAIMS: dict[str, Callable[[Found], bool]] = {
    "autoencoder": lambda found: found["validation"] < 0.2 * found["first"],
    "char_lstm": lambda found: found["last"] < 0.6 * found["first"],
    "cnn": lambda found: found["last"] < found["first"] and found["accuracy"] > 0.9,
    "dcgan": lambda found: found["after"] < 0.7 * found["before"],
    "gpt": lambda found: found["last"] < 0.7 * found["first"],
    "inception": lambda found: found["last"] < found["first"] and found["accuracy"] > 0.8,
    "jacobians": lambda found: max(found.values()) < 1e-3,
    "logistic_regression": lambda found: (
        found["last"] < 0.5 * found["first"] and found["accuracy"] > 0.9 and found["error"] < 1e-6
    ),
    "policy_gradient": lambda found: found["last"] > 0.6 and found["last"] > found["first"] + 0.2,
    "resnet_finetune": lambda found: (
        found["first"] > 0.5  # by chance it is 0.1
        and found["second"] > 0.6
        and found["changed"] == ["fc.weight", "fc.bias"]
    ),
    "trainer": lambda found: found["accuracy"] == found["best"] > 0.7,
    "vae": lambda found: found["last"] < 0.8 * found["first"] and 0.2 < found["ink"] < 0.5,
}
# Where each op is compiled a run takes longer: a few always, all of them in CI.
THOROUGH = os.environ.get("TENSORPLUG_TEST_PROFILE") == "thorough"
COMPILED = list(CLAIMS) if THOROUGH else ["autoencoder", "logistic_regression"]
RUNS = [*((name, "cpu") for name in CLAIMS), *((name, "xla:0") for name in COMPILED)]


def _load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)  # what Python does for a script
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "device"), RUNS)
def test_example(
    name: str, device: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _load(name, monkeypatch).main(["--quick", "--device", device])
    assert CLAIMS[name](found), found
    assert capsys.readouterr().out


def test_every_example_is_listed_and_short() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")} - {"example_data"}
    assert scripts == set(CLAIMS)
    table = (FOLDER / "README.md").read_text("utf-8")
    assert set(re.findall(r"^\| \[`(\w+)\.py`\]\(\1\.py\) \|", table, re.MULTILINE)) == scripts
    for script in scripts:
        text = (FOLDER / f"{script}.py").read_text("utf-8")
        assert len(text.splitlines()) < 150
        assert re.match(r'"""[^"\n]+\."""\n', text), f"{script}: expected a docstring of one line"


def test_options(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _load("cnn", monkeypatch).main(["--help"])
    assert "Recognises handwritten digits" in capsys.readouterr().out

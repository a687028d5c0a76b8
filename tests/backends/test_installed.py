"""Plugins that pip has really installed: one for an old contract, and some that misbehave."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FROZEN = Path(__file__).parents[1] / "thirdparty" / "tensorplug-frozen-v1"

PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.3"

[project.entry-points."tensorplug.devices"]
{type} = "{module}"

[tool.setuptools]
py-modules = ["{module}"]
"""

MODULE = """
{before}
from tensorplug.backends import BackendSpec, hookimpl
from tensorplug.plugins.numpy import NumpyBackend
class Mine(NumpyBackend):
    name = "{type}-numpy"
@hookimpl
def tensorplug_backends():
    return [BackendSpec("{type}", "{module}:Mine"{more})]
"""


def distribution(folder: Path, name: str, type: str, before: str = "", more: str = "") -> Path:
    """The source of a distribution with one plugin."""
    module = name.replace("-", "_")
    values = {"name": name, "type": type, "module": module, "before": before, "more": more}
    (folder / name).mkdir()
    (folder / name / "pyproject.toml").write_text(PROJECT.format(**values), "utf-8")
    (folder / name / f"{module}.py").write_text(MODULE.format(**values), "utf-8")
    return folder / name


@pytest.fixture(scope="module")
def site(make_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder into which pip has installed everything at once."""
    site, sources = make_site(), tmp_path_factory.mktemp("sources")
    shutil.copytree(FROZEN, sources / FROZEN.name, ignore=shutil.ignore_patterns("build", "*info"))
    folders = [
        sources / FROZEN.name,
        distribution(sources, "acme-left", "acme"),
        distribution(sources, "acme-right", "acme"),
        distribution(sources, "broken-plugin", "broken", "import library_that_is_not_there"),
        distribution(sources, "slow-plugin", "slow", "import time\ntime.sleep(3)"),
        distribution(sources, "new-plugin", "newer", more=", api=99"),
    ]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    done = subprocess.run(
        [*pip, "--target", str(site.folder), *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return site


ANSWER = """
import sys, tensorplug as tp
def attempt(name):
    try:
        return str(tp.ones(3, device=name).device)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
answer = [tp.ones(3).sum().item(), [name for name in sys.modules if name.endswith("_plugin")]]
answer += [attempt(name) for name in ("acme", "broken", "newer", "slow", "cpu")]
"""


def test_each_plugin_that_misbehaves_costs_only_who_asks_for_it(site: Any) -> None:
    assert site.ask(ANSWER) == [
        3.0,
        [],
        "PluginError: acme: expected one plugin for the device type acme, got plugin 'acme' of "
        "acme-left 0.3 and plugin 'acme' of acme-right 0.3; set TENSORPLUG_PREFER=acme=acme-left, "
        "or call tensorplug.backends.register(plugin, prefer=True)\n"
        "  plugin 'acme' of acme-right 0.3, phase 'conflict'; to go without it, set "
        "TENSORPLUG_DISABLE_PLUGINS=acme-right",
        "PluginError: broken: expected a plugin that can be imported, got ModuleNotFoundError: No "
        "module named 'library_that_is_not_there'\n"
        "  plugin 'broken' of broken-plugin 0.3, phase 'import'; to go without it, set "
        "TENSORPLUG_DISABLE_PLUGINS=broken-plugin",
        "PluginError: newer: expected a plugin for contract version 1 to 2, got one for version "
        "99; upgrade tensorplug\n"
        "  plugin 'newer' of new-plugin 0.3, phase 'version'; to go without it, set "
        "TENSORPLUG_DISABLE_PLUGINS=new-plugin",
        "slow:0",
        "cpu",
    ]


def test_conflict_is_settled_by_either_switch(site: Any) -> None:
    code = "import tensorplug as tp\nanswer = type(tp.device('acme').backend).__module__"
    assert site.ask(code, TENSORPLUG_PREFER="acme=acme-right") == "acme_right"
    assert site.ask(code, TENSORPLUG_DISABLE_PLUGINS="acme-right") == "acme_left"


FROZEN_ANSWER = """
import tensorplug as tp
from tensorplug.backends import DEFAULT_CAPABILITIES
from tensorplug.backends.plugging import current
x = tp.arange(4.0, device="frozen:0", requires_grad=True)
y = (x.square() * 2 + x.expm1()).sum()
y.backward()
import tensorplug_frozen_v1.backend as backend
v = x.detach().clone()
v[1:].add_(1.0)
answer = [str(x.device), x.grad.sub(4 * x + x.exp()).abs().max().item() < 1e-5, v.tolist()]
answer += [sorted(set(backend.calls)), DEFAULT_CAPABILITIES <= x.device.capabilities]
answer += [current().load("frozen").claim.spec.api]
"""


def test_plugin_for_contract_1_works(site: Any) -> None:
    assert site.ask(FROZEN_ANSWER) == [
        "frozen:0", True, [0.0, 2.0, 3.0, 4.0], ["expm1", "square"], True, 1,
    ]  # fmt: skip


def test_the_frozen_plugin_is_as_it_was() -> None:
    names = (
        "pyproject.toml",
        "tensorplug_frozen_v1/__init__.py",
        "tensorplug_frozen_v1/backend.py",
    )
    digest = hashlib.sha256(b"".join((FROZEN / name).read_bytes() for name in names)).hexdigest()
    assert digest == "2b528e24c22d543f07a03a69f4a66fe39c276abf11a8fd4808d8b4af62613679", (
        "never edit it: add a folder for a newer contract"
    )

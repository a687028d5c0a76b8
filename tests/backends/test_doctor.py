"""``tensorplug doctor``: plugins that crash, hang or leave are rows of a report."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tensorplug import cli
from tensorplug import doctor as command
from tensorplug.backends import OpValueError
from tensorplug.backends.diagnosis import Diagnosis, doctor
from tensorplug.backends.sources import Source

HEAD = """
from tensorplug.backends import BackendSpec, hookimpl
from tensorplug.plugins.numpy import NumpyBackend
class Working(NumpyBackend):
    name = "working"
"""


def plugin(name: str, body: str = "", values: str = "", before: str = "") -> str:
    """The source of a plugin for the device type ``name``."""
    spec = f"BackendSpec('{name}', 'plugin_{name}:Mine'{values})"
    hook = f"@hookimpl\ndef tensorplug_backends():\n    return [{spec}]\n"
    return f"{before}{HEAD}class Mine(Working):\n    {body or 'pass'}\n{hook}"


class Case(NamedTuple):
    """A plugin, the state it must be given, and a part of the reason."""

    source: str
    state: str
    reason: str = ""
    bad: bool = True


CASES = {
    "fine": Case(plugin("fine"), "available", bad=False),
    "old": Case(plugin("old", values=", api=1"), "available", bad=False),
    "range": Case(plugin("range", values=", api=(1, 9)"), "available", bad=False),
    "ahead": Case(
        plugin("ahead", values=", api=(98, 99)"),
        "incompatible",
        "got one for versions 98 to 99; upgrade tensorplug",
    ),
    "behind": Case(
        plugin("behind", values=", api=(-1, 0)"),
        "incompatible",
        "got one for versions -1 to 0; upgrade the plugin",
    ),
    "nolib": Case(plugin("nolib", values=", requires='no_lib'"), "not installed", "no_lib", False),
    "nodev": Case(
        plugin("nodev", "def devices(self): return []"), "no device", "found none", False
    ),
    "future": Case(
        plugin("future", values=", api=99"), "incompatible", "got one for version 99; upgrade"
    ),
    "boom": Case("raise ValueError('boom')", "failed", "imported, got ValueError: boom"),
    "leaver": Case("raise SystemExit(3)", "failed", "got SystemExit: 3\n  plugin 'leaver'"),
    "stopper": Case(
        "raise KeyboardInterrupt",
        "failed",
        "stopper: expected a plugin that can be used, but the process was ended by SIGINT while "
        "importing the plugin",
    ),
    "quitter": Case(
        "import os, sys\nsys.stderr.write('bye\\n')\nsys.stderr.flush()\nos._exit(3)",
        "failed",
        "quitter: expected a plugin that can be used, but the process ended with status 3 while "
        "importing the plugin: bye\n  plugin 'quitter' of tensorplug-quitter 1.2; to go without "
        "it, set TENSORPLUG_DISABLE_PLUGINS=tensorplug-quitter",
    ),
    "signal": Case(
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
        "crashed",
        "the process was ended by SIGSEGV while importing the plugin; it was at line 2 of ",
    ),
    "null": Case(
        plugin("null", "def __init__(self):\n        import ctypes; ctypes.string_at(0)"),
        "crashed",
        "the process was ended by SIGSEGV while loading the backend of null; it was at line ",
    ),
    "sleeper": Case(
        "import pathlib, subprocess, sys, time\ncode = 'import time; time.sleep(600)'\n"
        "process = subprocess.Popen([sys.executable, '-c', code])\n"
        "pathlib.Path(__file__).with_name('pid').write_text(str(process.pid))\n"
        "time.sleep(600)",
        "hangs",
        "the process did not end within 15 s while importing the plugin; it was at line 5 of ",
    ),
    "kernels": Case(
        "from tensorplug.backends import hookimpl\n@hookimpl\ndef tensorplug_kernels(backend):\n"
        "    return dict(exo=len)",
        "failed",
        "tensorplug_kernels('numpy'): expected the names of ops, got 'exo'; did you mean 'ex",
    ),
    "ops": Case(
        "from tensorplug.backends import hookimpl\n@hookimpl\ndef tensorplug_ops(): return []",
        "available",
        bad=False,
    ),
}
OTHERS = "cpu,loopback,loopback32,tpu,tensorplug-strict"


@pytest.fixture(scope="module")
def site(make_site: Any) -> Any:
    return make_site()


@pytest.fixture(scope="module")
def report(site: Any) -> Any:
    groups = {"kernels": "tensorplug.kernels", "ops": "tensorplug.ops"}
    for name, case in CASES.items():
        group = groups.get(name, "tensorplug.devices")
        point = f"{'numpy' if name == 'kernels' else name} = plugin_{name}"
        site.add(f"tensorplug-{name}", point, case.source, group=group)
    for side in ("left", "right"):
        source = plugin("double").replace("plugin_double", f"plugin_{side}")
        site.add(f"acme-{side}", f"double = plugin_{side}", source)
        source = plugin("choice").replace("plugin_choice", f"plugin_c{side}")
        site.add(f"choice-{side}", f"choice = plugin_c{side}", source)
    taker = plugin("xla").replace("plugin_xla", "plugin_taker")
    site.add("tensorplug-taker", "xla = plugin_taker", taker)
    v1 = plugin("v1").replace("('v1'", "(('v1', 'v1b')")
    site.add("tensorplug-v1", "anything = plugin_v1", v1, group="tensorplug")
    done = site.run(
        "-m", "tensorplug", "doctor", "--json", "--timeout", "15",
        TENSORPLUG_DISABLE_PLUGINS=OTHERS, TENSORPLUG_PREFER="choice=choice-right",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_state_of_each_plugin(report: Any, name: str) -> None:
    (row,) = (row for row in report if row["distribution"] == f"tensorplug-{name}")
    case = CASES[name]
    assert row["state"] == case.state, row
    assert case.reason in row["reason"]
    assert row["bad"] is case.bad
    assert row["version"] == "1.2"
    assert (row["reason"] == "") is (case.state == "available")
    if case.state == "available":
        assert row["milliseconds"] > 0
        assert row["api"] == {"old": 1, "range": [1, 9]}.get(name, 2)
    if name in ("kernels", "ops"):
        assert row["device"] == ""


def test_states_that_come_of_other_plugins(report: Any) -> None:
    states = {(row["distribution"], row["device"]): row for row in report}
    for side in ("left", "right"):
        row = states[f"acme-{side}", "double"]
        assert row["state"] == "conflict"
        assert "set TENSORPLUG_PREFER=double=acme-left" in row["reason"]
        assert row["bad"]
    assert states["choice-right", "choice"]["state"] == "available"
    left = states["choice-left", "choice"]
    assert (left["state"], left["bad"]) == ("shadowed", False)
    assert "to use this one, set TENSORPLUG_PREFER=choice=choice-left" in left["reason"]
    assert states["tensorplug-taker", "xla"]["state"] == "shadowed"
    assert states["tensorplug", "cpu"]["state"] == "turned off"
    assert "TENSORPLUG_DISABLE_PLUGINS turns it off" in states["tensorplug", "cpu"]["reason"]
    for name in ("v1", "v1b"):
        assert (states["tensorplug-v1", name]["state"]) == "available"
        assert (states["tensorplug-v1", name]["api"]) == 1


def test_rows_are_sorted_and_complete(report: Any) -> None:
    keys = [(not row["device"], row["device"], row["distribution"]) for row in report]
    assert keys == sorted(keys)
    assert set(report[0]) == {
        "device", "distribution", "version", "api", "state", "milliseconds", "reason",
        "entry_point", "group", "bad",
    }  # fmt: skip


ROWS = [
    Diagnosis("acme", "available", Source("acme-plugin", "acme", "1.0"), 2, 12.3),
    Diagnosis(
        "", "crashed", Source("fast", "numpy", "2", "tensorplug.kernels"), reason="numpy: x[y]"
    ),
    Diagnosis("far", "turned off", Source("far", "far", "3")),
    Diagnosis("wide", "available", Source("wide", "wide", "4"), (1, 2), 5.0),
]


@pytest.mark.parametrize(("rows", "code"), [(ROWS, 1), (ROWS[:1], 0), (ROWS[2:3], 0)])
def test_table_and_exit_code(
    rows: Any, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "doctor", lambda timeout, names: rows)
    assert cli.main(["doctor", "--timeout", "3"]) == code
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["device", "distribution", "version", "api", "state", "load", "time"]
    if code:
        assert lines[1] == ["acme", "acme-plugin", "1.0", "2", "available", "12", "ms"]
        assert lines[2] == ["kernel", "plugin", "'numpy'", "fast", "2", "crashed"]
        assert lines[4] == ["wide", "wide", "4", "1", "to", "2", "available", "5", "ms"]
        assert lines[-1] == ["numpy:", "x[y]"]


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "1e300", "86401"])
def test_timeout_is_above_zero_and_at_most_a_day(
    timeout: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "doctor: expected a timeout above 0 seconds and of at most 86400, a day, got "
    with pytest.raises(OpValueError, match=text):
        doctor(float(timeout))
    assert cli.main(["doctor", "--timeout", timeout]) == 1
    assert f"{text}{float(timeout)}" in capsys.readouterr().err


def asked(site: Any, *names: str, **variables: str) -> list[tuple[str, str, str]]:
    done = site.run("-m", "tensorplug", "doctor", "--json", *names, **variables)
    assert done.stderr == ""
    return [(r["device"], r["distribution"], r["state"]) for r in json.loads(done.stdout)]


def test_plugins_by_name(report: Any, site: Any) -> None:
    assert asked(site, "fine") == [("fine", "tensorplug-fine", "available")]
    assert asked(site, "Tensorplug_Fine", "tensorplug-ops") == [
        ("fine", "tensorplug-fine", "available"), ("", "tensorplug-ops", "available")
    ]  # fmt: skip
    # The other plugin for the type is what is wrong with this one.
    assert asked(site, "acme-left") == [
        ("double", "acme-left", "conflict"), ("double", "acme-right", "conflict")
    ]  # fmt: skip


def test_names_that_no_plugin_has(capsys: pytest.CaptureFixture[str]) -> None:
    text = "doctor: expected device types or the names of installed plugins, got 'lopback'; did you"
    with pytest.raises(OpValueError, match=text):
        doctor(1.0, ["cpu", "lopback"])
    assert cli.main(["doctor", "lopback"]) == 1
    assert capsys.readouterr().err.endswith("did you mean 'loopback'?\n")


def test_processes_that_the_plugin_has_started_are_ended(report: Any, site: Any) -> None:
    pid = (site.folder / "pid").read_text("utf-8")
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return
    assert ") Z " in state  # ended, and not yet collected by its new parent


def test_signal_without_a_name() -> None:
    module = import_module("tensorplug.backends.diagnosis")
    assert module._ended(-1000, 1.0) == ("crashed", "was ended by signal 1000")

"""One bad plugin breaks nothing else, and its device says exactly what is wrong.

All broken plugins below are installed at once, as real distributions; one process asks for each,
once with the entry points of today and once with those of contract version 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

GOOD_BACKEND = """
from tensorplug.plugins.numpy import NumpyBackend
class Working(NumpyBackend):
    name = "working"
    def devices(self):
        return ["first", "second"]
"""


def plugin(spec: str = "", before: str = "", after: str = "") -> str:
    """The source of a plugin that describes one backend."""
    return (
        f"{before}\nfrom tensorplug.backends import BackendSpec, hookimpl\n"
        f"@hookimpl\ndef tensorplug_backends():\n    return [BackendSpec({spec})]\n{after}"
    )


class Case(NamedTuple):
    """A broken plugin: its source, and the phase, text and cause that must be reported."""

    source: str
    phase: str
    text: str
    cause: str | None = None
    attribute: str = ""


def backend(name: str, body: str, **values: str) -> str:
    """A plugin whose description is good, with its backend class in the same module."""
    spec = f"'{name}', 'plugin_{name}:Mine'" + "".join(f", {k}={v}" for k, v in values.items())
    return plugin(spec, before=GOOD_BACKEND, after=body)


HOOKS = "from tensorplug.backends import BackendSpec, hookimpl\n"
SPEC = "BackendSpec('{0}', 'plugin_{0}:Mine')"

CASES = {
    "dependency": Case(
        "import surely_not_there", "import", "No module named", "ModuleNotFoundError"
    ),
    "library_file": Case(
        "raise ImportError('x.so: undefined symbol')",
        "import",
        "ImportError: x.so: undefined symbol",
        "ImportError",
    ),
    "value": Case(
        "raise ValueError('boom')",
        "import",
        "expected a plugin that can be imported, got ValueError: boom",
        "ValueError",
    ),
    "leaver": Case("raise SystemExit(3)", "import", "got SystemExit: 3", "SystemExit"),
    "basic": Case(
        "class Stop(BaseException): pass\nraise Stop('now')", "import", "got Stop: now", "Stop"
    ),
    "attribute": Case("", "import", "has no attribute 'plugin'", "AttributeError", ":plugin"),
    "number": Case(
        "five = 5",
        "hooks",
        "marked with @tensorplug.backends.hookimpl, got none in int 5",
        None,
        ":five",
    ),
    "klass": Case(
        "class Plugin: pass",
        "hooks",
        "expected a module or an instance with hooks, got the class Plugin",
        None,
        ":Plugin",
    ),
    "routine": Case("def start(): pass", "hooks", "got the function start", None, ":start"),
    "hookless": Case("", "hooks", "expected at least one hook (tensorplug_backends"),
    "misspelt": Case(
        HOOKS + "@hookimpl\ndef tensorplug_backend(): return []",
        "hooks",
        "got 'tensorplug_backend'; did you mean 'tensorplug_backends'?",
    ),
    "unmarked": Case(
        "def tensorplug_backends(): return []",
        "hooks",
        "expected the mark @tensorplug.backends.hookimpl, got no mark",
    ),
    "marker": Case(
        "import pluggy\n@pluggy.HookimplMarker('other')\ndef tensorplug_backends(): return []",
        "hooks",
        "got one marked for the project 'other'",
    ),
    "argument": Case(
        HOOKS + "@hookimpl\ndef tensorplug_kernels(library): return {}",
        "hooks",
        "expected the arguments (backend), got library",
    ),
    "default": Case(
        HOOKS + "@hookimpl\ndef tensorplug_kernels(backend='x'): return {}",
        "hooks",
        "expected arguments without defaults, got backend='x'",
    ),
    "wrapper": Case(
        HOOKS + "@hookimpl(wrapper=True)\ndef tensorplug_backends(): return (yield)",
        "hooks",
        "expected a plain hook, got a wrapper",
    ),
    "describing": Case(
        HOOKS + "@hookimpl\ndef tensorplug_backends(): raise KeyError('k')",
        "describe",
        "expected tensorplug_backends() to describe its backends, got KeyError: 'k'",
        "KeyError",
    ),
    "single": Case(
        HOOKS + "@hookimpl\ndef tensorplug_backends(): return " + SPEC.format("single"),
        "describe",
        "expected a list of BackendSpec, got BackendSpec",
    ),
    "strange": Case(
        HOOKS + "@hookimpl\ndef tensorplug_backends(): return ['strange']",
        "describe",
        "expected a list of BackendSpec, got [\"str 'strange'\"] in it",
    ),
    "spec": Case(
        plugin("'Upper', 'no_colon', api='1'"),
        "describe",
        "backend: expected 'package.module:Class', got 'no_colon'; api: expected a whole number",
        "OpValueError",
    ),
    "twice": Case(
        HOOKS + "@hookimpl\ndef tensorplug_backends(): return 2 * [" + SPEC.format("twice") + "]",
        "describe",
        "expected each type once, got ['twice'] twice",
    ),
    "future": Case(
        plugin("'future', 'plugin_future:Mine', api=99"),
        "version",
        "version 1 to 2, got one for version 99; upgrade tensorplug",
    ),
    "past": Case(
        plugin("'past', 'plugin_past:Mine', api=0"),
        "version",
        "got one for version 0; upgrade the plugin",
    ),
    "ops": Case(
        plugin(
            "'ops', 'plugin_ops:Mine'",
            after="@hookimpl\ndef tensorplug_ops(): return ['no_such_module']",
        ),
        "ops",
        "expected tensorplug_ops() to declare its operations, got ModuleNotFoundError",
        "ModuleNotFoundError",
    ),
    "opstype": Case(
        plugin(
            "'opstype', 'plugin_opstype:Mine'", after="@hookimpl\ndef tensorplug_ops(): return [3]"
        ),
        "ops",
        "expected functions and module names, got 3",
    ),
    "opslist": Case(
        plugin(
            "'opslist', 'plugin_opslist:Mine'", after="@hookimpl\ndef tensorplug_ops(): return 'x'"
        ),
        "ops",
        "expected a list of functions and modules, got str 'x'",
    ),
    "greedy": Case(
        "import tensorplug.backends as b\nb.Device('greedy')",
        "import",
        "expected plugins to use no device while they are loaded",
        "DeviceError",
    ),
    "libraries": Case(
        plugin("'libraries', 'x:Y', requires=('no_lib_a', 'no_lib_b'), install='get them'"),
        "library",
        "expected the array libraries no_lib_a and no_lib_b, but they are not installed; get",
    ),
    "module": Case(
        plugin("'module', 'no_such_module:Mine'"),
        "load",
        "expected to import the backend no_such_module:Mine, got ModuleNotFoundError",
        "ModuleNotFoundError",
    ),
    "missing": Case(
        plugin("'missing', 'plugin_missing:Mine'"),
        "load",
        "has no attribute 'Mine'",
        "AttributeError",
    ),
    "notclass": Case(
        backend("notclass", "Mine = 3"), "load", "plugin_notclass:Mine to be a class, got int"
    ),
    "constructor": Case(
        backend(
            "constructor",
            "class Mine(Working):\n    def __init__(self): raise OSError('no driver')",
        ),
        "load",
        "expected to construct the backend plugin_constructor:Mine, got OSError: no driver",
        "OSError",
    ),
    "options": Case(
        backend("options", "Mine = Working", options="{'mode': 1}"),
        "load",
        "got TypeError",
        "TypeError",
    ),
    "foreign": Case(
        backend("foreign", "class Mine: pass"),
        "contract",
        "expected a subclass of tensorplug.backends.Backend, got Mine",
    ),
    "opening": Case(
        backend(
            "opening", "class Mine(Working):\n    def devices(self): raise OSError('no driver')"
        ),
        "contract",
        "1. devices(): expected a result, got OSError: no driver",
    ),
    "closing": Case(
        backend("closing", "class Mine(Working):\n    def devices(self): raise SystemExit(3)"),
        "contract",
        "1. devices(): expected a result, got SystemExit: 3",
    ),
    "introducing": Case(
        backend(
            "introducing",
            "class Mine(Working):\n    def introduce(self, tensor, build): raise OSError('no')",
        ),
        "load",
        "expected introduce() to take the class of tensors, got OSError: no",
        "OSError",
    ),
    "empty": Case(
        backend("empty", "class Mine(Working):\n    def devices(self): return []"),
        "hardware",
        "expected at least one device, but Mine found none on this machine",
    ),
    "property": Case(
        backend("property", "class Mine(Working):\n    name = property(lambda self: 1 / 0)"),
        "contract",
        "expected a backend that can be checked, got ZeroDivisionError",
        "ZeroDivisionError",
    ),
}

ASK = f"""
from tensorplug.backends import Device, devices
answer = dict()
for name in {[*CASES, "double", "good:1", "cpu"]!r}:
    try:
        answer[name] = dict(device=str(Device(name)))
    except Exception as error:
        answer[name] = dict(vars(error), type=type(error).__name__, text=str(error))
        answer[name]["cause"] = type(error.cause).__name__ if error.cause else None
        answer[name]["chained"] = error.__cause__ is error.cause
answer["rows"] = [dict(vars(row)) for row in devices()]
"""


@pytest.fixture(scope="module", params=["tensorplug.devices", "tensorplug"])
def answers(request: Any, make_site: Any) -> dict[str, Any]:
    site, group = make_site(), request.param
    for name, case in CASES.items():
        point = f"{name} = plugin_{name}{case.attribute}"
        ops = group != "tensorplug" and "def tensorplug_ops" in case.source
        others = {"ops": point} if ops else {}
        site.add(f"tensorplug-{name}", point, case.source, group=group, **others)
    for side in ("left", "right"):
        source = plugin(f"'double', 'plugin_{side}:Working'", before=GOOD_BACKEND)
        site.add(f"acme-{side}", f"double = plugin_{side}", source, group=group)
    good = plugin("'good', 'plugin_good:Working'", before=GOOD_BACKEND)
    site.add("tensorplug-good", "good = plugin_good", good, group=group)
    return site.ask(ASK)


@pytest.mark.parametrize("name", CASES)
def test_device_of_a_broken_plugin_says_what_is_wrong(answers: dict[str, Any], name: str) -> None:
    case, got = CASES[name], answers[name]
    assert got["type"] == "PluginError"
    assert case.text in got["text"]
    assert got["text"].startswith(f"{name}: expected ") or f"{name}: tensorplug_" in got["text"]
    assert f"plugin '{name}' of tensorplug-{name} 1.2, phase '{case.phase}'" in got["text"]
    assert (got["distribution"], got["version"]) == (f"tensorplug-{name}", "1.2")
    assert (got["entry_point"], got["phase"]) == (name, case.phase)
    assert got["cause"] == case.cause
    assert got["chained"]
    turns_off = f"set TENSORPLUG_DISABLE_PLUGINS=tensorplug-{name}" in got["text"]
    assert turns_off is (case.phase not in ("library", "hardware"))


def test_other_devices_work(answers: dict[str, Any]) -> None:
    assert answers["good:1"] == {"device": "good:1"}
    assert answers["cpu"] == {"device": "cpu"}


def test_two_plugins_that_claim_one_type_are_refused(answers: dict[str, Any]) -> None:
    got = answers["double"]
    assert (got["type"], got["phase"]) == ("PluginError", "conflict")
    assert (
        "double: expected one plugin for the device type double, got plugin 'double' of acme-left "
        "1.2 and plugin 'double' of acme-right 1.2; set TENSORPLUG_PREFER=double=acme-left, or "
        "call tensorplug.backends.register(plugin, prefer=True)"
    ) in got["text"]


def test_listing_shows_every_plugin_and_its_state(answers: dict[str, Any]) -> None:
    rows = answers["rows"]
    states = {row["distribution"]: row["state"] for row in rows}
    assert states["tensorplug-empty"] == "no device"
    assert states["tensorplug-libraries"] == "not installed"
    assert states["acme-left"] == states["acme-right"] == "conflict"
    assert states["tensorplug-good"] == states["tensorplug"] == "available"
    assert states["tensorplug-past"] == states["tensorplug-future"] == "incompatible"
    failed = set(CASES) - {"empty", "libraries", "past", "future"}
    assert {states[f"tensorplug-{name}"] for name in failed} == {"failed"}
    for row in rows:
        name = row["distribution"].removeprefix("tensorplug-")
        if name in CASES:
            assert CASES[name].text in row["reason"]
    assert [row["device"] for row in rows if row["plugin"] == "good"] == ["good:0", "good:1"]


def test_unknown_type_lists_the_failed_plugins(site: Any) -> None:
    site.add("acme", "thing = plugin_thing", "raise ValueError('boom')", group="tensorplug")
    text = site.ask(
        "from tensorplug.backends import Device\n"
        "try:\n    Device('gizmo')\n"
        "except Exception as error:\n    answer = [type(error).__name__, str(error)]"
    )
    assert text[0] == "DeviceError"
    assert "got 'gizmo'; install a plugin that provides it\n" in text[1]
    assert (
        "plugin 'thing' of acme 1.2 is not available: expected a plugin that can be imported, got "
        "ValueError: boom"
    ) in text[1]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("tensorplug", ["interrupted", "cpu", "late:0", "late:0"]),
        ("tensorplug.devices", ["cpu", "cpu", "interrupted", "late:0"]),
    ],
)
def test_keyboard_interrupt_gets_through_and_leaves_nothing_behind(
    site: Any, group: str, expected: list[str]
) -> None:
    source = (
        "import sys\nif not hasattr(sys, 'tried'):\n"
        "    sys.tried = True\n    raise KeyboardInterrupt\n"
    )
    good = plugin("'late', 'plugin_late:Working'", before=source + GOOD_BACKEND)
    site.add("acme", "late = plugin_late", good, group=group)
    answer = site.ask(
        "from tensorplug.backends import Device\nanswer = []\n"
        "for name in ('cpu', 'cpu', 'late', 'late'):\n"
        "    try:\n        answer.append(str(Device(name)))\n"
        "    except KeyboardInterrupt:\n        answer.append('interrupted')"
    )
    assert answer == expected


def test_plugins_are_switched_off_and_chosen_by_environment(site: Any) -> None:
    for side in ("left", "right"):
        source = plugin(f"'double', 'plugin_{side}:Working'", before=GOOD_BACKEND)
        site.add(f"acme-{side}", f"double = plugin_{side}", source)
    site.add("tensorplug-off", "off = plugin_off", "raise ValueError('must not be imported')")
    answer = site.ask(
        "from tensorplug.backends import Device, devices\n"
        "try:\n    Device('off')\nexcept Exception as error:\n    off = str(error)\n"
        "answer = [type(Device('double').backend).__module__, off,"
        " [row.state for row in devices() if row.plugin == 'off'],"
        " [row.reason for row in devices() if row.distribution == 'acme-left']]",
        TENSORPLUG_DISABLE_PLUGINS="Tensorplug_Off,",
        TENSORPLUG_PREFER="double=acme_right",
    )
    assert answer[0] == "plugin_right"
    assert "off: expected a plugin that is turned on, but TENSORPLUG_DISABLE_PLUGINS" in answer[1]
    assert answer[2] == ["turned off"]
    assert answer[3] == [
        "double is provided by plugin 'double' of acme-right 1.2; to use this one, set "
        "TENSORPLUG_PREFER=double=acme-left"
    ]

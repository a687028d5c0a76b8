"""Entry points of contract version 2: what is imported when, and that they fit the hooks."""

from __future__ import annotations

from typing import Any

import pytest

BACKEND = """
from tensorplug.backends import BackendSpec, hookimpl
from tensorplug.plugins.numpy import NumpyBackend
class Working(NumpyBackend):
    name = "working"
"""
TRACE = "import sys; sys.imported = getattr(sys, 'imported', []) + [__name__]\n"


def devices(module: str, *types: str, more: str = "") -> str:
    """A plugin that describes device types of one backend, and says when it is imported."""
    specs = ", ".join(f"BackendSpec({type!r}, '{module}:Working'{more})" for type in types)
    hook = f"@hookimpl\ndef tensorplug_backends():\n    return [{specs}]\n"
    return f"{TRACE}{BACKEND}{hook}"


KERNELS = f"""{TRACE}
from tensorplug.backends import hookimpl
import numpy
@hookimpl
def tensorplug_kernels(backend):
    sys.asked = getattr(sys, "asked", []) + [backend]
    return dict(exp=lambda x: numpy.exp(x) + 1)
"""
OPS = f"{TRACE}\nfrom tensorplug.backends import hookimpl\n@hookimpl\ndef tensorplug_ops():\n" + (
    "    return [lambda: sys.imported.append('ops')]\n"
)
ASK = "import sys, tensorplug as tp\nfrom tensorplug.backends import Device, devices\n"
TRY = """
def attempt(call):
    try:
        return str(call())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


def test_only_the_plugin_of_the_type_is_imported(site: Any) -> None:
    for name in ("one", "two"):
        site.add(f"acme-{name}", f"{name} = plugin_{name}", devices(f"plugin_{name}", name))
    site.add("acme-kernels", "working = plugin_k", KERNELS, group="tensorplug.kernels")
    site.add("acme-ops", "mine = plugin_o", OPS, group="tensorplug.ops")
    answer = site.ask(
        f"{ASK}answer = [getattr(sys, 'imported', [])]\n"
        "for name in ('cpu', 'ONE', 'cpu'):\n"
        "    Device(name)\n    answer.append(list(sys.imported))\n"
        "answer.append(sys.asked)\n"
        "devices()\nanswer.append(sys.imported)"
    )
    assert answer == [
        [],
        ["plugin_o", "ops"],
        ["plugin_o", "ops", "plugin_one", "plugin_k"],
        ["plugin_o", "ops", "plugin_one", "plugin_k"],
        ["working"],
        ["plugin_o", "ops", "plugin_one", "plugin_k", "plugin_two"],
    ]


def test_kernels_are_used_for_the_backend_that_the_entry_point_names(site: Any) -> None:
    site.add("acme-one", "one = plugin_one", devices("plugin_one", "one"))
    points = "Working = plugin_k\nother = plugin_k"
    site.add("acme-kernels", points, KERNELS, group="tensorplug.kernels")
    answer = site.ask(
        f"{ASK}answer = [tp.exp(tp.zeros(1, device=name)).item() for name in ('cpu', 'one')]"
    )
    assert answer == [1.0, 2.0]


def test_one_module_with_several_types_is_admitted_once(site: Any) -> None:
    source = devices("plugin_pair", "left", "right")
    site.add("acme", "left = plugin_pair\nRight = plugin_pair", source)
    answer = site.ask(
        f"{ASK}answer = [str(Device(name)) for name in ('right', 'left')]\n"
        "answer += [sys.imported, [(r.device, r.plugin) for r in devices() if r.version == '1.2']]"
    )
    assert (
        answer
        == [
            ["right:0", "left:0", ["plugin_pair"], [["left:0", "left"], ["right:0", "Right"]]],
        ][0]
    )


def test_types_that_are_announced_and_described_differ(site: Any) -> None:
    source = devices("plugin_mix", "good", "hidden")
    site.add("acme", "good = plugin_mix\nabsent = plugin_mix", source)
    answer = site.ask(
        f"{ASK}{TRY}answer = [attempt(lambda: Device(n)) for n in ('absent', 'hidden', 'good')]\n"
        "answer.append([(row.device, row.state) for row in devices() if row.version == '1.2'])"
    )
    assert answer == [
        "PluginError: absent: expected tensorplug_backends() to describe the device type 'absent' "
        "of the entry point, got good, hidden; call the entry point like the type\n"
        "  plugin 'absent' of acme 1.2, phase 'announce'",
        "PluginError: hidden: expected an entry point in tensorplug.devices for each device type, "
        "got none for 'hidden'; add hidden = ... to pyproject.toml, and install again\n"
        "  plugin 'absent' of acme 1.2, phase 'announce'",
        "good:0",
        [["absent", "failed"], ["good:0", "available"], ["hidden", "failed"]],
    ]


@pytest.mark.parametrize(
    ("group", "source", "text"),
    [
        (
            "tensorplug.devices",
            KERNELS,
            "expected the hook tensorplug_backends for the entry point in tensorplug.devices, got "
            "only tensorplug_kernels in plugin_wrong",
        ),
        (
            "tensorplug.devices",
            devices("plugin_wrong", "wrong") + KERNELS,
            "expected an entry point in tensorplug.kernels for the hook tensorplug_kernels of "
            "plugin_wrong, got none, so nobody would know when to call it; add one to "
            "pyproject.toml",
        ),
        (
            "tensorplug.kernels",
            OPS,
            "expected the hook tensorplug_kernels for the entry point in tensorplug.kernels, got "
            "only tensorplug_ops",
        ),
    ],
)
def test_hooks_and_groups_differ(site: Any, group: str, source: str, text: str) -> None:
    name = "wrong" if group == "tensorplug.devices" else "numpy"
    site.add("acme", f"{name} = plugin_wrong", source, group=group)
    answer = site.ask(
        f"{ASK}Device('cpu')\n"
        "answer = [(row.state, row.reason) for row in devices() if row.version == '1.2']"
    )
    assert [state for state, _ in answer] == ["failed"]
    assert text in answer[0][1]


def test_kernel_plugin_that_fails_is_listed_and_left_out(site: Any) -> None:
    site.add("acme", "numpy = plugin_k", "raise ValueError('boom')", group="tensorplug.kernels")
    answer = site.ask(
        f"{ASK}{TRY}answer = [tp.exp(tp.zeros(1)).item(), attempt(lambda: Device('numpy'))]\n"
        "answer += [(row.device, row.reason) for row in devices() if row.version == '1.2']"
    )
    assert answer[0] == 1.0
    assert answer[1].startswith("DeviceError: device: expected one of the installed types")
    assert answer[2] == [
        "",
        "numpy: expected a plugin that can be imported, got ValueError: boom\n  kernel plugin "
        "'numpy' of acme 1.2, phase 'import'; to go without it, set "
        "TENSORPLUG_DISABLE_PLUGINS=acme",
    ]


def test_plugin_for_hosts_of_both_contracts_is_admitted_once(site: Any) -> None:
    points = "both = plugin_both"
    site.add("acme", points, devices("plugin_both", "both"), group="tensorplug", devices=points)
    answer = site.ask(
        f"{ASK}Device('cpu')\nanswer = [getattr(sys, 'imported', []), str(Device('both'))]\n"
        "answer.append([row.device for row in devices() if row.version == '1.2'])"
    )
    assert answer == [[], "both:0", ["both:0"]]


def test_module_of_two_distributions(site: Any) -> None:
    site.add("acme-a", "one = plugin_one", devices("plugin_one", "one", "two"))
    site.add("acme-b", "two = plugin_one", devices("plugin_one", "one", "two"))
    answer = site.ask(f"{ASK}{TRY}answer = [attempt(lambda: Device(n)) for n in ('one', 'two')]")
    assert answer[0] == "one:0"
    assert "expected a plugin of its own, got the one of 'acme-a:plugin_one' again" in answer[1]


def test_plugin_that_uses_a_device_while_it_is_imported(site: Any) -> None:
    use = "from tensorplug.backends import Device\nDevice({!r})\n"
    site.add("acme-cpu", "fine = plugin_f", use.format("cpu") + devices("plugin_f", "fine"))
    site.add("acme-a", "one = plugin_a", use.format("two") + devices("plugin_a", "one"))
    site.add("acme-b", "two = plugin_b", use.format("one") + devices("plugin_b", "two"))
    answer = site.ask(
        f"{ASK}{TRY}answer = [attempt(lambda: Device(n)) for n in ('fine', 'one')]\n"
        "answer.append(len(devices()) > 1)"
    )
    assert answer[0] == "fine:0"
    assert (
        "expected plugins to use no device while they are loaded, got a request for 'one'"
        in (answer[1])
    )


def test_arrays_of_a_library_load_the_plugins_that_require_it(site: Any) -> None:
    array = "class Array:\n    def __array__(self, dtype=None, copy=None): return None\n"
    (site.folder / "acmelib.py").write_text(array, "utf-8")
    own = "    def owns(self, array):\n        return type(array).__module__ == 'acmelib'\n"
    own += "    def device_of(self, array):\n        return 0\n"
    source = devices("plugin_one", "one", more=", requires='acmelib'")
    source = source.replace('    name = "working"\n', f'    name = "working"\n{own}')
    site.add("acme-one", "one = plugin_one", source, requires="acmelib-cuda12x>=2; extra == 'x'")
    site.add("acme-two", "two = plugin_two", devices("plugin_two", "two"), requires="another")
    answer = site.ask(
        f"{ASK}import acmelib\nfrom tensorplug.backends import for_array\n"
        "answer = [str(for_array(acmelib.Array())), for_array(object()), sys.imported]"
    )
    assert answer == ["one:0", None, ["plugin_one"]]

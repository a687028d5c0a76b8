"""Turning plugins off, by the environment and for a block, and names that are reserved."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import pytest

import tensorplug as tp
import tensorplug.plugins
from tensorplug.backends import (
    BackendSpec,
    Device,
    DeviceError,
    OpTypeError,
    PluginError,
    devices,
    hookimpl,
    isolated,
    plugins,
    register,
)
from tensorplug.plugins.numpy import NumpyBackend

THIS = "plugins_of_test_switches"


class Acme(NumpyBackend):
    name = "acme"


class Plugin:
    def __init__(self, *types: str) -> None:
        self.types = types

    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [BackendSpec(type, f"{THIS}:Acme") for type in self.types]


class Broken:
    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        raise ValueError("boom")


class Faster:
    kernel = staticmethod(abs)

    @hookimpl
    def tensorplug_kernels(self, backend: str) -> Any:
        return {"exp": self.kernel}


class Wrong:
    @hookimpl
    def tensorplug_kernels(self, backend: str) -> Any:
        return []


def point(distribution: str, name: str, value: str, group: str = "devices") -> EntryPoint:
    entry = EntryPoint(name, f"{THIS}:{value}", f"tensorplug.{group}")
    facts = {"name": distribution, "version": "2"}
    dist = SimpleNamespace(metadata=SimpleNamespace(json=facts), requires=None)
    vars(entry)["dist"] = dist
    return entry


SHIPPED = [
    point("tensorplug", type, "shipped")
    for spec in tensorplug.plugins.tensorplug_backends()
    for type in spec.types
]
POINTS = [
    point("tensorplug-one", "one", "one"),
    point("acme-two", "two", "two"),
    point("acme-fast", "acme", "faster", "kernels"),
    *SHIPPED,
]
MEMBERS = {
    "one": Plugin("one"), "two": Plugin("two"), "faster": Faster(), "shipped": tensorplug.plugins,
    "broken": Broken(), "cuda": Plugin("cuda"), "wrong": Wrong(), "rival": Plugin("one"),
    "Acme": Acme,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("DISABLE", "ONLY", "NO", "STRICT"):
        monkeypatch.delenv(f"TENSORPLUG_{name}_PLUGINS", raising=False)
    monkeypatch.delenv("TENSORPLUG_PREFER", raising=False)
    module = type(sys)(THIS)
    vars(module).update(MEMBERS)
    monkeypatch.setitem(sys.modules, THIS, module)
    with isolated(POINTS):
        yield


def message(name: str, error: type[Exception] = PluginError) -> str:
    with pytest.raises(error) as caught:
        Device(name)
    return str(caught.value)


def states() -> dict[str, str]:
    return {row.distribution: row.state for row in devices() if row.distribution != "tensorplug"}


OFF = "expected a plugin that is turned on, but"
CASES = [
    (
        "DISABLE_PLUGINS", "one", {"disable": "one"}, "disable=...",
        "take 'one' out of that list", {"tensorplug-one"},
    ),
    (
        "DISABLE_PLUGINS", "Tensorplug_One, acme.two", {"disable": ["Tensorplug_One", "TWO"]},
        "disable=...", "take 'Tensorplug_One' out of that list", {"tensorplug-one", "acme-two"},
    ),
    (
        "ONLY_PLUGINS", "acme-two", {"only": "two"}, "only=...",
        "add 'tensorplug-one' to that list", {"tensorplug-one", "acme-fast"},
    ),
    (
        "ONLY_PLUGINS", "", {"only": []}, "only=...", "add 'tensorplug-one' to that list",
        {"tensorplug-one", "acme-two", "acme-fast"},
    ),
    (
        "NO_PLUGINS", "yes", {"off": True}, "off=True", "",
        {"tensorplug-one", "acme-two", "acme-fast"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "value", "arguments", "word", "advice", "off"), CASES)
def test_each_switch_in_the_environment_and_for_a_block(
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    arguments: dict[str, Any],
    word: str,
    advice: str,
    off: set[str],
) -> None:
    with plugins(**arguments):
        text = f"one: {OFF} tensorplug.backends.plugins({word}) turns it off; "
        text += f"{advice or 'leave the block'}\n  plugin 'one' of tensorplug-one 2, phase 'disabl"
        assert message("one").startswith(text)
        assert {name for name, state in states().items() if state == "turned off"} == off
        assert str(Device("cpu")) == "cpu"
    assert str(Device("one")) == "one:0"
    monkeypatch.setenv(f"TENSORPLUG_{variable}", value)
    with isolated(POINTS):
        text = f"one: {OFF} TENSORPLUG_{variable} turns it off; {advice or 'unset the variable'}\n"
        assert message("one").startswith(text)
        assert {name for name, state in states().items() if state == "turned off"} == off
        assert str(Device("cpu")) == "cpu"
        with plugins(disable=()):
            assert message("one").startswith(text)


def test_shipped_plugins_are_turned_off_by_name_only() -> None:
    with plugins(disable="cpu"):
        assert message("cpu").startswith(f"cpu: {OFF} tensorplug.backends.plugins(disable=...)")
        assert "take 'cpu' out of that list" in message("cpu")


def test_devices_are_the_same_after_the_block() -> None:
    one, cpu = Device("one"), Device("cpu")
    tp.backends.set_default_device(one)
    x = tp.ones(2)
    with plugins(disable="one"):
        assert OFF in message("one")
        assert OFF in message("one:0")
        assert Device("cpu") is cpu
        assert tp.backends.get_default_device() is cpu
        assert (x + x).tolist() == [2.0, 2.0]  # tensors that exist go on to work
        with plugins(only="acme-two"):
            assert str(Device("two")) == "two:0"
    assert Device("one") is one
    assert Device("ONE:0") is one
    assert tp.backends.get_default_device() is one


def test_kernels_go_and_come_back() -> None:
    device = Device("one")
    assert device.F.exp is Faster.kernel
    with plugins(disable="acme-fast"):
        assert device.F.exp is not Faster.kernel
    assert device.F.exp is Faster.kernel


def test_plugin_that_was_never_loaded_stays_out_until_after_the_block() -> None:
    with plugins(off=True):
        assert [row.device for row in devices() if row.state == "available"][:1] == ["cpu"]
        assert "one" not in [row.device.partition(":")[0] for row in devices() if row.available]
    assert "one:0" in [row.device for row in devices()]


def test_plugins_of_this_process_are_not_concerned() -> None:
    register(Plugin("mine"), name="mine")
    with plugins(off=True, only=[]):
        assert str(Device("mine")) == "mine:0"


@pytest.mark.parametrize(
    ("variable", "arguments", "called"),
    [
        ("TENSORPLUG_DISABLE_PLUGINS", {"disable": "acme-tow"}, "disable=..."),
        ("TENSORPLUG_ONLY_PLUGINS", {"only": ["acme-tow"]}, "only=..."),
    ],
)
def test_unknown_names_warn_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, variable: str, arguments: Any, called: str
) -> None:
    rest = "expected the names of installed plugins, got 'acme-tow'; did you mean 'acme-two'?"
    with pytest.warns(RuntimeWarning) as caught, plugins(**arguments):
        pass
    assert str(caught[0].message) == f"tensorplug.backends.plugins({called}): {rest}"
    with pytest.raises(DeviceError) as refused, plugins(strict=True, **arguments):
        pass
    assert str(refused.value) == f"tensorplug.backends.plugins({called}): {rest}"
    monkeypatch.setenv(variable, "acme-tow")
    with isolated(POINTS), pytest.warns(RuntimeWarning) as caught:
        Device("cpu")
    assert str(caught[0].message) == f"{variable}: {rest}"


def test_malformed_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_NO_PLUGINS", "maybe")
    with isolated(POINTS):
        assert message("cpu", DeviceError) == (
            "TENSORPLUG_NO_PLUGINS: expected 1 or 0, got 'maybe'; change or unset the variable"
        )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"off": 1}, "plugins: expected off to be True or False, got 1"),
        ({"strict": "no"}, "plugins: expected strict to be True or False, got 'no'"),
        ({"disable": 3}, "plugins: expected disable to name plugins, as text or a list of texts"),
        ({"only": ["a", None]}, "plugins: expected only to name plugins, as text or a list of"),
    ],
)
def test_wrong_arguments(arguments: Any, text: str) -> None:
    with pytest.raises(OpTypeError) as caught, plugins(**arguments):
        pass
    assert str(caught.value).startswith(text)


# --- strict ---------------------------------------------------------------------------------------

BROKEN = point("acme-broken", "bad", "broken")
BOOM = (
    "bad: expected tensorplug_backends() to describe its backends, got ValueError: boom\n  plugin "
    "'bad' of acme-broken 2, phase 'describe'; to go without it, set "
    "TENSORPLUG_DISABLE_PLUGINS=acme-broken"
)


def test_strict_block_raises_at_once() -> None:
    with isolated([*POINTS, BROKEN]):
        assert str(Device("cpu")) == "cpu"
        with pytest.raises(PluginError) as caught, plugins(strict=True):
            pass
        assert str(caught.value) == BOOM
        assert isinstance(caught.value.__cause__, ValueError)
        with plugins(strict=True, disable="bad"):
            assert str(Device("one")) == "one:0"
        assert str(Device("two")) == "two:0"


def test_strict_environment_raises_at_the_first_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_STRICT_PLUGINS", "1")
    with isolated([*POINTS, BROKEN]):
        assert message("cpu") == BOOM
        assert message("cpu") == BOOM
        with plugins(strict=False):
            assert str(Device("cpu")) == "cpu"
    with isolated(POINTS):
        assert str(Device("cpu")) == "cpu"


def test_strict_refuses_two_plugins_for_one_type() -> None:
    with isolated([*POINTS, point("acme-rival", "one", "rival")]):
        with pytest.raises(PluginError) as caught, plugins(strict=True):
            pass
        assert (
            "one: expected one plugin for the device type one, got plugin 'one' of acme-rival"
            in (str(caught.value))
        )
        with plugins(strict=True, disable="acme-rival"):
            assert str(Device("one")) == "one:0"


def test_strict_refuses_bad_kernels() -> None:
    with isolated([*POINTS, point("acme-wrong", "acme", "wrong", "kernels")]):
        with plugins(strict=True):
            text = message("one")
        assert "tensorplug_kernels('acme'): expected a mapping from op names to functions" in text
        assert "kernel plugin 'acme' of acme-wrong 2, phase 'kernels'" in text
        assert str(Device("one")) == "one:0"


def test_strict_listing_raises_for_a_backend_that_cannot_be_loaded() -> None:
    register(Plugin("mine"), name="mine")
    sys.modules[THIS].Acme = 3  # type: ignore[attr-defined]
    assert [row.state for row in devices() if row.device == "mine"] == ["failed"]
    text = "mine: expected the backend plugins_of_test_switches:Acme to be a class, got int"
    with plugins(strict=True, off=True), pytest.raises(PluginError, match=text):
        devices()


# --- names ----------------------------------------------------------------------------------------

TAKER = point("taker", "Cuda", "cuda")
RESERVED = (
    "expected cuda from tensorplug itself, whose name it is, got only plugin 'Cuda' of taker 2; to "
    "use that one, set TENSORPLUG_PREFER=cuda=taker, or call "
    "tensorplug.backends.register(plugin, prefer=True)\n"
)


def test_reserved_name_is_given_only_when_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = [TAKER, *(entry for entry in SHIPPED if entry.name != "cuda")]
    with isolated(points):
        assert message("cuda:0").startswith(f"cuda:0: {RESERVED}")
        (row,) = (row for row in devices() if row.distribution == "taker")
        assert (row.device, row.state) == ("cuda", "conflict")
    monkeypatch.setenv("TENSORPLUG_PREFER", "CUDA=taker")
    with isolated(points):
        assert str(Device("cuda")) == "cuda:0"


def test_reserved_name_in_this_process() -> None:
    with isolated([entry for entry in SHIPPED if entry.name != "cuda"]):
        with pytest.raises(PluginError) as caught:
            register(Plugin("cuda"), name="mine")
        assert str(caught.value).startswith(
            "register: expected cuda from tensorplug itself, whose name it is, got only plugin "
            "'mine' registered in this process; to use that one, call "
            "tensorplug.backends.register(plugin, prefer=True)\n"
        )
        register(Plugin("cuda"), name="mine", prefer=True)
        assert type(Device("CUDA:0").backend) is Acme


def test_rows_come_in_one_order() -> None:
    listings = []
    for points in (POINTS, POINTS[::-1], POINTS[2:] + POINTS[:2]):
        with isolated(points), plugins(disable="xla,tpu"):
            listings.append([(row.device, row.distribution) for row in devices()])
    assert listings[0] == listings[1] == listings[2]
    there = [name for name, _ in listings[0] if name.partition(":")[0] in ("cpu", "one", "two")]
    assert there == ["cpu", "one:0", "two:0"]

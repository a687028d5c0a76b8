"""Registering plugins in this process, choosing between them, and kernels and ops from plugins."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, version
from typing import Any

import numpy as np
import pytest

from tensorplug.backends import (
    BackendSpec,
    Device,
    DeviceError,
    DeviceInfo,
    OpTypeError,
    PluginError,
    devices,
    hookimpl,
    isolated,
    register,
    resolve,
    unregister,
)
from tensorplug.backends import host as machinery
from tensorplug.backends.plugging import kernels as kernels_of
from tensorplug.plugins import tensorplug_backends
from tensorplug.plugins.numpy import NumpyBackend

THIS = "plugins_of_test_registry"


class Acme(NumpyBackend):
    name = "acme"

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.size = size

    def devices(self) -> list[int]:
        return list(range(self.size))

    def memory(self, device: int) -> dict[str, int]:
        return {"total": 2**30, "free": 2**29}


class Other(Acme):
    name = "other"


class Silent(Acme):
    def version(self) -> str:
        raise OSError("no version")

    def memory(self, device: int) -> dict[str, int]:
        raise RuntimeError


class Asking(Acme):
    def __init__(self) -> None:
        Device("asking")


class Plugin:
    def __init__(self, *specs: BackendSpec) -> None:
        self.specs = list(specs)

    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return self.specs


class Extending:
    """A plugin with kernels for somebody else's backend."""

    def __init__(self, kernels: Any, library: str = "acme") -> None:
        self.kernels, self.library = kernels, library

    @hookimpl
    def tensorplug_kernels(self, backend: str) -> Any:
        if backend != self.library:
            return {}
        if isinstance(self.kernels, Exception):
            raise self.kernels
        return self.kernels


def spec(type: str = "acme", name: str = "Acme", **values: Any) -> BackendSpec:
    return BackendSpec(type, f"{THIS}:{name}", **values)


@pytest.fixture(autouse=True)
def _setting(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, THIS, sys.modules[__name__])
    monkeypatch.setattr(machinery, "_installed_names", [])
    monkeypatch.setattr(machinery, "_listeners", [])


def message(call: Callable[..., Any], *arguments: Any, error: Any = DeviceError) -> str:
    with pytest.raises(error) as caught:
        call(*arguments)
    return str(caught.value)


# --- register, unregister -------------------------------------------------------------------------


def test_registered_plugin_provides_devices_until_it_is_taken_out() -> None:
    register(Plugin(spec(options={"size": 2})), name="mine")
    device = Device("acme:1")
    assert type(device.backend) is Acme
    assert resolve("ACME") is device.backend
    unregister("mine")
    text = message(Device, "acme:1")
    assert "installed types cpu, cuda, loopback, loopback32, tpu, xla, got 'acme:1'" in text
    register(Plugin(spec()), name="mine")
    assert Device("acme").backend is not device.backend


def test_types_of_one_spec_have_instances_of_their_own() -> None:
    register(Plugin(BackendSpec(("acme", "acme2"), f"{THIS}:Acme")))
    assert resolve("acme") is not resolve("acme2")


def test_default_device_does_not_outlive_its_plugin(registry: Any) -> None:
    register(Plugin(spec()), name="mine")
    registry.default = Device("acme")
    unregister("mine")
    assert registry.default is None


def test_registering_an_invalid_plugin_says_why_and_leaves_nothing() -> None:
    text = message(register, Plugin("acme"), error=PluginError)
    assert text == (
        "register: expected a list of BackendSpec, got [\"str 'acme'\"] in it\n  plugin 'Plugin' "
        "registered in this process, phase 'describe'; to go without it, call "
        "tensorplug.backends.unregister('Plugin')"
    )
    register(Plugin(spec()))
    assert str(Device("acme")) == "acme:0"


def test_names_in_use_and_unknown_names() -> None:
    plugin = Plugin(spec())
    register(plugin, name="mine")
    again = lambda: register(Plugin(), name="mine")  # noqa: E731
    assert "expected a new name, got 'mine' again; unregister it first" in message(again)
    twice = lambda: register(plugin, name="twin")  # noqa: E731
    assert "expected a plugin of its own, got the one of ':mine' again" in message(twice)
    assert message(unregister, "theirs") == (
        "unregister: expected the name of a plugin registered in this process (mine), got 'theirs'"
    )
    unregister("mine")
    assert "(there is none), got 'mine'" in message(unregister, "mine")
    number = lambda: register(plugin, name=3)  # noqa: E731
    assert message(number, error=OpTypeError) == "register: expected a name as text, got 3"


def test_module_can_be_registered() -> None:
    module = type(sys)("some_plugin")
    module.tensorplug_backends = hookimpl(lambda: [spec()])
    register(module)
    assert str(Device("acme")) == "acme:0"
    unregister("some_plugin")


# --- several plugins for one type -----------------------------------------------------------------


def test_second_plugin_for_a_type_is_refused_unless_preferred() -> None:
    register(Plugin(spec()), name="first")
    old = Device("acme")
    second = Plugin(spec(name="Other"))
    text = message(lambda: register(second, name="second"), error=PluginError)
    assert text.startswith(
        "register: expected one plugin for the device type acme, got plugin 'first' registered in "
        "this process and plugin 'second' registered in this process; call "
        "tensorplug.backends.register(plugin, prefer=True)\n"
    )
    assert Device("acme") is old
    register(second, name="second", prefer=True)
    assert type(Device("acme").backend) is Other
    assert Device("acme") is not old
    unregister("second")
    assert type(Device("acme").backend) is Acme


def test_shipped_type_is_protected_unless_preferred() -> None:
    text = message(lambda: register(Plugin(spec("cpu")), name="mine"), error=PluginError)
    mine = f"plugin 'cpu' of tensorplug {version('tensorplug')} and plugin 'mine' registered"
    assert mine in text
    assert "set TENSORPLUG_PREFER=cpu=tensorplug, or call" in text
    assert resolve("cpu").name == "numpy"
    register(Plugin(spec("cpu")), name="mine", prefer=True)
    assert resolve("cpu").name == "acme"


class FakeDistribution:
    """Enough of a distribution for an entry point to tell where it comes from."""

    def __init__(self, name: str) -> None:
        self.metadata = type("Metadata", (), {"json": {"name": name, "version": "2"}})


def point(distribution: str, name: str) -> EntryPoint:
    entry = EntryPoint(name, f"{THIS}:{name}", "tensorplug")
    vars(entry)["dist"] = FakeDistribution(distribution)
    return entry


left, right = Plugin(spec()), Plugin(spec(name="Other"))


def test_shipped_type_is_not_taken_by_an_installed_plugin(monkeypatch: Any) -> None:
    module = type(sys)("shipped")
    module.tensorplug_backends = tensorplug_backends
    monkeypatch.setattr(sys.modules[THIS], "shipped", module, raising=False)
    monkeypatch.setattr(left, "specs", [spec("cpu")])
    points = [point("a-plugin", "left"), point("tensorplug", "shipped")]
    with isolated(points):
        assert resolve("cpu").name == "numpy"
        (row,) = (row for row in devices() if row.plugin == "left")
        assert row.state == "shadowed"
        assert "to use this one, set TENSORPLUG_PREFER=cpu=a-plugin" in row.reason
    monkeypatch.setenv("TENSORPLUG_PREFER", "cpu=a-plugin")
    with isolated(points):
        assert resolve("cpu").name == "acme"


@pytest.fixture
def two(registry: Any) -> list[EntryPoint]:
    return [point("b-right", "right"), point("a-left", "left")]


def test_environment_chooses(two: list[EntryPoint], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_PREFER", " Acme = B_Right ")
    with isolated(two):
        assert resolve("acme").name == "other"


def test_environment_chooses_a_plugin_that_does_not_provide_the_type(
    two: list[EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENSORPLUG_PREFER", "acme=third")
    third = point("third", "third")
    monkeypatch.setattr(sys.modules[THIS], "third", Plugin(spec("else")), raising=False)
    with isolated([*two, third]):
        assert message(resolve, "acme").startswith(
            "acme: TENSORPLUG_PREFER expected one of these plugins for acme: plugin 'left' of "
            "a-left 2 and plugin 'right' of b-right 2; got 'third'\n"
        )


def test_malformed_environment(two: list[EntryPoint], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_PREFER", "acme")
    with isolated(two):
        assert message(resolve, "acme") == (
            "TENSORPLUG_PREFER: expected pairs such as acme=acme-plugin, got 'acme'; set it to "
            "type=distribution, several separated by commas"
        )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("TENSORPLUG_DISABLE_PLUGINS", "a-lift"), ("TENSORPLUG_PREFER", "acme=a-lift")],
)
def test_unknown_names_in_the_environment_warn(
    two: list[EntryPoint], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    text = f"{variable}: expected the names of installed plugins, got 'a-lift'; did you mean 'a-l"
    with isolated(two), pytest.warns(RuntimeWarning, match=text):
        devices()


def test_entry_point_without_a_distribution() -> None:
    with isolated([EntryPoint("left", f"{THIS}:left", "tensorplug")]):
        (row,) = devices()
    assert (row.distribution, row.version) == ("an unknown distribution", "")


# --- kernels and ops from plugins -----------------------------------------------------------------


first, second = abs, len


def test_kernels_of_plugins_come_before_the_backends_own(monkeypatch: Any) -> None:
    monkeypatch.setattr(Acme, "kernels", lambda self: {"exp": first, "log": first})
    register(Plugin(spec()))
    register(Extending({"exp": second}), name="fast")
    assert kernels_of("acme") == {"exp": second, "log": first}
    assert "exp" not in kernels_of("cpu") or kernels_of("cpu")["exp"] is not second


def test_late_kernels_reach_devices_in_use(monkeypatch: Any) -> None:
    monkeypatch.setattr(Device, "kernel_factory", lambda device: dict(kernels_of("acme")))
    register(Plugin(spec()))
    device = Device("acme")
    assert device.F.get("exp") is not second
    register(Extending({"exp": second}), name="fast")
    assert device.F["exp"] is second
    unregister("fast")
    assert device.F.get("exp") is not second
    assert Device("acme") is device


@pytest.mark.parametrize(
    ("kernels", "text"),
    [
        (KeyError("k"), "tensorplug_kernels('acme'): expected kernels, got KeyError: 'k'"),
        (None, None),
        ([], "expected a mapping from op names to functions, got list"),
        ([first], "expected a mapping from op names to functions, got list"),
        ({"exp": 3}, "'exp': expected a function, got int"),
        ({"exo": first}, "expected the names of ops, got 'exo'; did you mean 'exp'?"),
        ({3: first}, "expected op names, got 3"),
    ],
)
def test_bad_kernels_are_left_out_and_listed(kernels: Any, text: str | None) -> None:
    known = {*NumpyBackend().kernels(), *NumpyBackend().into_kernels(), "exp"}
    machinery.set_kernel_names(lambda: known)
    register(Plugin(spec()))
    register(Extending(kernels), name="fast")
    assert first not in kernels_of("acme").values()
    rows = [row for row in devices() if row.plugin == "fast"]
    assert [row.state for row in rows] == ["failed"] * (text is not None)
    assert all(text in row.reason for row in rows)
    assert [row.state for row in devices() if row.device == "acme:0"] == ["available"]
    unregister("fast")
    assert [row for row in devices() if row.plugin == "fast"] == []


def test_two_plugins_with_one_kernel() -> None:
    register(Plugin(spec()))
    register(Extending({"exp": first}), name="a")
    register(Extending({"exp": second}), name="b")
    assert kernels_of("acme")["exp"] is first
    (row,) = (row for row in devices() if row.plugin == "b")
    assert "tensorplug_kernels('acme'): 'exp': another plugin gives it too" in row.reason


def test_ops_are_declared_at_registration_and_listeners_told(monkeypatch: Any) -> None:
    calls: list[str] = []

    class Ops:
        @hookimpl
        def tensorplug_ops(self) -> list[Any]:
            return [lambda: calls.append("declared"), "colorsys"]

    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    machinery.subscribe(lambda: calls.append("told"))
    register(Plugin(spec()))
    assert calls == []
    register(Ops())
    assert calls == ["declared", "told"]
    assert "colorsys" in sys.modules
    monkeypatch.setattr(sys.modules[THIS], "ops", Ops(), raising=False)
    with isolated([point("ops", "ops")]) as fresh:
        fresh.discover()
    assert calls == ["declared", "told"] * 2


# --- loading --------------------------------------------------------------------------------------


def test_library_that_was_put_into_sys_modules_counts(monkeypatch: Any) -> None:
    module = type(sys)("handmade")
    module.__spec__ = None
    monkeypatch.setitem(sys.modules, "handmade", module)
    register(Plugin(spec(requires="handmade.linalg")))
    assert str(Device("acme")) == "acme:0"


def test_backend_that_needs_itself() -> None:
    register(Plugin(spec("asking", "Asking")))
    text = message(Device, "asking")
    assert "expected plugins to use no device while they are loaded, got a request for 'as" in text


def test_listing_of_a_working_device() -> None:
    register(Plugin(spec(options={"size": 2})), name="mine")
    rows = [row for row in devices() if row.plugin == "mine"]
    memory = {"total": 2**30, "free": 2**29}
    expected = DeviceInfo("acme:0", "available", "mine", "", "", "acme", np.__version__, memory)
    assert rows[0] == expected
    assert rows[0].available
    assert [row.device for row in rows] == ["acme:0", "acme:1"]


def test_listing_of_a_device_that_cannot_tell() -> None:
    register(Plugin(spec(name="Silent")), name="mine")
    (row,) = (row for row in devices() if row.plugin == "mine")
    assert row.available
    assert row.reason == (
        "the version is unknown: OSError: no version; the memory is unknown: RuntimeError"
    )

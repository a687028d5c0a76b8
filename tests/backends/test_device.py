"""Device objects: parsing, identity, printing, copies, and the default device."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from typing import Any

import numpy as np
import pytest

from tensorplug.backends import (
    BackendSpec,
    Device,
    DeviceError,
    OpTypeError,
    for_array,
    get_default_device,
    hookimpl,
    register,
    set_default_device,
)
from tensorplug.plugins.numpy import NumpyBackend

# A name that import_module finds, however pytest has imported this file.
THIS = "plugins_of_test_device"


class Pair(NumpyBackend):
    """Two devices on the host, which tell their arrays apart by their size."""

    name = "pair"

    def devices(self) -> list[str]:
        return ["even", "odd"]

    def device_of(self, array: Any) -> int:
        return array.size % 2


class PairPlugin:
    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [BackendSpec("pair", f"{THIS}:Pair")]


@pytest.fixture(autouse=True)
def _pair(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, THIS, sys.modules[__name__])
    register(PairPlugin(), name="pair")


def test_one_object_for_each_device() -> None:
    assert Device("pair") is Device("pair:0") is Device("PAIR", 0) is Device("Pair:0")
    assert Device("pair:1") is Device("pair", 1) is Device(Device("pair:1"))
    assert Device("pair", np.int64(1)) is Device("pair:1")
    assert Device("pair:1") is not Device("pair:0")
    assert Device("cpu") is Device("cpu:0") is Device("cpu", 0)
    assert Device("pair:1").backend is Device("pair:0").backend
    assert (Device("pair:1").type, Device("pair:1").index) == ("pair", 1)


def test_comparison_is_identity() -> None:
    assert Device("cpu") == Device("cpu:0")
    assert Device("cpu") != Device("pair")
    assert Device("cpu") != "cpu"
    assert len({Device("cpu"), Device("cpu:0"), Device("pair")}) == 2


def test_printing() -> None:
    assert str(Device("cpu")) == "cpu"
    assert repr(Device("cpu")) == "device(type='cpu')"
    assert str(Device("pair")) == "pair:0"
    assert repr(Device("pair:1")) == "device(type='pair', index=1)"


def test_copies_and_pickles_are_the_same_object() -> None:
    for device in (Device("cpu"), Device("pair:1")):
        assert copy.copy(device) is device
        assert copy.deepcopy([device])[0] is device
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(device, protocol)) is device


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("",), DeviceError, "expected 'type' or 'type:index', got ''; write for example 'cuda:0'"),
        (("pair:x",), DeviceError, "expected 'type' or 'type:index', got 'pair:x'"),
        (("pair:01",), DeviceError, "expected 'type' or 'type:index', got 'pair:01'"),
        (("pair:-1",), DeviceError, "expected 'type' or 'type:index', got 'pair:-1'"),
        ((" pair",), DeviceError, "expected 'type' or 'type:index', got ' pair'"),
        (("pair:1", 1), DeviceError, "expected the index once, got 'pair:1' and 1; drop one"),
        (
            ("pair:2",),
            DeviceError,
            "pair:2: expected an index below 2, got 2; there are pair:0, pa",
        ),
        (("pair", -1), DeviceError, "pair:-1: expected an index of at least 0, got -1; there are"),
        (("cpu:1",), DeviceError, "cpu:1: expected an index below 1, got 1; there is cpu"),
        (("pair", 1.0), OpTypeError, "expected a whole number as the index, got 1.0 of type float"),
        (
            ("pair", True),
            OpTypeError,
            "expected a whole number as the index, got True of type bool",
        ),
        ((0,), OpTypeError, "expected text such as 'cpu' or 'cuda:0', or a device, got 0 of type"),
        ((None,), OpTypeError, "got None of type NoneType"),
    ],
)
def test_wrong_names_and_indices(arguments: tuple[Any, ...], error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        Device(*arguments)
    assert text in str(caught.value)


def test_index_beside_a_device_is_refused() -> None:
    with pytest.raises(OpTypeError, match="expected no index beside the device 'cpu', got 0"):
        Device(Device("cpu"), 0)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("gpu", "got 'gpu'; NVIDIA GPUs are called 'cuda'"),
        ("pear", "got 'pear'; did you mean 'pair'?"),
        ("gizmo", "got 'gizmo'; install a plugin that provides it"),
    ],
)
def test_unknown_type_names_the_installed_ones_and_what_to_do(name: str, advice: str) -> None:
    with pytest.raises(DeviceError) as caught:
        Device(name)
    installed = ["cpu", "cuda", "loopback", "loopback32", "pair", "tpu", "xla"]
    text = f"device: expected one of the installed types {', '.join(installed)}, got"
    assert str(caught.value).startswith(text)
    assert advice in str(caught.value)
    assert caught.value.expected == installed
    assert caught.value.got == name


def test_kernels_are_made_once_and_then_are_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def factory(device: Device) -> list[str]:
        made.append(device)
        return [str(device)]

    monkeypatch.setattr(Device, "kernel_factory", factory)
    first = Device("pair:1").F
    assert first == ["pair:1"]
    assert Device("pair:1").F is first
    assert made == [Device("pair:1")]
    Device("pair:1").drop_kernels()
    Device("pair:0").drop_kernels()
    assert Device("pair:1").F is not first


def test_device_without_the_engine_or_the_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "kernel_factory", None)
    with pytest.raises(DeviceError, match="expected the engine for its kernels; import tensorplug"):
        _ = Device("pair").F
    with pytest.raises(AttributeError, match="a device has no attribute 'kind'"):
        _ = Device("pair").kind


# --- the default device ---------------------------------------------------------------------------


def test_default_is_cpu_and_can_be_set() -> None:
    assert get_default_device() is Device("cpu")
    set_default_device("pair:1")
    assert get_default_device() is Device("pair:1")
    set_default_device(Device("pair"))
    assert get_default_device() is Device("pair:0")
    set_default_device(None)
    assert get_default_device() is Device("cpu")
    with pytest.raises(DeviceError, match="got 'gizmo'"):
        set_default_device("gizmo")


def test_blocks_nest_and_end_with_their_exception() -> None:
    set_default_device("pair:0")
    device = Device("pair:1")
    with device as entered, Device("cpu"), device:
        assert entered is device
        assert get_default_device() is device
        set_default_device("cpu")
        assert get_default_device() is device
    assert get_default_device() is Device("cpu")
    with pytest.raises(KeyError), device:
        raise KeyError
    assert get_default_device() is Device("cpu")


def test_blocks_concern_their_own_thread_only() -> None:
    seen = []
    with Device("pair:1"):
        thread = threading.Thread(target=lambda: seen.append(get_default_device()))
        thread.start()
        thread.join()
    assert seen == [Device("cpu")]


def test_default_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_DEFAULT_DEVICE", "pair:1")
    assert get_default_device() is Device("pair:1")
    monkeypatch.setenv("TENSORPLUG_DEFAULT_DEVICE", "pair:0")
    assert get_default_device() is Device("pair:1"), "read once"


def test_bad_default_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENSORPLUG_DEFAULT_DEVICE", "pair:7")
    with pytest.raises(DeviceError) as caught:
        get_default_device()
    assert str(caught.value) == (
        "TENSORPLUG_DEFAULT_DEVICE: expected a device that can be used, got 'pair:7'; change or "
        "unset the variable\n  pair:7: expected an index below 2, got 7; there are pair:0, pair:1"
    )
    assert isinstance(caught.value.__cause__, DeviceError)


# --- arrays from elsewhere ------------------------------------------------------------------------


def test_device_of_an_array(registry: Any) -> None:
    Device("pair")
    assert for_array(np.zeros(3)) is Device("pair:1")
    assert for_array(np.zeros(4)) is Device("pair:0")
    assert for_array([1, 2]) is None
    assert list(registry.loaded) == ["pair"]


def test_device_of_an_array_whose_library_a_plugin_requires(registry: Any) -> None:
    assert for_array([1, 2]) is None
    assert registry.loaded == {}
    assert for_array(np.zeros(3)) is Device("cpu")
    assert list(registry.loaded) == ["cpu"]


def test_threads_get_the_same_new_device() -> None:
    found, barrier = [], threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(Device("pair:1"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(device) for device in found}) == 1

"""Backends that load, and then do not do what they promise: the error says whose fault it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends import (
    ArrayAPIBackend,
    BackendSpec,
    Device,
    OpError,
    OutOfMemoryError,
    PluginError,
    devices,
    hookimpl,
    isolated,
    register,
)
from tensorplug.backends.contract import faults
from tensorplug.backends.errors import ValuesError
from tensorplug.backends.loading import try_device

THIS = "plugins_of_test_bad_backends"


class Bad(ArrayAPIBackend):
    name = "bad"
    namespace = np

    def devices(self) -> list[str]:
        return ["cpu", "cpu"]


class Plugin:
    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [BackendSpec("bad", f"{THIS}:Mine")]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Registers a plugin whose backend has some members exchanged."""

    def use(**members: Any) -> None:
        module = type(sys)(THIS)
        vars(module)["Mine"] = type("Mine", (Bad,), members)
        monkeypatch.setitem(sys.modules, THIS, module)
        register(Plugin(), name="bad-plugin")

    monkeypatch.delenv("TENSORPLUG_STRICT_PLUGINS", raising=False)
    with isolated():
        yield use


def failing(*arguments: Any) -> Any:
    raise OSError("no link")


def second_fails(self: Any, array: Any, device: int) -> Any:
    return failing() if device else ArrayAPIBackend.from_host(self, array, device)


def no_values(self: Any, handle: Any) -> Any:
    raise ValuesError("a program is being traced")


def full(self: Any, array: Any, device: int) -> Any:
    raise OutOfMemoryError("full")


AT_LOAD: dict[str, tuple[dict[str, Any], str]] = {
    "a device that the library rejects": (
        {"devices": lambda self: ["gpu"]},
        "supports_dtype(bool, 0): expected an answer, got ValueError: Device not understood",
    ),
    "an error instead of an answer": (
        {"supports_dtype": lambda self, dtype, device: 1 / 0},
        "supports_dtype(bool, 0): expected an answer, got ZeroDivisionError: division by zero",
    ),
    "neither yes nor no": (
        {"supports_dtype": lambda self, dtype, device: None},
        "supports_dtype(bool, 0): expected True or False, got None",
    ),
    "an error for the second device": (
        {"supports_dtype": lambda self, dtype, device: 1 // (1 - device) == 1},
        "supports_dtype(bool, 1): expected an answer, got ZeroDivisionError",
    ),
    "no types": (
        {"supports_dtype": lambda self, dtype, device: False},
        "dtypes(0): expected a tuple of at least one DType, got ()",
    ),
    "types by name": (
        {"dtypes": lambda self, device: ("float32",)},
        "dtypes(0): expected a tuple of at least one DType, got ('float32',)",
    ),
    "an empty namespace": (
        {"namespace": type(sys)("hollow")},
        "namespace: expected an array API namespace, got the module 'hollow', which has no asarray,"
        " astype, broadcast_to, empty, full, permute_dims, reshape, where, zeros",
    ),
}


@pytest.mark.parametrize("name", AT_LOAD)
def test_found_when_the_backend_is_loaded(name: str, use: Callable[..., None]) -> None:
    members, text = AT_LOAD[name]
    use(**members)
    with pytest.raises(PluginError) as caught:
        Device("bad:0")
    assert "bad:0: expected Mine to keep the backend contract, got " in str(caught.value)
    assert text in str(caught.value)
    assert "call tensorplug.backends.unregister('bad-plugin')" in str(caught.value)
    assert caught.value.phase == "contract"
    assert [row.state for row in devices() if row.plugin == "bad-plugin"] == ["failed"]


ON_A_DEVICE: dict[str, tuple[dict[str, Any], str]] = {
    "from_host": ({"from_host": failing}, "got OSError: no link"),
    "to_host": ({"to_host": failing}, "got OSError: no link"),
    "enter": ({"enter": failing}, "got OSError: no link"),
    "other values": (
        {"to_host": lambda self, handle: np.zeros(1, np.float32)},
        "but it gave back array([0.], dtype=float32) for array([1.], dtype=float32)",
    ),
    "another type": ({"to_host": lambda self, handle: np.ones(1)}, "but it gave back array([1.])"),
}


@pytest.mark.parametrize("name", ON_A_DEVICE)
def test_found_when_a_device_is_first_named(name: str, use: Callable[..., None]) -> None:
    members, text = ON_A_DEVICE[name]
    use(**members)
    with pytest.raises(PluginError) as caught:
        tp.ones(2, device="bad:1")
    expected = f"bad:1: expected Mine to hold values on its device 1, {text}"
    assert str(caught.value).startswith(expected)
    assert "plugin 'bad-plugin' registered in this process" in str(caught.value)
    assert (caught.value.entry_point, caught.value.phase) == ("bad-plugin", "contract")
    assert isinstance(caught.value.cause, OSError) is ("OSError" in text)
    assert caught.value.__cause__ is caught.value.cause
    states = [row.state for row in devices() if row.plugin == "bad-plugin"]
    assert states == ["failed", "failed"]


def test_each_device_is_tried_by_itself(use: Callable[..., None]) -> None:
    use(from_host=second_fails)
    assert tp.ones(2, device="bad:0").tolist() == [1, 1]
    rows = {row.device: row.state for row in devices() if row.plugin == "bad-plugin"}
    assert rows == {"bad:0": "available", "bad:1": "failed"}


def test_a_full_device_and_a_program_being_traced_are_no_faults() -> None:
    for members in ({"from_host": full}, {"to_host": no_values}):
        try_device(type("Mine", (Bad,), members)(), 0)


def test_the_trial_is_made_inside_of_the_current_device() -> None:
    entered: list[int] = []

    def enter(self: Any, device: int) -> Any:
        entered.append(device)
        return nullcontext()

    backend = type("Mine", (Bad,), {"enter": enter})()
    assert faults(backend) == []
    try_device(backend, 1)
    assert entered == [1]


# --- kernels --------------------------------------------------------------------------------------

RESULTS: dict[str, tuple[str, Any, Callable[[Any], Any], str]] = {
    "None": ("exp", None, lambda x: x.exp(), "an array from its kernel, got NoneType"),
    "a number": ("exp", 5, lambda x: x.exp(), "an array from its kernel, got int"),
    "two numbers": ("exp", (1, 2), lambda x: x.exp(), "an array from its kernel, got tuple of 2: "),
    "a reduction's": ("sum", None, lambda x: x.sum(), "an array from its kernel, got NoneType"),
    "a pair's": ("add", None, lambda x: x + x, "an array from its kernel, got NoneType"),
    "not all of them": (
        "svd", (1, 2), lambda x: tp.linalg.svd(x),
        "3 arrays (U, S, Vh) from its kernel, got tuple of 2: int, int",
    ),
    "none of them": ("svd", None, lambda x: tp.linalg.svd(x), "3 arrays (U, S, Vh) from its"),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_results_that_are_no_arrays(name: str, use: Callable[..., None]) -> None:
    op, result, call, text = RESULTS[name]
    use(kernels=lambda self: {op: lambda *arguments: result})
    x = tp.eye(2, device="bad:0")
    for _ in range(2):
        with pytest.raises(OpError) as caught:
            call(x)
        assert str(caught.value).startswith(f"{op} on bad:0: expected {text}")
        assert f"\n  kernel '{op}' of plugin 'bad-plugin' registered" in str(caught.value)
        assert caught.value.op == op


def test_the_plugin_of_the_kernel_is_named_and_not_that_of_the_backend(
    use: Callable[..., None],
) -> None:
    class Faster:
        @hookimpl
        def tensorplug_kernels(self, backend: str) -> dict[str, Any]:
            return {"exp": lambda x: None} if backend == "bad" else {}

    use()
    register(Faster(), name="faster")
    with pytest.raises(OpError, match="kernel 'exp' of plugin 'faster' registered in this process"):
        tp.ones(2, device="bad:0").exp()


def test_a_kernel_stands_alone_after_a_good_result(use: Callable[..., None]) -> None:
    results: list[Any] = [None, np.zeros(2, np.float32), None]
    use(kernels=lambda self: {"exp": lambda x: results.pop(0)})
    x = tp.ones(2, device="bad:0", requires_grad=True)
    with pytest.raises(OpError, match="expected an array from its kernel"):
        x.exp()
    assert x.exp().tolist() == [0, 0]
    found = x.exp()  # no longer looked at, as a check of each call would cost time
    text = "expected a tensor with an array of bad, got one with NoneType, which the kernel of exp"
    for question in ("shape", "ndim"):
        with pytest.raises(OpError, match=f"{question}: {text} returned on bad:0"):
            getattr(found, question)
    with pytest.raises(OpError, match=r"sum: .*\(got float32 NoneType"):
        found.sum()

"""What users read about plugins and devices, word for word: ``messages.txt``.

Each text is short, and says one thing to do next.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
import tensorplug.plugins
from tensorplug.backends import (
    ArrayAPIBackend,
    BackendSpec,
    Device,
    TensorplugError,
    hookimpl,
    isolated,
    plugins,
    register,
    unregister,
)
from tensorplug.plugins.numpy import NumpyBackend

THIS = "plugins_of_test_messages"


class Acme(NumpyBackend):
    name = "acme"


class Without:
    """NumPy without some functions."""

    __name__ = "acmelib"

    def __getattr__(self, name: str) -> Any:
        if name in ("sinh", "linalg", "concat"):
            raise AttributeError(name)
        return getattr(np, name)


class Poor(ArrayAPIBackend):
    name = "poor"
    namespace = Without()

    def devices(self) -> list[str]:
        return ["cpu"]


class Empty(Acme):
    def devices(self) -> list[int]:
        return []

    def no_devices(self) -> str:
        return "plug one in"


class Broken(Acme):
    def from_host(self, array: np.ndarray, device: int) -> Any:
        raise OSError("no link")


class Wrong(Acme):
    name = "wrong"

    def kernels(self) -> dict[str, Any]:
        return {"exp": lambda x: None, "svd": lambda x, full: (x, x)}


class Faulty(Acme):
    name = ""

    def devices(self) -> list[int]:
        raise OSError("no driver")


class Plugin:
    def __init__(self, type: str, backend: str = "Acme", **values: Any) -> None:
        self.spec = BackendSpec(type, f"{THIS}:{backend}", **values)

    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [self.spec]


class Raising:
    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        raise OSError("no licence")


class Misspelt:
    @hookimpl
    def tensorplug_backend(self) -> list[BackendSpec]:
        return []


MEMBERS = {
    "shipped": tensorplug.plugins, "Acme": Acme, "Poor": Poor, "Empty": Empty, "Faulty": Faulty,
    "acme": Plugin("acme"), "left": Plugin("double"), "right": Plugin("double"),
    "poor": Plugin("poor", "Poor"), "empty": Plugin("empty", "Empty"), "raising": Raising(),
    "Broken": Broken, "Wrong": Wrong,
    "faulty": Plugin("faulty", "Faulty"), "broken": Plugin("broken", "Broken"),
    "wrong": Plugin("wrong", "Wrong"), "newer": Plugin("newer", api=99),
    "older": Plugin("older", api=0), "misspelt": Misspelt(), "cuda": Plugin("cuda"),
    "nolib": Plugin("nolib", requires="no_lib", install="pip install no-lib"),
    "noclass": Plugin("noclass", "Nothing"), "other": Plugin("other"),
}  # fmt: skip
SHIPPED = ("cpu", "xla", "tpu")
NAMES = {
    "acme": "acme", "double": "left", "poor": "poor", "empty": "empty", "raising": "raising",
    "faulty": "faulty", "newer": "newer", "older": "older", "misspelt": "misspelt", "cuda": "cuda",
    "broken": "broken", "wrong": "wrong", "nolib": "nolib", "noclass": "noclass", "absent": "gone",
    "unlike": "other",
}  # fmt: skip


def point(distribution: str, name: str, value: str) -> EntryPoint:
    entry = EntryPoint(name, f"{THIS}:{value}", "tensorplug.devices")
    facts = {"name": distribution, "version": "2.1"}
    vars(entry)["dist"] = SimpleNamespace(metadata=SimpleNamespace(json=facts), requires=None)
    return entry


POINTS = [
    *(point("tensorplug", type, "shipped") for type in SHIPPED),
    *(point(f"tensorplug-{type}", type, value) for type, value in NAMES.items()),
    point("another-double", "double", "right"),
]


@pytest.fixture(autouse=True)
def _setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("DISABLE_PLUGINS", "ONLY_PLUGINS", "NO_PLUGINS", "STRICT_PLUGINS", "PREFER"):
        monkeypatch.delenv(f"TENSORPLUG_{name}", raising=False)
    module = type(sys)(THIS)
    vars(module).update(MEMBERS)
    monkeypatch.setitem(sys.modules, THIS, module)
    with isolated(POINTS):
        yield


def in_block(name: str, **arguments: Any) -> Callable[[], Any]:
    def call() -> Any:
        with plugins(**arguments):
            return Device(name)

    return call


CALLS: dict[str, Callable[[], Any]] = {
    "a type that nobody provides": lambda: Device("gizmo"),
    "a type with a typing error": lambda: Device("acne:1"),
    "a type of a generation before": lambda: Device("gpu"),
    "a malformed name": lambda: Device("acme:one"),
    "an index that is too large": lambda: Device("acme:3"),
    "two indices": lambda: Device("acme:0", 1),
    "no text": lambda: Device(3),  # type: ignore[arg-type]
    "two distributions for a type": lambda: Device("double"),
    "a reserved name": lambda: Device("cuda"),
    "a module without the object": lambda: Device("absent"),
    "an error while describing": lambda: Device("raising"),
    "a misspelt hook": lambda: Device("misspelt"),
    "an entry point unlike its type": lambda: Device("unlike"),
    "a contract of the future": lambda: Device("newer"),
    "a contract of the past": lambda: Device("older"),
    "a library that is not installed": lambda: Device("nolib"),
    "a class that is not there": lambda: Device("noclass"),
    "a backend with faults": lambda: Device("faulty"),
    "a device that holds no values": lambda: Device("broken:0"),
    "no hardware": lambda: Device("empty:0"),
    "turned off by a list": in_block("acme", disable="acme"),
    "turned off by two names in a list": in_block("acme", disable="tensorplug-acme, acme, cpu"),
    "turned off by a list of others": in_block("acme", only="double"),
    "turned off with all": in_block("acme:0", off=True),
    "registered for a type that is taken": lambda: register(Plugin("acme"), name="mine"),
    "registered for a reserved name": lambda: register(Plugin("loopback"), name="mine"),
    "unregistered, but not there": lambda: unregister("mine"),
    "two devices in one op": lambda: tp.ones(2, device="acme") + tp.ones(2, device="poor"),
    "an op without a kernel": lambda: tp.ones(2, device="poor").sinh(),
    "an op of a family without a kernel": lambda: tp.linalg.svd(tp.eye(2, device="poor")),
    "an op of a list without a kernel": lambda: tp.cat([tp.ones(2, 3, device="poor")] * 9, 1),
    "a kernel that returns nothing": lambda: tp.ones(2, device="wrong").exp(),
    "a kernel that returns too little": lambda: tp.linalg.svd(tp.eye(2, device="wrong")),
}


def sections() -> dict[str, str]:
    text = Path(__file__).with_name("messages.txt").read_text("utf-8")
    parts = (part.partition("\n") for part in text.split("== ")[1:])
    return {name: body.strip() for name, _, body in parts}


@pytest.mark.parametrize("name", CALLS)
def test_message(name: str) -> None:
    with pytest.raises(TensorplugError) as caught:
        CALLS[name]()
    text = f"{type(caught.value).__name__}: {caught.value}"
    assert text == sections()[name]
    assert len(text) <= 600
    assert text.count("\n") < 8


def test_no_message_is_left_over() -> None:
    assert list(sections()) == list(CALLS)

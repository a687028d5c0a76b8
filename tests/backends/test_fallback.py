"""Ops without a kernel: on the host where that is allowed, and counted."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends import (
    ArrayAPIBackend,
    BackendSpec,
    KernelNotFound,
    allow_fallback,
    fallbacks,
    hookimpl,
    isolated,
    register,
    unregister,
)

THIS = "plugins_of_test_fallback"
HIDDEN = ("sinh", "linalg", "concat", "cumulative_sum", "sum")


class Without:
    """NumPy without some functions."""

    __name__ = "poorlib"

    def __getattr__(self, name: str) -> Any:
        if name in HIDDEN:
            raise AttributeError(name)
        return getattr(np, name)


class Poor(ArrayAPIBackend):
    name = "poor"
    namespace = Without()

    def devices(self) -> list[str]:
        return ["cpu", "cpu"]


class Falling(Poor):
    name = "falling"
    host_fallback: ClassVar[bool] = True


class Plugin:
    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [BackendSpec("poor", f"{THIS}:Poor"), BackendSpec("falling", f"{THIS}:Falling")]


class Sinh:
    @hookimpl
    def tensorplug_kernels(self, backend: str) -> dict[str, Any]:
        return {"sinh": np.sinh} if backend == "poor" else {}


@pytest.fixture(autouse=True)
def _setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TENSORPLUG_STRICT_PLUGINS", raising=False)
    module = type(sys)(THIS)
    vars(module).update(Poor=Poor, Falling=Falling)
    monkeypatch.setitem(sys.modules, THIS, module)
    with isolated():
        register(Plugin(), name="poor")
        yield


def matrix(device: str) -> tp.Tensor:
    return tp.tensor([[2.0, 1.0], [1.0, 3.0]], device=device)


CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "an array": ("sinh", lambda x: x.sinh()),
    "a reduction": ("sum", lambda x: x.sum(1)),
    "a list of arrays": ("concat", lambda x: tp.cat([x, x])),
    "several results": ("svd", lambda x: tp.linalg.svd(x)[1]),
    "a named tuple": ("eigh", lambda x: tp.linalg.eigh(x)[0]),
    "an attribute": ("cumsum", lambda x: x.cumsum(0)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("device", ["falling:0", "falling:1"])
def test_values_are_those_of_the_host(name: str, device: str) -> None:
    op, call = CALLS[name]
    before = fallbacks().get(op, 0)
    with pytest.warns(RuntimeWarning, match=f"{op} on {device} runs on the host: falling has no"):
        found = call(matrix(device))
    assert str(found.device) == device
    assert found.tolist() == call(matrix("cpu")).tolist()
    assert fallbacks()[op] == before + 1


def test_each_op_and_device_warns_once_at_the_line_of_the_call() -> None:
    first, second = matrix("falling:0"), matrix("falling:1")
    with pytest.warns(RuntimeWarning) as caught:
        _ = [(x.sinh(), x.sum()) for x in (first, second, first, second)]
    texts = [str(warning.message).partition(" runs")[0] for warning in caught]
    assert texts == [
        "sinh on falling:0", "sum on falling:0", "sinh on falling:1", "sum on falling:1"
    ]  # fmt: skip
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.filterwarnings("ignore:.* runs on the host")
def test_gradients() -> None:
    assert tp.autograd.gradcheck(
        lambda x: x.sinh().sum(), matrix("falling:0").double().requires_grad_()
    )
    x = matrix("falling:1").requires_grad_()
    x.sinh().sum().backward()
    assert x.grad is not None
    assert str(x.grad.device) == "falling:1"


def test_a_block_allows_what_the_class_does_not() -> None:
    x = matrix("poor:0")
    with pytest.raises(KernelNotFound, match="sinh on poor:0: expected a kernel"):
        x.sinh()
    with allow_fallback(), pytest.warns(RuntimeWarning, match="sinh on poor:0 runs on the host"):
        assert x.sinh().tolist() == matrix("cpu").sinh().tolist()
    with pytest.raises(KernelNotFound):
        x.sinh()


@pytest.mark.filterwarnings("ignore:.* runs on the host")
def test_a_block_is_for_its_own_thread_and_ends_with_an_error() -> None:
    found: list[Any] = []

    def other() -> None:
        with pytest.raises(KernelNotFound):
            matrix("poor:0").sinh()
        found.append(True)

    with allow_fallback(), allow_fallback():
        matrix("poor:0").sinh()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found == [True]
    with pytest.raises(ZeroDivisionError), allow_fallback():
        _ = 1 / 0
    with pytest.raises(KernelNotFound):
        matrix("poor:0").sinh()


def test_a_kernel_that_comes_later_is_used() -> None:
    x = matrix("poor:0")
    with pytest.raises(KernelNotFound):
        x.sinh()
    register(Sinh(), name="sinh")
    count = fallbacks().get("sinh", 0)
    assert x.sinh().tolist() == matrix("cpu").sinh().tolist()
    unregister("sinh")
    with pytest.raises(KernelNotFound):
        x.sinh()
    assert fallbacks().get("sinh", 0) == count


@pytest.mark.filterwarnings("ignore:.* runs on the host")
def test_errors_are_those_of_the_op() -> None:
    text = "inv: expected an invertible matrix, got a singular one"
    with allow_fallback(), pytest.raises(RuntimeError, match=text):
        tp.linalg.inv(tp.zeros(2, 2, device="poor:0"))


def test_a_warning_made_an_error_stops_the_op_each_time() -> None:
    x = matrix("falling:0")
    for _ in range(2):
        with pytest.raises(tp.backends.TensorplugError, match="sinh on falling:0 runs on the host"):
            x.sinh()


PROGRAM = """
import sys, types, warnings
import numpy as np
import tensorplug as tp
from tensorplug.backends import ArrayAPIBackend, BackendSpec, hookimpl, plugins, register

class Without:
    def __getattr__(self, name):
        if name == "sinh":
            raise AttributeError(name)
        return getattr(np, name)

class Poor(ArrayAPIBackend):
    name, namespace, host_fallback = "poor", Without(), True
    def devices(self):
        return ["cpu"]

class Plugin:
    @hookimpl
    def tensorplug_backends(self):
        return [BackendSpec("poor", "poor_module:Poor")]

sys.modules["poor_module"] = types.SimpleNamespace(Poor=Poor)
register(Plugin(), name="poor")
tp.ones(2).log().div_(0).exp()  # NumPy says nothing of infinities
tp.ones(2, device="poor").sinh()  # line 26
with plugins(disable="stric"):  # line 27
    pass
"""


def test_our_own_warnings_are_shown_when_cpu_is_loaded() -> None:
    """By the filters of a plain program, which pytest replaces by its own."""
    words = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if "RuntimeWarning" in line]
    assert [line.partition(" RuntimeWarning: ")[0] for line in lines] == [
        "<string>:26:", "<string>:27:"
    ]  # fmt: skip
    assert "sinh on poor:0 runs on the host" in lines[0]
    assert "expected the names of installed plugins, got 'stric'" in lines[1]

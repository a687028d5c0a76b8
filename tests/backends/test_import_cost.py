"""What installed plugins cost a program that does not use them: nothing but reading metadata."""

from __future__ import annotations

from typing import Any

import pytest

from tensorplug.backends import hookimpl, hookspecs
from tensorplug.backends.admission import Plugins, process_key
from tensorplug.backends.sources import Source

SLOW = """
import time
time.sleep(2)
from tensorplug.backends import BackendSpec, hookimpl
from tensorplug.plugins.numpy import NumpyBackend
class Mine(NumpyBackend):
    name = "{name}"
@hookimpl
def tensorplug_backends():
    return [BackendSpec("{name}", "plugin_{name}:Mine")]
"""


def test_twenty_slow_plugins_are_not_imported_until_asked_for(site: Any) -> None:
    for number in range(20):
        name = f"slow{number}"
        site.add(f"acme-{name}", f"{name} = plugin_{name}", SLOW.format(name=name))
    answer = site.ask(
        "import sys, time, tensorplug as tp\n"
        "def imported(): return sorted(m for m in sys.modules if m.startswith('plugin_'))\n"
        "answer = [imported() + [m for m in sys.modules if m.startswith('tensorplug.plugins')]]\n"
        "x = tp.ones(3, requires_grad=True)\n(x * 2).sum().backward()\n"
        "answer += [x.grad.tolist(), imported()]\n"
        "answer += [str(tp.ones(3, device='SLOW7').device), imported()]\n"
    )
    assert answer == [[], [2.0, 2.0, 2.0], [], "slow7:0", ["plugin_slow7"]]


def test_broken_plugins_leave_the_rest_alone_and_the_interpreter_too(site: Any) -> None:
    crash = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"
    site.add("acme-crash", "crash = plugin_crash", crash)
    site.add("acme-cpu", "cpu = plugin_cpu", crash)
    answer = site.ask("import tensorplug as tp\nanswer = tp.ones(3).sum().item()")
    assert answer == 3.0


def test_new_argument_of_a_hook_breaks_no_old_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    @hookspecs._specify
    def tensorplug_kernels(backend: str, device: int) -> Any:
        return {}

    class Old:
        @hookimpl
        def tensorplug_kernels(self, backend: str) -> Any:
            return {"exp": (backend,)}

    class New:
        @hookimpl
        def tensorplug_kernels(self, device: int, backend: str) -> Any:
            return {"exp": (backend, device)}

    monkeypatch.setattr(hookspecs, "tensorplug_kernels", tensorplug_kernels)
    plugins = Plugins()
    found = []
    for name, plugin in (("old", Old()), ("new", New())):
        assert plugins.add(Source("", name), plugin, False) is None
        key = process_key(name)
        found.append(plugins.call(key, "tensorplug_kernels", backend="x", device=1))
    assert found == [{"exp": ("x",)}, {"exp": ("x", 1)}]

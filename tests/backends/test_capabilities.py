"""Capabilities: what is not declared raises one error, whatever the library could have done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.backends import (
    CAPABILITIES,
    DEFAULT_CAPABILITIES,
    BackendSpec,
    CapabilityError,
    contract,
    hookimpl,
    register,
    unregister,
)
from tensorplug.backends.base import Kernel
from tensorplug.plugins.numpy import NumpyBackend


class PoorBackend(NumpyBackend):
    """NumPy that declares nothing beyond the core, and neither float64 nor complex128."""

    name = "poor"
    capabilities = frozenset()
    shares_host_memory = False

    def supports_dtype(self, dtype: Any, device: int) -> bool:
        return dtype.name not in ("float64", "complex128")

    def into_kernels(self) -> Mapping[str, Kernel]:
        return {}

    def owns(self, array: Any) -> bool:
        return False


class Plugin:
    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [BackendSpec("poor", f"{__name__}:PoorBackend")]


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # Under importlib mode this file is no importable module.
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(
        PoorBackend=PoorBackend))  # fmt: skip
    register(Plugin(), name="poor")
    yield "poor:0"
    unregister("poor")


def ones() -> tp.Tensor:
    return tp.ones(3, 3, device="poor")


UNDECLARED: dict[str, list[Callable[[], Any]]] = {
    "linalg": [lambda: tp.linalg.svd(ones()), lambda: tp.linalg.solve(ones(), ones())],
    "fft": [lambda: tp.fft.fft(ones()), lambda: tp.fft.irfft2(ones())],
    "special": [lambda: ones().erf(), lambda: tp.special.i0(ones())],
    "random": [
        lambda: tp.rand(3, device="poor"), lambda: ones().normal_(),
        lambda: tp.randperm(3, device="poor"), lambda: tp.nn.functional.dropout(ones()),
    ],
    "dynamic_shapes": [
        lambda: ones().nonzero(), lambda: tp.unique(ones()), lambda: ones()[ones() > 0],
    ],
    "in_place": [
        lambda: ones().add_(1), lambda: ones().zero_(), lambda: ones().copy_(ones()),
        lambda: ones().__setitem__(0, 1), lambda: tp.exp(ones(), out=ones()),
        lambda: ones().__setitem__(tp.tensor([0], device="poor"), 1),
    ],
    "as_strided": [lambda: ones().as_strided((2,), (1,))],
    "dlpack_export": [lambda: ones().__dlpack__()],
    "float64": [
        lambda: ones().double(), lambda: tp.ones(2, dtype=tp.float64, device="poor"),
        lambda: tp.ones(2, dtype=tp.float64).to("poor"), lambda: ones().sum(dtype=tp.float64),
        lambda: tp.tensor([1.5], dtype=tp.float64, device="poor"),
        lambda: tp.linspace(0, 1, 3, dtype=tp.float64, device="poor"),
    ],
    "complex128": [lambda: ones().to(tp.complex128)],
}  # fmt: skip


@pytest.mark.parametrize("capability", UNDECLARED)
def test_what_is_not_declared_raises(poor: str, capability: str) -> None:
    for call in UNDECLARED[capability]:
        with pytest.raises(CapabilityError) as caught:
            call()
        error = caught.value
        assert (error.capability, error.device) == (capability, poor)
        assert str(error).startswith(f"{error.op} on poor:0: expected ")
        assert capability in str(error)
        assert "poor" in str(error)
        assert (ones() + 1).tolist() == [[2.0] * 3] * 3  # the device is as usable as before
    assert isinstance(error, (NotImplementedError, TypeError, RuntimeError))


@pytest.mark.parametrize("capability", UNDECLARED)
def test_cpu_declares_all_of_it(capability: str) -> None:
    assert capability in tp.device("cpu").capabilities


def test_every_guarding_capability_is_tried() -> None:
    guarding = {name for name, fact in CAPABILITIES.items() if fact.guards and fact.default}
    assert guarding == set(UNDECLARED) - {"float64", "complex128"}


def test_facts_follow_from_types_and_members() -> None:
    found = tp.device("cpu").capabilities
    assert found >= DEFAULT_CAPABILITIES | {"float64", "bfloat16", "host_memory", "survives_fork"}
    assert not found & {"async", "streams", "several_devices", "compiles", "host_fallback"}


class Misspelt(PoorBackend):
    capabilities = frozenset(("fftt", "linalg"))


class Contradicting(NumpyBackend):
    capabilities = DEFAULT_CAPABILITIES - {"in_place"}


class Listed(PoorBackend):
    capabilities: Any = ("fft",)


def test_wrong_declarations_are_refused() -> None:
    assert contract.faults(Misspelt()) == [
        "capabilities: expected names of capabilities, got 'fftt'; did you mean 'fft'?"
    ]
    assert contract.faults(Contradicting()) == [
        "capabilities: expected in_place beside into_kernels(), got one alone"
    ]
    assert contract.faults(Listed()) == [
        "capabilities: expected a frozenset of names, got ('fft',)"
    ]

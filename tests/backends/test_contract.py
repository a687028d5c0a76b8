"""What is wrong with a backend or its description is found, all of it at once."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from tensorplug.backends import (
    API_VERSION,
    Backend,
    BackendSpec,
    OpValueError,
    StridedBackend,
    hookimpl,
    isolated,
    register,
)
from tensorplug.backends.base import REQUIRED
from tensorplug.backends.contract import PRIMITIVES, faults
from tensorplug.plugins.numpy import NumpyBackend


def test_primitives_are_the_members_without_a_default() -> None:
    abstract = [
        name
        for name, member in vars(Backend).items()
        if inspect.isfunction(member) and "NotImplementedError" in member.__code__.co_names
    ]
    assert sorted(abstract) == sorted({*PRIMITIVES, *REQUIRED} - {"name", "namespace"})


def test_shipped_backend_has_no_fault() -> None:
    assert faults(NumpyBackend()) == []


def test_by_default_nothing_is_received_from_other_libraries() -> None:
    class Bare(Backend):
        name = "bare"

    with pytest.raises(BufferError, match="bare takes no arrays of other libraries"):
        Bare().receive([1.0], 0, False)


def test_bare_subclass_misses_every_member_without_a_default() -> None:
    class Bare(Backend):
        def to_hots(self, handle: Any) -> Any:
            return handle

    found = faults(Bare())
    assert "to_host: expected a definition, got none (there is 'to_hots')" in found
    missing = [fault.partition(":")[0] for fault in found if "a definition, got none" in fault]
    assert missing == [*REQUIRED, *PRIMITIVES]


def test_every_fault_is_listed_at_once() -> None:
    class Faulty(NumpyBackend):
        name = ""
        namespace = None
        mutable = 1  # type: ignore[assignment]
        soft_errors = RuntimeWarning  # type: ignore[assignment]
        to_host = None  # type: ignore[assignment]

        weak_numbers = {"float32"}  # type: ignore[assignment]  # noqa: RUF012

        def from_host(self, array: Any) -> Any:  # type: ignore[override]
            return array

        def into_kernels(self) -> Any:
            return []

        def kernels(self) -> Any:
            return {"ad": len, "add": 3}

        def devices(self) -> Any:
            return "cpu"

    assert faults(Faulty(), {"add", "mul"}) == [
        "from_host: expected to be called as from_host(array, device), got from_host(array)",
        "to_host: expected a method, got NoneType",
        "name: expected the library's name, got ''",
        "namespace: expected an array API namespace, got None",
        "mutable: expected True or False, got 1",
        "soft_errors: expected a tuple of exception types, got <class 'RuntimeWarning'>",
        "weak_numbers: expected a frozenset of dtypes, got {'float32'}",
        "kernels(): expected the names of ops, got 'ad'; did you mean 'add'?",
        "kernels(): 'add': expected a function, got int",
        "into_kernels(): expected a mapping from op names to functions, got list",
        "devices(): expected a list or tuple of devices, got str",
    ]


@pytest.mark.parametrize(
    ("member", "value", "text"),
    [
        ("kernels", lambda self: 1 / 0, "kernels(): expected a result, got ZeroDivisionError"),
        ("kernels", lambda self: None, "kernels(): expected a mapping from op names to functions"),
        (
            "devices",
            lambda self: iter(()),
            "devices(): expected a list or tuple of devices, got tuple_iterator",
        ),
        ("devices", lambda self: 1 / 0, "devices(): expected a result, got ZeroDivisionError"),
        ("clone", lambda self: None, "clone: expected to be called as clone(handle), got clone()"),
        ("soft_errors", (3,), "soft_errors: expected a tuple of exception types, got (3,)"),
    ],
)
def test_single_faults(member: str, value: Any, text: str) -> None:
    backend = type("Mine", (NumpyBackend,), {member: value})()
    (fault,) = faults(backend)
    assert fault.startswith(text)


def test_builtin_members_that_tell_no_signature_pass() -> None:
    assert faults(type("Mine", (NumpyBackend,), {"synchronize": max})()) == []


def test_class_that_is_no_backend() -> None:
    expected = "expected a subclass of tensorplug.backends.Backend, got NoneType"
    assert faults(None) == [expected]
    assert issubclass(StridedBackend, Backend)


# --- descriptions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"types": "Acme"}, "types: expected different lower-case device types such as 'acme'"),
        ({"types": ()}, "types: expected different lower-case device types"),
        ({"types": ("a", "a")}, "got ('a', 'a')"),
        ({"types": 3}, "got 3"),
        ({"backend": "module"}, "backend: expected 'package.module:Class', got 'module'"),
        ({"backend": 3}, "backend: expected 'package.module:Class', got 3"),
        ({"requires": "no name"}, "requires: expected import names, got ('no name',)"),
        ({"install": 3}, "install: expected a command as text, got 3"),
        ({"indexed": 1}, "indexed: expected True or False, got 1"),
        ({"options": []}, "options: expected a mapping of keyword arguments, got []"),
        ({"api": 1.0}, "api: expected a whole number, or the lowest and the highest as a tuple, "),
        ({"api": (2, 1)}, "as a tuple, got (2, 1)"),
        ({"api": (1,)}, "as a tuple, got (1,)"),
        ({"api": (1, 2.0)}, "as a tuple, got (1, 2.0)"),
        ({"api": [1, 2]}, "as a tuple, got [1, 2]"),
    ],
)
def test_wrong_descriptions(values: Mapping[str, Any], text: str) -> None:
    with pytest.raises(OpValueError) as caught:
        BackendSpec(**{"types": "acme", "backend": "a:B", **values})
    assert text in str(caught.value)


class Serving:
    def __init__(self, *api: Any) -> None:
        self.api = api

    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [BackendSpec(f"acme{i}", "a:B", api=api) for i, api in enumerate(self.api)]


def test_the_newest_version_in_common_is_used() -> None:
    with isolated([]) as registry:
        register(Serving((1, 99), (-3, 1), 1, None), name="serving")
        claims = [claim for found in registry.plugins.claims.values() for claim in found]
    assert [claim.spec.api for claim in claims] == [API_VERSION, 1, 1, API_VERSION]
    assert [claim.spec.serves for claim in claims] == [(1, 99), (-3, 1), None, None]

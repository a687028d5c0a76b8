"""The device loads: it is described, found by its name, and keeps the backend contract."""

from __future__ import annotations

from typing import Any

import pytest

import tensorplug as tp
from tensorplug.backends import Backend, StorageInfo, contract, hookspecs
from tensorplug.backends.plugging import current


def test_one_device_object_per_name(device: str) -> None:
    where = tp.device(device)
    assert where is tp.device(device.upper())
    assert where is tp.device(where)
    assert where is tp.device(where.type, where.index)
    assert str(where) == device


def test_the_backend_keeps_the_contract(device: str) -> None:
    backend = tp.device(device).backend
    assert isinstance(backend, Backend)
    assert contract.faults(backend) == []


def test_the_description_fits_the_device(device: str) -> None:
    where = tp.device(device)
    claim = current().load(where.type).claim
    assert where.type in claim.spec.types
    assert hookspecs.OLDEST_API_VERSION <= (claim.spec.api or 0) <= hookspecs.API_VERSION
    assert claim.source.name


def test_it_tells_its_version_and_its_devices(device: str) -> None:
    where = tp.device(device)
    version = where.backend.version()
    assert isinstance(version, str)
    assert version
    assert len(where.backend.devices()) > where.index
    assert len(where.backend.devices()) == len(where.backend.devices())


def test_memory_figures_are_whole_numbers(device: str) -> None:
    where = tp.device(device)
    figures = where.backend.memory(where.index)
    assert set(figures) <= {"total", "free", "allocated", "reserved", "peak"}, figures
    assert all(type(value) is int and value >= 0 for value in figures.values()), figures


def test_it_computes(device: str) -> None:
    x = tp.tensor([1.0, 2.0, 3.0], device=device)
    assert (x + x).tolist() == [2.0, 4.0, 6.0]
    assert str((x + x).device) == device


def test_operations_call_no_hook(device: str) -> None:
    x = tp.ones((2, 2), device=device, requires_grad=True)
    (x * x).sum().backward()  # kernels are resolved now
    calls: list[str] = []
    manager = current().plugins.manager
    undo = manager.add_hookcall_monitoring(lambda name, *_: calls.append(name), lambda *_: None)
    try:
        for _ in range(20):
            (x * x + 1).sum().backward()
    finally:
        undo()
    assert calls == []


@pytest.mark.parametrize("index", [-1, 10_000])
def test_an_index_without_a_device_is_refused(device: str, index: int) -> None:
    where = tp.device(device)
    with pytest.raises(RuntimeError, match="index") as caught:
        tp.device(where.type, index)
    assert str(index) in str(caught.value)
    assert tp.device(device) is where


@pytest.mark.parametrize("suffix", [":", ":x", ":0:0", ":00", " "])
def test_a_malformed_name_is_refused(device: str, suffix: str) -> None:
    name = tp.device(device).type + suffix
    with pytest.raises(RuntimeError, match="expected 'type' or 'type:index'"):
        tp.device(name)


def test_storage_is_told_as_numbers(device: str) -> None:
    where = tp.device(device)
    x = tp.zeros((2, 3), dtype=tp.int32, device=device)
    found: Any = where.backend.storage(x._h)
    assert isinstance(found, StorageInfo)
    assert all(type(value) is int for value in found)
    assert found.nbytes >= 24

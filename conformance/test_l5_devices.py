"""Several devices of one type: memory figures of their own, copies that wait for their source."""

from __future__ import annotations

import pytest

import tensorplug as tp
from tensorplug.conformance.samples import other_devices

pytestmark = pytest.mark.needs("several_devices")


@pytest.mark.needs("memory_stats")
def test_memory_figures_are_those_of_each_device(device: str) -> None:
    here, there = tp.device(device), tp.device(other_devices(device)[0])

    def used(where: tp.device) -> int:
        return int(where.backend.memory(where.index)["allocated"])

    before = used(here), used(there)
    x = tp.ones(1 << 16, device=there)
    after = used(here), used(there)
    size = x.numel() * x.element_size()
    assert after[1] - before[1] >= size, f"memory of {there}: grew from {before[1]} to {after[1]}"
    assert after[0] - before[0] < size, f"memory of {here}: grew by what {there} has allocated"


def test_copies_between_devices_wait_for_their_source(device: str) -> None:
    there = other_devices(device)[0]
    x = tp.ones(64, device=device)
    for _ in range(20):
        x = x * 2 - 1
    y = (x + 1).to(there)
    assert y.tolist() == [2.0] * 64, f"copy from {device} to {there} of what was just computed"
    assert (y * 2).to(device).tolist() == [4.0] * 64, f"copy from {there} to {device}"

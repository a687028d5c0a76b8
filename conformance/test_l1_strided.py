"""Layouts over a storage that is only seen through a view."""

from __future__ import annotations

import pytest

import tensorplug as tp

pytestmark = pytest.mark.needs("as_strided")


@pytest.mark.parametrize("offset", [0, 1, 5])
def test_as_strided_counts_from_the_start_of_the_storage(device: str, offset: int) -> None:
    base = tp.arange(24, device=device)
    want = [[offset, offset + 3], [offset + 2, offset + 5]]
    for name, x in (("whole", base), ("a part", base[2:20]), ("a view of a part", base[2:20][3:])):
        got = x.as_strided((2, 2), (2, 3), offset)
        text = f"as_strided of {name} with offset {offset}"
        assert got.tolist() == want, f"{text}: expected {want}, got {got.tolist()}"
        assert got.storage_offset() == offset, f"{text}: storage_offset {got.storage_offset()}"


def test_as_strided_starts_where_the_view_does_unless_told(device: str) -> None:
    base = tp.arange(24, device=device)
    assert base[4:].as_strided((3,), (2,)).tolist() == [4, 6, 8], "as_strided without an offset"

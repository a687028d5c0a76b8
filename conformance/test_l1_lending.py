"""Memory that is lent through DLPack: copied or shared as asked for, and seen as the view is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import array_of


def shares(tensor: tp.Tensor, array: np.ndarray) -> bool:
    """Whether a write to the array is seen through the tensor."""
    before = array.flat[0]
    array.flat[0] = 77
    seen = array_of(tensor).reshape(-1)[0] == 77
    array.flat[0] = before
    return bool(seen)


# --- DLPack in ------------------------------------------------------------------------------------


@pytest.mark.needs("dlpack_import")
@pytest.mark.parametrize("copy", [None, True, False])
def test_dlpack_import_copies_as_it_is_told(device: str, copy: Any) -> None:
    array = np.arange(6.0, dtype=np.float32)
    try:
        x = tp.from_dlpack(array, device=device, copy=copy)
    except BufferError:
        assert copy is False, f"from_dlpack(copy={copy}): only copy=False may be refused"
        return
    assert x.tolist() == array.tolist()
    if copy is not None:
        text = f"from_dlpack(copy={copy}) to {device}: expected memory "
        assert shares(x, array) is (copy is False), text + ("apart" if copy else "shared")


LENT: dict[str, Callable[[Any], Any]] = {
    "whole": lambda a: a,
    "transposed": lambda a: a.T,
    "rows": lambda a: a[1:],
    "columns": lambda a: a[:, 1:3],
    "every second": lambda a: a[::2, ::2],
    "one column": lambda a: a[:, 2],
    "one element": lambda a: a[1:2, 2:3],
    "in another order": lambda a: a.reshape(2, 2, 3).transpose(2, 0, 1),
    "by columns": np.asfortranarray,
    "nothing": lambda a: a[:, 4:],
}


@pytest.mark.parametrize("lent", LENT)
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_arrays_come_with_their_strides(device: str, lent: str, dtype: Any) -> None:
    array = LENT[lent](np.arange(12, dtype=dtype).reshape(4, 3))
    for name in ("tensor", "as_tensor", "asarray"):
        found = getattr(tp, name)(array, device=device)
        assert array_of(found).tolist() == array.tolist(), f"tp.{name} of an array ({lent})"
    if "dlpack_import" in tp.device(device).capabilities:
        for copy in (None, True, False):
            try:
                found = tp.from_dlpack(array, device=device, copy=copy)
            except BufferError:
                assert copy is False, f"from_dlpack(copy={copy}): only copy=False may be refused"
                continue
            assert found.shape == array.shape
            assert array_of(found).tolist() == array.tolist(), f"from_dlpack(copy={copy}) ({lent})"
            assert (found + 1).tolist() == (array + 1).tolist(), f"computed from it ({lent})"


WRITES: dict[str, Any] = {
    "fill_": lambda x: x.fill_(7),
    "add_": lambda x: x.add_(1),
    "x[0] =": lambda x: x.__setitem__(0, 7.0),
    "a view": lambda x: x[1:].mul_(5),
    "copy_": lambda x: x.copy_(tp.full((3,), 7.0, device=x.device)),
    "out=": lambda x: tp.exp(x, out=x),
}


@pytest.mark.needs("dlpack_import", "in_place")
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("kind", ["read-only", "broadcast", "a view of read-only"])
def test_memory_that_is_read_only_stays_as_it_is(device: str, kind: str, write: str) -> None:
    """Writes are refused, or go to memory of the tensor's own."""
    array = np.full(1 if kind == "broadcast" else 5, 2.0, np.float32)
    if kind == "broadcast":
        lent = np.broadcast_to(array, (3,))
    else:
        array.flags.writeable = False
        lent = array[:3] if kind == "read-only" else array[1:4][:]
    for copy in (None, False):
        try:
            x = tp.from_dlpack(lent, device=device, copy=copy)
        except BufferError:
            continue  # it may not be lent at all
        try:
            WRITES[write](x)
        except (RuntimeError, ValueError, BufferError):
            assert x.tolist() == [2.0, 2.0, 2.0], f"{write} was refused, but changed the tensor"
        assert set(array.tolist()) == {2.0}, f"{write} changed an array that is read-only ({kind})"


# --- DLPack out -----------------------------------------------------------------------------------

VIEWS = {
    "whole": lambda x: x,
    "second row": lambda x: x[1],
    "end of a row": lambda x: x[1, 2:],
    "last elements": lambda x: x.reshape(-1)[7:],
    "transposed": lambda x: x.t(),
    "every second": lambda x: x[:, ::2],
    "one element": lambda x: x[2, 1],
    "nothing": lambda x: x[:, :0],
}


@pytest.mark.needs("dlpack_export")
@pytest.mark.parametrize("view", VIEWS)
def test_dlpack_export_shows_the_view_and_not_its_storage(device: str, view: str) -> None:
    x = tp.arange(12, dtype=tp.float32, device=device).reshape(3, 4)
    part = VIEWS[view](x)
    found = tp.from_dlpack(part)
    assert array_of(found).tolist() == array_of(part).tolist(), f"__dlpack__ of a view ({view})"
    if part.__dlpack_device__()[0] == 1:  # the host's memory
        array = np.from_dlpack(part)
        assert array.shape == tuple(part.shape)
        assert array.tolist() == array_of(part).tolist(), f"__dlpack__ of a view ({view})"


@pytest.mark.needs("dlpack_export")
def test_exported_memory_outlives_its_tensor(device: str) -> None:
    x = tp.arange(4096, dtype=tp.float32, device=device)
    if x.__dlpack_device__()[0] != 1:
        return
    array = np.from_dlpack(x[1000:1005])
    del x
    others = [tp.zeros(4096, device=device) for _ in range(8)]
    assert array.tolist() == [1000, 1001, 1002, 1003, 1004], "the memory of __dlpack__ was reused"
    assert len(others) == 8

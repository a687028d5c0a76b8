"""Views and writes on xla: slices and updates, never a gather, and memory that is used again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorplug as tp


def native(x: tp.Tensor) -> Any:
    return x.device.backend.native(x._h)


def pointer(x: tp.Tensor) -> int:
    found: int = x._h.cell.value.unsafe_buffer_pointer()
    return found


def primitives(function: Callable[[Any], Any], *arrays: Any) -> set[str]:
    """The names of all XLA operations in a traced function, those of its parts too."""
    found: set[str] = set()

    def walk(jaxpr: Any) -> None:
        for equation in jaxpr.eqns:
            inner = [p for p in equation.params.values() if hasattr(p, "jaxpr")]
            for part in inner:
                walk(part.jaxpr)
            if not inner:
                found.add(equation.primitive.name)

    walk(jax.make_jaxpr(function)(*arrays).jaxpr)
    return found


SLICES = {"slice", "dynamic_slice", "squeeze", "reshape", "transpose", "rev", "broadcast_in_dim",
          "copy", "copy_p"}  # fmt: skip

READS: list[Callable[[tp.Tensor], tp.Tensor]] = [
    lambda x: x[1:, ::2],
    lambda x: x[2],
    lambda x: x[::-1, 3:0:-2],
    lambda x: x.t(),
    lambda x: x[1:3].t().reshape(2, 6)[1],
    lambda x: x.view(2, 12)[:, 5:],
    lambda x: x[:, None].expand(4, 3, 6),
    lambda x: x.diagonal(),
    lambda x: x.unfold(1, 2, 2),
    lambda x: x.as_strided((2, 3), (12, 2), 1),
]


@pytest.mark.parametrize("index", range(len(READS)))
def test_views_are_read_by_slices(index: int) -> None:
    def read(array: Any) -> Any:
        return native(READS[index](tp.asarray(array)).clone())

    array = jnp.arange(24.0).reshape(4, 6)
    assert primitives(read, array) <= SLICES
    expected = READS[index](tp.arange(24.0).reshape(4, 6).to(tp.float64))
    assert np.array_equal(np.asarray(read(array)), expected.numpy())


@pytest.mark.parametrize("index", [i for i in range(len(READS)) if i != 6])
def test_views_are_written_by_updates(index: int) -> None:
    def write(array: Any) -> Any:
        x = tp.asarray(array)
        READS[index](x).copy_(READS[index](x) * 2 + 1)
        return native(x)

    array = jnp.arange(24.0).reshape(4, 6)
    assert "gather" not in primitives(write, array)
    expected = tp.arange(24.0).reshape(4, 6).to(tp.float64)
    READS[index](expected).copy_(READS[index](expected) * 2 + 1)
    assert np.array_equal(np.asarray(write(array)), expected.numpy())


def test_a_dense_write_is_a_dynamic_update_slice() -> None:
    def write(array: Any) -> Any:
        x = tp.asarray(array)
        x[1:3, 2:] = 0.0
        return native(x)

    found = primitives(write, jnp.ones((4, 6)))
    assert "dynamic_update_slice" in found
    assert "scatter" not in found


def test_only_overlapping_strides_need_a_gather() -> None:
    def read(array: Any) -> Any:
        return native(tp.asarray(array).as_strided((3, 3), (2, 1)).clone())

    assert "gather" in primitives(read, jnp.arange(12.0))


def test_every_alias_sees_a_write_through_any_alias() -> None:
    x = tp.arange(12.0, device="xla:0").reshape(3, 4)
    row, column, flat, turned = x[1], x[:, 1], x.view(12), x.t()
    row[1] = 50.0
    assert [float(column[1]), float(flat[5]), float(turned[1, 1])] == [50.0] * 3
    flat[::5] = -1.0
    assert x.tolist() == [[-1, 1, 2, 3], [4, -1, 6, 7], [8, 9, -1, 11]]
    turned.mul_(2)
    assert row.tolist() == [8.0, -2.0, 12.0, 14.0]
    assert (row.stride(), row.storage_offset(), column.stride()) == ((1,), 4, (4,))
    assert x._version == row._version == flat._version == 3


def test_one_program_reads_and_writes_all_rows() -> None:
    x = tp.zeros(50, 3, device="xla:0")
    before = None
    for i in range(50):
        x[i] = tp.full((3,), float(i), device="xla:0")
        assert float(x[i][0]) == i
        if i == 2:  # all programs are there
            before = x.device.backend._donating._cache_size()
    assert x.device.backend._donating._cache_size() == before


# --- memory -----------------------------------------------------------------------------------


def test_a_write_reuses_the_memory_that_nobody_else_holds() -> None:
    x = tp.zeros(1000, 100, device="xla:0")
    x[0] = 1.0
    before = pointer(x)
    x[5:7, 3] = 2.0
    x.view(-1)[7] = 3.0
    assert pointer(x) == before
    assert x.sum().item() == 100.0 + 4.0 + 2.0


def test_arithmetic_in_place_reuses_the_memory() -> None:
    x = tp.zeros(1000, 100, device="xla:0")
    x.add_(1.0)
    before = pointer(x)
    x.mul_(2.0).add_(tp.ones(100, device="xla:0"))
    assert pointer(x) == before
    assert x.sum().item() == 300_000.0


def test_memory_that_others_look_at_is_left_alone() -> None:
    x = tp.zeros(1000, device="xla:0")
    x[0] = 1.0
    held = native(x)
    looked = np.asarray(native(x))
    copied = x.clone()
    saved = x.detach()
    x[1] = 5.0
    assert (held[1], looked[1], copied[1].item()) == (0.0, 0.0, 0.0)
    assert saved[1].item() == 5.0  # detach() is an alias
    x.add_(1.0)
    assert (held[0], looked[0], copied[0].item()) == (1.0, 1.0, 1.0)


def test_imported_memory_is_never_written_to() -> None:
    place = np.zeros(4096 + 64, np.uint8)
    start = -place.ctypes.data % 64
    source = place[start : start + 4096].view(np.float32)
    array = jnp.from_dlpack(source)
    x = tp.asarray(array)
    del array
    x[0] = 7.0
    x.add_(1.0)
    assert source[0] == 0.0
    assert x[0].item() == 8.0


def test_saved_values_survive_later_writes() -> None:
    x = tp.ones(3, device="xla:0", requires_grad=True)
    y = x * 2
    z = y.exp()
    y.add_(1.0)
    z.sum().backward()
    assert np.allclose(x.grad.cpu().numpy(), 2 * np.exp(2.0))
    w = (x * 1).square()
    v = w * w
    w.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        v.sum().backward()

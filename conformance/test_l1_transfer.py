"""Moving between devices, and exchange with NumPy, DLPack, pickle and copy."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import same
from tensorplug.conformance.samples import dtypes_of, other_devices, supports


def test_every_type_survives_the_way_to_other_devices(device: str) -> None:
    for other in ["cpu", *other_devices(device)]:
        for dtype in dtypes_of(device):
            if not supports(other, dtype):
                continue
            a = (np.arange(6) % 2).astype(dtype.numpy).reshape(2, 3)
            x = tp.tensor(a, device=device)
            away = x.to(other)
            back = away.to(device)
            assert (str(away.device), str(back.device)) == (other, device)
            assert away.dtype is back.dtype is dtype
            assert same(away, a)
            assert same(back, a)


def test_views_arrive_with_their_values(device: str) -> None:
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    x = tp.tensor(a, device=device)
    for other in ["cpu", *other_devices(device)]:
        assert same(x.t()[::2].to(other), a.T[::2])
        assert same(x[1:, ::-1].to(other), a[1:, ::-1])
        assert same(x[:, :1].expand(4, 3).to(other), np.repeat(a[:, :1], 3, 1))
        assert same(tp.tensor(a, device=other).t()[1:].to(device), a.T[1:])


PARTS: dict[str, Callable[[Any], Any]] = {
    "last rows": lambda x: x[2:],
    "a row": lambda x: x[1],
    "rows in the middle": lambda x: x[1:3],
    "an element": lambda x: x[2, 3],
    "last elements": lambda x: x.reshape(-1)[5:],
    "a row of a view": lambda x: x[1:][1],
    "columns": lambda x: x[:, 2:5],
    "every second row": lambda x: x[1::2],
    "nothing": lambda x: x[4:],
    "transposed": lambda x: x.T,
    "transposed rows": lambda x: x[1:3].T,
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_arrive_and_not_the_start_of_their_memory(device: str, part: str) -> None:
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    for other in ["cpu", *other_devices(device)]:
        for source, target in ((device, other), (other, device), (device, device)):
            view = PARTS[part](tp.tensor(a, device=source))
            want = PARTS[part](a)
            text = f"a view ({part}) from {source} to {target}"
            assert same(view.to(target), want), text
            assert same(view.to(target, copy=True), want), f"{text}, copy=True"
            later = view.to(target, non_blocking=True, copy=True)
            assert same(later, want), f"{text}, non_blocking=True"
            assert same(tp.zeros(want.shape, device=target).copy_(view), want), f"{text}, copy_"
            whole = tp.zeros(4, 6, device=target)
            PARTS[part](whole).copy_(view)
            assert same(PARTS[part](whole), want), f"{text}, into such a view"


@pytest.mark.parametrize("non_blocking", [False, True])
def test_what_is_written_after_a_copy_does_not_arrive(device: str, non_blocking: bool) -> None:
    """Of memory that is not pinned, a copy has read everything when it returns."""
    for size in (8, 100_000):
        array = np.zeros(size, np.float32)
        x = tp.from_numpy(array).to(device, non_blocking=non_blocking, copy=True)
        y = tp.empty(size, device=device).copy_(tp.from_numpy(array), non_blocking=non_blocking)
        array[:] = 7
        for found in (x, y):
            assert found.abs().max().item() == 0, f"{size} elements, non_blocking={non_blocking}"


def test_copies_share_nothing(device: str) -> None:
    for other in other_devices(device):
        x = tp.ones(3, device=device)
        y = x.to(other)
        y.fill_(5)
        assert x.tolist() == [1, 1, 1]
        x.fill_(7)
        assert y.tolist() == [5, 5, 5]


def test_to_takes_device_and_type_in_every_way(device: str) -> None:
    x = tp.ones(2)
    like = tp.zeros(1, dtype=tp.int64, device=device)
    for y in (x.to(device, tp.int64), x.to(device=device, dtype=tp.int64), x.to(like),
              x.to(tp.device(device), dtype=tp.int64)):  # fmt: skip
        assert (str(y.device), y.dtype) == (device, tp.int64)


def test_gradients_come_back_to_where_they_belong(device: str) -> None:
    for other in ["cpu", *other_devices(device)]:
        x = tp.tensor([1.0, 2.0], device=other, requires_grad=True)
        y = x.to(device)
        ((y * y).to(other) * x).sum().backward()
        assert str(x.grad.device) == other
        assert x.grad.tolist() == [3.0, 12.0]


def test_copy_between_devices_in_place(device: str) -> None:
    for other in other_devices(device):
        x = tp.zeros((2, 3), device=device)
        x.t().copy_(tp.tensor([[1, 2], [3, 4], [5, 6]], device=other))
        assert x.tolist() == [[1, 3, 5], [2, 4, 6]]
        y = tp.zeros(2, dtype=tp.int64, device=other).copy_(x[0, :2])
        assert y.tolist() == [1, 3]


def test_the_default_device(device: str) -> None:
    with tp.device(device):
        for x in (tp.ones(2), tp.tensor([1]), tp.zeros(2, dtype=tp.int64), tp.rand(1)):
            assert str(x.device) == device
    assert str(tp.ones(1, device=device).new_ones(2).device) == device


# --- NumPy ---------------------------------------------------------------------------------------


def test_numpy_is_for_host_memory_only(device: str) -> None:
    x = tp.tensor([1.0, 2.0], device=device)
    if tp.device(device).backend.shares_host_memory:
        x.numpy()[0] = 5
        assert x.tolist() == [5, 2]
    else:
        with pytest.raises(TypeError, match=device):
            x.numpy()
        with pytest.raises(TypeError, match=device):
            np.asarray(x)
    assert np.array_equal(x.numpy(force=True), x.cpu().numpy())


def test_numpy_of_a_computed_tensor_is_refused(device: str) -> None:
    x = tp.ones(2, device=device, requires_grad=True)
    with pytest.raises(RuntimeError, match="requires grad"):
        x.numpy()
    with pytest.raises(RuntimeError, match="requires grad"):
        (x * 2).numpy()
    assert x.numpy(force=True).tolist() == [1, 1]


def test_python_numbers_and_lists(device: str) -> None:
    for dtype in dtypes_of(device):
        x = tp.tensor([[1, 0], [0, 1]], dtype=dtype, device=device)
        kind = {"bool": bool, "uint": int, "int": int, "float": float, "complex": complex}
        assert type(x[0, 0].item()) is kind[dtype.kind]
        assert type(x.tolist()[1][1]) is kind[dtype.kind]
        assert x.tolist() == [[1, 0], [0, 1]]
    one = tp.tensor(3, device=device)
    assert (int(one), float(one), bool(one), [0, 1, 2, 9][one]) == (3, 3.0, True, 9)


def test_more_than_one_element_is_no_number(device: str) -> None:
    x = tp.ones(2, device=device)
    for use in (bool, float, int, x.__index__):
        with pytest.raises((RuntimeError, TypeError)):
            use(x) if use is not x.__index__ else use()
    with pytest.raises(TypeError):
        len(tp.ones((), device=device))


# --- DLPack --------------------------------------------------------------------------------------


def test_dlpack_to_numpy(device: str) -> None:
    x = tp.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device)
    try:
        got = np.from_dlpack(x)
    except (BufferError, RuntimeError, AttributeError):
        assert not tp.device(device).backend.shares_host_memory
        return
    assert np.array_equal(got, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_dlpack_keeps_strides_and_offsets(device: str) -> None:
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    x = tp.tensor(a, device=device)
    for view, part in ((x.t(), a.T), (x[1:, ::2], a[1:, ::2]), (x[2], a[2]), (x[1, 1], a[1, 1])):
        again = tp.from_dlpack(view)
        assert same(again.clone(), np.ascontiguousarray(part).reshape(part.shape))


def test_dlpack_from_numpy_shares_memory() -> None:
    a = np.arange(4, dtype=np.float32)
    x = tp.from_dlpack(a[::2])
    a[2] = 9
    assert x.tolist() == [0, 9]


def test_dlpack_of_a_computed_tensor_is_refused(device: str) -> None:
    x = tp.ones(2, device=device, requires_grad=True)
    with pytest.raises(BufferError, match="grad"):
        x.__dlpack__()


def test_dlpack_of_the_library_itself(device: str) -> None:
    """A tensor around one of the library's own arrays is on that device."""
    x = tp.tensor([1.0, 2.0], device=device)
    assert str(tp.from_dlpack(x).device) == device
    assert str(tp.as_tensor(x).device) == device
    assert tp.as_tensor(x) is x


# --- pickle and copy -----------------------------------------------------------------------------


def test_pickle_keeps_values_type_device_and_grad(device: str) -> None:
    for dtype in dtypes_of(device):
        x = tp.tensor([[0, 1], [1, 0]], dtype=dtype, device=device)
        y = pickle.loads(pickle.dumps(x))
        assert (y.dtype, y.tolist(), str(y.device)) == (dtype, x.tolist(), device)
    leaf = tp.ones(2, device=device, requires_grad=True)
    assert pickle.loads(pickle.dumps(leaf)).requires_grad


def test_pickle_of_a_view_has_the_values_of_the_view(device: str) -> None:
    x = tp.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device)
    for view in (x.t(), x[:, ::2], x[1], x[:, ::-1]):
        assert pickle.loads(pickle.dumps(view)).tolist() == view.tolist()


def test_deepcopy_shares_nothing(device: str) -> None:
    x = tp.ones(3, device=device, requires_grad=True)
    y = copy.deepcopy(x)
    assert (y.requires_grad, str(y.device)) == (True, device)
    with tp.no_grad():
        y.fill_(4)
    assert x.tolist() == [1, 1, 1]
    alias = copy.copy(x)
    assert alias.untyped_storage() == x.untyped_storage()
